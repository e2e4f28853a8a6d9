import quotient from "../../kernels/lib/quotient.wgsl" with { type: "text" };
import {
  convNarrowKernel,
  type ConvNarrowVariant,
} from "../../kernels/conv2d_narrow.wgsl.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { ceilDiv, checkLoop, flatGrid } from "../gpu/grid.ts";
import { defineShader, shaderFamily } from "../gpu/shader.ts";
import { empty } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  activationSources,
  type Epilogue,
  epilogueVariant,
  present,
} from "./epilogue.ts";

/** A convolution to few channels; pairs are along y and x, in pixels. */
export interface NarrowConvolution extends Epilogue {
  /** (B, source, C) in whole texels */
  readonly a: Tensor;
  /** (taps, C, N) in whole texels */
  readonly b: Tensor;
  /** Whether the taps are taken in opposite order. */
  readonly isTurned: boolean;
  /** Taps. */
  readonly kernel: readonly [number, number];
  /** Steps between results. */
  readonly stride: readonly [number, number];
  /** Steps between taps. */
  readonly dilation: readonly [number, number];
  /** Zeros above and left of the image; fewer than none crop it. */
  readonly padding: readonly [number, number];
  /** Size of the image. */
  readonly source: readonly [number, number];
  /** (B, gridHeight, gridWidth, N) of the result */
  readonly shape: readonly [number, number, number, number];
}

/** Texels of a pixel at most: more results would not fit a lane. */
const MOST_QUADS = 12;

const narrowShader = shaderFamily((variant: ConvNarrowVariant) =>
  defineShader("conv2d_narrow", [
    ...activationSources(variant),
    quotient,
    convNarrowKernel(variant),
  ])
);

/**
 * Whether a convolution has so few columns that a lane for some pixels is
 * faster than a tile of the matrix product: 1.1 to 1.5 times from 12 to 48
 * columns, 3 times at 3. The kernel is for subgroups of a software adapter.
 *
 * @param gpu the device
 * @param columns channels of the result
 */
export function suitsNarrow(gpu: Gpu, columns: number): boolean {
  return gpu.prefersShuffles && columns <= 4 * MOST_QUADS;
}

/**
 * Records a convolution to few channels. No gradient: callers record their own.
 *
 * @param options operands, sizes and epilogue
 * @returns the result, and the sum before the activation if it was wanted
 */
export function convolveNarrow(
  options: NarrowConvolution,
): { c: Tensor; pre: Tensor | undefined } {
  const { a, b, kernel, stride, dilation, padding, source, bias, residual } =
    options;
  const { gpu } = a;
  const [batch, gridHeight, gridWidth, columns] = options.shape;
  const lanes = gpu.subgroupSize;
  const pitchA = a.size / (batch * source[0] * source[1]) / 4;
  checkLoop("conv2d", kernel[0] * (pitchA + 1));
  const quads = ceilDiv(columns, 4);
  // More results of a lane than that spill to memory.
  const run = quads <= 3 ? 8 : quads <= 6 ? 4 : 2;
  const runsX = ceilDiv(gridWidth, run);
  const runs = batch * gridHeight * runsX;
  const rows = batch * gridHeight * gridWidth;
  const c = empty(gpu, options.shape);
  const pre = options.keepPre ? empty(gpu, options.shape) : undefined;
  narrowShader({
    ...epilogueVariant(options, columns),
    source: gpu.operandSource,
    lanes,
    quads,
    run,
    kernelWidth: kernel[1],
    strideX: stride[1],
    dilationX: dilation[1],
  }).run(
    "convolve",
    present({ a, b, c, bias, pre, residual }),
    {
      rows,
      columns,
      runs,
      runsX,
      pitchA,
      gridHeight,
      gridWidth,
      sourceHeight: source[0],
      sourceWidth: source[1],
      kernelHeight: kernel[0],
      strideY: stride[0],
      dilationY: dilation[0],
      padY: padding[0],
      padX: padding[1],
      isTurned: Number(options.isTurned),
    },
    flatGrid(ceilDiv(runs, lanes)),
    { flops: 8 * kernel[0] * kernel[1] * rows * columns * pitchA },
  );
  return { c, pre };
}
