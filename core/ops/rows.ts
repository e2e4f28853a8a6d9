import type { Gpu } from "../gpu/gpu.ts";
import { ceilDiv, flatGrid, type Grid } from "../gpu/grid.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Sizes of an operation over the last axis. */
export interface Rows {
  /** Number of rows. */
  readonly rows: number;
  /** Elements of a row. */
  readonly cols: number;
  /** Texels of a padded row. */
  readonly width: number;
  /** Workgroups. */
  readonly grid: Grid;
  /** The variant for this device. */
  readonly knobs: { readonly LANES: number };
}

/**
 * Sizes of a kernel that walks rows with `lib/rows.wgsl`.
 *
 * @param op name of the operation, for the message
 * @param x (..., cols)
 * @throws {RangeError} if `x` is a scalar
 */
export function rowsOf(op: string, x: Tensor): Rows {
  const cols = x.shape.at(-1);
  if (cols === undefined) {
    throw new RangeError(
      `Cannot apply ${op} to a tensor ${
        showShape(x.shape)
      }: it needs a last axis`,
    );
  }
  const rows = x.size / cols;
  const lanes = lanesOf(x.gpu, cols);
  return {
    rows,
    cols,
    width: ceilDiv(cols, 4),
    grid: flatGrid(ceilDiv(rows, 64 / lanes)),
    knobs: { LANES: lanes },
  };
}

/** Invocations that share a row. */
function lanesOf(gpu: Gpu, cols: number): number {
  if (gpu.rowLanes !== undefined) return gpu.rowLanes;
  if (gpu.isSoftware) return 1;
  return cols >= 128 ? 32 : 8;
}
