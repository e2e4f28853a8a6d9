import { noGrad, record, recordMany } from "../tensor/autograd.ts";
import { empty, zeros } from "../tensor/create.ts";
import { BYTES } from "../tensor/dtype.ts";
import { resolveAxis, type Shape, showShape, sizeOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { copyRows } from "./copy_rows.ts";
import { permute } from "./permute.ts";

/**
 * Joins tensors along an axis.
 *
 * @param tensors one or more, equal in all other axes
 * @param axis which axis, negative from the end
 * @returns the axis is as long as the inputs' together
 * @throws {RangeError} if other axes differ
 */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  const [first] = tensors;
  if (first === undefined) {
    throw new RangeError("Cannot apply concat: it needs at least one tensor");
  }
  const at = resolveAxis("concat", axis, first.shape.length);
  const wrong = tensors.find((x) =>
    x.shape.length !== first.shape.length ||
    x.shape.some((length, i) => i !== at && length !== first.shape[i])
  );
  if (wrong !== undefined) {
    throw new RangeError(
      `Cannot apply concat: ${showShape(wrong.shape)} and ${
        showShape(first.shape)
      } differ outside axis ${at}`,
    );
  }
  const total = tensors.reduce((n, x) => n + x.shape[at]!, 0);
  const y = empty(first.gpu, first.shape.with(at, total));
  const rows = sizeOf(first.shape.slice(0, at));
  const inner = sizeOf(first.shape.slice(at + 1));
  const pitchY = total * inner;
  const starts: number[] = [];
  let start = 0;
  for (const x of tensors) {
    const width = x.shape[at]! * inner;
    copyRows(x, y, { rows, width, pitchX: width, pitchY, toY: start });
    starts.push(start / inner);
    start += width;
  }
  return record(
    y,
    tensors,
    (dy) =>
      tensors.map((x, i) =>
        x.requiresGrad
          ? slice(dy, at, starts[i]!, starts[i]! + x.shape[at]!)
          : undefined
      ),
  );
}

/**
 * Takes a range of an axis.
 *
 * @param x any shape
 * @param axis which axis, negative from the end
 * @param start first index
 * @param end index past the last, above `start`
 * @returns the axis has `end - start` elements
 * @throws {RangeError} if the range is not inside the axis
 */
export function slice(
  x: Tensor,
  axis: number,
  start: number,
  end: number,
): Tensor {
  const at = resolveAxis("slice", axis, x.shape.length);
  const length = x.shape[at]!;
  if (
    !(Number.isInteger(start) && Number.isInteger(end) && start >= 0 &&
      start < end && end <= length)
  ) {
    throw new RangeError(
      `Cannot apply slice: range ${start} to ${end} must lie within 0 to ${length}, axis ${at} of ${
        showShape(x.shape)
      }`,
    );
  }
  const rows = sizeOf(x.shape.slice(0, at));
  const inner = sizeOf(x.shape.slice(at + 1));
  const width = (end - start) * inner;
  const y = empty(x.gpu, x.shape.with(at, end - start));
  copyRows(x, y, {
    rows,
    width,
    pitchX: length * inner,
    fromX: start * inner,
    pitchY: width,
  });
  return record(y, [x], (dy) => {
    const dx = zeros(x.gpu, x.shape);
    copyRows(dy, dx, {
      rows,
      width,
      pitchX: width,
      pitchY: length * inner,
      toY: start * inner,
    });
    return [dx];
  });
}

/**
 * Splits an axis into equal parts.
 *
 * @param x any shape
 * @param count number of parts, a divisor of the axis
 * @param axis which axis, negative from the end; the last if absent
 * @returns `count` tensors
 * @throws {RangeError} if `count` does not divide the axis
 */
export function chunk(x: Tensor, count: number, axis = -1): Tensor[] {
  const at = resolveAxis("chunk", axis, x.shape.length);
  const length = x.shape[at]! / count;
  if (!Number.isInteger(length) || !(count >= 1)) {
    throw new RangeError(
      `Cannot apply chunk: axis ${at} of ${
        showShape(x.shape)
      } does not split into ${count} equal parts`,
    );
  }
  const rows = sizeOf(x.shape.slice(0, at));
  const width = length * sizeOf(x.shape.slice(at + 1));
  const pitch = width * count;
  const shape = x.shape.with(at, length);
  const parts = partViews(x, shape, rows, count, width) ??
    Array.from({ length: count }, (_, i) => {
      const y = empty(x.gpu, shape);
      copyRows(x, y, {
        rows,
        width,
        pitchX: pitch,
        fromX: i * width,
        pitchY: width,
      });
      return y;
    });
  return recordMany(parts, [x], (dys) => {
    const isWhole = dys.every((dy) => dy !== undefined);
    const dx = isWhole ? empty(x.gpu, x.shape) : zeros(x.gpu, x.shape);
    dys.forEach((dy, i) => {
      if (dy === undefined) return;
      copyRows(dy, dx, {
        rows,
        width,
        pitchX: width,
        pitchY: pitch,
        toY: i * width,
      });
    });
    return [dx];
  });
}

/** Bytes to which views of a tensor are aligned on every adapter. */
const ALIGNMENT = 256;

/** The parts as views of one copy, where their offsets may be bound. */
function partViews(
  x: Tensor,
  shape: Shape,
  rows: number,
  count: number,
  width: number,
): Tensor[] | undefined {
  const bytes = rows * width * BYTES[x.dtype];
  if (bytes % ALIGNMENT !== 0) return undefined;
  const whole = noGrad(() =>
    permute(x.reshape([rows, count, width]), [1, 0, 2])
  );
  return Array.from(
    { length: count },
    (_, i) =>
      new Tensor(shape, x.dtype, whole.storage, whole.offset + i * bytes),
  );
}
