/**
 * Scores of predicted windows: numbers of each window, by a list of metrics,
 * and numbers of all windows at once, by what FID and KID see.
 *
 * A metric that is added to one of the lists shows up for every operating
 * point, in CSV, JSON and the report.
 *
 * @module
 */

import { join } from "@std/path";
import { FrameLoader } from "../data/frames.ts";
import { encodeLatents, LatentStore, takeRows } from "../data/latents.ts";
import { digestJson } from "../experiment/artifact_files.ts";
import { writeAtomic } from "../experiment/run_directory.ts";
import {
  readSafetensors,
  toFloat32,
  writeSafetensors,
} from "../formats/safetensors.ts";
import { rowCosines } from "../metrics/cosine.ts";
import { energies, type EnergyFit } from "../metrics/energy.ts";
import type { Features } from "../metrics/features.ts";
import { fid } from "../metrics/fid.ts";
import { kid, kidInterval } from "../metrics/kid.ts";
import { frequencyChange } from "../metrics/motion.ts";
import { nearestTo } from "../metrics/neighbors.ts";
import { sharpness } from "../metrics/sharpness.ts";
import { ssimPerImage } from "../metrics/ssim.ts";
import { bootstrapInterval, mean } from "../metrics/statistics.ts";
import { tableToCsv } from "../report/table.ts";
import { toTokens } from "../training/window_tokens.ts";
import { type LabWindow, readFrames, spaced } from "./data.ts";
import { energyFit } from "./energy_fit.ts";
import type { Lab } from "./lab.ts";
import type { PartName } from "./latents.ts";
import type { FrozenNetworks, PerceptualName } from "./networks.ts";

/** Training frames that a distance to training looks at, as published. */
export const TRAINED_FRAMES = 4000;

/** A number with what it rests on. */
export interface Score {
  /** The number. */
  readonly value: number;
  /** Lower end of the 95 % bootstrap interval over scenes, if there is one. */
  readonly low?: number;
  /** Its upper end. */
  readonly high?: number;
  /** Windows. */
  readonly n: number;
}

/** What a score is called, and how it is shown. */
export interface ScoreColumn {
  /** Name in CSV and JSON. */
  readonly name: string;
  /** Heading for readers. */
  readonly title: string;
  /** Unit; none if absent. */
  readonly unit?: string;
  /** Digits after the point. */
  readonly decimals: number;
  /** Which numbers are better; neither if absent. */
  readonly direction?: "higher" | "lower";
  /**
   * Tables that it stands in: "main", or the second one, of what KID does not
   * see. Default the main one.
   */
  readonly tables?: readonly ScoreTableName[];
}

/** A table of scores. */
export type ScoreTableName = "main" | "unseen";

/** Tables of what KID does not see, and of what is compared with it there. */
const UNSEEN = { tables: ["unseen"] } as const;
const BOTH = { tables: ["main", "unseen"] } as const;

/** Some predicted windows at one step, beside what happened. */
export interface ScoredBatch {
  /** (n, channels, height, width) predicted latents */
  readonly latents: Float32Array;
  /** (n, channels, height, width) latents of what happened */
  readonly real: Float32Array;
  /** (n, channels, height, width) latents of the present */
  readonly present: Float32Array;
  /** (n, size, size, 3) decoded prediction, in [0, 1] */
  readonly images: Float32Array;
  /** (n, size, size, 3) decoded latents of what happened, in [0, 1] */
  readonly realImages: Float32Array;
  /** (n, size, size, 3) decoded latents of the present, in [0, 1] */
  readonly presentImages: Float32Array;
  /** Channels, height and width of a frame's latents. */
  readonly shape: readonly [number, number, number];
  /** Side of a token in latent pixels. */
  readonly patch: number;
  /** Height, width and channels of an image. */
  readonly layout: { height: number; width: number; channels: number };
  /** Distance of each of some latents to the nearest of training frames. */
  readonly nearest: (latents: Float32Array) => ArrayLike<number>;
  /** Mahalanobis energy of each of some latents. */
  readonly energy: (latents: Float32Array) => Promise<ArrayLike<number>>;
  /** How different images look, pair by pair. */
  readonly perceptual: FrozenNetworks["perceptual"];
}

