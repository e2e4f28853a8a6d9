/**
 * What is measured: of every window, and of all windows at once.
 *
 * A metric that is added to one of the lists shows up for every operating
 * point, in CSV, JSON and the report.
 *
 * @module
 */

import { rowCosines } from "../metrics/cosine.ts";
import type { Features } from "../metrics/features.ts";
import { fid } from "../metrics/fid.ts";
import { kid, kidInterval } from "../metrics/kid.ts";
import { sharpness } from "../metrics/sharpness.ts";
import { ssimPerImage } from "../metrics/ssim.ts";
import { mean } from "../metrics/statistics.ts";
import { toTokens } from "../training/window_tokens.ts";

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

/** Scores of one operating point, by the name of the metric. */
export type PointScores = Readonly<Record<string, Score>>;

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
}

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
  /** Channels, height and width of a frame's latents. */
  readonly shape: readonly [number, number, number];
  /** Side of a token in latent pixels. */
  readonly patch: number;
  /** Height, width and channels of an image. */
  readonly layout: { height: number; width: number; channels: number };
  /** Distance of each of some latents to the nearest of training frames. */
  readonly nearest: (latents: Float32Array) => ArrayLike<number>;
}

/** A number of each window. */
export interface WindowMetric extends ScoreColumn {
  /**
   * Whether the score is the mean over windows as a fraction of that of decoded
   * real latents; if not, it is the mean.
   */
  readonly isRelative?: boolean;
  /** Gives (n) numbers. */
  readonly of: (batch: ScoredBatch) => ArrayLike<number>;
}

/** Predicted minus present, and what happened minus present. */
function changes({ latents, real, present }: ScoredBatch) {
  const change = (to: Float32Array) =>
    to.map((value, i) => value - present[i]!);
  return [change(latents), change(real)] as const;
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
];

/** The features of all windows. */
export interface FeatureSets {
  /** Of decoded predictions. */
  readonly fake: Features;
  /** Of camera frames. */
  readonly camera: Features;
  /** Of decoded latents of what happened. */
  readonly decoded: Features;
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
      { name: "kid", title: "KID", decimals: 3, direction: "lower" },
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
];

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
