/**
 * Roll-outs: futures of windows chunk after chunk, each from the last frame of
 * the one before.
 *
 * @module
 */

import { calibrate } from "../diffusion/calibration.ts";
import { digestJson } from "../experiment/artifact_files.ts";
import { key } from "../tensor/philox.ts";
import { toTokens } from "../training/window_tokens.ts";
import type { LabWindow } from "./data.ts";
import { type Draw, type Futures, futures, windowNoise } from "./futures.ts";
import type { Lab } from "./lab.ts";
import type { Part } from "./latents.ts";
import { type ModelSpec, modelTokens } from "./models.ts";
import { levelsOf } from "./pictures.ts";
import { batchesOf } from "./batches.ts";
import {
  calibrations,
  type ChannelCalibration,
} from "./channel_calibration.ts";
import { calibrationSpec } from "./pair.ts";
import { firstWindows, recordedActions } from "./sweep.ts";

/** Which roll-outs. */
export interface RolloutSpec {
  /** By which model. */
  readonly model: ModelSpec;
  /** Sampling steps of diffusion. */
  readonly ddimSteps: number;
  /**
   * Whether frames get the channel statistics of training windows at their step,
   * before they are shown and fed back.
   */
  readonly isCalibrated: boolean;
  /** Whether a frame is decoded and encoded again before it is fed back. */
  readonly isReprojected: boolean;
  /** Deviation of noise on the first present, in units of normalized tokens. */
  readonly perturbation: number;
  /** Chunks of H steps, as far as scenes reach. */
  readonly chunks: number;
  /** Windows at most, the first of the first test scenes. */
  readonly scenes: number;
}

/** Roll-outs of some windows, on disk. */
export interface Rollout extends Disposable {
  /** The windows, of part "whole". */
  readonly windows: readonly LabWindow[];
  /** Numbers of the windows that reach a step, counted from 0. */
  readonly reach: (step: number) => readonly number[];
  /**
   * Gives (n, channels, height, width) latents of windows, by their numbers, at
   * a step of the roll-out, counted from 0.
   */
  readonly at: (windows: readonly number[], step: number) => Float32Array;
  /** Digests of what it was made from. */
  readonly digests: readonly string[];
  /** What decides its latents beside these. */
  readonly about: string;
}

/**
 * Counts the frames after each window's present in its scene.
 *
 * @param part of the windows
 */
export function framesAfter(
  { frameScenes, windows }: Pick<Part, "frameScenes" | "windows">,
): number[] {
  const last = new Map<number, number>();
  frameScenes.forEach((scene, row) => last.set(scene, row));
  return windows.map(({ row }) => last.get(frameScenes[row]!)! - row);
}

/**
 * Lists the windows that are rolled out: those of the first scenes that reach a
 * whole chunk. A window is rolled out by whole chunks, as far as its scene has
 * frames and actions.
 *
 * @param part of the windows
 * @param horizon H
 * @param most how many at most
 * @returns windows with the chunks they reach
 */
export function rolloutWindows(
  part: Pick<Part, "frameScenes" | "windows">,
  horizon: number,
  most: number,
): { window: LabWindow; chunks: number }[] {
  const windows = firstWindows(part.windows, part.windows.length);
  const after = framesAfter({ ...part, windows });
  return windows
    .map((window, i) => ({
      window,
      chunks: Math.floor(after[i]! / horizon),
    }))
    .filter(({ chunks }) => chunks > 0)
    .slice(0, most);
}

/** Statistics of each step of a chunk: samples of training windows, and truth. */
async function stepStatistics(
  lab: Lab,
  { model, ddimSteps }: RolloutSpec,
): Promise<ChannelCalibration[]> {
  const spec = await calibrationSpec(lab, model);
  const windows = spec.draws.map(({ window }) => window);
  using made = await futures(lab, { ...spec, ddimSteps });
  return await calibrations(lab, made, windows);
}

/**
 * The present of a window with noise on its tokens.
 *
 * @param lab latents
 * @param model whose normalization scales the noise
 * @param window of part "whole"
 * @param deviation in units of normalized tokens
 * @returns (channels, height, width)
 */
export async function perturbedPresent(
  lab: Lab,
  model: ModelSpec,
  { row, scene, start }: LabWindow,
  deviation: number,
): Promise<Float32Array<ArrayBuffer>> {
  const { latents, shape } = await lab.part("whole");
  const { statistics: { std } } = await modelTokens(lab, model, "train");
  const present = latents.read(row, row + 1);
  const numbers = Float32Array.from(present, (_, k) => k);
  const stream = key("perturbed present", model.seed, scene, start);
  const result = Float32Array.from(present);
  toTokens(numbers, shape, lab.params.patch).forEach((place, k) => {
    result[place]! += deviation * std[k % std.length]! * stream.normal(k);
  });
  return result;
}