/** A number of each window. */
export interface WindowMetric extends ScoreColumn {
  /**
   * Whether the score is the mean over windows as a fraction of that of decoded
   * real latents; if not, it is the mean.
   */
  readonly isRelative?: boolean;
  /** Perceptual distance that it needs; left out where that is another one. */
  readonly perceptual?: PerceptualName;
  /** Gives (n) numbers. */
  readonly of: (
    batch: ScoredBatch,
  ) => ArrayLike<number> | Promise<ArrayLike<number>>;
}

/** Predicted minus present, and what happened minus present. */
function changes({ latents, real, present }: ScoredBatch) {
  const change = (to: Float32Array) =>
    to.map((value, i) => value - present[i]!);
  return [change(latents), change(real)] as const;
}

/** Low-frequency change of each window from its present, both decoded. */
function lowMotions({ images, presentImages, layout }: ScoredBatch): number[] {
  const { height, width, channels } = layout;
  const size = height * width * channels;
  const pair = new Float32Array(2 * size);
  return Array.from({ length: images.length / size }, (_, i) => {
    pair.set(presentImages.subarray(i * size, (i + 1) * size));
    pair.set(images.subarray(i * size, (i + 1) * size), size);
    return frequencyChange(pair, layout).low;
  });
}

async function perceptualDistances(
  { images, realImages, perceptual }: ScoredBatch,
): Promise<ArrayLike<number>> {
  return await perceptual!.distances(images, realImages);
}

/** What is measured of every window. */
export const WINDOW_METRICS: readonly WindowMetric[] = [
  {
    name: "cosSim",
    title: "CosSim",
    decimals: 3,
    direction: "higher",
    of: ({ latents, real, shape, patch }) =>
      windowCosines(latents, real, shape, patch),
  },
  {
    name: "ssim",
    title: "SSIM",
    decimals: 3,
    direction: "higher",
    of: ({ images, realImages, layout }) =>
      // The published range is that of a batch, which is 1 for 48 frames.
      ssimPerImage(images, realImages, { ...layout, dataRange: 1 }),
  },
  {
    name: "sharpness",
    title: "Sharpness of real",
    decimals: 2,
    isRelative: true,
    of: ({ images, layout }) => sharpness(images, layout),
  },
  {
    name: "deltaCosSim",
    title: "CosSim of change",
    decimals: 3,
    direction: "higher",
    ...BOTH,
    of: (batch) => {
      const [predicted, real] = changes(batch);
      return windowCosines(predicted, real, batch.shape, batch.patch);
    },
  },
  {
    name: "manifold",
    title: "Distance to training",
    decimals: 2,
    of: ({ latents, nearest }) => nearest(latents),
  },
  {
    name: "energy",
    title: "Energy of real",
    decimals: 2,
    isRelative: true,
    ...UNSEEN,
    of: ({ latents, energy }) => energy(latents),
  },
  {
    name: "lowMotion",
    title: "Low-frequency motion of real",
    decimals: 2,
    isRelative: true,
    ...UNSEEN,
    of: lowMotions,
  },
  {
    name: "lpips",
    title: "LPIPS",
    decimals: 3,
    direction: "lower",
    ...UNSEEN,
    perceptual: "lpips",
    of: perceptualDistances,
  },
  {
    name: "demoPerceptual",
    title: "Perceptual distance (ours)",
    decimals: 3,
    direction: "lower",
    ...UNSEEN,
    perceptual: "demoPerceptual",
    of: perceptualDistances,
  },
];

