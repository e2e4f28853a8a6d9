import { assert } from "@std/assert";
import { conv2d } from "../../core/ops/conv2d.ts";
import { silu } from "../../core/ops/pointwise.ts";
import { suitsWinograd, winograd } from "../../core/ops/winograd.ts";
import { backward } from "../../core/tensor/autograd.ts";
import { tensor } from "../../core/tensor/create.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import { type Array64, at, build64, draw64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";
import { testGpu } from "../support/gpu.ts";

/** Zeros around the image: top, bottom, left and right. */
type Sides = readonly [number, number, number, number];

/** The definition: a sum over taps and channels of an image with sides. */
function convolution(sides: Sides, isTurned: boolean) {
  const [top, bottom, left, right] = sides;
  return (x: Array64, w: Array64, bias?: Array64): Float64Array => {
    const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
    const columns = w.shape[isTurned ? 1 : 0]!;
    return build64(
      [batch, height + top + bottom - 2, width + left + right - 2, columns],
      ([b = 0, oy = 0, ox = 0, n = 0]) => {
        let total = bias?.data[n] ?? 0;
        for (let tap = 0; tap < 9; tap++) {
          const ky = Math.floor(tap / 3);
          const kx = tap % 3;
          const y = oy + ky - top;
          const z = ox + kx - left;
          if (y < 0 || z < 0 || y >= height || z >= width) continue;
          for (let k = 0; k < channels; k++) {
            const place = isTurned ? [k, n, 2 - ky, 2 - kx] : [n, k, ky, kx];
            total += at(x, [b, y, z, k]) * at(w, place);
          }
        }
        return total;
      },
    ).data;
  };
}

function run(sides: Sides, isTurned: boolean) {
  return (x: Tensor, w: Tensor, bias?: Tensor): Tensor => {
    const [top, bottom, left, right] = sides;
    const [batch = 0, height = 0, width = 0] = x.shape;
    return winograd({
      a: x,
      weight: w,
      isTurned,
      padding: [top, left],
      source: [height, width],
      shape: [
        batch,
        height + top + bottom - 2,
        width + left + right - 2,
        w.shape[isTurned ? 1 : 0]!,
      ],
      bias,
      activation: "none",
      keepPre: false,
    }).c;
  };
}

// A transform adds numbers of several sizes: measured 1.4e-5 at 8 channels, 3e-6
// by matrix product.
const TOLERANCE = 3e-5;

const CASES: Record<string, [Sides, readonly (readonly number[])[]]> = {
  "accepts one result": [[0, 0, 0, 0], [
    [1, 3, 3, 4],
    [4, 4, 3, 3],
    [4],
  ]],
  "accepts one pixel amid zeros": [[1, 1, 1, 1], [
    [1, 1, 1, 4],
    [8, 4, 3, 3],
    [8],
  ]],
  "pads by one, with tiles that overhang": [[1, 1, 1, 1], [
    [2, 5, 7, 12],
    [20, 12, 3, 3],
    [20],
  ]],
  "pads by two": [[2, 2, 2, 2], [[1, 4, 6, 4], [4, 4, 3, 3], [4]]],
  "pads unequally": [[0, 2, 1, 0], [[3, 3, 9, 8], [4, 8, 3, 3], [4]]],
  "goes beyond a workgroup": [[1, 1, 1, 1], [
    [3, 9, 11, 8],
    [68, 8, 3, 3],
    [68],
  ]],
  "adds many channels": [[1, 1, 1, 1], [
    [1, 4, 5, 128],
    [4, 128, 3, 3],
    [4],
  ]],
};

/** (N, K, 3, 3) to (K, N, 3, 3). */
function turned(shapes: readonly (readonly number[])[]) {
  return shapes.map((shape, i) =>
    i === 1 ? [shape[1]!, shape[0]!, 3, 3] : shape
  );
}

// The kernel is for subgroups that read texels; elsewhere nothing calls it.
const isHere = suitsWinograd(await testGpu(), 64, 64, 4096);
for (const isTurned of isHere ? [false, true] : []) {
  for (const [what, [sides, shapes]] of Object.entries(CASES)) {
    checkOp(`winograd by shuffles${isTurned ? ", turned around," : ""}`, {
      run: run(sides, isTurned),
      oracle: convolution(sides, isTurned),
      cases: { [what]: { shapes: isTurned ? turned(shapes) : shapes } },
      tolerance: TOLERANCE,
      forwardOnly: true,
      special: "spreads", // over the tiles that a pixel is in
    });
  }
}

Deno.test("winograd gives conv2d the results and gradients of the matrix product", async () => {
  const shapes = [[2, 17, 19, 36], [60, 36, 3, 3], [60], [2, 18, 18, 60]];
  const images = shapes.map((shape, i) => draw64(shape, i + 1));
  const results: Float32Array[][] = [];
  for (
    const gpu of [await testGpu(), await testGpu({ operandSource: "buffer" })]
  ) {
    using _ = gpu.scope();
    const [x, w, b, r] = images.map(({ data, shape }) => {
      const value = tensor(gpu, new Float32Array(data), shape);
      value.requiresGrad = true;
      return value;
    }) as [Tensor, Tensor, Tensor, Tensor];
    const y = conv2d(x, w, b, {
      padding: [1, 2, 0, 1],
      activation: "silu",
      residual: r,
    });
    backward(y, silu(y));
    const own = [y, x.grad!, w.grad!, b.grad!, r.grad!];
    results.push(
      await Promise.all(own.map(async (t) => await t.read() as Float32Array)),
    );
  }
  const [first, second] = results as [Float32Array[], Float32Array[]];
  for (const [i, values] of first.entries()) {
    const other = second[i]!;
    const scale = Math.max(...other.map(Math.abs));
    const worst = Math.max(...values.map((v, k) => Math.abs(v - other[k]!)));
    assert(worst < 1e-5 * scale, `${i}: off by ${worst} of ${scale}`);
  }
  if (isHere) assert(first[0]!.some((value, k) => value !== second[0]![k]));
});
