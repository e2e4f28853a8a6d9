import {
  cleanOf,
  diffuse,
  noiseLevel,
  type Objective,
  trainingTarget,
} from "../diffusion/objective.ts";
import { ddimSample } from "../diffusion/ddim.ts";
import { guide } from "../diffusion/guidance.ts";
import { CosineNoiseSchedule } from "../diffusion/noise_schedule.ts";
import {
  floorTimesteps,
  noisedTo,
  stepsFrom,
} from "../diffusion/warm_start.ts";
import { Module } from "../nn/module.ts";
import { slice } from "../ops/concat.ts";
import { mse } from "../ops/mse.ts";
import { add, broadcastTo, sub } from "../ops/pointwise.ts";
import { zeros } from "../tensor/create.ts";
import type { Key } from "../tensor/philox.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { FourierActionEmbedding } from "./fourier_action.ts";
import {
  LatentDiT,
  LatentDiTDirect,
  type NoisedLatents,
} from "./latent_dit.ts";
import { LatentPredictor } from "./latent_predictor.ts";
import { PatchMLPPredictor } from "./mlp_predictor.ts";
import { AnchoredSpatialDiT, SpatialTemporalDiT } from "./spatial_dit.ts";

/** What is built, and what it is trained to predict. */
export interface LatentFutureSpec {
  /**
   * "dit" and "dit-direct" over pooled latents, "mlp" without attention;
   * "spatial" and "anchored" over grids of tokens, "token-mlp" without
   * attention, anchored.
   */
  readonly network:
    | "dit"
    | "dit-direct"
    | "mlp"
    | "spatial"
    | "anchored"
    | "token-mlp";
  /** What a step of diffusion predicts; "direct" for one pass. */
  readonly objective: Objective | "direct";
  /** Whether the change from the present is predicted, not the future. */
  readonly residual?: boolean;
  /** What it knows of the actions. */
  readonly actions: "none" | "single" | "sequence";
  /** Whether the tokens of a "dit" know their place. Default false. */
  readonly positions?: boolean;
  /** Width of hidden layers, of those without attention. */
  readonly hidden?: number;
}

/** Sizes that all models of a comparison share. */
export interface LatentSizes {
  /** Steps predicted, H. */
  readonly horizon: number;
  /** Tokens of a frame, S; 1 for pooled latents. */
  readonly tokens: number;
  /** Width of a token, D. */
  readonly dim: number;
  /** Transformer blocks. */
  readonly blocks: number;
  /** Attention heads. */
  readonly heads: number;
  /** Fourier frequencies of an action's component. Default 64. */
  readonly frequencies?: number;
}

/** Windows on the device, standardized. */
export interface LatentBatch {
  /** (B, S, D) */
  readonly present: Tensor;
  /** (B, H, 4 F) Fourier features of the actions at t, ..., t + H - 1 */
  readonly features: Tensor;
}

/** How a model is sampled. */
export interface LatentSampling {
  /** Steps of the sampler; any number up to 1000. Default 50. */
  readonly steps?: number;
  /** Diffusion step up to which the present is noised to start there. */
  readonly start?: number;
  /** A model without actions to move away from, and how far. */
  readonly guidance?: {
    readonly model: LatentFutureModel;
    readonly scale: number;
  };
}

const schedule = new CosineNoiseSchedule();

/** The networks of the diagnosis. */
export type LatentNetwork =
  | LatentDiT
  | LatentDiTDirect
  | LatentPredictor
  | SpatialTemporalDiT
  | PatchMLPPredictor;

function build(spec: LatentFutureSpec, sizes: LatentSizes): LatentNetwork {
  const { horizon, tokens, dim } = sizes;
  const { network, positions = false, hidden } = spec;
  const width = hidden === undefined ? {} : { hidden };
  switch (network) {
    case "dit":
      return new LatentDiT({ ...sizes, positions });
    case "dit-direct":
      return new LatentDiTDirect(sizes);
    case "mlp": {
      const isFlat = spec.actions === "sequence";
      return new LatentPredictor({
        ...{ horizon, dim, ...width },
        actions: isFlat ? horizon : 1,
        activation: isFlat ? "relu" : "gelu",
      });
    }
    case "spatial":
      return new SpatialTemporalDiT({ ...sizes, tokens });
    case "anchored":
      return new AnchoredSpatialDiT({ ...sizes, tokens });
    case "token-mlp":
      return new PatchMLPPredictor({
        ...{ patchDim: dim, actionDim: dim, ...width },
      });
  }
}

/** A model of the diagnosis with its action embedding: losses and samples. */
export class LatentFutureModel extends Module {
  /** `network`, under the published names */
  readonly network: LatentNetwork;
  /** `fourier.freqs`, `fourier.proj.0`, `fourier.proj.2` */
  readonly fourier: FourierActionEmbedding;
  readonly #spec: LatentFutureSpec;
  readonly #sizes: LatentSizes;

