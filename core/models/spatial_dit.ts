import { normalWith } from "../nn/init.ts";
import { Linear } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { Parameter } from "../nn/parameter.ts";
import { applySteps } from "../nn/sequence.ts";
import { add, broadcastTo } from "../ops/pointwise.ts";
import { mean } from "../ops/reduce.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { DiTBlock, ZeroLinear } from "./dit_block.ts";
import { embedSteps, finalLayer, type NoisedLatents } from "./latent_dit.ts";
import { TimestepEmbedding } from "./timestep_embedding.ts";

/** Sizes of a {@linkcode SpatialTemporalDiT}. */
export interface SpatialDitOptions {
  /** Frames predicted, H. */
  readonly horizon: number;
  /** Tokens of a frame, S. */
  readonly tokens: number;
  /** Width of a token, and of the model, D. Default 384. */
  readonly dim?: number;
  /** Transformer blocks. Default 4. */
  readonly blocks?: number;
  /** Attention heads. Default 6. */
  readonly heads?: number;
}

/**
 * The diffusion transformer over grids of an encoder's tokens: one joint
 * attention over all H S tokens; the condition of a token is the diffusion
 * step, the pooled present and the action of its frame.
 *
 * Blocks are not the identity at the start; the output is zero.
 *
 * Source: Section 5.2; published code, `models/latent_dit_spatial.py`.
 */
export class SpatialTemporalDiT extends Module {
  /** `input_proj` */
  readonly inputProj: Linear;
  /** `spatial_pos`: (1, S, D) */
  readonly spatialPos: Parameter;
  /** `temporal_pos`: (1, H, D) */
  readonly temporalPos: Parameter;
  /** `timestep_embed.mlp` */
  readonly timestepEmbed: TimestepEmbedding;
  /** `z_t_proj` */
  readonly z_t_proj: Linear;
  /** `blocks.i` */
  readonly blocks: readonly DiTBlock[];
  /** `final_adaln` */
  readonly finalAdaln: Linear;
  /** `final_linear`, zero at the start */
  readonly finalLinear: Linear;
  readonly #horizon: number;
  readonly #tokens: number;
  readonly #dim: number;

  /**
   * Makes it on no device.
   *
   * @param options sizes
   */
  constructor(options: SpatialDitOptions) {
    super();
    const { horizon, tokens, dim = 384, blocks = 4, heads = 6 } = options;
    this.inputProj = new Linear(dim, dim);
    this.spatialPos = new Parameter([1, tokens, dim], normalWith(0.02));
    this.temporalPos = new Parameter([1, horizon, dim], normalWith(0.02));
    this.timestepEmbed = new TimestepEmbedding(dim);
    this.z_t_proj = new Linear(dim, dim);
    this.blocks = Array.from(
      { length: blocks },
      () => new DiTBlock(dim, heads),
    );
    this.finalAdaln = new Linear(dim, 3 * dim);
    this.finalLinear = new ZeroLinear(dim, dim);
    this.#horizon = horizon;
    this.#tokens = tokens;
    this.#dim = dim;
  }

  /**
   * Predicts what it was trained for. Without noised tokens it sees the present
   * repeated H times, at step 0.
   *
   * @param present (B, S, D)
   * @param actions (B, H, D) embedded
   * @param noised (B, H S, D), step after step, with the diffusion steps
   * @returns (B, H S, D)
   * @throws {RangeError} if a shape does not fit
   */
  forward(present: Tensor, actions: Tensor, noised?: NoisedLatents): Tensor {
    const [horizon, tokens, dim] = [this.#horizon, this.#tokens, this.#dim];
    const [batch = 0] = present.shape;
    const check = (name: string, got: Tensor, wanted: number[]) => {
      if (showShape(got.shape) === showShape(wanted)) return;
      throw new RangeError(
        `Cannot apply ${this.constructor.name}: ${name} is ${
          showShape(got.shape)
        }, needed ${showShape(wanted)}`,
      );
    };
    check("present", present, [batch, tokens, dim]);
    check("actions", actions, [batch, horizon, dim]);
    const { x, t } = noised ?? {
      x: this.repeated(present),
      t: Array<number>(batch).fill(0),
    };
    check("x", x, [batch, horizon * tokens, dim]);
    const positions = add(
      this.spatialPos.reshape([1, 1, tokens, dim]),
      this.temporalPos.reshape([1, horizon, 1, dim]),
    ).reshape([1, horizon * tokens, dim]);
    const shared = add(
      embedSteps(this.timestepEmbed, present, t, dim),
      this.z_t_proj.forward(mean(present, [1])),
    ); // (B, D)
    const condition = add(actions, shared.reshape([batch, 1, dim]));
    const u = applySteps(
      add(this.inputProj.forward(x), positions),
      this.blocks.map((block) => (y) => block.forward(y, condition)),
    ); // (B, H S, D)
    return finalLayer(u, condition, this.finalAdaln, this.finalLinear);
  }

  /** (B, S, D) to (B, H S, D): the present in every frame of the horizon. */
  protected repeated(present: Tensor): Tensor {
    const [batch = 0, tokens = 0, dim = 0] = present.shape;
    return broadcastTo(
      present.reshape([batch, 1, tokens, dim]),
      [batch, this.#horizon, tokens, dim],
    ).reshape([batch, this.#horizon * tokens, dim]);
  }
}

/**
 * The same, anchored: output = present + correction, so that it starts as a
 * copy of the present.
 *
 * Source: Section 5.2; published code,
 * `scripts/training/train_dit_spatial_anchored_modal.py`.
 */
export class AnchoredSpatialDiT extends SpatialTemporalDiT {
  /**
   * Predicts the clean future.
   *
   * @param present (B, S, D)
   * @param actions (B, H, D) embedded
   * @param noised (B, H S, D) with the diffusion steps; absent for one pass
   * @returns (B, H S, D)
   * @throws {RangeError} if a shape does not fit
   */
  override forward(
    present: Tensor,
    actions: Tensor,
    noised?: NoisedLatents,
  ): Tensor {
    return add(
      super.forward(present, actions, noised),
      this.repeated(present),
    );
  }
}