/** Decodes latents and encodes the images again, which are levels between. */
async function reproject(
  lab: Lab,
  latents: readonly Float32Array<ArrayBuffer>[],
): Promise<Float32Array<ArrayBuffer>[]> {
  const { encode, decode } = await lab.networks();
  const result: Float32Array<ArrayBuffer>[] = [];
  for (const batch of batchesOf(latents.length, lab.params.evalBatch)) {
    lab.context.interrupt.check();
    const size = latents[0]!.length;
    const some = new Float32Array(batch.length * size);
    batch.forEach((i, k) => some.set(latents[i]!, k * size));
    const again = await encode(levelsOf(await decode(some)));
    batch.forEach((_, k) => result.push(again.slice(k * size, (k + 1) * size)));
  }
  return result;
}

/**
 * Finds roll-outs, or predicts them. Each chunk is an artifact of its own, so
 * that an interrupted roll-out goes on after the last whole batch, and a longer
 * one begins with what a shorter one left.
 *
 * Source: published code, `rollout_eval`: two chunks, with the recorded actions,
 * plain or `vae_reproject`.
 * Differs: any number of chunks, each with noise of its own; calibrated frames.
 *
 * @param lab windows, networks, parameters
 * @param spec which roll-outs
 * @throws {RangeError} if no scene reaches a whole chunk
 * @throws {Interrupted} if it was asked to stop
 */
export async function rollout(lab: Lab, spec: RolloutSpec): Promise<Rollout> {
  const { model, ddimSteps } = spec;
  const { horizon } = lab.params;
  const part = await lab.part("whole");
  const all = rolloutWindows(part, horizon, spec.scenes);
  if (all.length === 0) {
    throw new RangeError(
      `Cannot roll out: no test scene has the ${horizon} frames of --horizon after its first`,
    );
  }
  const positions = part.shape[1] * part.shape[2];
  const statistics = spec.isCalibrated
    ? await stepStatistics(lab, spec)
    : undefined;
  const chunks: { made: Futures; index: Map<number, number> }[] = [];
  /** Latents of windows at a step of a chunk, as they are shown. */
  const shown = (
    { made, index }: typeof chunks[number],
    windows: readonly number[],
    step: number,
  ) => {
    const values = made.at(windows.map((i) => index.get(i)!), step);
    if (statistics === undefined) return values;
    const { deployed, target } = statistics[step]!;
    return calibrate(values, deployed, target, positions);
  };
  let presents = new Map<number, Float32Array<ArrayBuffer>>();
  for (const [i, { window }] of all.entries()) {
    if (spec.perturbation === 0) break;
    const noised = perturbedPresent(lab, model, window, spec.perturbation);
    presents.set(i, await noised);
  }
  for (let chunk = 0; chunk < spec.chunks; chunk++) {
    const reached = [...all.keys()].filter((i) => all[i]!.chunks > chunk);
    if (reached.length === 0) break;
    const draws = reached.map((i): Draw => {
      const { window } = all[i]!;
      const row = window.row + chunk * horizon;
      const present = presents.get(i);
      return {
        window,
        noise: windowNoise("rollout", model.seed, window, chunk),
        actions: recordedActions(part, { row }, lab.params),
        ...(present === undefined ? {} : { present }),
      };
    });
    const made = await futures(lab, { model, part: "whole", draws, ddimSteps });
    const index = new Map(reached.map((i, k) => [i, k]));
    chunks.push({ made, index });
    const last = reached.map((i) =>
      Float32Array.from(shown(chunks[chunk]!, [i], horizon - 1))
    );
    const fed = spec.isReprojected && chunk + 1 < spec.chunks
      ? await reproject(lab, last)
      : last;
    presents = new Map(reached.map((i, k) => [i, fed[k]!]));
  }
  return {
    windows: all.map(({ window }) => window),
    reach: (step) =>
      [...all.keys()].filter((i) => step < all[i]!.chunks * horizon),
    at: (windows, step) =>
      shown(chunks[Math.floor(step / horizon)]!, windows, step % horizon),
    digests: chunks.map(({ made }) => made.digest),
    about: digestJson({
      ...spec,
      model: model.mode,
      statistics: statistics ?? null,
    }, "roll-out"),
    [Symbol.dispose]() {
      for (const { made } of chunks) made[Symbol.dispose]();
    },
  };
}
