import { permute } from "../../core/ops/permute.ts";
import { at, build64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";

const exact = 2e-6; // of gradients; results are copies

for (
  const order of [[1, 0], [2, 0, 1], [0, 2, 1, 3], [3, 1, 5, 0, 2, 4], [
    4,
    1,
    3,
    0,
    2,
    5,
  ]]
) {
  const shape = [3, 5, 2, 4, 3, 2].slice(0, order.length);
  checkOp(`permute by ${order}`, {
    run: (x) => permute(x, order),
    oracle: (x) =>
      build64(
        order.map((axis) => x.shape[axis]!),
        (index) => at(x, x.shape.map((_, axis) => index[order.indexOf(axis)]!)),
      ).data,
    cases: {
      "moves axes": { shapes: [shape] },
      "moves whole texels": {
        shapes: [
          shape.map((n) => 4 * n).slice(-3).length === order.length
            ? shape.map((n) => 4 * n)
            : shape,
        ],
      },
    },
    tolerance: exact,
  });
}
