import type { Activation } from "../../kernels/matmul.wgsl.ts";
import { sameShape, showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Options of {@linkcode conv2d}; one number serves both axes. */
export interface Conv2dOptions {
  /** Step between results, in pixels. Default 1. */
  readonly stride?: number | readonly [number, number];
  /**
   * Zeros around the image, in pixels: one number, height and width, or top,
   * bottom, left and right. Default 0.
   */
  readonly padding?:
    | number
    | readonly [number, number]
    | readonly [number, number, number, number];
  /** Step between taps, in pixels. Default 1. */
  readonly dilation?: number | readonly [number, number];
  /** Groups of channels that are convolved apart. Default 1. */
  readonly groups?: number;
  /** Applied to the result in the same pass. */
  readonly activation?: Activation;
  /** (B, outHeight, outWidth, O), added to the result after that. */
  readonly residual?: Tensor;
}

/** Sizes of one convolution, in pixels and channels. */
export interface Geometry {
  readonly batch: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly inChannels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly outChannels: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly strideY: number;
  readonly strideX: number;
  readonly padTop: number;
  readonly padLeft: number;
  readonly dilationY: number;
  readonly dilationX: number;
}

function pair(
  value: number | readonly [number, number],
): readonly [number, number] {
  return typeof value === "number" ? [value, value] : value;
}

/**
 * Works out the sizes of a convolution.
 *
 * @param x (B, height, width, I)
 * @param weight (O, I / groups, kernelHeight, kernelWidth)
 * @param bias (O), or `undefined`
 * @param options as conv2d takes them
 * @throws {RangeError} if the shapes or options do not fit
 */
export function geometryOf(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  options: Conv2dOptions,
): Geometry {
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
  const { residual } = options;
  const [batch = 0, inHeight = 0, inWidth = 0, inChannels = 0] = x.shape;
  const [outChannels = 0, perGroup = 0, kernelHeight = 0, kernelWidth = 0] =
    weight.shape;
  const [strideY, strideX] = pair(stride);
  const [dilationY, dilationX] = pair(dilation);
  const sides = typeof padding === "number"
    ? [padding, padding, padding, padding]
    : padding.length === 2
    ? [padding[0], padding[0], padding[1], padding[1]]
    : padding;
  const [padTop = 0, padBottom = 0, padLeft = 0, padRight = 0] = sides;
  const reachY = dilationY * (kernelHeight - 1) + 1;
  const reachX = dilationX * (kernelWidth - 1) + 1;
  const outHeight =
    Math.floor((inHeight + padTop + padBottom - reachY) / strideY) + 1;
  const outWidth =
    Math.floor((inWidth + padLeft + padRight - reachX) / strideX) + 1;
  const numbers = [strideY, strideX, dilationY, dilationX, groups];
  const isFine = x.shape.length === 4 && weight.shape.length === 4 &&
    perGroup * groups === inChannels && outChannels % groups === 0 &&
    numbers.every((n) => Number.isInteger(n) && n > 0) &&
    sides.every((n) => Number.isInteger(n) && n >= 0) && outHeight > 0 &&
    outWidth > 0 && (bias === undefined || bias.size === outChannels) &&
    (residual === undefined ||
      sameShape(residual.shape, [batch, outHeight, outWidth, outChannels]));
  if (!isFine) {
    throw new RangeError(
      `Cannot apply conv2d: input ${showShape(x.shape)}, weight ${
        showShape(weight.shape)
      }, bias ${
        bias === undefined ? "none" : showShape(bias.shape)
      }, residual ${
        residual === undefined ? "none" : showShape(residual.shape)
      }, ${groups} groups, stride ${strideY} x ${strideX}, padding ${
        showShape(sides)
      }; needed (B, height, width, I), (O, I / groups, kernel, kernel), (O), (B, outHeight, outWidth, O), and a result of at least one pixel`,
    );
  }
  return {
    batch,
    inHeight,
    inWidth,
    inChannels,
    outHeight,
    outWidth,
    outChannels,
    kernelHeight,
    kernelWidth,
    strideY,
    strideX,
    padTop,
    padLeft,
    dilationY,
    dilationX,
  };
}

/** Whether the kernel is 3 x 3 and moves in steps of one pixel. */
export function isPlain3x3(geometry: Geometry): boolean {
  const { kernelHeight, kernelWidth, strideY, strideX } = geometry;
  const { dilationY, dilationX } = geometry;
  return kernelHeight === 3 && kernelWidth === 3 && strideY === 1 &&
    strideX === 1 && dilationY === 1 && dilationX === 1;
}

/**
 * Params that say which pixels of one image, the source, those of the other,
 * the grid, meet.
 *
 * @param geometry sizes
 * @param isForward whether the source is the convolution's input
 */
export function pixelParams(geometry: Geometry, isForward: boolean) {
  const { inHeight, inWidth, outHeight, outWidth } = geometry;
  return {
    gridHeight: isForward ? outHeight : inHeight,
    gridWidth: isForward ? outWidth : inWidth,
    sourceHeight: isForward ? inHeight : outHeight,
    sourceWidth: isForward ? inWidth : outWidth,
    kernelWidth: geometry.kernelWidth,
    strideY: geometry.strideY,
    strideX: geometry.strideX,
    padY: geometry.padTop,
    padX: geometry.padLeft,
    dilationY: geometry.dilationY,
    dilationX: geometry.dilationX,
  };
}

/** First and past-last image of the halves of a batch. */
export function halvesOf(
  batch: number,
): readonly (readonly [start: number, end: number])[] {
  const middle = Math.floor(batch / 2);
  return [[0, middle], [middle, batch]];
}
