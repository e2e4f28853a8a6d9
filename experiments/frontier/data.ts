import { join } from "@std/path";
import {
  type DriveworldOptions,
  writeDriveworld,
} from "../../core/data/driveworld/write.ts";
import type { LoadedFrame } from "../../core/data/frame_job.ts";
import { FrameLoader } from "../../core/data/frames.ts";
import {
  encodeLatents,
  type LatentJob,
  LatentStore,
} from "../../core/data/latents.ts";
import { readNuscenes } from "../../core/data/nuscenes.ts";
import type { DataQuality, Dataset, Scene } from "../../core/data/scene.ts";
import {
  checkPart,
  describeSplit,
  PART_TITLES,
  readSplit,
  type Split,
  splitScenes,
} from "../../core/data/splits.ts";
import { windows } from "../../core/data/windows.ts";
import type { Gpu } from "../../core/gpu/gpu.ts";
import type { FrameSet } from "../../core/training/autoencoder.ts";
import type {
  FrameLatents,
  WindowTokens,
} from "../../core/training/window_tokens.ts";
import type { FrozenNetworks } from "./networks.ts";
import type { FrontierParams } from "./params.ts";

/** The windows of one part of a dataset, and the frames they need. */
export interface WindowPart {
  /** Image paths of the frames, from the dataset's root. */
  readonly paths: readonly string[];
  /** Scene of each frame, from 0, in the order of the part. */
  readonly frameScenes: readonly number[];
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
  /** Which scenes have data and how they are parted, in one line. */
  readonly scenes: string;
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
  const frameScenes: number[] = [];
  // Only frames that some window needs, scene after scene.
  for (const [i, scene] of scenes.entries()) {
    first.push(paths.length);
    const starts = cut.filter((window) => window.scene === i)
      .map((window) => window.start);
    if (starts.length === 0) continue;
    const end = Math.max(...starts) + horizon + 1;
    for (const frame of scene.keyframes.slice(0, end)) {
      paths.push(frame.imagePath);
      frameScenes.push(i);
      actions.push(frame.action.steer, frame.action.accel);
    }
  }
  return {
    paths,
    frameScenes,
    actions: Float32Array.from(actions),
    rows: cut.map((window) => (first[window.scene] ?? 0) + window.start),
    scenes: cut.map((window) => window.sceneName),
  };
}

/** Refuses parts without scenes, and those without windows. */
function checkParts(
  root: string,
  dataset: Dataset,
  split: Split,
  horizon: number,
): void {
  const scenes = describeSplit(dataset, split);
  for (const part of ["train", "test"] as const) {
    checkPart(root, dataset, split, part);
    const lengths = split[part].map(({ keyframes }) => keyframes.length);
    const title = PART_TITLES[part];
    const longest = Math.max(...lengths);
    if (longest <= horizon) {
      const remedy = longest > 2
        ? `choose --horizon ${longest - 1} or less`
        : "it needs longer scenes";
      throw new Error(
        `Cannot use "${root}": the longest of ${lengths.length} ${title} scenes has ${longest} keyframes, --horizon ${horizon} needs ${
          horizon + 1
        }; ${remedy}; ${scenes}`,
      );
    }
    const windows = lengths.reduce((n, k) => n + Math.max(0, k - horizon), 0);
    if (part === "test" && windows < 2) {
      throw new Error(
        `Cannot score by "${root}": its ${title} scenes have 1 window of --horizon ${horizon}, KID and FID need 2; ${scenes}`,
      );
    }
  }
}

/**
 * Reads a dataset and cuts it into windows.
 *
 * @param root folder of the dataset
 * @param cache folder of indexes
 * @param params horizon and windows per scene
 * @throws {Error} if there is nothing to train on, or too little to score
 */
export async function readWindows(
  root: string,
  cache: string,
  params: FrontierParams,
): Promise<WindowedData> {
  const dataset = await readNuscenes(root, { cache });
  const split = splitScenes(dataset, await readSplit(root));
  checkParts(root, dataset, split, params.horizon);
  const perScene = Math.max(
    params.windowsPerScene,
    Math.ceil(params.testWindows / split.test.length),
  );
  return {
    root,
    digest: dataset.digest,
    quality: dataset.quality,
    scenes: describeSplit(dataset, split),
    sceneCounts: { train: split.train.length, test: split.test.length },
    train: part(split.train, params.horizon),
    test: part(split.test, params.horizon, perScene),
  };
}

