/**
 * A run of all recipes: trained, sampled, scored, and paired with each other.
 *
 * @module
 */

import type { Quantity } from "../experiment/claims.ts";
import { bootstrapInterval, mean } from "../metrics/statistics.ts";
import type { Columns } from "./columns.ts";
import type { LabRun } from "./experiment.ts";
import { gapOver } from "./gaps.ts";
import type { Lab } from "./lab.ts";
import type { PartName } from "./latents.ts";
import type { PointScores } from "./metrics.ts";
import type { ModelSpec, TrainingFacts } from "./models.ts";
import { type ProbeFacts, trainProbe } from "./probe.ts";
import {
  type Arm,
  armColumns,
  type ArmScores,
  armsOf,
  partsOf,
  type RecipeParams,
  type recipeStages,
} from "./recipes.ts";
import { type SweepScore, sweepScores } from "./sweep_results.ts";
import { averagePoint } from "./tables.ts";

/** A run of all arms. */
export interface RecipeRun {
  /** All arms. */
  readonly arms: readonly Arm[];
  /** Parts that they are scored on. */
  readonly parts: readonly PartName[];
  /** Scores of each seed by part and arm. */
  readonly scores: Readonly<
    Record<string, Readonly<Record<string, readonly ArmScores[]>>>
  >;
  /** How arms with a model follow the steering, by the probe. */
  readonly steering: Readonly<Record<string, SweepScore>>;
  /** Frame by frame by sampling steps, on test windows. */
  readonly dial: Readonly<Record<string, PointScores>>;
  /** Trainings by what is trained: those of the first seed. */
  readonly facts: Readonly<Record<string, TrainingFacts>>;
  /** How the probe was trained. */
  readonly probe: ProbeFacts;
}

/** Arms with a model of their own; others share it. */
function trained(arms: readonly Arm[]): Arm[] {
  const first = new Map<string, Arm>();
  for (const arm of arms) {
    const name = JSON.stringify(arm.model);
    if (arm.model !== undefined && !first.has(name)) first.set(name, arm);
  }
  return [...first.values()];
}

/**
 * Trains, samples and scores all arms with all seeds.
 *
 * @param context of the experiment
 * @throws {Interrupted} if it was asked to stop
 */
export async function runRecipes(
  { params, lab, each, train }: LabRun<RecipeParams, typeof recipeStages>,
): Promise<RecipeRun> {
  const [arms, parts] = [armsOf(params), partsOf(lab)];
  const { seeds, values, dialSteps } = params;
  for (const part of parts) await lab.part(part); // drawn on all lanes
  const models = trained(arms);
  const specs = seeds.flatMap((seed) =>
    models.map(({ model }): ModelSpec => ({ ...model!, seed }))
  );
  const all = await train(
    specs,
    ({ mode, recipe, seed, changes }) =>
      [mode, recipe, ...Object.values(changes ?? {}), seed].join(" "),
  );
  const { facts: probe } = await trainProbe(lab, { steps: params.probeSteps });

  const cases = parts.flatMap((part) =>
    arms.flatMap((arm) =>
      (arm.model ? seeds : seeds.slice(0, 1))
        .map((seed) => ({ arm, seed, part }))
    )
  );
  const label = ({ arm, seed, part }: typeof cases[number]) =>
    `${arm.name} ${seed} ${part}`;
  const scored = await each("score", cases, {
    title: "sample and score",
    label,
  });
  const steered = arms.filter(({ model }) => model !== undefined)
    .flatMap((arm) => seeds.map((seed) => ({ arm, seed })));
  const swept = await each("steer", steered, {
    label: ({ arm, seed }) => `${arm.name} ${seed}`,
  });
  const guided = arms.find(({ name }) => name === "frame")!;
  const turned = dialSteps.map((ddimSteps) => ({
    arm: { ...guided, name: `steps-${ddimSteps}`, ddimSteps },
    seed: seeds[0]!,
    part: "test" as const,
  }));
  const dial = await each("score", turned, { title: "turn the dial", label });

  const pick = (part: PartName, { name }: Arm) =>
    scored.filter((_, i) =>
      cases[i]!.part === part && cases[i]!.arm.name === name
    );
  return {
    arms,
    parts,
    probe,
    scores: Object.fromEntries(parts.map((part) => [
      part,
      Object.fromEntries(arms.map((arm) => [arm.name, pick(part, arm)])),
    ])),
    steering: Object.fromEntries(
      arms.filter(({ model }) => model !== undefined).map(({ name }) => {
        const own = swept.filter((_, i) => steered[i]!.arm.name === name);
        return [name, sweepScores(values, own, 0).probe];
      }),
    ),
    dial: Object.fromEntries(
      dial.map(({ future }, i) => {
        const n = dialSteps[i]!;
        return [n === 1 ? "1 step" : `${n} steps`, future];
      }),
    ),
    facts: Object.fromEntries(
      models.map(({ name }, i) => [name, all[i]!]),
    ),
  };
}

