import type { Gpu } from "../gpu/gpu.ts";
import { ddimSample } from "../diffusion/ddim.ts";
import { guide } from "../diffusion/guidance.ts";
import { CosineNoiseSchedule } from "../diffusion/noise_schedule.ts";
import {
  cleanOf,
  diffuse,
  noiseLevel,
  type Objective,
  trainingTarget,
} from "../diffusion/objective.ts";
import { Module } from "../nn/module.ts";
import { parameters, type ParameterStore } from "../nn/parameters.ts";
import { mse } from "../ops/mse.ts";
import { slice } from "../ops/concat.ts";
import { add, mul, sub } from "../ops/pointwise.ts";
import { noGrad } from "../tensor/autograd.ts";
import { tensor, zeros } from "../tensor/create.ts";
import { type Key, key } from "../tensor/philox.ts";
import { normal } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type AnchoredDitOptions, AnchoredVAEDiT } from "./anchored_dit.ts";
import { FourierActionEmbedding } from "./fourier_action.ts";
import type { Conditions, FutureModel, SampleOptions } from "./future_model.ts";
import { PatchMLPPredictor } from "./mlp_predictor.ts";
import type { Predictor, PredictorInputs } from "./predictor.ts";

/** A batch of windows on the device: conditions, and what came of them. */
export interface WindowBatch extends Conditions {
  /** (B, H S, P) normalized tokens */
  readonly future: Tensor;
}

/** What a world model is trained for: one pass, or the part of a diffusion. */
export type WorldObjective = "direct" | Objective;

/** Parts of a {@linkcode WorldModel}. */
export interface WorldModelParts {
  /** Predicts; its parameters are on no device yet, but may be loaded. */
  readonly network: Predictor;
  /** Embeds actions, as `network`. */
  readonly fourier: FourierActionEmbedding;
  /** What it is trained for. */
  readonly objective: WorldObjective;
  /** Noise of the diffusion. Default 1000 steps. */
  readonly schedule?: CosineNoiseSchedule;
  /** Seed of the weights that are not loaded. Default 0. */
  readonly seed?: number;
}

/** Options of {@linkcode createWorldModel}; the MLP has width and patch only. */
export interface WorldModelOptions
  extends AnchoredDitOptions, Pick<WorldModelParts, "schedule" | "seed"> {
  /** The transformer or the baseline without attention. */
  readonly network: "dit" | "mlp";
  /** What it is trained for; the MLP predicts in one pass. */
  readonly objective: WorldObjective;
  /** Frequencies of the action embedding for each component. Default 64. */
  readonly frequencies?: number;
  /** Whether these are trained. Default false. */
  readonly learnedFrequencies?: boolean;
  /** Hidden width of the MLP. Default 1024. */
  readonly hidden?: number;
}

/** What {@linkcode WorldModel.loss} needs beside windows. */
export interface LossOptions {
  /** Seed of noise, dropout and hidden actions. */
  readonly seed: number;
  /** (B) number of each window's sample, which keys its randomness. */
  readonly samples: readonly number[];
  /** Chance that a sample's actions are hidden, in diffusion. Default 0. */
  readonly actionDropout?: number;
  /**
   * Largest deviation of noise on the present, in units of normalized tokens:
   * each sample's is uniform below it. Default 0.
   */
  readonly presentNoise?: number;
  /**
   * Weight of the temporal-difference loss, see {@linkcode temporalDifference}.
   * Default 0, for none.
   */
  readonly motionWeight?: number;
}

/**
 * The loss of changes from frame to frame: the mean squared error of
 * x(h + 1) - x(h) over the H - 1 pairs of frames.
 *
 * Source: published code, the motion-targeted fine-tuning.
 *
 * @param x (B, H S, P) predicted tokens, frame after frame
 * @param y same shape, the true ones
 * @param horizon H, at least 2
 * @returns ()
 * @throws {RangeError} if there is one frame, or tokens are not whole frames
 */
