import quotient from "../../kernels/lib/quotient.wgsl" with { type: "text" };
import source from "../../kernels/reduce.wgsl" with { type: "text" };
import { ceilDiv, flatGrid } from "../gpu/grid.ts";
import { defineShader } from "../gpu/shader.ts";
import { record } from "../tensor/autograd.ts";
import { empty } from "../tensor/create.ts";
import { resolveAxis, type Shape, sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { broadcastTo, mul, sub } from "./pointwise.ts";

const shader = defineShader("reduce", [quotient, source]);

/** Terms that one invocation adds. */
const CHUNK = 128;

/** Options of reductions. */
export interface ReduceOptions {
  /** Whether reduced axes stay, with length 1. */
  readonly keepAxes?: boolean;
}

/** Options of {@linkcode variance}. */
export interface VarianceOptions extends ReduceOptions {
  /** Whether to divide by n - 1 instead of n. Default false. */
  readonly unbiased?: boolean;
}

/**
 * Sums over axes.
 *
 * @param x any shape
 * @param axes which axes, negative from the end; all if absent
 * @param options whether the axes stay
 * @returns `x.shape` without `axes`, or with length 1 there
 * @throws {RangeError} if there is no such axis
 */
export function sum(
  x: Tensor,
  axes?: readonly number[],
  options: ReduceOptions = {},
): Tensor {
  const rank = x.shape.length;
  const list = new Set(
    axes?.map((axis) => resolveAxis("sum", axis, rank)) ??
      x.shape.map((_, axis) => axis),
  );
  const kept = x.shape.map((length, axis) => list.has(axis) ? 1 : length);
  const shape = options.keepAxes
    ? kept
    : x.shape.filter((_, axis) => !list.has(axis));
  const y = reduceTo(x, kept, shape);
  return record(y, [x], (dy) => [broadcastTo(dy.reshape(kept), x.shape)]);
}

/**
 * Sums over the axes along which `shape` was broadcast: the gradient of a
 * broadcast.
 *
 * @param x any shape
 * @param shape a shape that broadcasts to that of `x`
 * @returns (shape), or `x` itself if the shapes are equal
 */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  const padded = [
    ...new Array<number>(x.shape.length - shape.length).fill(1),
    ...shape,
  ];
  if (sizeOf(shape) === x.size) return x.reshape(shape);
  return reduceTo(x, padded, shape);
}

/** Sums every run of neighbouring axes whose length in `kept` is 1. */
function reduceTo(x: Tensor, kept: Shape, shape: Shape): Tensor {
  let data = x;
  const lengths = [...x.shape];
  for (let end = lengths.length; end > 0;) {
    const isReduced = (axis: number) => kept[axis] === 1 && lengths[axis] !== 1;
    if (!isReduced(end - 1)) {
      end--;
      continue;
    }
    let start = end - 1;
    while (start > 0 && isReduced(start - 1)) start--;
    const outer = sizeOf(lengths.slice(0, start));
    const length = sizeOf(lengths.slice(start, end));
    const inner = sizeOf(lengths.slice(end));
    data = reduceMiddle(data, outer, length, inner);
    lengths.fill(1, start, end);
    end = start;
  }
  // A sum over axes of length 1 is a view, and a view of x must be a tensor of
  // its own: gradients are kept by tensor.
  return data.reshape(shape);
}

/** (outer, length, inner) to (outer, inner). */
function reduceMiddle(
  x: Tensor,
  outer: number,
  length: number,
  inner: number,
): Tensor {
  let data = x;
  let left = length;
  do {
    const chunks = ceilDiv(left, CHUNK);
    const y = empty(x.gpu, [outer, chunks, inner]);
    const params = { outer, length: left, inner, chunk: CHUNK, chunks };
    if (inner % 4 === 0) {
      const grid = flatGrid(ceilDiv(y.size / 4, 64));
      shader.run("columns", { x: data, y4: y }, params, grid);
    } else {
      const entry = inner === 1 && left % 4 === 0 ? "rows" : "scalars";
      const grid = flatGrid(ceilDiv(y.size, 64));
      shader.run(entry, { x: data, y }, params, grid);
    }
    data = y;
    left = chunks;
  } while (left > 1);
  return data;
}

/**
 * Averages over axes.
 *
 * @param x any shape
 * @param axes which axes, negative from the end; all if absent
 * @param options whether the axes stay
 * @returns `x.shape` without `axes`, or with length 1 there
 */
export function mean(
  x: Tensor,
  axes?: readonly number[],
  options: ReduceOptions = {},
): Tensor {
  const total = sum(x, axes, options);
  return mul(total, total.size / x.size);
}

/**
 * Averages squared deviations from the mean over axes.
 *
 * @param x any shape
 * @param axes which axes, negative from the end; all if absent
 * @param options whether the axes stay, and whether to divide by n - 1
 * @returns `x.shape` without `axes`, or with length 1 there
 * @throws {RangeError} if unbiased and there is only one value
 */
export function variance(
  x: Tensor,
  axes?: readonly number[],
  options: VarianceOptions = {},
): Tensor {
  const centred = sub(x, mean(x, axes, { keepAxes: true }));
  const total = sum(mul(centred, centred), axes, options);
  const n = x.size / total.size;
  if (options.unbiased && n < 2) {
    throw new RangeError(
      `Cannot apply variance: ${n} value cannot have an unbiased one, it needs at least 2`,
    );
  }
  return mul(total, 1 / (options.unbiased ? n - 1 : n));
}
