import type { SharedTile, Tile } from "../../kernels/tile.wgsl.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { tunedTiles } from "../gpu/tuning.ts";

/** Shapes that get one tile each. */
export type ShapeClass = "large" | "narrow" | "small";

/** Kinds of products that are tuned apart. */
export type ProductKind = "nn" | "nt" | "tn" | "tt" | "conv" | "convWeight";

/** A tile for any adapter: 64 x 64 results by 128 invocations. */
export const SHARED_LARGE: SharedTile = {
  member: "shared",
  rows: 64,
  columns: 64,
  depth: 16,
  rowsEach: 8,
};

/** A tile for any adapter and few results: 32 x 32 by 64 invocations. */
export const SHARED_SMALL: SharedTile = {
  member: "shared",
  rows: 32,
  columns: 32,
  depth: 16,
  rowsEach: 4,
};

/** Columns up to which lanes lie over the rows of a product instead. */
const TURNED_COLUMNS = 32;

/** Rows from which they do. */
const TURNED_ROWS = 128;

/**
 * Classifies the result of a product.
 *
 * @param rows rows of the result
 * @param columns columns of the result
 */
export function shapeClass(rows: number, columns: number): ShapeClass {
  if (rows < 32) return "small";
  return columns < 64 ? "narrow" : "large";
}

/**
 * Chooses the tile of a product for this adapter: from the tuned table, else
 * by what the adapter is.
 *
 * @param gpu the device
 * @param kind how the operands are laid out
 * @param rows rows of the result
 * @param columns columns of the result
 */
export function chooseTile(
  gpu: Gpu,
  kind: ProductKind,
  rows: number,
  columns: number,
): Tile {
  const name = `${kind}/${shapeClass(rows, columns)}`;
  const forced = gpu.tiles?.[name];
  if (forced !== undefined) return fit(gpu, forced);
  const known = tunedTiles(gpu)[name];
  if (known !== undefined) {
    return narrowed(fit(gpu, known), kind, rows, columns);
  }
  if (gpu.prefersShuffles) {
    const tall = rows >= 32 ? 32 : rows > 8 ? 16 : rows > 4 ? 8 : 4;
    const tile = {
      member: "shuffle",
      lanes: gpu.subgroupSize,
      rows: tall,
    } as const;
    return narrowed(tile, kind, rows, columns);
  }
  return rows >= 512 && columns >= 64 ? SHARED_LARGE : SHARED_SMALL;
}

/** Replaces a tile that this device cannot run. */
function fit(gpu: Gpu, tile: Tile): Tile {
  if (tile.member === "shared" || tile.lanes === gpu.subgroupSize) return tile;
  return SHARED_SMALL;
}

/** Lays the lanes of a shuffle tile along the rows where columns are few. */
function narrowed(
  tile: Tile,
  kind: ProductKind,
  rows: number,
  columns: number,
): Tile {
  const suits = tile.member === "shuffle" && kind !== "conv" &&
    kind !== "convWeight" && columns <= TURNED_COLUMNS && rows >= TURNED_ROWS;
  return suits
    ? {
      member: "shuffle",
      lanes: tile.lanes,
      rows: 4 * Math.ceil(columns / 4),
      turned: true,
    }
    : tile;
}
