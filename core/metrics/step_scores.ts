import {
  bootstrapResamples,
  percentile,
  percentileInterval,
} from "./statistics.ts";

/** Sums of a score over the windows of each scene, step by step. */
export interface StepScores {
  /** Scenes. */
  readonly scenes: readonly string[];
  /** Windows of each scene. */
  readonly counts: readonly number[];
  /** (H, scenes) */
  readonly sums: readonly (readonly number[])[];
}

/** A mean with its interval over scenes. */
export interface StepScore {
  /** Mean over windows. */
  readonly value: number;
  /** Lower end of the 95 % interval. */
  readonly low: number;
  /** Upper end. */
  readonly high: number;
  /** Scenes. */
  readonly n: number;
}

/**
 * Sums a score of windows over their scenes.
 *
 * @param values (H, windows)
 * @param scenes scene of each window
 * @returns scenes in their order
 */
export function stepScores(
  values: readonly ArrayLike<number>[],
  scenes: readonly string[],
): StepScores {
  const names = [...new Set(scenes)];
  const place = new Map(names.map((name, i) => [name, i]));
  const at = scenes.map((scene) => place.get(scene)!);
  const counts = Array<number>(names.length).fill(0);
  for (const i of at) counts[i]!++;
  const sums = values.map((step) => {
    const own = Array<number>(names.length).fill(0);
    at.forEach((scene, window) => own[scene]! += step[window]!);
    return own;
  });
  return { scenes: names, counts, sums };
}

/** The steps' mean sum of each scene. */
function overSteps({ sums }: StepScores, steps: readonly number[]): number[] {
  return (sums[0] ?? []).map((_, scene) =>
    steps.reduce((sum, k) => sum + sums[k]![scene]! / steps.length, 0)
  );
}

function allSteps({ sums }: StepScores): number[] {
  return [...sums.keys()];
}

/**
 * The mean of a score over windows and steps, with an interval by resampling
 * whole scenes; several scores, such as those of seeds, are averaged first.
 * With a second list: the mean difference, paired.
 *
 * @param scores on equal windows, at least one
 * @param options steps from 0, all if absent; what is subtracted; resamples
 * @throws {RangeError} if there is no score, or windows differ
 */
export function meanScore(
  scores: readonly StepScores[],
  options: {
    readonly steps?: readonly number[];
    readonly less?: readonly StepScores[];
    readonly resamples?: number;
  } = {},
): StepScore {
  const { less = [], resamples = 2000 } = options;
  const [first] = scores;
  const isOther = [...scores, ...less].some(({ scenes, counts }) =>
    scenes.join() !== first?.scenes.join() ||
    counts.join() !== first.counts.join()
  );
  if (first === undefined || isOther) {
    throw new RangeError(
      first === undefined
        ? "Cannot average scores: there is none"
        : "Cannot average scores of different windows: needed equal scenes and counts",
    );
  }
  const steps = options.steps ?? allSteps(first);
  const average = (list: readonly StepScores[]) => {
    const each = list.map((one) => overSteps(one, steps));
    return first.scenes.map((_, i) =>
      each.reduce((sum, one) => sum + one[i]! / each.length, 0)
    );
  };
  const [own, other] = [average(scores), less.length > 0 ? average(less) : []];
  const sums = own.map((sum, i) => sum - (other[i] ?? 0));
  const ratio = (scenes: readonly number[]) => {
    let [sum, n] = [0, 0];
    for (const i of scenes) {
      sum += sums[i]!;
      n += first.counts[i]!;
    }
    return sum / n;
  };
  const all = [...sums.keys()];
  const { low, high } = percentileInterval(
    bootstrapResamples(all, { statistic: ratio, resamples }),
    0.95,
  );
  return { value: ratio(all), low, high, n: all.length };
}

/**
 * Cuts values into quartiles as `pandas.qcut`: edges are linear percentiles,
 * intervals are closed on the right.
 *
 * @param values at least one
 * @returns 0 for the lowest quarter to 3
 */
export function quartiles(values: ArrayLike<number>): number[] {
  const edges = [25, 50, 75].map((percent) => percentile(values, percent));
  return Array.from(
    values,
    (value) => edges.filter((edge) => value > edge).length,
  );
}
