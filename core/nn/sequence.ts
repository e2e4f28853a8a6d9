import { isGradEnabled } from "../tensor/autograd.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** One step of a network. */
export type Step = (x: Tensor) => Tensor;

/**
 * Applies steps one after another. Without gradients what a step needed is
 * freed after it, so that memory is that of the largest step.
 *
 * @param x input, which is not freed
 * @param steps in order
 * @returns result of the last, owned by the innermost scope
 */
export function applySteps(x: Tensor, steps: readonly Step[]): Tensor {
  if (isGradEnabled()) return steps.reduce((y, step) => step(y), x);
  let y = x;
  for (const step of steps) {
    using scope = x.gpu.scope();
    const next = scope.keep(step(y));
    if (y !== x) y.free();
    y = next;
  }
  return y;
}
