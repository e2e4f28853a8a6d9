import type { Gpu } from "../gpu/gpu.ts";
import type {
  FrameBatch,
  FrameWorldModel,
} from "../models/frame_world_model.ts";
import type { StateDict } from "../nn/module.ts";
import { key } from "../tensor/philox.ts";
import type { TrainingHooks } from "./loop.ts";
import type { WindowTokens } from "./window_tokens.ts";
import {
  type TrainedWeights,
  type TrainingSettings,
  type TrainingSnapshots,
  trainOnSamples,
} from "./world_model.ts";

/** Settings of a training on pairs of frames, all of which change its result. */
export interface FrameTrainingSettings extends TrainingSettings {
  /** Chance that the frame before a pair is shown, where there is one. */
  readonly previousShown: number;
  /** Chance that a sample's context is noised, in diffusion. */
  readonly contextNoiseShare: number;
  /** Largest deviation of that noise. */
  readonly contextNoise: number;
}

/** What is trained, on what, and how. */
export interface FrameTraining {
  /** The model. */
  readonly model: FrameWorldModel;
  /** Weights to start from. Default the model's. */
  readonly from?: StateDict;
  /** Tokens, of horizon 1. */
  readonly data: WindowTokens;
  /** Scene of each frame, in the order of rows. */
  readonly frameScenes: readonly number[];
  /** All that changes the result. */
  readonly settings: FrameTrainingSettings;
  /** Averages of the weights on the way. */
  readonly snapshots?: TrainingSnapshots;
}

/**
 * Lists the frames that are followed by another one of their scene.
 *
 * @param frameScenes scene of each frame, in the order of rows
 * @returns their rows
 */
export function framePairs(frameScenes: readonly number[]): number[] {
  return [...frameScenes.keys()]
    .filter((row) => frameScenes[row] === frameScenes[row + 1]);
}

/**
 * Reads a batch of pairs of frames, some with the frame before them.
 *
 * @param gpu device
 * @param training tokens, scenes, settings
 * @param rows of the first frames
 * @param samples numbers of the samples, which decide what is shown
 */
export function frameBatch(
  gpu: Gpu,
  { data, frameScenes, settings }: Omit<
    FrameTraining,
    "model" | "from" | "snapshots"
  >,
  rows: readonly number[],
  samples: readonly number[],
): FrameBatch {
  const { seed, previousShown } = settings;
  const before = rows.map((row, i) => {
    const isShown = key("previous frame", seed, samples[i]!).uniform(0) <
      previousShown;
    return isShown && frameScenes[row - 1] === frameScenes[row]
      ? row - 1
      : undefined;
  });
  const { present, features, future } = data.batch(gpu, rows);
  return {
    last: present,
    previous: data.frames(gpu, before),
    hasPrevious: before.map((row) => row === undefined ? 0 : 1),
    features,
    next: future,
  };
}

/**
 * Trains a frame-by-frame world model on all pairs of consecutive frames.
 *
 * @param gpu device
 * @param training model, first weights, frames, settings
 * @param hooks checkpoint and progress
 * @returns curve and weights, or undefined if it was asked to stop
 * @throws {RangeError} if no frame follows another one of its scene
 * @throws {TypeError} if the first weights do not fit the model
 * @throws {Error} if the loss is no longer finite, or the checkpoint belongs
 *   to other settings
 */
export async function trainFrameWorldModel(
  gpu: Gpu,
  { model, from, snapshots, ...frames }: FrameTraining,
  hooks: TrainingHooks,
): Promise<TrainedWeights | undefined> {
  const { settings } = frames;
  const rows = framePairs(frames.frameScenes);
  if (rows.length === 0) {
    throw new RangeError(
      `Cannot train on ${frames.frameScenes.length} frames: none follows another one of its scene`,
    );
  }
  return await trainOnSamples(gpu, {
    model,
    ...(from === undefined ? {} : { from }),
    ...(snapshots === undefined ? {} : { snapshots }),
    rows,
    settings,
    loss: (rows, samples) =>
      model.loss(frameBatch(gpu, frames, rows, samples), {
        ...settings,
        samples,
      }),
  }, hooks);
}
