import { constant } from "../nn/init.ts";
import { Embedding, Linear } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { Parameter } from "../nn/parameter.ts";
import { applySteps } from "../nn/sequence.ts";
import { chunk } from "../ops/concat.ts";
import { adaptiveLayerNorm } from "../ops/layer_norm.ts";
import { add, broadcastTo, mul } from "../ops/pointwise.ts";
import { tensor } from "../tensor/create.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { DiTBlock, NORM_EPS, ZeroLinear } from "./dit_block.ts";
import { TimestepEmbedding, timestepFeatures } from "./timestep_embedding.ts";

/** Sizes of a {@linkcode LatentDiT}. */
export interface LatentDitOptions {
  /** Latents predicted, H. */
  readonly horizon: number;
  /** Width of a latent, and of the model, D. Default 384. */
  readonly dim?: number;
  /** Transformer blocks. Default 4. */
  readonly blocks?: number;
  /** Attention heads. Default 6. */
  readonly heads?: number;
  /**
   * Whether tokens know their place in the horizon. Default false, as
   * published where the action is a single one: the H predictions are then an
   * exchangeable function of H draws of noise.
   */
  readonly positions?: boolean;
}

/** Noised latents with their diffusion steps. */
export interface NoisedLatents {
  /** (B, T, D) */
  readonly x: Tensor;
  /** Diffusion step of each sample. */
  readonly t: readonly number[];
}

/**
 * Embeds diffusion steps.
 *
 * @param embedding of steps
 * @param like any tensor on the device
 * @param t step of each sample
 * @param dim width
 * @returns (B, D)
 */
export function embedSteps(
  embedding: TimestepEmbedding,
  like: Tensor,
  t: readonly number[],
  dim: number,
): Tensor {
  const features = tensor(like.gpu, timestepFeatures(t, dim));
  return embedding.forward(features.reshape([t.length, dim]));
}

/**
 * The last layer of the published transformers: gate Linear(modulate(LN(u))).
 *
 * @param u (B, T, D)
 * @param condition (B, T / n, D)
 * @param adaln makes shift, scale and gate
 * @param last the linear layer
 * @returns (B, T, D)
 */
export function finalLayer(
  u: Tensor,
  condition: Tensor,
  adaln: Linear,
  last: Linear,
): Tensor {
  const [shift, scale, gate] = chunk(adaln.forward(condition), 3) as [
    Tensor,
    Tensor,
    Tensor,
  ]; // (B, T / n, D) each
  const y = last.forward(adaptiveLayerNorm(u, NORM_EPS, shift, scale));
  const [batch = 0, tokens = 0, dim = 0] = u.shape;
  const groups = condition.shape[1] ?? 1;
  const grouped = [batch, groups, tokens / groups, dim];
  return mul(y.reshape(grouped), gate.reshape([batch, groups, 1, dim]))
    .reshape(u.shape);
}

function check(name: string, what: string, got: Tensor, wanted: number[]) {
  if (showShape(got.shape) === showShape(wanted)) return;
  throw new RangeError(
    `Cannot apply ${name}: ${what} is ${showShape(got.shape)}, needed ${
      showShape(wanted)
    }`,
  );
}

/** Applies blocks under one condition. */
function transformed(
  blocks: readonly DiTBlock[],
  u: Tensor,
  condition: Tensor,
): Tensor {
  return applySteps(
    u,
    blocks.map((block) => (x) => block.forward(x, condition)),
  );
}

/**
 * The diffusion transformer over pooled latents: one token for each latent of
 * the horizon, conditioned by adaLN-Zero on the diffusion step, the present and
 * one action, or one action for each token.
 *
 * Source: Section 5.2; published code, `models/latent_dit.py`; for actions of
 * each token, `scripts/eval_actseq_modal.py`.
 * Differs from Peebles & Xie 2023: no SiLU before the modulation, and a gate
 * that starts at zero on the output.
 */
export class LatentDiT extends Module {
  /** `input_proj` */
  readonly inputProj: Linear;
  /** `pos_embed`: (1, H, D), zero at the start; absent without positions */
  readonly posEmbed?: Parameter;
  /** `timestep_embed.mlp` */
  readonly timestepEmbed: TimestepEmbedding;
  /** `z_t_proj` */
  readonly z_t_proj: Linear;
  /** `blocks.i` */
  readonly blocks: readonly DiTBlock[];
  /** `final_adaln`, zero at the start */
  readonly finalAdaln: Linear;
  /** `final_linear` */
  readonly finalLinear: Linear;
  readonly #horizon: number;
  readonly #dim: number;

