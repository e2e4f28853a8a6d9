import { decodeJpeg } from "./jpeg.ts";
import { decodePng } from "./png.ts";

/** A picture of 8 bits a sample. */
export interface Image {
  /** Pixels of a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** (height, width, 3): red, green, blue */
  readonly data: Uint8Array;
}

/** Largest picture that is decoded, in pixels. */
export const MOST_PIXELS = 2 ** 26;

/**
 * Decodes a JPEG or PNG by its first bytes.
 *
 * @param bytes the file
 * @param name for messages
 * @throws {SyntaxError} naming the file and what is wrong with it
 */
export function decodeImage(bytes: Uint8Array, name = "the picture"): Image {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return decodeJpeg(bytes, name);
  if (bytes[0] === 137 && bytes[1] === 80) return decodePng(bytes, name);
  throw new SyntaxError(
    `Cannot read ${name} as a picture: it is ${
      bytes.length === 0 ? "empty" : "neither JPEG nor PNG"
    }`,
  );
}

/**
 * Cuts the centre out of a picture; odd margins are larger right and below.
 *
 * @param image picture
 * @param width at most that of the picture
 * @param height at most that of the picture
 * @throws {RangeError} if the cut is larger than the picture
 */
export function cropCentre(image: Image, width: number, height: number): Image {
  if (
    !(width >= 1 && width <= image.width && height >= 1 &&
      height <= image.height)
  ) {
    throw new RangeError(
      `Cannot cut ${width}x${height} out of a picture of ${image.width}x${image.height}`,
    );
  }
  const left = Math.floor((image.width - width) / 2);
  const top = Math.floor((image.height - height) / 2);
  return crop(image, left, top, width, height);
}

/**
 * Cuts a rectangle out of a picture.
 *
 * @param image picture
 * @param left first column
 * @param top first row
 * @param width columns
 * @param height rows
 * @throws {RangeError} if the rectangle leaves the picture
 */
export function crop(
  image: Image,
  left: number,
  top: number,
  width: number,
  height: number,
): Image {
  if (
    !(left >= 0 && top >= 0 && left + width <= image.width &&
      top + height <= image.height)
  ) {
    throw new RangeError(
      `Cannot cut ${width}x${height} at column ${left}, row ${top} out of a picture of ${image.width}x${image.height}`,
    );
  }
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * image.width + left) * 3;
    data.set(image.data.subarray(start, start + 3 * width), y * 3 * width);
  }
  return { width, height, data };
}
