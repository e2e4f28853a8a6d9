import type { AutoencoderKL } from "../encoders/autoencoder_kl.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { AdamW, Ema } from "../nn/optimizer.ts";
import type { ParameterStore } from "../nn/parameters.ts";
import { slice } from "../ops/concat.ts";
import { abs, add, exp, mul, pow, sub } from "../ops/pointwise.ts";
import { mean } from "../ops/reduce.ts";
import { noGrad } from "../tensor/autograd.ts";
import { tensor } from "../tensor/create.ts";
import { type Key, key } from "../tensor/philox.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type LossCurve, runTraining, type TrainingHooks } from "./loop.ts";

/** Weights of the parts of the loss. */
const WEIGHTS = { square: 0.5, edges: 0.6, kl: 2e-3 };

/** Settings of an autoencoder's training, all of which change its result. */
export interface AutoencoderSettings {
  /** Optimizer steps. */
  readonly steps: number;
  /** Frames of a step. */
  readonly batch: number;
  /** Peak learning rate of AdamW. */
  readonly lr: number;
  /** Steps until the peak. */
  readonly warmup: number;
  /** Seed of order, flips and noise. */
  readonly seed: number;
}

/** Square frames in memory. */
export interface FrameSet {
  /** Side in pixels. */
  readonly size: number;
  /** (n, size, size, 3) levels */
  readonly levels: Uint8Array;
}

/**
 * The loss of an autoencoder: mean |e| + 0.5 mean e^2 + 0.6 (mean |dx e| +
 * mean |dy e|) + 2e-3 KL, where e is the error of the reconstruction from
 * sampled latents, dx and dy its differences between neighbours, and KL the
 * divergence of the posterior from a standard normal, by value of the image.
 *
 * @param vae the network
 * @param images (B, height, width, 3) in [-1, 1]
 * @param noise streams of the latents' noise, one for each image
 * @returns ()
 */
export function autoencoderLoss(
  vae: AutoencoderKL,
  images: Tensor,
  noise: readonly Key[],
): Tensor {
  const [batch = 0, height = 0, width = 0] = images.shape;
  const posterior = vae.posterior(images);
  const error = sub(vae.reconstruct(vae.sample(posterior, noise)), images);
  const step = (axis: number, length: number) =>
    mean(abs(sub(
      slice(error, axis, 1, length),
      slice(error, axis, 0, length - 1),
    )));
  const { mean: centre, logvar } = posterior;
  const divergence = sub(add(pow(centre, 2), exp(logvar)), add(logvar, 1));
  const perValue = 0.5 * centre.size / (batch * 3 * height * width);
  return add(
    add(mean(abs(error)), mul(mean(pow(error, 2)), WEIGHTS.square)),
    add(
      mul(add(step(1, height), step(2, width)), WEIGHTS.edges),
      mul(mean(divergence), WEIGHTS.kl * perValue),
    ),
  );
}

/** Frames of a set as images in [-1, 1], some mirrored. */
function batchOf(
  gpu: Gpu,
  { size, levels }: FrameSet,
  rows: readonly number[],
  isMirrored: (i: number) => boolean = () => false,
): Tensor {
  const own = size * size * 3;
  const values = new Float32Array(rows.length * own);
  for (const [i, row] of rows.entries()) {
    const mirror = isMirrored(i);
    for (let p = 0; p < size * size; p++) {
      const x = p % size;
      const from = row * own + 3 * (mirror ? p - x + size - 1 - x : p);
      const to = i * own + 3 * p;
      for (let c = 0; c < 3; c++) {
        values[to + c] = levels[from + c]! / 127.5 - 1;
      }
    }
  }
  return tensor(gpu, values).reshape([rows.length, size, size, 3]);
}

