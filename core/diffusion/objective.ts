import { add, mul, sub } from "../ops/pointwise.ts";
import { tensor } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { CosineNoiseSchedule } from "./noise_schedule.ts";

/** What a network is trained to predict. */
export type Objective = "x0" | "epsilon" | "v";

/** Factors of signal and noise of each sample, (B, 1, 1). */
export interface NoiseLevel {
  /** sqrt(abar) */
  readonly signal: Tensor;
  /** sqrt(1 - abar) */
  readonly noise: Tensor;
}

/**
 * Uploads the noise level of each sample.
 *
 * @param like any tensor on the device
 * @param schedule noise schedule
 * @param steps diffusion step of each sample
 */
export function noiseLevel(
  like: Tensor,
  schedule: CosineNoiseSchedule,
  steps: readonly number[],
): NoiseLevel {
  const factors = steps.map((t) => schedule.factors(t));
  const upload = (part: "signal" | "noise") =>
    tensor(like.gpu, Float32Array.from(factors, (f) => f[part]))
      .reshape([steps.length, 1, 1]);
  return { signal: upload("signal"), noise: upload("noise") };
}

/**
 * Adds noise: signal x_0 + noise eps.
 *
 * @param x0 (B, T, P) clean
 * @param eps (B, T, P) standard normal
 * @param level of each sample
 */
export function diffuse(x0: Tensor, eps: Tensor, level: NoiseLevel): Tensor {
  return add(mul(x0, level.signal), mul(eps, level.noise));
}

/**
 * What the network should predict.
 *
 * Source: Ho et al. 2020 (epsilon); Salimans & Ho 2022 (v).
 *
 * @param objective which
 * @param x0 (B, T, P) clean
 * @param eps (B, T, P) the noise that was added
 * @param level of each sample
 */
export function trainingTarget(
  objective: Objective,
  x0: Tensor,
  eps: Tensor,
  level: NoiseLevel,
): Tensor {
  if (objective === "x0") return x0;
  if (objective === "epsilon") return eps;
  return sub(mul(eps, level.signal), mul(x0, level.noise));
}

/**
 * The clean tokens that a prediction stands for.
 *
 * @param objective what the network predicts
 * @param prediction (B, T, P)
 * @param x (B, T, P) noised tokens
 * @param signal sqrt(abar)
 * @param noise sqrt(1 - abar)
 */
export function cleanOf(
  objective: Objective,
  prediction: Tensor,
  x: Tensor,
  signal: number,
  noise: number,
): Tensor {
  if (objective === "x0") return prediction;
  if (objective === "epsilon") {
    return mul(sub(x, mul(prediction, noise)), 1 / Math.max(signal, 1e-4));
  }
  return sub(mul(x, signal), mul(prediction, noise));
}
