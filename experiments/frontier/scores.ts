import { rowCosines } from "../../core/metrics/cosine.ts";
import { fid } from "../../core/metrics/fid.ts";
import { kid, kidInterval } from "../../core/metrics/kid.ts";
import { manifoldDistance } from "../../core/metrics/neighbors.ts";
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
}

/** What is fixed while points are scored: the real frames of one step. */
export interface Reference {
  /** Side of a frame in pixels. */
  readonly size: number;
  /** Scene of each window. */
  readonly scenes: readonly string[];
  /** (n, channels, height, width) latents of the real future */
  readonly latents: Float32Array;
  /** (n, size, size, 3) decoded from them, in [0, 1] */
  readonly decoded: Float32Array;
  /** (n, channels, height, width) latents of the present */
  readonly present: Float32Array;
  /** (m, channels, height, width) latents of training frames */
  readonly trained: Float32Array;
  /** Features of the decoded frames. */
  readonly decodedFeatures: Float32Array;
  /** Features of the camera frames. */
  readonly realFeatures: Float32Array;
  /** Side of a token in latent pixels. */
  readonly patch: number;
  /** KID subsets and images of each. */
  readonly subsets: readonly [number, number];
  /** Seed of subsets and bootstrap. */
  readonly seed: number;
}

/** Latents of an operating point with their frames. */
export interface ScoredPoint {
  /** Its scores. */
  readonly scores: PointScores;
  /** (n, size, size, 3) decoded frames in [0, 1] */
  readonly images: Float32Array;
}

function withInterval(
  values: readonly number[],
  scenes: readonly string[],
  seed: number,
): Score {
  const { low, high } = bootstrapInterval(values, { groups: scenes, seed });
  return { value: mean(values), low, high };
}

/** Cosine similarity of each window: the mean over its tokens. */
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
 * Scores the latents of one operating point at one horizon step.
 *
 * @param networks frozen networks
 * @param reference the real future
 * @param latents (n, channels, height, width), scaled
 */
export async function scorePoint(
  networks: FrozenNetworks,
  reference: Reference,
  latents: Float32Array,
): Promise<ScoredPoint> {
  const { size, scenes, seed, patch } = reference;
  const [subsets, subsetSize] = reference.subsets;
  const images = await networks.decode(latents);
  const width = networks.featureWidth;
  const fake = { data: await networks.features(images), width };
  const real = { data: reference.realFeatures, width };
  const decoded = { data: reference.decodedFeatures, width };
  const measured = kid(real, fake, { subsets, subsetSize, seed });
  const groups = { real: scenes, fake: scenes };
  const interval = kidInterval(real, fake, groups, { seed });
  const layout = { height: size, width: size, channels: 3 };
  const ssim = ssimPerImage(images, reference.decoded, layout);
  const cosines = windowCosines(
    latents,
    reference.latents,
    networks.latentShape,
    patch,
  );
  const change = (to: Float32Array) =>
    to.map((value, i) => value - reference.present[i]!);
  const changes = windowCosines(
    change(latents),
    change(reference.latents),
    networks.latentShape,
    patch,
  );
  const own = mean(Array.from(sharpness(images, layout)));
  const sharp = mean(Array.from(sharpness(reference.decoded, layout)));
  return {
    images,
    scores: {
      n: scenes.length,
      kid: { value: measured.value, low: interval.low, high: interval.high },
      kidSpread: measured.subsetSpread,
      kidDecoded: kid(decoded, fake, { subsets, subsetSize, seed }).value,
      fid: fid(real, fake).value,
      cosSim: withInterval(cosines, scenes, seed),
      deltaCosSim: withInterval(changes, scenes, seed),
      ssim: withInterval(Array.from(ssim), scenes, seed),
      sharpness: own / sharp,
      manifold: manifoldDistance(
        latents,
        reference.trained,
        latents.length / scenes.length,
      ),
    },
  };
}
