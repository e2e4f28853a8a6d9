import type { Gpu } from "../gpu/gpu.ts";
import type { CosineNoiseSchedule } from "../diffusion/noise_schedule.ts";
import {
  cleanOf,
  diffuse,
  noiseLevel,
  type Objective,
  trainingTarget,
} from "../diffusion/objective.ts";
import { type DdimOptions, ddimSample } from "../diffusion/ddim.ts";
import { guide } from "../diffusion/guidance.ts";
import { shuffledOrder } from "../data/windows.ts";
import {
  type AnchoredDitOptions,
  AnchoredVAEDiT,
} from "../models/anchored_dit.ts";
import { FourierActionEmbedding } from "../models/fourier_action.ts";
import { PatchMLPPredictor } from "../models/mlp_predictor.ts";
import { timestepFeatures } from "../models/timestep_embedding.ts";
import { Adam, Ema } from "../nn/optimizer.ts";
import { parameters, type ParameterStore } from "../nn/parameters.ts";
import { mse } from "../ops/mse.ts";
import { broadcastTo, mul } from "../ops/pointwise.ts";
import { noGrad } from "../tensor/autograd.ts";
import { tensor, zeros } from "../tensor/create.ts";
import { key } from "../tensor/philox.ts";
import { normal } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type LossCurve, runTraining, type TrainingHooks } from "./loop.ts";
import type { WindowBatch, WindowTokens } from "./window_tokens.ts";

/** How a world model is used and trained. */
export type Mode = "direct" | "diffusion" | "mlp";

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
  /** Chance that a sample's actions are hidden, in diffusion mode. */
  readonly actionDropout: number;
  /** What the network predicts, in diffusion mode. */
  readonly objective: Objective;
  /** Seed of weights, order, noise and dropout. */
  readonly seed: number;
}

/** A world model on the device with its action embedding. */
export class WorldModel implements Disposable {
  /** How it is used. */
  readonly mode: Mode;
  /** The network. */
  readonly network: AnchoredVAEDiT | PatchMLPPredictor;
  /** The action embedding. */
  readonly fourier: FourierActionEmbedding;
  /** All trained weights, in the groups "dit" and "fourier". */
  readonly weights: ParameterStore;
  readonly #gpu: Gpu;
  readonly #dim: number;
  readonly #objective: Objective;

  /**
   * Places a model on the device.
   *
   * @param gpu device
   * @param mode direct, diffusion or the MLP baseline
   * @param options sizes; the MLP takes patch and width from them
   * @param settings frequencies of the action embedding, hidden width of the
   *   MLP, what the network predicts, seed of the weights
   */
  constructor(gpu: Gpu, mode: Mode, options: AnchoredDitOptions, settings: {
    readonly frequencies: number;
    readonly learnedFrequencies?: boolean;
    readonly hidden: number;
    readonly objective: Objective;
    readonly seed: number;
  }) {
    this.mode = mode;
    this.#gpu = gpu;
    this.#dim = options.dim;
    this.#objective = settings.objective;
    this.network = mode === "mlp"
      ? new PatchMLPPredictor({
        patchDim: options.patchDim,
        actionDim: options.dim,
        hidden: settings.hidden,
      })
      : new AnchoredVAEDiT(options);
    this.fourier = new FourierActionEmbedding(
      options.dim,
      settings.frequencies,
      2,
      settings.learnedFrequencies,
    );
    const modules = { dit: this.network, fourier: this.fourier };
    this.weights = parameters(gpu, modules, { seed: settings.seed });
  }

  /** Trained values. */
  get parameterCount(): number {
    return this.weights.count;
  }

