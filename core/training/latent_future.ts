import type { Gpu } from "../gpu/gpu.ts";
import { fourierFeatures } from "../models/fourier_action.ts";
import {
  type LatentBatch,
  LatentFutureModel,
  type LatentFutureSpec,
  type LatentSampling,
  type LatentSizes,
} from "../models/latent_future.ts";
import type { StateDict } from "../nn/module.ts";
import { Adam, Ema } from "../nn/optimizer.ts";
import { parameters } from "../nn/parameters.ts";
import { gather } from "../ops/gather.ts";
import { noGrad } from "../tensor/autograd.ts";
import { tensor } from "../tensor/create.ts";
import { type Key, key } from "../tensor/philox.ts";
import { normal } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type LossCurve, runTraining, type TrainingHooks } from "./loop.ts";

/** Frames of scenes in the order of time, embedded and standardized. */
export interface LatentFrames {
  /** (N, S D) */
  readonly rows: Float32Array<ArrayBuffer>;
  /** (N, 2): steering, acceleration */
  readonly actions: Float32Array<ArrayBuffer>;
}

/** Budget of a training; all of it changes the result. */
export interface LatentTraining {
  /** Passes over all windows. */
  readonly epochs: number;
  /** Windows of a step; the last of a pass has what is left. */
  readonly batch: number;
  /** Learning rate of Adam. */
  readonly lr: number;
  /** Largest norm of the gradient; 0 for no clip. */
  readonly clip: number;
  /** Share of the averaged weights that a step keeps. */
  readonly decay: number;
  /** Seed of weights, order and noise. */
  readonly seed: number;
}

/** What a training leaves. */
export interface TrainedLatentFuture {
  /** Loss of every pass. */
  readonly curve: LossCurve;
  /** Weights of the last step. */
  readonly last: StateDict;
  /** Their averages. */
  readonly average: StateDict;
}

/** Frames on the device, from which windows are gathered. */
export class LatentWindows {
  readonly #gpu: Gpu;
  readonly #sizes: LatentSizes;
  readonly #rows: Tensor;
  readonly #features: Tensor;

