import { join } from "@std/path";
import { FrameLoader } from "../../core/data/frames.ts";
import { takeRows } from "../../core/data/latents.ts";
import { blend } from "../../core/diffusion/blend.ts";
import {
  calibrate,
  type ChannelStatistics,
  channelStatistics,
} from "../../core/diffusion/calibration.ts";
import { diversity } from "../../core/metrics/neighbors.ts";
import { mean } from "../../core/metrics/statistics.ts";
import { type PreparedData, readFrames, spaced } from "./data.ts";
import type { Context, FrontierParams } from "./params.ts";
import { type Futures, openFutures } from "./sample.ts";
import { type RecipeSeed, stageName } from "./train.ts";
import {
  batchesOf,
  type Diversity,
  type LatentsOf,
  type PointScores,
  scoreOf,
  scoreStep,
  type StackCheck,
  TRAINED_FRAMES,
  windowCosines,
} from "./scores.ts";

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

/** What the futures of one recipe and seed came to at one step. */
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
export type StepLatents = Record<
  "direct" | "mlp" | "raw" | "guided" | "real" | "present",
  LatentsOf
>;

/** Diversity of the points that draw samples, one window in memory at a time. */
function diversities(
  futures: Futures,
  at: StepLatents,
  derived: Readonly<Record<string, DerivedPoint>>,
  step: number,
  { horizon, diversitySamples: samples }: FrontierParams,
  { scenes, seed }: { readonly scenes: readonly string[]; seed: number },
): Record<string, Diversity> {
  const { several, moreRaw, moreGuided } = futures;
  const values: Record<string, number[]> = {};
  const add = (name: string, of: readonly Float32Array[]) =>
    (values[name] ??= []).push(diversity([of]));
  for (const [j, window] of several.entries()) {
    const all = (first: LatentsOf, more: Futures["raw"]) => [
      first([window]),
      ...Array.from({ length: samples - 1 }, (_, k) => {
        const row = (j * (samples - 1) + k) * horizon + step;
        return more.read(row, row + 1);
      }),
    ];
    const direct = at.direct([window]);
    const raw = all(at.raw, moreRaw);
    for (const [name, point] of Object.entries(derived)) {
      add(name, raw.map((sample) => point(direct, sample)));
    }
    add("guided", all(at.guided, moreGuided));
  }
  const groups = several.map((window) => scenes[window]!);
  return Object.fromEntries(
    Object.entries(values).map(([name, list]) => [
      name,
      { ...scoreOf(list, groups, seed), n: several.length, samples },
    ]),
  );
}

/**
 * Where the latents of the test windows are, at one step.
 *
 * @param prepared real latents
 * @param futures predicted ones
 * @param step of the horizon, from 0
 * @param horizon H
 */