/** First seeds of the embedded world's parts. */
const WORLD_SEEDS = { train: 0, val: 8000, test: 9000 };

/** Which scenes of the embedded world a run needs, and how large. */
type WorldSizes = Pick<FrontierParams, "trainScenes" | "testScenes" | "size">;

/**
 * The folder of the embedded world.
 *
 * @param cache folder of drawn worlds
 * @param sizes scenes and side of a frame
 */
export function worldFolder(
  cache: string,
  { trainScenes, testScenes, size }: WorldSizes,
): string {
  const name = `driveworld-${trainScenes}-${testScenes}-${size}x${size}`;
  return join(cache, name);
}

/**
 * Draws the embedded world, unless it was drawn before.
 *
 * @param gpu device
 * @param cache folder of drawn worlds
 * @param sizes scenes and side of a frame
 * @param options told at the start and after every scene; called before some
 *   frames; which share of the scenes to draw, if not all
 */
export async function embeddedWorld(
  gpu: Gpu,
  cache: string,
  sizes: WorldSizes,
  options: Pick<DriveworldOptions, "progress" | "share" | "check">,
): Promise<void> {
  const { trainScenes, testScenes, size } = sizes;
  const seeds = (start: number, count: number) =>
    Array.from({ length: count }, (_, i) => start + i);
  const val = Math.max(1, Math.round(testScenes / 10));
  await writeDriveworld(gpu, worldFolder(cache, sizes), {
    train: seeds(WORLD_SEEDS.train, trainScenes),
    val: seeds(WORLD_SEEDS.val, val),
    test: seeds(WORLD_SEEDS.test, testScenes),
    size: [size, size],
    ...options,
  });
}

/** Filters of the networks' frames: the autoencoder's, and that of FID. */
type FrameFilter = "lanczos" | "bicubic";

/** Frames of a dataset in order, cropped to the centre square and resized. */
function streamFrames(
  loader: FrameLoader,
  root: string,
  paths: readonly string[],
  size: number,
  filter: FrameFilter,
  ahead?: number,
): AsyncGenerator<LoadedFrame> {
  const files = paths.map((path) => join(root, path));
  const square = [size, size] as const;
  return loader.load(files, { size: square, crop: "centre", filter }, ahead);
}

/** Told after every frame; what it throws ends the reading. */
type FramesRead = (done: number, total: number) => void;

/** The next frames of a stream: (count, size, size, 3) levels. */
async function nextFrames(
  stream: AsyncGenerator<LoadedFrame>,
  count: number,
  size: number,
  progress: FramesRead = () => {},
): Promise<Uint8Array<ArrayBuffer>> {
  const own = size * size * 3;
  const frames = new Uint8Array(count * own);
  for (let i = 0; i < count; i++) {
    const { value, done } = await stream.next();
    if (done) throw new RangeError(`Cannot read frame ${i}: there are no more`);
    const { path, image, error } = value;
    if (image === undefined) {
      throw new Error(`Cannot read ${path}: ${error ?? "no image"}`);
    }
    frames.set(image.data, i * own);
    progress(i + 1, count);
  }
  return frames;
}

/**
 * Reads frames, cropped to the centre square and resized.
 *
 * @param loader that reads them
 * @param root folder of the dataset
 * @param paths image paths
 * @param size side in pixels
 * @param filter as Pillow's
 * @param progress told after every frame; what it throws ends the reading
 * @returns (n, size, size, 3) levels
 * @throws {Error} naming the first image that cannot be read
 */
export async function readFrames(
  loader: FrameLoader,
  root: string,
  paths: readonly string[],
  size: number,
  filter: FrameFilter,
  progress?: FramesRead,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = streamFrames(loader, root, paths, size, filter);
  return await nextFrames(stream, paths.length, size, progress);
}

/**
 * Takes at most so many of a list, evenly spaced and without repeats.
 *
 * @param list of anything
 * @param most how many at most
 */
export function spaced<T>(list: readonly T[], most: number): T[] {
  const count = Math.min(most, list.length);
  return Array.from(
    { length: count },
    (_, i) => list[Math.floor(i * list.length / count)]!,
  );
}