  /**
   * Makes it on no device.
   *
   * @param spec what is built
   * @param sizes of all models that are compared
   */
  constructor(spec: LatentFutureSpec, sizes: LatentSizes) {
    super();
    this.network = build(spec, sizes);
    this.fourier = new FourierActionEmbedding(sizes.dim, sizes.frequencies);
    this.#spec = spec;
    this.#sizes = sizes;
  }

  /** Whether it has to be sampled. */
  get isDiffusion(): boolean {
    return this.#spec.objective !== "direct";
  }

  /** (B, 1 or H, D) */
  #actions(features: Tensor): Tensor {
    const { horizon, dim } = this.#sizes;
    const [batch = 0] = features.shape;
    const { actions, network } = this.#spec;
    const isEach = network === "spatial" || network === "anchored" ||
      network === "token-mlp";
    const spread = (x: Tensor) =>
      isEach ? broadcastTo(x, [batch, horizon, dim]) : x;
    if (actions === "none") {
      return spread(zeros(features.gpu, [batch, 1, dim]));
    }
    if (actions === "sequence") return this.fourier.forward(features);
    return spread(this.fourier.forward(slice(features, 1, 0, 1)));
  }

  /** (B, H S, D): what the network gives. */
  #apply(
    { present, features }: LatentBatch,
    noised?: NoisedLatents,
    keys?: readonly Key[],
  ): Tensor {
    const actions = this.#actions(features);
    const { network } = this;
    const [batch = 0, , dim = 0] = present.shape;
    if (network instanceof SpatialTemporalDiT) {
      return network.forward(present, actions, noised);
    }
    if (network instanceof PatchMLPPredictor) {
      return network.forward({
        ...{ present, actions, ...(keys ? { dropout: keys } : {}) },
      });
    }
    const pooled = present.reshape([batch, dim]);
    if (network instanceof LatentDiT) {
      return network.forward(noised!, pooled, actions);
    }
    return network.forward(pooled, actions);
  }

  /** (B, H S, D): the present in every step. */
  #repeated(present: Tensor): Tensor {
    const { horizon, tokens, dim } = this.#sizes;
    const [batch = 0] = present.shape;
    return broadcastTo(
      present.reshape([batch, 1, tokens, dim]),
      [batch, horizon, tokens, dim],
    ).reshape([batch, horizon * tokens, dim]);
  }

  /**
   * The loss of a step: the mean squared error of what it predicts.
   *
   * @param batch windows
   * @param future (B, H S, D) standardized
   * @param noise (B, H S, D) standard normal; not looked at in one pass
   * @param t diffusion step of each sample
   * @param keys streams of the dropout, where the network has one
   */
  loss(
    batch: LatentBatch,
    future: Tensor,
    noise: Tensor | undefined,
    t: readonly number[],
    keys?: readonly Key[],
  ): Tensor {
    const { objective, residual } = this.#spec;
    const x0 = residual ? sub(future, this.#repeated(batch.present)) : future;
    if (objective === "direct") {
      return mse(this.#apply(batch, undefined, keys), x0);
    }
    const level = noiseLevel(x0, schedule, t);
    const x = diffuse(x0, noise!, level);
    const target = trainingTarget(objective, x0, noise!, level);
    return mse(this.#apply(batch, { x, t }), target);
  }

  /**
   * Predicts futures, by DDIM where it is a diffusion.
   *
   * @param batch windows
   * @param noise (B, H S, D) standard normal; not looked at in one pass
   * @param options of the sampler
   * @returns (B, H S, D) standardized
   */
  predict(
    batch: LatentBatch,
    noise: Tensor | undefined,
    options: LatentSampling = {},
  ): Tensor {
    const { objective, residual } = this.#spec;
    const here = this.#repeated(batch.present);
    let y: Tensor;
    if (objective === "direct") y = this.#apply(batch);
    else {
      const all = floorTimesteps(schedule, options.steps ?? 50);
      const { start, guidance } = options;
      const timesteps = start === undefined ? all : stepsFrom(all, start);
      const x = start === undefined
        ? noise!
        : noisedTo(here, noise!, schedule, timesteps[0]!);
      const clean = (x: Tensor, t: number) => {
        const own = this.clean(batch, x, t);
        return guidance === undefined
          ? own
          : guide(own, guidance.model.clean(batch, x, t), guidance.scale);
      };
      y = ddimSample(x, clean, schedule, { timesteps });
    }
    return residual ? add(y, here) : y;
  }

  /**
   * The clean latents that the network sees in noised ones.
   *
   * @param batch windows
   * @param x (B, H S, D) noised
   * @param t diffusion step
   */
  clean(batch: LatentBatch, x: Tensor, t: number): Tensor {
    const { objective } = this.#spec;
    const [count = 0] = x.shape;
    const y = this.#apply(batch, { x, t: Array<number>(count).fill(t) });
    const { signal, noise } = schedule.factors(t);
    return cleanOf(objective as Objective, y, x, signal, noise);
  }
}
