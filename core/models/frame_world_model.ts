import { ddimSample } from "../diffusion/ddim.ts";
import { guide } from "../diffusion/guidance.ts";
import { CosineNoiseSchedule } from "../diffusion/noise_schedule.ts";
import {
  cleanOf,
  diffuse,
  noiseLevel,
  trainingTarget,
} from "../diffusion/objective.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { Module } from "../nn/module.ts";
import { parameters, type ParameterStore } from "../nn/parameters.ts";
import { chunk, concat, slice } from "../ops/concat.ts";
import { mse } from "../ops/mse.ts";
import { add, mul } from "../ops/pointwise.ts";
import { noGrad } from "../tensor/autograd.ts";
import { tensor, zeros } from "../tensor/create.ts";
import { key } from "../tensor/philox.ts";
import { normal } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { FourierActionEmbedding } from "./fourier_action.ts";
import {
  FrameDiT,
  type FrameDitOptions,
  type FrameInputs,
} from "./frame_dit.ts";
import type { Conditions, FutureModel, SampleOptions } from "./future_model.ts";

/** What a frame is predicted from: two frames, and the action after them. */
export type FrameContext = Pick<
  FrameInputs,
  "last" | "previous" | "hasPrevious"
>;

/** Frames that follow one another, on the device. */
export interface FrameBatch extends FrameContext {
  /** (B, S, P) normalized tokens of the frame after `last` */
  readonly next: Tensor;
  /** (B, 1, features) Fourier features of the action between, or the action */
  readonly features: Tensor;
}

/** What a future is predicted from, with the frame before the present. */
export interface FrameConditions extends Conditions {
  /** (B, S, P) normalized tokens of the frame before; absent for none */
  readonly previous?: Tensor;
}

/** Options of a {@linkcode FrameWorldModel}. */
export interface FrameWorldModelOptions extends FrameDitOptions {
  /** Regression in one pass a frame, or diffusion with a v head. */
  readonly objective: "direct" | "v";
  /** Frequencies of the action embedding for each component. Default 64. */
  readonly frequencies?: number;
  /** Whether these are trained. Default false. */
  readonly learnedFrequencies?: boolean;
  /** Seed of the weights. Default 0. */
  readonly seed?: number;
}

/** What {@linkcode FrameWorldModel.loss} needs beside frames. */
export interface FrameLossOptions {
  /** Seed of noise and hidden actions. */
  readonly seed: number;
  /** (B) number of each pair's sample, which keys its randomness. */
  readonly samples: readonly number[];
  /** Chance that a sample's action is hidden, in diffusion. Default 0. */
  readonly actionDropout?: number;
  /** Chance that a sample's context is noised, in diffusion. Default 0. */
  readonly contextNoiseShare?: number;
  /** Largest deviation of that noise, which is uniform from 0. Default 0. */
  readonly contextNoise?: number;
}

/**
 * Deviation of the noise below which the loss counts errors of the clean frame
 * no more: x0 errors are weighted by 1 / max(sigma^2, LEAST_NOISE^2).
 */
const LEAST_NOISE = 0.05;

/**
 * A world model that predicts one frame at a time: each from the two before it,
 * which are predictions themselves after the first.
 *
 * A diffusion predicts v, and the clean frame is signal x - noise v; its loss is
 * the error of the clean frame over max(sigma^2, 0.0025), that is of v but for
 * the lowest noise. Regression adds the network's result to the last frame.
 *
 * In state dicts the network is `dit` and the embedding `fourier`, as those of
 * the models that predict all frames at once.
 *
 * Source: not in the paper; v as Salimans & Ho 2022, noise on the context as Ho
 * et al. 2022 (cascaded diffusion).
 */
export class FrameWorldModel extends Module implements FutureModel {
  /** Predicts a frame. */
  readonly network: FrameDiT;
  /** Embeds actions. */
  readonly fourier: FourierActionEmbedding;
  /** What it is trained for. */
  readonly objective: "direct" | "v";
  /** Noise of the diffusion. */
  readonly schedule: CosineNoiseSchedule = new CosineNoiseSchedule();
  /** All trained weights, in the groups "dit" and "fourier". */
  readonly weights: ParameterStore;
  readonly #gpu: Gpu;