export function temporalDifference(
  x: Tensor,
  y: Tensor,
  horizon: number,
): Tensor {
  const [batch = 0, tokens = 0, width = 0] = x.shape;
  if (horizon < 2 || tokens % horizon !== 0) {
    throw new RangeError(
      `Cannot find changes in ${tokens} tokens of ${horizon} frames: needed at least 2 frames of equally many tokens`,
    );
  }
  // The difference is linear: of the errors it is the error of the differences.
  const error = sub(x, y).reshape([batch, horizon, tokens / horizon * width]);
  const later = slice(error, 1, 1, horizon); // (B, H - 1, S P)
  return mse(later, slice(error, 1, 0, horizon - 1));
}

/**
 * A world model on the device: a network that predicts future tokens, and the
 * embedding of the actions.
 *
 * In state dicts the network is `dit`, whichever it is, and the embedding
 * `fourier`, as in the published checkpoints.
 */
export class WorldModel extends Module implements FutureModel {
  /** Predicts. */
  readonly network: Predictor;
  /** Embeds actions. */
  readonly fourier: FourierActionEmbedding;
  /** What it is trained for. */
  readonly objective: WorldObjective;
  /** Noise of the diffusion. */
  readonly schedule: CosineNoiseSchedule;
  /** All trained weights, in the groups "dit" and "fourier". */
  readonly weights: ParameterStore;
  readonly #gpu: Gpu;

  /**
   * Places a model on the device.
   *
   * @param gpu device
   * @param parts network, action embedding, objective
   * @throws {TypeError} if the objective is of a diffusion and the network
   *   takes no noised future
   */
  constructor(gpu: Gpu, parts: WorldModelParts) {
    super();
    const { network, fourier, objective } = parts;
    if (objective !== "direct" && !network.takesNoised) {
      throw new TypeError(
        `Cannot make a world model of ${network.constructor.name} with objective "${objective}": it takes no noised future, it needs objective "direct"`,
      );
    }
    this.network = network;
    this.fourier = fourier;
    this.objective = objective;
    this.schedule = parts.schedule ?? new CosineNoiseSchedule();
    this.#gpu = gpu;
    const modules = { dit: network, fourier };
    this.weights = parameters(gpu, modules, { seed: parts.seed ?? 0 });
  }

  /** The network and the embedding under their published names. */
  protected override *members(): Generator<[string, unknown]> {
    yield ["dit", this.network];
    yield ["fourier", this.fourier];
  }

  /**
   * Embeds actions.
   *
   * @param features (B, H, features)
   * @returns (B, H, D)
   */
  protected embed(features: Tensor): Tensor {
    return this.fourier.forward(features);
  }

