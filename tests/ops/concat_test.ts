import { assertThrows } from "@std/assert";
import { chunk, concat, slice } from "../../core/ops/concat.ts";
import { zeros } from "../../core/tensor/create.ts";
import { at, build64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";
import { testGpu } from "../support/gpu.ts";

const exact = 2e-6; // of gradients; results are copies

for (const axis of [0, 1, 2]) {
  checkOp(`concat along axis ${axis}`, {
    run: (x, y) => concat([x, y, x], axis),
    oracle: (x, y) => {
      const length = 2 * x.shape[axis]! + y.shape[axis]!;
      return build64(x.shape.with(axis, length), (index) => {
        const i = index[axis]!;
        const first = x.shape[axis]!;
        const second = first + y.shape[axis]!;
        if (i < first) return at(x, index);
        if (i < second) return at(y, index.with(axis, i - first));
        return at(x, index.with(axis, i - second));
      }).data;
    },
    cases: {
      "joins odd lengths": {
        shapes: [[3, 2, 5], [3, 2, 5].with(axis, 4)],
      },
      "joins whole texels": { shapes: [[4, 8, 8], [4, 8, 8].with(axis, 4)] },
    },
    tolerance: exact,
  });
  checkOp(`slice along axis ${axis}`, {
    run: (x) => slice(x, axis, 1, 3),
    oracle: (x) =>
      build64(
        x.shape.with(axis, 2),
        (index) => at(x, index.with(axis, index[axis]! + 1)),
      ).data,
    cases: { "takes a range": { shapes: [[4, 3, 5]] } },
    tolerance: exact,
  });
}

checkOp("chunk", {
  run: (x) => {
    const [a, b, c] = chunk(x, 3);
    return concat([c!, a!, b!], 0);
  },
  oracle: (x) =>
    build64([3 * x.shape[0]!, x.shape[1]! / 3], ([row = 0, c = 0]) => {
      const rows = x.shape[0]!;
      const part = [2, 0, 1][Math.floor(row / rows)]!;
      return at(x, [row % rows, part * x.shape[1]! / 3 + c]);
    }).data,
  cases: {
    "splits odd lengths": { shapes: [[4, 15]] },
    "splits whole texels": { shapes: [[4, 24]] },
  },
  tolerance: exact,
});

checkOp("chunk", {
  run: (x) => chunk(x, 3)[1]!,
  oracle: (x) =>
    build64([x.shape[0]!, 2], ([r = 0, c = 0]) => at(x, [r, c + 2])).data,
  cases: { "gives unused parts no gradient": { shapes: [[4, 6]] } },
  tolerance: exact,
});

Deno.test("concat refuses other axes that differ", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  assertThrows(
    () => concat([zeros(gpu, [2, 3]), zeros(gpu, [3, 3])], 1),
    RangeError,
    "Cannot apply concat: (3, 3) and (2, 3) differ outside axis 1",
  );
});
