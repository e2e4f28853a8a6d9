/**
 * The operating points that are made of a pair of models, and their scores.
 *
 * @module
 */

import { takeRows } from "../data/latents.ts";
import { blend } from "../diffusion/blend.ts";
import { calibrate, type ChannelStatistics } from "../diffusion/calibration.ts";
import { digestJson } from "../experiment/artifact_files.ts";
import { diversity } from "../metrics/neighbors.ts";
import { mean } from "../metrics/statistics.ts";
import { batchesOf } from "./batches.ts";
import {
  calibrationAt,
  type ChannelCalibration,
  channelsOf,
} from "./channel_calibration.ts";
import { type Columns, columns, type Point, scoresOf } from "./columns.ts";
import type { Futures } from "./futures.ts";
import type { Lab } from "./lab.ts";
import { type PointScores, windowCosines } from "./metrics.ts";
import { type PairFutures, pairFutures, type PairSpec } from "./pair.ts";
import { type LatentsOf, scoreOf, type StackCheck } from "./scores.ts";

/** Channel statistics of samples and of real latents at one step. */
export interface StepStatistics extends ChannelCalibration {
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
export type DerivedPoint = (
  direct: Float32Array,
  raw: Float32Array,
) => Float32Array;

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
export type StepLatents = Record<
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

async function statisticsAt(
  lab: Lab,
  { calibration, calibrationWindows, windows }: PairFutures,
  at: StepLatents,
  step: number,
): Promise<StepStatistics> {
  return {
    ...await calibrationAt(lab, calibration, calibrationWindows, step),
    raw: await channelsOf(lab, at.raw, windows.length),
    real: await channelsOf(lab, at.real, windows.length),
  };
}

/** What is known of the operating points of a pair at one step. */
export interface PairPlaces {
  /** What was predicted, and what happened. */
  readonly at: StepLatents;
  /** Channel statistics. */
  readonly statistics: StepStatistics;
  /** Points that are made of a direct prediction and a raw sample. */
  readonly derived: Readonly<Record<string, DerivedPoint>>;
  /** Where each operating point has its latents. */
  readonly points: Readonly<Record<string, Point>>;
  /** Digests of the futures that these are made from. */
  readonly from: readonly string[];
}

interface PairStep extends PairPlaces {
  readonly columns: Columns;
}

/**
 * Finds the latents of all operating points of a pair at one step.
 *
 * @param lab windows, networks, parameters
 * @param pair its futures
 * @param step of the horizon, from 0
 */
export async function pairPlaces(
  lab: Lab,
  pair: PairFutures,
  step: number,
): Promise<PairPlaces> {
  const at = await latentsAt(lab, pair, step);
  const statistics = await statisticsAt(lab, pair, at, step);
  const [, height, width] = (await lab.networks()).latentShape;
  const derived = derivedPoints(statistics, height * width);
  const about = digestJson(statistics, "statistics");
  return {
    at,
    statistics,
    derived,
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
  };
}

async function measurePair(
  lab: Lab,
  pair: PairFutures,
  step: number,
): Promise<PairStep> {
  const places = await pairPlaces(lab, pair, step);
  const { points, from } = places;
  return { ...places, columns: await columns(lab, { step, points, from }) };
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