  /**
   * Uploads frames, into the scope that is open.
   *
   * @param gpu device
   * @param frames embedded and standardized
   * @param sizes of the model
   */
  constructor(gpu: Gpu, frames: LatentFrames, sizes: LatentSizes) {
    const count = frames.actions.length / 2;
    const frequencies = sizes.frequencies ?? 64;
    this.#gpu = gpu;
    this.#sizes = sizes;
    this.#rows = tensor(gpu, frames.rows, [count, sizes.tokens * sizes.dim]);
    this.#features = tensor(
      gpu,
      fourierFeatures(frames.actions, 2, frequencies),
      [count, 4 * frequencies],
    );
  }

  #index(starts: readonly number[], from: number): Tensor {
    const { horizon } = this.#sizes;
    return tensor(
      this.#gpu,
      Uint32Array.from(
        starts.flatMap((row) =>
          Array.from({ length: horizon }, (_, k) => row + from + k)
        ),
      ),
    );
  }

  /**
   * Gathers the presents and actions of windows.
   *
   * @param starts row of each present
   */
  batch(starts: readonly number[]): LatentBatch {
    const { horizon, tokens, dim } = this.#sizes;
    const index = tensor(this.#gpu, Uint32Array.from(starts));
    return noGrad(() => ({
      present: gather(this.#rows, index)
        .reshape([starts.length, tokens, dim]),
      features: gather(this.#features, this.#index(starts, 0))
        .reshape([starts.length, horizon, -1]),
    }));
  }

  /**
   * Gathers the futures of windows.
   *
   * @param starts row of each present
   * @returns (B, H S, D)
   */
  future(starts: readonly number[]): Tensor {
    const { horizon, tokens, dim } = this.#sizes;
    return noGrad(() =>
      gather(this.#rows, this.#index(starts, 1))
        .reshape([starts.length, horizon * tokens, dim])
    );
  }
}

function checkStarts(
  starts: readonly number[],
  count: number,
  horizon: number,
): void {
  const wrong = starts.find((row) => row < 0 || row + horizon >= count);
  if (starts.length > 0 && wrong === undefined) return;
  throw new RangeError(
    starts.length === 0
      ? `Cannot train on 0 windows: needed scenes of more than ${horizon} keyframes`
      : `Cannot use a window at row ${wrong} of ${count}: needed ${horizon} rows after it`,
  );
}

/**
 * Trains a model of the diagnosis. Frames lie on the device; a step gathers
 * its windows by index.
 *
 * Source: Section 5.2; published code, `scripts/training/train_dit.py` and
 * its siblings: Adam, the last epoch is used.
 *
 * @param gpu device
 * @param spec which model
 * @param sizes of it
 * @param frames to train on
 * @param starts row of each window's present
 * @param settings budget
 * @param hooks checkpoint and progress
 * @returns undefined if it was asked to stop
 * @throws {RangeError} if there is no window, or one has too few rows after it
 * @throws {Error} if the loss is no longer finite
 */
export async function trainLatentFuture(
  gpu: Gpu,
  spec: LatentFutureSpec,
  sizes: LatentSizes,
  frames: LatentFrames,
  starts: readonly number[],
  settings: LatentTraining,
  hooks: TrainingHooks,
): Promise<TrainedLatentFuture | undefined> {
  const { horizon, tokens, dim } = sizes;
  const { epochs, batch, lr, clip, decay, seed } = settings;
  checkStarts(starts, frames.actions.length / 2, horizon);
  const model = new LatentFutureModel(spec, sizes);
  using store = parameters(gpu, model, { seed });
  using _ = gpu.scope();
  const windows = new LatentWindows(gpu, frames, sizes);
  const perEpoch = Math.ceil(starts.length / batch);
  let order: { epoch: number; rows: Uint32Array } | undefined;
  const ema = new Ema(store, decay);
  const curve = await runTraining(gpu, {
    ...{ store, ema, clip },
    optimizer: new Adam(store, { lr }),
    steps: epochs * perEpoch,
    rate: () => lr,
    decay: () => decay,
    loss: (step) => {
      const epoch = Math.floor(step / perEpoch);
      if (order?.epoch !== epoch) {
        const rows = key("latent order", seed, epoch)
          .permutation(starts.length);
        order = { epoch, rows };
      }
      const first = step % perEpoch * batch;
      const own = [...order.rows.subarray(first, first + batch)]
        .map((i) => starts[i]!);
      const keys = own.map((_, i) => key("latent step", seed, step, i));
      const noise = model.isDiffusion
        ? normal(gpu, [own.length, horizon * tokens, dim], keys)
        : undefined;
      return model.loss(
        windows.batch(own),
        windows.future(own),
        noise,
        keys.map((one) => one.fold(1).integer(0, 1000)),
        keys.map((one) => one.fold(2)),
      );
    },
  }, { stepsAtOnce: perEpoch, ...hooks });
  if (curve === undefined) return undefined;
  const last = await model.stateDict();
  using _averaged = ema.applied();
  return { curve, last, average: await model.stateDict() };
}

/** A model whose futures are wanted. */
export interface LatentPrediction {
  /** Placed on the device. */
  readonly model: LatentFutureModel;
  /** Sizes that it was made with. */
  readonly sizes: LatentSizes;
  /** Frames, standardized. */
  readonly frames: LatentFrames;
  /** Row of each window's present. */
  readonly starts: readonly number[];
  /** Windows at a time. */
  readonly batch: number;
  /** Stream of a window's noise, by its number. */
  readonly noise: (window: number) => Key;
  /** Of the sampler. */
  readonly options?: LatentSampling;
}

/**
 * Predicts the futures of windows, some at a time.
 *
 * @param gpu device
 * @param of model and windows
 * @param each gets the number of the first window of a batch and its futures,
 *   (B, H, S, D) standardized
 */
export async function predictLatents(
  gpu: Gpu,
  of: LatentPrediction,
  each: (first: number, futures: Float32Array) => void,
): Promise<void> {
  const { model, sizes, frames, starts, batch } = of;
  const { horizon, tokens, dim } = sizes;
  using _ = gpu.scope();
  const windows = new LatentWindows(gpu, frames, sizes);
  for (let first = 0; first < starts.length; first += batch) {
    using _ = gpu.scope();
    const own = starts.slice(first, first + batch);
    const y = noGrad(() => {
      const noise = model.isDiffusion
        ? normal(
          gpu,
          [own.length, horizon * tokens, dim],
          own.map((_, i) => of.noise(first + i)),
        )
        : undefined;
      return model.predict(windows.batch(own), noise, of.options);
    });
    each(first, await y.read() as Float32Array);
  }
}
