/** Axis lengths, outermost first; empty for a scalar. */
export type Shape = readonly number[];

/**
 * Counts the elements of a shape.
 *
 * @param shape axis lengths
 */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}

/**
 * Writes a shape for messages: `(2, 64, 256)`.
 *
 * @param shape axis lengths
 */
export function showShape(shape: Shape): string {
  return `(${shape.join(", ")})`;
}

/**
 * Checks that a shape has positive integer lengths.
 *
 * @param what what has the shape, for the message
 * @param shape axis lengths
 * @throws {RangeError} if a length is not a positive integer
 */
export function checkShape(what: string, shape: Shape): void {
  if (shape.every((length) => Number.isInteger(length) && length > 0)) return;
  throw new RangeError(
    `Cannot create ${what}: shape ${
      showShape(shape)
    } needs positive integer lengths`,
  );
}

/** Whether two shapes are equal. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((length, i) => length === b[i]);
}

/**
 * The shape that broadcasting gives: axes are aligned at the end, and a
 * length of 1 stretches.
 *
 * @param op name of the operation, for the message
 * @param shapes two or more shapes
 * @throws {RangeError} if two lengths differ and neither is 1
 */
export function broadcastShapes(op: string, ...shapes: Shape[]): Shape {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  const result: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    let length = 1;
    for (const shape of shapes) {
      const own = shape[axis - rank + shape.length] ?? 1;
      if (own === 1 || own === length) continue;
      if (length !== 1) {
        throw new RangeError(
          `Cannot apply ${op}: shapes ${
            shapes.map(showShape).join(" and ")
          } do not broadcast, lengths must be equal or 1`,
        );
      }
      length = own;
    }
    result.push(length);
  }
  return result;
}

/**
 * Resolves a possibly negative axis.
 *
 * @param op name of the operation, for the message
 * @param axis -rank to rank - 1; negative counts from the end
 * @param rank number of axes
 * @throws {RangeError} if there is no such axis
 */
export function resolveAxis(op: string, axis: number, rank: number): number {
  const resolved = axis < 0 ? axis + rank : axis;
  if (Number.isInteger(axis) && resolved >= 0 && resolved < rank) {
    return resolved;
  }
  throw new RangeError(
    `Cannot apply ${op}: axis ${axis} must be an integer from ${-rank} to ${
      rank - 1
    }`,
  );
}
