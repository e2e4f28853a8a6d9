import {
  type DriveworldOptions,
  writeDriveworld,
} from "../data/driveworld/write.ts";
import type { Share } from "../data/latents.ts";
import type { StageContext } from "../experiment/experiment.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { LabParams } from "./params.ts";

/** First seeds of the embedded world's parts. */
const SEEDS = { train: 0, val: 8000, test: 9000, fresh: 20_000 };

/** Which scenes of the embedded world are drawn, and how large. */
export type WorldSizes =
  & Pick<LabParams, "trainScenes" | "testScenes" | "size">
  & Partial<Pick<LabParams, "freshScenes">>
  & {
    /** Whether the camera is drawn at 12 Hz. Default keyframes only. */
    readonly sceneSweeps?: boolean;
  };

/** Which dataset of the world: that of all experiments, or fresh test scenes. */
export type WorldName = "drive" | "fresh";

/** What a world is drawn with. */
type Drawing = Pick<
  StageContext<WorldSizes>,
  "gpu" | "params" | "artifacts" | "interrupt" | "log"
>;

/** A share of a world, to be drawn into a folder. */
export interface WorldShare {
  /** Which dataset. */
  readonly world: WorldName;
  /** Where it is made. */
  readonly folder: string;
  /** Which part of the scenes. */
  readonly share: Share;
}

function scenesOf(
  world: WorldName,
  { trainScenes, testScenes, freshScenes = 0, size, sceneSweeps }: WorldSizes,
) {
  const seeds = (start: number, count: number) =>
    Array.from({ length: count }, (_, i) => start + i);
  if (world === "fresh") {
    const test = seeds(SEEDS.fresh, freshScenes);
    return { train: [], val: [], test, size: [size, size] as const };
  }
  return {
    train: seeds(SEEDS.train, trainScenes),
    val: seeds(SEEDS.val, Math.max(1, Math.round(testScenes / 10))),
    test: seeds(SEEDS.test, testScenes),
    size: [size, size] as const,
    ...(sceneSweeps ? { sweeps: true } : {}),
  };
}

/**
 * Draws scenes of the embedded world into a folder, unless they are there.
 *
 * @param gpu device
 * @param folder in nuScenes' layout
 * @param sizes scenes and side of a frame
 * @param options told at the start and after every scene; called before some
 *   frames; which share of the scenes to draw, if not all; which dataset, by
 *   default that of all experiments
 */
export async function drawScenes(
  gpu: Gpu,
  folder: string,
  sizes: WorldSizes,
  { world = "drive", ...options }:
    & Pick<DriveworldOptions, "progress" | "share" | "check">
    & { readonly world?: WorldName } = {},
): Promise<void> {
  await writeDriveworld(gpu, folder, {
    ...scenesOf(world, sizes),
    ...options,
  });
}

/**
 * Finds the embedded world, or draws it.
 *
 * @param drawing device, sizes, and where artifacts are
 * @param draw draws all scenes into a folder, as several threads may
 * @param world which dataset
 * @returns its folder, in nuScenes' layout
 * @throws {Interrupted} if it was asked to stop
 */
export async function drawnWorld(
  { gpu, params, artifacts, interrupt, log }: Drawing,
  draw: (folder: string) => Promise<unknown>,
  world: WorldName = "drive",
): Promise<string> {
  const spec = scenesOf(world, params);
  const made = await artifacts.make(
    {
      kind: "world",
      spec,
      by: [import.meta.url, new URL("../gpu/gpu.ts", import.meta.url).href],
    },
    async (folder) => {
      const drive = folder.file("drive");
      await draw(drive);
      // The tables, once all scenes are there.
      const check = () => interrupt.check();
      await drawScenes(gpu, drive, params, { world, check });
      return { scenes: spec.train.length + spec.val.length + spec.test.length };
    },
    { interrupt, log, remake: true },
  );
  return made.file("drive");
}
