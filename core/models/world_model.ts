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
import { mul } from "../ops/pointwise.ts";
import { noGrad } from "../tensor/autograd.ts";
import { tensor, zeros } from "../tensor/create.ts";
import { key } from "../tensor/philox.ts";
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
   * The training loss of a batch.
   *
   * @param batch windows
   * @param options seed, numbers of the samples, share of hidden actions
   * @returns (), mean squared error over all values
   */
  loss(batch: WindowBatch, options: LossOptions): Tensor {
    const { present, future } = batch;
    const { seed, samples, actionDropout = 0 } = options;
    const keys = (name: string) => samples.map((k) => key(name, seed, k));
    const inputs: PredictorInputs = {
      present,
      actions: this.fourier.forward(batch.features), // (B, H, D)
      dropout: keys("dropout"),
    };
    const { objective, schedule } = this;
    if (objective === "direct") {
      return mse(this.network.forward(inputs), future);
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
    return mse(
      this.network.forward({ ...inputs, actions, noised: { x, t } }),
      trainingTarget(objective, future, noise, level),
    );
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
      const actions = this.fourier.forward(features);
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
      const actions = this.fourier.forward(features);
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
