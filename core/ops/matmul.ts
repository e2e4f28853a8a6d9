import { record } from "../tensor/autograd.ts";
import { showShape, sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { product } from "./product.ts";
import { sumTo } from "./reduce.ts";

/** Options of {@linkcode matmul}. */
export interface MatmulOptions {
  /** Whether the last two axes of `a` are swapped. */
  readonly transposeA?: boolean;
  /** Whether the last two axes of `b` are swapped. */
  readonly transposeB?: boolean;
}

/**
 * Multiplies matrices, batched over the leading axes.
 *
 * @param a (..., M, K), or (..., K, M) with `transposeA`
 * @param b (..., K, N), or (..., N, K) with `transposeB`; leading axes equal
 *   to those of `a`, or none on one side
 * @param options which operand is transposed
 * @returns (..., M, N)
 * @throws {RangeError} if an operand has fewer than two axes, the inner
 *   lengths differ, or the leading axes do
 */
export function matmul(
  a: Tensor,
  b: Tensor,
  options: MatmulOptions = {},
): Tensor {
  const { transposeA = false, transposeB = false } = options;
  const [rows, depth] = lastTwo(a, transposeA);
  const [inner, columns] = lastTwo(b, transposeB);
  const leadA = a.shape.slice(0, -2);
  const leadB = b.shape.slice(0, -2);
  const batchA = sizeOf(leadA);
  const batchB = sizeOf(leadB);
  const same = showShape(leadA) === showShape(leadB);
  if (depth !== inner || !(same || batchA === 1 || batchB === 1)) {
    throw new RangeError(
      `Cannot apply matmul: ${showShape(a.shape)}${
        transposeA ? " transposed" : ""
      } times ${showShape(b.shape)}${
        transposeB ? " transposed" : ""
      } needs equal inner lengths, got ${depth} and ${inner}, and equal leading axes or none on one side`,
    );
  }
  const lead = batchA === 1 && leadB.length >= leadA.length ? leadB : leadA;
  const shape = [...lead, rows, columns];
  // One matrix b serves all rows of a: a single, taller product.
  const isTall = batchB === 1 && !transposeA;
  const { c } = product({
    a,
    b,
    transposeA,
    transposeB,
    batch: isTall ? 1 : Math.max(batchA, batchB),
    rows: isTall ? batchA * rows : rows,
    columns,
    depth,
    shape,
  });
  return record(c, [a, b], (dc) => [
    a.requiresGrad
      ? sumTo(
        transposeA
          ? matmul(b, dc, { transposeA: transposeB, transposeB: true })
          : matmul(dc, b, { transposeB: !transposeB }),
        a.shape,
      )
      : undefined,
    b.requiresGrad ? gradientOfB(dc) : undefined,
  ]);

  function gradientOfB(dc: Tensor): Tensor {
    if (isTall) {
      const flatA = a.reshape([batchA * rows, depth]);
      const flat = dc.reshape([batchA * rows, columns]);
      const db = transposeB
        ? matmul(flat, flatA, { transposeA: true })
        : matmul(flatA, flat, { transposeA: true });
      return db.reshape(b.shape);
    }
    const db = transposeB
      ? matmul(dc, a, { transposeA: true, transposeB: transposeA })
      : matmul(a, dc, { transposeA: !transposeA });
    return sumTo(db, b.shape);
  }
}

function lastTwo(x: Tensor, transpose: boolean): [number, number] {
  const [rows, cols] = x.shape.slice(-2);
  if (rows === undefined || cols === undefined) {
    throw new RangeError(
      `Cannot apply matmul to a tensor ${
        showShape(x.shape)
      }: it needs at least two axes`,
    );
  }
  return transpose ? [cols, rows] : [rows, cols];
}
