import { join } from "@std/path";
import { writeDriveworld } from "../../core/data/driveworld/write.ts";
import { FrameLoader } from "../../core/data/frames.ts";
import { cacheLatents } from "../../core/data/latents.ts";
import { readNuscenes } from "../../core/data/nuscenes.ts";
import type { DataQuality, Scene } from "../../core/data/scene.ts";
import { splitScenes, type SplitSpec } from "../../core/data/splits.ts";
import { windows } from "../../core/data/windows.ts";
import type { Gpu } from "../../core/gpu/gpu.ts";
import type { FrameSet } from "../../core/training/autoencoder.ts";
import type { FrameLatents } from "../../core/training/window_tokens.ts";
import type { FrozenNetworks } from "./networks.ts";
import type { FrontierParams } from "./params.ts";

/** The windows of one part of a dataset, and the frames they need. */
export interface WindowPart {
  /** Image paths of the frames, from the dataset's root. */
  readonly paths: readonly string[];
  /** (frames, 2): steering and acceleration */
  readonly actions: Float32Array<ArrayBuffer>;
  /** Row of the present frame of each window. */
  readonly rows: readonly number[];
  /** Scene of each window. */
  readonly scenes: readonly string[];
}

/** A dataset cut into windows. */
export interface WindowedData {
  /** Folder of the dataset. */
  readonly root: string;
  /** SHA-256 of what was read. */
  readonly digest: string;
  /** What was kept and what was not. */
  readonly quality: DataQuality;
  /** Scenes of each part. */
  readonly sceneCounts: { readonly train: number; readonly test: number };
  /** All windows of the training scenes. */
  readonly train: WindowPart;
  /** The first windows of every test scene. */
  readonly test: WindowPart;
}

function part(
  scenes: readonly Scene[],
  horizon: number,
  firstPerScene?: number,
): WindowPart {
  const cut = windows(
    scenes,
    horizon,
    firstPerScene === undefined ? {} : { firstPerScene },
  );
  const paths: string[] = [];
  const actions: number[] = [];
  const first: number[] = [];
  // Only frames that some window needs, scene after scene.
  for (const [i, scene] of scenes.entries()) {
    first.push(paths.length);
    const starts = cut.filter((window) => window.scene === i)
      .map((window) => window.start);
    if (starts.length === 0) continue;
    const end = Math.max(...starts) + horizon + 1;
    for (const frame of scene.keyframes.slice(0, end)) {
      paths.push(frame.imagePath);
      actions.push(frame.action.steer, frame.action.accel);
    }
  }
  return {
    paths,
    actions: Float32Array.from(actions),
    rows: cut.map((window) => (first[window.scene] ?? 0) + window.start),
    scenes: cut.map((window) => window.sceneName),
  };
}

/**
 * Reads a dataset and cuts it into windows.
 *
 * @param root folder of the dataset
 * @param cache folder of indexes
 * @param params horizon and windows per scene
 */
export async function readWindows(
  root: string,
  cache: string,
  params: FrontierParams,
): Promise<WindowedData> {
  const dataset = await readNuscenes(root, { cache });
  const split = splitScenes(dataset, await ownSplit(root));
  const perScene = Math.max(
    params.windowsPerScene,
    Math.ceil(params.testWindows / split.test.length),
  );
  return {
    root,
    digest: dataset.digest,
    quality: dataset.quality,
    sceneCounts: { train: split.train.length, test: split.test.length },
    train: part(split.train, params.horizon),
    test: part(split.test, params.horizon, perScene),
  };
}

/** First seeds of the embedded world's parts. */
const WORLD_SEEDS = { train: 0, val: 8000, test: 9000 };

/**
 * Draws the embedded world, unless it was drawn before.
 *
 * @param gpu device
 * @param cache folder of drawn worlds
 * @param sizes scenes and side of a frame
 * @param options told after every scene
 * @returns its folder
 */
