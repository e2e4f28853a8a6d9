import { key } from "../../core/tensor/philox.ts";
import { type Shape, sizeOf } from "../../core/tensor/shape.ts";

/** A float64 array with a shape: what oracles take and give. */
export interface Array64 {
  /** Axis lengths. */
  readonly shape: Shape;
  /** Row-major elements. */
  readonly data: Float64Array;
}

/** How test values are drawn. */
export interface Draw {
  /** Added to every value. */
  readonly offset?: number;
  /** Factor of the normal draws. Default 1. */
  readonly scale?: number;
  /** Maps each draw, for domains such as positive numbers. */
  readonly map?: (value: number, index: number) => number;
}

/** Normal draws, rounded to float32 so that host and device see one value. */
export function draw64(shape: Shape, seed: number, draw: Draw = {}): Array64 {
  const { offset = 0, scale = 1, map = (value) => value } = draw;
  const stream = key("test", seed);
  const data = Float64Array.from(
    { length: sizeOf(shape) },
    (_, i) => Math.fround(map(stream.normal(i) * scale + offset, i)),
  );
  return { shape, data };
}

/** Calls `visit` with every multi-index of a shape and its flat index. */
export function eachIndex(
  shape: Shape,
  visit: (index: readonly number[], flat: number) => void,
): void {
  const index = new Array<number>(shape.length).fill(0);
  const size = sizeOf(shape);
  for (let flat = 0; flat < size; flat++) {
    visit(index, flat);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++index[axis]! < shape[axis]!) break;
      index[axis] = 0;
    }
  }
}

/** The element at a multi-index, which is aligned at the end and broadcast. */
export function at({ shape, data }: Array64, index: readonly number[]): number {
  const offset = index.length - shape.length;
  let flat = 0;
  shape.forEach((length, axis) => {
    flat = flat * length + (length === 1 ? 0 : index[offset + axis]!);
  });
  return data[flat]!;
}

/** Builds an array from a function of the multi-index. */
export function build64(
  shape: Shape,
  value: (index: readonly number[]) => number,
): Array64 {
  const data = new Float64Array(sizeOf(shape));
  eachIndex(shape, (index, flat) => data[flat] = value(index));
  return { shape, data };
}

/** Largest |got - wanted| / (1 + |wanted|). */
export function worstError(
  got: ArrayLike<number>,
  wanted: ArrayLike<number>,
): number {
  if (got.length !== wanted.length) return Infinity;
  let worst = 0;
  for (let i = 0; i < got.length; i++) {
    const error = Math.abs(got[i]! - wanted[i]!) / (1 + Math.abs(wanted[i]!));
    if (!(error <= worst)) worst = error;
  }
  return worst;
}
