import barrier from "../../kernels/lib/rows.wgsl" with { type: "text" };
import subgroup from "../../kernels/lib/rows_subgroup.wgsl" with {
  type: "text",
};
import texel from "../../kernels/lib/texel.wgsl" with { type: "text" };
import type { Gpu } from "../gpu/gpu.ts";
import { ceilDiv, checkLoop, flatGrid, type Grid } from "../gpu/grid.ts";
import { defineShader, type Shader } from "../gpu/shader.ts";
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
  /** How the lanes of a row add up. */
  readonly member: RowMember;
}

/**
 * How invocations that share a row combine their parts: in workgroup memory
 * between barriers, or by shuffles within a subgroup.
 */
export type RowMember = "barrier" | "subgroup";

/** A kernel over rows, in both members. */
export type RowShaders = Readonly<Record<RowMember, Shader>>;

/**
 * Joins a kernel with both ways to combine rows.
 *
 * @param name the kernel's name
 * @param source its WGSL, which uses LANES, ROWS, rowSum() and rowMax()
 */
export function defineRowShaders(name: string, source: string): RowShaders {
  return {
    barrier: defineShader(name, [barrier, texel, source]),
    subgroup: defineShader(`${name}_subgroup`, [subgroup, texel, source]),
  };
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
  const isFree = x.gpu.rowLanes === undefined;
  const member = isFree && x.gpu.prefersShuffles ? "subgroup" : "barrier";
  const lanes = member === "subgroup"
    ? x.gpu.subgroupSize
    : lanesOf(x.gpu, cols);
  checkLoop(op, 3 * cols / 4 / lanes);
  return {
    rows,
    cols,
    width: ceilDiv(cols, 4),
    grid: flatGrid(ceilDiv(rows, 64 / lanes)),
    knobs: { LANES: lanes },
    member,
  };
}

/** Invocations that share a row. */
function lanesOf(gpu: Gpu, cols: number): number {
  if (gpu.rowLanes !== undefined) return gpu.rowLanes;
  if (gpu.isSoftware) return 1;
  return cols >= 128 ? 32 : 8;
}