/** The features of all windows. */
export interface FeatureSets {
  /** Of decoded predictions. */
  readonly fake: Features;
  /** Of camera frames. */
  readonly camera: Features;
  /** Of decoded latents of what happened. */
  readonly decoded: Features;
  /** Of camera frames of the present. */
  readonly present: Features;
  /** Scene of each window. */
  readonly scenes: readonly string[];
  /** KID subsets, and images of each. */
  readonly subsets: readonly [count: number, size: number];
  /** Seed of subsets and bootstrap. */
  readonly seed: number;
}

/** Numbers of all windows at once. */
export interface DistributionMetric {
  /** What it gives. */
  readonly columns: readonly ScoreColumn[];
  /** Gives a score for each column. */
  readonly of: (sets: FeatureSets) => Record<string, Omit<Score, "n">>;
}

/** What is measured of all windows. */
export const DISTRIBUTION_METRICS: readonly DistributionMetric[] = [
  {
    columns: [
      { name: "kid", title: "KID", decimals: 3, direction: "lower", ...BOTH },
      { name: "kidSpread", title: "KID subset spread", decimals: 3 },
      {
        name: "kidDecoded",
        title: "KID, decoded reference",
        decimals: 3,
        direction: "lower",
      },
    ],
    of: ({ fake, camera, decoded, scenes, subsets, seed }) => {
      const options = { subsets: subsets[0], subsetSize: subsets[1], seed };
      const { value, subsetSpread } = kid(camera, fake, options);
      const groups = { real: scenes, fake: scenes };
      const { low, high } = kidInterval(camera, fake, groups, { seed });
      return {
        kid: { value, low, high },
        kidSpread: { value: subsetSpread },
        kidDecoded: { value: kid(decoded, fake, options).value },
      };
    },
  },
  {
    columns: [{ name: "fid", title: "FID", decimals: 1, direction: "lower" }],
    of: ({ fake, camera }) => ({ fid: { value: fid(camera, fake).value } }),
  },
  {
    columns: [
      {
        name: "kidPairs",
        title: "KID of pairs",
        decimals: 3,
        direction: "lower",
        ...UNSEEN,
      },
      {
        name: "fidPairs",
        title: "FID of pairs",
        decimals: 1,
        direction: "lower",
        ...UNSEEN,
      },
    ],
    of: ({ fake, camera, present, scenes, subsets, seed }) => {
      const options = { subsets: subsets[0], subsetSize: subsets[1], seed };
      const [real, made] = [
        sideBySide(present, camera),
        sideBySide(present, fake),
      ];
      const groups = { real: scenes, fake: scenes };
      const { low, high } = kidInterval(real, made, groups, { seed });
      return {
        kidPairs: { value: kid(real, made, options).value, low, high },
        fidPairs: { value: fid(real, made).value },
      };
    },
  },
];

/** Rows of one set followed by those of another. */
function sideBySide(a: Features, b: Features): Features {
  const width = a.width + b.width;
  const data = new Float32Array(a.data.length + b.data.length);
  for (let i = 0; i < data.length / width; i++) {
    const row = ({ data, width }: Features) =>
      data.subarray(i * width, (i + 1) * width);
    data.set(row(a), i * width);
    data.set(row(b), i * width + a.width);
  }
  return { data, width };
}

/** How much the samples of one window differ, where there are several. */
const DIVERSITY: ScoreColumn = {
  name: "diversity",
  title: "Diversity",
  decimals: 2,
};

/** All scores in the order of tables. */
export const SCORE_COLUMNS: readonly ScoreColumn[] = [
  ...DISTRIBUTION_METRICS.flatMap(({ columns }) => columns),
  ...WINDOW_METRICS,
  DIVERSITY,
];

/** Scores of one operating point, by the name of the metric. */
export type PointScores = Readonly<Record<string, Score>>;

/** Gives the latents of some windows, by their numbers, at the scored step. */
export type LatentsOf = (windows: readonly number[]) => Float32Array;