  /**
   * The training loss of a batch. Noise on the present is on the anchor and on
   * what the network sees of it: conditioning augmentation, for roll-outs.
   *
   * Source: published code; for the noise on the present, `rollaug`.
   *
   * @param batch windows
   * @param options seed, numbers of the samples, share of hidden actions
   * @returns (), mean squared error over all values, and the weighted
   *   temporal-difference loss
   * @throws {TypeError} if that has weight and the network predicts no clean
   *   tokens
   */
  loss(batch: WindowBatch, options: LossOptions): Tensor {
    const { future } = batch;
    const { seed, samples, actionDropout = 0 } = options;
    const { presentNoise = 0, motionWeight = 0 } = options;
    const keys = (name: string) => samples.map((k) => key(name, seed, k));
    const present = this.#noised(batch.present, presentNoise, keys);
    const inputs: PredictorInputs = {
      present,
      actions: this.embed(batch.features), // (B, H, D)
      dropout: keys("dropout"),
    };
    const { objective, schedule } = this;
    const isClean = objective === "direct" || objective === "x0";
    if (motionWeight !== 0 && !isClean) {
      throw new TypeError(
        `Cannot weigh changes from frame to frame: the objective is "${objective}", needed "x0" or "direct"`,
      );
    }
    const horizon = inputs.actions.shape[1] ?? 0;
    const lossOf = (prediction: Tensor, target: Tensor) => {
      const loss = mse(prediction, target);
      if (motionWeight === 0) return loss;
      const changes = temporalDifference(prediction, target, horizon);
      return add(loss, mul(changes, motionWeight));
    };
    if (objective === "direct") {
      return lossOf(this.network.forward(inputs), future);
    }
    const t = keys("diffusion step").map((k) => k.integer(0, schedule.steps));
    const kept = keys("hidden actions")
      .map((k) => k.uniform(0) < actionDropout ? 0 : 1);
    const actions = mul(
      inputs.actions,
      tensor(this.#gpu, Float32Array.from(kept)).reshape([kept.length, 1, 1]),
    );
    const noise = normal(this.#gpu, future.shape, keys("training noise"));
    const level = noiseLevel(future, schedule, t);
    const x = diffuse(future, noise, level); // (B, H S, P)
    return lossOf(
      this.network.forward({ ...inputs, actions, noised: { x, t } }),
      trainingTarget(objective, future, noise, level),
    );
  }

  /** Adds noise to presents, of a level of its own to each. */
  #noised(
    present: Tensor,
    most: number,
    keys: (name: string) => Key[],
  ): Tensor {
    if (most === 0) return present;
    const levels = keys("present noise level").map((k) => most * k.uniform(0));
    const level = tensor(this.#gpu, Float32Array.from(levels))
      .reshape([levels.length, 1, 1]);
    const noise = normal(this.#gpu, present.shape, keys("present noise"));
    return add(present, mul(noise, level));
  }

  /**
   * Predicts the future in one pass.
   *
   * @param given present and actions
   * @returns (B, H S, P) normalized tokens, owned by the innermost scope
   * @throws {TypeError} if the model is one of diffusion
   */
  predict({ present, features }: Conditions): Tensor {
    if (this.objective !== "direct") {
      throw new TypeError(
        `Cannot predict in one pass: the objective is "${this.objective}", not "direct"; sample from noise`,
      );
    }
    using scope = this.#gpu.scope();
    return noGrad(() => {
      const actions = this.embed(features);
      return scope.keep(this.network.forward({ present, actions }));
    });
  }

  /**
   * Samples the future by diffusion.
   *
   * @param given present and actions
   * @param noise (B, H S, P) standard normal
   * @param options steps, a check before each of them, guidance
   * @returns (B, H S, P) normalized tokens, owned by the innermost scope
   * @throws {TypeError} if the model predicts in one pass
   */
  sample(
    { present, features }: Conditions,
    noise: Tensor,
    options: SampleOptions = {},
  ): Tensor {
    const { objective, schedule } = this;
    if (objective === "direct") {
      throw new TypeError(
        'Cannot sample from noise: the objective is "direct"; predict in one pass',
      );
    }
    const { guidance = 1 } = options;
    const [batch = 0] = present.shape;
    using scope = this.#gpu.scope();
    return noGrad(() => {
      const actions = this.embed(features);
      const hidden = guidance === 1
        ? undefined
        : zeros(this.#gpu, actions.shape);
      const predict = (x: Tensor, t: number) => {
        const { signal, noise } = schedule.factors(t);
        const noised = { x, t: Array<number>(batch).fill(t) };
        const clean = (actions: Tensor) => {
          const y = this.network.forward({ present, actions, noised });
          return cleanOf(objective, y, x, signal, noise);
        };
        const conditional = clean(actions);
        if (hidden === undefined) return conditional;
        return guide(conditional, clean(hidden), guidance);
      };
      return scope.keep(ddimSample(noise, predict, schedule, options));
    });
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    this.weights[Symbol.dispose]();
  }
}

/**
 * Makes a world model with initial weights.
 *
 * @param gpu device
 * @param options network, objective, sizes, seed
 * @throws {TypeError} if the objective is of a diffusion and the network takes
 *   no noised future
 */
export function createWorldModel(
  gpu: Gpu,
  options: WorldModelOptions,
): WorldModel {
  const { dim, patchDim, hidden, frequencies } = options;
  const network = options.network === "dit"
    ? new AnchoredVAEDiT(options)
    : new PatchMLPPredictor({
      patchDim,
      actionDim: dim,
      ...(hidden === undefined ? {} : { hidden }),
    });
  const fourier = new FourierActionEmbedding(
    dim,
    frequencies,
    2,
    options.learnedFrequencies,
  );
  return new WorldModel(gpu, { ...options, network, fourier });
}
