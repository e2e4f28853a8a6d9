import { shuffledOrder } from "../data/windows.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { WorldModel } from "../models/world_model.ts";
import type { Module, StateDict } from "../nn/module.ts";
import { Adam, Ema } from "../nn/optimizer.ts";
import type { ParameterStore } from "../nn/parameters.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type LossCurve, runTraining, type TrainingHooks } from "./loop.ts";
import type { WindowTokens } from "./window_tokens.ts";

/** Settings of a training, all of which change its result. */
export interface TrainingSettings {
  /** Windows seen in all. */
  readonly samples: number;
  /** Windows of a step. */
  readonly batch: number;
  /** Peak learning rate of Adam. */
  readonly lr: number;
  /** Steps until the peak. */
  readonly warmup: number;
  /** Share of the peak at the end of a cosine; 1 for a constant rate. */
  readonly lrEnd: number;
  /** Decay of the average of the weights; 0 for none. */
  readonly ema: number;
  /** Whether the decay grows from 0.1: min(ema, (1 + k) / (10 + k)). */
  readonly emaWarmup: boolean;
  /** Largest norm of the network's gradient; 0 for no clip. */
  readonly clip: number;
  /** Chance that a sample's actions are hidden, in diffusion. */
  readonly actionDropout: number;
  /**
   * Largest deviation of noise on the present, in units of normalized tokens;
   * none if absent.
   */
  readonly presentNoise?: number;
  /** Weight of the loss of changes from frame to frame; none if absent. */
  readonly motionWeight?: number;
  /** Seed of order, noise and dropout. */
  readonly seed: number;
}

/** What is taken of a training on its way. */
export interface TrainingSnapshots {
  /** Steps, rising, whose averages of the weights are given away. */
  readonly steps: readonly number[];
  /** Takes the averages after a step. */
  readonly keep: (step: number, average: StateDict) => Promise<void>;
}

/** What is trained, on what, and how. */
export interface WorldTraining {
  /** The model. */
  readonly model: WorldModel;
  /**
   * Weights to start from, and averages, too: those of a training before, for
   * a fine-tuning. Default the model's.
   */
  readonly from?: StateDict;
  /** Tokens. */
  readonly data: WindowTokens;
  /** Rows of the present frames of the training windows. */
  readonly rows: readonly number[];
  /** All that changes the result. */
  readonly settings: TrainingSettings;
  /** Averages of the weights on the way. */
  readonly snapshots?: TrainingSnapshots;
}

/** What a training leaves. */
export interface TrainedWeights {
  /** Its losses. */
  readonly curve: LossCurve;
  /** Weights after the last step, which the model has, too. */
  readonly last: StateDict;
  /** Averages of the weights, where the settings ask for them. */
  readonly average?: StateDict;
}

/**
 * The learning rate of a step: a linear rise, then a half cosine.
 *
 * @param settings peak, steps until it, and the share of it that is left
 * @param step from 0
 * @param steps in all
 */
export function learningRate(
  { lr, warmup, lrEnd }: Pick<TrainingSettings, "lr" | "warmup" | "lrEnd">,
  step: number,
  steps: number,
): number {
  const rise = Math.min(1, (step + 1) / Math.max(1, warmup));
  const fall = lrEnd +
    (1 - lrEnd) * 0.5 * (1 + Math.cos(Math.PI * step / steps));
  return lr * rise * fall;
}

/** A training of any model whose randomness is keyed by the sample. */
export interface SampledTraining {
  /** The model, whose network is the group "dit". */
  readonly model: Module & { readonly weights: ParameterStore };
  /** Weights to start from. Default the model's. */
  readonly from?: StateDict;
  /** Rows of the samples, each seen once an epoch. */
  readonly rows: readonly number[];
  /** All that changes the result. */
  readonly settings: TrainingSettings;
  /** Records the loss of some samples, given their rows and numbers. */
  readonly loss: (
    rows: readonly number[],
    samples: readonly number[],
  ) => Tensor;
  /** Averages of the weights on the way. */
  readonly snapshots?: TrainingSnapshots;
}

