/**
 * What a model is and how it is trained, from the parameters of a run: all
 * frames of a window at once, or frame by frame.
 *
 * @module
 */

import { digestJson } from "../experiment/artifact_files.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { anchoredDitFlops, frameDitFlops } from "../models/flops.ts";
import {
  FrameWorldModel,
  type FrameWorldModelOptions,
} from "../models/frame_world_model.ts";
import type { FutureModel } from "../models/future_model.ts";
import {
  createWorldModel,
  type WorldModelOptions,
} from "../models/world_model.ts";
import type { StateDict } from "../nn/module.ts";
import {
  framePairs,
  type FrameTrainingSettings,
  trainFrameWorldModel,
} from "../training/frame_world_model.ts";
import type { TrainingHooks } from "../training/loop.ts";
import { WindowTokens } from "../training/window_tokens.ts";
import {
  type TrainedWeights,
  type TrainingSettings,
  type TrainingSnapshots,
  trainWorldModel,
} from "../training/world_model.ts";
import type { Part } from "./latents.ts";
import type { ModelSpec, TrainParams } from "./models.ts";
import type { LabParams } from "./params.ts";

/** Sizes of a frame's tokens. */
export type TokenSizes = Pick<
  WindowTokens,
  "horizon" | "tokensPerFrame" | "patchDim"
>;

/** Channels, height and width of a frame's latents. */
type LatentShape = Part["shape"];

/** Parameters of a model's training, those of the run or changed. */
type PlanParams = LabParams & TrainParams;

/**
 * Chances of a frame-by-frame training: that the frame before a pair is shown,
 * and that both context frames get noise, of a deviation up to the last number:
 * in sampling the context is predictions, not as clean as training frames. Not
 * in the paper.
 */
const CONTEXT = {
  previousShown: 0.7,
  contextNoiseShare: 0.5,
  contextNoise: 0.3,
} as const;

/** A model on the device, with what trains it. */
export interface Trainee extends Disposable {
  /** With initial weights. */
  readonly model: FutureModel;
  /** Trains it, from other weights if these are given. */
  readonly train: (
    of: TraineeOptions,
    hooks: TrainingHooks,
  ) => Promise<TrainedWeights | undefined>;
}

/** What a training begins with, and what is taken of it on its way. */
export interface TraineeOptions {
  /** Weights to start from. Default the model's. */
  readonly from?: StateDict;
  /** Averages of the weights on the way, given the steps in all. */
  readonly snapshots: (steps: number) => TrainingSnapshots;
}

/** A training that was not begun. */
export interface TrainingPlan {
  /** All that decides its result beside the latents: plain JSON. */
  readonly spec: unknown;
  /** Puts the model on the device. */
  readonly open: (gpu: Gpu) => Trainee;
}

/**
 * Whether a model predicts frame by frame: those of the recipe but the MLP.
 *
 * @param spec which model
 */
export function isFrameByFrame(
  { recipe, mode }: Pick<ModelSpec, "recipe" | "mode">,
): boolean {
  return recipe === "frame" && mode !== "mlp";
}

/** Settings of one model's training on windows. */
function settingsOf(
  params: TrainParams,
  { mode, seed, motionWeight }: ModelSpec,
): TrainingSettings {
  const isMlp = mode === "mlp";
  const lr = {
    direct: params.lrDirect,
    diffusion: params.lrDiffusion,
    mlp: params.lrMlp,
  };
  return {
    samples: isMlp ? params.mlpSamples : params.samples,
    batch: params.batch,
    lr: lr[mode],
    warmup: params.warmup,
    lrEnd: params.lrEnd,
    ema: isMlp ? 0 : params.ema,
    emaWarmup: params.emaWarmup,
    clip: isMlp ? 0 : params.clip,
    actionDropout: mode === "diffusion" ? params.actionDropout : 0,
    ...(params.presentNoise === undefined
      ? {}
      : { presentNoise: params.presentNoise }),
    seed,
    ...(motionWeight === undefined ? {} : { motionWeight }),
  };
}

/**
 * Sizes and objective of a model that predicts all frames at once.
 *
 * @param params of the training
 * @param sizes of the tokens
 * @param spec which model
 */
export function modelOptions(
  params: TrainParams,
  { horizon, tokensPerFrame, patchDim }: TokenSizes,
  { mode, recipe, seed }: ModelSpec,
): WorldModelOptions {
  return {
    network: mode === "mlp" ? "mlp" : "dit",
    objective: mode === "diffusion" ? params.objective : "direct",
    horizon,
    tokens: tokensPerFrame,
    patchDim,
    dim: params.dim,
    blocks: params.blocks,
    heads: params.heads,
    anchorVisible: recipe === "visible",
    frequencies: params.frequencies,
    learnedFrequencies: params.learnedFrequencies,
    hidden: params.hidden,
    seed,
  };
}

