import { gather, pick, repeat } from "../../core/ops/gather.ts";
import { tensor } from "../../core/tensor/create.ts";
import { at, build64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";

const exact = 2e-6; // of gradients; results are copies

const INDEX = [2, 0, 2, 1, 2];

checkOp("gather", {
  run: (x) => gather(x, tensor(x.gpu, new Uint32Array(INDEX))),
  oracle: (x) =>
    build64([5, x.shape[1]!], ([n = 0, c = 0]) => at(x, [INDEX[n]!, c])).data,
  cases: { "adds the gradients of repeated rows": { shapes: [[4, 7]] } },
  tolerance: exact,
});

checkOp("pick", {
  run: (x) => pick(x, tensor(x.gpu, new Uint32Array(INDEX))),
  oracle: (x) => build64([5], ([n = 0]) => at(x, [n, INDEX[n]!])).data,
  cases: { "takes one value per row": { shapes: [[5, 3]] } },
  tolerance: exact,
});

checkOp("repeat", {
  run: (x) => repeat(x, 3, 1),
  oracle: (x) =>
    build64(
      x.shape.with(1, 3 * x.shape[1]!),
      ([a = 0, b = 0, c = 0]) => at(x, [a, b % x.shape[1]!, c]),
    ).data,
  cases: { "makes whole copies": { shapes: [[2, 3, 5]] } },
  tolerance: exact,
});
