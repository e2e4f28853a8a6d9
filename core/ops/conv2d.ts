import { conv2dKernel, type Conv2dVariant } from "../../kernels/conv2d.wgsl.ts";
import {
  convWeightKernel,
  type ConvWeightVariant,
} from "../../kernels/conv2d_weight.wgsl.ts";
import math from "../../kernels/lib/math.wgsl" with { type: "text" };
import nan from "../../kernels/lib/nan.wgsl" with { type: "text" };
import quotient from "../../kernels/lib/quotient.wgsl" with { type: "text" };
import type { Activation } from "../../kernels/matmul.wgsl.ts";
import {
  type SharedTile,
  type Tile,
  tileGrid,
} from "../../kernels/tile.wgsl.ts";
import { ceilDiv, checkLoop, MAX_GROUPS } from "../gpu/grid.ts";
import { defineShader, type Shader } from "../gpu/shader.ts";
import { chooseTile } from "../gpu/tuning.ts";
import { isGradEnabled, noGrad, record } from "../tensor/autograd.ts";
import { derive } from "../tensor/derived.ts";
import { empty } from "../tensor/create.ts";
import { sameShape, showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { concat, slice } from "./concat.ts";
import { convolveNarrow, suitsNarrow } from "./conv2d_narrow.ts";
import { alignRows } from "./copy_rows.ts";
import { permute } from "./permute.ts";
import { activationGradient, add } from "./pointwise.ts";
import { sum } from "./reduce.ts";
import { fitsWinograd, suitsWinograd, winograd } from "./winograd.ts";

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

const shaders = new Map<string, Shader>();

/** The shader of one member of the convolution family. */
export function conv2dShader(variant: Conv2dVariant): Shader {
  const key = JSON.stringify(variant);
  let shader = shaders.get(key);
  if (shader === undefined) {
    const sources = [conv2dKernel(variant)];
    if (variant.activation !== "none") sources.unshift(math, nan);
    shader = defineShader(`conv2d_${variant.pass}`, sources);
    shaders.set(key, shader);
  }
  return shader;
}

/** Sizes of one convolution, in pixels and channels. */
interface Geometry {
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

/**
 * Convolves images with kernels: cross-correlation, as PyTorch does.
 *
 * Images are channels last; kernels keep PyTorch's order, so that state dicts
 * load as they are. With an activation and a gradient, the sum before the
 * activation is kept as well.
 *
 * @param x (B, height, width, I)
 * @param weight (O, I / groups, kernelHeight, kernelWidth)
 * @param bias (O), or `undefined` for none
 * @param options stride, padding, dilation, groups, activation
 * @returns (B, outHeight, outWidth, O)
 * @throws {RangeError} if the shapes or options do not fit
 */
export function conv2d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: Conv2dOptions = {},
): Tensor {
  const { groups = 1 } = options;
  const geometry = geometryOf(x, weight, bias, options);
  const { activation = "none", residual, ...others } = options;
  const isWide = geometry.outChannels % 4 === 0;
  if (residual !== undefined && (groups > 1 || !isWide)) {
    return add(conv2d(x, weight, bias, { ...others, activation }), residual);
  }
  if (groups > 1) return grouped(x, weight, bias, options, groups);
  const inputs = [x, weight, bias, residual].filter((t) => t !== undefined);
  const needsPre = activation !== "none" && isGradEnabled() &&
    inputs.some((input) => input.requiresGrad);
  const { outChannels, inChannels } = geometry;

  const padded = alignRows(x); // channels in whole texels
  const { c, pre } = convolve("forward", geometry, {
    a: padded,
    weight,
    columns: outChannels,
    bias,
    activation,
    residual,
    keepPre: needsPre,
  });
  return record(c, inputs, (dy) => {
    const dz = pre === undefined ? dy : activationGradient(
      activation as Exclude<Activation, "none">,
      pre,
      dy,
    );
    const dzPadded = alignRows(dz);
    const dx = x.requiresGrad
      ? convolve("input", geometry, {
        a: dzPadded,
        weight,
        columns: inChannels,
      }).c
      : undefined;
    const { dw, db } = parameterGradients(geometry, padded, dzPadded, {
      weight,
      bias,
    });
    const own = bias === undefined ? [dx, dw] : [dx, dw, db];
    return residual === undefined ? own : [...own, dy.reshape(residual.shape)];
  });
}

/**
 * (N, K, kernelHeight, kernelWidth) to (taps K, N), K and N in whole texels.
 *
 * @param weight the kernel, or (K, N, ...) for the gradient by the image
 * @param isForward which
 */
function tapsOf(weight: Tensor, isForward: boolean): Tensor {
  const [k, n] = isForward ? [1, 0] as const : [0, 1] as const;
  const [, , height = 1, width = 1] = weight.shape;
  const channels = weight.shape[k]!;
  const columns = weight.shape[n]!;
  if (channels % 4 === 0) {
    return alignRows(
      permute(weight, [2, 3, k, n])
        .reshape([height * width * channels, columns]),
    );
  }
  const rows = alignRows(permute(weight, [2, 3, n, k]));
  const padded = rows.shape.at(-1)!;
  return alignRows(
    permute(rows.reshape([height * width, columns, padded]), [0, 2, 1])
      .reshape([height * width * padded, columns]),
  );
}

/** Operands and epilogue of a forward or input pass. */
interface Operands {
  readonly a: Tensor;
  readonly weight: Tensor;
  readonly columns: number;
  readonly bias?: Tensor | undefined;
  readonly activation?: Activation;
  readonly residual?: Tensor | undefined;
  readonly keepPre?: boolean;
}

function convolve(
  pass: "forward" | "input",
  geometry: Geometry,
  operands: Operands,
): { c: Tensor; pre: Tensor | undefined } {
  const { a, weight, columns, bias, residual, activation = "none" } = operands;
  const { gpu } = a;
  const isForward = pass === "forward";
  const { batch } = geometry;
  const gridHeight = isForward ? geometry.outHeight : geometry.inHeight;
  const gridWidth = isForward ? geometry.outWidth : geometry.inWidth;
  const rows = batch * gridHeight * gridWidth;
  const channels = isForward ? geometry.inChannels : geometry.outChannels;
  const depth = 4 * ceilDiv(channels, 4);
  const shape = [batch, gridHeight, gridWidth, columns] as const;
  const sourceHeight = isForward ? geometry.inHeight : geometry.outHeight;
  const sourceWidth = isForward ? geometry.inWidth : geometry.outWidth;
  const { kernelHeight, kernelWidth, padTop, padLeft } = geometry;
  if (
    isPlain3x3(geometry) &&
    suitsWinograd(gpu, channels, columns, gridHeight * gridWidth)
  ) {
    if (batch > 1 && !fitsWinograd(gpu, batch, gridHeight, gridWidth)) {
      return convolveHalves(pass, geometry, operands);
    }
    return winograd({
      a,
      weight,
      isTurned: !isForward,
      padding: isForward ? [padTop, padLeft] : [2 - padTop, 2 - padLeft],
      source: [sourceHeight, sourceWidth],
      shape,
      bias,
      activation,
      residual,
      keepPre: operands.keepPre ?? false,
    });
  }
  const b = derive(
    weight,
    isForward ? "taps" : "taps back",
    () => tapsOf(weight, isForward),
  );
  const isStepless = geometry.strideY === 1 && geometry.strideX === 1;
  if ((isForward || isStepless) && suitsNarrow(gpu, columns)) {
    const { strideY, strideX, dilationY, dilationX } = geometry;
    return convolveNarrow({
      a,
      b,
      isTurned: !isForward,
      kernel: [kernelHeight, kernelWidth],
      stride: [strideY, strideX],
      dilation: [dilationY, dilationX],
      padding: isForward ? [padTop, padLeft] : [
        dilationY * (kernelHeight - 1) - padTop,
        dilationX * (kernelWidth - 1) - padLeft,
      ],
      source: [sourceHeight, sourceWidth],
      shape,
      bias,
      activation,
      residual,
      keepPre: operands.keepPre ?? false,
    });
  }
  checkLoop("conv2d", kernelHeight * kernelWidth * (depth / 4 + 1));
  const tile = chooseTile(gpu, "conv", rows, columns);
  if (rows > mostPixels(tile) && batch > 1) {
    return convolveHalves(pass, geometry, operands);
  }
  checkPixels(rows, tile);
  const shader = conv2dShader({
    pass,
    bias: bias !== undefined,
    activation,
    keepPre: operands.keepPre ?? false,
    residual: residual !== undefined,
    wide: columns % 4 === 0,
    tail: tile.member === "shared" && depth % tile.depth !== 0,
    source: gpu.operandSource,
    tile,
  });
  const c = empty(gpu, shape);
  const pre = operands.keepPre ? empty(gpu, shape) : undefined;
  const [gx, gy] = tileGrid(tile, rows, columns);
  shader.run(
    "product",
    {
      a,
      b,
      c,
      ...(bias === undefined ? {} : { bias }),
      ...(pre === undefined ? {} : { pre }),
      ...(residual === undefined ? {} : { residual }),
    },
    {
      rows,
      columns,
      depth,
      parts: geometry.kernelHeight * geometry.kernelWidth,
      pixels: rows,
      pitchA: depth / 4,
      pitchB: ceilDiv(columns, 4),
      gridHeight,
      gridWidth,
      sourceHeight,
      sourceWidth,
      ...taps(geometry),
    },
    [gx, gy],
    {
      flops: 2 * rows * columns * channels * geometry.kernelHeight *
        geometry.kernelWidth,
    },
  );
  return { c, pre };
}

/** Convolves two halves of a batch that is too large for one dispatch. */
function convolveHalves(
  pass: "forward" | "input",
  geometry: Geometry,
  operands: Operands,
): { c: Tensor; pre: Tensor | undefined } {
  const { batch } = geometry;
  const { a, residual } = operands;
  const images = a.reshape([batch, a.size / batch]);
  return noGrad(() => {
    const parts = halvesOf(batch).map(([start, end]) =>
      convolve(pass, { ...geometry, batch: end - start }, {
        ...operands,
        a: slice(images, 0, start, end),
        residual: residual && slice(residual, 0, start, end),
      })
    );
    const pres = parts.map(({ pre }) => pre).filter((pre) => pre !== undefined);
    return {
      c: concat(parts.map(({ c }) => c), 0),
      pre: pres.length > 0 ? concat(pres, 0) : undefined,
    };
  });
}

function halvesOf(
  batch: number,
): readonly (readonly [start: number, end: number])[] {
  const middle = Math.floor(batch / 2);
  return [[0, middle], [middle, batch]];
}

/** Whether the kernel is 3 x 3 and moves in steps of one pixel. */
function isPlain3x3(geometry: Geometry): boolean {
  const { kernelHeight, kernelWidth, strideY, strideX } = geometry;
  const { dilationY, dilationX } = geometry;
  return kernelHeight === 3 && kernelWidth === 3 && strideY === 1 &&
    strideX === 1 && dilationY === 1 && dilationX === 1;
}

/** Params of the taps, equal in all passes. */
function taps(geometry: Geometry) {
  const { kernelWidth, strideY, strideX, dilationY, dilationX } = geometry;
  return {
    kernelWidth,
    strideY,
    strideX,
    padY: geometry.padTop,
    padX: geometry.padLeft,
    dilationY,
    dilationX,
  };
}

/** Gradients by weight and bias, of those that need one. */
function parameterGradients(
  geometry: Geometry,
  x: Tensor,
  dy: Tensor,
  { weight, bias }: { weight: Tensor; bias: Tensor | undefined },
): { dw: Tensor | undefined; db: Tensor | undefined } {
  const { outChannels, inChannels, kernelHeight, kernelWidth } = geometry;
  const rows = 4 * ceilDiv(inChannels, 4);
  const count = kernelHeight * kernelWidth;
  let dw: Tensor | undefined; // (taps, rows, O)
  let db: Tensor | undefined;
  const tile = chooseTile(x.gpu, "convWeight", rows, outChannels);
  if (tile.member === "shared") {
    if (weight.requiresGrad) dw = productOfTaps(geometry, x, dy, tile);
    if (bias?.requiresGrad) {
      const padded = 4 * ceilDiv(outChannels, 4);
      const all = sum(dy.reshape([dy.size / padded, padded]), [0]);
      db = slice(all, 0, 0, outChannels);
    }
  } else if (weight.requiresGrad || bias?.requiresGrad) {
    const sums = sumsOfTaps(geometry, x, dy, tile.lanes);
    if (weight.requiresGrad) dw = slice(sums, 0, 0, count * rows);
    if (bias?.requiresGrad) {
      db = slice(sums, 0, count * rows, count * rows + 1);
    }
  }
  if (dw !== undefined) {
    dw = dw.reshape([kernelHeight, kernelWidth, rows, outChannels]);
    if (rows !== inChannels) dw = slice(dw, 2, 0, inChannels);
    dw = permute(dw, [3, 2, 0, 1]);
  }
  return { dw, db: bias && db?.reshape(bias.shape) };
}

/** Texels of rows that a lane of the weight pass may own. */
const MOST_QUADS = 16;

/** Workgroups that keep the threads of a software adapter evenly busy. */
const ENOUGH_GROUPS = 16;

/** Loop iterations of one invocation of the weight pass at most. */
const MOST_ITERATIONS = 50_000;

const weightShaders = new Map<string, Shader>();

/** The shader of one member of the weight pass for subgroups. */
function convWeightShader(variant: ConvWeightVariant): Shader {
  const key = JSON.stringify(variant);
  let shader = weightShaders.get(key);
  if (shader === undefined) {
    shader = defineShader("conv2d_weight", [
      quotient,
      convWeightKernel(variant),
    ]);
    weightShaders.set(key, shader);
  }
  return shader;
}

/** (taps x rows + 1, O): the gradient by the weights, then by the bias. */
function sumsOfTaps(
  geometry: Geometry,
  x: Tensor,
  dy: Tensor,
  lanes: number,
): Tensor {
  const { gpu } = x;
  const { batch, outHeight, outWidth, inChannels, outChannels } = geometry;
  const pitchA = ceilDiv(inChannels, 4);
  const pitchB = ceilDiv(outChannels, 4);
  const quads = geometry.kernelHeight * geometry.kernelWidth * pitchA;
  let across = 1;
  while (across < lanes && across < pitchB) across *= 2;
  const shelves = lanes / across;
  const blocks = ceilDiv(quads, MOST_QUADS * shelves);
  // Even numbers only, since each takes a kernel of its own.
  const own = 2 * ceilDiv(ceilDiv(quads, blocks * shelves), 2);
  const rows = 4 * quads + 1;
  const lines = batch * outHeight;
  const [gx, gy] = [ceilDiv(quads, own * shelves), ceilDiv(pitchB, across)];
  const least = Math.max(
    ceilDiv(ENOUGH_GROUPS, gx * gy),
    lines * (outWidth / 4 + 2) / MOST_ITERATIONS,
  );
  const perPart = Math.max(1, Math.floor(lines / least));
  const parts = ceilDiv(lines, perPart);
  checkLoop("the weight gradient of conv2d", perPart * (outWidth / 4 + 2));
  const c = empty(gpu, [parts, rows, outChannels]);
  convWeightShader({
    lanes,
    across,
    quads: own,
    wide: outChannels % 4 === 0,
    source: gpu.operandSource,
  }).run(
    "product",
    { a: x, b: dy, c },
    {
      rows,
      columns: outChannels,
      quads,
      lines,
      perPart,
      pitchA,
      pitchB,
      gridHeight: outHeight,
      gridWidth: outWidth,
      sourceHeight: geometry.inHeight,
      sourceWidth: geometry.inWidth,
      ...taps(geometry),
    },
    [gx, gy, parts],
    { flops: 8 * quads * outChannels * lines * outWidth },
  );
  return sum(c, [0]);
}

/** Steps of k that one invocation takes: the driver ends longer loops. */
const MAX_STEPS = 2 ** 17;

/** (taps, rows, O), one product for each tap. */
function productOfTaps(
  geometry: Geometry,
  x: Tensor,
  dy: Tensor,
  tile: SharedTile,
): Tensor {
  const { gpu } = x;
  const { batch, outHeight, outWidth, inChannels, outChannels } = geometry;
  const pixels = batch * outHeight * outWidth;
  if (pixels > MAX_STEPS && batch > 1) return inHalves(geometry, x, dy, tile);
  checkLoop("the weight gradient of conv2d", pixels / 4);
  const count = geometry.kernelHeight * geometry.kernelWidth;
  const rows = 4 * ceilDiv(inChannels, 4);
  const shader = conv2dShader({
    pass: "weight",
    bias: false,
    activation: "none",
    keepPre: false,
    wide: outChannels % 4 === 0,
    tail: pixels % tile.depth !== 0,
    source: gpu.operandSource,
    tile,
  });
  const c = empty(gpu, [count, rows, outChannels]);
  const [gx, gy] = tileGrid(tile, rows, outChannels);
  shader.run(
    "product",
    { a: x, b: dy, c },
    {
      rows,
      columns: outChannels,
      depth: pixels,
      parts: 1,
      pixels,
      pitchA: rows / 4,
      pitchB: ceilDiv(outChannels, 4),
      gridHeight: outHeight,
      gridWidth: outWidth,
      sourceHeight: geometry.inHeight,
      sourceWidth: geometry.inWidth,
      ...taps(geometry),
    },
    [gx, gy, count],
    { flops: 2 * count * rows * outChannels * pixels },
  );
  return c;
}

/** Adds the weight gradients of two halves of a batch. */
function inHalves(
  geometry: Geometry,
  x: Tensor,
  dy: Tensor,
  tile: SharedTile,
): Tensor {
  const { batch } = geometry;
  const channelsX = x.size / (batch * geometry.inHeight * geometry.inWidth);
  const channelsY = dy.size / (batch * geometry.outHeight * geometry.outWidth);
  const whole = {
    x: x.reshape([batch, geometry.inHeight * geometry.inWidth, channelsX]),
    dy: dy.reshape([batch, geometry.outHeight * geometry.outWidth, channelsY]),
  };
  const parts = halvesOf(batch).map(([start, end]) =>
    productOfTaps(
      { ...geometry, batch: end - start },
      slice(whole.x, 0, start, end),
      slice(whole.dy, 0, start, end),
      tile,
    )
  );
  return sum(concat(parts.map((c) => c.reshape([1, ...c.shape])), 0), [0]);
}

/** Convolves each group of channels apart and joins the results. */
function grouped(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  options: Conv2dOptions,
  groups: number,
): Tensor {
  const inputs = x.shape.at(-1)! / groups;
  const outputs = weight.shape[0]! / groups;
  const results = Array.from({ length: groups }, (_, g) => {
    const part = (tensor: Tensor, axis: number, length: number) =>
      slice(tensor, axis, g * length, (g + 1) * length);
    return conv2d(
      part(x, 3, inputs),
      part(weight, 0, outputs),
      bias && part(bias, 0, outputs),
      { ...options, groups: 1 },
    );
  });
  return concat(results, 3);
}

/** Pixels of a dispatch: the kernel divides their indices in float32. */
function mostPixels(tile: Tile): number {
  return Math.min(2 ** 22 - 1, MAX_GROUPS * tile.rows);
}

function checkPixels(pixels: number, tile: Tile): void {
  const most = mostPixels(tile);
  if (pixels <= most) return;
  throw new RangeError(
    `Cannot apply conv2d to an image of ${pixels} pixels: at most ${most} are possible; split the image`,
  );
}

function pair(
  value: number | readonly [number, number],
): readonly [number, number] {
  return typeof value === "number" ? [value, value] : value;
}

function geometryOf(
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