  /**
   * Makes it on no device.
   *
   * @param options sizes
   */
  constructor(options: LatentDitOptions) {
    super();
    const { horizon, dim = 384, blocks = 4, heads = 6 } = options;
    this.inputProj = new Linear(dim, dim);
    if (options.positions) {
      this.posEmbed = new Parameter([1, horizon, dim], constant(0));
    }
    this.timestepEmbed = new TimestepEmbedding(dim);
    this.z_t_proj = new Linear(dim, dim);
    this.blocks = Array.from(
      { length: blocks },
      () => new DiTBlock(dim, heads, { zeroGates: true }),
    );
    this.finalAdaln = new ZeroLinear(dim, 3 * dim);
    this.finalLinear = new Linear(dim, dim);
    this.#horizon = horizon;
    this.#dim = dim;
  }

  /**
   * Predicts what it was trained for: noise, clean latents or velocity.
   *
   * @param noised (B, H, D) with their steps
   * @param present (B, D)
   * @param actions (B, 1, D) embedded, for all tokens, or (B, H, D)
   * @returns (B, H, D)
   * @throws {RangeError} if a shape does not fit
   */
  forward(noised: NoisedLatents, present: Tensor, actions: Tensor): Tensor {
    const dim = this.#dim;
    const [batch = 0] = present.shape;
    check("LatentDiT", "present", present, [batch, dim]);
    check("LatentDiT", "x", noised.x, [batch, this.#horizon, dim]);
    const groups = actions.shape[1] === 1 ? 1 : this.#horizon;
    check("LatentDiT", "actions", actions, [batch, groups, dim]);
    const steps = embedSteps(this.timestepEmbed, present, noised.t, dim);
    const shared = add(steps, this.z_t_proj.forward(present)); // (B, D)
    const condition = add(actions, shared.reshape([batch, 1, dim]));
    const u = this.inputProj.forward(noised.x); // (B, H, D)
    const placed = this.posEmbed === undefined ? u : add(u, this.posEmbed);
    return finalLayer(
      transformed(this.blocks, placed, condition),
      condition,
      this.finalAdaln,
      this.finalLinear,
    );
  }
}

/**
 * The same transformer as a regression: the present in every place of the
 * horizon, told apart by learned positions; no diffusion.
 *
 * Source: Section 5.2, "DiT-direct"; published code,
 * `scripts/train_dit_direct.py`.
 */
export class LatentDiTDirect extends Module {
  /** `input_proj` */
  readonly inputProj: Linear;
  /** `pos_embed.weight`: (H, D), standard normal at the start */
  readonly posEmbed: Embedding;
  /** `z_t_proj` */
  readonly z_t_proj: Linear;
  /** `blocks.i` */
  readonly blocks: readonly DiTBlock[];
  /** `final_adaln`, zero at the start */
  readonly finalAdaln: Linear;
  /** `final_linear` */
  readonly finalLinear: Linear;
  readonly #horizon: number;
  readonly #dim: number;

  /**
   * Makes it on no device.
   *
   * @param options sizes; it has positions in any case
   */
  constructor(options: Omit<LatentDitOptions, "positions">) {
    super();
    const { horizon, dim = 384, blocks = 4, heads = 6 } = options;
    this.inputProj = new Linear(dim, dim);
    this.posEmbed = new Embedding(horizon, dim);
    this.z_t_proj = new Linear(dim, dim);
    this.blocks = Array.from(
      { length: blocks },
      () => new DiTBlock(dim, heads, { zeroGates: true }),
    );
    this.finalAdaln = new ZeroLinear(dim, 3 * dim);
    this.finalLinear = new Linear(dim, dim);
    this.#horizon = horizon;
    this.#dim = dim;
  }

  /**
   * Predicts the future latents.
   *
   * @param present (B, D)
   * @param actions (B, 1, D) embedded, for all tokens, or (B, H, D)
   * @returns (B, H, D)
   * @throws {RangeError} if a shape does not fit
   */
  forward(present: Tensor, actions: Tensor): Tensor {
    const dim = this.#dim;
    const horizon = this.#horizon;
    const [batch = 0] = present.shape;
    check("LatentDiTDirect", "present", present, [batch, dim]);
    const groups = actions.shape[1] === 1 ? 1 : horizon;
    check("LatentDiTDirect", "actions", actions, [batch, groups, dim]);
    const shared = this.z_t_proj.forward(present).reshape([batch, 1, dim]);
    const condition = add(actions, shared);
    const own = this.inputProj.forward(present).reshape([batch, 1, dim]);
    const u = add(
      broadcastTo(own, [batch, horizon, dim]),
      this.posEmbed.weight.reshape([1, horizon, dim]),
    ); // (B, H, D)
    return finalLayer(
      transformed(this.blocks, u, condition),
      condition,
      this.finalAdaln,
      this.finalLinear,
    );
  }
}