  /**
   * Places a model on the device.
   *
   * @param gpu device
   * @param options sizes, objective, seed
   * @throws {RangeError} if the patch does not divide the sides
   */
  constructor(gpu: Gpu, options: FrameWorldModelOptions) {
    super();
    this.network = new FrameDiT(options);
    this.fourier = new FourierActionEmbedding(
      options.dim,
      options.frequencies,
      2,
      options.learnedFrequencies,
    );
    this.objective = options.objective;
    this.#gpu = gpu;
    const modules = { dit: this.network, fourier: this.fourier };
    this.weights = parameters(gpu, modules, { seed: options.seed ?? 0 });
  }

  /** The network and the embedding under their names in state dicts. */
  protected override *members(): Generator<[string, unknown]> {
    yield ["dit", this.network];
    yield ["fourier", this.fourier];
  }

  /**
   * The training loss of a batch.
   *
   * @param batch frames and actions
   * @param options seed, numbers of the samples, hidden actions, context noise
   * @returns (), mean over all values
   */
  loss(batch: FrameBatch, options: FrameLossOptions): Tensor {
    const { seed, samples } = options;
    const { next } = batch;
    const action = this.#actions(batch.features)[0]!; // (B, D)
    if (this.objective === "direct") {
      return mse(this.#regress(batch, action), next);
    }
    const keys = (name: string) => samples.map((k) => key(name, seed, k));
    const column = (values: readonly number[], ...axes: number[]) =>
      tensor(this.#gpu, Float32Array.from(values))
        .reshape([values.length, ...axes]);
    const kept = keys("hidden actions")
      .map((k) => k.uniform(0) < (options.actionDropout ?? 0) ? 0 : 1);
    const t = keys("diffusion step")
      .map((k) => k.integer(0, this.schedule.steps));
    const noise = normal(this.#gpu, next.shape, keys("training noise"));
    const level = noiseLevel(next, this.schedule, t);
    const v = this.network.forward({
      ...this.#noisedContext(batch, options),
      x: diffuse(next, noise, level), // (B, S, P)
      t,
      action: mul(action, column(kept, 1)),
    });
    // sigma (v - v_hat) is the error of the clean frame.
    const weight = column(
      t.map((step) => {
        const { noise: sigma } = this.schedule.factors(step);
        return sigma / Math.max(sigma, LEAST_NOISE);
      }),
      1,
      1,
    );
    const target = trainingTarget("v", next, noise, level);
    return mse(mul(v, weight), mul(target, weight));
  }

  /** Noise of one deviation on both frames of some samples' context. */
  #noisedContext(
    { last, previous, hasPrevious }: FrameContext,
    { seed, samples, contextNoiseShare = 0, contextNoise = 0 }:
      FrameLossOptions,
  ): FrameContext {
    const keys = (name: string) => samples.map((k) => key(name, seed, k));
    const deviations = keys("noised context").map((k) =>
      k.uniform(0) < contextNoiseShare ? contextNoise * k.uniform(1) : 0
    );
    const noised = (frame: Tensor, stream: string, shown: readonly number[]) =>
      add(
        frame,
        mul(
          normal(this.#gpu, frame.shape, keys(stream)),
          tensor(
            this.#gpu,
            Float32Array.from(deviations, (std, i) => std * shown[i]!),
          ).reshape([samples.length, 1, 1]),
        ),
      );
    const all = samples.map(() => 1);
    return {
      last: noised(last, "noise of the last frame", all),
      previous: noised(previous, "noise of the frame before", hasPrevious),
      hasPrevious,
    };
  }

  /** (B, S, P): the last frame and what the network adds. */
  #regress(
    { last, previous, hasPrevious }: FrameContext,
    action: Tensor,
  ): Tensor {
    const t = hasPrevious.map(() => 0);
    const change = this.network.forward({
      ...{ x: last, t, last, previous, hasPrevious, action },
    });
    return add(last, change);
  }

  /** (B, D) of each step: embedded actions. */
  #actions(features: Tensor): Tensor[] {
    const [batch = 0, horizon = 0] = features.shape;
    const embedded = this.fourier.forward(features); // (B, H, D)
    return Array.from(
      { length: horizon },
      (_, h) =>
        slice(embedded, 1, h, h + 1).reshape([batch, embedded.shape[2]!]),
    );
  }

  /** Predicts frame after frame, each from the two before it. */
  #unroll(
    { present, features, previous: before }: FrameConditions,
    predict: (context: FrameContext, action: Tensor, step: number) => Tensor,
  ): Tensor {
    const [batch = 0] = present.shape;
    using scope = this.#gpu.scope();
    return noGrad(() => {
      const frames: Tensor[] = [];
      for (const [step, action] of this.#actions(features).entries()) {
        const isShown = step > 0 || before !== undefined;
        const hasPrevious = Array<number>(batch).fill(isShown ? 1 : 0);
        const last = frames.at(-1) ?? present;
        const previous = step === 0
          ? before ?? zeros(this.#gpu, present.shape)
          : frames.at(-2) ?? present;
        using inner = this.#gpu.scope();
        frames.push(
          inner.keep(predict({ last, previous, hasPrevious }, action, step)),
        );
      }
      return scope.keep(concat(frames, 1)); // (B, H S, P)
    });
  }

  /**
   * Predicts the future by regression, frame by frame.
   *
   * @param given present and actions, and the frame before, if it is known
   * @returns (B, H S, P) normalized tokens, owned by the innermost scope
   * @throws {TypeError} if the model is one of diffusion
   */
  predict(given: FrameConditions): Tensor {
    if (this.objective !== "direct") {
      throw new TypeError(
        `Cannot predict in one pass: the objective is "${this.objective}", not "direct"; sample from noise`,
      );
    }
    return this.#unroll(
      given,
      (context, action) => this.#regress(context, action),
    );
  }