/** The windows of one horizon step, each given when it is asked for. */
export interface StepWindows {
  /** Side of a frame in pixels. */
  readonly size: number;
  /** Scene of each window. */
  readonly scenes: readonly string[];
  /** Windows that are held at once. */
  readonly batch: number;
  /** (n, channels, height, width) latents of what happened */
  readonly real: LatentsOf;
  /** (n, channels, height, width) latents of the present */
  readonly present: LatentsOf;
  /** (n, size, size, 3) levels of the camera */
  readonly camera: (windows: readonly number[]) => Promise<Uint8Array>;
  /** (n, size, size, 3) levels of the camera in the present */
  readonly cameraPresent: (windows: readonly number[]) => Promise<Uint8Array>;
  /** (n, channels, height, width) scaled latents by operating point */
  readonly points: Readonly<Record<string, LatentsOf>>;
  /** (m, channels, height, width) latents of training frames */
  readonly trained: Float32Array;
  /** Gives the distribution of the training latents, when it is needed. */
  readonly energy: () => Promise<EnergyFit>;
  /** Side of a token in latent pixels. */
  readonly patch: number;
  /** What is measured of each window. */
  readonly metrics: readonly WindowMetric[];
  /**
   * Folder of what is measured of each window, by which an interrupted scoring
   * goes on after the last whole batch.
   */
  readonly directory: string;
  /** Told at the start, and after every point of a batch. */
  readonly progress: (done: number, total: number) => void;
  /** Called before every part of the work; what it throws ends it. */
  readonly check: () => void;
}

/** What is kept of the images of some windows. */
interface Kept {
  /** (windows, width) */
  readonly features: Float32Array<ArrayBuffer>;
  /** One number of each window by metric; those not measured are absent. */
  readonly numbers: Readonly<Record<string, ArrayLike<number>>>;
}

/** What was measured of every window, by operating point. */
export type Measured = Readonly<Record<string, Kept>>;

/** Rows of the windows, with a part for each of several names. */
class KeptRows {
  /** Values of a row. */
  readonly size: number;
  readonly #width: number;
  readonly #names: readonly string[];
  readonly #metrics: readonly string[];

  constructor(
    names: readonly string[],
    metrics: readonly string[],
    width: number,
  ) {
    this.#names = names;
    this.#metrics = metrics;
    this.#width = width;
    this.size = names.length * (width + metrics.length);
  }

  #startOf(name: string): number {
    return this.#names.indexOf(name) * (this.#width + this.#metrics.length);
  }

  /** Puts what is known of a name into the rows; the rest stays zero. */
  put(rows: Float32Array, name: string, { features, numbers }: Kept): void {
    const width = this.#width;
    for (let i = 0; i < rows.length / this.size; i++) {
      const at = i * this.size + this.#startOf(name);
      rows.set(features.subarray(i * width, (i + 1) * width), at);
      for (const [k, metric] of this.#metrics.entries()) {
        rows[at + width + k] = numbers[metric]?.[i] ?? 0;
      }
    }
  }

  /** Takes out what was put in. */
  take(rows: Float32Array, name: string, metrics: readonly string[]): Kept {
    const width = this.#width;
    const count = rows.length / this.size;
    const start = this.#startOf(name);
    const features = new Float32Array(count * width);
    for (let i = 0; i < count; i++) {
      const at = i * this.size + start;
      features.set(rows.subarray(at, at + width), i * width);
    }
    const numbers = metrics.map((metric) => {
      const k = start + width + this.#metrics.indexOf(metric);
      const list = (_: unknown, i: number) => rows[i * this.size + k]!;
      return [metric, Float32Array.from({ length: count }, list)];
    });
    return { features, numbers: Object.fromEntries(numbers) };
  }
}

/**
 * Averages over windows, with a bootstrap interval over their scenes.
 *
 * @param values one of each window
 * @param scenes scene of each window
 * @param seed of the bootstrap
 */
export function scoreOf(
  values: readonly number[],
  scenes: readonly string[],
  seed: number,
): Score {
  const { low, high } = bootstrapInterval(values, { groups: scenes, seed });
  return { value: mean(values), low, high, n: values.length };
}

