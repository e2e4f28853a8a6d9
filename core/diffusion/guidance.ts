import { add, mul, sub } from "../ops/pointwise.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * Moves a prediction away from the one without the condition:
 * null + scale (conditional - null).
 *
 * Source: Ho & Salimans 2022, on predictions of the clean tokens.
 *
 * @param conditional prediction with the actions
 * @param unconditional prediction with zero in their place
 * @param scale 1 for no guidance
 */
export function guide(
  conditional: Tensor,
  unconditional: Tensor,
  scale: number,
): Tensor {
  return add(unconditional, mul(sub(conditional, unconditional), scale));
}
