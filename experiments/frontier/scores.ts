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
  /** Told after every point of a batch. */
  readonly progress: (done: number, total: number) => void;
}

/** What is kept of the images of all windows: features and some numbers. */
class Kept {
  /** (windows, width) */
  readonly features: Float32Array;
  /** One of each window. */
  readonly sharpness: number[] = [];
  /** As `sharpness`. */
  readonly ssim: number[] = [];
  /** As `sharpness`. */
  readonly cosines: number[] = [];
  /** As `sharpness`. */
  readonly changes: number[] = [];
  /** As `sharpness`. */
  readonly distances: number[] = [];

  constructor(windows: number, width: number) {
    this.features = new Float32Array(windows * width);
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
 * numbers a window, are all that is held to the end.
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
  const camera = new Kept(n, width);
  const decoded = new Kept(n, width);
  const names = Object.keys(step.points);
  const points = new Map(names.map((name) => [name, new Kept(n, width)]));
  const batches = batchesOf(n, step.batch);
  let done = 0;
  for (const windows of batches) {
    const first = windows[0]! * width;
    const real = step.real(windows);
    const present = step.present(windows);
    const change = (to: Float32Array) =>
      to.map((value, i) => value - present[i]!);
    const realImages = await networks.decode(real);
    decoded.features.set(await networks.features(realImages), first);
    decoded.sharpness.push(...sharpness(realImages, layout));
    const levels = await step.camera(windows);
    camera.features.set(
      // Half a level up, so that truncation to levels gives them back.
      await networks.features(
        Float32Array.from(levels, (x) => Math.min(1, (x + 0.5) / 255)),
      ),
      first,
    );
    for (const [name, kept] of points) {
      const latents = step.points[name]!(windows);
      const images = await networks.decode(latents);
      kept.features.set(await networks.features(images), first);
      kept.sharpness.push(...sharpness(images, layout));
      // The published range is that of a batch, which is 1 for 48 frames.
      const range = { ...layout, dataRange: 1 };
      kept.ssim.push(...ssimPerImage(images, realImages, range));
      kept.cosines.push(...windowCosines(latents, real, shape, patch));
      kept.changes.push(
        ...windowCosines(change(latents), change(real), shape, patch),
      );
      kept.distances.push(...nearest(latents));
      step.progress(++done, batches.length * names.length);
    }
  }
  const references = { camera, decoded };
  const check = checkStack(camera.features, width, step);
  return {
    ...(check ? { check } : {}),
    points: Object.fromEntries(
      [...points].map(([name, kept]) => [
        name,
        summarize(kept, references, width, step),
      ]),
    ),
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
