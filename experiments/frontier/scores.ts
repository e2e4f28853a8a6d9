import { encodeLatents, LatentStore } from "../../core/data/latents.ts";
import { rowCosines } from "../../core/metrics/cosine.ts";
import { fid } from "../../core/metrics/fid.ts";
import { kid, kidInterval } from "../../core/metrics/kid.ts";
import { nearestTo } from "../../core/metrics/neighbors.ts";
import { sharpness } from "../../core/metrics/sharpness.ts";
import { ssimPerImage } from "../../core/metrics/ssim.ts";
import { bootstrapInterval, mean } from "../../core/metrics/statistics.ts";
import { toTokens } from "../../core/training/window_tokens.ts";
import type { FrozenNetworks } from "./networks.ts";

/** Training frames that a distance to training looks at, as published. */
export const TRAINED_FRAMES = 4000;

/** A number with what it rests on. */
export interface Score {
  /** The number. */
  readonly value: number;
  /** Ends of the 95 % bootstrap interval over scenes. */
  readonly low: number;
  /** As `low`. */
  readonly high: number;
}

/** How much the samples of one window differ, averaged over windows. */
export interface Diversity extends Score {
  /** Windows. */
  readonly n: number;
  /** Samples of each. */
  readonly samples: number;
}

/** All scores of one operating point at one horizon step. */
export interface PointScores {
  /** Windows. */
  readonly n: number;
  /** KID against camera frames; interval over scenes. */
  readonly kid: Score;
  /** Spread of KID over subsets; not an error bar. */
  readonly kidSpread: number;
  /** KID against decoded ground truth of the same windows. */
  readonly kidDecoded: number;
  /** FID against camera frames. */
  readonly fid: number;
  /** Cosine similarity of latent tokens. */
  readonly cosSim: Score;
  /** Cosine similarity of the changes from the present; 0 for no change. */
  readonly deltaCosSim: Score;
  /** SSIM against decoded ground truth. */
  readonly ssim: Score;
  /** Sharpness as a fraction of decoded ground truth. */
  readonly sharpness: number;
  /** Mean distance of latents to the nearest of training frames. */
  readonly manifold: number;
  /** Distance of latents of two samples; absent where there is one future. */
  readonly diversity?: Diversity;
}

/** Gives the latents of some windows at the step that is scored. */
export type LatentsOf = (windows: readonly number[]) => Float32Array;

/** The windows of one horizon step, each given when it is asked for. */
export interface StepWindows {
  /** Side of a frame in pixels. */
  readonly size: number;
  /** Scene of each window. */
  readonly scenes: readonly string[];
  /** Windows that are held at once. */
  readonly batch: number;
  /** (n, channels, height, width) latents of the real future */
  readonly real: LatentsOf;
  /** (n, channels, height, width) latents of the present */
  readonly present: LatentsOf;
  /** (n, size, size, 3) levels of the camera */
  readonly camera: (windows: readonly number[]) => Promise<Uint8Array>;
  /** (n, channels, height, width) scaled latents by operating point */
  readonly points: Readonly<Record<string, LatentsOf>>;
  /** (m, channels, height, width) latents of training frames */
  readonly trained: Float32Array;
  /** Side of a token in latent pixels. */
  readonly patch: number;
  /** KID subsets and images of each. */
  readonly subsets: readonly [number, number];
  /** Seed of subsets and bootstrap. */
  readonly seed: number;
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

/** Numbers that are kept of the images of a window, beside features. */
const NUMBERS = [
  "sharpness",
  "ssim",
  "cosines",
  "changes",
  "distances",
] as const;

/** One number of each window, by what it is. */
type Numbers<List> = Readonly<Record<typeof NUMBERS[number], List>>;

/** What is kept of the images of some windows: features and some numbers. */
interface Kept extends Numbers<readonly number[]> {
  /** (windows, width) */
  readonly features: Float32Array;
}

/** Rows of the windows, with a part for each of several names. */
class KeptRows {
  /** Values of a row. */
  readonly size: number;
  readonly #width: number;
  readonly #names: readonly string[];

  constructor(names: readonly string[], width: number) {
    this.#names = names;
    this.#width = width;
    this.size = names.length * (width + NUMBERS.length);
  }

  /** Puts what is known of a name into the rows; the rest stays zero. */
  put(
    rows: Float32Array,
    name: string,
    { features, ...numbers }:
      & Pick<Kept, "features">
      & Partial<Numbers<ArrayLike<number>>>,
  ): void {
    const width = this.#width;
    const start = this.#names.indexOf(name) * (width + NUMBERS.length);
    for (let i = 0; i < rows.length / this.size; i++) {
      const at = i * this.size + start;
      rows.set(features.subarray(i * width, (i + 1) * width), at);
      for (const [k, number] of NUMBERS.entries()) {
        rows[at + width + k] = numbers[number]?.[i] ?? 0;
      }
    }
  }

