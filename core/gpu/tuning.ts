import table from "../../kernels/tuned.json" with { type: "json" };
import type { Tile } from "../../kernels/tile.wgsl.ts";
import type { Gpu } from "./gpu.ts";

/** Tiles of one adapter, by the names that operations give their choices. */
export type TunedTiles = Readonly<Record<string, Tile>>;

const tuned = table as Readonly<Record<string, TunedTiles>>;

/**
 * Names an adapter in the tuned table: its description without the driver's
 * version, and the subgroup size.
 *
 * @param gpu the device
 */
export function adapterKey(gpu: Gpu): string {
  return `${gpu.adapterName.replace(/ \(.*$/, "")}/${gpu.subgroupSize}`;
}

/**
 * The tiles that were found fastest on this adapter; none on most.
 *
 * @param gpu the device
 */
export function tunedTiles(gpu: Gpu): TunedTiles {
  return tuned[adapterKey(gpu)] ?? {};
}
