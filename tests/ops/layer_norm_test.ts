import { assertThrows } from "@std/assert";
import { layerNorm } from "../../core/ops/layer_norm.ts";
import { zeros } from "../../core/tensor/create.ts";
import { checkOp } from "../support/check_op.ts";
import { testGpu } from "../support/gpu.ts";
import { overRows, ROW_CASES } from "../support/over_rows.ts";

const EPS = 1e-5;

function normalize(values: Float64Array): Float64Array {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) /
    values.length;
  return values.map((x) => (x - mean) / Math.sqrt(variance + EPS));
}

for (const lanes of [1, 8, 32]) {
  const name = (op: string) => lanes === 1 ? op : `${op} by ${lanes} lanes`;
  const gpu = () => testGpu({ rowLanes: lanes });
  checkOp(name("layerNorm"), {
    run: (x) => layerNorm(x, EPS),
    oracle: overRows(normalize),
    cases: {
      ...ROW_CASES,
      "keeps variance far from zero": {
        shapes: [[2, 256]],
        offset: 1000,
        tolerance: 2e-4, // the input itself is rounded to 6e-5
      },
    },
    tolerance: 1e-5, // measured 3e-6
    gpu,
  });
}

checkOp("layerNorm with scale and shift", {
  run: (x, weight, bias) => layerNorm(x, EPS, { weight, bias }),
  oracle: (x, w, b) =>
    overRows((row) =>
      normalize(row).map((x, c) => x * w.data[c]! + b.data[c]!)
    )(x),
  cases: {
    "accepts whole texels": { shapes: [[6, 20], [20], [20]] },
  },
  tolerance: 1e-5,
});

Deno.test("layerNorm refuses a scalar", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  assertThrows(
    () => layerNorm(zeros(gpu, []), EPS),
    RangeError,
    "Cannot apply layerNorm to a tensor (): it needs a last axis",
  );
});
