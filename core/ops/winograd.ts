import quotient from "../../kernels/lib/quotient.wgsl" with { type: "text" };
import {
  PLACES,
  TILE,
  winogradKernel,
  type WinogradVariant,
  winogradWeightsKernel,
} from "../../kernels/winograd.wgsl.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { ceilDiv, checkLoop, flatGrid, MAX_GROUPS } from "../gpu/grid.ts";
import { defineShader, shaderFamily } from "../gpu/shader.ts";
import { empty } from "../tensor/create.ts";
import { derive } from "../tensor/derived.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  activationSources,
  type Epilogue,
  epilogueVariant,
  present,
} from "./epilogue.ts";

/** A convolution by 3 x 3 kernels in steps of one pixel. */
export interface Winograd extends Epilogue {
  /** (B, sourceHeight, sourceWidth, K) */
  readonly a: Tensor;
  /** (N, K, 3, 3), or (K, N, 3, 3) to be turned around */
  readonly weight: Tensor;
  /** Whether the kernel is turned around, for the gradient by the image. */
  readonly isTurned: boolean;
  /** Zeros above and left of the image, in pixels; fewer than none crop it. */
  readonly padding: readonly [top: number, left: number];
  /** Height and width of the image, in pixels. */
  readonly source: readonly [height: number, width: number];
  /** (B, gridHeight, gridWidth, N) of the result */
  readonly shape: readonly [number, number, number, number];
}

/** Tiles of a workgroup at least: fewer do not repay the reads of weights. */
const LEAST_TILES = 16;

const weightsShader = defineShader("winograd_weights", [
  quotient,
  winogradWeightsKernel(),
]);

const winogradShader = shaderFamily((variant: WinogradVariant) =>
  defineShader("winograd", [
    ...activationSources(variant),
    quotient,
    winogradKernel(variant),
  ])
);

/**
 * Whether a convolution by 3 x 3 kernels in steps of one pixel is faster this
 * way: 1.3 to 1.6 times on Mesa's software driver. The kernel is for subgroups
 * that read texels; elsewhere, and where few channels leave its lanes idle, the
 * matrix product is better.
 *
 * @param gpu the device
 * @param channels of the image
 * @param columns channels of the result
 * @param pixels of one image's result, since that must not depend on its batch
 */
export function suitsWinograd(
  gpu: Gpu,
  channels: number,
  columns: number,
  pixels: number,
): boolean {
  return gpu.prefersShuffles && gpu.operandSource === "texels" &&
    channels % 4 === 0 && columns % 4 === 0 &&
    channels >= 24 && columns >= 48 && pixels >= 64;
}

/**
 * Whether one dispatch can convolve a batch.
 *
 * @param gpu the device
 * @param batch images
 * @param height of a result, in pixels
 * @param width of a result, in pixels
 */
export function fitsWinograd(
  gpu: Gpu,
  batch: number,
  height: number,
  width: number,
): boolean {
  const tiles = batch * ceilDiv(height, TILE[0]) * ceilDiv(width, TILE[1]);
  return ceilDiv(tiles, togetherOn(gpu)) <= MAX_GROUPS;
}

/** Tiles of a workgroup. */
function togetherOn(gpu: Gpu): number {
  return Math.max(gpu.subgroupSize, LEAST_TILES);
}

/** (4, 6, K, N) */
function transformedWeights(
  weight: Tensor,
  isTurned: boolean,
  channels: number,
  columns: number,
): Tensor {
  return derive(weight, isTurned ? "winograd back" : "winograd", () => {
    const u = empty(weight.gpu, [PLACES, channels, columns]);
    weightsShader.run(
      "transform",
      { w: weight, u },
      { channels, columns, isTurned: Number(isTurned) },
      flatGrid(ceilDiv(channels * columns / 4, 64)),
    );
    // The matrices are 2.7 times the weights; their buffer would double that.
    u.storage.keepTexels();
    return u;
  });
}

/**
 * Records a convolution by Winograd's minimal filtering: a third of the
 * multiplications remains. Rounding errors of results are larger than those of
 * the matrix product: relative root mean square 4e-7 against 1e-7 at 8
 * channels, 1e-6 against 6e-7 at 512. No gradient: callers record their own.
 *
 * @param options operands, sizes and epilogue
 * @returns the result, and the sum before the activation if it was wanted
 */
export function winograd(
  options: Winograd,
): { c: Tensor; pre: Tensor | undefined } {
  const { a, weight, isTurned, padding, source, shape, bias, residual } =
    options;
  const { gpu } = a;
  const [batch, gridHeight, gridWidth, columns] = shape;
  const [sourceHeight, sourceWidth] = source;
  const [outer = 0, inner = 0] = weight.shape;
  const channels = isTurned ? outer : inner;
  checkLoop("conv2d", channels + 16);
  const tilesY = ceilDiv(gridHeight, TILE[0]);
  const tilesX = ceilDiv(gridWidth, TILE[1]);
  const tiles = batch * tilesY * tilesX;
  const rows = batch * gridHeight * gridWidth;
  const lanes = gpu.subgroupSize;
  const together = togetherOn(gpu);
  const shader = winogradShader({
    ...epilogueVariant(options, columns),
    lanes,
    tiles: together,
  });
  const b = transformedWeights(weight, isTurned, channels, columns);
  const c = empty(gpu, shape);
  const pre = options.keepPre ? empty(gpu, shape) : undefined;
  shader.run(
    "product",
    present({ a, b, c, bias, pre, residual }),
    {
      rows,
      columns,
      pitchA: channels / 4,
      pitchB: columns / 4,
      tiles,
      tilesY,
      tilesX,
      gridHeight,
      gridWidth,
      sourceHeight,
      sourceWidth,
      padY: padding[0],
      padX: padding[1],
    },
    [ceilDiv(tiles, together), ceilDiv(columns, 4 * lanes)],
    // Those of the definition, so that rates compare.
    { flops: 2 * 9 * rows * columns * channels },
  );
  return { c, pre };
}