export function latentsAt(
  { data, test }: PreparedData,
  futures: Futures,
  step: number,
  horizon: number,
): StepLatents {
  const { rows } = data.test;
  const { latents } = test.frames;
  const predicted = (store: Futures["raw"]): LatentsOf => (windows) =>
    takeRows(store, windows.map((i) => i * horizon + step));
  return {
    direct: predicted(futures.direct),
    mlp: predicted(futures.mlp),
    raw: predicted(futures.raw),
    guided: predicted(futures.guided),
    real: (windows) =>
      takeRows(latents, windows.map((i) => rows[i]! + 1 + step)),
    present: (windows) => takeRows(latents, windows.map((i) => rows[i]!)),
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

/**
 * Scores the operating points of one recipe and seed at one step.
 *
 * @param context of the experiment
 * @param prepared real latents
 * @param of which recipe and seed; its futures are predicted
 * @param step of the horizon, from 0
 * @throws {Interrupted} if it was asked to stop
 */
export async function scoreFutures(
  context: Context,
  prepared: PreparedData,
  of: RecipeSeed,
  step: number,
): Promise<StepScores> {
  const { params, interrupt, run } = context;
  const { seed } = of;
  const { data, networks, train } = prepared;
  const { horizon, patch, size, evalBatch: batch } = params;
  const { scenes, rows, paths } = data.test;
  const { latentShape: shape } = networks;
  const positions = shape[1] * shape[2];
  return await run.stage(stageName(of, `score-${step + 1}`), async (folder) => {
    using futures = await openFutures(context, prepared, of);
    const trainLatents = train.frames.latents;
    const allRows = Array.from({ length: trainLatents.frames }, (_, i) => i);
    const trained = takeRows(trainLatents, spaced(allRows, TRAINED_FRAMES));
    const line = context.progress("decode and score");
    using loader = new FrameLoader();
    const at = latentsAt(prepared, futures, step, horizon);
    const calibrationRows = futures.calibrationRows;
    const measure = (latents: LatentsOf, count = rows.length) => {
      interrupt.check();
      return channelStatistics(
        streamed(latents, count, batch),
        shape[0],
        positions,
      );
    };
    const statistics: StepStatistics = {
      target: measure(
        (windows) =>
          takeRows(
            trainLatents,
            windows.map((i) => calibrationRows[i]! + 1 + step),
          ),
        calibrationRows.length,
      ),
      deployed: measure(
        (windows) =>
          takeRows(
            futures.calibration,
            windows.map((i) => i * horizon + step),
          ),
        calibrationRows.length,
      ),
      raw: measure(at.raw),
      real: measure(at.real),
    };
    const derived = derivedPoints(statistics, positions);
    const scored = await scoreStep(networks, {
      size,
      scenes,
      batch,
      patch,
      seed,
      trained,
      real: at.real,
      present: at.present,
      camera: async (windows) =>
        await readFrames(
          loader,
          data.root,
          windows.map((i) => paths[rows[i]! + 1 + step]!),
          size,
          "bicubic",
        ),
      points: {
        direct: at.direct,
        guided: at.guided,
        copy: at.present,
        mlp: at.mlp,
        ceiling: at.real,
        ...Object.fromEntries(
          Object.entries(derived).map(([name, point]) => [
            name,
            (windows: readonly number[]) =>
              point(at.direct(windows), at.raw(windows)),
          ]),
        ),
      },
      subsets: [params.kidSubsets, Math.min(params.kidSubsetSize, rows.length)],
      directory: join(folder, "rows"),
      progress: (done, total) => line.update({ done, total }),
      check: () => interrupt.check(),
    });
    interrupt.check();
    const spread = diversities(futures, at, derived, step, params, {
      scenes,
      seed,
    });
    line.end();
    const points = Object.fromEntries(
      Object.entries(scored.points).map(([name, scores]) => {
        const own = spread[name];
        return [name, own ? { ...scores, diversity: own } : scores];
      }),
    );
    const { check } = scored;
    return { points, statistics, ...(check ? { check } : {}) };
  });
}

/**
 * Mean CosSim of the models, and of a copy, at every step.
 *
 * @param context of the experiment
 * @param prepared real latents
 * @param futures predicted ones
 * @returns (H) by model
 */
export function cosinesOverTime(
  { params, interrupt }: Context,
  prepared: PreparedData,
  futures: Futures,
): Record<string, number[]> {
  const { horizon, patch, evalBatch } = params;
  const count = prepared.data.test.rows.length;
  const { latentShape: shape } = prepared.networks;
  const names = ["direct", "mlp", "raw", "copy"] as const;
  return Object.fromEntries(names.map((name) => [
    name,
    Array.from({ length: horizon }, (_, step) => {
      interrupt.check();
      const at = latentsAt(prepared, futures, step, horizon);
      const latents = name === "copy" ? at.present : at[name];
      return mean(
        batchesOf(count, evalBatch).flatMap((windows) =>
          windowCosines(latents(windows), at.real(windows), shape, patch)
        ),
      );
    }),
  ]));
}

/** Test windows whose futures are in the pictures. */
const PICTURED = 4;

/** The futures of a test window, for the pictures. */
export interface PicturedFutures {
  /** Which test window. */
  readonly window: number;
  /** (H, channels, height, width) */
  readonly direct: Float32Array;
  /** As `direct`. */
  readonly raw: Float32Array;
  /** As `direct`. */
  readonly real: Float32Array;
}

/**
 * Reads the futures that are shown, of a few windows.
 *
 * @param prepared real latents
 * @param futures predicted ones
 * @param horizon H
 */
export function picturedFutures(
  { data, test }: PreparedData,
  futures: Futures,
  horizon: number,
): PicturedFutures[] {
  const { rows } = data.test;
  return spaced([...rows.keys()], PICTURED).map((window) => {
    const [start, end] = [window * horizon, (window + 1) * horizon];
    const future = rows[window]! + 1;
    return {
      window,
      direct: futures.direct.read(start, end),
      raw: futures.raw.read(start, end),
      real: test.frames.latents.read(future, future + horizon),
    };
  });
}
