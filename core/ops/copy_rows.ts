import quotient from "../../kernels/lib/quotient.wgsl" with { type: "text" };
import source from "../../kernels/copy_rows.wgsl" with { type: "text" };
import { ceilDiv, flatGrid } from "../gpu/grid.ts";
import { defineShader } from "../gpu/shader.ts";
import { empty } from "../tensor/create.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

const shader = defineShader("copy_rows", [quotient, source]);

/** Columns to copy, in elements. */
export interface Block {
  /** Rows of both matrices. */
  readonly rows: number;
  /** Columns to write. */
  readonly width: number;
  /** Columns to read; zeros are written past them. Default: `width`. */
  readonly limit?: number;
  /** Elements from row to row of the source. */
  readonly pitchX: number;
  /** First column of the source. */
  readonly fromX?: number;
  /** Elements from row to row of the target. */
  readonly pitchY: number;
  /** First column of the target. */
  readonly toY?: number;
}

/**
 * Copies columns of one matrix into columns of another. No gradient: callers
 * record their own.
 *
 * @param x source
 * @param y target, another tensor
 * @param block which columns
 */
export function copyRows(x: Tensor, y: Tensor, block: Block): void {
  const { rows, width, limit = width, pitchX, pitchY } = block;
  const { fromX = 0, toY = 0 } = block;
  const lengths = [width, limit, pitchX, fromX, pitchY, toY];
  const step = lengths.every((length) => length % 4 === 0) ? 4 : 1;
  const count = rows * width / step;
  shader.run(
    "copy",
    { x, y },
    {
      rows,
      width: width / step,
      limit: limit / step,
      pitchX: pitchX / step,
      fromX: fromX / step,
      pitchY: pitchY / step,
      toY: toY / step,
    },
    flatGrid(ceilDiv(count, 64)),
    { knobs: { Elem: step === 4 ? "vec4f" : "f32" } },
  );
}

/**
 * Pads the last axis with zeros to whole texels of four.
 *
 * @param x (..., cols)
 * @returns `x` itself if cols is a multiple of 4, else (rows, padded)
 */
export function alignRows(x: Tensor): Tensor {
  const cols = x.shape.at(-1) ?? 1;
  if (cols % 4 === 0) return x;
  if (x.dtype !== "f32") {
    throw new RangeError(
      `Cannot pad ${x.dtype} rows of ${cols}: they must be a multiple of 4`,
    );
  }
  const rows = x.size / cols;
  const padded = 4 * ceilDiv(cols, 4);
  const y = empty(x.gpu, [rows, padded]);
  copyRows(x, y, {
    rows,
    width: padded,
    limit: cols,
    pitchX: cols,
    pitchY: padded,
  });
  return y;
}

/**
 * Undoes {@linkcode alignRows}.
 *
 * @param x (rows, padded)
 * @param shape the shape before
 * @returns the first columns, in that shape
 */
export function cropRows(x: Tensor, shape: Shape): Tensor {
  const cols = shape.at(-1) ?? 1;
  if (cols % 4 === 0) return x;
  const rows = sizeOf(shape) / cols;
  const y = empty(x.gpu, shape);
  const pitchX = 4 * ceilDiv(cols, 4);
  copyRows(x, y, { rows, width: cols, pitchX, pitchY: cols });
  return y;
}