  /** Takes out what was put in. */
  take(rows: Float32Array, name: string): Kept {
    const width = this.#width;
    const start = this.#names.indexOf(name) * (width + NUMBERS.length);
    const count = rows.length / this.size;
    const features = new Float32Array(count * width);
    for (let i = 0; i < count; i++) {
      const at = i * this.size + start;
      features.set(rows.subarray(at, at + width), i * width);
    }
    const list = (k: number) =>
      Array.from(
        { length: count },
        (_, i) => rows[i * this.size + start + width + k]!,
      );
    const numbers = NUMBERS.map((number, k) => [number, list(k)]);
    return { features, ...Object.fromEntries(numbers) };
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
  return { value: mean(values), low, high };
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

/** Scores of one horizon step. */
export interface ScoredStep {
  /** By operating point. */
  readonly points: Readonly<Record<string, PointScores>>;
  /** What the metrics say of real frames; absent if these are fewer than 4. */
  readonly check?: StackCheck;
}

/**
 * Scores all operating points at one horizon step.
 *
 * Images are decoded batch by batch and let go. What FID and KID compare are
 * the features of all windows, (windows, width) of each point; they, and a few
 * numbers a window, are all that is kept to the end.
 *
 * @param networks frozen networks
 * @param step the windows
 */
export async function scoreStep(
  networks: FrozenNetworks,
  step: StepWindows,
): Promise<ScoredStep> {
  const { scenes, patch, size } = step;
  const { featureWidth: width, latentShape: shape } = networks;
  const n = scenes.length;
  const layout = { height: size, width: size, channels: 3 };
  const nearest = nearestTo(step.trained, shape.reduce((a, b) => a * b, 1));
  const names = Object.keys(step.points);
  const kept = new KeptRows(["camera", "decoded", ...names], width);
  const batches = batchesOf(n, step.batch);
  const total = batches.length * names.length;
  const measured = async (windows: number[], before: number) => {
    const rows = new Float32Array(windows.length * kept.size);
    step.check();
    const real = step.real(windows);
    const present = step.present(windows);
    const change = (to: Float32Array) =>
      to.map((value, i) => value - present[i]!);
    const realImages = await networks.decode(real);
    step.check();
    kept.put(rows, "decoded", {
      features: await networks.features(realImages),
      sharpness: sharpness(realImages, layout),
    });
    step.check();
    const levels = await step.camera(windows);
    kept.put(rows, "camera", {
      features: await networks.features(
        // Half a level up, so that truncation to levels gives them back.
        Float32Array.from(levels, (x) => Math.min(1, (x + 0.5) / 255)),
      ),
    });
    for (const [k, name] of names.entries()) {
      step.check();
      const latents = step.points[name]!(windows);
      const images = await networks.decode(latents);
      step.check();
      // The published range is that of a batch, which is 1 for 48 frames.
      const range = { ...layout, dataRange: 1 };
      kept.put(rows, name, {
        features: await networks.features(images),
        sharpness: sharpness(images, layout),
        ssim: ssimPerImage(images, realImages, range),
        cosines: windowCosines(latents, real, shape, patch),
        changes: windowCosines(change(latents), change(real), shape, patch),
        distances: nearest(latents),
      });
      step.progress(before + k + 1, total);
    }
    return rows;
  };
  const shards = {
    directory: step.directory,
    digest: "scores of this run",
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
  const references = {
    camera: kept.take(rows, "camera"),
    decoded: kept.take(rows, "decoded"),
  };
  const check = checkStack(references.camera.features, width, step);
  return {
    ...(check ? { check } : {}),
    points: Object.fromEntries(names.map((name) => {
      step.check();
      return [name, summarize(kept.take(rows, name), references, width, step)];
    })),
  };
}

/** Compares camera frames of some scenes with those of others, if they can be. */
function checkStack(
  features: Float32Array,
  width: number,
  { scenes, seed, subsets: [subsets, subsetSize] }: StepWindows,
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

/** The scores of one point from what was kept of its windows. */
function summarize(
  kept: Kept,
  references: { readonly camera: Kept; readonly decoded: Kept },
  width: number,
  { scenes, seed, subsets: [subsets, subsetSize] }: StepWindows,
): PointScores {
  const fake = { data: kept.features, width };
  const real = { data: references.camera.features, width };
  const decoded = { data: references.decoded.features, width };
  const options = { subsets, subsetSize, seed };
  const measured = kid(real, fake, options);
  const { low, high } = kidInterval(
    real,
    fake,
    { real: scenes, fake: scenes },
    { seed },
  );
  return {
    n: scenes.length,
    kid: { value: measured.value, low, high },
    kidSpread: measured.subsetSpread,
    kidDecoded: kid(decoded, fake, options).value,
    fid: fid(real, fake).value,
    cosSim: scoreOf(kept.cosines, scenes, seed),
    deltaCosSim: scoreOf(kept.changes, scenes, seed),
    ssim: scoreOf(kept.ssim, scenes, seed),
    sharpness: mean(kept.sharpness) / mean(references.decoded.sharpness),
    manifold: mean(kept.distances),
  };
}
