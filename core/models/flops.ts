/**
 * Operations of a forward pass, counted from shapes: two for each product of
 * linear layers, convolutions and attention; norms and activations are left
 * out. A training step costs three forward passes.
 *
 * @module
 */

import type { AnchoredDitOptions } from "./anchored_dit.ts";
import type { FrameDitOptions } from "./frame_dit.ts";

/** A linear layer on some rows. */
function linear(rows: number, inputs: number, outputs: number): number {
  return 2 * rows * inputs * outputs;
}

/** Embedding of a diffusion step, and of actions. */
function embeddings(dim: number, actions: number, frequencies: number): number {
  return linear(2, dim, dim) + linear(actions, 4 * frequencies, dim) +
    linear(actions, dim, dim);
}

/** A block of the transformer, without convolution. */
function block(tokens: number, conditions: number, dim: number): number {
  return linear(tokens, dim, 3 * dim) + 4 * tokens * tokens * dim +
    linear(tokens, dim, dim) + 2 * linear(tokens, dim, 4 * dim) +
    linear(conditions, dim, 6 * dim);
}

/**
 * Operations of a model that predicts all frames of one window at once.
 *
 * @param options sizes of its network
 * @param frequencies of the action embedding for each component
 */
export function anchoredDitFlops(
  { horizon, tokens, patchDim, dim, blocks, anchorVisible }: AnchoredDitOptions,
  frequencies = 64,
): number {
  const all = horizon * tokens;
  return 2 * linear(all, patchDim, dim) + 2 * linear(all, dim, dim) +
    (anchorVisible ? linear(tokens, patchDim, dim) : 0) +
    linear(1, patchDim, dim) + embeddings(dim, horizon, frequencies) +
    blocks * block(all, horizon, dim) + linear(horizon, dim, 3 * dim);
}

/**
 * Operations of a model that predicts one frame.
 *
 * @param options sizes of its network
 * @param frequencies of the action embedding for each component
 */
export function frameDitFlops(
  { shape: [planes, height, width], patch, dim, channels, blocks }:
    FrameDitOptions,
  frequencies = 64,
): number {
  const cells = height * width;
  const area = patch * patch;
  const tokens = cells / area;
  const convolution = (inputs: number, outputs: number) =>
    linear(cells, 9 * inputs, outputs);
  const depthwise = linear(tokens, 9, 4 * dim);
  return convolution(3 * planes + 1, channels) +
    convolution(channels, channels) + convolution(channels, planes) +
    2 * linear(tokens, channels * area, dim) + linear(tokens, dim, dim) +
    linear(1, (2 * planes + 1) * area, dim) + embeddings(dim, 1, frequencies) +
    blocks * (block(tokens, 1, dim) + depthwise) + linear(1, dim, 3 * dim) +
    linear(1, dim, 2 * channels);
}
