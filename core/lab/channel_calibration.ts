/**
 * Channel statistics of latents, and what samples are calibrated by.
 *
 * @module
 */

import { takeRows } from "../data/latents.ts";
import {
  type ChannelStatistics,
  channelStatistics,
} from "../diffusion/calibration.ts";
import { batchesOf } from "./batches.ts";
import type { LabWindow } from "./data.ts";
import type { Futures } from "./futures.ts";
import type { Lab } from "./lab.ts";
import type { LatentsOf } from "./scores.ts";

/** What samples are calibrated by, at one step. */
export interface ChannelCalibration {
  /** Real latents of training windows. */
  readonly target: ChannelStatistics;
  /** Samples of training windows. */
  readonly deployed: ChannelStatistics;
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
 * Measures latents of windows 0, ..., count - 1 channel by channel, a batch of
 * them in memory at a time.
 *
 * @param lab size of a batch
 * @param latents of some windows
 * @param count of all windows
 * @throws {Interrupted} if it was asked to stop
 */
export async function channelsOf(
  lab: Lab,
  latents: LatentsOf,
  count: number,
): Promise<ChannelStatistics> {
  const [channels, height, width] = (await lab.networks()).latentShape;
  lab.context.interrupt.check();
  const batches = streamed(latents, count, lab.params.evalBatch);
  return channelStatistics(batches, channels, height * width);
}

/**
 * Measures the deployable calibration of a model at one step: samples of
 * training windows, and the real latents of these.
 *
 * @param lab windows and parameters
 * @param calibration the samples
 * @param windows of the training part that they are of
 * @param step of the horizon, from 0
 * @throws {Interrupted} if it was asked to stop
 */
export async function calibrationAt(
  lab: Lab,
  calibration: Pick<Futures, "at">,
  windows: readonly LabWindow[],
  step: number,
): Promise<ChannelCalibration> {
  const { latents } = await lab.part("train");
  const real: LatentsOf = (list) =>
    takeRows(latents, list.map((i) => windows[i]!.row + 1 + step));
  const sampled: LatentsOf = (list) => calibration.at(list, step);
  return {
    target: await channelsOf(lab, real, windows.length),
    deployed: await channelsOf(lab, sampled, windows.length),
  };
}

/**
 * Measures {@linkcode calibrationAt} each step of the horizon.
 *
 * @param lab windows and parameters
 * @param calibration the samples
 * @param windows of the training part that they are of
 * @returns one for each step
 * @throws {Interrupted} if it was asked to stop
 */
export async function calibrations(
  lab: Lab,
  calibration: Pick<Futures, "at">,
  windows: readonly LabWindow[],
): Promise<ChannelCalibration[]> {
  const steps: ChannelCalibration[] = [];
  for (let step = 0; step < lab.params.horizon; step++) {
    steps.push(await calibrationAt(lab, calibration, windows, step));
  }
  return steps;
}
