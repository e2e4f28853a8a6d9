import { assertThrows } from "@std/assert";
import { depthwiseConv2d } from "../../core/ops/depthwise_conv2d.ts";
import { zeros } from "../../core/tensor/create.ts";
import { type Array64, at, build64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";
import { testGpu } from "../support/gpu.ts";

/** The definition: a sum over the taps that are inside of the image. */
function oracle(x: Array64, w: Array64, bias: Array64): Float64Array {
  const [, height = 0, width = 0] = x.shape;
  return build64(x.shape, ([b = 0, i = 0, j = 0, c = 0]) => {
    let total = bias.data[c]!;
    for (let p = -1; p <= 1; p++) {
      for (let q = -1; q <= 1; q++) {
        const [row, column] = [i + p, j + q];
        if (row < 0 || column < 0 || row >= height || column >= width) continue;
        total += at(x, [b, row, column, c]) * at(w, [c, 0, p + 1, q + 1]);
      }
    }
    return total;
  }).data;
}

const shapes = (batch: number, height: number, width: number, c: number) => ({
  shapes: [[batch, height, width, c], [c, 1, 3, 3], [c]],
});

checkOp("depthwiseConv2d", {
  run: depthwiseConv2d,
  oracle,
  cases: {
    "accepts whole texels": shapes(2, 4, 4, 8),
    "accepts one cell": shapes(1, 1, 1, 1),
    "accepts odd channels": shapes(2, 3, 5, 7),
    "accepts a row and a column": shapes(3, 1, 9, 4),
    "accepts images that are narrower than the kernel": shapes(2, 5, 2, 3),
    "sums several chunks of cells": shapes(5, 6, 7, 12),
    "goes beyond a workgroup": shapes(3, 4, 4, 192),
  },
  tolerance: 1e-5, // measured 2e-6
});

Deno.test("depthwiseConv2d refuses kernels and biases of other shapes", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  for (
    const [x, w, b] of [
      [[1, 2, 2, 4], [4, 1, 3, 5], [4]],
      [[1, 2, 2, 4], [4, 4, 3, 3], [4]],
      [[1, 2, 2, 4], [4, 1, 3, 3], [3]],
      [[2, 2, 4], [4, 1, 3, 3], [4]],
    ] as const
  ) {
    assertThrows(
      () => depthwiseConv2d(zeros(gpu, x), zeros(gpu, w), zeros(gpu, b)),
      RangeError,
      "Cannot apply depthwiseConv2d: input",
    );
  }
});
