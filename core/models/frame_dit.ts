import { constant, normalWith } from "../nn/init.ts";
import { Conv2d, Linear } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { Parameter } from "../nn/parameter.ts";
import { applySteps } from "../nn/sequence.ts";
import { chunk, concat } from "../ops/concat.ts";
import { adaptiveLayerNorm } from "../ops/layer_norm.ts";
import { modulate } from "../ops/modulate.ts";
import { permute } from "../ops/permute.ts";
import { add, broadcastTo, silu } from "../ops/pointwise.ts";
import { mean } from "../ops/reduce.ts";
import { tensor } from "../tensor/create.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { DiTBlock, NORM_EPS, ZeroLinear } from "./dit_block.ts";
import { TimestepEmbedding, timestepFeatures } from "./timestep_embedding.ts";

/** Sizes of a {@linkcode FrameDiT}. */
export interface FrameDitOptions {
  /** Channels, height and width of a frame's latents. */
  readonly shape: readonly [channels: number, height: number, width: number];
  /** Side of a token in latent pixels, a divisor of both sides. */
  readonly patch: number;
  /** Width of the transformer, D. */
  readonly dim: number;
  /** Channels of the convolutions around it, C. */
  readonly channels: number;
  /** Transformer blocks. */
  readonly blocks: number;
  /** Attention heads. */
  readonly heads: number;
}

/** What a {@linkcode FrameDiT} sees; tokens are normalized. */
export interface FrameInputs {
  /** (B, S, P) the noised next frame; the last frame where none is sampled */
  readonly x: Tensor;
  /** (B) diffusion steps; 0 where none is sampled */
  readonly t: readonly number[];
  /** (B, S, P) last frame */
  readonly last: Tensor;
  /** (B, S, P) frame before it, zero where it is not shown */
  readonly previous: Tensor;
  /** (B), 1 where the frame before is shown, else 0 */
  readonly hasPrevious: readonly number[];
  /** (B, D) embedded action of the step; zero for none */
  readonly action: Tensor;
}

/** A convolution that starts at zero. */
class ZeroConv2d extends Conv2d {
  /** `weight`: (outputs, inputs, 3, 3), zero */
  override readonly weight: Parameter;
  /** `bias`: (outputs), zero */
  override readonly bias: Parameter;

  constructor(inputs: number, outputs: number) {
    super(inputs, outputs, 3, { padding: 1, bias: false });
    this.weight = new Parameter([outputs, inputs, 3, 3], constant(0));
    this.bias = new Parameter([outputs], constant(0));
  }
}

/**
 * The network of an autoregressive latent diffusion: predicts one frame from
 * the two before it and the action between. A diffusion transformer on patches,
 * with 3 x 3 convolutions at latent resolution before it (stem) and after it
 * (head), and the stem's result added around it; patches alone cannot place
 * edges that cross from one token to the next.
 *
 * The condition is the diffusion step, the pooled context and the action; it
 * sets the norms of the transformer, and the scale and shift of the head's
 * channels.
 *
 * Source: not in the paper. Blocks as Peebles & Xie 2023; the head's condition
 * is FiLM, Perez et al. 2018.
 */
export class FrameDiT extends Module {
  /** `spatial_pos`: (1, S, D) */
  readonly spatialPos: Parameter;
  /** `temporal_pos`: (1, 1, D) */
  readonly temporalPos: Parameter;
  /** `stem` */
  readonly stem: Conv2d;
  /** `latent_up` */
  readonly latentUp: Linear;
  /** `timestep_embed.mlp` */
  readonly timestepEmbed: TimestepEmbedding;
  /** `context_proj` */
  readonly contextProj: Linear;
  /** `blocks.i` */
  readonly blocks: readonly DiTBlock[];
  /** `final_adaln`: shift, scale, and a gate that has no use here */
  readonly finalAdaln: Linear;
  /** `final_linear` */
  readonly finalLinear: Linear;
  /** `latent_down` */
  readonly latentDown: Linear;
  /** `head` */
  readonly head: Conv2d;
  /** `film`: scale and shift of the head's channels, zero at the start */
  readonly film: Linear;
  /** `head_out` */
  readonly headOut: Conv2d;
  readonly #sizes: FrameDitOptions;

  /**
   * Creates it.
   *
   * @param options sizes
   * @throws {RangeError} if the patch does not divide the sides
   */
  constructor(options: FrameDitOptions) {
    super();
    const { shape: [planes, height, width], patch, dim, channels } = options;
    if (height % patch !== 0 || width % patch !== 0) {
      throw new RangeError(
        `Cannot create FrameDiT: latents of ${height}x${width} need a patch that divides both sides, got ${patch}`,
      );
    }
    const grid = [height / patch, width / patch] as const;
    const area = patch * patch;
    this.spatialPos = new Parameter(
      [1, grid[0] * grid[1], dim],
      normalWith(0.02),
    );
    this.temporalPos = new Parameter([1, 1, dim], normalWith(0.02));
    // Noised frame, last frame, the one before, and whether there is one.
    this.stem = new Conv2d(3 * planes + 1, channels, 3, { padding: 1 });
    this.latentUp = new Linear(channels * area, dim);
    this.timestepEmbed = new TimestepEmbedding(dim);
    this.contextProj = new Linear((2 * planes + 1) * area, dim);
    this.blocks = Array.from(
      { length: options.blocks },
      () => new DiTBlock(dim, options.heads, { grid }),
    );
    this.finalAdaln = new Linear(dim, 3 * dim);
    this.finalLinear = new Linear(dim, dim);
    this.latentDown = new Linear(dim, channels * area);
    this.head = new Conv2d(channels, channels, 3, { padding: 1 });
    this.film = new ZeroLinear(dim, 2 * channels);
    // Zero, so that the first prediction is the mean of v.
    this.headOut = new ZeroConv2d(channels, planes);
    this.#sizes = options;
  }

