/**
 * Scores of inverse control, model by model.
 *
 * @module
 */

import { named, type Quantity, type Reference } from "../experiment/claims.ts";
import { mean } from "../metrics/statistics.ts";
import type { InverseScene, ToldSteering } from "./inverse.ts";
import {
  type Agreement,
  agreement,
  chanceError,
  commonScenes,
  type InversionScore,
  inversionScore,
  invertScenes,
  meanOver,
  type SceneInversion,
} from "./inverse_results.ts";
import { type InverseFound, joinTold } from "./inverse_run.ts";
import type { SweepMeasure } from "./sweep_results.ts";

/** A model's inversions and scores by measure. */
export interface ScoredRow {
  /** Name among the published numbers. */
  readonly name: string;
  /** Name for readers. */
  readonly title: string;
  /** Scenes of all seeds. */
  readonly scenes: readonly InverseScene[];
  /** Inversion of each scene, by measure. */
  readonly inverted: Readonly<
    Record<SweepMeasure, readonly (SceneInversion | undefined)[]>
  >;
  /** What they came to. */
  readonly scores: Readonly<Record<SweepMeasure, InversionScore>>;
}

/** Everything that claims, tables and figures are made of. */
export interface InverseScores {
  /** Error of a guess. */
  readonly chance: number;
  /** Models. */
  readonly rows: readonly ScoredRow[];
  /** Scenes, by whole-pixel shifts, that direct and plain diffusion share. */
  readonly common: readonly number[];
  /** Agreement of told and given steering, by row. */
  readonly told: Readonly<Record<string, Agreement>>;
  /** Error of always telling the mean recorded steering. */
  readonly constant: Quantity;
}

/**
 * Compares told steering with that given or recorded.
 *
 * @param steering of windows
 * @param other which
 * @param seed of the bootstrap
 */
export function agreementOf(
  steering: ToldSteering,
  other: "given" | "recorded",
  seed: number,
): Agreement {
  const { told, scenes } = steering;
  return agreement(told, steering[other], scenes, seed);
}

/**
 * Scores one recipe.
 *
 * @param values (K) of the grid
 * @param found of the recipe
 * @param seed of the bootstrap
 */
export function inverseScores(
  values: readonly number[],
  { rows, told }: InverseFound,
  seed: number,
): InverseScores {
  const chance = chanceError(values);
  const inverted = rows.map(({ scenes }) => ({
    shift: invertScenes(values, scenes, "shift"),
    subpixel: invertScenes(values, scenes, "subpixel"),
    probe: invertScenes(values, scenes, "probe"),
  }));
  const pair = ["direct", "diffusion-1"]
    .map((name) => rows.findIndex((row) => row.name === name));
  const common = (measure: SweepMeasure) =>
    commonScenes(pair.map((i) => inverted[i]![measure]));
  const score = (i: number, measure: SweepMeasure) => {
    // Scenes of further models need not respond where these two do.
    const own = common(measure)
      .filter((scene) => inverted[i]![measure][scene] !== undefined);
    const names = rows[i]!.scenes.map(({ scene }) => scene);
    return inversionScore(inverted[i]![measure], names, own, chance, seed);
  };
  const real = told.find(({ name }) => name === "real")!.seeds[0]!;
  const centre = mean(real.recorded);
  return {
    chance,
    rows: rows.map(({ name, title, scenes }, i) => ({
      ...{ name, title, scenes },
      inverted: inverted[i]!,
      scores: {
        shift: score(i, "shift"),
        subpixel: score(i, "subpixel"),
        probe: score(i, "probe"),
      },
    })),
    common: common("shift"),
    told: Object.fromEntries(told.map(({ name, seeds }) => [
      name,
      agreementOf(joinTold(seeds), "given", seed),
    ])),
    constant: meanOver(
      real.recorded.map((steer) => Math.abs(steer - centre)),
      real.scenes,
      seed,
    ),
  };
}

/**
 * Error of one model less that of another, on the common scenes, paired.
 *
 * @param scores of the recipe
 * @param one from which is subtracted
 * @param other what is subtracted
 * @param seed of the bootstrap
 * @param level of the interval
 */
export function commonGap(
  { common }: InverseScores,
  one: ScoredRow,
  other: ScoredRow,
  seed: number,
  level: number,
): Quantity {
  const error = ({ inverted }: ScoredRow, i: number) =>
    inverted.shift[i]!.error;
  return meanOver(
    common.map((i) => error(one, i) - error(other, i)),
    common.map((i) => one.scenes[i]!.scene),
    seed,
    level,
  );
}

/**
 * Names a part of a measured number, for a bound.
 *
 * @param label as it is called in a sentence
 * @param part of it
 * @param measured the number
 */
export function partOf(
  label: string,
  part: number,
  { value }: Quantity,
): Reference {
  return named(label, { value: value === null ? null : part * value });
}

/**
 * Told steering of the recorded actions by one measure, where scenes respond.
 *
 * @param row a model
 * @param measure by which
 * @param seed of the bootstrap
 */
export function recordedAgreement(
  { scenes, inverted }: ScoredRow,
  measure: SweepMeasure,
  seed: number,
): Agreement {
  const some = [...scenes.keys()].filter((i) => inverted[measure][i]);
  return agreement(
    some.map((i) => inverted[measure][i]!.told.at(-1)!),
    some.map((i) => scenes[i]!.steer),
    some.map((i) => scenes[i]!.scene),
    seed,
  );
}
