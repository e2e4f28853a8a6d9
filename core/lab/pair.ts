/**
 * A direct model and a diffusion model that are trained alike, their baseline,
 * and the operating points that are made of them.
 *
 * @module
 */

import { takeRows } from "../data/latents.ts";
import { blend } from "../diffusion/blend.ts";
import {
  calibrate,
  type ChannelStatistics,
  channelStatistics,
} from "../diffusion/calibration.ts";
import { digestJson } from "../experiment/artifact_files.ts";
import { diversity } from "../metrics/neighbors.ts";
import { mean } from "../metrics/statistics.ts";
import { type LabWindow, spaced } from "./data.ts";
import {
  type Draw,
  type Futures,
  futures,
  type FuturesSpec,
  windowNoise,
} from "./futures.ts";
import type { Lab } from "./lab.ts";
import type { Mode, ModelSpec } from "./models.ts";
import type { LabParams } from "./params.ts";
import {
  batchesOf,
  type Columns,
  columns,
  type LatentsOf,
  type PointScores,
  scoreOf,
  scoresOf,
  type StackCheck,
  windowCosines,
} from "./scores.ts";

/** What the models of a pair have in common. */
export type PairSpec = Omit<ModelSpec, "mode" | "from">;

/** Models of a pair, those that take longest first. */
export const MODES: readonly Mode[] = ["diffusion", "direct", "mlp"];

/**
 * Names a model of a pair. The baseline has no transformer: pairs that differ
 * in its sizes alone share one.
 *
 * @param of which pair
 * @param mode which of its models
 */
export function modelOf({ changes, ...of }: PairSpec, mode: Mode): ModelSpec {
  if (changes === undefined) return { ...of, mode };
  const { dim: _, blocks: __, heads: ___, ...others } = changes;
  return { ...of, mode, changes: mode === "mlp" ? others : changes };
}

/** Kinds of futures of a pair, those that take longest first. */
export const PAIR_FUTURES = [
  "guided",
  "raw",
  "calibration",
  "moreGuided",
  "moreRaw",
  "direct",
  "mlp",
] as const;

/** A kind of futures: see {@linkcode PairFutures}. */
export type PairFuture = typeof PAIR_FUTURES[number];

/**
 * Futures of a pair. `direct`, `mlp`, `raw` and `guided` are of the test
 * windows, one each; `calibration` of some training windows; `moreRaw` and
 * `moreGuided` are further samples of some test windows: sample k, from 1, of
 * the j-th of these is future j (K - 1) + k - 1.
 */
export interface PairFutures
  extends Readonly<Record<PairFuture, Futures>>, Disposable {
  /** All test windows. */
  readonly windows: readonly LabWindow[];
  /** Training windows that calibration is measured on. */
  readonly calibrationWindows: readonly LabWindow[];
  /** Numbers of the test windows that have several samples. */
  readonly several: readonly number[];
}

/** All that is predicted of a pair. */
async function specsOf(
  lab: Lab,
  of: PairSpec,
): Promise<
  Record<PairFuture, FuturesSpec> & {
    several: number[];
    calibrationWindows: LabWindow[];
  }
> {
  const { seed } = of;
  const { params } = lab;
  const { diversitySamples, guidance } = params;
  const { windows } = await lab.part("test");
  const training = (await lab.part("train")).windows;
  const calibrationWindows = spaced(training, params.calibrationWindows);
  const several = spaced([...windows.keys()], params.diversityWindows);
  const draw = (
    stream: string,
    window: LabWindow,
    ...sample: number[]
  ): Draw => ({
    window,
    noise: windowNoise(stream, seed, window, ...sample),
  });
  const plain = windows.map((window) => ({ window }));
  const noisy = windows.map((window) => draw("test sampling", window));
  const further = several.flatMap((i) =>
    Array.from(
      { length: diversitySamples - 1 },
      (_, k) => draw("further sampling", windows[i]!, k),
    )
  );
  const calibrating = calibrationWindows
    .map((window) => draw("calibration sampling", window));
  const spec = (
    mode: Mode,
    draws: readonly Draw[],
    rest: Partial<FuturesSpec> = {},
  ): FuturesSpec => ({
    model: modelOf(of, mode),
    part: "test",
    draws,
    ...rest,
  });
  return {
    several,
    calibrationWindows,
    direct: spec("direct", plain),
    mlp: spec("mlp", plain),
    raw: spec("diffusion", noisy),
    guided: spec("diffusion", noisy, { guidance }),
    calibration: spec("diffusion", calibrating, { part: "train" }),
    moreRaw: spec("diffusion", further),
    moreGuided: spec("diffusion", further, { guidance }),
  };
}

