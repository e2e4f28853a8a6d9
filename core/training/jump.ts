import { shuffledOrder } from "../data/windows.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { JumpModel } from "../models/jump_model.ts";
import { AdamW, Ema } from "../nn/optimizer.ts";
import { add, mul, sub } from "../ops/pointwise.ts";
import { tensor } from "../tensor/create.ts";
import { key } from "../tensor/philox.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { runTraining, type TrainingHooks } from "./loop.ts";
import type { FrameLatents, WindowTokens } from "./window_tokens.ts";
import {
  averageDecay,
  learningRate,
  type TrainedWeights,
  type TrainingSettings,
} from "./world_model.ts";

/** One jump of a training window: a frame, and the one that it leads to. */
export interface Jump {
  /** Row of the window's present frame. */
  readonly row: number;
  /** Which jump of the window, from 0. */
  readonly link: number;
  /** Root mean square of the change of latents, not normalized. */
  readonly motion: number;
}

/** How training windows are cut into jumps. */
export interface JumpCut {
  /** Frames of a jump. */
  readonly stride: number;
  /** Jumps of a window. */
  readonly links: number;
  /** Windows taken, at most, in an order by chance. */
  readonly windows: number;
  /** Seed of that order. */
  readonly seed: number;
}

/**
 * Cuts windows into jumps.
 *
 * Source: published code, the first 8,000 windows of an order by chance.
 *
 * @param frames latents, read when needed
 * @param rows rows of the present frames of the windows
 * @param cut length and number of jumps
 * @returns window after window, jump after jump
 */
export function cutJumps(
  { latents }: Pick<FrameLatents, "latents">,
  rows: readonly number[],
  { stride, links, windows, seed }: JumpCut,
): Jump[] {
  const known = new Map<number, number>();
  const motionFrom = (row: number) => {
    const before = latents.read(row, row + 1);
    const after = latents.read(row + stride, row + stride + 1);
    let sum = 0;
    for (let k = 0; k < before.length; k++) {
      sum += (after[k]! - before[k]!) ** 2;
    }
    return Math.sqrt(sum / before.length);
  };
  const order = shuffledOrder(rows.length, seed, 0).subarray(0, windows);
  return Array.from(order).flatMap((i) =>
    Array.from({ length: links }, (_, link): Jump => {
      const anchor = rows[i]! + stride * link;
      const motion = known.get(anchor) ?? motionFrom(anchor);
      known.set(anchor, motion);
      return { row: rows[i]!, link, motion };
    })
  );
}

/**
 * Sums up the chances of jumps: proportional to their motion, over the mean
 * one, to some power.
 *
 * Source: published code, power 0.5.
 *
 * @param jumps at least one
 * @param power 0 for equal chances
 * @returns (jumps) the last one is 1
 * @throws {RangeError} if there is no jump
 */
