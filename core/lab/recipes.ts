/**
 * Recipes side by side: networks, heads and samplers that cost the same to
 * train, scored alike on the same windows.
 *
 * @module
 */

import { z } from "zod";
import { takeRows } from "../data/latents.ts";
import {
  calibrate,
  type ChannelStatistics,
  channelStatistics,
} from "../diffusion/calibration.ts";
import { digestJson } from "../experiment/artifact_files.ts";
import { type Columns, columns, type Point, scoresOf } from "./columns.ts";
import { type LabWindow, spaced } from "./data.ts";
import { type Futures, futures, windowNoise } from "./futures.ts";
import { ratioInterval } from "./gaps.ts";
import type { Lab } from "./lab.ts";
import type { PartName } from "./latents.ts";
import { type PointScores, WINDOW_METRICS } from "./metrics.ts";
import type { ModelSpec } from "./models.ts";
import { labParams } from "./params.ts";
import type { Work } from "./plan.ts";
import { batchesOf } from "./batches.ts";
import { type SweepResponses, sweepResponses } from "./sweep.ts";
import { sweepParams } from "./sweep_run.ts";

const { values, sweeps, sweepSteps, probeSteps } = sweepParams.shape;

const steps = labParams.shape.frameSteps;

/** Parameters of an experiment that compares recipes. */
export const recipeParams = labParams.safeExtend({
  ...{ values, sweeps, sweepSteps, probeSteps },
  quickSteps: steps.describe(
    "sampling steps of a frame where few are taken, a divisor of 1000",
  ),
  dialSteps: z.array(steps).min(2).describe(
    "sampling steps of a frame that the perception-distortion dial is shown at",
  ),
});

/** Validated parameters of an experiment that compares recipes. */
export type RecipeParams = z.infer<typeof recipeParams>;

/** A recipe with a way to sample, or a reference: a row of the tables. */
export interface Arm {
  /** Name in tables and files. */
  readonly name: string;
  /** Name for readers. */
  readonly title: string;
  /** The model; absent for what is predicted by none. */
  readonly model?: Omit<ModelSpec, "seed" | "from">;
  /** Scale of guidance. */
  readonly guidance: number;
  /** Sampling steps, of a frame where these are predicted one by one. */
  readonly ddimSteps: number;
}

/**
 * Lists the arms: recipes, then a copy of the present and the ceiling.
 *
 * @param params steps and guidance
 */
export function armsOf(
  { ddimSteps, frameSteps, quickSteps, frameGuidance }: RecipeParams,
): Arm[] {
  const joint = (recipe: "paper" | "visible", changes?: { objective: "v" }) =>
    ({
      model: { mode: "diffusion", recipe, ...(changes ? { changes } : {}) },
      guidance: 1,
      ddimSteps,
    }) as const;
  const frame = (guidance: number, ddimSteps: number) =>
    ({
      model: { mode: "diffusion", recipe: "frame" },
      guidance,
      ddimSteps,
    }) as const;
  const once = { guidance: 1, ddimSteps: 1 };
  const w = frameGuidance;
  const [many, few] = [`${frameSteps} steps`, `${quickSteps} steps`];
  return [
    { name: "published", title: "As published", ...joint("paper") },
    {
      name: "velocity",
      title: "As published, with a v head",
      ...joint("paper", { objective: "v" }),
    },
    { name: "visible", title: "Present visible", ...joint("visible") },
    {
      name: "frame",
      title: `Frame by frame, ${many}, w ${w}`,
      ...frame(w, frameSteps),
    },
    {
      name: "frame-plain",
      title: `Frame by frame, ${many}, no guidance`,
      ...frame(1, frameSteps),
    },
    {
      name: "frame-quick",
      title: `Frame by frame, ${few}, w ${w}`,
      ...frame(w, quickSteps),
    },
    {
      name: "frame-quick-plain",
      title: `Frame by frame, ${few}, no guidance`,
      ...frame(1, quickSteps),
    },
    {
      name: "direct",
      title: "Direct regression, all frames at once",
      model: { mode: "direct", recipe: "visible" },
      ...once,
    },
    {
      name: "frame-direct",
      title: "Direct regression, frame by frame",
      model: { mode: "direct", recipe: "frame" },
      ...once,
    },
    { name: "copy", title: "Copy of the present", ...once },
    { name: "ceiling", title: "Real latents decoded (ceiling)", ...once },
  ];
}

/**
 * Lists the parts that arms are scored on: the test windows, on which the
 * recipe was chosen, and fresh scenes, where there are any.
 *
 * @param lab parameters and dataset
 */
export function partsOf(lab: Lab): PartName[] {
  const { params, context: { flags } } = lab;
  const hasFresh = params.freshScenes > 0 && flags.data === undefined;
  return hasFresh ? ["test", "fresh"] : ["test"];
}

/** An arm on the windows of a part. */
export interface ArmCase {
  /** Which arm. */
  readonly arm: Arm;
  /** Seed of its model. */
  readonly seed: number;
  /** Which windows. */
  readonly part: PartName;
}

/**
 * Finds the futures of an arm, or predicts them.
 *
 * @param lab windows and parameters
 * @param of which
 * @param windows those of the part, or some of the training part
 * @throws {TypeError} if the arm has no model
 * @throws {Interrupted} if it was asked to stop
 */
