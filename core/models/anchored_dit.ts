import { normalWith } from "../nn/init.ts";
import { Linear } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { applySteps } from "../nn/sequence.ts";
import { Parameter } from "../nn/parameter.ts";
import { chunk } from "../ops/concat.ts";
import { adaptiveLayerNorm } from "../ops/layer_norm.ts";
import { add, broadcastTo, mul } from "../ops/pointwise.ts";
import { mean } from "../ops/reduce.ts";
import { tensor } from "../tensor/create.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { DiTBlock, NORM_EPS, ZeroLinear } from "./dit_block.ts";
import type { Predictor, PredictorInputs } from "./predictor.ts";
import { TimestepEmbedding, timestepFeatures } from "./timestep_embedding.ts";

/** Sizes of an {@linkcode AnchoredVAEDiT}. */
export interface AnchoredDitOptions {
  /** Frames predicted, H. */
  readonly horizon: number;
  /** Tokens of a frame, S. */
  readonly tokens: number;
  /** Values of a token, P. */
  readonly patchDim: number;
  /** Width, D. */
  readonly dim: number;
  /** Transformer blocks. */
  readonly blocks: number;
  /** Attention heads. Default 4. */
  readonly heads?: number;
  /** Whether shifts, scales and gates start at zero. Default false. */
  readonly zeroGates?: boolean;
  /**
   * Whether the network sees the present token by token: one more linear
   * layer. Default false, as published: in diffusion mode the present then
   * enters only as a mean over tokens and as the anchor of the output.
   */
  readonly anchorVisible?: boolean;
}

/**
 * The diffusion transformer that predicts the future latents of a drive,
 * anchored at the present: output = present + correction.
 *
 * One joint attention over all H S tokens; the condition of a token is the
 * diffusion step, the pooled present and the action of its frame.
 *
 * Source: paper Section 4.2; names and sizes of the published checkpoints.
 */
export class AnchoredVAEDiT extends Module implements Predictor {
  /** Yes; without one it sees the present repeated H times, at step 0. */
  readonly takesNoised = true;
  /** `spatial_pos`: (1, S, D) */
  readonly spatialPos: Parameter;
  /** `temporal_pos`: (1, H, D) */
  readonly temporalPos: Parameter;
  /** `latent_up` */
  readonly latentUp: Linear;
  /** `latent_down` */
  readonly latentDown: Linear;
  /** `input_proj` */
  readonly inputProj: Linear;
  /** `timestep_embed.mlp` */
  readonly timestepEmbed: TimestepEmbedding;
  /** `z_t_proj` */
  readonly z_t_proj: Linear;
  /** `blocks.i` */
  readonly blocks: readonly DiTBlock[];
  /** `final_adaln` */
  readonly finalAdaln: Linear;
  /** `final_linear` */
  readonly finalLinear: Linear;
  /** `present_up`, where the present is visible */
  readonly presentUp?: Linear;
  readonly #sizes: AnchoredDitOptions;

  /**
   * Creates it.
   *
   * @param options sizes
   */
  constructor(options: AnchoredDitOptions) {
    super();
    const { horizon, tokens, patchDim, dim, heads = 4 } = options;
    const { zeroGates = false } = options;
    this.spatialPos = new Parameter([1, tokens, dim], normalWith(0.02));
    this.temporalPos = new Parameter([1, horizon, dim], normalWith(0.02));
    this.latentUp = new Linear(patchDim, dim);
    this.latentDown = new Linear(dim, patchDim);
    this.inputProj = new Linear(dim, dim);
    this.timestepEmbed = new TimestepEmbedding(dim);
    this.z_t_proj = new Linear(patchDim, dim);
    this.blocks = Array.from(
      { length: options.blocks },
      () => new DiTBlock(dim, heads, { zeroGates }),
    );
    this.finalAdaln = zeroGates
      ? new ZeroLinear(dim, 3 * dim)
      : new Linear(dim, 3 * dim);
    this.finalLinear = new ZeroLinear(dim, dim);
    if (options.anchorVisible) this.presentUp = new Linear(patchDim, dim);
    this.#sizes = options;
  }

  /** Sizes it was made with. */
  get sizes(): AnchoredDitOptions {
    return this.#sizes;
  }

  /**
   * Predicts the future.
   *
   * @param inputs present, actions, and the noised future but in one pass
   * @returns (B, H S, P) normalized tokens
   * @throws {RangeError} if a shape does not fit
   */
  forward({ present, actions, noised }: PredictorInputs): Tensor {
    const { horizon, tokens, patchDim, dim } = this.#sizes;
    const [batch = 0] = present.shape;
    const check = (name: string, got: readonly number[], wanted: number[]) => {
      if (showShape(got) !== showShape(wanted)) {
        throw new RangeError(
          `Cannot apply AnchoredVAEDiT: ${name} is ${showShape(got)}, needed ${
            showShape(wanted)
          }`,
        );
      }
    };
    check("present", present.shape, [batch, tokens, patchDim]);
    check("actions", actions.shape, [batch, horizon, dim]);
    const anchor = present.reshape([batch, 1, tokens, patchDim]);
    const { x, t } = noised ?? {
      x: broadcastTo(anchor, [batch, horizon, tokens, patchDim])
        .reshape([batch, horizon * tokens, patchDim]),
      t: Array<number>(batch).fill(0),
    };
    check("x", x.shape, [batch, horizon * tokens, patchDim]);
    check("t", [t.length], [batch]);

    const grid = [batch, horizon, tokens, dim];
    let lifted = this.latentUp.forward(x).reshape(grid); // (B, H, S, D)
    if (this.presentUp) {
      const seen = this.presentUp.forward(anchor); // (B, 1, S, D)
      lifted = add(lifted, seen);
    }
    const positions = add(
      this.spatialPos.reshape([1, 1, tokens, dim]),
      this.temporalPos.reshape([1, horizon, 1, dim]),
    ); // (1, H, S, D)
    let u = add(this.inputProj.forward(lifted), positions)
      .reshape([batch, horizon * tokens, dim]); // (B, H S, D)
    const condition = this.#condition(present, actions, t); // (B, H, D)
    u = applySteps(
      u,
      this.blocks.map((block) => (y) => block.forward(y, condition)),
    ); // (B, H S, D)

    const [shift, scale, gate] = chunk(
      this.finalAdaln.forward(condition), // (B, H, 3 D)
      3,
    ) as [Tensor, Tensor, Tensor]; // (B, H, D) each
    const y = this.finalLinear.forward(
      adaptiveLayerNorm(u, NORM_EPS, shift, scale),
    ); // (B, H S, D)
    const gated = mul(
      y.reshape(grid),
      gate.reshape([batch, horizon, 1, dim]),
    ); // (B, H, S, D)
    const delta = this.latentDown.forward(gated); // (B, H, S, P)
    return add(delta, anchor).reshape(x.shape); // (B, H S, P)
  }

  /** (B, H, D): diffusion step, pooled present and action. */
  #condition(
    present: Tensor,
    actions: Tensor,
    t: readonly number[],
  ): Tensor {
    const [batch = 0, , dim = 0] = actions.shape;
    const step = tensor(present.gpu, timestepFeatures(t, dim))
      .reshape([batch, dim]);
    const pooled = this.z_t_proj.forward(mean(present, [1])); // (B, D)
    const shared = add(this.timestepEmbed.forward(step), pooled); // (B, D)
    return add(actions, shared.reshape([batch, 1, dim]));
  }
}
