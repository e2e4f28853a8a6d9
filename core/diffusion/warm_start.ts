import { add, mul } from "../ops/pointwise.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { CosineNoiseSchedule } from "./noise_schedule.ts";

/**
 * The steps that the published samplers visit, for any number of them:
 * multiples of floor(T / n), from noisy to clean.
 *
 * Source: published code, `models/diffusion.py`.
 *
 * @param schedule noise schedule of T steps
 * @param count n, from 1 to T
 * @throws {RangeError} if it is no such number
 */
export function floorTimesteps(
  schedule: CosineNoiseSchedule,
  count: number,
): number[] {
  if (!Number.isInteger(count) || count < 1 || count > schedule.steps) {
    throw new RangeError(
      `Cannot sample in ${count} steps: needed a whole number from 1 to ${schedule.steps}`,
    );
  }
  const stride = Math.floor(schedule.steps / count);
  return Array.from({ length: count }, (_, i) => (count - 1 - i) * stride);
}

/**
 * The steps that are left from a start: those not above the visited step that
 * is nearest to it, the noisier one if two are.
 *
 * Source: published code, `evaluation/warmstart_eval.py`.
 *
 * @param timesteps falling
 * @param start diffusion step
 * @throws {RangeError} if there is no step
 */
export function stepsFrom(
  timesteps: readonly number[],
  start: number,
): number[] {
  if (timesteps.length === 0) {
    throw new RangeError("Cannot start a sampler: it visits no step");
  }
  const distance = (t: number) => Math.abs(t - start);
  const nearest = timesteps.reduce((best, t) =>
    distance(t) < distance(best) ? t : best
  );
  return timesteps.filter((t) => t <= nearest);
}

/**
 * Noises latents to a diffusion step, to start a sampler there.
 *
 * @param latents (B, T, P)
 * @param noise (B, T, P) standard normal
 * @param schedule noise schedule
 * @param t diffusion step
 */
export function noisedTo(
  latents: Tensor,
  noise: Tensor,
  schedule: CosineNoiseSchedule,
  t: number,
): Tensor {
  const { signal, noise: share } = schedule.factors(t);
  return add(mul(latents, signal), mul(noise, share));
}