/**
 * Cosine similarity of each window: the mean over its tokens.
 *
 * @param latents (n, channels, height, width)
 * @param target as `latents`
 * @param shape channels, height, width
 * @param patch side of a token in latent pixels
 * @returns (n)
 */
export function windowCosines(
  latents: Float32Array,
  target: Float32Array,
  shape: readonly [number, number, number],
  patch: number,
): number[] {
  const patchDim = shape[0] * patch * patch;
  const tokens = shape[1] * shape[2] / (patch * patch);
  const rows = rowCosines(
    toTokens(latents, shape, patch),
    toTokens(target, shape, patch),
    patchDim,
  );
  return Array.from(
    { length: rows.length / tokens },
    (_, i) => mean(Array.from(rows.slice(i * tokens, (i + 1) * tokens))),
  );
}

/**
 * Cuts windows 0, ..., count - 1 into batches.
 *
 * @param count of all windows
 * @param batch of most batches; the last one may be smaller
 */
export function batchesOf(count: number, batch: number): number[][] {
  const all = Array.from({ length: count }, (_, i) => i);
  return Array.from(
    { length: Math.ceil(count / batch) },
    (_, i) => all.slice(i * batch, (i + 1) * batch),
  );
}

/** Names under which what happened is measured, beside the points. */
const REFERENCES = ["camera", "decoded", "cameraPresent"] as const;

/**
 * Measures all operating points at one horizon step, window by window.
 *
 * Images are decoded batch by batch and let go; what is kept of each are its
 * features and a few numbers.
 *
 * @param networks frozen networks
 * @param step the windows
 * @returns by operating point, and of camera frames and decoded real latents
 */
export async function measureStep(
  networks: FrozenNetworks,
  step: StepWindows,
): Promise<Measured> {
  const { scenes, patch, size, metrics } = step;
  const { featureWidth: width, latentShape: shape } = networks;
  const n = scenes.length;
  const layout = { height: size, width: size, channels: 3 };
  const nearest = nearestTo(step.trained, shape.reduce((a, b) => a * b, 1));
  const names = Object.keys(step.points);
  const measures = metrics.map(({ name }) => name);
  const relative = metrics.filter(({ isRelative }) => isRelative);
  const kept = new KeptRows([...REFERENCES, ...names], measures, width);
  const batches = batchesOf(n, step.batch);
  const total = batches.length * names.length;
  const numbersOf = async (
    list: readonly WindowMetric[],
    batch: ScoredBatch,
  ) => {
    const numbers: Record<string, ArrayLike<number>> = {};
    for (const { name, of } of list) {
      step.check();
      numbers[name] = await of(batch);
    }
    return numbers;
  };
  let fit: EnergyFit | undefined;
  const energy = async (latents: Float32Array) =>
    energies(fit ??= await step.energy(), latents);
  const { perceptual } = networks;
  const cameraFeatures = (levels: Uint8Array) =>
    networks.features(
      // Half a level up, so that truncation to levels gives them back.
      Float32Array.from(levels, (x) => Math.min(1, (x + 0.5) / 255)),
    );
  const measured = async (windows: number[], before: number) => {
    const rows = new Float32Array(windows.length * kept.size);
    step.check();
    const real = step.real(windows);
    const present = step.present(windows);
    const realImages = await networks.decode(real);
    const presentImages = await networks.decode(present);
    const given = {
      ...{ real, present, realImages, presentImages },
      ...{ shape, patch, layout, nearest, energy, perceptual },
    };
    step.check();
    kept.put(rows, "decoded", {
      features: await networks.features(realImages),
      numbers: await numbersOf(relative, {
        ...given,
        latents: real,
        images: realImages,
      }),
    });
    step.check();
    for (const name of ["camera", "cameraPresent"] as const) {
      const features = await cameraFeatures(await step[name](windows));
      kept.put(rows, name, { features, numbers: {} });
      step.check();
    }
    for (const [k, name] of names.entries()) {
      step.check();
      const latents = step.points[name]!(windows);
      const images = await networks.decode(latents);
      step.check();
      kept.put(rows, name, {
        features: await networks.features(images),
        numbers: await numbersOf(metrics, { ...given, latents, images }),
      });
      step.progress(before + k + 1, total);
    }
    return rows;
  };
  const shards = {
    directory: step.directory,
    digest: "scores",
    frames: n,
    size: kept.size,
    shard: n,
  };
  await encodeLatents({
    ...shards,
    encode: async function* (start) {
      const first = Math.floor(start / step.batch);
      step.progress(first * names.length, total);
      for (const [i, windows] of [...batches.entries()].slice(first)) {
        yield await measured(windows, i * names.length);
      }
    },
  });
  using store = await LatentStore.open(shards);
  const rows = store.read(0, n);
  return {
    camera: kept.take(rows, "camera", []),
    cameraPresent: kept.take(rows, "cameraPresent", []),
    decoded: kept.take(rows, "decoded", relative.map(({ name }) => name)),
    ...Object.fromEntries(
      names.map((name) => [name, kept.take(rows, name, measures)]),
    ),
  };
}

