import { matmulKernel, type MatmulVariant } from "../../kernels/matmul.wgsl.ts";
import { type Tile, tileFits, tileGrid } from "../../kernels/tile.wgsl.ts";
import { ceilDiv, checkLoop, groupRanges } from "../gpu/grid.ts";
import { defineShader, shaderFamily } from "../gpu/shader.ts";
import { partOf } from "../gpu/storage.ts";
import { empty } from "../tensor/create.ts";
import { BYTES } from "../tensor/dtype.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { alignRows } from "./copy_rows.ts";
import {
  activationSources,
  type Epilogue,
  epilogueVariant,
  present,
} from "./epilogue.ts";
import { chooseTile } from "./tiles.ts";

/** A batch of matrix products, sizes in elements. */
export interface Product extends Omit<Epilogue, "residual"> {
  /** (batch, rows, depth), or (batch, depth, rows) when transposed. */
  readonly a: Tensor;
  /** (batch, depth, columns), or (batch, columns, depth) when transposed. */
  readonly b: Tensor;
  /** Whether `a` is stored transposed. */
  readonly transposeA?: boolean;
  /** Whether `b` is stored transposed. */
  readonly transposeB?: boolean;
  /** Number of products; an operand with one matrix serves all. */
  readonly batch: number;
  /** Rows of a result. */
  readonly rows: number;
  /** Columns of a result. */
  readonly columns: number;
  /** Terms of a sum. */
  readonly depth: number;
  /** Whether the sums of the rows of `a` are wanted, where they are free. */
  readonly rowSums?: boolean;
  /** Shape of the result. */
  readonly shape: Shape;
}

/** Whether operands are stored transposed, as "nt". */
function layoutOf(transposeA: boolean, transposeB: boolean) {
  return `${transposeA ? "t" : "n"}${transposeB ? "t" : "n"}` as const;
}

const matmulShader = shaderFamily((variant: MatmulVariant) => {
  const { transposeA, transposeB, activation, halfB, source } = variant;
  const suffix = activation === "none" ? "" : `_${activation}`;
  return defineShader(
    `matmul_${layoutOf(transposeA, transposeB)}${suffix}`,
    [
      ...(halfB && source === "buffer" ? ["enable f16;"] : []),
      ...activationSources(variant),
      matmulKernel(variant),
    ],
  );
});

/**
 * Records a batch of matrix products. `b` may be stored as 16-bit floats if
 * its rows are whole texels. No gradient: callers record their own.
 *
 * @param options operands, sizes and epilogue
 * @returns the result, the sum before the activation if it was wanted, and the
 *   sums of the rows of `a` if they were and the tile gives them
 */
export function product(options: Product): {
  c: Tensor;
  pre: Tensor | undefined;
  rowSums: Tensor | undefined;
} {
  const { batch, rows, columns, depth } = options;
  const { transposeA = false, transposeB = false } = options;
  const { gpu } = options.a;
  const isHalf = options.b.dtype === "f16";
  checkLoop("a matrix product", depth / 4);
  const a = alignRows(options.a);
  const b = alignRows(options.b);
  const pitchA = ceilDiv(transposeA ? rows : depth, 4);
  const pitchB = ceilDiv(transposeB ? depth : columns, 4);
  const layout = layoutOf(transposeA, transposeB);
  const tile = chooseTile(gpu, layout, rows, columns);
  const rowSums = options.rowSums && transposeA && batch === 1 &&
      tile.member === "shuffle" && !tile.turned
    ? empty(gpu, [rows])
    : undefined;
  const variant: MatmulVariant = {
    transposeA,
    transposeB,
    ...epilogueVariant(options, columns),
    exact: tileFits(tile, rows, columns),
    tail: depth % stepOf(tile) !== 0,
    // A device without 16-bit arithmetic still reads 16-bit textures.
    source: isHalf && !gpu.features.has("shader-f16")
      ? "texels"
      : gpu.operandSource,
    halfB: isHalf,
    rowSums: rowSums !== undefined,
    tile,
  };
  const c = empty(gpu, options.shape);
  const pre = options.keepPre ? empty(gpu, options.shape) : undefined;
  const batchA = batchTexels(
    options.a,
    batch,
    pitchA,
    transposeA ? depth : rows,
  );
  const batchB = batchTexels(
    options.b,
    batch,
    pitchB,
    transposeB ? columns : depth,
  );
  const [x, y] = tileGrid(tile, rows, columns);
  const isTurned = tile.member === "shuffle" && tile.turned === true;
  const groupRows = isTurned ? 4 * tile.lanes : tile.rows;
  const bytesB = 4 * BYTES[b.dtype]; // of a texel
  // Products beyond one dispatch take several, and so do rows of a single one.
  const isBatch = batch > 1;
  for (
    const [first, end] of groupRanges(isBatch ? batch : isTurned ? y : x)
  ) {
    const groups = end - first;
    const row = isBatch ? 0 : first * groupRows;
    const partRows = isBatch ? rows : Math.min(groups * groupRows, rows - row);
    const inA = 16 * (
      isBatch ? first * batchA : transposeA ? row / 4 : row * pitchA
    );
    const lengthA = isBatch && batchA > 0
      ? 16 * groups * batchA
      : transposeA || isBatch
      ? undefined
      : 16 * groups * groupRows * pitchA;
    const inC = 4 * columns * (isBatch ? first * rows : row);
    const lengthC = 4 * columns * groups * (isBatch ? rows : groupRows);
    matmulShader(variant).run(
      "product",
      present({
        a: partOf(a, inA, lengthA),
        b: isBatch && batchB > 0
          ? partOf(b, bytesB * first * batchB, bytesB * groups * batchB)
          : b,
        c: partOf(c, inC, lengthC),
        bias: options.bias,
        pre: pre && partOf(pre, inC, lengthC),
        rowSums: rowSums && partOf(rowSums, 4 * row),
      }),
      {
        rows: partRows,
        columns,
        depth,
        pitchA,
        pitchB,
        batchA,
        batchB,
      },
      isBatch ? [x, y, groups] : isTurned ? [x, groups, 1] : [groups, y, 1],
      { flops: 2 * (isBatch ? groups : 1) * partRows * columns * depth },
    );
  }
  return { c, pre, rowSums };
}

/** Steps of k that a tile takes together. */
function stepOf(tile: Tile): number {
  return tile.member === "shuffle" ? 4 : tile.depth;
}

/** Texels from matrix to matrix; 0 where one matrix serves the whole batch. */
function batchTexels(
  operand: Tensor,
  batch: number,
  pitch: number,
  lines: number,
): number {
  const cols = operand.shape.at(-1) ?? 1;
  const matrices = operand.size / cols / lines;
  return matrices === 1 && batch > 1 ? 0 : pitch * lines;
}