/**
 * Trains an autoencoder. Its weights are then the averages over the last steps.
 *
 * Source: Kingma & Welling 2014; the recipe is this project's, for small
 * networks and frames, without an adversary.
 *
 * @param gpu device
 * @param vae the network, whose weights are those of `store`
 * @param store its weights; the present values are the first ones
 * @param frames to train on
 * @param settings all that changes the result
 * @param hooks checkpoint and progress
 * @returns the loss curve, or undefined if it was asked to stop
 * @throws {Error} if the loss is no longer finite, or the checkpoint belongs
 *   to other settings
 */
export async function trainAutoencoder(
  gpu: Gpu,
  vae: AutoencoderKL,
  store: ParameterStore,
  frames: FrameSet,
  settings: AutoencoderSettings,
  hooks: TrainingHooks,
): Promise<LossCurve | undefined> {
  const { steps, batch, lr, warmup, seed } = settings;
  const count = frames.levels.length / (frames.size ** 2 * 3);
  const indices = (step: number) =>
    Array.from({ length: batch }, (_, i) => step * batch + i);
  const ema = new Ema(store, 0.998);
  const curve = await runTraining(gpu, {
    store,
    optimizer: new AdamW(store, { lr, betas: [0.9, 0.99], weightDecay: 1e-4 }),
    ema,
    steps,
    rate: (step) =>
      lr * Math.min(1, (step + 1) / Math.max(1, warmup)) *
      (0.02 + 0.98 * 0.5 * (1 + Math.cos(Math.PI * step / steps))),
    decay: (step) => Math.min(0.998, (step + 1) / (step + 21)),
    clip: 1,
    loss: (step) => {
      const rows = indices(step)
        .map((k) => key("autoencoder frame", seed, k).integer(0, count));
      const mirrored = indices(step)
        .map((k) => key("autoencoder mirror", seed, k).uniform(0) < 0.5);
      const images = batchOf(gpu, frames, rows, (i) => mirrored[i] ?? false);
      const noise = indices(step)
        .map((k) => key("autoencoder noise", seed, k));
      return autoencoderLoss(vae, images, noise);
    },
  }, { stepsAtOnce: 5, ...hooks });
  if (curve) gpu.recorder.copyRange(ema.average, store.values);
  return curve;
}

/** How well an autoencoder does on frames. */
export interface AutoencoderQuality {
  /** Mean over frames of 10 log10(1 / mean squared error), in decibels. */
  readonly psnr: number;
  /** Standard deviation of the mean latents, not scaled. */
  readonly latentSpread: number;
}

/**
 * Measures the reconstruction from mean latents.
 *
 * @param gpu device
 * @param vae the network with its weights
 * @param frames to measure on
 * @param check called before every batch; what it throws ends the work
 */
export async function measureAutoencoder(
  gpu: Gpu,
  vae: AutoencoderKL,
  frames: FrameSet,
  check: () => void = () => {},
): Promise<AutoencoderQuality> {
  const own = frames.size ** 2 * 3;
  const count = frames.levels.length / own;
  let decibels = 0;
  let sum = 0;
  let squares = 0;
  let values = 0;
  for (let start = 0; start < count; start += 16) {
    check();
    using _ = gpu.scope();
    const rows = Array.from(
      { length: Math.min(16, count - start) },
      (_, i) => start + i,
    );
    const images = batchOf(gpu, frames, rows);
    const latents = noGrad(() => vae.posterior(images).mean);
    const back = await noGrad(() => vae.reconstruct(latents)).read();
    for (const value of await latents.read()) {
      sum += value;
      squares += value * value;
      values++;
    }
    for (let i = 0; i < rows.length; i++) {
      let error = 0;
      for (let k = 0; k < own; k++) {
        const got = Math.max(-1, Math.min(1, back[i * own + k]!));
        const wanted = frames.levels[(start + i) * own + k]! / 127.5 - 1;
        error += ((got - wanted) / 2) ** 2;
      }
      decibels -= 10 * Math.log10(error / own);
    }
  }
  const centre = sum / values;
  return {
    psnr: decibels / count,
    latentSpread: Math.sqrt(squares / values - centre * centre),
  };
}
