import { leastSquaresLine, spearman } from "./spearman.ts";

/** What a line through the responses of a sweep tells. */
export interface SweepInversion {
  /** Response for one of the swept value. */
  readonly slope: number;
  /** Response at 0. */
  readonly intercept: number;
  /** Share of the responses' variance that the line explains. */
  readonly r2: number;
  /** Rank correlation of values and responses. */
  readonly rho: number;
  /** Told value of each observed response, clipped to the swept range. */
  readonly told: readonly number[];
}

/** Slopes that are not inverted, as published. */
const FLAT = 1e-6;

/**
 * Tells which values lead to some responses, by the least-squares line through
 * the responses to a sweep: (response - intercept) / slope, clipped to the range
 * of the sweep.
 *
 * Source: published code, `planning_probe`.
 *
 * @param values (K) swept, rising
 * @param responses (K) to them
 * @param observed responses whose values are to be told
 * @param resolution largest range of responses that counts as no response
 * @returns undefined if nothing responds, or the line is flat: a slope of at
 *   most 1e-6
 * @throws {RangeError} if values and responses differ in number, are fewer than
 *   two, or not finite
 */
export function invertSweep(
  values: readonly number[],
  responses: readonly number[],
  observed: readonly number[],
  resolution = 0,
): SweepInversion | undefined {
  const { slope, intercept } = leastSquaresLine(values, responses);
  const range = Math.max(...responses) - Math.min(...responses);
  if (!(range > resolution) || !(Math.abs(slope) > FLAT)) return undefined;
  const mean = responses.reduce((sum, y) => sum + y, 0) / responses.length;
  let [left, all] = [0, 0];
  for (const [i, y] of responses.entries()) {
    left += (y - intercept - slope * values[i]!) ** 2;
    all += (y - mean) ** 2;
  }
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return {
    ...{ slope, intercept },
    r2: 1 - left / all,
    rho: spearman(values, responses),
    told: observed.map((y) =>
      Math.max(low, Math.min(high, (y - intercept) / slope))
    ),
  };
}

/**
 * Expected error of a uniform guess: the mean of |u - x| over u from low to
 * high, ((x - low)^2 + (high - x)^2) / (2 (high - low)).
 *
 * Source: the closed form of what the published code draws 4,000 times.
 *
 * @param low end of the range
 * @param high its other end, above low
 * @param x what is guessed, in the range
 * @throws {RangeError} if the range is empty or x is outside
 */
export function guessError(low: number, high: number, x: number): number {
  if (!(low < high) || !(x >= low && x <= high)) {
    throw new RangeError(
      `Cannot guess ${x} from ${low} to ${high}: needed a range, and a value in it`,
    );
  }
  return ((x - low) ** 2 + (high - x) ** 2) / (2 * (high - low));
}
