import { add, mul, sub } from "../ops/pointwise.ts";
import { noGrad } from "../tensor/autograd.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { CosineNoiseSchedule, TimeGrid } from "./noise_schedule.ts";

/** Predicts the clean tokens from noised ones at a diffusion step. */
export type CleanPredictor = (x: Tensor, t: number) => Tensor;

/** Options of {@linkcode ddimSample}. */
export interface DdimOptions {
  /** Number of steps, a divisor of the schedule's. Default 50. */
  readonly steps?: number;
  /** Where they stand. Default "leading", as published. */
  readonly grid?: TimeGrid;
  /** The steps themselves, falling, instead of a number of them. */
  readonly timesteps?: readonly number[];
  /** Called before every step; what it throws ends the sampling. */
  readonly check?: () => void;
}

/**
 * Samples without randomness from noise to clean tokens.
 *
 * For step t with the next step t': x0 = predict(x, t);
 * e = (x - sqrt(abar) x0) / sqrt(1 - abar + 1e-8);
 * x = sqrt(abar') x0 + sqrt(1 - abar') e; abar' is 1 after the last step.
 * Predictions are not clamped. Records only; the caller reads.
 *
 * Source: Song et al. 2021 with eta = 0; published code for the steps.
 *
 * @param noise (B, T, P) standard normal, taken as x at the first step
 * @param predict predicts the clean tokens
 * @param schedule noise schedule
 * @param options number of steps; a check that may end the sampling
 * @returns (B, T, P)
 */
export function ddimSample(
  noise: Tensor,
  predict: CleanPredictor,
  schedule: CosineNoiseSchedule,
  options: DdimOptions = {},
): Tensor {
  const timesteps = options.timesteps ??
    schedule.timesteps(options.steps ?? 50, options.grid);
  const { gpu } = noise;
  return noGrad(() => {
    let x = noise;
    for (const [i, t] of timesteps.entries()) {
      options.check?.();
      using scope = gpu.scope();
      const alphaBar = schedule.alphaBar[t] ?? 1;
      const next = timesteps[i + 1];
      const nextBar = next === undefined ? 1 : schedule.alphaBar[next] ?? 1;
      const clean = predict(x, t);
      const scale = 1 / Math.sqrt(1 - alphaBar + 1e-8);
      const e = mul(sub(x, mul(clean, Math.sqrt(alphaBar))), scale);
      const before = x;
      x = scope.keep(
        nextBar === 1
          ? mul(clean, 1)
          : add(mul(clean, Math.sqrt(nextBar)), mul(e, Math.sqrt(1 - nextBar))),
      );
      if (i > 0) before.free();
    }
    return x;
  });
}