export async function armFutures(
  lab: Lab,
  { arm: { name, model, guidance, ddimSteps }, seed, part }: ArmCase,
  windows?: readonly LabWindow[],
): Promise<Futures> {
  if (model === undefined) {
    throw new TypeError(
      `Cannot predict futures of ${name}: it has no model, needed an arm with one`,
    );
  }
  const stream = part === "train" ? "calibration sampling" : "test sampling";
  const of = windows ?? (await lab.part(part)).windows;
  return await futures(lab, {
    model: { ...model, seed },
    part,
    guidance,
    ddimSteps,
    draws: of.map((window) =>
      model.mode === "diffusion"
        ? { window, noise: windowNoise(stream, seed, window) }
        : { window }
    ),
  });
}

/** Numbers of every window that recipes are compared by. */
const METRICS = WINDOW_METRICS.filter(({ name }) =>
  ["cosSim", "ssim", "sharpness", "energy", "lowMotion"].includes(name)
);

/** Channel statistics of samples of training windows, and of what happened. */
async function calibration(
  lab: Lab,
  of: ArmCase,
): Promise<{ deployed: ChannelStatistics; target: ChannelStatistics }> {
  const { params, interrupt } = lab.context;
  const [channels, height, width] = (await lab.networks()).latentShape;
  const { latents, windows } = await lab.part("train");
  const chosen = spaced(windows, params.calibrationWindows);
  const step = params.horizon - 1;
  using made = await armFutures(lab, { ...of, part: "train" }, chosen);
  const measure = (read: (list: number[]) => Float32Array) => {
    interrupt.check();
    const batches = batchesOf(chosen.length, params.evalBatch).map(read);
    return channelStatistics(batches, channels, height * width);
  };
  return {
    deployed: measure((list) => made.at(list, step)),
    target: measure((list) =>
      takeRows(latents, list.map((i) => chosen[i]!.row + 1 + step))
    ),
  };
}

/**
 * Finds the numbers of every window of an arm at the last step, or measures
 * them: `future`, and `calibrated` on training windows where it is sampled.
 *
 * @param lab windows, networks, parameters
 * @param of which arm
 * @throws {Interrupted} if it was asked to stop
 */
export async function armColumns(lab: Lab, of: ArmCase): Promise<Columns> {
  const { arm: { name, model }, part } = of;
  const step = lab.params.horizon - 1;
  const common = { step, part, metrics: METRICS };
  if (model === undefined) {
    const { latents, windows } = await lab.part(part);
    const ahead = name === "copy" ? 0 : 1 + step;
    const rows = (list: readonly number[]) =>
      takeRows(latents, list.map((i) => windows[i]!.row + ahead));
    const points = { future: { about: name, latents: rows } };
    return await columns(lab, { ...common, points, from: [] });
  }
  using made = await armFutures(lab, of);
  const future = (list: readonly number[]) => made.at(list, step);
  const points: Record<string, Point> = { future: { latents: future } };
  if (model.mode === "diffusion") {
    const statistics = await calibration(lab, of);
    const { deployed, target } = statistics;
    const [, height, width] = (await lab.networks()).latentShape;
    points.calibrated = {
      about: digestJson(statistics, "statistics"),
      latents: (list) =>
        calibrate(future(list), deployed, target, height * width),
    };
  }
  return await columns(lab, { ...common, points, from: [made.digest] });
}

/** What an arm came to on the windows of a part. */
export interface ArmScores {
  /** Its scores. */
  readonly future: PointScores;
  /** The same, calibrated on training windows; absent where none is sampled. */
  readonly calibrated?: PointScores;
  /** Seconds that it took to predict the windows; absent without a model. */
  readonly seconds?: number;
}

/** Stages of an experiment that compares recipes. */
export const recipeStages = {
  /** Scores an arm on the windows of a part. */
  async score(lab: Lab<RecipeParams>, of: ArmCase): Promise<ArmScores> {
    const measured = await armColumns(lab, of);
    const { points } = await scoresOf(lab, measured, of.seed);
    const withIntervals = (name: string): PointScores => ({
      ...points[name]!,
      ...Object.fromEntries(
        measured.metrics.filter(({ isRelative }) => isRelative).map(
          (metric) => [
            metric.name,
            ratioInterval(measured, name, metric.name),
          ],
        ),
      ),
    });
    const future = withIntervals("future");
    if (of.arm.model === undefined) return { future };
    using made = await armFutures(lab, of);
    return {
      future,
      ...(points.calibrated ? { calibrated: withIntervals("calibrated") } : {}),
      seconds: made.seconds,
    };
  },
  /** Measures how an arm follows the steering, on test scenes. */
  async steer(
    lab: Lab<RecipeParams>,
    { arm: { model, guidance, ddimSteps }, seed }: Omit<ArmCase, "part">,
  ): Promise<SweepResponses> {
    const { params } = lab;
    return await sweepResponses(lab, {
      model: { ...model!, seed },
      weights: "average",
      guidance,
      ddimSteps: Math.min(ddimSteps, params.sweepSteps),
      values: params.values,
      scenes: params.sweeps,
    }, params.probeSteps);
  },
} as const;

/**
 * What a comparison of recipes computes, for a plan.
 *
 * @param params of the run
 * @param windows of each part
 */
export function recipeWork(
  params: RecipeParams,
  { test }: { readonly test: number },
): Work {
  const { freshScenes, calibrationWindows, sweeps, values, seeds } = params;
  const sampled = armsOf(params)
    .filter(({ model }) => model?.mode === "diffusion").length;
  return {
    trained: "published, with v, visible, frame by frame, each at equal cost",
    trainings: 6,
    sampled: sampled * (test + freshScenes + calibrationWindows) +
      sampled * Math.min(sweeps, test) * values.length,
    times: seeds.length,
  };
}