/** What the metrics say of camera frames against camera frames. */
export interface StackCheck {
  /** Frames of each half: those of the first scenes, and those of the others. */
  readonly n: readonly [number, number];
  /** KID of the halves: about zero. */
  readonly kid: number;
  /** FID of the halves, which few frames raise above zero. */
  readonly fid: number;
  /** FID of all frames against themselves: zero but for rounding. */
  readonly sameFid: number;
}

/** How measured windows are averaged. */
export interface SummaryOptions
  extends Pick<FeatureSets, "scenes" | "subsets" | "seed"> {
  /** What was measured of each window. */
  readonly metrics: readonly WindowMetric[];
  /** Length of a feature. */
  readonly width: number;
  /** Called before every point; what it throws ends the work. */
  readonly check: () => void;
}

/**
 * Averages what was measured of windows.
 *
 * @param measured by operating point
 * @param options scenes, subsets, seed
 * @returns scores by operating point, and of camera frames against each other
 */
export function summarize(
  measured: Measured,
  options: SummaryOptions,
): {
  readonly points: Readonly<Record<string, PointScores>>;
  readonly check?: StackCheck;
} {
  const { width, scenes, seed, metrics } = options;
  const n = scenes.length;
  const { camera, decoded, cameraPresent, ...points } = measured as
    & Record<typeof REFERENCES[number], Kept>
    & Measured;
  const check = checkStack(camera.features, options);
  const ofPoint = ({ features, numbers }: Kept): PointScores => {
    options.check();
    const sets = {
      ...options,
      fake: { data: features, width },
      camera: { data: camera.features, width },
      decoded: { data: decoded.features, width },
      present: { data: cameraPresent.features, width },
    };
    const ofAll = DISTRIBUTION_METRICS.flatMap(({ of }) =>
      Object.entries(of(sets)).map(([name, score]) => [name, { ...score, n }])
    );
    const ofEach = metrics.map(({ name, isRelative }) => {
      const values = Array.from(numbers[name] ?? []);
      const reference = decoded.numbers[name];
      return [
        name,
        isRelative && reference !== undefined
          ? { value: mean(values) / mean(reference), n }
          : scoreOf(values, scenes, seed),
      ];
    });
    return Object.fromEntries([...ofAll, ...ofEach]);
  };
  return {
    ...(check ? { check } : {}),
    points: Object.fromEntries(
      Object.entries(points).map(([name, kept]) => [name, ofPoint(kept)]),
    ),
  };
}

