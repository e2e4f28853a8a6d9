/**
 * A direct model and a diffusion model that are trained alike, their baseline,
 * and what they predict.
 *
 * @module
 */

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

/**
 * Draws one future of each window; a sampled one from noise of its own.
 *
 * @param windows of a part
 * @param model that predicts them
 */
export function windowDraws(
  windows: readonly LabWindow[],
  { mode, seed }: Pick<ModelSpec, "mode" | "seed">,
): Draw[] {
  return windows.map((window) =>
    mode === "diffusion"
      ? { window, noise: windowNoise("test sampling", seed, window) }
      : { window }
  );
}

/**
 * Says which samples of training windows the calibration of a model is measured
 * on.
 *
 * @param lab windows and parameters
 * @param model of diffusion
 */
export async function calibrationSpec(
  lab: Lab,
  model: ModelSpec,
): Promise<FuturesSpec> {
  const { windows } = await lab.part("train");
  const draws = spaced(windows, lab.params.calibrationWindows)
    .map((window): Draw => ({
      window,
      noise: windowNoise("calibration sampling", model.seed, window),
    }));
  return { model, part: "train", draws };
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
  const calibration = await calibrationSpec(lab, modelOf(of, "diffusion"));
  const several = spaced([...windows.keys()], params.diversityWindows);
  const plain = windowDraws(windows, modelOf(of, "direct"));
  const noisy = windowDraws(windows, modelOf(of, "diffusion"));
  const further = several.flatMap((i) =>
    Array.from({ length: diversitySamples - 1 }, (_, k): Draw => {
      const window = windows[i]!;
      const noise = windowNoise("further sampling", seed, window, k);
      return { window, noise };
    })
  );
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
    calibrationWindows: calibration.draws.map(({ window }) => window),
    direct: spec("direct", plain),
    mlp: spec("mlp", plain),
    raw: spec("diffusion", noisy),
    guided: spec("diffusion", noisy, { guidance }),
    calibration,
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

/**
 * Steps of the horizon that are scored, from 0: the middle and the last one.
 *
 * @param horizon H
 */
export function scoredSteps(horizon: number): readonly [number, number] {
  return [Math.floor(horizon / 2) - 1, horizon - 1];
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
  frame: "frame by frame (our addition)",
} as const;

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
