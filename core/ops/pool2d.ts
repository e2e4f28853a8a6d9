import nan from "../../kernels/lib/nan.wgsl" with { type: "text" };
import source from "../../kernels/pool2d.wgsl" with { type: "text" };
import { record } from "../tensor/autograd.ts";
import { empty, emptyLike } from "../tensor/create.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  defineImageShaders,
  type ImageParams,
  runOverImages,
} from "./images.ts";
import { mean } from "./reduce.ts";

const shaders = defineImageShaders("pool2d", nan, source);

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
  runOverImages(shaders, "maximum", { x, y, place }, params, y.size);
  return record(y, [x], (dy) => {
    const dx = emptyLike(x);
    const bindings = { placed: place, dy, dx };
    runOverImages(shaders, "maximumBackward", bindings, params, x.size);
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
  runOverImages(shaders, "average", { x, y }, params, y.size, knobs);
  return record(y, [x], (dy) => {
    const dx = emptyLike(x);
    const bindings = { dy, dx };
    runOverImages(shaders, "averageBackward", bindings, params, x.size, knobs);
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

function pair(
  value: number | readonly [number, number],
): readonly [number, number] {
  return typeof value === "number" ? [value, value] : value;
}

function sizesOf(
  op: string,
  x: Tensor,
  options: Pool2dOptions,
): { params: ImageParams; shape: number[] } {
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
