import { assertEquals, assertThrows } from "@std/assert";
import { conv2d, type Conv2dOptions } from "../../core/ops/conv2d.ts";
import { sum } from "../../core/ops/reduce.ts";
import { backward } from "../../core/tensor/autograd.ts";
import { tensor, zeros } from "../../core/tensor/create.ts";
import type { Tile } from "../../kernels/tile.wgsl.ts";
import { type Array64, at, build64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";
import { testGpu } from "../support/gpu.ts";

interface Plain {
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number, number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
}

/** The definition: a sum over taps and input channels. */
function convolution(options: Plain, activate = (x: number) => x) {
  return (x: Array64, w: Array64, bias?: Array64): Float64Array => {
    const [batch = 0, height = 0, width = 0] = x.shape;
    const [outputs = 0, inputs = 0, kh = 0, kw = 0] = w.shape;
    const { stride, padding, dilation, groups } = options;
    const [top, bottom, left, right] = padding;
    const size = (n: number, pad: number, k: number, axis: 0 | 1) =>
      Math.floor((n + pad - dilation[axis] * (k - 1) - 1) / stride[axis]) + 1;
    return build64(
      [
        batch,
        size(height, top + bottom, kh, 0),
        size(width, left + right, kw, 1),
        outputs,
      ],
      ([b = 0, oy = 0, ox = 0, o = 0]) => {
        let total = bias?.data[o] ?? 0;
        const first = Math.floor(o / (outputs / groups)) * inputs;
        for (let ky = 0; ky < kh; ky++) {
          for (let kx = 0; kx < kw; kx++) {
            const y = oy * stride[0] - top + ky * dilation[0];
            const z = ox * stride[1] - left + kx * dilation[1];
            const isZero = y < 0 || z < 0 || y >= height || z >= width;
            for (let i = 0; i < inputs; i++) {
              const value = isZero ? 0 : at(x, [b, y, z, first + i]);
              total += value * at(w, [o, i, ky, kx]);
            }
          }
        }
        return activate(total);
      },
    ).data;
  };
}

const PLAIN: Plain = {
  stride: [1, 1],
  padding: [0, 0, 0, 0],
  dilation: [1, 1],
  groups: 1,
};

const CONVOLUTIONS: Record<
  string,
  [Partial<Plain>, readonly (readonly number[])[]]
> = {
  "accepts one pixel": [{}, [[1, 1, 1, 1], [1, 1, 1, 1], [1]]],
  "pads a 3 x 3 kernel": [
    { padding: [1, 1, 1, 1] },
    [[2, 5, 7, 8], [12, 8, 3, 3], [12]],
  ],
  "accepts three channels": [
    { padding: [1, 1, 1, 1] },
    [[2, 6, 5, 3], [8, 3, 3, 3], [8]],
  ],
  "gives odd channels": [{}, [[1, 5, 5, 4], [3, 4, 3, 3], [3]]],
  "steps by two": [
    { stride: [2, 2], padding: [1, 1, 1, 1] },
    [[2, 7, 8, 4], [8, 4, 3, 3], [8]],
  ],
  "pads below and right only": [
    { stride: [2, 2], padding: [0, 1, 0, 1] },
    [[1, 8, 6, 4], [4, 4, 3, 3], [4]],
  ],
  "dilates": [
    { dilation: [2, 3], padding: [2, 2, 3, 3] },
    [[1, 8, 9, 4], [4, 4, 3, 3], [4]],
  ],
  "has a 1 x 7 kernel": [
    { padding: [0, 0, 3, 3] },
    [[1, 5, 9, 8], [8, 8, 1, 7], [8]],
  ],
  "has a 7 x 1 kernel and unequal steps": [
    { padding: [3, 3, 0, 0], stride: [2, 1] },
    [[1, 9, 5, 8], [8, 8, 7, 1], [8]],
  ],
  "splits channels into groups": [
    { groups: 2, padding: [1, 1, 1, 1] },
    [[1, 4, 5, 8], [6, 4, 3, 3], [6]],
  ],
  "convolves each channel apart": [
    { groups: 3, padding: [1, 1, 1, 1] },
    [[1, 4, 5, 3], [3, 1, 3, 3], [3]],
  ],
  "sums several rows of pixels": [
    { padding: [1, 1, 1, 1] },
    [[3, 12, 5, 4], [4, 4, 3, 3], [4]],
  ],
  "gives nine texels": [
    { padding: [1, 1, 1, 1] },
    [[1, 5, 9, 8], [36, 8, 3, 3], [36]],
  ],
  "steps and dilates to many channels": [
    { stride: [2, 1], dilation: [1, 2], padding: [1, 0, 2, 1] },
    [[1, 7, 8, 8], [52, 8, 3, 3], [52]],
  ],
  "goes beyond a tile": [
    { padding: [1, 1, 1, 1] },
    [[1, 9, 11, 12], [68, 12, 3, 3], [68]],
  ],
};

for (const [what, [given, shapes]] of Object.entries(CONVOLUTIONS)) {
  const options = { ...PLAIN, ...given };
  checkOp("conv2d", {
    run: (x, w, b) => conv2d(x, w, b, options),
    oracle: convolution(options),
    cases: { [what]: { shapes } },
    tolerance: 1e-5, // measured 3e-6
  });
}

const strided: Plain = { ...PLAIN, stride: [2, 2], padding: [1, 1, 1, 1] };
checkOp("conv2d without bias", {
  run: (x, w) => conv2d(x, w, undefined, strided),
  oracle: (x, w) => convolution(strided)(x, w),
  cases: { "steps by two": { shapes: [[1, 6, 6, 4], [4, 4, 3, 3]] } },
  tolerance: 1e-5,
});
checkOp("conv2d", {
  run: (x, w, b) => conv2d(x, w, b, { activation: "silu" }),
  oracle: convolution(PLAIN, (x) => x / (1 + Math.exp(-x))),
  cases: {
    "applies an activation": { shapes: [[1, 5, 5, 4], [8, 4, 3, 3], [8]] },
  },
  tolerance: 1e-5,
});

for (
  const what of [
    "accepts three channels",
    "dilates",
    "sums several rows of pixels",
    "goes beyond a tile",
  ]
) {
  const [given, shapes] = CONVOLUTIONS[what]!;
  const options = { ...PLAIN, ...given };
  checkOp("conv2d by buffers", {
    run: (x, w, b) => conv2d(x, w, b, options),
    oracle: convolution(options),
    gpu: () => testGpu({ operandSource: "buffer" }),
    cases: { [what]: { shapes } },
    tolerance: 1e-5,
  });
}

/** A convolution by 3 x 3 kernels behind which an image is added. */
function withResidual(x: Array64, w: Array64, r: Array64): Float64Array {
  const sum = convolution(
    { ...PLAIN, padding: [1, 1, 1, 1] },
    (x) => x / (1 + Math.exp(-x)),
  )(x, w);
  return sum.map((value, i) => value + r.data[i]!);
}
const RESIDUAL_CASES = {
  "adds it to few channels": {
    shapes: [[2, 3, 5, 4], [8, 4, 3, 3], [2, 3, 5, 8]],
  },
  "adds it to many": { shapes: [[1, 3, 5, 4], [52, 4, 3, 3], [1, 3, 5, 52]] },
  "adds it to odd channels": {
    shapes: [[1, 3, 5, 4], [3, 4, 3, 3], [1, 3, 5, 3]],
  },
};
checkOp("conv2d with a residual", {
  run: (x, w, residual) =>
    conv2d(x, w, undefined, { padding: 1, activation: "silu", residual }),
  oracle: withResidual,
  cases: RESIDUAL_CASES,
  tolerance: 1e-5,
  special: "forward", // zeros around the image are factors of NaN
});

const SHARED: Tile = {
  member: "shared",
  rows: 64,
  columns: 64,
  depth: 16,
  rowsEach: 8,
};
const tiles: Record<string, Tile> = {};
for (const shape of ["large", "narrow", "small"]) {
  tiles[`conv/${shape}`] = SHARED;
  tiles[`convWeight/${shape}`] = SHARED;
}
for (const [what, [given, shapes]] of Object.entries(CONVOLUTIONS)) {
  if (given.groups !== undefined) continue;
  const options = { ...PLAIN, ...given };
  checkOp("conv2d by shared tiles", {
    run: (x, w, b) => conv2d(x, w, b, options),
    oracle: convolution(options),
    gpu: () =>
      testGpu({ withoutSubgroups: true, operandSource: "buffer", tiles }),
    cases: { [what]: { shapes } },
    tolerance: 1e-5,
  });
}

checkOp("conv2d with a residual by shared tiles", {
  run: (x, w, residual) =>
    conv2d(x, w, undefined, { padding: 1, activation: "silu", residual }),
  oracle: withResidual,
  gpu: () =>
    testGpu({ withoutSubgroups: true, operandSource: "buffer", tiles }),
  cases: RESIDUAL_CASES,
  tolerance: 1e-5,
});

// 600,000 pixels are 75,000 workgroups of eight: two dispatches.
const FLAT: Tile = {
  member: "shared",
  rows: 8,
  columns: 8,
  depth: 4,
  rowsEach: 4,
};
Deno.test("conv2d accepts a batch of more than 65,535 workgroups", async () => {
  const gpu = await testGpu({
    withoutSubgroups: true,
    operandSource: "buffer",
    tiles: { "conv/narrow": FLAT },
  });
  using _ = gpu.scope();
  const values = Float32Array.from({ length: 600_000 }, (_, i) => i % 1009);
  const added = Float32Array.from({ length: 2_400_000 }, (_, i) => i % 7);
  const x = tensor(gpu, values, [2, 600, 500, 1]);
  x.requiresGrad = true;
  const y = conv2d(
    x,
    tensor(gpu, [3, 3, 3, 3], [4, 1, 1, 1]),
    tensor(gpu, [-6, -6, -6, -6]),
    { activation: "relu", residual: tensor(gpu, added, [2, 600, 500, 4]) },
  );
  backward(sum(y));
  const [got, dx] = [await y.read(), await x.grad!.read()];
  const wanted = (i: number) =>
    Math.max(0, 3 * values[i >> 2]! - 6) + added[i]!;
  assertEquals(got.findIndex((value, i) => value !== wanted(i)), -1);
  const slope = (i: number) => values[i]! > 2 ? 12 : 0;
  assertEquals(dx.findIndex((value, i) => value !== slope(i)), -1);
});

Deno.test("conv2d refuses an image of more pixels than a dispatch covers", async () => {
  const gpu = await testGpu({ withoutSubgroups: true });
  using _ = gpu.scope();
  assertThrows(
    () => conv2d(zeros(gpu, [1, 2048, 2048, 1]), zeros(gpu, [1, 1, 1, 1])),
    RangeError,
    "Cannot apply conv2d to an image of 4194304 pixels: at most 2097120 are possible; split the image",
  );
});

Deno.test("conv2d refuses channels that do not fit", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const options: Conv2dOptions = {};
  assertThrows(
    () =>
      conv2d(
        zeros(gpu, [1, 4, 4, 3]),
        zeros(gpu, [8, 4, 3, 3]),
        undefined,
        options,
      ),
    RangeError,
    "Cannot apply conv2d: input (1, 4, 4, 3), weight (8, 4, 3, 3)",
  );
});
