/**
 * What inverse control came to, from plain numbers: errors against chance, and
 * how well told steering agrees with the recorded one.
 *
 * @module
 */

import type { Quantity } from "../experiment/claims.ts";
import { guessError, invertSweep } from "../metrics/inversion.ts";
import { leastSquaresLine, pearson } from "../metrics/spearman.ts";
import { mean } from "../metrics/statistics.ts";
import { type InverseScene, midpoints, type ToldSteering } from "./inverse.ts";
import type { SweepMeasure } from "./sweep_results.ts";
import { windowQuantity } from "./window_quantity.ts";

/** Largest range of responses that counts as none, as of sweeps. */
const RESOLUTION: Readonly<Record<SweepMeasure, number>> = {
  shift: 0,
  subpixel: 1e-2,
  probe: 1e-3,
};

/** How well the steering of one scene is told, by one measure. */
export interface SceneInversion {
  /** Its name. */
  readonly scene: string;
  /** Share of the variance that the line explains. */
  readonly r2: number;
  /** Rank correlation of grid and responses. */
  readonly rho: number;
  /** Mean error of the held-out targets. */
  readonly error: number;
  /** Told steering of the targets, and of the recorded actions. */
  readonly told: readonly number[];
}

/**
 * Inverts the responses of scenes, one by one.
 *
 * @param values (K) of the grid
 * @param scenes what was measured of them
 * @param measure which response
 * @returns of each scene; undefined where nothing responds
 */
export function invertScenes(
  values: readonly number[],
  scenes: readonly InverseScene[],
  measure: SweepMeasure,
): (SceneInversion | undefined)[] {
  const targets = midpoints(values);
  return scenes.map(({ scene, [measure]: own }) => {
    const inversion = invertSweep(
      values,
      own.grid,
      [...own.targets, own.recorded],
      RESOLUTION[measure],
    );
    if (inversion === undefined) return undefined;
    const { r2, rho, told } = inversion;
    const error = mean(targets.map((target, k) => Math.abs(told[k]! - target)));
    return { scene, r2, rho, error, told };
  });
}

/**
 * Error of a uniform guess, the mean over the held-out targets: 0.328125 of the
 * range for a grid of five.
 *
 * @param values (K) of the grid
 */
export function chanceError(values: readonly number[]): number {
  const [low, high] = [values[0]!, values.at(-1)!];
  return mean(midpoints(values).map((x) => guessError(low, high, x)));
}

/** A statistic of windows with its bootstrap interval over their scenes. */
function resampled(
  scenes: readonly string[],
  statistic: (windows: readonly number[]) => number,
  seed: number,
  level = 0.95,
): Quantity {
  const of = new Set(scenes).size === scenes.length ? "scenes" : "windows";
  return windowQuantity(
    scenes,
    (windows) => windows.length === 0 ? NaN : statistic(windows),
    { seed, level, of },
  );
}

/**
 * The mean with its bootstrap interval over scenes; null of nothing.
 *
 * @param values one of each window
 * @param scenes scene of each
 * @param seed of the bootstrap
 * @param level of the interval
 */
export function meanOver(
  values: readonly number[],
  scenes: readonly string[],
  seed: number,
  level = 0.95,
): Quantity {
  const statistic = (windows: readonly number[]) =>
    mean(windows.map((i) => values[i]!));
  return resampled(scenes, statistic, seed, level);
}

/** What the inversion of a model's scenes came to, by one measure. */
export interface InversionScore {
  /** Mean error over its own valid scenes. */
  readonly error: Quantity;
  /** The same over the error of a guess. */
  readonly ratio: Quantity;
  /** Mean error over the common scenes. */
  readonly common: Quantity;
  /** Over all scenes, those without a response at the error of a guess. */
  readonly all: Quantity;
  /** The same over the error of a guess. */
  readonly allRatio: Quantity;
  /** Mean share of explained variance, own valid scenes. */
  readonly r2: Quantity;
  /** Mean rank correlation, own valid scenes. */
  readonly rho: Quantity;
}

/**
 * Numbers of the scenes that every one of some models is valid on.
 *
 * @param models inversions of the same scenes
 */
export function commonScenes(
  models: readonly (readonly (SceneInversion | undefined)[])[],
): number[] {
  return [...(models[0] ?? []).keys()].filter((i) =>
    models.every((scenes) => scenes[i] !== undefined)
  );
}

/**
 * Scores the inversions of one model.
 *
 * @param scenes inversions of its scenes
 * @param names of all scenes
 * @param common numbers of the common ones
 * @param chance error of a guess
 * @param seed of the bootstrap
 */
export function inversionScore(
  scenes: readonly (SceneInversion | undefined)[],
  names: readonly string[],
  common: readonly number[],
  chance: number,
  seed: number,
): InversionScore {
  const valid = scenes.filter((one) => one !== undefined);
  const own = valid.map(({ scene }) => scene);
  const over = (of: (one: SceneInversion) => number) =>
    meanOver(valid.map(of), own, seed);
  return {
    error: over(({ error }) => error),
    ratio: over(({ error }) => error / chance),
    common: meanOver(
      common.map((i) => scenes[i]!.error),
      common.map((i) => names[i]!),
      seed,
    ),
    all: meanOver(scenes.map((one) => one?.error ?? chance), names, seed),
    allRatio: meanOver(
      scenes.map((one) => one === undefined ? 1 : one.error / chance),
      names,
      seed,
    ),
    r2: over(({ r2 }) => r2),
    rho: over(({ rho }) => rho),
  };
}

/** How told steering agrees with another one. */
export interface Agreement {
  /** Pearson's correlation. */
  readonly correlation: Quantity;
  /** Told change for one of the other. */
  readonly slope: Quantity;
  /** Mean error. */
  readonly error: Quantity;
}

/**
 * Compares told steering with another one, window by window.
 *
 * @param told of each window
 * @param other of the same windows
 * @param scenes scene of each
 * @param seed of the bootstrap
 */
export function agreement(
  told: readonly number[],
  other: readonly number[],
  scenes: readonly string[],
  seed: number,
): Agreement {
  const pick = (windows: readonly number[]) =>
    [other, told].map((of) => windows.map((i) => of[i]!)) as [
      number[],
      number[],
    ];
  const pairs = (of: (x: number[], y: number[]) => number) =>
    resampled(
      scenes,
      (windows) => windows.length < 2 ? NaN : of(...pick(windows)),
      seed,
    );
  return {
    correlation: pairs(pearson),
    slope: pairs((x, y) => leastSquaresLine(x, y).slope),
    error: meanOver(
      told.map((x, i) => Math.abs(x - other[i]!)),
      scenes,
      seed,
    ),
  };
}

/**
 * Correlation with the given steering less that with the recorded one, paired.
 *
 * @param found under other actions
 * @param seed of the bootstrap
 * @param level of the interval
 */
export function followGap(
  { told, given, recorded, scenes }: ToldSteering,
  seed: number,
  level: number,
): Quantity {
  const at = (list: readonly number[], windows: readonly number[]) =>
    windows.map((i) => list[i]!);
  return resampled(
    scenes,
    (windows) =>
      windows.length < 2
        ? NaN
        : pearson(at(told, windows), at(given, windows)) -
          pearson(at(told, windows), at(recorded, windows)),
    seed,
    level,
  );
}
