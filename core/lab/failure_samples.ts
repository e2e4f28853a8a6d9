/**
 * Several samples of a window: how much they differ, against what happened in
 * windows that look alike, and how close the best of them comes.
 *
 * @module
 */

import { calibrate } from "../diffusion/calibration.ts";
import { diversity } from "../metrics/neighbors.ts";
import { mean } from "../metrics/statistics.ts";
import { toTokens } from "../training/window_tokens.ts";
import { spaced } from "./data.ts";
import type { PointNumbers } from "./failure_modes.ts";
import { type Draw, futures, windowNoise } from "./futures.ts";
import type { Lab } from "./lab.ts";
import { windowCosines } from "./metrics.ts";
import { modelOf, pairFutures, type PairSpec } from "./pair.ts";
import { pairPlaces } from "./pair_scores.ts";

/** Windows whose futures make the band of a window, as published. */
const NEIGHBOURS = 8;

/** Euclidean distance. */
function distance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += (a[k]! - b[k]!) ** 2;
  return Math.sqrt(sum);
}

/**
 * Finds the windows whose presents look most alike: by the cosine of their
 * tokens, averaged over the frame.
 *
 * @param pooled (P) of each window
 * @param groups scene of each window; neighbours are of other scenes
 * @param count neighbours of each, or all there are
 * @returns numbers of the neighbours of each, nearest first
 */
export function neighbourWindows(
  pooled: readonly Float32Array[],
  groups: readonly string[],
  count: number,
): number[][] {
  const unit = pooled.map((values) => {
    const norm = Math.hypot(...values);
    return values.map((value) => value / norm);
  });
  return unit.map((own, i) => {
    const others = [...unit.keys()].filter((j) => groups[j] !== groups[i]);
    const cosine = new Map(others.map((j) => [
      j,
      unit[j]!.reduce((sum, value, k) => sum + value * own[k]!, 0),
    ]));
    return others.toSorted((a, b) => cosine.get(b)! - cosine.get(a)!)
      .slice(0, count);
  });
}

/** Which samples: how many, of how many test windows. */
export interface SamplesSpec {
  /** Which pair of models. */
  readonly of: PairSpec;
  /** Step of the horizon, from 0. */
  readonly step: number;
  /** Samples of a window, K. */
  readonly samples: number;
  /** Test windows, evenly spaced. */
  readonly windows: number;
}

/**
 * Measures K samples of some test windows, raw and calibrated, beside the one
 * future of direct regression and what happened.
 *
 * Of each window: `diversity`, the mean distance of two samples, of what happened
 * that of the window's future to those of its neighbours; `cosSim` and `distance`
 * of each sample, averaged over the K; those of the `best` one of K; and those of
 * the samples' `average`.
 *
 * Source: published code, `gen_eval` and its real-future band.
 * Differs: neighbours are of other scenes.
 *
 * @param lab windows, networks, parameters
 * @param spec which samples; they are drawn if need be
 * @throws {Interrupted} if it was asked to stop
 */
export async function failureSamples(
  lab: Lab,
  { of, step, samples, windows: most }: SamplesSpec,
): Promise<Record<string, PointNumbers>> {
  const { patch } = lab.params;
  const { windows, latents, shape } = await lab.part("test");
  const { statistics: { mean: centre, std } } = await lab.tokens("test");
  using pair = await pairFutures(lab, of);
  const { at, statistics: { deployed, target } } = await pairPlaces(
    lab,
    pair,
    step,
  );
  const some = spaced([...windows.keys()], most);
  const draws = some.flatMap((i) =>
    Array.from({ length: samples }, (_, k): Draw => ({
      window: windows[i]!,
      noise: windowNoise("several samples", of.seed, windows[i]!, k),
    }))
  );
  const model = modelOf(of, "diffusion");
  using drawn = await futures(lab, { model, part: "test", draws });
  const pooled = windows.map(({ row }) => {
    const tokens = toTokens(latents.read(row, row + 1), shape, patch);
    const width = centre.length;
    const sums = new Float32Array(width);
    tokens.forEach((value, k) => {
      sums[k % width]! += (value - centre[k % width]!) / std[k % width]!;
    });
    return sums;
  });
  const scenes = windows.map(({ scene }) => scene);
  const neighbours = neighbourWindows(pooled, scenes, NEIGHBOURS);
  const points: Record<string, Record<string, number[]>> = {};
  const add = (point: string, numbers: Record<string, number>) => {
    const own = points[point] ??= {};
    for (const [name, value] of Object.entries(numbers)) {
      (own[name] ??= []).push(value);
    }
  };
  for (const [j, i] of some.entries()) {
    lab.context.interrupt.check();
    const real = at.real([i]);
    const cosSim = (of: Float32Array) =>
      windowCosines(of, real, shape, patch)[0]!;
    const raw = Array.from(
      { length: samples },
      (_, k) => drawn.at([j * samples + k], step),
    );
    const positions = shape[1] * shape[2];
    const calibrated = raw
      .map((sample) => calibrate(sample, deployed, target, positions));
    for (const [name, list] of Object.entries({ raw, calibrated })) {
      const cosines = list.map(cosSim);
      const distances = list.map((sample) => distance(sample, real));
      const average = real
        .map((_, k) => mean(list.map((sample) => sample[k]!)));
      add(name, {
        diversity: diversity([list]),
        cosSim: mean(cosines),
        bestCosSim: Math.max(...cosines),
        averageCosSim: cosSim(average),
        distance: mean(distances),
        bestDistance: Math.min(...distances),
        averageDistance: distance(average, real),
      });
    }
    const direct = at.direct([i]);
    add("direct", {
      cosSim: cosSim(direct),
      distance: distance(direct, real),
    });
    add("real", {
      diversity: mean(
        neighbours[i]!.map((other) => distance(at.real([other]), real)),
      ),
    });
  }
  return Object.fromEntries(
    Object.entries(points).map(([name, numbers]) => [
      name,
      { scenes: some.map((i) => scenes[i]!), numbers },
    ]),
  );
}
