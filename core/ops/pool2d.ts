import nan from "../../kernels/lib/nan.wgsl" with { type: "text" };
import quotient from "../../kernels/lib/quotient.wgsl" with { type: "text" };
import source from "../../kernels/pool2d.wgsl" with { type: "text" };
import { ceilDiv, flatGrid } from "../gpu/grid.ts";
import { defineShader } from "../gpu/shader.ts";
import { record } from "../tensor/autograd.ts";
import { empty, emptyLike } from "../tensor/create.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { mean } from "./reduce.ts";

const shader = defineShader("pool2d", [nan, quotient, source]);

/** Window of a pooling, in pixels; one number serves both axes. */
export interface Pool2dOptions {
  /** Window height and width. */
  readonly kernel: number | readonly [number, number];
  /** Step from window to window. Default: the window. */
  readonly stride?: number | readonly [number, number];
  /** Pixels added on each side, at most half the window. Default 0. */
  readonly padding?: number | readonly [number, number];
}

/** Options of {@linkcode avgPool2d}. */
export interface AvgPool2dOptions extends Pool2dOptions {
  /** Whether padding counts in the divisor, as in PyTorch. Default true. */
  readonly countIncludePad?: boolean;
}

/**
 * Takes the largest value of each window, NaN where it has one. Padding never
 * wins.
 *
 * Keeps one index per result for the gradient.
 *
 * @param x (B, height, width, C)
 * @param options window, stride, padding
 * @returns (B, outHeight, outWidth, C), sizes rounded down
 * @throws {RangeError} if the window does not fit
 */
export function maxPool2d(x: Tensor, options: Pool2dOptions): Tensor {
  const { params, shape } = sizesOf("maxPool2d", x, options);
  const y = empty(x.gpu, shape);
  const place = empty(x.gpu, shape, "u32");
  if (params.channels % 4 === 0) {
    const bindings = { texels: x, y4: y, place4: place };
    shader.run("maximumTexels", bindings, ...byFour(params, y.size));
  } else {
    const grid = flatGrid(ceilDiv(y.size, 64));
    shader.run("maximum", { x, y, place }, params, grid);
  }
  return record(y, [x], (dy) => {
    const dx = emptyLike(x);
    const grid = flatGrid(ceilDiv(x.size, 64));
    shader.run("maximumBackward", { placed: place, dy, dx }, params, grid);
    return [dx];
  });
}

/**
 * Averages each window.
 *
 * @param x (B, height, width, C)
 * @param options window, stride, padding, and whether padding counts
 * @returns (B, outHeight, outWidth, C), sizes rounded down
 * @throws {RangeError} if the window does not fit
 */
export function avgPool2d(x: Tensor, options: AvgPool2dOptions): Tensor {
  const { params, shape } = sizesOf("avgPool2d", x, options);
  const knobs = { COUNT_PADDING: options.countIncludePad ?? true };
  const y = empty(x.gpu, shape);
  if (params.channels % 4 === 0) {
    const [quads, grid] = byFour(params, y.size);
    shader.run("averageTexels", { texels: x, y4: y }, quads, grid, { knobs });
  } else {
    const grid = flatGrid(ceilDiv(y.size, 64));
    shader.run("average", { x, y }, params, grid, { knobs });
  }
  return record(y, [x], (dy) => {
    const dx = emptyLike(x);
    const grid = flatGrid(ceilDiv(x.size, 64));
    shader.run("averageBackward", { dy, dx }, params, grid, { knobs });
    return [dx];
  });
}

/**
 * Averages all pixels of each channel.
 *
 * @param x (B, height, width, C)
 * @returns (B, C)
 */
export function globalAvgPool2d(x: Tensor): Tensor {
  return mean(x, [1, 2]);
}

/** Parameters and grid of the kernels that take four channels at once. */
function byFour<P extends { readonly channels: number }>(
  params: P,
  size: number,
): [params: P, grid: ReturnType<typeof flatGrid>] {
  const quads = { ...params, channels: params.channels / 4 };
  return [quads, flatGrid(ceilDiv(size, 4 * 64))];
}

function pair(
  value: number | readonly [number, number],
): readonly [number, number] {
  return typeof value === "number" ? [value, value] : value;
}

/** Sizes that the kernels take. */
interface PoolSizes extends Record<string, number> {
  readonly channels: number;
}

function sizesOf(
  op: string,
  x: Tensor,
  options: Pool2dOptions,
): { params: PoolSizes; shape: number[] } {
  const [batch = 0, inHeight = 0, inWidth = 0, channels = 0] = x.shape;
  const [kernelHeight, kernelWidth] = pair(options.kernel);
  const [strideY, strideX] = pair(options.stride ?? options.kernel);
  const [padY, padX] = pair(options.padding ?? 0);
  const outHeight = Math.floor((inHeight + 2 * padY - kernelHeight) / strideY) +
    1;
  const outWidth = Math.floor((inWidth + 2 * padX - kernelWidth) / strideX) + 1;
  const isFine = x.shape.length === 4 && strideY > 0 && strideX > 0 &&
    2 * padY <= kernelHeight && 2 * padX <= kernelWidth && outHeight > 0 &&
    outWidth > 0;
  if (!isFine) {
    throw new RangeError(
      `Cannot apply ${op}: input ${
        showShape(x.shape)
      } must be (B, height, width, C) with room for a window ${kernelHeight} x ${kernelWidth}, stride ${strideY} x ${strideX} above 0, padding ${padY} x ${padX} at most half the window`,
    );
  }
  return {
    shape: [batch, outHeight, outWidth, channels],
    params: {
      batch,
      inHeight,
      inWidth,
      channels,
      outHeight,
      outWidth,
      kernelHeight,
      kernelWidth,
      strideY,
      strideX,
      padY,
      padX,
    },
  };
}