/**
 * Scores of an arm on a part, averaged over seeds.
 *
 * @param run what was found
 * @param part of the dataset
 * @param name of the arm
 */
export function averageOf(
  run: RecipeRun,
  part: PartName,
  name: string,
): PointScores {
  return averagePoint(run.scores[part]![name]!.map(({ future }) => future));
}

/**
 * Numbers of all arms on a part, averaged over seeds.
 *
 * @param run what was found
 * @param part of the dataset
 */
export function pointsOf(
  run: RecipeRun,
  part: PartName,
): Record<string, PointScores> {
  return Object.fromEntries(
    run.arms.map(({ name }) => [name, averageOf(run, part, name)]),
  );
}

/** Paired differences of arms, of one part. */
export interface ArmGaps {
  /**
   * How much better one arm is than another: see {@linkcode gapOver}.
   *
   * @param lesser name of an arm
   * @param greater name of another
   * @param metric "kid" or a number of each window
   * @param level of the interval, if not 0.95
   */
  readonly of: (
    lesser: string,
    greater: string,
    metric: string,
    level?: number,
  ) => Quantity;
}

/**
 * Opens what was measured of the arms on a part, for paired differences.
 *
 * @param lab parameters
 * @param run what was found
 * @param part of the dataset
 */
export async function armGaps(
  lab: Lab<RecipeParams>,
  { arms }: RecipeRun,
  part: PartName,
): Promise<ArmGaps> {
  const opened: Record<string, Columns[]> = {};
  for (const arm of arms) {
    const own: Columns[] = [];
    for (const seed of lab.params.seeds) {
      // What has no model is the same for all seeds.
      const first = own[0];
      own.push(
        arm.model === undefined && first !== undefined
          ? first
          : await armColumns(lab, { arm, seed, part }),
      );
    }
    opened[arm.name] = own;
  }
  return {
    of: (lesser, greater, metric, level) => {
      const { value, low, high, n } = gapOver(
        opened[lesser]!,
        opened[greater]!,
        "future",
        metric,
        level,
      );
      return { value, low, high, n, of: "windows", decimals: 3 };
    },
  };
}

/**
 * How much steeper one arm follows the steering than another, paired over
 * scenes and seeds.
 *
 * @param run what was found
 * @param lesser name of an arm
 * @param greater name of another
 * @param level of the interval
 */
export function slopeGap(
  { steering }: RecipeRun,
  lesser: string,
  greater: string,
  level: number,
): Quantity {
  const { scenes, slopes } = steering[greater]!;
  const gaps = slopes.map((slope, i) => slope - steering[lesser]!.slopes[i]!);
  const options = { groups: scenes, level };
  return {
    value: mean(gaps),
    ...bootstrapInterval(gaps, options),
    n: new Set(scenes).size,
    of: "scenes",
    decimals: 3,
  };
}
