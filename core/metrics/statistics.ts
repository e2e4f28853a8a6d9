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
 */
export function percentile(values: ArrayLike<number>, percent: number): number {
  check("percentile", values, 1);
  const sorted = Float64Array.from(values).sort();
  const at = percent / 100 * (sorted.length - 1);
  const i = Math.floor(at);
  const [a = 0, b = a] = sorted.subarray(i, i + 2);
  return a + (b - a) * (at - i);
}

/**
 * Averages windows within their scenes, and lists the scenes in the order in
 * which they first appear.
 *
 * @param values one per window
 * @param scenes scene of each window
 */
export function sceneMeans(
  values: ArrayLike<number>,
  scenes: readonly string[],
): Map<string, number> {
  const groups = Map.groupBy(
    scenes.map((scene, i) => ({ scene, value: values[i] ?? NaN })),
    ({ scene }) => scene,
  );
  return new Map(
    [...groups].map((
      [scene, rows],
    ) => [scene, mean(rows.map(({ value }) => value))]),
  );
}

/**
 * Percentile bootstrap interval of the mean. With groups, whole scenes are
 * drawn, since windows of one scene are not independent.
 *
 * Source: Efron 1979.
 *
 * @param values one per window
 * @param options scene of each window, level (0.95), resamples (2000), seed (0)
 * @throws {RangeError} if values and groups differ in number
 */
export function bootstrapInterval(
  values: ArrayLike<number>,
  options: {
    readonly groups?: readonly string[];
    readonly level?: number;
    readonly resamples?: number;
    readonly seed?: number;
  } = {},
): Interval {
  check("bootstrap interval", values, 1);
  const { level = 0.95, resamples = 2000, seed = 0 } = options;
  const groups = options.groups ??
    Array.from({ length: values.length }, (_, i) => String(i));
  if (groups.length !== values.length) {
    throw new RangeError(
      `Cannot resample ${values.length} values: groups are given for ${groups.length}`,
    );
  }
  const sums = new Map<string, [sum: number, count: number]>();
  for (const [i, group] of groups.entries()) {
    const [sum, count] = sums.get(group) ?? [0, 0];
    sums.set(group, [sum + (values[i] ?? 0), count + 1]);
  }
  const list = [...sums.values()];
  const means: number[] = [];
  for (let r = 0; r < resamples; r++) {
    const stream = key("bootstrap", seed, r);
    let total = 0;
    let weight = 0;
    for (let i = 0; i < list.length; i++) {
      const [sum, count] = list[stream.integer(i, list.length)] ?? [0, 0];
      total += sum;
      weight += count;
    }
    means.push(total / weight);
  }
  const tail = (1 - level) / 2;
  return {
    low: percentile(means, 100 * tail),
    high: percentile(means, 100 * (1 - tail)),
    level,
  };
}