/** Compares camera frames of some scenes with those of others, if they can be. */
function checkStack(
  features: Float32Array,
  { width, scenes, seed, subsets: [subsets, subsetSize] }: SummaryOptions,
): StackCheck | undefined {
  const names = [...new Set(scenes)];
  const first = new Set(names.slice(0, Math.ceil(names.length / 2)));
  const half = (isFirst: boolean) => {
    const rows = [...scenes.keys()]
      .filter((i) => first.has(scenes[i]!) === isFirst);
    const data = new Float32Array(rows.length * width);
    rows.forEach((row, i) =>
      data.set(features.subarray(row * width, (row + 1) * width), i * width)
    );
    return { data, width, n: rows.length };
  };
  const [a, b] = [half(true), half(false)];
  if (Math.min(a.n, b.n) < 2) return undefined;
  const all = { data: features, width };
  const size = Math.min(subsetSize, a.n, b.n);
  return {
    n: [a.n, b.n],
    kid: kid(a, b, { subsets, subsetSize: size, seed }).value,
    fid: fid(a, b).value,
    sameFid: fid(all, all).value,
  };
}

/** The latents of an operating point. */
export interface Point {
  /** What decides them beside the artifacts they are made from: plain JSON. */
  readonly about?: unknown;
  /** Gives them. */
  readonly latents: LatentsOf;
}

/** What is measured, window by window. */
export interface ColumnsSpec {
  /** Part that the windows are of. Default the test part. */
  readonly part?: PartName;
  /** The windows. Default all of the part. */
  readonly windows?: readonly LabWindow[];
  /** Step of the horizon, from 0. */
  readonly step: number;
  /** Operating points by name. */
  readonly points: Readonly<Record<string, Point>>;
  /** Digests of the futures that the points are made from. */
  readonly from: readonly string[];
  /**
   * What is measured of each window, as far as there are networks for it.
   * Default {@linkcode WINDOW_METRICS}.
   */
  readonly metrics?: readonly WindowMetric[];
}

/** Numbers of every window by operating point, on disk. */
export interface Columns {
  /** The windows. */
  readonly windows: readonly LabWindow[];
  /** What was measured. */
  readonly measured: Measured;
  /** Its metrics. */
  readonly metrics: readonly WindowMetric[];
  /** A CSV file: a row for every operating point and window. */
  readonly csv: string;
  /** A safetensors file: POINT.METRIC, and POINT.features. */
  readonly safetensors: string;
  /** Digest of them as an artifact. */
  readonly digest: string;
}

/**
 * Finds what was measured of windows, or measures it.
 *
 * @param lab networks, latents, and where it is kept
 * @param spec windows, step, operating points, metrics
 * @throws {Interrupted} if it was asked to stop
 */
export async function columns(lab: Lab, spec: ColumnsSpec): Promise<Columns> {
  const { interrupt, scoring } = lab.context;
  const { step, points } = spec;
  const [data, networks, train, part] = [
    await lab.data(),
    await lab.networks(),
    await lab.part("train"),
    await lab.part(spec.part ?? "test"),
  ];
  const { windows = part.windows } = spec;
  const metrics = (spec.metrics ?? WINDOW_METRICS).filter(({ perceptual }) =>
    perceptual === undefined || perceptual === networks.perceptual?.name
  );
  const { patch, size, evalBatch: batch } = lab.params;
  const futureOf = (i: number) => windows[i]!.row + 1 + step;
  const made = await lab.make({
    kind: "columns",
    spec: {
      step,
      windows: digestJson(windows.map(({ id }) => id), "windows"),
      points: Object.entries(points).map((
        [name, { about }],
      ) => [name, about ?? name]),
      metrics: metrics.map(({ name }) => name),
      features: networks.featureDigest,
      vae: networks.vaeDigest,
      perceptual: networks.perceptual?.digest ?? null,
      scoring,
      ...{ patch, size, batch },
    },
    from: [train.digest, part.digest, ...spec.from],
  }, async (folder) => {
    const line = lab.context.progress("decode and score");
    using loader = new FrameLoader();
    const rows = Array.from({ length: train.latents.frames }, (_, i) => i);
    const framesOf = (rows: readonly number[]) => {
      const paths = rows.map((row) => part.paths[row]!);
      return readFrames(loader, data.root, paths, size, "bicubic");
    };
    const measured = await measureStep(networks, {
      size,
      scenes: windows.map(({ scene }) => scene),
      batch,
      patch,
      metrics,
      trained: takeRows(train.latents, spaced(rows, TRAINED_FRAMES)),
      real: (list) => takeRows(part.latents, list.map(futureOf)),
      present: (list) =>
        takeRows(part.latents, list.map((i) => windows[i]!.row)),
      camera: (list) => framesOf(list.map(futureOf)),
      cameraPresent: (list) => framesOf(list.map((i) => windows[i]!.row)),
      energy: () => energyFit(lab),
      points: Object.fromEntries(
        Object.entries(points).map(([name, { latents }]) => [name, latents]),
      ),
      directory: folder.scratch("rows"),
      progress: (done, total) => line.update({ done, total }),
      check: () => interrupt.check(),
    });
    await keepColumns(folder.path, windows, measured, metrics);
    line.end();
    return { windows: windows.length };
  });
  const path = join(made.path, "columns.safetensors");
  return {
    windows,
    metrics,
    measured: await readMeasured(path),
    csv: join(made.path, "columns.csv"),
    safetensors: path,
    digest: made.digest,
  };
}

