import { normalWith } from "../nn/init.ts";
import { Linear, Sequential } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { Parameter } from "../nn/parameter.ts";
import { concat } from "../ops/concat.ts";
import { cos, gelu, mul, sin } from "../ops/pointwise.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * Sines and cosines of actions at frequencies 2^k pi, k = 0, 1, ...
 *
 * The product of frequency and action is rounded to float32 first, as the
 * published code does; from k of about 20 on its features are then a hash of
 * the action's bits. Sine and cosine are those of float64, since WGSL promises
 * none outside [-pi, pi].
 *
 * @param actions (n, dims)
 * @param dims components of an action: 2 for steering and acceleration
 * @param frequencies how many; default 64
 * @returns (n, dims 2 frequencies): of each component all sines, then all
 *   cosines
 */
export function fourierFeatures(
  actions: Float32Array,
  dims = 2,
  frequencies = 64,
): Float32Array<ArrayBuffer> {
  const width = 2 * frequencies;
  const features = new Float32Array(actions.length * width);
  const pi = Math.fround(Math.PI);
  for (const [i, action] of actions.entries()) {
    for (let k = 0; k < frequencies; k++) {
      const angle = Math.fround(action * Math.fround(pi * 2 ** k));
      features[i * width + k] = Math.sin(angle);
      features[i * width + frequencies + k] = Math.cos(angle);
    }
  }
  if (actions.length % dims !== 0) {
    throw new RangeError(
      `Cannot embed ${actions.length} values as actions: they need to be pairs of ${dims}`,
    );
  }
  return features;
}

/** Spread of the frequencies that learned ones begin with, per unit action. */
const LEARNED_SPREAD = 2;

/**
 * Embeds actions: Fourier features, Linear, GELU, Linear.
 *
 * Frequencies are fixed, 2^k pi, as in the published code, or learned for each
 * component, sin(2 pi f a), as the paper writes; they then begin normal with
 * a standard deviation of 2.
 *
 * Names are those of the published checkpoints, including the buffer `freqs`.
 */
export class FourierActionEmbedding extends Module {
  /** `freqs`: (frequencies), a buffer; (dims, frequencies) where learned */
  readonly freqs: Parameter;
  /** `proj.0`, `proj.2` */
  readonly proj: Sequential;
  /** Components of an action. */
  readonly #dims: number;
  readonly #isLearned: boolean;

  /**
   * Creates it.
   *
   * @param dim width of the model
   * @param frequencies per component; default 64
   * @param dims components of an action; default 2
   * @param isLearned whether frequencies are trained; default false
   */
  constructor(dim: number, frequencies = 64, dims = 2, isLearned = false) {
    super();
    this.freqs = isLearned
      ? new Parameter([dims, frequencies], normalWith(LEARNED_SPREAD))
      : new Parameter([frequencies], (values) => {
        for (let k = 0; k < values.length; k++) {
          values[k] = Math.fround(Math.PI) * 2 ** k;
        }
      }, false);
    this.#isLearned = isLearned;
    this.proj = new Sequential(
      new Linear(2 * dims * frequencies, dim),
      gelu,
      new Linear(dim, dim),
    );
    this.#dims = dims;
  }

  /**
   * The features that {@linkcode forward} takes.
   *
   * @param actions (n, dims)
   * @returns (n, 2 dims frequencies); the actions where frequencies are learned
   */
  features(actions: Float32Array): Float32Array<ArrayBuffer> {
    if (this.#isLearned) return Float32Array.from(actions);
    return fourierFeatures(actions, this.#dims, this.freqs.size);
  }

  /**
   * Applies the embedding.
   *
   * @param features (..., 2 dims frequencies), or actions (..., dims) where
   *   frequencies are learned
   * @returns (..., dim)
   */
  forward(features: Tensor): Tensor {
    return this.proj.forward(
      this.#isLearned ? this.#turned(features) : features,
    );
  }

  /** (..., dims) to (..., 2 dims frequencies). */
  #turned(actions: Tensor): Tensor {
    const [dims = 0, frequencies = 0] = this.freqs.shape;
    const rows = actions.size / dims;
    const angles = mul(
      mul(actions, 2 * Math.PI).reshape([rows, dims, 1]),
      this.freqs.reshape([1, dims, frequencies]),
    );
    return concat([sin(angles), cos(angles)], 2)
      .reshape([...actions.shape.slice(0, -1), 2 * dims * frequencies]);
  }
}
