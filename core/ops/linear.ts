import type { Activation } from "../../kernels/matmul.wgsl.ts";
import { isGradEnabled, record } from "../tensor/autograd.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { activationGradient } from "./pointwise.ts";
import { product } from "./product.ts";
import { sum } from "./reduce.ts";

/** Options of {@linkcode linear}. */
export interface LinearOptions {
  /** Applied to the result in the same pass. */
  readonly activation?: Activation;
}

/**
 * Applies an affine map to the last axis: act(x W^T + b).
 *
 * With an activation and a gradient, the sum before the activation is kept as
 * well: one more (..., N) tensor.
 *
 * @param x (..., K)
 * @param weight (N, K), as PyTorch stores it; f16 for frozen networks, with K
 *   a multiple of 4
 * @param bias (N), or `undefined` for none
 * @param options fused activation
 * @returns (..., N)
 * @throws {RangeError} if the lengths do not fit
 */
export function linear(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: LinearOptions = {},
): Tensor {
  const { activation = "none" } = options;
  const [columns = 0, depth = 0] = weight.shape;
  const last = x.shape.at(-1);
  if (weight.shape.length !== 2 || last !== depth) {
    throw new RangeError(
      `Cannot apply linear: input ${
        showShape(x.shape)
      } ends in ${last}, weight ${showShape(weight.shape)} needs ${
        weight.shape[1]
      }`,
    );
  }
  if (bias !== undefined && (bias.size !== columns)) {
    throw new RangeError(
      `Cannot apply linear: bias ${showShape(bias.shape)}, weight ${
        showShape(weight.shape)
      } needs (${columns})`,
    );
  }
  if (
    weight.dtype !== "f32" && (weight.dtype !== "f16" || weight.requiresGrad)
  ) {
    throw new TypeError(
      `Cannot apply linear: weight is ${weight.dtype}, needed f32, or f16 without a gradient`,
    );
  }
  const rows = x.size / depth;
  const inputs = bias === undefined ? [x, weight] : [x, weight, bias];
  const needsPre = activation !== "none" && isGradEnabled() &&
    inputs.some((input) => input.requiresGrad);
  const { c, pre } = product({
    a: x,
    b: weight,
    transposeB: true,
    batch: 1,
    rows,
    columns,
    depth,
    bias,
    activation,
    keepPre: needsPre,
    shape: [...x.shape.slice(0, -1), columns],
  });
  return record(c, inputs, (dy) => {
    const dz = pre === undefined ? dy : activationGradient(
      activation as Exclude<Activation, "none">,
      pre,
      dy,
    );
    const sizes = { batch: 1, rows, columns, depth };
    const dx = x.requiresGrad
      ? product({
        ...sizes,
        a: dz,
        b: weight,
        columns: depth,
        depth: columns,
        shape: x.shape,
      }).c
      : undefined;
    const weighted = weight.requiresGrad
      ? product({
        ...sizes,
        a: dz,
        b: x,
        transposeA: true,
        rows: columns,
        columns: depth,
        depth: rows,
        rowSums: bias?.requiresGrad ?? false,
        shape: weight.shape,
      })
      : undefined;
    if (bias === undefined) return [dx, weighted?.c];
    const db = bias.requiresGrad
      ? (weighted?.rowSums ?? sum(dz.reshape([rows, columns]), [0]))
        .reshape(bias.shape)
      : undefined;
    return [dx, weighted?.c, db];
  });
}
