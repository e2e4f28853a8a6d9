import { conv2dKernel, type Conv2dVariant } from "../../kernels/conv2d.wgsl.ts";
import quotient from "../../kernels/lib/quotient.wgsl" with { type: "text" };
import type { Activation } from "../../kernels/matmul.wgsl.ts";
import { type Tile, tileGrid } from "../../kernels/tile.wgsl.ts";
import { ceilDiv, checkLoop, MAX_GROUPS } from "../gpu/grid.ts";
import { defineShader, shaderFamily } from "../gpu/shader.ts";
import { isGradEnabled, noGrad, record } from "../tensor/autograd.ts";
import { empty } from "../tensor/create.ts";
import { derive } from "../tensor/derived.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { concat, slice } from "./concat.ts";
import {
  type Conv2dOptions,
  type Geometry,
  geometryOf,
  halvesOf,
  isPlain3x3,
  pixelParams,
} from "./conv2d_geometry.ts";
import { convolveNarrow, suitsNarrow } from "./conv2d_narrow.ts";
import { parameterGradients } from "./conv2d_weight.ts";
import { alignRows } from "./copy_rows.ts";
import {
  activationSources,
  type Epilogue,
  epilogueVariant,
  present,
} from "./epilogue.ts";
import { permute } from "./permute.ts";
import { activationGradient, add } from "./pointwise.ts";
import { chooseTile } from "./tiles.ts";
import { fitsWinograd, suitsWinograd, winograd } from "./winograd.ts";

export type { Conv2dOptions } from "./conv2d_geometry.ts";

const conv2dShader = shaderFamily((variant: Conv2dVariant) =>
  defineShader(`conv2d_${variant.pass}`, [
    ...activationSources(variant),
    quotient,
    conv2dKernel(variant),
  ])
);

/**
 * Convolves images with kernels: cross-correlation, as PyTorch does.
 *
 * Images are channels last; kernels keep PyTorch's order, so that state dicts
 * load as they are. With an activation and a gradient, the sum before the
 * activation is kept as well. Where Winograd's method is used, a pixel of NaN or
 * infinity makes NaN of all results in the tiles of 2 x 4 that meet it.
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
  const [outer = 0, inner = 0, height = 0, width = 0] = weight.shape;
  const [channels, columns] = isForward ? [inner, outer] : [outer, inner];
  if (channels % 4 === 0) {
    return alignRows(
      permute(weight, [2, 3, k, n])
        .reshape([height * width * channels, columns]),
    );
  }
  const rows = alignRows(permute(weight, [2, 3, n, k]));
  const padded = 4 * ceilDiv(channels, 4);
  return alignRows(
    permute(rows.reshape([height * width, columns, padded]), [0, 2, 1])
      .reshape([height * width * padded, columns]),
  );
}

/** Operands and epilogue of a forward or input pass. */
interface Operands extends Epilogue {
  readonly a: Tensor;
  readonly weight: Tensor;
  readonly columns: number;
}

function convolve(
  pass: "forward" | "input",
  geometry: Geometry,
  operands: Operands,
): { c: Tensor; pre: Tensor | undefined } {
  const { a, weight, columns, ...own } = operands;
  const { gpu } = a;
  const isForward = pass === "forward";
  const { batch } = geometry;
  const pixels = pixelParams(geometry, isForward);
  const { gridHeight, gridWidth, sourceHeight, sourceWidth } = pixels;
  const rows = batch * gridHeight * gridWidth;
  const channels = isForward ? geometry.inChannels : geometry.outChannels;
  const depth = 4 * ceilDiv(channels, 4);
  const shape = [batch, gridHeight, gridWidth, columns] as const;
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
      ...own,
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
      ...own,
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
    ...epilogueVariant(own, columns),
    tail: tile.member === "shared" && depth % tile.depth !== 0,
    source: gpu.operandSource,
    tile,
  });
  const c = empty(gpu, shape);
  const pre = operands.keepPre ? empty(gpu, shape) : undefined;
  const [gx, gy] = tileGrid(tile, rows, columns);
  shader.run(
    "product",
    present({ a, b, c, bias: own.bias, pre, residual: own.residual }),
    {
      rows,
      columns,
      depth,
      parts: kernelHeight * kernelWidth,
      pixels: rows,
      pitchA: depth / 4,
      pitchB: ceilDiv(columns, 4),
      ...pixels,
    },
    [gx, gy],
    { flops: 2 * rows * columns * channels * kernelHeight * kernelWidth },
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

/** Convolves each group of channels apart and joins the results. */
function grouped(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  options: Conv2dOptions,
  groups: number,
): Tensor {
  const [allOutputs = 0, inputs = 0] = weight.shape;
  const outputs = allOutputs / groups;
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
