import { conv2dKernel, type Conv2dVariant } from "../../kernels/conv2d.wgsl.ts";
import {
  convWeightKernel,
  type ConvWeightVariant,
} from "../../kernels/conv2d_weight.wgsl.ts";
import quotient from "../../kernels/lib/quotient.wgsl" with { type: "text" };
import { type SharedTile, tileGrid } from "../../kernels/tile.wgsl.ts";
import { ceilDiv, checkLoop } from "../gpu/grid.ts";
import { defineShader, shaderFamily } from "../gpu/shader.ts";
import { empty } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { concat, slice } from "./concat.ts";
import { type Geometry, halvesOf, pixelParams } from "./conv2d_geometry.ts";
import { epilogueVariant } from "./epilogue.ts";
import { permute } from "./permute.ts";
import { sum } from "./reduce.ts";
import { chooseTile } from "./tiles.ts";

/** Texels of rows that a lane of the weight pass may own. */
const MOST_QUADS = 16;

/** Workgroups that keep the threads of a software adapter evenly busy. */
const ENOUGH_GROUPS = 16;

/** Loop iterations of one invocation of the weight pass at most. */
const MOST_ITERATIONS = 50_000;

/** Steps of k that one invocation takes: the driver ends longer loops. */
const MAX_STEPS = 2 ** 17;

const sumsShader = shaderFamily((variant: ConvWeightVariant) =>
  defineShader("conv2d_weight", [quotient, convWeightKernel(variant)])
);

const productShader = shaderFamily((variant: Conv2dVariant) =>
  defineShader("conv2d_weight", [quotient, conv2dKernel(variant)])
);

/**
 * Gradients of a convolution by weight and bias, of those that need one.
 *
 * @param geometry sizes
 * @param x (B, height, width, I), I in whole texels
 * @param dy (B, outHeight, outWidth, O), O in whole texels
 * @param parameters weight and bias
 */
export function parameterGradients(
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
  sumsShader({
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
      ...pixelParams(geometry, true),
    },
    [gx, gy, parts],
    { flops: 8 * quads * outChannels * lines * outWidth },
  );
  return sum(c, [0]);
}

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
  if (pixels > MAX_STEPS && batch > 1) {
    return productOfHalves(geometry, x, dy, tile);
  }
  checkLoop("the weight gradient of conv2d", pixels / 4);
  const count = geometry.kernelHeight * geometry.kernelWidth;
  const rows = 4 * ceilDiv(inChannels, 4);
  const shader = productShader({
    pass: "weight",
    ...epilogueVariant({}, outChannels),
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
      ...pixelParams(geometry, true),
    },
    [gx, gy, count],
    { flops: 2 * count * rows * outChannels * pixels },
  );
  return c;
}

/** Adds the weight gradients of two halves of a batch. */
function productOfHalves(
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
