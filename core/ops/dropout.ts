import type { Key } from "../tensor/philox.ts";
import { uniform } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { pointwise } from "./pointwise.ts";

/**
 * Zeroes elements at random and scales the rest by 1 / (1 - p), so that the
 * expectation stays.
 *
 * @param x any shape
 * @param p share that is zeroed, from 0 to below 1
 * @param keys stream of the draws, or one for each row of the first axis
 * @returns same shape
 * @throws {RangeError} if `p` is outside [0, 1)
 */
export function dropout(
  x: Tensor,
  p: number,
  keys: Key | readonly Key[],
): Tensor {
  if (!(p >= 0 && p < 1)) {
    throw new RangeError(
      `Cannot apply dropout: share ${p} must be at least 0 and below 1`,
    );
  }
  if (p === 0) return x;
  const draws = uniform(x.gpu, x.shape, keys);
  return pointwise("dropout", [x, draws], { p, q: 1 / (1 - p) });
}
