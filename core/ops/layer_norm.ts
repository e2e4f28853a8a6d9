import source from "../../kernels/layer_norm.wgsl" with { type: "text" };
import { record } from "../tensor/autograd.ts";
import { empty, emptyLike } from "../tensor/create.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { alignRows, cropRows } from "./copy_rows.ts";
import { mul } from "./pointwise.ts";
import { sumTo } from "./reduce.ts";
import { defineRowShaders, rowsOf } from "./rows.ts";

const shaders = defineRowShaders("layer_norm", source);

/** Learned scale and shift of {@linkcode layerNorm}. */
export interface Affine {
  /** (cols), factor of the normalized values. */
  readonly weight: Tensor;
  /** (cols), added after it. */
  readonly bias: Tensor;
}

/**
 * Shifts and scales each row of `x` to zero mean and unit variance.
 *
 * In a DiT block scale and shift come from the conditioning, see
 * {@linkcode modulate}; elsewhere they are learned.
 *
 * Source: Ba, Kiros & Hinton 2016, equation 3.
 *
 * @param x (..., cols), normalized over the last axis
 * @param eps added to the variance, in squared units of `x`
 * @param affine learned scale and shift, or `undefined` for none
 * @returns (..., cols), same shape as `x`
 * @throws {RangeError} if `x` is a scalar, or the affine lengths differ
 */
export function layerNorm(x: Tensor, eps: number, affine?: Affine): Tensor {
  const { rows, cols, width, grid, knobs, member } = rowsOf("layerNorm", x);
  if (
    affine !== undefined &&
    (affine.weight.size !== cols || affine.bias.size !== cols)
  ) {
    throw new RangeError(
      `Cannot apply layerNorm: weight ${
        showShape(affine.weight.shape)
      } and bias ${showShape(affine.bias.shape)} must be (${cols}) for input ${
        showShape(x.shape)
      }`,
    );
  }
  const params = { rows, cols, width, eps };
  const options = { knobs: { ...knobs, AFFINE: affine !== undefined } };
  const padded = alignRows(x);

  const y = emptyLike(padded);
  const stats = empty(x.gpu, [rows, 2]); // mean and rstd, for the gradient
  // Without an affine map its bindings take any buffer: they are not read.
  const weight = affine?.weight ?? padded;
  const bias = affine?.bias ?? padded;
  shaders[member].run(
    "forward",
    { x: padded, weight, bias, y, stats },
    params,
    grid,
    options,
  );

  const inputs = affine === undefined ? [x] : [x, affine.weight, affine.bias];
  return record(cropRows(y, x.shape), inputs, (dy) => {
    const dyPadded = alignRows(dy);
    const dx = emptyLike(padded);
    shaders[member].run(
      "backward",
      { x: padded, saved: stats, dy: dyPadded, dx, weight },
      params,
      grid,
      options,
    );
    const gradients: (Tensor | undefined)[] = [cropRows(dx, x.shape)];
    if (affine !== undefined) {
      const needsWeight = affine.weight.requiresGrad;
      gradients.push(
        needsWeight
          ? sumTo(mul(dy, layerNorm(x, eps)), affine.weight.shape)
          : undefined,
        affine.bias.requiresGrad ? sumTo(dy, affine.bias.shape) : undefined,
      );
    }
    return gradients;
  });
}
