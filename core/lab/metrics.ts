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
import { frequencyChange } from "../metrics/motion.ts";
import { sharpness } from "../metrics/sharpness.ts";
import { ssimPerImage } from "../metrics/ssim.ts";
import { mean } from "../metrics/statistics.ts";
import { toTokens } from "../training/window_tokens.ts";
import type { FrozenNetworks, PerceptualName } from "./networks.ts";

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

/** Mean squared error of each window, of so many values. */
function squaredErrors(
  a: Float32Array,
  b: Float32Array,
  size: number,
): number[] {
  return Array.from({ length: a.length / size }, (_, i) => {
    let sum = 0;
    for (let j = i * size; j < (i + 1) * size; j++) sum += (a[j]! - b[j]!) ** 2;
    return sum / size;
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
    name: "psnr",
    title: "PSNR",
    unit: "dB",
    decimals: 1,
    direction: "higher",
    ...UNSEEN,
    of: ({ images, realImages, layout: { height, width, channels } }) =>
      squaredErrors(images, realImages, height * width * channels)
        // Equal images have no PSNR: as libvmaf, 60 dB is the most of 8 bits.
        .map((mse) => Math.min(60, -10 * Math.log10(mse))),
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