/**
 * Sizes and objective of a model that predicts frame by frame; its diffusion
 * has a v head, whatever the objective of the run.
 *
 * @param params of the training
 * @param shape of a frame's latents
 * @param spec which model
 */
export function frameOptions(
  params: Pick<LabParams, "patch"> & TrainParams,
  shape: LatentShape,
  { mode, seed }: ModelSpec,
): FrameWorldModelOptions {
  return {
    objective: mode === "diffusion" ? "v" : "direct",
    shape,
    patch: params.patch,
    dim: params.frameDim,
    channels: params.frameChannels,
    blocks: params.blocks,
    heads: params.heads,
    frequencies: params.frequencies,
    learnedFrequencies: params.learnedFrequencies,
    seed,
  };
}

/** What a model costs, counted from shapes. */
export interface ModelCost {
  /** Windows seen in training; pairs of frames where it goes frame by frame. */
  readonly samples: number;
  /** Operations of a forward pass of one of these. */
  readonly forward: number;
  /** Operations of the training: three forward passes a sample. */
  readonly training: number;
  /** Forward passes of one sampling step of a window, without guidance. */
  readonly passes: number;
}

/**
 * Counts what a transformer costs. One that goes frame by frame sees as many
 * frames as the training of the models with a visible present pays for.
 *
 * @param params of the training
 * @param shape of a frame's latents
 * @param spec which model, not the baseline
 */
export function modelCost(
  params: PlanParams,
  shape: LatentShape,
  spec: ModelSpec,
): ModelCost {
  const [channels, height, width] = shape;
  const { horizon, patch, frequencies } = params;
  const sizes = {
    horizon,
    tokensPerFrame: height * width / patch ** 2,
    patchDim: channels * patch ** 2,
  };
  const joint = (of: ModelSpec) =>
    anchoredDitFlops(modelOptions(params, sizes, of), frequencies);
  if (!isFrameByFrame(spec)) {
    const [forward, { samples }] = [joint(spec), params];
    return { samples, forward, training: 3 * forward * samples, passes: 1 };
  }
  const forward = frameDitFlops(frameOptions(params, shape, spec), frequencies);
  const budget = params.samples * joint({ ...spec, recipe: "visible" });
  const samples = Math.floor(budget / forward);
  return { samples, forward, training: 3 * forward * samples, passes: horizon };
}

/** First weights, and snapshots of the steps of a training. */
function startOf(
  { samples, batch }: TrainingSettings,
  { from, snapshots }: TraineeOptions,
) {
  const steps = Math.floor(samples / batch);
  return { ...(from ? { from } : {}), snapshots: snapshots(steps) };
}

/** Tokens of single frames, normalized as those of windows. */
function frameTokens(
  params: LabParams,
  part: Part,
  { statistics }: WindowTokens,
): WindowTokens {
  return new WindowTokens(part, {
    patch: params.patch,
    horizon: 1,
    frequencies: params.frequencies,
    plainActions: params.learnedFrequencies,
    actionOffset: params.actionOffset,
    statistics,
  });
}

/**
 * Plans the training of a model.
 *
 * @param params of the run, with the model's changes
 * @param part training windows and latents
 * @param data tokens of these
 * @param spec which model
 */
export function planTraining(
  params: PlanParams,
  part: Part,
  data: WindowTokens,
  spec: ModelSpec,
): TrainingPlan {
  const { patch, actionOffset } = params;
  const rows = part.windows.map(({ row }) => row);
  if (!isFrameByFrame(spec)) {
    const options = modelOptions(params, data, spec);
    const settings = settingsOf(params, spec);
    return {
      spec: {
        options,
        settings,
        patch,
        actionOffset,
        windows: digestJson(rows, "rows"),
      },
      open: (gpu) => {
        const model = createWorldModel(gpu, options);
        return {
          model,
          train: (of, hooks) =>
            trainWorldModel(
              gpu,
              { model, data, rows, settings, ...startOf(settings, of) },
              hooks,
            ),
          [Symbol.dispose]: () => model[Symbol.dispose](),
        };
      },
    };
  }
  const options = frameOptions(params, part.shape, spec);
  const { frameScenes } = part;
  const settings: FrameTrainingSettings = {
    ...settingsOf(params, spec),
    samples: modelCost(params, part.shape, spec).samples,
    batch: params.frameBatch,
    lr: params.lrFrame,
    ...CONTEXT,
  };
  return {
    spec: {
      options,
      settings,
      actionOffset,
      windows: digestJson(rows, "rows"), // decide the normalization
      pairs: digestJson(framePairs(frameScenes), "pairs"),
    },
    open: (gpu) => {
      const model = new FrameWorldModel(gpu, options);
      const frames = frameTokens(params, part, data);
      return {
        model,
        train: (of, hooks) =>
          trainFrameWorldModel(gpu, {
            ...{ model, data: frames, frameScenes, settings },
            ...startOf(settings, of),
          }, hooks),
        [Symbol.dispose]: () => model[Symbol.dispose](),
      };
    },
  };
}
