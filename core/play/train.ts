import type { Gpu } from "../gpu/gpu.ts";
import {
  FrameWorldModel,
  type FrameWorldModelOptions,
} from "../models/frame_world_model.ts";
import { InverseDynamics } from "../models/inverse_dynamics.ts";
import type { StateDict } from "../nn/module.ts";
import { parameters } from "../nn/parameters.ts";
import {
  framePairs,
  type FrameTrainingSettings,
  trainFrameWorldModel,
} from "../training/frame_world_model.ts";
import {
  INVERSE_DYNAMICS,
  inverseDynamicsMoments,
  type InverseDynamicsQuality,
  measureInverseDynamics,
  trainInverseDynamics,
} from "../training/inverse_dynamics.ts";
import type { LossCurve, TrainingHooks } from "../training/loop.ts";
import {
  type TokenStatistics,
  WindowTokens,
} from "../training/window_tokens.ts";
import type { DrivenLatents } from "./frame_set.ts";

/** Sizes of the model that is shipped: the recipe study's. */
export const PLAYED_SIZES = {
  patch: 2,
  dim: 48,
  channels: 40,
  blocks: 2,
  heads: 4,
} as const;

/** What a training of what is played with leaves. */
export interface PlayTraining {
  /** Averages of the model's weights. */
  readonly model: StateDict;
  /** Normalization of its tokens. */
  readonly statistics: TokenStatistics;
  /** The probe's weights. */
  readonly probe: StateDict;
  /** Losses of the model. */
  readonly curve: LossCurve;
  /** The probe on held-out drives. */
  readonly quality: InverseDynamicsQuality;
}

/** What is trained on, and how. */
export interface PlayTrainingJob {
  /** Drives of training scenes. */
  readonly frames: DrivenLatents;
  /** Drives of other scenes, for the probe's quality. */
  readonly held: DrivenLatents;
  /** Optimizer steps of the model. */
  readonly steps: number;
  /** Pairs of frames of a step. */
  readonly batch: number;
  /** Peak learning rate. */
  readonly lr: number;
  /** Steps of the probe. */
  readonly probeSteps: number;
  /** Seed of weights, order and noise. */
  readonly seed: number;
}

/** Settings of a model's training, by the recipe study. */
function settingsOf(
  { steps, batch, lr, seed }: PlayTrainingJob,
): FrameTrainingSettings {
  return {
    samples: steps * batch,
    batch,
    lr,
    warmup: 50,
    lrEnd: 0.03,
    ema: 0.998,
    emaWarmup: true,
    clip: 1,
    actionDropout: 0.1,
    previousShown: 0.7,
    contextNoiseShare: 0.5,
    contextNoise: 0.3,
    seed,
  };
}

/**
 * Trains the frame-by-frame model and the inverse-dynamics probe on driven
 * frames.
 *
 * @param gpu device
 * @param job frames and settings
 * @param hooks checkpoint and progress of each of the two, by its name
 * @returns the weights, or undefined if it was asked to stop
 * @throws {Error} if the loss is no longer finite
 */
export async function trainPlayed(
  gpu: Gpu,
  job: PlayTrainingJob,
  hooks: (part: "model" | "probe") => TrainingHooks,
): Promise<PlayTraining | undefined> {
  const { frames, held, seed, probeSteps } = job;
  const rows = framePairs(frames.frameScenes);
  const data = new WindowTokens(frames, {
    patch: PLAYED_SIZES.patch,
    horizon: 1,
    frequencies: 64,
    statistics: rows,
  });
  const options: FrameWorldModelOptions = {
    ...PLAYED_SIZES,
    shape: frames.shape,
    objective: "v",
    seed,
  };
  const probe = new InverseDynamics({
    shape: frames.shape,
    moments: inverseDynamicsMoments(frames, rows),
  });
  using store = parameters(gpu, probe, { seed });
  const probed = await trainInverseDynamics(gpu, probe, store, frames, rows, {
    ...INVERSE_DYNAMICS,
    steps: probeSteps,
    seed,
  }, hooks("probe"));
  if (probed === undefined) return undefined;
  const quality = await measureInverseDynamics(
    gpu,
    probe,
    held,
    framePairs(held.frameScenes),
  );
  using model = new FrameWorldModel(gpu, options);
  const trained = await trainFrameWorldModel(gpu, {
    ...{ model, data, frameScenes: frames.frameScenes },
    settings: settingsOf(job),
  }, hooks("model"));
  if (trained === undefined) return undefined;
  return {
    model: trained.average ?? trained.last,
    statistics: data.statistics,
    probe: await probe.stateDict(),
    curve: trained.curve,
    quality,
  };
}
