import { NumpyGenerator } from "./numpy_random.ts";
import { type Interval, mean, percentileInterval } from "./statistics.ts";

/** How values are resampled as the paper's authors do. */
export interface NumpyResampling {
  /** Seed of NumPy's generator. Default 42. */
  readonly seed?: number;
  /** How many resamples. Default 1000. */
  readonly resamples?: number;
  /** Part that lies inside. Default 0.95. */
  readonly level?: number;
}

/** Means of resamples, drawn in one block of `resamples` rows. */
function resampledMeans(
  generator: NumpyGenerator,
  values: ArrayLike<number>,
  resamples: number,
): Float64Array {
  const n = values.length;
  const drawn = generator.integers(n, resamples * n);
  return Float64Array.from({ length: resamples }, (_, r) => {
    let sum = 0;
    for (let i = r * n; i < (r + 1) * n; i++) sum += values[drawn[i]!]!;
    return sum / n;
  });
}

/**
 * The percentile bootstrap interval of a mean, with NumPy's draws: values are
 * chosen by `default_rng(seed).integers(0, n, (resamples, n))`.
 *
 * Source: Efron 1979; published code, `evaluation/metrics.py`.
 *
 * @param values one per scene, in the order of their names
 * @param options seed, resamples, level
 * @returns its ends; both are the value if there is one
 * @throws {RangeError} if there is no value, one is not finite, or `level` is
 *   out of range
 */
export function numpyBootstrap(
  values: ArrayLike<number>,
  { seed = 42, resamples = 1000, level = 0.95 }: NumpyResampling = {},
): Interval {
  // Refuses what has no mean before any draw.
  const whole = mean(values);
  if (values.length === 1) return { low: whole, high: whole, level };
  const generator = new NumpyGenerator(seed);
  return percentileInterval(
    resampledMeans(generator, values, resamples),
    level,
  );
}

/**
 * The same interval of a ratio of means of two sets of scenes, which are
 * resampled one after the other by one generator.
 *
 * @param numerator one value per scene
 * @param denominator one value per scene of the other set
 * @param options seed, resamples, level
 * @returns its ends
 * @throws {RangeError} as {@linkcode numpyBootstrap}
 */
export function numpyRatioBootstrap(
  numerator: ArrayLike<number>,
  denominator: ArrayLike<number>,
  { seed = 42, resamples = 1000, level = 0.95 }: NumpyResampling = {},
): Interval {
  for (const values of [numerator, denominator]) mean(values);
  const generator = new NumpyGenerator(seed);
  const above = resampledMeans(generator, numerator, resamples);
  const below = resampledMeans(generator, denominator, resamples);
  return percentileInterval(above.map((value, i) => value / below[i]!), level);
}
