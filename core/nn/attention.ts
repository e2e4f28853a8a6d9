import { attention, selfAttention } from "../ops/attention.ts";
import { slice } from "../ops/concat.ts";
import { linear } from "../ops/linear.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { constant, xavierUniform } from "./init.ts";
import { Linear } from "./layers.ts";
import { Module } from "./module.ts";
import { Parameter } from "./parameter.ts";

/** The output projection, whose bias starts at zero as PyTorch's does. */
class OutProjection extends Linear {
  override readonly bias: Parameter;

  constructor(width: number) {
    super(width, width, { bias: false });
    this.bias = new Parameter([width], constant(0));
  }
}

/**
 * Multi-head attention with PyTorch's packed input projection.
 *
 * Source: Vaswani et al. 2017, section 3.2.2; `torch.nn.MultiheadAttention`
 * with `batch_first`.
 */
export class MultiheadAttention extends Module {
  /** `in_proj_weight`: (3 D, D), rows of queries, keys, values */
  readonly in_proj_weight: Parameter;
  /** `in_proj_bias`: (3 D) */
  readonly in_proj_bias: Parameter;
  /** `out_proj.weight`: (D, D), `out_proj.bias`: (D) */
  readonly outProj: Linear;
  readonly #heads: number;

  /**
   * Makes the layer on no device; a parameter store places it and draws its
   * values.
   *
   * @param width model width D
   * @param heads number of heads, a divisor of D with D / heads up to 64
   * @throws {RangeError} if heads do not divide the width
   */
  constructor(width: number, heads: number) {
    super();
    if (!(heads >= 1) || width % heads !== 0) {
      throw new RangeError(
        `Cannot create MultiheadAttention: width ${width} does not split into ${heads} heads`,
      );
    }
    this.in_proj_weight = new Parameter(
      [3 * width, width],
      xavierUniform(width, 3 * width),
    );
    this.in_proj_bias = new Parameter([3 * width], constant(0));
    this.outProj = new OutProjection(width);
    this.#heads = heads;
  }

  /**
   * Applies the layer.
   *
   * @param x (B, T, D) queries
   * @param memory (B, S, D) keys and values; `x` itself if absent
   * @returns (B, T, D)
   * @throws {RangeError} if the shapes do not fit
   */
  forward(x: Tensor, memory?: Tensor): Tensor {
    const [batch = 0, tokens = 0, width = 0] = x.shape;
    const heads = this.#heads;
    if (x.shape.length !== 3 || width % heads !== 0) {
      throw new RangeError(
        `Cannot apply MultiheadAttention: input ${
          showShape(x.shape)
        } must be (B, T, D) with D divisible by ${heads} heads`,
      );
    }
    const d = width / heads;
    let mixed: Tensor;
    if (memory === undefined) {
      const qkv = linear(x, this.in_proj_weight, this.in_proj_bias);
      mixed = selfAttention(qkv.reshape([batch, tokens, 3, heads, d]));
    } else {
      const part = (input: Tensor, index: number) => {
        const range = [index * width, (index + 1) * width] as const;
        return linear(
          input,
          slice(this.in_proj_weight, 0, ...range),
          slice(this.in_proj_bias, 0, ...range),
        ).reshape([batch, input.shape[1]!, heads, d]);
      };
      mixed = attention(part(x, 0), part(memory, 1), part(memory, 2));
    }
    return this.outProj.forward(mixed.reshape([batch, tokens, width]));
  }
}
