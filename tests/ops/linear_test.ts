import { assertThrows } from "@std/assert";
import { linear } from "../../core/ops/linear.ts";
import { tensor, zeros } from "../../core/tensor/create.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import { type Array64, build64, draw64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";
import { erf } from "../support/erf.ts";
import { testGpu } from "../support/gpu.ts";

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

const ACTIVATIONS = {
  none: (x: number) => x,
  relu: (x: number) => Math.max(x, 0),
  silu: (x: number) => x * sigmoid(x),
  gelu: (x: number) => x * 0.5 * (1 + erf(x * Math.SQRT1_2)),
  geluTanh: (x: number) =>
    0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  quickGelu: (x: number) => x * sigmoid(1.702 * x),
} as const;

function oracle(activate: (x: number) => number) {
  return (x: Array64, w: Array64, bias?: Array64): Float64Array => {
    const [columns = 0, depth = 0] = w.shape;
    const rows = x.data.length / depth;
    return build64([rows, columns], ([m = 0, n = 0]) => {
      let total = bias?.data[n] ?? 0;
      for (let k = 0; k < depth; k++) {
        total += x.data[m * depth + k]! * w.data[n * depth + k]!;
      }
      return activate(total);
    }).data;
  };
}

for (const [name, activate] of Object.entries(ACTIVATIONS)) {
  const activation = name as keyof typeof ACTIVATIONS;
  checkOp(`linear with ${name}`, {
    run: (x, w, b) => linear(x, w, b, { activation }),
    oracle: oracle(activate),
    cases: {
      "accepts whole texels": { shapes: [[2, 33, 16], [24, 16], [24]] },
      "accepts odd lengths": { shapes: [[3, 7], [5, 7], [5]] },
    },
    tolerance: 1e-5, // measured 3e-6
    // A gradient of exactly 0 far out is still a factor of NaN.
    ...(name === "geluTanh" ? { special: "forward" } : {}),
  });
}
checkOp("linear with few outputs", {
  run: (x, w, b) => linear(x, w, b),
  oracle: oracle(ACTIVATIONS.none),
  cases: {
    "lays its lanes along the rows": { shapes: [[192, 20], [16, 20], [16]] },
    "accepts rows that fill no tile": { shapes: [[131, 7], [5, 7], [5]] },
    "accepts fewer outputs than a texel": { shapes: [[130, 8], [3, 8], [3]] },
    "sums the bias's gradient over many rows": {
      shapes: [[150, 40], [36, 40], [36]],
    },
  },
  tolerance: 1e-5,
});
checkOp("linear without bias", {
  run: (x, w) => linear(x, w),
  oracle: (x, w) => oracle(ACTIVATIONS.none)(x, w),
  cases: { "accepts leading axes": { shapes: [[2, 3, 4, 8], [12, 8]] } },
  tolerance: 1e-5,
});

for (const withoutSubgroups of [false, true]) {
  checkOp(
    `linear with f16 weights${withoutSubgroups ? " by shared tiles" : ""}`,
    {
      run: (x, w) => linear(x, halved(w), undefined), // its own weights
      oracle: (x, w) => {
        const data = w.data.map((value) => Math.f16round(value));
        return oracle(ACTIVATIONS.none)(x, { shape: w.shape, data });
      },
      cases: { "reads them exactly": { shapes: [[3, 16], [12, 16]] } },
      constants: [1],
      special: "none",
      tolerance: 1e-5,
      gpu: () =>
        testGpu(
          withoutSubgroups ? { withoutSubgroups, operandSource: "buffer" } : {},
        ),
    },
  );
}

/** The same values as 16-bit floats, drawn again on the host. */
function halved(w: Tensor): Tensor {
  const { data, shape } = draw64(w.shape, 2);
  return tensor(w.gpu, new Float16Array(data), shape);
}

Deno.test("linear refuses f16 weights that need a gradient", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const weight = zeros(gpu, [4, 8], "f16");
  weight.requiresGrad = true;
  assertThrows(
    () => linear(zeros(gpu, [2, 8]), weight),
    TypeError,
    "weight is f16, needed f32, or f16 without a gradient",
  );
});

Deno.test("linear refuses lengths that differ", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  assertThrows(
    () => linear(zeros(gpu, [8, 64, 200]), zeros(gpu, [1024, 256])),
    RangeError,
    "Cannot apply linear: input (8, 64, 200) ends in 200, weight (1024, 256) needs 256",
  );
});
