import { key } from "../tensor/philox.ts";

/** An interval with its level. */
export interface Interval {
  /** Lower end. */
  readonly low: number;
  /** Upper end. */
  readonly high: number;
  /** Such as 0.95. */
  readonly level: number;
}

function check(what: string, values: ArrayLike<number>, least: number): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      throw new RangeError(
        `Cannot take the ${what}: value ${i} is ${values[i]}`,
      );
    }
  }
  if (values.length < least) {
    throw new RangeError(
      `Cannot take the ${what} of ${values.length} values: it needs at least ${least}`,
    );
  }
}

/**
 * The mean.
 *
 * @param values at least one, finite
 * @throws {RangeError} if there is none or one is not finite
 */
export function mean(values: ArrayLike<number>): number {
  check("mean", values, 1);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] ?? 0;
  return sum / values.length;
}

/**
 * The standard deviation.
 *
 * @param values finite
 * @param ddof subtracted from the count in the denominator; default 1
 * @throws {RangeError} if there are no more values than `ddof`
 */
export function standardDeviation(values: ArrayLike<number>, ddof = 1): number {
  check("standard deviation", values, ddof + 1);
  const centre = mean(values);
  let squares = 0;
  for (let i = 0; i < values.length; i++) {
    squares += ((values[i] ?? 0) - centre) ** 2;
  }
  return Math.sqrt(squares / (values.length - ddof));
}

/**
 * A percentile, linear between neighbours as numpy's default.
 *
 * @param values finite, in any order
 * @param percent from 0 to 100
 * @throws {RangeError} if there is no value, one is not finite, or `percent` is
 *   out of range
 */
export function percentile(values: ArrayLike<number>, percent: number): number {
  check("percentile", values, 1);
  if (!(percent >= 0 && percent <= 100)) {
    throw new RangeError(
      `Cannot take percentile ${percent}: it must be from 0 to 100`,
    );
  }
  const sorted = Float64Array.from(values).sort();
  const at = percent / 100 * (sorted.length - 1);
  const i = Math.floor(at);
  const [a = 0, b = a] = sorted.subarray(i, i + 2);
  return a + (b - a) * (at - i);
}

/**
 * The middle part of resampled values, between two percentiles.
 *
 * @param values one per resample
 * @param level part that lies inside, between 0 and 1
 * @returns its ends
 * @throws {RangeError} as {@linkcode percentile}, or if `level` is out of range
 */
export function percentileInterval(
  values: ArrayLike<number>,
  level: number,
): Interval {
  if (!(level > 0 && level < 1)) {
    throw new RangeError(
      `Cannot take an interval of level ${level}: it must be between 0 and 1`,
    );
  }
  const tail = (1 - level) / 2;
  return {
    low: percentile(values, 100 * tail),
    high: percentile(values, 100 * (1 - tail)),
    level,
  };
}

/**
 * Averages windows within their scenes, and lists the scenes in the order in
 * which they first appear.
 *
 * @param values one per window
 * @param scenes scene of each window
 * @returns the mean of each scene
 * @throws {RangeError} if values and scenes differ in number, or a value is not
 *   finite
 */
export function sceneMeans(
  values: ArrayLike<number>,
  scenes: readonly string[],
): Map<string, number> {
  if (scenes.length !== values.length) {
    throw new RangeError(
      `Cannot average ${values.length} values: scenes are given for ${scenes.length}`,
    );
  }
  const members = Map.groupBy(scenes.keys(), (i) => scenes[i]!);
  return new Map(
    [...members].map((
      [scene, list],
    ) => [scene, mean(list.map((i) => values[i]!))]),
  );
}

/** How values are resampled. */
export interface Resampling {
  /** Scene of each window; each window on its own if absent. */
  readonly groups?: readonly (string | number)[];
  /** How many resamples; default 2000. */
  readonly resamples?: number;
  /** Seed of the draws; default 0. */
  readonly seed?: number;
  /** What is taken of the values of a resample; default their mean. */
  readonly statistic?: (values: readonly number[]) => number;
}

/**
 * Bootstrap resamples of a statistic, the mean unless given. With groups, whole
 * scenes are drawn, since windows of one scene are not independent.
 *
 * Source: Efron 1979.
 *
 * @param values one per window
 * @param options groups, resamples, seed, statistic
 * @returns the statistic of each resample
 * @throws {RangeError} if values and groups differ in number, or a value is not
 *   finite
 */
export function bootstrapResamples(
  values: ArrayLike<number>,
  options: Resampling = {},
): number[] {
  check("bootstrap interval", values, 1);
  const { resamples = 2000, seed = 0, statistic = mean } = options;
  const groups = options.groups ??
    Array.from({ length: values.length }, (_, i) => i);
  if (groups.length !== values.length) {
    throw new RangeError(
      `Cannot resample ${values.length} values: groups are given for ${groups.length}`,
    );
  }
  const members = Map.groupBy(groups.keys(), (i) => groups[i]!);
  const list = [...members.values()].map((rows) => rows.map((i) => values[i]!));
  return Array.from({ length: resamples }, (_, r) => {
    const stream = key("bootstrap", seed, r);
    return statistic(
      list.flatMap((_, i) => list[stream.integer(i, list.length)]!),
    );
  });
}

/**
 * Percentile bootstrap interval of a statistic, see
 * {@linkcode bootstrapResamples}.
 *
 * @param values one per window
 * @param options groups, resamples, seed, statistic, and level (0.95)
 * @returns the ends of the interval; they are equal if there is one group only
 * @throws {RangeError} as `bootstrapResamples`, or if `level` is out of range
 */
export function bootstrapInterval(
  values: ArrayLike<number>,
  { level = 0.95, ...options }: Resampling & { readonly level?: number } = {},
): Interval {
  return percentileInterval(bootstrapResamples(values, options), level);
}
