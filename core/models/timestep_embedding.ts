import { Linear, Sequential } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { silu } from "../ops/pointwise.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * Sinusoids of diffusion steps, computed in float64: all sines, then all
 * cosines, of t exp(-ln(10000) i / (dim / 2)).
 *
 * Source: world-model code, which divides by dim / 2 and not by dim / 2 - 1.
 *
 * @param steps diffusion steps
 * @param dim length of an embedding, even
 * @returns (steps, dim)
 */
export function timestepFeatures(
  steps: readonly number[],
  dim: number,
): Float32Array<ArrayBuffer> {
  const half = dim / 2;
  const features = new Float32Array(steps.length * dim);
  for (const [row, t] of steps.entries()) {
    for (let i = 0; i < half; i++) {
      const angle = t * Math.exp(-Math.log(10000) * i / half);
      features[row * dim + i] = Math.sin(angle);
      features[row * dim + half + i] = Math.cos(angle);
    }
  }
  return features;
}

/** Embeds a diffusion step: sinusoids, Linear, SiLU, Linear. */
export class TimestepEmbedding extends Module {
  /** `mlp.0`, `mlp.2` */
  readonly mlp: Sequential;

  /**
   * Creates it.
   *
   * @param dim width of the model
   */
  constructor(dim: number) {
    super();
    this.mlp = new Sequential(
      new Linear(dim, dim),
      silu,
      new Linear(dim, dim),
    );
  }

  /**
   * Applies the embedding.
   *
   * @param features (B, dim) from {@linkcode timestepFeatures}
   * @returns (B, dim)
   */
  forward(features: Tensor): Tensor {
    return this.mlp.forward(features);
  }
}
