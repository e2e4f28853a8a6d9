import { assertThrows } from "@std/assert";
import { adaptiveLayerNorm, layerNorm } from "../../core/ops/layer_norm.ts";
import { zeros } from "../../core/tensor/create.ts";
import { checkOp } from "../support/check_op.ts";
import { testGpu } from "../support/gpu.ts";
import { at, build64 } from "../support/array64.ts";
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
    "accepts odd lengths": { shapes: [[5, 7], [7], [7]] },
    "sums over more rows than one invocation adds": {
      shapes: [[150, 8], [8], [8]],
    },
  },
  tolerance: 1e-5,
});

for (const lanes of [undefined, 8]) {
  checkOp(`adaptiveLayerNorm${lanes ? " between barriers" : ""}`, {
    run: (x, shift, scale) => adaptiveLayerNorm(x, EPS, shift, scale),
    oracle: (x, shift, scale) => {
      const normal = { shape: x.shape, data: overRows(normalize)(x) };
      return build64(x.shape, ([b = 0, t = 0, d = 0]) => {
        const row = Math.floor(t * shift.shape[1]! / x.shape[1]!);
        return at(normal, [b, t, d]) * (1 + at(scale, [b, row, d])) +
          at(shift, [b, row, d]);
      }).data;
    },
    cases: {
      "has one condition per token": {
        shapes: [[2, 3, 8], [2, 3, 8], [2, 3, 8]],
      },
      "shares a condition": { shapes: [[2, 6, 68], [2, 2, 68], [2, 2, 68]] },
      "shares it among more tokens than one invocation adds": {
        shapes: [[1, 300, 8], [1, 1, 8], [1, 1, 8]],
      },
      "accepts odd widths": { shapes: [[2, 6, 5], [2, 3, 5], [2, 3, 5]] },
    },
    tolerance: 1e-5,
    ...(lanes ? { gpu: () => testGpu({ rowLanes: lanes }) } : {}),
  });
}

Deno.test("adaptiveLayerNorm refuses a condition that does not fit", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const [x, wrong] = [zeros(gpu, [2, 6, 8]), zeros(gpu, [2, 4, 8])];
  assertThrows(
    () => adaptiveLayerNorm(x, EPS, wrong, wrong),
    RangeError,
    "conditioning (2, 4, 8) needs the leading axes and the width of (2, 6, 8), and rows that divide its tokens",
  );
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