  /**
   * Samples the future by diffusion, frame by frame, on the even grid of steps.
   *
   * @param given present and actions, and the frame before, if it is known
   * @param noise (B, H S, P) standard normal
   * @param options steps of each frame, a check before each of them, guidance
   * @returns (B, H S, P) normalized tokens, owned by the innermost scope
   * @throws {TypeError} if the model predicts in one pass
   * @throws {RangeError} if the steps are no divisor of 1000 below 100
   */
  sample(
    given: FrameConditions,
    noise: Tensor,
    options: SampleOptions = {},
  ): Tensor {
    if (this.objective === "direct") {
      throw new TypeError(
        'Cannot sample from noise: the objective is "direct"; predict in one pass',
      );
    }
    const { guidance = 1 } = options;
    const { schedule, network } = this;
    const [, tokens = 0] = given.present.shape;
    const isGuided = guidance !== 1;
    // With and without the action in one batch: half as many dispatches.
    const twice = (x: Tensor) => isGuided ? concat([x, x], 0) : x;
    return this.#unroll(given, (context, action, step) => {
      const { last, previous, hasPrevious } = context;
      const shown = isGuided ? [...hasPrevious, ...hasPrevious] : hasPrevious;
      const both = {
        last: twice(last),
        previous: twice(previous),
        hasPrevious: shown,
        action: isGuided
          ? concat([action, zeros(this.#gpu, action.shape)], 0)
          : action,
      };
      const predict = (own: Tensor, at: number) => {
        const { signal, noise } = schedule.factors(at);
        const [x, t] = [twice(own), shown.map(() => at)];
        const v = network.forward({ ...both, x, t });
        const clean = cleanOf("v", v, x, signal, noise);
        if (!isGuided) return clean;
        const [conditional, unconditional] = chunk(clean, 2, 0) as [
          Tensor,
          Tensor,
        ];
        return guide(conditional, unconditional, guidance);
      };
      const own = slice(noise, 1, step * tokens, (step + 1) * tokens);
      return ddimSample(own, predict, schedule, { ...options, grid: "even" });
    });
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    this.weights[Symbol.dispose]();
  }
}
