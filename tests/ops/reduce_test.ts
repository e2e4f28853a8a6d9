import { assertThrows } from "@std/assert";
import {
  mean,
  type ReduceOptions,
  sum,
  variance,
} from "../../core/ops/reduce.ts";
import { zeros } from "../../core/tensor/create.ts";
import { type Array64, eachIndex } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";
import { testGpu } from "../support/gpu.ts";

/** Values of each result cell, by the axes that stay. */
function cells(x: Array64, axes: readonly number[]): number[][] {
  const kept = x.shape.map((length, axis) => axes.includes(axis) ? 1 : length);
  const size = kept.reduce((a, b) => a * b, 1);
  const result: number[][] = Array.from({ length: size }, () => []);
  eachIndex(x.shape, (index, flat) => {
    let cell = 0;
    kept.forEach((length, axis) => {
      cell = cell * length + (length === 1 ? 0 : index[axis]!);
    });
    result[cell]!.push(x.data[flat]!);
  });
  return result;
}

const total = (values: number[]) => values.reduce((a, b) => a + b, 0);
const average = (values: number[]) => total(values) / values.length;

const CASES: Record<string, [number[], number[]]> = {
  "takes a last axis of whole texels": [[5, 12], [1]],
  "takes an odd last axis": [[5, 7], [1]],
  "takes a first axis": [[9, 8], [0]],
  "takes an odd first axis": [[9, 5], [0]],
  "takes a middle axis": [[3, 130, 4], [1]],
  "takes several axes": [[3, 4, 5, 6], [0, 2]],
  "takes neighbouring axes": [[3, 4, 5, 8], [1, 2]],
  "takes everything": [[3, 5, 7], [0, 1, 2]],
  "takes an axis of length 1": [[4, 1, 3], [1]],
  "takes rows longer than a chunk": [[2, 1000], [1]],
};

for (const [what, [shape, axes]] of Object.entries(CASES)) {
  checkOp("sum", {
    run: (x) => sum(x, axes),
    oracle: (x) => Float64Array.from(cells(x, axes), total),
    cases: { [what]: { shapes: [shape] } },
    tolerance: 5e-6,
  });
}

checkOp("sum", {
  run: (x) => sum(x),
  oracle: (x) => Float64Array.of(total([...x.data])),
  cases: { "keeps accuracy over a million terms": { shapes: [[1024, 1024]] } },
  tolerance: 1e-5,
  forwardOnly: true,
});

checkOp("mean", {
  run: (x) => mean(x, [-1], { keepAxes: true }),
  oracle: (x) => Float64Array.from(cells(x, [1]), average),
  cases: { "keeps axes": { shapes: [[6, 9]] } },
  tolerance: 2e-6,
});

const spread = (unbiased: boolean) => (values: number[]) => {
  const centre = average(values);
  const squares = total(values.map((x) => (x - centre) ** 2));
  return squares / (values.length - (unbiased ? 1 : 0));
};

for (const unbiased of [false, true]) {
  const options: ReduceOptions & { unbiased: boolean } = { unbiased };
  checkOp(unbiased ? "variance, unbiased," : "variance", {
    run: (x) => variance(x, [0, 2], options),
    oracle: (x) => Float64Array.from(cells(x, [0, 2]), spread(unbiased)),
    cases: {
      "takes several axes": { shapes: [[4, 3, 5]] },
      "stays accurate far from zero": {
        shapes: [[4, 3, 5]],
        offset: 100,
        tolerance: 1e-4,
      },
    },
    tolerance: 5e-6,
  });
}

Deno.test("sum refuses an axis that is not there", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  assertThrows(
    () => sum(zeros(gpu, [2, 3]), [2]),
    RangeError,
    "Cannot apply sum: axis 2 must be an integer from -2 to 1",
  );
});
