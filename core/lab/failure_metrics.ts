import { frequencyChange } from "../metrics/motion.ts";
import type { ImageLayout } from "../metrics/sharpness.ts";
import {
  type ScoredBatch,
  WINDOW_METRICS,
  type WindowMetric,
} from "./metrics.ts";

/** Calls a function with each image of some. */
function perImage(
  { images, layout }: ScoredBatch,
  of: (image: Float32Array, layout: ImageLayout) => number,
): number[] {
  const size = layout.height * layout.width * layout.channels;
  return Array.from(
    { length: images.length / size },
    (_, i) => of(images.subarray(i * size, (i + 1) * size), layout),
  );
}

/**
 * Energy above the frequency that parts low from high in motion: the mean
 * square, over pixels and channels, of the image less its blur.
 */
function highFrequency(image: Float32Array, layout: ImageLayout): number {
  // The change from black to the image is the image.
  const pair = new Float32Array(2 * image.length);
  pair.set(image, image.length);
  return frequencyChange(pair, layout).high ** 2;
}

/** Mean of a channel, in levels of 0 to 255. */
function level(channel: number): WindowMetric["of"] {
  return (batch) =>
    perImage(batch, (image, { channels }) => {
      let sum = 0;
      for (let i = channel; i < image.length; i += channels) sum += image[i]!;
      return 255 * sum * channels / image.length;
    });
}

/** Colours of an image, in the order of its channels. */
export const COLOURS = ["red", "green", "blue"] as const;

/**
 * What fails in decoded predictions, window by window, and in decoded real
 * latents beside them: colours, energy of high frequencies, sharpness, and the
 * Mahalanobis energy of the latents.
 */
export const FAILURE_METRICS: readonly WindowMetric[] = [
  ...COLOURS.map((name, channel): WindowMetric => ({
    name,
    title: name,
    decimals: 1,
    isRelative: true,
    of: level(channel),
  })),
  {
    name: "highFrequency",
    title: "High-frequency energy",
    decimals: 2,
    isRelative: true,
    of: (batch) => perImage(batch, highFrequency),
  },
  ...WINDOW_METRICS.filter(({ name }) =>
    name === "sharpness" || name === "energy"
  ),
];