/**
 * Reads at most so many frames of a list, evenly spaced.
 *
 * @param root folder of the dataset
 * @param paths image paths
 * @param size side in pixels
 * @param most how many at most
 * @param progress told after every frame; what it throws ends the reading
 */
export async function spacedFrames(
  root: string,
  paths: readonly string[],
  size: number,
  most: number,
  progress?: FramesRead,
): Promise<FrameSet> {
  using loader = new FrameLoader();
  const some = spaced(paths, most);
  const levels = await readFrames(
    loader,
    root,
    some,
    size,
    "lanczos",
    progress,
  );
  return { size, levels };
}

/** How the encoding of a part went. */
export interface EncodingFacts {
  /** Frames that were encoded now; the others came from the cache. */
  readonly encoded: number;
  /** Seconds spent waiting for frames to be read, cropped and resized. */
  readonly waitingSeconds: number;
  /** Seconds spent in the network. */
  readonly networkSeconds: number;
}

/** The latents of a part. */
export interface EncodedPart extends FrameLatents {
  /** Where they are. */
  readonly latents: LatentStore;
}

/** A dataset, encoded and cut into windows of tokens. */
export interface PreparedData {
  /** The dataset. */
  readonly data: WindowedData;
  /** The networks that encoded it. */
  readonly networks: FrozenNetworks;
  /** Latents and windows of each part. */
  readonly train: {
    readonly frames: EncodedPart;
    readonly tokens: WindowTokens;
  };
  /** As `train`. */
  readonly test: {
    readonly frames: EncodedPart;
    readonly tokens: WindowTokens;
  };
}

/** A part of a dataset whose latents are kept under a digest in a folder. */
export interface PartLatents {
  /** The dataset. */
  readonly data: WindowedData;
  /** Its part. */
  readonly part: WindowPart;
  /** Networks that encode it. */
  readonly networks: FrozenNetworks;
  /** Side of a frame in pixels. */
  readonly size: number;
  /** Folder of the shards. */
  readonly directory: string;
}

function shardsOf({ data, part, networks, size, directory }: PartLatents) {
  return {
    directory,
    digest: `${data.digest} ${networks.vaeDigest} ${size}`,
    frames: part.paths.length,
    size: networks.latentShape.reduce((a, b) => a * b, 1),
  };
}

/**
 * Opens the latents of a part that is encoded.
 *
 * @param of which part
 * @throws {Error} if a shard is missing or belongs to other frames
 */
export async function openPart(of: PartLatents): Promise<EncodedPart> {
  return {
    latents: await LatentStore.open(shardsOf(of)),
    shape: of.networks.latentShape,
    actions: of.part.actions,
  };
}

/** Pixels that the network encodes at once: 32 frames of the demo. */
const PIXELS_AT_ONCE = 2 ** 17;

/**
 * Encodes the frames of a part that the cache does not have. While the network
 * encodes some frames, two threads read those of the next two rounds. A round
 * is kept when it is done.
 *
 * @param of which part
 * @param options which share of the shards to encode, if not all; told before
 *   and after every round; asked before it
 * @returns undefined if it was asked to stop
 */
export async function encodePart(
  of: PartLatents,
  options: Pick<LatentJob, "share" | "shouldStop"> & {
    readonly progress: (done: number, frames: number) => void;
  },
): Promise<EncodingFacts | undefined> {
  const { data, part: { paths }, networks, size } = of;
  const shards = shardsOf(of);
  const atOnce = Math.max(1, Math.floor(PIXELS_AT_ONCE / size ** 2));
  using loader = new FrameLoader();
  let waitingSeconds = 0;
  let networkSeconds = 0;
  const encoded = await encodeLatents({
    ...shards,
    ...options,
    encode: async function* (start, end) {
      const some = paths.slice(start, end);
      const { root } = data;
      const ahead = 2 * atOnce;
      const stream = streamFrames(loader, root, some, size, "lanczos", ahead);
      for (let i = start; i < end; i += atOnce) {
        const asked = performance.now();
        const frames = await nextFrames(
          stream,
          Math.min(atOnce, end - i),
          size,
        );
        const came = performance.now();
        const latents = await networks.encode(frames);
        waitingSeconds += (came - asked) / 1000;
        networkSeconds += (performance.now() - came) / 1000;
        yield latents;
      }
    },
  });
  return encoded === undefined
    ? undefined
    : { encoded, waitingSeconds, networkSeconds };
}
