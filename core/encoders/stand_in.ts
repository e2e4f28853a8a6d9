import type { Gpu } from "../gpu/gpu.ts";
import { MultiheadAttention } from "../nn/attention.ts";
import { normalWith } from "../nn/init.ts";
import { LayerNorm, Linear } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { Parameter } from "../nn/parameter.ts";
import { slice } from "../ops/concat.ts";
import { permute } from "../ops/permute.ts";
import { add, broadcastTo, mul, sub } from "../ops/pointwise.ts";
import { mean } from "../ops/reduce.ts";
import { noGrad } from "../tensor/autograd.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Encoder } from "./encoder.ts";
import {
  checkWeights,
  type FrozenWeights,
  loadFrozen,
  type WeightSource,
} from "./frozen.ts";

/** Sizes of a {@linkcode StandIn}. */
export interface StandInConfig {
  /** Side of the frames, in pixels. */
  readonly side: number;
  /** Side of a patch, in pixels. */
  readonly patch: number;
  /** Frames of a token: 1 for networks of single frames. */
  readonly tubelet: number;
  /** Most frames of a clip. */
  readonly frames: number;
  /** Width of a token. */
  readonly width: number;
  /** Number of blocks. */
  readonly blocks: number;
  /** Heads of an attention. */
  readonly heads: number;
}

/** The stand-ins of single frames: 64 tokens of a frame. */
export const STAND_IN_FRAMES: StandInConfig = {
  side: 64,
  patch: 8,
  tubelet: 1,
  frames: 1,
  width: 64,
  blocks: 4,
  heads: 4,
};

/** The stand-in of clips: 128 tokens of 16 frames. */
export const STAND_IN_CLIPS: StandInConfig = {
  side: 64,
  patch: 16,
  tubelet: 2,
  frames: 16,
  width: 64,
  blocks: 3,
  heads: 4,
};

/** Attention and an MLP, each normalized before and added to its input. */
export class StandInBlock extends Module {
  /** `norm1` */
  readonly norm1: LayerNorm;
  /** `attn`: `in_proj_weight`, `in_proj_bias`, `out_proj` */
  readonly attn: MultiheadAttention;
  /** `norm2` */
  readonly norm2: LayerNorm;
  /** `fc1`: to four times the width */
  readonly fc1: Linear;
  /** `fc2`: and back */
  readonly fc2: Linear;

  /**
   * Makes the block on no device.
   *
   * @param width of a token
   * @param heads of the attention
   */
  constructor(width: number, heads: number) {
    super();
    this.norm1 = new LayerNorm(width);
    this.attn = new MultiheadAttention(width, heads);
    this.norm2 = new LayerNorm(width);
    this.fc1 = new Linear(width, 4 * width);
    this.fc2 = new Linear(4 * width, width);
  }

  /**
   * Applies the block.
   *
   * @param x (B, T, width)
   * @returns same shape
   */
  forward(x: Tensor): Tensor {
    const h = add(x, this.attn.forward(this.norm1.forward(x)));
    const inner = this.fc1.forward(this.norm2.forward(h), {
      activation: "gelu",
    });
    return add(h, this.fc2.forward(inner));
  }
}

/**
 * A small transformer that stands in for an encoder of the paper on the
 * embedded world: one trunk for all families, so that what it was trained for
 * is all that differs. An embedding is the mean of the tokens.
 *
 * Source: Dosovitskiy et al. 2021, for clips with the tubelets of Arnab et al.
 * 2021; sizes are this project's.
 */
export class StandIn extends Module implements Encoder {
  /** `patches`: (width, tubelet patch patch 3) */
  readonly patches: Linear;
  /** `place`: (cells, width) */
  readonly place: Parameter;
  /** `time`: (steps, 1, width), of clips */
  readonly time?: Parameter;
  /** `blocks.0` and so on */
  readonly blocks: readonly StandInBlock[];
  /** `norm` */
  readonly norm: LayerNorm;
  /** Key of the encoder. */
  readonly #name: string;
  readonly #config: StandInConfig;
  #weights: FrozenWeights | undefined;

  /**
   * Makes the network on no device; a parameter store, or
   * {@linkcode StandIn.load}, gives it weights.
   *
   * @param name key of the encoder
   * @param config sizes
   */
  constructor(name: string, config: StandInConfig = STAND_IN_FRAMES) {
    super();
    const { side, patch, tubelet, frames, width, blocks, heads } = config;
    this.patches = new Linear(3 * tubelet * patch ** 2, width);
    const small = normalWith(0.02);
    this.place = new Parameter([(side / patch) ** 2, width], small);
    if (frames > 1) {
      this.time = new Parameter([frames / tubelet, 1, width], small);
    }
    this.blocks = Array.from(
      { length: blocks },
      () => new StandInBlock(width, heads),
    );
    this.norm = new LayerNorm(width);
    this.#name = name;
    this.#config = config;
  }