  /** Sizes it was made with. */
  get sizes(): FrameDitOptions {
    return this.#sizes;
  }

  /**
   * Applies the network.
   *
   * @param inputs noised frame, context and action
   * @returns (B, S, P)
   * @throws {RangeError} if a shape does not fit
   */
  forward({ x, t, last, previous, hasPrevious, action }: FrameInputs): Tensor {
    const { shape: [, height, width], patch, dim, channels } = this.#sizes;
    const [, tokens = 0] = this.spatialPos.shape;
    const batch = t.length;
    this.#check({ x, last, previous }, { hasPrevious, action }, batch);
    const flags = broadcastTo(
      tensor(x.gpu, Float32Array.from(hasPrevious)).reshape([batch, 1, 1]),
      [batch, tokens, patch * patch],
    );
    const context = concat([last, previous, flags], 2); // (B, S, (2c + 1) PP)
    const stem = this.stem.forward(
      this.#imagesOf(concat([x, context], 2)),
    ); // (B, height, width, C)
    const condition = this.#condition(context, action, t); // (B, 1, D)
    const positions = add(this.spatialPos, this.temporalPos); // (1, S, D)
    const u = applySteps(
      add(this.latentUp.forward(this.#tokensOf(stem)), positions),
      this.blocks.map((block) => (y) => block.forward(y, condition)),
    ); // (B, S, D)
    const [shift, scale] = chunk(
      this.finalAdaln.forward(condition), // (B, 1, 3 D)
      3,
    ) as [Tensor, Tensor, Tensor];
    const y = this.latentDown.forward(
      this.finalLinear.forward(adaptiveLayerNorm(u, NORM_EPS, shift, scale)),
    ); // (B, S, C PP)
    const h = this.head.forward(
      silu(add(this.#imagesOf(y), stem)),
    ); // (B, height, width, C)
    const [gain, offset] = chunk(
      this.film.forward(condition.reshape([batch, dim])), // (B, 2 C)
      2,
    ) as [Tensor, Tensor];
    const turned = modulate(
      h.reshape([batch, height * width, channels]),
      offset.reshape([batch, 1, channels]),
      gain.reshape([batch, 1, channels]),
    ).reshape(h.shape);
    return this.#tokensOf(this.headOut.forward(silu(turned))); // (B, S, P)
  }

  /** (B, 1, D): diffusion step, pooled context and action. */
  #condition(context: Tensor, action: Tensor, t: readonly number[]): Tensor {
    const [batch = 0, dim = 0] = action.shape;
    const step = tensor(context.gpu, timestepFeatures(t, dim))
      .reshape([batch, dim]);
    const pooled = this.contextProj.forward(mean(context, [1])); // (B, D)
    return add(add(this.timestepEmbed.forward(step), pooled), action)
      .reshape([batch, 1, dim]);
  }

  /** (B, S, n PP) to (B, height, width, n). */
  #imagesOf(tokens: Tensor): Tensor {
    const { shape: [, height, width], patch } = this.#sizes;
    const [batch = 0, , size = 0] = tokens.shape;
    const planes = size / (patch * patch);
    const grid = [batch, height / patch, width / patch, planes, patch, patch];
    return permute(tokens.reshape(grid), [0, 1, 4, 2, 5, 3])
      .reshape([batch, height, width, planes]);
  }

  /** (B, height, width, n) to (B, S, n PP). */
  #tokensOf(images: Tensor): Tensor {
    const { patch } = this.#sizes;
    const [batch = 0, height = 0, width = 0, planes = 0] = images.shape;
    const grid = [batch, height / patch, patch, width / patch, patch, planes];
    return permute(images.reshape(grid), [0, 1, 3, 5, 2, 4])
      .reshape([batch, height * width / patch ** 2, planes * patch ** 2]);
  }

  #check(
    frames: Pick<FrameInputs, "x" | "last" | "previous">,
    { hasPrevious, action }: Pick<FrameInputs, "hasPrevious" | "action">,
    batch: number,
  ): void {
    const { shape: [planes], patch, dim } = this.#sizes;
    const tokens = this.spatialPos.shape[1]!;
    const frame = [batch, tokens, planes * patch * patch];
    const checks: [string, readonly number[], number[]][] = [
      ["x", frames.x.shape, frame],
      ["last", frames.last.shape, frame],
      ["previous", frames.previous.shape, frame],
      ["hasPrevious", [hasPrevious.length], [batch]],
      ["action", action.shape, [batch, dim]],
    ];
    for (const [name, got, wanted] of checks) {
      if (showShape(got) === showShape(wanted)) continue;
      throw new RangeError(
        `Cannot apply FrameDiT: ${name} is ${showShape(got)}, needed ${
          showShape(wanted)
        }`,
      );
    }
  }
}
