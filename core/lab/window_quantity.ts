import type { Quantity } from "../experiment/claims.ts";
import {
  bootstrapResamples,
  percentileInterval,
} from "../metrics/statistics.ts";

/** How a statistic of windows is resampled and told. */
export interface WindowStatistic {
  /** Seed of the bootstrap. */
  readonly seed: number;
  /** Level of the interval. Default 0.95. */
  readonly level?: number;
  /** How many resamples. Default that of `bootstrapResamples`. */
  readonly resamples?: number;
  /** What is counted. Default "windows". */
  readonly of?: string;
  /** How many of these. Default one for each window. */
  readonly n?: number;
}

/**
 * A statistic of windows with its bootstrap interval over their scenes: null
 * where it is not finite, and without an interval where some resamples are not,
 * as those that hold no motion at all.
 *
 * @param scenes scene of each window
 * @param statistic of the windows of these numbers
 * @param options of the bootstrap, and of what is told
 */
export function windowQuantity(
  scenes: readonly string[],
  statistic: (windows: readonly number[]) => number,
  {
    seed,
    level = 0.95,
    resamples,
    of = "windows",
    n = scenes.length,
  }: WindowStatistic,
): Quantity {
  const windows = [...scenes.keys()];
  const about = { n, of, decimals: 3 };
  const value = statistic(windows);
  if (!Number.isFinite(value)) return { value: null, ...about };
  const values = bootstrapResamples(windows, {
    groups: scenes,
    seed,
    statistic,
    ...(resamples === undefined ? {} : { resamples }),
  });
  if (!values.every(Number.isFinite)) return { value, ...about };
  const { low, high } = percentileInterval(values, level);
  return { value, low, high, ...about };
}
