import { ceilDiv } from "../gpu/grid.ts";
import { type Shape, showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Operands of a pointwise operation. */
export const OPERANDS = ["x", "y", "z"] as const;

/** Values of some of the operands. */
export type ByOperand<Value> = Partial<
  Record<(typeof OPERANDS)[number], Value>
>;

/** How a kernel walks operands that are broadcast to one shape. */
export interface Plan {
  /** Invocations. */
  readonly count: number;
  /** Whether an invocation computes four elements. */
  readonly wide: boolean;
  /** Whether indices must be split. */
  readonly broadcast: boolean;
  /** Lengths of four axes, in Elems. */
  readonly lengths: readonly [number, number, number, number];
  /** Steps of each operand along them, in its elements. */
  readonly steps: ByOperand<readonly number[]>;
}

/**
 * Merges axes that all operands walk alike, and pads to four.
 *
 * @param name of the operation, for the message
 * @param shape of the result
 * @param tensors operands that are walked
 * @throws {RangeError} if more than four groups of axes are left
 */
export function planBroadcast(
  name: string,
  shape: Shape,
  tensors: ByOperand<Tensor>,
): Plan {
  const present = OPERANDS.filter((operand) => tensors[operand] !== undefined);
  const strides = present.map((operand) =>
    broadcastStrides(tensors[operand]!.shape, shape)
  );
  const lengths: number[] = [];
  let merged: number[][] = present.map(() => []);
  shape.forEach((length, axis) => {
    if (length === 1) return;
    const last = lengths.length - 1;
    const fits = last >= 0 &&
      strides.every((own, i) => merged[i]![last] === own[axis]! * length);
    if (fits) {
      lengths[last]! *= length;
      strides.forEach((own, i) => merged[i]![last] = own[axis]!);
    } else {
      lengths.push(length);
      strides.forEach((own, i) => merged[i]!.push(own[axis]!));
    }
  });
  if (lengths.length > 4) {
    throw new RangeError(
      `Cannot apply ${name}: broadcasting to ${
        showShape(shape)
      } alternates over ${lengths.length} groups of axes, at most 4 are possible; broadcast one operand first`,
    );
  }
  const missing = 4 - lengths.length;
  const [n0 = 1, n1 = 1, n2 = 1, inner = 1] = [
    ...new Array<number>(missing).fill(1),
    ...lengths,
  ];
  merged = merged.map((own) => [...new Array<number>(missing).fill(0), ...own]);
  const isFlat = missing >= 3;
  const wide = inner % 4 === 0 || isFlat;
  const broadcast = !(isFlat && merged.every((own) => own[3] === 1)) &&
    merged.length > 0;
  const n3 = wide ? ceilDiv(inner, 4) : inner;
  const steps: ByOperand<readonly number[]> = {};
  present.forEach((operand, i) => {
    const own = merged[i]!;
    const isVector = wide && own[3] !== 0;
    steps[operand] = own.map((step, axis) =>
      isVector && axis < 3 ? step / 4 : step
    );
  });
  return {
    count: n0 * n1 * n2 * n3,
    wide,
    broadcast,
    lengths: [n0, n1, n2, n3],
    steps,
  };
}

/** Elements to step along each axis of `shape`; 0 where `own` is broadcast. */
function broadcastStrides(own: Shape, shape: Shape): number[] {
  const offset = shape.length - own.length;
  let stride = 1;
  const strides = new Array<number>(shape.length).fill(0);
  for (let axis = shape.length - 1; axis >= offset; axis--) {
    const length = own[axis - offset]!;
    if (length !== 1) strides[axis] = stride;
    stride *= length;
  }
  return strides;
}