  /** Key of the encoder. */
  get name(): string {
    return this.#name;
  }

  /** Length of an embedding. */
  get width(): number {
    return this.#config.width;
  }

  /** Side of the frames that come in, in pixels. */
  get inputSize(): number {
    return this.#config.side;
  }

  /** Sizes. */
  get config(): StandInConfig {
    return this.#config;
  }

  /**
   * Puts trained weights on the device for inference.
   *
   * @param gpu device
   * @param weights a state dict of this class
   * @throws {TypeError} if names or shapes are not the network's
   */
  async load(gpu: Gpu, weights: WeightSource): Promise<void> {
    this[Symbol.dispose]();
    this.#weights = await loadFrozen(gpu, this, weights, "");
  }

  /**
   * Compares names and shapes of a file with the network's.
   *
   * @param weights as {@linkcode StandIn.load} takes them
   * @throws {TypeError} if they are not the network's
   */
  check(weights: WeightSource): void {
    checkWeights(this, weights, "");
  }

  /**
   * Cuts a frame or a clip into tokens. A clip of one frame is that frame
   * shown `tubelet` times.
   *
   * @param frames (B, side, side, 3) or (B, T, side, side, 3) in [0, 1], T 1 or
   *   a multiple of the tubelet, at most the configured frames
   * @returns (B, tokens, width): time, then row, then column
   * @throws {RangeError} if the shape does not fit
   */
  embed(frames: Tensor): Tensor {
    const { side, patch, tubelet, width, frames: most } = this.#config;
    const [batch = 0, ...rest] = frames.shape;
    const [count = 0, ...image] = rest.length === 3 ? [1, ...rest] : rest;
    const isFine = showShape(image) === showShape([side, side, 3]) &&
      (count === 1 || count % tubelet === 0) && count <= most;
    if (!isFine) {
      throw new RangeError(
        `Cannot encode ${
          showShape(frames.shape)
        } with ${this.#name}: needed (B, ${side}, ${side}, 3)${
          most > 1
            ? ` or (B, T, ${side}, ${side}, 3), T a multiple of ${tubelet} up to ${most}`
            : ""
        }`,
      );
    }
    const steps = Math.max(1, count / tubelet);
    const grid = side / patch;
    const shown = count === 1 ? 1 : tubelet;
    const cut = permute(
      frames.reshape([batch * steps, shown, grid, patch, grid, 3 * patch]),
      [0, 2, 4, 1, 3, 5],
    ).reshape([batch * steps * grid * grid, 1, shown * patch * patch * 3]);
    const all = repeated(cut, tubelet / shown);
    const pixels = sub(mul(all, 2), 1);
    const tokens = add(
      this.patches.forward(pixels).reshape([batch, steps, grid * grid, width]),
      this.place,
    );
    const placed = this.time === undefined
      ? tokens
      : add(tokens, slice(this.time, 0, 0, steps));
    return placed.reshape([batch, steps * grid * grid, width]);
  }

  /**
   * Applies the blocks to tokens, all or some of those of
   * {@linkcode StandIn.embed}.
   *
   * @param tokens (B, T, width)
   * @returns same shape
   */
  transform(tokens: Tensor): Tensor {
    return this.norm.forward(
      this.blocks.reduce((x, block) => block.forward(x), tokens),
    );
  }

  /**
   * Computes tokens of frames or clips.
   *
   * @param frames as {@linkcode StandIn.embed} takes them
   * @returns (B, tokens, width)
   * @throws {RangeError} if the shape does not fit
   */
  forward(frames: Tensor): Tensor {
    return this.transform(this.embed(frames));
  }

  /**
   * Embeds frames or clips.
   *
   * @param frames as {@linkcode StandIn.embed} takes them
   * @returns (B, width), owned by the innermost scope
   * @throws {RangeError} if the shape does not fit
   */
  encode(frames: Tensor): Tensor {
    using scope = frames.gpu.scope();
    return noGrad(() => scope.keep(mean(this.forward(frames), [1])));
  }

  /**
   * Computes the tokens of a frame.
   *
   * @param frames as {@linkcode StandIn.embed} takes them
   * @returns (B, tokens, width), owned by the innermost scope
   * @throws {RangeError} if the shape does not fit
   */
  spatialTokens(frames: Tensor): Tensor {
    using scope = frames.gpu.scope();
    return noGrad(() => scope.keep(this.forward(frames)));
  }

  /** Frees the weights that {@linkcode StandIn.load} placed. */
  [Symbol.dispose](): void {
    this.#weights?.[Symbol.dispose]();
    this.#weights = undefined;
  }
}

/** (rows, 1, values) to (rows, times values): whole copies, side by side. */
function repeated(x: Tensor, times: number): Tensor {
  const [rows = 0, , values = 0] = x.shape;
  if (times === 1) return x.reshape([rows, values]);
  return broadcastTo(x, [rows, times, values]).reshape([rows, times * values]);
}
