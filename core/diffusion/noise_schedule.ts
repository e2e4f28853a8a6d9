/** Where the steps of a sampler stand. */
export type TimeGrid = "leading" | "even";

/**
 * The cosine noise schedule.
 *
 * abar(i) = f(i) / f(0), f(i) = cos^2(((i / T) + s) / (1 + s) pi / 2) in
 * float64 and rounded to float32; abar(0) is exactly 1. There is no clip of
 * the betas.
 *
 * Source: Nichol & Dhariwal 2021; published code for the missing clip.
 */
export class CosineNoiseSchedule {
  /** Number of diffusion steps, T. */
  readonly steps: number;
  /** (T): abar, the share of the signal's variance that is left */
  readonly alphaBar: Float32Array<ArrayBuffer>;

  /**
   * Creates it.
   *
   * @param steps T; default 1000
   * @param offset s; default 0.008
   */
  constructor(steps = 1000, offset = 0.008) {
    const f = (i: number) =>
      Math.cos((i / steps + offset) / (1 + offset) * Math.PI / 2) ** 2;
    this.steps = steps;
    this.alphaBar = Float32Array.from(
      { length: steps },
      (_, i) => f(i) / f(0),
    );
  }

  /**
   * Factors of signal and noise: x_t = signal x_0 + noise eps.
   *
   * @param t diffusion step from 0 to T - 1
   * @throws {RangeError} if there is no such step
   */
  factors(t: number): { signal: number; noise: number } {
    const alphaBar = this.alphaBar[t];
    if (alphaBar === undefined) {
      throw new RangeError(
        `Cannot take diffusion step ${t}: it must be an integer from 0 to ${
          this.steps - 1
        }`,
      );
    }
    return { signal: Math.sqrt(alphaBar), noise: Math.sqrt(1 - alphaBar) };
  }

  /**
   * The steps a sampler visits, from noisy to clean. "leading", as published:
   * multiples of T / n, so that T - 1 is never visited and 0 always is. "even":
   * equal steps from T down to T / n, of which the first is taken at 0.99 T,
   * where some signal is left; the last one leads to the clean frame.
   *
   * @param count n, a divisor of T; below 100 on the even grid
   * @param grid which
   * @throws {RangeError} if it is no divisor, or too many
   */
  timesteps(count: number, grid: TimeGrid = "leading"): number[] {
    if (!(count >= 1) || this.steps % count !== 0) {
      throw new RangeError(
        `Cannot sample in ${count} steps: it must be a divisor of ${this.steps}`,
      );
    }
    const stride = this.steps / count;
    if (grid === "leading") {
      return Array.from({ length: count }, (_, i) => (count - 1 - i) * stride);
    }
    const first = Math.floor(0.99 * this.steps);
    if (this.steps - stride >= first && count > 1) {
      throw new RangeError(
        `Cannot sample in ${count} even steps: the second would not be below the first, ${first}; it must be below 100`,
      );
    }
    return Array.from(
      { length: count },
      (_, i) => i === 0 ? first : (count - i) * stride,
    );
  }
}
