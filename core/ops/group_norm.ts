import texels from "../../kernels/lib/image_texels.wgsl" with { type: "text" };
import invocation from "../../kernels/lib/invocation.wgsl" with {
  type: "text",
};
import math from "../../kernels/lib/math.wgsl" with { type: "text" };
import nan from "../../kernels/lib/nan.wgsl" with { type: "text" };
import opaque from "../../kernels/lib/opaque.wgsl" with { type: "text" };
import quotient from "../../kernels/lib/quotient.wgsl" with { type: "text" };
import source from "../../kernels/group_norm.wgsl" with { type: "text" };
import { ceilDiv, flatGrid } from "../gpu/grid.ts";
import { type Bindings, defineShader } from "../gpu/shader.ts";
import { record } from "../tensor/autograd.ts";
import { empty, emptyLike } from "../tensor/create.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Affine } from "./layer_norm.ts";
import { add, mul, rsqrt, sub } from "./pointwise.ts";
import { sum } from "./reduce.ts";

const shader = defineShader("group_norm", [
  texels,
  invocation,
  math,
  nan,
  opaque,
  quotient,
  source,
]);

/** Least number of pixels that one invocation adds. */
const CHUNK = 128;

/** Chunks of a sample at most: one invocation joins them. */
const MOST_CHUNKS = 256;

/** Pixels that one invocation normalizes; RUN of the kernel. */
const RUN = 8;

/** Values of the kernel's knob. */
const ACTIVATIONS = { none: 0, relu: 1, silu: 2 } as const;

/** Options of {@linkcode groupNorm} and {@linkcode batchNormTraining}. */
export interface NormOptions {
  /** Applied to the result in the same pass. Default "none". */
  readonly activation?: "none" | "relu" | "silu";
}

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
 * @param options an activation
 * @returns same shape
 * @throws {RangeError} if C is no multiple of 4 and of `groups`, or the affine
 *   lengths differ
 */
export function groupNorm(
  x: Tensor,
  groups: number,
  eps: number,
  affine: Affine,
  options: NormOptions = {},
): Tensor {
  return normalizeGroups("groupNorm", x, groups, eps, affine, options).y;
}

/**
 * {@linkcode groupNorm} that also gives the moments, for running averages.
 *
 * @param op name of the operation, for messages
 * @param x (B, ..., C)
 * @param groups number of groups
 * @param eps added to the variance
 * @param affine (C) scale and shift
 * @param options an activation
 */
export function normalizeGroups(
  op: string,
  x: Tensor,
  groups: number,
  eps: number,
  { weight, bias }: Affine,
  options: NormOptions,
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
  const chunk = Math.max(CHUNK, ceilDiv(pixels, MOST_CHUNKS));
  const params = {
    batch,
    pixels,
    width: channels / 4,
    perGroup: channels / groups,
    groups,
    chunk,
    chunks: ceilDiv(pixels, chunk),
    runs: ceilDiv(pixels, RUN),
    eps,
  };
  const knobs = { ACTIVATION: ACTIVATIONS[options.activation ?? "none"] };
  const run = (entry: string, bindings: Bindings, invocations: number) =>
    shader.run(entry, bindings, params, flatGrid(ceilDiv(invocations, 64)), {
      knobs,
    });
  const sample = batch * channels / 4; // invocations for all samples
  const twice = (...shape: number[]) =>
    [empty(x.gpu, shape), empty(x.gpu, shape)] as const;

  const y = emptyLike(x);
  const [partsA, partsB] = twice(batch, params.chunks, channels);
  const [channelsA, channelsB] = twice(batch, channels);
  const [mean, variance] = twice(batch, groups);
  run("moments", { x, outA: partsA, outB: partsB }, sample * params.chunks);
  const joined = { outA: channelsA, outB: channelsB };
  run("joinMoments", { inA: partsA, inB: partsB, ...joined }, sample);
  const ended = { groupsA: mean, groupsB: variance };
  run("groupMoments", { channelsA, channelsB, ...ended }, batch * groups);
  const own = { mean, variance, weight, bias };
  run("forward", { x, ...own, y }, sample * params.runs);

  record(y, [x, weight, bias], (dy) => {
    const [partsA, partsB] = twice(batch, params.chunks, channels);
    const [channelsA, channelsB] = twice(batch, channels); // of dz, dz xhat
    const [s1, s2] = twice(batch, groups);
    const dx = emptyLike(x);
    const parts = { outA: partsA, outB: partsB };
    run("dots", { x, dy, ...own, ...parts }, sample * params.chunks);
    const joined = { outA: channelsA, outB: channelsB };
    run("joinDots", { inA: partsA, inB: partsB, ...joined }, sample);
    run(
      "groupDots",
      { channelsA, channelsB, scales: weight, groupsA: s1, groupsB: s2 },
      batch * groups,
    );
    run("backward", { x, dy, ...own, s1, s2, dx }, sample * params.runs);
    return [
      dx,
      weight.requiresGrad
        ? sum(channelsB, [0]).reshape(weight.shape)
        : undefined,
      bias.requiresGrad ? sum(channelsA, [0]).reshape(bias.shape) : undefined,
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
 * @param options an activation
 * @returns the result, and the batch's moments (C) for running averages
 * @throws {RangeError} as {@linkcode groupNorm}
 */
export function batchNormTraining(
  x: Tensor,
  eps: number,
  affine: Affine,
  options: NormOptions = {},
): { y: Tensor; moments: Moments } {
  const channels = x.shape.at(-1) ?? 1;
  const rows = x.reshape([1, x.size / channels, channels]);
  const { y, moments } = normalizeGroups(
    "batchNorm",
    rows,
    channels,
    eps,
    affine,
    options,
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
