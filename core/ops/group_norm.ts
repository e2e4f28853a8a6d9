import quotient from "../../kernels/lib/quotient.wgsl" with { type: "text" };
import source from "../../kernels/group_norm.wgsl" with { type: "text" };
import { ceilDiv, flatGrid } from "../gpu/grid.ts";
import { defineShader } from "../gpu/shader.ts";
import { noGrad, record } from "../tensor/autograd.ts";
import { empty, emptyLike } from "../tensor/create.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { concat } from "./concat.ts";
import type { Affine } from "./layer_norm.ts";
import { add, mul, rsqrt, sub } from "./pointwise.ts";
import { sum } from "./reduce.ts";

const shader = defineShader("group_norm", [quotient, source]);

/** Pixels that one invocation adds. */
const CHUNK = 128;

/** Pixels that one invocation normalizes; RUN of the kernel. */
const RUN = 8;

/** Mean and biased variance of each sample and group. */
export interface Moments {
  /** (B, groups) */
  readonly mean: Tensor;
  /** (B, groups), divided by the number of values */
  readonly variance: Tensor;
}

/**
 * Normalizes groups of channels to zero mean and unit variance, then scales
 * and shifts each channel. Channels are the last axis.
 *
 * Source: Wu & He 2018.
 *
 * @param x (B, ..., C), C a multiple of 4
 * @param groups number of groups, a divisor of C
 * @param eps added to the variance, in squared units of `x`
 * @param affine (C) scale and shift
 * @returns same shape
 * @throws {RangeError} if C is no multiple of 4 and of `groups`, or the affine
 *   lengths differ
 */
export function groupNorm(
  x: Tensor,
  groups: number,
  eps: number,
  affine: Affine,
): Tensor {
  return normalizeGroups("groupNorm", x, groups, eps, affine).y;
}

/**
 * {@linkcode groupNorm} that also gives the moments, for running averages.
 *
 * @param op name of the operation, for messages
 * @param x (B, ..., C)
 * @param groups number of groups
 * @param eps added to the variance
 * @param affine (C) scale and shift
 */
export function normalizeGroups(
  op: string,
  x: Tensor,
  groups: number,
  eps: number,
  { weight, bias }: Affine,
): { y: Tensor; moments: Moments } {
  const batch = x.shape[0] ?? 1;
  const channels = x.shape.at(-1) ?? 1;
  if (
    x.shape.length < 2 || channels % 4 !== 0 || channels % groups !== 0 ||
    weight.size !== channels || bias.size !== channels
  ) {
    throw new RangeError(
      `Cannot apply ${op}: input ${
        showShape(x.shape)
      }, ${groups} groups, weight ${showShape(weight.shape)}, bias ${
        showShape(bias.shape)
      }; channels must be a multiple of 4 and of the groups, and the length of both`,
    );
  }
  const pixels = x.size / batch / channels;
  const perGroup = channels / groups;
  const n = pixels * perGroup;
  const chunks = ceilDiv(pixels, CHUNK);
  const params = {
    batch,
    pixels,
    width: channels / 4,
    perGroup,
    groups,
    chunk: CHUNK,
    chunks,
    runs: ceilDiv(pixels, RUN),
  };
  const overChunks = flatGrid(ceilDiv(batch * chunks * channels / 4, 64));
  const overPixels = flatGrid(
    ceilDiv(batch * params.runs * channels / 4, 64),
  );

  /** (B, k, C) to (B, C). */
  const columnSums = (data: Tensor, rows: number) =>
    sum(data.reshape([batch, rows, channels]), [1]);
  /** (B, C) to (B, groups). */
  const groupSums = (data: Tensor) =>
    sum(data.reshape([batch, groups, perGroup]), [2]);
  /** Two (B, groups) to pairs. */
  const pairs = (a: Tensor, b: Tensor) =>
    concat([a, b].map((t) => t.reshape([batch, groups, 1])), 2);

  const y = emptyLike(x);
  const { mean, variance, stats } = noGrad(() => {
    const mean = mul(groupSums(columnSums(x, pixels)), 1 / n);
    const products = empty(x.gpu, [batch, chunks, channels]);
    const centre = pairs(mean, mean);
    shader.run("squares", { x, stats: centre, products }, params, overChunks);
    const variance = mul(groupSums(columnSums(products, chunks)), 1 / n);
    return { mean, variance, stats: pairs(mean, rsqrt(add(variance, eps))) };
  });
  shader.run("forward", { x, stats, weight, bias, y }, params, overPixels);

  record(y, [x, weight, bias], (dy) => {
    const products = empty(x.gpu, [batch, chunks, channels]);
    shader.run("dots", { x, dy, stats, products }, params, overChunks);
    const dyXhat = columnSums(products, chunks); // (B, C)
    const dyTotal = columnSums(dy, pixels); // (B, C)
    const scale = weight.reshape([1, channels]);
    const s1 = mul(groupSums(mul(dyTotal, scale)), 1 / n);
    const s2 = mul(groupSums(mul(dyXhat, scale)), 1 / n);
    const dx = emptyLike(x);
    shader.run(
      "backward",
      { x, dy, stats, weight, sums: pairs(s1, s2), dx },
      params,
      overPixels,
    );
    return [
      dx,
      weight.requiresGrad ? sum(dyXhat, [0]).reshape(weight.shape) : undefined,
      bias.requiresGrad ? sum(dyTotal, [0]).reshape(bias.shape) : undefined,
    ];
  });
  return { y, moments: { mean, variance } };
}

/**
 * Normalizes each channel by the moments of the batch, then scales and shifts
 * it. Channels are the last axis.
 *
 * Source: Ioffe & Szegedy 2015.
 *
 * @param x (B, ..., C), C a multiple of 4
 * @param eps added to the variance
 * @param affine (C) scale and shift
 * @returns the result, and the batch's moments (C) for running averages
 * @throws {RangeError} as {@linkcode groupNorm}
 */
export function batchNormTraining(
  x: Tensor,
  eps: number,
  affine: Affine,
): { y: Tensor; moments: Moments } {
  const channels = x.shape.at(-1) ?? 1;
  const rows = x.reshape([1, x.size / channels, channels]);
  const { y, moments } = normalizeGroups(
    "batchNorm",
    rows,
    channels,
    eps,
    affine,
  );
  return {
    y: y.reshape(x.shape),
    moments: {
      mean: moments.mean.reshape([channels]),
      variance: moments.variance.reshape([channels]),
    },
  };
}

/**
 * Normalizes each channel by given moments, then scales and shifts it.
 *
 * @param x (B, ..., C)
 * @param eps added to the variance
 * @param affine (C) scale and shift
 * @param moments (C) running mean and variance
 * @returns same shape
 */
export function batchNormFrozen(
  x: Tensor,
  eps: number,
  { weight, bias }: Affine,
  { mean, variance }: Moments,
): Tensor {
  const scale = mul(weight, rsqrt(add(variance, eps)));
  return add(mul(x, scale), sub(bias, mul(mean, scale)));
}
