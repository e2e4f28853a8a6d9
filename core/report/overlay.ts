import type { Image } from "../formats/image.ts";

/** Gives a colour, each part in [0, 1], of a value in [0, 1]. */
export type ColourMap = (value: number) => readonly [number, number, number];

/** Rises from 0 at `from` to 1 at `to`. */
function ramp(value: number, from: number, to: number): number {
  return Math.min(1, Math.max(0, (value - from) / (to - from)));
}

/**
 * From black by red and yellow to white.
 *
 * Source: the corners of Matplotlib's "hot".
 */
export const hot: ColourMap = (value) => [
  0.0416 + (1 - 0.0416) * ramp(value, 0, 0.365079),
  ramp(value, 0.365079, 0.746032),
  ramp(value, 0.746032, 1),
];

/**
 * From cyan to magenta.
 *
 * Source: Matplotlib's "cool".
 */
export const cool: ColourMap = (value) => [
  ramp(value, 0, 1),
  1 - ramp(value, 0, 1),
  1,
];

/** Part of an overlay that covers the picture, as published. */
const ALPHA = 0.6;

/**
 * Lays coloured values over a picture.
 *
 * Source: Figure 7.
 *
 * @param image below
 * @param values (height, width), from 0
 * @param most value of the last colour; larger ones have it, too
 * @param map colours
 * @throws {RangeError} if there is not one value for each pixel, or `most` is
 *   not positive
 */
export function overlay(
  image: Image,
  values: ArrayLike<number>,
  most: number,
  map: ColourMap,
): Image {
  const { width, height, data } = image;
  if (values.length !== width * height || !(most > 0)) {
    throw new RangeError(
      `Cannot lay ${values.length} values up to ${most} over ${height}x${width} pixels: needed one each, and more than 0`,
    );
  }
  const mixed = new Uint8Array(data.length);
  for (let i = 0; i < values.length; i++) {
    const colour = map(ramp(values[i]!, 0, most));
    for (const [c, part] of colour.entries()) {
      mixed[3 * i + c] = Math.round(
        (1 - ALPHA) * data[3 * i + c]! + ALPHA * 255 * part,
      );
    }
  }
  return { width, height, data: mixed };
}