async function keepColumns(
  folder: string,
  windows: readonly LabWindow[],
  measured: Measured,
  metrics: readonly WindowMetric[],
): Promise<void> {
  const n = windows.length;
  const tensors = Object.entries(measured)
    .flatMap(([point, { features, numbers }]) => [
      [`${point}.features`, {
        shape: [n, features.length / n],
        data: features,
      }],
      ...Object.entries(numbers).map(([metric, values]) => [
        `${point}.${metric}`,
        { shape: [n], data: Float32Array.from(values) },
      ]),
    ]);
  await writeSafetensors(
    join(folder, "columns.safetensors"),
    Object.fromEntries(tensors),
    { windows: JSON.stringify(windows.map(({ id }) => id)) },
  );
  const csv = tableToCsv({
    columns: [
      { key: "point", label: "Operating point" },
      { key: "window", label: "Window" },
      { key: "scene", label: "Scene" },
      ...metrics.map(({ name, title }) => ({ key: name, label: title })),
    ],
    rows: Object.entries(measured)
      .filter(([, { numbers }]) => metrics.every(({ name }) => numbers[name]))
      .flatMap(([point, { numbers }]) =>
        windows.map(({ id, scene }, i) => ({
          point,
          window: id,
          scene,
          ...Object.fromEntries(
            metrics.map(({ name }) => [name, numbers[name]![i]!]),
          ),
        }))
      ),
  });
  await writeAtomic(join(folder, "columns.csv"), csv);
}

async function readMeasured(path: string): Promise<Measured> {
  using file = await readSafetensors(path);
  const points: Record<string, Record<string, Float32Array<ArrayBuffer>>> = {};
  for (const name of file.names) {
    const [point = "", what = ""] = name.split(".");
    (points[point] ??= {})[what] = toFloat32(await file.read(name));
  }
  return Object.fromEntries(
    Object.entries(points).map(([point, { features, ...numbers }]) => [
      point,
      { features: features ?? new Float32Array(), numbers },
    ]),
  );
}

/**
 * Averages measured windows, by the KID subsets of the run.
 *
 * @param lab parameters and networks
 * @param columns what was measured
 * @param seed of subsets and bootstrap
 */
export async function scoresOf(
  lab: Lab,
  { windows, measured, metrics }: Columns,
  seed: number,
): Promise<ReturnType<typeof summarize>> {
  const { kidSubsets, kidSubsetSize } = lab.params;
  const { featureWidth: width } = await lab.networks();
  return summarize(measured, {
    width,
    metrics,
    scenes: windows.map(({ scene }) => scene),
    subsets: [kidSubsets, Math.min(kidSubsetSize, windows.length)],
    seed,
    check: () => lab.context.interrupt.check(),
  });
}