/**
 * Finds or predicts futures of one kind.
 *
 * @param lab windows and parameters
 * @param of which pair
 * @param kind of the futures
 */
export async function pairFuture(
  lab: Lab,
  of: PairSpec,
  kind: PairFuture,
): Promise<Futures> {
  return await futures(lab, (await specsOf(lab, of))[kind]);
}

/**
 * Finds or predicts all futures of a pair.
 *
 * @param lab windows and parameters
 * @param of which pair
 */
export async function pairFutures(
  lab: Lab,
  of: PairSpec,
): Promise<PairFutures> {
  const { several, calibrationWindows, ...specs } = await specsOf(lab, of);
  const opened: Partial<Record<PairFuture, Futures>> = {};
  for (const kind of PAIR_FUTURES) {
    opened[kind] = await futures(lab, specs[kind]);
  }
  return {
    ...opened as Record<PairFuture, Futures>,
    windows: (await lab.part("test")).windows,
    calibrationWindows,
    several,
    [Symbol.dispose]() {
      for (const one of Object.values(opened)) one[Symbol.dispose]();
    },
  };
}

/** Channel statistics of samples and of real latents at one step. */
export interface StepStatistics {
  /** Real latents of training windows. */
  readonly target: ChannelStatistics;
  /** Samples of training windows. */
  readonly deployed: ChannelStatistics;
  /** Samples of the test windows. */
  readonly raw: ChannelStatistics;
  /** Real latents of the test windows. */
  readonly real: ChannelStatistics;
}

/** What the futures of a pair came to at one step. */
export interface StepScores {
  /** Scores by operating point. */
  readonly points: Readonly<Record<string, PointScores>>;
  /** Channel statistics. */
  readonly statistics: StepStatistics;
  /** What the metrics say of real frames; absent if these are fewer than 4. */
  readonly check?: StackCheck;
}

/** Latents of an operating point from a direct prediction and a raw sample. */
type DerivedPoint = (direct: Float32Array, raw: Float32Array) => Float32Array;

function derivedPoints(
  { target, deployed, raw: own, real }: StepStatistics,
  positions: number,
): Record<string, DerivedPoint> {
  return {
    raw: (_, raw) => raw,
    interpolated: (direct, raw) => blend(direct, raw),
    calibrated: (_, raw) => calibrate(raw, deployed, target, positions),
    oracle: (_, raw) => calibrate(raw, own, real, positions),
  };
}

/** Latents of the test windows at one step, read when asked for. */
type StepLatents = Record<
  "direct" | "mlp" | "raw" | "guided" | "real" | "present",
  LatentsOf
>;

async function latentsAt(
  lab: Lab,
  pair: PairFutures,
  step: number,
): Promise<StepLatents> {
  const { windows, latents } = await lab.part("test");
  const predicted = (of: Futures): LatentsOf => (list) => of.at(list, step);
  const recorded = (ahead: number): LatentsOf => (list) =>
    takeRows(latents, list.map((i) => windows[i]!.row + ahead));
  return {
    direct: predicted(pair.direct),
    mlp: predicted(pair.mlp),
    raw: predicted(pair.raw),
    guided: predicted(pair.guided),
    real: recorded(1 + step),
    present: recorded(0),
  };
}

/** Batches of latents, read each time they are walked through. */
function streamed(
  latents: LatentsOf,
  count: number,
  batch: number,
): Iterable<Float32Array> {
  return {
    *[Symbol.iterator]() {
      for (const windows of batchesOf(count, batch)) yield latents(windows);
    },
  };
}

