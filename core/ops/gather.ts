import opaque from "../../kernels/lib/opaque.wgsl" with { type: "text" };
import quotient from "../../kernels/lib/quotient.wgsl" with { type: "text" };
import source from "../../kernels/gather.wgsl" with { type: "text" };
import { ceilDiv, flatGrid } from "../gpu/grid.ts";
import { defineShader } from "../gpu/shader.ts";
import { record } from "../tensor/autograd.ts";
import { empty } from "../tensor/create.ts";
import { resolveAxis, showShape, sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { broadcastTo } from "./pointwise.ts";

const shader = defineShader("gather", [opaque, quotient, source]);

/** Indices that one gradient may walk: the driver ends longer loops silently. */
const MAX_INDICES = 60_000;

/**
 * Takes rows by index, as an embedding or a codebook does.
 *
 * @param x (rows, ...)
 * @param index u32 (...), each below rows; larger ones read undefined values
 * @returns (...index, ...row)
 * @throws {TypeError} if `index` is not u32
 * @throws {RangeError} if a gradient would walk more than 60,000 indices
 */
export function gather(x: Tensor, index: Tensor): Tensor {
  checkIndex("gather", index);
  const [rows = 1, ...row] = x.shape;
  const cols = sizeOf(row);
  const count = index.size;
  if (x.requiresGrad && count > MAX_INDICES) {
    throw new RangeError(
      `Cannot apply gather with a gradient to ${count} indices: at most ${MAX_INDICES} are possible; split the batch`,
    );
  }
  const params = { count, rows, cols };
  const y = empty(x.gpu, [...index.shape, ...row]);
  shader.run("rows", { x, index, y }, params, flatGrid(ceilDiv(y.size, 64)));
  return record(y, [x], (dy) => {
    const dx = empty(x.gpu, x.shape);
    const grid = flatGrid(ceilDiv(dx.size, 64));
    shader.run("rowsBackward", { index, dy, dx }, params, grid);
    return [dx];
  });
}

/**
 * Takes one value of each row.
 *
 * @param x (N, C)
 * @param index u32 (N), each below C
 * @returns (N)
 * @throws {TypeError} if `index` is not u32
 * @throws {RangeError} if there is not one index per row
 */
export function pick(x: Tensor, index: Tensor): Tensor {
  checkIndex("pick", index);
  const [rows = 1, cols = 1] = x.shape;
  if (x.shape.length !== 2 || index.size !== rows) {
    throw new RangeError(
      `Cannot apply pick: ${showShape(index.shape)} indices for ${
        showShape(x.shape)
      }, needed one per row of (N, C)`,
    );
  }
  const params = { count: rows, rows, cols };
  const y = empty(x.gpu, [rows]);
  shader.run("pick", { x, index, y }, params, flatGrid(ceilDiv(rows, 64)));
  return record(y, [x], (dy) => {
    const dx = empty(x.gpu, x.shape);
    const grid = flatGrid(ceilDiv(dx.size, 64));
    shader.run("pickBackward", { index, dy, dx }, params, grid);
    return [dx];
  });
}

/**
 * Repeats a tensor along an axis, whole copies one after the other.
 *
 * @param x any shape
 * @param times number of copies, at least 1
 * @param axis which axis, negative from the end
 * @returns the axis is `times` as long
 * @throws {RangeError} if `times` is not a positive integer
 */
export function repeat(x: Tensor, times: number, axis: number): Tensor {
  const at = resolveAxis("repeat", axis, x.shape.length);
  if (!(Number.isInteger(times) && times >= 1)) {
    throw new RangeError(
      `Cannot apply repeat: ${times} copies, needed a positive integer`,
    );
  }
  const outer = sizeOf(x.shape.slice(0, at));
  const inner = x.size / outer;
  return broadcastTo(x.reshape([outer, 1, inner]), [outer, times, inner])
    .reshape(x.shape.with(at, x.shape[at]! * times));
}

function checkIndex(op: string, index: Tensor): void {
  if (index.dtype !== "u32") {
    throw new TypeError(
      `Cannot apply ${op}: indices are ${index.dtype}, needed u32`,
    );
  }
}