export async function embeddedWorld(
  gpu: Gpu,
  cache: string,
  { trainScenes, testScenes, size }: Pick<
    FrontierParams,
    "trainScenes" | "testScenes" | "size"
  >,
  options: { readonly progress: (done: number, total: number) => void },
): Promise<string> {
  const seeds = (start: number, count: number) =>
    Array.from({ length: count }, (_, i) => start + i);
  const folder = join(
    cache,
    `driveworld-${trainScenes}-${testScenes}-${size}x${size}`,
  );
  const val = Math.max(1, Math.round(testScenes / 10));
  await writeDriveworld(gpu, folder, {
    train: seeds(WORLD_SEEDS.train, trainScenes),
    val: seeds(WORLD_SEEDS.val, val),
    test: seeds(WORLD_SEEDS.test, testScenes),
    size: [size, size],
    progress: options.progress,
  });
  await gpu.sync();
  return folder;
}

/** The split that the maker of a dataset wrote beside it, else "auto". */
export async function ownSplit(root: string): Promise<SplitSpec> {
  try {
    return JSON.parse(await Deno.readTextFile(join(root, "splits.json")));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "auto";
    throw error;
  }
}

/**
 * Reads frames, cropped to the centre square and resized.
 *
 * @param root folder of the dataset
 * @param paths image paths
 * @param size side in pixels
 * @param filter as Pillow's
 * @returns (n, size, size, 3) levels
 * @throws {Error} naming the first image that cannot be read
 */
export async function readFrames(
  root: string,
  paths: readonly string[],
  size: number,
  filter: "lanczos" | "bicubic",
): Promise<Uint8Array<ArrayBuffer>> {
  const frames = new Uint8Array(paths.length * size * size * 3);
  using loader = new FrameLoader();
  const files = paths.map((path) => join(root, path));
  const options = {
    size: [size, size] as const,
    crop: "centre" as const,
    filter,
  };
  for await (
    const { index, path, image, error } of loader.load(files, options)
  ) {
    if (image === undefined) {
      throw new Error(`Cannot read ${path}: ${error ?? "no image"}`);
    }
    frames.set(image.data, index * size * size * 3);
  }
  return frames;
}

/**
 * Reads at most so many frames of a list, evenly spaced.
 *
 * @param root folder of the dataset
 * @param paths image paths
 * @param size side in pixels
 * @param most how many at most
 */
export async function spacedFrames(
  root: string,
  paths: readonly string[],
  size: number,
  most: number,
): Promise<FrameSet> {
  const count = Math.min(most, paths.length);
  const some = Array.from(
    { length: count },
    (_, i) => paths[Math.floor(i * paths.length / count)] ?? "",
  );
  return { size, levels: await readFrames(root, some, size, "lanczos") };
}

/**
 * Encodes the frames of a part, or reads them from the cache.
 *
 * @param data the dataset
 * @param part train or test
 * @param networks frozen networks
 * @param size side of a frame in pixels
 * @param directory folder of the shards
 * @param progress told after every shard
 * @param shouldStop asked between shards
 * @returns undefined if it was asked to stop
 */
export async function encodePart(
  data: WindowedData,
  part: WindowPart,
  networks: FrozenNetworks,
  size: number,
  directory: string,
  progress: (done: number, frames: number) => void,
  shouldStop: () => boolean,
): Promise<FrameLatents | undefined> {
  const shape = networks.latentShape;
  const cached = await cacheLatents({
    directory,
    digest: `${data.digest} ${networks.vaeDigest} ${size}`,
    frames: part.paths.length,
    size: shape[0] * shape[1] * shape[2],
    encode: async (start, end) =>
      await networks.encode(
        await readFrames(
          data.root,
          part.paths.slice(start, end),
          size,
          "lanczos",
        ),
      ),
    progress,
    shouldStop,
  });
  if (cached === undefined) return undefined;
  return { latents: cached.latents, shape, actions: part.actions };
}
