/**
 * Differences of two trainings at an operating point, on the same windows: with
 * intervals over seeds and scenes.
 *
 * @module
 */

import { kidResamples } from "../metrics/kid.ts";
import {
  bootstrapResamples,
  mean,
  percentileInterval,
} from "../metrics/statistics.ts";
import { key } from "../tensor/philox.ts";
import type { Columns } from "./columns.ts";
import { type Score, WINDOW_METRICS } from "./metrics.ts";

/** Resamples of scenes, and of seeds beside them. */
const RESAMPLES = 1000;

/** A difference with what it rests on. */
export interface Gap extends Score {
  /** Lower end of the interval. */
  readonly low: number;
  /** Its upper end. */
  readonly high: number;
  /** The difference of each seed. */
  readonly seeds: readonly number[];
}

/** Mean of a metric over that of decoded real latents, and of resamples. */
function ratios(
  { windows, measured }: Columns,
  point: string,
  metric: string,
): { value: number; values: readonly number[] } {
  const groups = windows.map(({ scene }) => scene);
  const [own, real] = [measured[point]!, measured.decoded!]
    .map(({ numbers }) => numbers[metric]!) as [
      ArrayLike<number>,
      ArrayLike<number>,
    ];
  const options = { resamples: RESAMPLES, seed: 0, groups };
  const reference = bootstrapResamples(real, options);
  return {
    value: mean(own) / mean(real),
    values: bootstrapResamples(own, options)
      .map((value, r) => value / reference[r]!),
  };
}

/**
 * A metric of windows as a fraction of that of decoded real latents, with its
 * 95 % interval over scenes, the same in both.
 *
 * @param columns what was measured
 * @param point operating point
 * @param metric name of a number of each window
 */
export function ratioInterval(
  columns: Columns,
  point: string,
  metric: string,
): Score {
  const { value, values } = ratios(columns, point, metric);
  const { low, high } = percentileInterval(values, 0.95);
  return { value, low, high, n: columns.windows.length };
}

/** KID, or the mean of a metric, of all windows, and of resampled scenes. */
function resampled(
  columns: Columns,
  point: string,
  metric: string,
): { value: number; values: readonly number[] } {
  const { windows, measured } = columns;
  const isRelative = WINDOW_METRICS
    .some((one) => one.name === metric && one.isRelative);
  if (isRelative) {
    const { value, values } = ratios(columns, point, metric);
    const off = (ratio: number) => Math.abs(ratio - 1);
    return { value: off(value), values: values.map(off) };
  }
  const scenes = windows.map(({ scene }) => scene);
  const options = { resamples: RESAMPLES, seed: 0 };
  const { features, numbers } = measured[point]!;
  if (metric === "kid") {
    const width = features.length / windows.length;
    return kidResamples(
      { data: measured.camera!.features, width },
      { data: features, width },
      { real: scenes, fake: scenes },
      options,
    );
  }
  const values = numbers[metric]!;
  return {
    value: mean(values),
    values: bootstrapResamples(values, { ...options, groups: scenes }),
  };
}

/**
 * How much better one training is than another: above zero if it is, whether
 * the metric falls or rises.
 *
 * Scenes are drawn with replacement, the same for both trainings and all seeds,
 * and so are the seeds: the interval of one seed is over scenes alone. KID is
 * the unbiased estimate of all windows, without subsets.
 *
 * @param lesser what was measured with each seed
 * @param greater the same of the other training, with the same seeds
 * @param point operating point of both
 * @param metric "kid", or the name of a number of each window; one that is a
 *   fraction of that of real latents is compared by its distance from 1
 * @param level of the interval; default 0.95
 */
export function gapOver(
  lesser: readonly Columns[],
  greater: readonly Columns[],
  point: string,
  metric: string,
  level = 0.95,
): Gap {
  const { direction } = WINDOW_METRICS.find(({ name }) => name === metric) ??
    { direction: "lower" };
  const isRelative = WINDOW_METRICS
    .some((one) => one.name === metric && one.isRelative);
  const sign = direction === "lower" || isRelative ? -1 : 1;
  const seeds = lesser.map((columns, i) => {
    const [before, after] = [columns, greater[i]!]
      .map((one) => resampled(one, point, metric)) as [
        ReturnType<typeof resampled>,
        ReturnType<typeof resampled>,
      ];
    return {
      value: sign * (after.value - before.value),
      values: after.values.map((x, r) => sign * (x - before.values[r]!)),
    };
  });
  const values = seeds[0]!.values.map((_, r) => {
    const stream = key("gap", r);
    return mean(
      seeds.map((_, i) => seeds[stream.integer(i, seeds.length)]!.values[r]!),
    );
  });
  const { low, high } = percentileInterval(values, level);
  const own = seeds.map(({ value }) => value);
  const n = lesser[0]!.windows.length;
  return { value: mean(own), low, high, n, seeds: own };
}