/**
 * Steps of the horizon that are scored, from 0: the middle and the last one.
 *
 * @param horizon H
 */
export function scoredSteps(horizon: number): readonly [number, number] {
  return [Math.floor(horizon / 2) - 1, horizon - 1];
}

async function statisticsAt(
  lab: Lab,
  pair: PairFutures,
  at: StepLatents,
  step: number,
): Promise<StepStatistics> {
  const { evalBatch: batch } = lab.params;
  const [channels, height, width] = (await lab.networks()).latentShape;
  const { latents } = await lab.part("train");
  const { calibrationWindows, windows } = pair;
  const measure = (latents: LatentsOf, count: number) => {
    lab.context.interrupt.check();
    const batches = streamed(latents, count, batch);
    return channelStatistics(batches, channels, height * width);
  };
  const chosen = calibrationWindows.length;
  return {
    target: measure(
      (list) =>
        takeRows(
          latents,
          list.map((i) => calibrationWindows[i]!.row + 1 + step),
        ),
      chosen,
    ),
    deployed: measure((list) => pair.calibration.at(list, step), chosen),
    raw: measure(at.raw, windows.length),
    real: measure(at.real, windows.length),
  };
}

/** What is known of the operating points of a pair at one step. */
interface PairStep {
  readonly at: StepLatents;
  readonly statistics: StepStatistics;
  readonly derived: Record<string, DerivedPoint>;
  readonly columns: Columns;
}

async function measurePair(
  lab: Lab,
  pair: PairFutures,
  step: number,
): Promise<PairStep> {
  const at = await latentsAt(lab, pair, step);
  const statistics = await statisticsAt(lab, pair, at, step);
  const [, height, width] = (await lab.networks()).latentShape;
  const derived = derivedPoints(statistics, height * width);
  const about = digestJson(statistics, "statistics");
  const measured = await columns(lab, {
    step,
    points: {
      direct: { latents: at.direct },
      guided: { latents: at.guided },
      copy: { latents: at.present },
      mlp: { latents: at.mlp },
      ceiling: { latents: at.real },
      ...Object.fromEntries(
        Object.entries(derived).map(([name, point]) => [name, {
          about,
          latents: (list: readonly number[]) =>
            point(at.direct(list), at.raw(list)),
        }]),
      ),
    },
    from: [pair.direct, pair.mlp, pair.raw, pair.guided, pair.calibration]
      .map(({ digest }) => digest),
  });
  return { at, statistics, derived, columns: measured };
}

/** Diversity of the points that draw samples, one window in memory at a time. */
function diversities(
  lab: Lab,
  { several, moreRaw, moreGuided, windows }: PairFutures,
  { at, derived }: PairStep,
  step: number,
  seed: number,
) {
  const samples = lab.params.diversitySamples;
  const values: Record<string, number[]> = {};
  const add = (name: string, of: readonly Float32Array[]) =>
    (values[name] ??= []).push(diversity([of]));
  for (const [j, window] of several.entries()) {
    const all = (first: LatentsOf, more: Futures) => [
      first([window]),
      ...Array.from(
        { length: samples - 1 },
        (_, k) => more.at([j * (samples - 1) + k], step),
      ),
    ];
    const direct = at.direct([window]);
    const raw = all(at.raw, moreRaw);
    for (const [name, point] of Object.entries(derived)) {
      add(name, raw.map((sample) => point(direct, sample)));
    }
    add("guided", all(at.guided, moreGuided));
  }
  const scenes = several.map((window) => windows[window]!.scene);
  return Object.fromEntries(
    Object.entries(values)
      .map(([name, list]) => [name, scoreOf(list, scenes, seed)]),
  );
}

/**
 * Scores the operating points of a pair at one step.
 *
 * @param lab windows, networks, parameters
 * @param of which pair
 * @param step of the horizon, from 0
 * @throws {Interrupted} if it was asked to stop
 */
