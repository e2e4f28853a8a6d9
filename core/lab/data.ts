import { join } from "@std/path";
import type { LoadedFrame } from "../data/frame_job.ts";
import { FrameLoader } from "../data/frames.ts";
import { readNuscenes } from "../data/nuscenes.ts";
import type { DataQuality, Dataset, Scene } from "../data/scene.ts";
import {
  checkPart,
  describeSplit,
  PART_TITLES,
  readSplit,
  type Split,
  splitScenes,
} from "../data/splits.ts";
import { windows } from "../data/windows.ts";
import type { FrameSet } from "../training/autoencoder.ts";
import type { LabParams } from "./params.ts";

/** A present frame with the frames that follow it. */
export interface LabWindow {
  /** Its scene and first keyframe: the same whatever else was kept. */
  readonly id: string;
  /** Its scene. */
  readonly scene: string;
  /** Keyframe of the scene that it begins with. */
  readonly start: number;
  /** Row of the present frame in its part. */
  readonly row: number;
}

/** The windows of one part of a dataset, and the frames they need. */
export interface WindowPart {
  /** Folder of the dataset. */
  readonly root: string;
  /** Image paths of the frames, from the dataset's root. */
  readonly paths: readonly string[];
  /** Scene of each frame, from 0, in the order of the part. */
  readonly frameScenes: readonly number[];
  /** (frames, 2): steering and acceleration */
  readonly actions: Float32Array<ArrayBuffer>;
  /** Scene after scene, in the order of time. */
  readonly windows: readonly LabWindow[];
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
  /** All windows of the test scenes, or of the first of them for roll-outs. */
  readonly whole: WindowPart;
  /** The first windows of two test scenes, which overlap. */
  readonly consecutive: WindowPart;
}

/**
 * Windows of the first test scene, and of the first two together: those of the
 * jump model's published set, the first 30 of all test windows at 16 steps.
 */
export const CONSECUTIVE = { first: 24, all: 30 } as const;

function consecutive(
  root: string,
  scenes: readonly Scene[],
  horizon: number,
): WindowPart {
  const two = part(root, scenes.slice(0, 2), horizon, CONSECUTIVE.first);
  return { ...two, windows: two.windows.slice(0, CONSECUTIVE.all) };
}

function part(
  root: string,
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
    root,
    paths,
    frameScenes,
    actions: Float32Array.from(actions),
    windows: cut.map(({ scene, sceneName, start }) => ({
      id: `${sceneName}:${start}`,
      scene: sceneName,
      start,
      row: first[scene]! + start,
    })),
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
 * @param params horizon, windows per scene, and test scenes that are opened
 *   whole (all unless given)
 * @throws {Error} if there is nothing to train on, or too little to score
 */
export async function readWindows(
  root: string,
  cache: string,
  params:
    & Pick<LabParams, "horizon" | "windowsPerScene" | "testWindows">
    & { readonly rolloutScenes?: number },
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
    train: part(root, split.train, params.horizon),
    test: part(root, split.test, params.horizon, perScene),
    whole: part(
      root,
      split.test.slice(0, params.rolloutScenes),
      params.horizon,
    ),
    consecutive: consecutive(root, split.test, params.horizon),
  };
}

/**
 * Reads the test scenes of a dataset that has no others.
 *
 * @param root folder of the dataset
 * @param cache folder of indexes
 * @param params horizon and windows per scene
 * @throws {Error} if there is too little to score
 */
export async function readTestPart(
  root: string,
  cache: string,
  params: Pick<LabParams, "horizon" | "windowsPerScene">,
): Promise<WindowPart> {
  const dataset = await readNuscenes(root, { cache });
  const { test } = splitScenes(dataset, await readSplit(root));
  return part(root, test, params.horizon, params.windowsPerScene);
}

/** Filters of the networks' frames: the autoencoder's, and that of FID. */
export type FrameFilter = "lanczos" | "bicubic";

/** Frames of a dataset in order, cropped to the centre square and resized. */
export function streamFrames(
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
export type FramesRead = (done: number, total: number) => void;

/** The next frames of a stream: (count, size, size, 3) levels. */
export async function nextFrames(
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
