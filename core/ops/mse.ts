import { sameShape, showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { pow, sub } from "./pointwise.ts";
import { mean } from "./reduce.ts";

/**
 * Averages the squared differences over all elements.
 *
 * @param x any shape
 * @param y same shape
 * @returns ()
 * @throws {RangeError} if the shapes differ
 */
export function mse(x: Tensor, y: Tensor): Tensor {
  if (!sameShape(x.shape, y.shape)) {
    throw new RangeError(
      `Cannot apply mse: shapes ${showShape(x.shape)} and ${
        showShape(y.shape)
      } must be equal`,
    );
  }
  return mean(pow(sub(x, y), 2));
}