/**
 * The decay of the averages after a step.
 *
 * @param settings decay, and whether it grows from 0.1
 * @param step from 0
 */
export function averageDecay(
  { ema, emaWarmup }: Pick<TrainingSettings, "ema" | "emaWarmup">,
  step: number,
): number {
  return emaWarmup ? Math.min(ema, (1 + step) / (10 + step)) : ema;
}

/**
 * Trains a model on samples.
 *
 * Sample k of the training is row k mod n of epoch k / n; what its loss draws is
 * keyed by k, so that a training that was stopped and continued gives the same
 * bits as one that was not.
 *
 * @param gpu device
 * @param training model, first weights, rows, settings, loss
 * @param hooks checkpoint and progress
 * @returns curve and weights, or undefined if it was asked to stop
 * @throws {TypeError} if the first weights do not fit the model
 * @throws {Error} if the loss is no longer finite, or the checkpoint belongs
 *   to other settings
 */
export async function trainOnSamples(
  gpu: Gpu,
  { model, from, rows, settings, loss, snapshots }: SampledTraining,
  hooks: TrainingHooks,
): Promise<TrainedWeights | undefined> {
  const { batch, seed } = settings;
  const steps = Math.floor(settings.samples / batch);
  let epoch = -1;
  let order = new Uint32Array();
  const rowOf = (sample: number) => {
    const now = Math.floor(sample / rows.length);
    if (now !== epoch) {
      epoch = now;
      order = shuffledOrder(rows.length, seed, epoch);
    }
    return rows[order[sample % rows.length] ?? 0] ?? 0;
  };
  if (from !== undefined) model.loadStateDict(from);
  const ema = settings.ema > 0
    ? new Ema(model.weights, settings.ema)
    : undefined;
  const curve = await runTraining(gpu, {
    store: model.weights,
    optimizer: new Adam(model.weights, { lr: settings.lr }),
    ...(ema ? { ema } : {}),
    steps,
    rate: (step) => learningRate(settings, step, steps),
    decay: (step) => averageDecay(settings, step),
    clip: settings.clip,
    clipGroup: "dit",
    loss: (step) => {
      const samples = Array.from({ length: batch }, (_, i) => step * batch + i);
      return loss(samples.map(rowOf), samples);
    },
    ...(snapshots === undefined || ema === undefined ? {} : {
      snapshots: {
        steps: snapshots.steps,
        keep: async (step) => {
          using _ = ema.applied();
          await snapshots.keep(step, await model.stateDict());
        },
      },
    }),
  }, hooks);
  if (curve === undefined) return undefined;
  const last = await model.stateDict();
  if (ema === undefined) return { curve, last };
  using _ = ema.applied();
  return { curve, last, average: await model.stateDict() };
}

/**
 * Trains a world model on windows.
 *
 * @param gpu device
 * @param training model, first weights, windows, settings
 * @param hooks checkpoint and progress
 * @returns curve and weights, or undefined if it was asked to stop
 * @throws {TypeError} if the first weights do not fit the model
 * @throws {Error} if the loss is no longer finite, or the checkpoint belongs
 *   to other settings
 */
export async function trainWorldModel(
  gpu: Gpu,
  { data, ...training }: WorldTraining,
  hooks: TrainingHooks,
): Promise<TrainedWeights | undefined> {
  const { model, settings } = training;
  const { seed, actionDropout, presentNoise = 0, motionWeight = 0 } = settings;
  return await trainOnSamples(gpu, {
    ...training,
    loss: (rows, samples) =>
      model.loss(data.batch(gpu, rows), {
        ...{ seed, samples, actionDropout, presentNoise, motionWeight },
      }),
  }, hooks);
}