export function jumpChances(
  jumps: readonly Pick<Jump, "motion">[],
  power: number,
): Float64Array {
  if (jumps.length === 0) {
    throw new RangeError("Cannot draw jumps: there are none");
  }
  const mean = jumps.reduce((sum, { motion }) => sum + motion, 0) /
    jumps.length;
  const weights = jumps.map(({ motion }) =>
    mean === 0 ? 1 : (motion / mean) ** power
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  const chances = Float64Array.from(
    weights,
    (weight) => (sum += weight) / total,
  );
  chances[chances.length - 1] = 1;
  return chances;
}

/** Index of the first sum above a number in [0, 1). */
function draw(chances: Float64Array, at: number): number {
  let [low, high] = [0, chances.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (chances[middle]! > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Settings of the training of a jump model, all of which change its result. */
export interface JumpSettings extends
  Pick<
    TrainingSettings,
    | "samples"
    | "batch"
    | "lr"
    | "warmup"
    | "lrEnd"
    | "ema"
    | "emaWarmup"
    | "seed"
  > {
  /** Decay of all weights, times the learning rate. */
  readonly weightDecay: number;
  /** Power of the motion that chances are proportional to; 0 for equal ones. */
  readonly motionPower: number;
  /** Deviation of the noise on anchors, normalized. */
  readonly anchorNoise: number;
  /** Weight of the loss of the residual. */
  readonly residualWeight: number;
  /**
   * Chance, at the end, that the frame before an anchor was led to it by the
   * model itself: it rises from 0 in proportion to the steps. 0 is teacher
   * forcing: all anchors are true.
   */
  readonly ownAnchors: number;
}

/** What is trained, on what, and how. */
export interface JumpTraining {
  /** The model. */
  readonly model: JumpModel;
  /** Tokens; the horizon is the length of a jump. */
  readonly data: WindowTokens;
  /** Jumps of {@linkcode cutJumps}. */
  readonly jumps: readonly Jump[];
  /** All that changes the result. */
  readonly settings: JumpSettings;
}

/** Values of 0 and 1, one for each sample. */
function mask(gpu: Gpu, values: readonly boolean[]): Tensor {
  return tensor(gpu, Float32Array.from(values, Number))
    .reshape([values.length, 1, 1]);
}

/** Chooses b where the mask is 1, a where it is 0. */
function choose(a: Tensor, b: Tensor, where: Tensor): Tensor {
  return add(a, mul(sub(b, a), where));
}

/**
 * Anchors that are partly the model's own, by scheduled sampling: each jump
 * before the anchor is the model's by chance, from whatever it stood at, else it
 * ends at the true frame.
 *
 * Source: Bengio et al. 2015, section 2.4.
 *
 * @param gpu device
 * @param training model, tokens, seed
 * @param drawn (B) jumps
 * @param samples (B) number of each, which keys its chances
 * @param chance of each jump before
 * @returns (B, S, P) normalized tokens
 */
export function scheduledAnchors(
  gpu: Gpu,
  { model, data, settings: { seed } }: Omit<JumpTraining, "jumps">,
  drawn: readonly Jump[],
  samples: readonly number[],
  chance: number,
): Tensor {
  const stride = data.horizon;
  const most = Math.max(...drawn.map(({ link }) => link));
  /** Rows a jump on, of samples whose anchor is not before. */
  const rowsAt = (link: number) =>
    drawn.map(({ row, link: own }) => row + stride * Math.min(link, own));
  let anchor = data.frames(gpu, rowsAt(0));
  for (let link = 0; link < most; link++) {
    const { features } = data.conditions(
      gpu,
      rowsAt(link).map((row) => ({ row })),
    );
    const led = model.predict({ present: anchor, features });
    const truth = data.frames(gpu, rowsAt(link + 1));
    const isOwn = samples.map((k) =>
      key("own anchor", seed, k).uniform(link) < chance
    );
    const next = choose(truth, led, mask(gpu, isOwn));
    const isBefore = drawn.map(({ link: own }) => link < own);
    anchor = choose(anchor, next, mask(gpu, isBefore));
  }
  return anchor;
}

/**
 * Trains a jump model: jumps are drawn with replacement, those that move more
 * often; AdamW decays all weights; no gradient is clipped.
 *
 * Source: published code; scheduled sampling: Bengio et al. 2015.
 *
 * @param gpu device
 * @param training model, jumps, settings
 * @param hooks checkpoint and progress
 * @returns curve and weights, or undefined if it was asked to stop
 * @throws {RangeError} if there is no jump
 * @throws {TypeError} if the model is one of diffusion and anchors are to be
 *   its own
 * @throws {Error} if the loss is no longer finite, or the checkpoint belongs
 *   to other settings
 */
export async function trainJump(
  gpu: Gpu,
  training: JumpTraining,
  hooks: TrainingHooks,
): Promise<TrainedWeights | undefined> {
  const { model, data, jumps, settings } = training;
  const { batch, seed, anchorNoise, residualWeight } = settings;
  if (settings.ownAnchors > 0 && model.objective !== "direct") {
    throw new TypeError(
      `Cannot train a jump model on its own anchors: its objective is "${model.objective}", needed "direct"`,
    );
  }
  const chances = jumpChances(jumps, settings.motionPower);
  const steps = Math.floor(settings.samples / batch);
  const ema = settings.ema > 0
    ? new Ema(model.weights, settings.ema)
    : undefined;
  const { lr, weightDecay } = settings;
  const curve = await runTraining(gpu, {
    store: model.weights,
    optimizer: new AdamW(model.weights, { lr, weightDecay }),
    ...(ema ? { ema } : {}),
    steps,
    rate: (step) => learningRate(settings, step, steps),
    decay: (step) => averageDecay(settings, step),
    clip: 0,
    loss: (step) => {
      const samples = Array.from({ length: batch }, (_, i) => step * batch + i);
      const drawn = samples.map((k) =>
        jumps[draw(chances, key("jump", seed, k).uniform(0))]!
      );
      const rows = drawn.map(({ row, link }) => row + data.horizon * link);
      const given = data.conditions(gpu, rows.map((row) => ({ row })));
      const chance = settings.ownAnchors * step / steps;
      const present = chance > 0
        ? scheduledAnchors(gpu, training, drawn, samples, chance)
        : given.present;
      const future = data.frames(gpu, rows.map((row) => row + data.horizon));
      return model.loss(
        { ...given, present, future },
        { seed, samples, anchorNoise, residualWeight },
      );
    },
  }, hooks);
  if (curve === undefined) return undefined;
  const last = await model.stateDict();
  if (ema === undefined) return { curve, last };
  using _ = ema.applied();
  return { curve, last, average: await model.stateDict() };
}
