import { showShape, sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { pointwise } from "./pointwise.ts";

/**
 * Scales and shifts normalized tokens by their conditioning:
 * x (1 + scale) + shift.
 *
 * Conditioning may have fewer rows than `x`: each row then serves as many
 * neighbouring tokens, such as all tokens of one time step.
 *
 * Source: Peebles & Xie 2023, adaLN.
 *
 * @param x (..., T, D)
 * @param shift (..., T / n, D)
 * @param scale (..., T / n, D)
 * @returns (..., T, D)
 * @throws {RangeError} if the rows of the conditioning do not divide T
 */
export function modulate(x: Tensor, shift: Tensor, scale: Tensor): Tensor {
  const rows = rowsOf("modulate", x, shift);
  const shared = rowsOf("modulate", x, scale);
  return pointwise("modulate", [
    x.reshape(rows.tokens),
    scale.reshape(shared.conditioning),
    shift.reshape(rows.conditioning),
  ]).reshape(x.shape);
}

/**
 * Adds a gated branch to the residual stream: x + gate * branch.
 *
 * @param x (..., T, D)
 * @param gate (..., T / n, D)
 * @param branch (..., T, D)
 * @returns (..., T, D)
 * @throws {RangeError} if the rows of the gate do not divide T
 */
export function gatedAdd(x: Tensor, gate: Tensor, branch: Tensor): Tensor {
  const { tokens, conditioning } = rowsOf("gatedAdd", x, gate);
  return pointwise("gatedAdd", [
    x.reshape(tokens),
    gate.reshape(conditioning),
    branch.reshape(tokens),
  ]).reshape(x.shape);
}

/** Shapes in which a conditioning row meets its tokens. */
function rowsOf(
  op: string,
  x: Tensor,
  conditioning: Tensor,
): { tokens: number[]; conditioning: number[] } {
  const width = x.shape.at(-1) ?? 1;
  const rows = conditioning.size / width;
  const repeats = x.size / conditioning.size;
  const lead = sizeOf(x.shape.slice(0, -2));
  if (
    conditioning.shape.at(-1) !== width || !Number.isInteger(repeats) ||
    sizeOf(conditioning.shape.slice(0, -2)) !== lead
  ) {
    throw new RangeError(
      `Cannot apply ${op}: conditioning ${
        showShape(conditioning.shape)
      } needs the leading axes and the width of ${
        showShape(x.shape)
      }, and rows that divide its tokens`,
    );
  }
  return { tokens: [rows, repeats, width], conditioning: [rows, 1, width] };
}
