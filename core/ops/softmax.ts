import source from "../../kernels/softmax.wgsl" with { type: "text" };
import { record } from "../tensor/autograd.ts";
import { emptyLike } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { alignRows, cropRows } from "./copy_rows.ts";
import { pick } from "./gather.ts";
import { neg } from "./pointwise.ts";
import { mean } from "./reduce.ts";
import { defineRowShaders, rowsOf } from "./rows.ts";

const shaders = defineRowShaders("softmax", source);

/**
 * Turns each row into positive numbers that sum to 1.
 *
 * @param x (..., cols)
 * @returns same shape
 * @throws {RangeError} if `x` is a scalar
 */
export function softmax(x: Tensor): Tensor {
  return overRows("softmax", x, "forward", "backward");
}

/**
 * The logarithm of {@linkcode softmax}, accurate where that underflows.
 *
 * @param x (..., cols)
 * @returns same shape
 * @throws {RangeError} if `x` is a scalar
 */
export function logSoftmax(x: Tensor): Tensor {
  return overRows("logSoftmax", x, "logForward", "logBackward");
}

/**
 * Averages the negative log-likelihood of the target classes, in nats.
 *
 * @param logits (N, C)
 * @param targets u32 (N), each below C
 * @returns ()
 * @throws {TypeError} if `targets` is not u32
 * @throws {RangeError} if there is not one target per row
 */
export function crossEntropy(logits: Tensor, targets: Tensor): Tensor {
  return neg(mean(pick(logSoftmax(logits), targets)));
}

function overRows(
  op: string,
  x: Tensor,
  forward: string,
  backward: string,
): Tensor {
  const { rows, cols, width, grid, knobs, member } = rowsOf(op, x);
  const params = { rows, cols, width };
  const padded = alignRows(x);
  const y = emptyLike(padded);
  shaders[member].run(forward, { x: padded, y }, params, grid, { knobs });
  return record(cropRows(y, x.shape), [x], (dy) => {
    const dx = emptyLike(padded);
    const bindings = { result: y, dy: alignRows(dy), dx };
    shaders[member].run(backward, bindings, params, grid, { knobs });
    return [cropRows(dx, x.shape)];
  });
}
