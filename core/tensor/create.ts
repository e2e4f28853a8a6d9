import type { Gpu } from "../gpu/gpu.ts";
import { BYTES, type DType, fromNumbers, type HostData } from "./dtype.ts";
import { checkShape, type Shape, showShape, sizeOf } from "./shape.ts";
import { Tensor } from "./tensor.ts";

/** Numbers nested as deep as the tensor has axes. */
export type Nested = number | readonly Nested[];

/**
 * Makes a tensor with undefined content.
 *
 * @param gpu device
 * @param shape axis lengths, all positive
 * @param dtype element type
 * @throws {RangeError} if the shape is not of positive integers or the tensor
 *   is larger than the adapter binds
 */
export function empty(gpu: Gpu, shape: Shape, dtype: DType = "f32"): Tensor {
  const what = `a tensor ${showShape(shape)}`;
  checkShape(what, shape);
  const bytes = Math.max(4, sizeOf(shape) * BYTES[dtype]);
  return new Tensor([...shape], dtype, gpu.allocate(bytes, what));
}

/** Makes a tensor like `x`, with undefined content and f32 elements. */
export function emptyLike(x: Tensor): Tensor {
  return empty(x.gpu, x.shape);
}

/**
 * Makes a tensor of zeros.
 *
 * @param gpu device
 * @param shape axis lengths
 * @param dtype element type
 */
export function zeros(gpu: Gpu, shape: Shape, dtype: DType = "f32"): Tensor {
  const y = empty(gpu, shape, dtype);
  gpu.recorder.clear(y);
  return y;
}

/**
 * Makes a tensor whose elements are all `value`.
 *
 * @param gpu device
 * @param shape axis lengths
 * @param value the element
 */
export function full(gpu: Gpu, shape: Shape, value: number): Tensor {
  return fromHost(gpu, shape, new Float32Array(sizeOf(shape)).fill(value));
}

/**
 * Makes a tensor from numbers: nested arrays, or a flat typed array and a
 * shape.
 *
 * @param gpu device
 * @param values nested numbers of equal lengths, or elements in row-major order
 * @param shape axis lengths; needed for a typed array
 * @throws {RangeError} if nested lengths differ or the count does not fit
 * @example
 * ```ts ignore
 * tensor(gpu, [[1, 2], [3, 4]]); // (2, 2)
 * tensor(gpu, new Float32Array(6), [2, 3]); // (2, 3)
 * ```
 */
export function tensor(
  gpu: Gpu,
  values: Nested | HostData,
  shape?: Shape,
): Tensor {
  if (ArrayBuffer.isView(values)) {
    return fromHost(gpu, shape ?? [values.length], values);
  }
  const own: number[] = [];
  for (let level: Nested = values; Array.isArray(level); level = level[0]!) {
    own.push(level.length);
  }
  const flat: number[] = [];
  flatten(values, own, 0, flat);
  return fromHost(gpu, shape ?? own, fromNumbers("f32", flat));
}

function flatten(
  values: Nested,
  shape: Shape,
  depth: number,
  into: number[],
): void {
  if (typeof values === "number") {
    if (depth === shape.length) {
      into.push(values);
      return;
    }
  } else if (values.length === shape[depth]) {
    for (const value of values) flatten(value, shape, depth + 1, into);
    return;
  }
  throw new RangeError(
    `Cannot create a tensor from nested arrays of different lengths: expected shape ${
      showShape(shape)
    }`,
  );
}

/** Makes a tensor from host elements, by their type. */
function fromHost(gpu: Gpu, shape: Shape, data: HostData): Tensor {
  if (sizeOf(shape) !== data.length) {
    throw new RangeError(
      `Cannot create a tensor ${
        showShape(shape)
      } from ${data.length} numbers: it needs ${sizeOf(shape)}`,
    );
  }
  let dtype: DType = "f32";
  if (data instanceof Float16Array) dtype = "f16";
  else if (data instanceof Uint32Array) dtype = "u32";
  else if (data instanceof Int32Array) dtype = "i32";
  const y = empty(gpu, shape, dtype);
  gpu.write(y, data);
  return y;
}

/**
 * Makes the numbers 0, 1, ..., length - 1.
 *
 * @param gpu device
 * @param length how many, at least 1
 * @returns (length)
 */
export function arange(gpu: Gpu, length: number): Tensor {
  checkShape("arange", [length]);
  return tensor(gpu, Float32Array.from({ length }, (_, i) => i));
}
