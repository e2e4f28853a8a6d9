import type { LatentRows } from "../data/latents.ts";
import type { Action } from "../data/scene.ts";
import type { AutoencoderKL } from "../encoders/autoencoder_kl.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { concat, slice } from "../ops/concat.ts";
import { permute } from "../ops/permute.ts";
import { add, mul } from "../ops/pointwise.ts";
import { noGrad } from "../tensor/autograd.ts";
import { tensor } from "../tensor/create.ts";
import { key } from "../tensor/philox.ts";
import { normal } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { WindowTokens } from "../training/window_tokens.ts";
import { FRAME_SIDE } from "./frame_set.ts";
import type { PlayedModel } from "./weights.ts";

/** How a frame is sampled. */
export interface PlaySettings {
  /** Sampling steps, a divisor of 1000 of at most 50. */
  readonly steps: number;
  /** Scale of the guidance by the action; 1 for none. */
  readonly guidance: number;
}

/** Sampling steps that there are: divisors of 1000, the dial of the page. */
export const DIAL_STEPS = [1, 2, 4, 5, 8, 10, 20, 25, 40, 50] as const;

/**
 * How frames are sampled unless something else is asked for. Fewer steps fade
 * into the mean of all streets after a few seconds, see the contact sheets.
 */
export const PLAY_DEFAULTS: PlaySettings = { steps: 8, guidance: 2 };

/** Steps ahead of the futures that are shown at once: 2 s. */
export const FUTURE_STEPS = 4;

/** A frame that was dreamt. */
export interface DreamtFrame {
  /** (channels, height, width) latents */
  readonly latents: Float32Array<ArrayBuffer>;
  /** (side, side, 3) levels from 0 to 255 */
  readonly levels: Uint8ClampedArray<ArrayBuffer>;
  /** Action that the probe reads from the two last frames, if there is one. */
  readonly read?: Action;
  /** Latents of the true frame, where one was given. */
  readonly truth?: Float32Array<ArrayBuffer>;
}

/** Milliseconds of the parts of a frame. */
export interface DreamTimes {
  /** Sampling of the latents. */
  readonly sampler: number;
  /** Decoding them, the probe, encoding the truth, reading back. */
  readonly decoder: number;
}

/** Levels of values in [0, 1]. */
function levelsOf(values: Float32Array): Uint8ClampedArray<ArrayBuffer> {
  return Uint8ClampedArray.from(values, (x) => 255 * x);
}

/**
 * A world model in closed loop: each frame is predicted from the two before it,
 * which are predictions themselves after the anchor.
 */
export class Dream {
  readonly #gpu: Gpu;
  readonly #played: PlayedModel;
  readonly #vae: AutoencoderKL;
  /** Two frames: the one before, and the last. */
  readonly #context: Float32Array<ArrayBuffer>;
  readonly #tokens: WindowTokens;
  readonly #ahead: WindowTokens;
  readonly #size: number;
  #hasPrevious = false;
  #isAnchored = false;

  /**
   * Holds what it dreams by.
   *
   * @param gpu device
   * @param played model, statistics, probe
   * @param vae of its latents
   */
  constructor(gpu: Gpu, played: PlayedModel, vae: AutoencoderKL) {
    this.#gpu = gpu;
    this.#played = played;
    this.#vae = vae;
    const { shape, statistics, model } = played;
    const size = shape[0] * shape[1] * shape[2];
    const context = new Float32Array(2 * size);
    const latents: LatentRows = {
      frames: 2,
      size,
      read: (start, end) => context.slice(start * size, end * size),
    };
    const { freqs } = model.fourier;
    const isLearned = freqs.shape.length === 2;
    const tokens = (horizon: number) =>
      new WindowTokens({ latents, shape, actions: new Float32Array(4) }, {
        patch: model.network.sizes.patch,
        horizon,
        frequencies: freqs.shape.at(-1)!,
        plainActions: isLearned,
        statistics,
      });
    this.#size = size;
    this.#context = context;
    this.#tokens = tokens(1);
    this.#ahead = tokens(FUTURE_STEPS);
  }

  /**
   * Begins anew from a frame.
   *
   * @param latents (channels, height, width) of the frame
   * @param previous latents of the frame before it, if that is known
   */
  anchor(latents: Float32Array, previous?: Float32Array): void {
    this.#hasPrevious = previous !== undefined;
    this.#context.set(previous ?? new Float32Array(this.#size), 0);
    this.#context.set(latents, this.#size);
    this.#isAnchored = true;
  }

  /** (channels, height, width) latents of the last frame. */
  get latents(): Float32Array<ArrayBuffer> {
    return this.#context.slice(this.#size);
  }

