import { MultiheadAttention } from "../nn/attention.ts";
import { constant } from "../nn/init.ts";
import { Linear } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { Parameter } from "../nn/parameter.ts";
import { chunk } from "../ops/concat.ts";
import { adaptiveLayerNorm } from "../ops/layer_norm.ts";
import { gatedAdd } from "../ops/modulate.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Added to the variance in the layer norms of the transformer. */
export const NORM_EPS = 1e-5;

/** A linear layer that starts at zero. */
export class ZeroLinear extends Linear {
  /** `weight`: (outputs, inputs), zero */
  override readonly weight: Parameter;
  /** `bias`: (outputs), zero */
  override readonly bias: Parameter;

  /**
   * Creates it.
   *
   * @param inputs features that come in
   * @param outputs features that go out
   */
  constructor(inputs: number, outputs: number) {
    super(inputs, outputs, { bias: false });
    this.weight = new Parameter([outputs, inputs], constant(0));
    this.bias = new Parameter([outputs], constant(0));
  }
}

/** Linear, GELU in the same pass, Linear; named as a list with GELU between. */
class FeedForward extends Module {
  readonly #first: Linear;
  readonly #second: Linear;

  constructor(dim: number, hidden: number) {
    super();
    this.#first = new Linear(dim, hidden);
    this.#second = new Linear(hidden, dim);
  }

  protected override *members(): Generator<[string, unknown]> {
    yield ["0", this.#first];
    yield ["2", this.#second];
  }

  forward(x: Tensor): Tensor {
    return this.#second.forward(this.#first.forward(x, { activation: "gelu" }));
  }
}

/**
 * A transformer block whose norms and residual gates are set by a condition.
 *
 * Source: world-model code; Peebles & Xie 2023, adaLN.
 * Differs from adaLN-Zero: one plain linear layer makes the six parts, without
 * SiLU and not zero at the start, unless `zeroGates` is set.
 */
export class DiTBlock extends Module {
  /** `attn.in_proj_weight`, `attn.out_proj.weight`, ... */
  readonly attn: MultiheadAttention;
  /** `mlp.0`, `mlp.2` */
  readonly mlp: Module & { forward(x: Tensor): Tensor };
  /** `adaln_linear`: shift, scale, gate of attention, then of the MLP */
  readonly adalnLinear: Linear;

  /**
   * Creates it.
   *
   * @param dim width D
   * @param heads heads of the attention
   * @param zeroGates whether shifts, scales and gates start at zero
   */
  constructor(dim: number, heads: number, zeroGates = false) {
    super();
    this.attn = new MultiheadAttention(dim, heads);
    this.mlp = new FeedForward(dim, 4 * dim);
    this.adalnLinear = zeroGates
      ? new ZeroLinear(dim, 6 * dim)
      : new Linear(dim, 6 * dim);
  }

  /**
   * Applies the block.
   *
   * @param u (B, T, D) tokens
   * @param condition (B, T / n, D), each row for n neighbouring tokens
   * @returns (B, T, D)
   */
  forward(u: Tensor, condition: Tensor): Tensor {
    const [shiftA, scaleA, gateA, shiftM, scaleM, gateM] = chunk(
      this.adalnLinear.forward(condition),
      6,
    ) as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
    const a = this.attn.forward(
      adaptiveLayerNorm(u, NORM_EPS, shiftA, scaleA),
    );
    u = gatedAdd(u, gateA, a);
    const m = this.mlp.forward(
      adaptiveLayerNorm(u, NORM_EPS, shiftM, scaleM),
    );
    return gatedAdd(u, gateM, m);
  }
}