export async function scorePair(
  lab: Lab,
  of: PairSpec,
  step: number,
): Promise<StepScores> {
  using pair = await pairFutures(lab, of);
  const measured = await measurePair(lab, pair, step);
  const { points, check } = await scoresOf(lab, measured.columns, of.seed);
  lab.context.interrupt.check();
  const spread = diversities(lab, pair, measured, step, of.seed);
  return {
    points: Object.fromEntries(
      Object.entries(points).map(([name, scores]) => {
        const own = spread[name];
        return [name, own ? { ...scores, diversity: own } : scores];
      }),
    ),
    statistics: measured.statistics,
    ...(check ? { check } : {}),
  };
}

/**
 * Finds the numbers of every window of a pair at one step.
 *
 * @param lab windows, networks, parameters
 * @param pair its futures
 * @param step of the horizon, from 0
 */
export async function pairColumns(
  lab: Lab,
  pair: PairFutures,
  step: number,
): Promise<Columns> {
  return (await measurePair(lab, pair, step)).columns;
}

/**
 * Mean CosSim of the models, and of a copy, at every step.
 *
 * @param lab windows and parameters
 * @param pair its futures
 * @returns (H) by model
 */
export async function cosinesOverTime(
  lab: Lab,
  pair: PairFutures,
): Promise<Record<string, number[]>> {
  const { horizon, patch, evalBatch } = lab.params;
  const { latentShape } = await lab.networks();
  const names = ["direct", "mlp", "raw", "copy"] as const;
  const cosines: Record<string, number[]> = {};
  for (const name of names) {
    cosines[name] = [];
    for (let step = 0; step < horizon; step++) {
      lab.context.interrupt.check();
      const at = await latentsAt(lab, pair, step);
      const latents = name === "copy" ? at.present : at[name];
      const values = batchesOf(pair.windows.length, evalBatch)
        .flatMap((list) =>
          windowCosines(latents(list), at.real(list), latentShape, patch)
        );
      cosines[name].push(mean(values));
    }
  }
  return cosines;
}

/** Titles of the operating points of a pair, in the order of tables. */
export const PAIR_POINTS = {
  direct: "Direct regression",
  interpolated: "Interpolation, half direct and half raw",
  raw: "Diffusion, raw",
  guided: "Diffusion, guided",
  calibrated: "Diffusion, calibrated on training windows",
  oracle: "Diffusion, calibrated on the test windows (oracle)",
  mlp: "MLP baseline",
  copy: "Copy of the present",
  ceiling: "Real latents decoded (ceiling)",
} as const;

/** What the recipes are called in a sentence. */
export const RECIPE_TITLES = {
  visible: "present visible to the network (our addition)",
  paper: "as published",
} as const;

/**
 * Says what the metrics say of camera frames against camera frames.
 *
 * @param check as measured
 * @param step of the horizon, from 0
 */
export function checkNote(
  { n, kid, fid, sameFid }: StackCheck,
  step: number,
): string {
  return `Metric check at t+${
    step + 1
  }: camera frames of half of the test scenes against those of the others (${
    n.join(" and ")
  }) have KID ${kid.toFixed(3)} and FID ${
    fid.toFixed(1)
  }; all against themselves, FID ${sameFid.toExponential(0)}.`;
}

/**
 * Says what diversity is of.
 *
 * @param params of the run
 * @param published distance of real futures that the paper has
 */
export function diversityNote(
  { diversitySamples, diversityWindows }: LabParams,
  published: number,
): string {
  return `Diversity is the distance of the latents of two samples of a window, averaged over ${diversitySamples} samples of each of at most ${diversityWindows} windows; direct regression and the baselines have one future. The paper's is of latents of 4,096 values, where real futures of windows that look alike are ${
    published.toFixed(1)
  } apart.`;
}

/**
 * Lists the pairs that parameters ask for: one for each recipe and seed.
 *
 * @param params of the run
 */
export function pairsOf(
  { recipe, seeds }: Pick<LabParams, "recipe" | "seeds">,
): PairSpec[] {
  const recipes = recipe === "both"
    ? (["visible", "paper"] as const)
    : [recipe];
  return recipes.flatMap((recipe) => seeds.map((seed) => ({ recipe, seed })));
}
