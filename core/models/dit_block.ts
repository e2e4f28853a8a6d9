import { MultiheadAttention } from "../nn/attention.ts";
import { constant } from "../nn/init.ts";
import { Linear } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { Parameter } from "../nn/parameter.ts";
import { chunk } from "../ops/concat.ts";
import { depthwiseConv2d } from "../ops/depthwise_conv2d.ts";
import { adaptiveLayerNorm } from "../ops/layer_norm.ts";
import { gatedAdd } from "../ops/modulate.ts";
import { add, gelu } from "../ops/pointwise.ts";
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

/** Adds to each token a 3 x 3 convolution of its channel over the token grid. */
class TokenConvolution extends Module {
  /** `weight`: (D, 1, 3, 3), zero, so that tokens do not mix at the start */
  readonly weight: Parameter;
  /** `bias`: (D), zero */
  readonly bias: Parameter;
  readonly #grid: readonly [height: number, width: number];

  constructor(dim: number, grid: readonly [number, number]) {
    super();
    this.weight = new Parameter([dim, 1, 3, 3], constant(0));
    this.bias = new Parameter([dim], constant(0));
    this.#grid = grid;
  }

  forward(x: Tensor): Tensor {
    const [batch = 0, , dim = 0] = x.shape;
    const images = x.reshape([batch, ...this.#grid, dim]);
    return add(images, depthwiseConv2d(images, this.weight, this.bias))
      .reshape(x.shape);
  }
}

/** A {@linkcode FeedForward} whose hidden tokens see their neighbours. */
class ConvolutionalFeedForward extends Module {
  readonly #first: Linear;
  readonly #depthwise: TokenConvolution;
  readonly #second: Linear;

  constructor(dim: number, hidden: number, grid: readonly [number, number]) {
    super();
    this.#first = new Linear(dim, hidden);
    this.#depthwise = new TokenConvolution(hidden, grid);
    this.#second = new Linear(hidden, dim);
  }

  protected override *members(): Generator<[string, unknown]> {
    yield ["0", this.#first];
    yield ["depthwise", this.#depthwise];
    yield ["2", this.#second];
  }

  forward(x: Tensor): Tensor {
    const hidden = this.#depthwise.forward(this.#first.forward(x));
    return this.#second.forward(gelu(hidden));
  }
}

/** Options of a {@linkcode DiTBlock}. */
export interface DiTBlockOptions {
  /** Whether shifts, scales and gates start at zero. Default false. */
  readonly zeroGates?: boolean;
  /**
   * Height and width of the token grid, for a depthwise convolution in the MLP;
   * default none. The tokens are then those of one frame.
   */
  readonly grid?: readonly [height: number, width: number];
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
  /** `mlp.0`, `mlp.2`, and `mlp.depthwise` with a grid */
  readonly mlp: Module & { forward(x: Tensor): Tensor };
  /** `adaln_linear`: shift, scale, gate of attention, then of the MLP */
  readonly adalnLinear: Linear;

  /**
   * Creates it.
   *
   * @param dim width D
   * @param heads heads of the attention
   * @param options how gates start, and whether the MLP convolves
   */
  constructor(dim: number, heads: number, options: DiTBlockOptions = {}) {
    super();
    this.attn = new MultiheadAttention(dim, heads);
    this.mlp = options.grid === undefined
      ? new FeedForward(dim, 4 * dim)
      : new ConvolutionalFeedForward(dim, 4 * dim, options.grid);
    this.adalnLinear = options.zeroGates
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