  /** (n, H S, P) tokens of futures under actions. */
  #sample(
    tokens: WindowTokens,
    actions: readonly Float32Array[],
    { steps, guidance }: PlaySettings,
    noise: readonly [seed: number, frame: number],
  ): Tensor {
    if (!this.#isAnchored) {
      throw new Error(
        "Cannot dream: there is no first frame; anchor the dream before",
      );
    }
    const { model } = this.#played;
    const gpu = this.#gpu;
    const previous = this.#hasPrevious
      ? { previous: tokens.frames(gpu, actions.map(() => 0)) }
      : {};
    const given = {
      ...tokens.conditions(
        gpu,
        actions.map((own) => ({ row: 1, actions: own })),
      ),
      ...previous,
    };
    if (model.objective === "direct") return model.predict(given);
    const size = [
      actions.length,
      tokens.horizon * tokens.tokensPerFrame,
      tokens.patchDim,
    ];
    // Futures of one present differ by their actions alone.
    const keys = actions.map(() => key("play noise", ...noise));
    return model.sample(given, normal(gpu, size, keys), { steps, guidance });
  }

  /** (n, height, width, channels) scaled latents of (n, S, P) tokens. */
  #latentsOf(tokens: Tensor): Tensor {
    const { shape: [planes, height, width], statistics, model } = this.#played;
    const { patch } = model.network.sizes;
    const { mean, std } = statistics;
    const gpu = this.#gpu;
    const row = (values: Float32Array) =>
      tensor(gpu, Float32Array.from(values)).reshape([1, 1, values.length]);
    const scaled = add(mul(tokens, row(std)), row(mean));
    const n = tokens.size / this.#size;
    return permute(
      scaled.reshape([n, height / patch, width / patch, planes, patch, patch]),
      [0, 1, 4, 2, 5, 3],
    ).reshape([n, height, width, planes]);
  }

  /** (1, height, width, channels) of the last frame. */
  #lastOnDevice(): Tensor {
    const [planes, height, width] = this.#played.shape;
    return permute(
      tensor(this.#gpu, this.latents).reshape([1, planes, height, width]),
      [0, 2, 3, 1],
    );
  }

  /**
   * Dreams the next frame, half a second later.
   *
   * @param action normalized
   * @param settings of the sampling
   * @param noise seed, and number of the frame
   * @param options levels of the true frame, to be encoded; and who is told the
   *   times, which costs one more wait
   * @throws {Error} if there is no first frame, or the device was lost
   */
  async step(
    action: Action,
    settings: PlaySettings,
    noise: readonly [seed: number, frame: number],
    options: {
      readonly truth?: Uint8Array;
      readonly timed?: (times: DreamTimes) => void;
    } = {},
  ): Promise<DreamtFrame> {
    const gpu = this.#gpu;
    const { probe } = this.#played;
    using _ = gpu.scope();
    const begin = performance.now();
    const tokens = noGrad(() =>
      this.#sample(
        this.#tokens,
        [Float32Array.of(action.steer, action.accel)],
        settings,
        noise,
      )
    );
    if (options.timed) await gpu.sync();
    const sampled = performance.now();
    const all = noGrad(() => {
      const latents = this.#latentsOf(tokens);
      const parts = [permute(latents, [0, 3, 1, 2]), this.#vae.decode(latents)];
      if (options.truth) parts.push(this.#encoded(options.truth));
      if (probe) parts.push(probe.forward(this.#lastOnDevice(), latents));
      return concat(parts.map((part) => part.reshape([part.size])), 0);
    });
    const values = await all.read() as Float32Array<ArrayBuffer>;
    options.timed?.({
      sampler: sampled - begin,
      decoder: performance.now() - sampled,
    });
    let at = 0;
    const take = (count: number) => values.slice(at, at += count);
    const latents = take(this.#size);
    const levels = levelsOf(take(FRAME_SIDE * FRAME_SIDE * 3));
    const truth = options.truth ? { truth: take(this.#size) } : {};
    const [steer, accel] = probe ? take(2) : [];
    this.#context.copyWithin(0, this.#size);
    this.#context.set(latents, this.#size);
    this.#hasPrevious = true;
    return {
      latents,
      levels,
      ...truth,
      ...(steer === undefined || accel === undefined
        ? {}
        : { read: { steer, accel } }),
    };
  }

  /** (1, channels, height, width) of an image. */
  #encoded(levels: Uint8Array): Tensor {
    const image = tensor(
      this.#gpu,
      Float32Array.from(levels, (x) => x / 127.5 - 1),
    ).reshape([1, FRAME_SIDE, FRAME_SIDE, 3]);
    return permute(this.#vae.encode(image), [0, 3, 1, 2]);
  }

  /**
   * Dreams several futures of the last frame at once, two seconds ahead; the
   * dream itself stays where it is.
   *
   * @param actions held for all steps, one for each future
   * @param settings of the sampling
   * @param noise seed, and number of the frame
   * @returns (side, side, 3) levels of the last step of each
   */
  async futures(
    actions: readonly Action[],
    settings: PlaySettings,
    noise: readonly [seed: number, frame: number],
  ): Promise<Uint8ClampedArray<ArrayBuffer>[]> {
    using _ = this.#gpu.scope();
    const held = actions.map(({ steer, accel }) =>
      Float32Array.from(
        { length: 2 * FUTURE_STEPS },
        (_, i) => i % 2 === 0 ? steer : accel,
      )
    );
    const images = noGrad(() => {
      const tokens = this.#sample(this.#ahead, held, settings, noise);
      const { tokensPerFrame } = this.#ahead;
      const last = (FUTURE_STEPS - 1) * tokensPerFrame;
      return this.#vae.decode(
        this.#latentsOf(slice(tokens, 1, last, last + tokensPerFrame)),
      );
    });
    const values = await images.read() as Float32Array;
    const size = FRAME_SIDE * FRAME_SIDE * 3;
    return actions.map((_, i) =>
      levelsOf(values.subarray(i * size, (i + 1) * size))
    );
  }
}