  /** (B, D) features of the diffusion steps. */
  #steps(steps: readonly number[]): Tensor {
    return tensor(this.#gpu, timestepFeatures(steps, this.#dim))
      .reshape([steps.length, this.#dim]);
  }

  /** The network's output; x is left out in direct mode. */
  #apply(
    present: Tensor,
    actions: Tensor,
    steps: readonly number[],
    x?: Tensor,
  ): Tensor {
    if (this.network instanceof PatchMLPPredictor) {
      return this.network.forward(present, actions);
    }
    const [batch = 0, tokens = 0, patch = 0] = present.shape;
    const horizon = actions.shape[1] ?? 0;
    const repeated = () =>
      broadcastTo(
        present.reshape([batch, 1, tokens, patch]),
        [batch, horizon, tokens, patch],
      ).reshape([batch, horizon * tokens, patch]);
    return this.network.forward({
      x: x ?? repeated(),
      present,
      actions,
      step: this.#steps(steps),
    });
  }

  /**
   * The training loss of a batch.
   *
   * @param batch windows
   * @param schedule noise schedule
   * @param settings seed, dropout, objective
   * @param samples number of each window's sample, which keys its randomness
   * @returns (), mean squared error over all values
   */
  loss(
    batch: WindowBatch,
    schedule: CosineNoiseSchedule,
    settings: TrainingSettings,
    samples: readonly number[],
  ): Tensor {
    const { present, future, features } = batch;
    const { seed } = settings;
    let actions = this.fourier.forward(features);
    if (this.network instanceof PatchMLPPredictor) {
      const keys = samples.map((k) => key("dropout", seed, k));
      return mse(this.network.forward(present, actions, keys), future);
    }
    if (this.mode === "direct") {
      return mse(this.#apply(present, actions, samples.map(() => 0)), future);
    }
    const steps = samples.map((k) =>
      key("diffusion step", seed, k).integer(0, schedule.steps)
    );
    const kept = samples.map((k) =>
      key("hidden actions", seed, k).uniform(0) < settings.actionDropout ? 0 : 1
    );
    actions = mul(
      actions,
      tensor(this.#gpu, Float32Array.from(kept)).reshape([kept.length, 1, 1]),
    );
    const noise = normal(
      this.#gpu,
      future.shape,
      samples.map((k) => key("training noise", seed, k)),
    );
    const level = noiseLevel(future, schedule, steps);
    const x = diffuse(future, noise, level);
    return mse(
      this.#apply(present, actions, steps, x),
      trainingTarget(this.#objective, future, noise, level),
    );
  }

  /**
   * Predicts the future in one pass (direct and MLP).
   *
   * @param batch windows
   * @returns (B, H S, P) normalized, owned by the innermost scope
   */
  predict(batch: WindowBatch): Tensor {
    using scope = this.#gpu.scope();
    return noGrad(() => {
      const actions = this.fourier.forward(batch.features);
      const steps = Array(batch.present.shape[0] ?? 0).fill(0);
      return scope.keep(this.#apply(batch.present, actions, steps));
    });
  }

  /**
   * Samples the future by diffusion.
   *
   * @param batch windows
   * @param schedule noise schedule
   * @param noise (B, H S, P) standard normal
   * @param options as of {@linkcode ddimSample}, and guidance scale (1 for
   *   none)
   * @returns (B, H S, P) normalized, owned by the innermost scope
   */
  sample(
    batch: WindowBatch,
    schedule: CosineNoiseSchedule,
    noise: Tensor,
    options: DdimOptions & { readonly guidance: number },
  ): Tensor {
    using scope = this.#gpu.scope();
    return noGrad(() => {
      const { present } = batch;
      const count = present.shape[0] ?? 0;
      const actions = this.fourier.forward(batch.features);
      const none = options.guidance === 1
        ? undefined
        : zeros(this.#gpu, actions.shape);
      return scope.keep(ddimSample(
        noise,
        (x, t) => {
          const { signal, noise: spread } = schedule.factors(t);
          const steps = Array(count).fill(t);
          const clean = (given: Tensor) =>
            cleanOf(
              this.#objective,
              this.#apply(present, given, steps, x),
              x,
              signal,
              spread,
            );
          const conditional = clean(actions);
          if (none === undefined) return conditional;
          return guide(conditional, clean(none), options.guidance);
        },
        schedule,
        options,
      ));
    });
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    this.weights[Symbol.dispose]();
  }
}

function rate(settings: TrainingSettings, step: number, steps: number): number {
  const { lr, warmup, lrEnd } = settings;
  const rise = Math.min(1, (step + 1) / Math.max(1, warmup));
  const fall = lrEnd +
    (1 - lrEnd) * 0.5 * (1 + Math.cos(Math.PI * step / steps));
  return lr * rise * fall;
}

/**
 * Trains a world model. The weights of the model are then the trained ones,
 * averaged where the settings ask for it.
 *
 * Sample k of the training is window k mod n of epoch k / n; noise and dropout
 * are keyed by k, so that a training that was stopped and continued gives the
 * same bits as one that was not.
 *
 * @param gpu device
 * @param model to train; its initial weights are used
 * @param data tokens
 * @param rows rows of the present frames of the training windows
 * @param schedule noise schedule
 * @param settings all that changes the result
 * @param hooks checkpoint and progress
 * @returns the loss curve, or undefined if it was asked to stop
 * @throws {Error} if the loss is no longer finite, or the checkpoint belongs
 *   to other settings
 */
export async function trainWorldModel(
  gpu: Gpu,
  model: WorldModel,
  data: WindowTokens,
  rows: readonly number[],
  schedule: CosineNoiseSchedule,
  settings: TrainingSettings,
  hooks: TrainingHooks,
): Promise<LossCurve | undefined> {
  const { batch } = settings;
  const steps = Math.floor(settings.samples / batch);
  let epoch = -1;
  let order = new Uint32Array();
  const rowOf = (sample: number) => {
    const now = Math.floor(sample / rows.length);
    if (now !== epoch) {
      epoch = now;
      order = shuffledOrder(rows.length, settings.seed, epoch);
    }
    return rows[order[sample % rows.length] ?? 0] ?? 0;
  };
  return await runTraining(gpu, {
    store: model.weights,
    optimizer: new Adam(model.weights, { lr: settings.lr }),
    ...(settings.ema > 0 ? { ema: new Ema(model.weights, settings.ema) } : {}),
    steps,
    rate: (step) => rate(settings, step, steps),
    decay: (step) =>
      settings.emaWarmup
        ? Math.min(settings.ema, (1 + step) / (10 + step))
        : settings.ema,
    clip: settings.clip,
    clipGroup: "dit",
    loss: (step) => {
      const samples = Array.from({ length: batch }, (_, i) => step * batch + i);
      const windows = data.batch(gpu, samples.map(rowOf));
      return model.loss(windows, schedule, settings, samples);
    },
  }, hooks);
}
