import quotient from "../../kernels/lib/quotient.wgsl" with { type: "text" };
import source from "../../kernels/permute.wgsl" with { type: "text" };
import { ceilDiv, flatGrid } from "../gpu/grid.ts";
import { defineShader } from "../gpu/shader.ts";
import { record } from "../tensor/autograd.ts";
import { empty } from "../tensor/create.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

const shader = defineShader("permute", [quotient, source]);

/** Axes that the kernel walks. */
const RANK = 6;

/**
 * Reorders axes, by copy.
 *
 * @param x up to six axes
 * @param order axis `i` of the result is axis `order[i]` of `x`
 * @returns `x` with its axes in the given order
 * @throws {RangeError} if `order` is not a permutation, or there are more than
 *   six axes
 */
export function permute(x: Tensor, order: readonly number[]): Tensor {
  const rank = x.shape.length;
  const isPermutation = order.length === rank &&
    order.toSorted((a, b) => a - b).every((axis, i) => axis === i);
  if (!isPermutation || rank > RANK) {
    throw new RangeError(
      `Cannot apply permute: order ${showShape(order)} must name each axis of ${
        showShape(x.shape)
      } once, and there may be at most ${RANK}`,
    );
  }
  const shape = order.map((axis) => x.shape[axis]!);
  const y = empty(x.gpu, shape);
  const strides = new Array<number>(rank).fill(1);
  for (let axis = rank - 2; axis >= 0; axis--) {
    strides[axis] = strides[axis + 1]! * x.shape[axis + 1]!;
  }
  const isWide = order.at(-1) === rank - 1 && x.shape.at(-1)! % 4 === 0;
  const step = isWide ? 4 : 1;
  const lengths = [...new Array<number>(RANK - rank).fill(1), ...shape];
  const steps = [
    ...new Array<number>(RANK - rank).fill(0),
    ...order.map((axis, i) =>
      isWide && i === rank - 1 ? 1 : strides[axis]! / step
    ),
  ];
  if (isWide) lengths[RANK - 1] = lengths[RANK - 1]! / 4;
  const params: Record<string, number> = { count: x.size / step };
  for (let axis = 0; axis < RANK; axis++) {
    if (axis > 0) params[`n${axis}`] = lengths[axis]!;
    params[`s${axis}`] = steps[axis]!;
  }
  shader.run("copy", { x, y }, params, flatGrid(ceilDiv(x.size / step, 64)), {
    knobs: { Elem: isWide ? "vec4f" : "f32" },
  });
  return record(y, [x], (dy) => [
    permute(dy, order.map((_, axis) => order.indexOf(axis))),
  ]);
}
