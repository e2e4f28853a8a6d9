/**
 * Measures predicted windows, and averages what was measured.
 *
 * @module
 */

import { encodeLatents, LatentStore } from "../data/latents.ts";
import { energies, type EnergyFit } from "../metrics/energy.ts";
import { fid } from "../metrics/fid.ts";
import { kid } from "../metrics/kid.ts";
import { nearestTo } from "../metrics/neighbors.ts";
import { bootstrapInterval, mean } from "../metrics/statistics.ts";
import {
  DISTRIBUTION_METRICS,
  type FeatureSets,
  type PointScores,
  type Score,
  type ScoredBatch,
  type WindowMetric,
} from "./metrics.ts";
import type { FrozenNetworks } from "./networks.ts";
import { batchesOf } from "./batches.ts";

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
export interface Kept {
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
