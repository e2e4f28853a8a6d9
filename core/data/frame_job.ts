import {
  crop as cut,
  cropCentre,
  decodeImage,
  type Image,
} from "../formats/image.ts";
import { type PillowFilter, resizePillow } from "../formats/pillow_resize.ts";

/** What a frame becomes on its way in. */
export interface FrameOptions {
  /** Width and height of the result, in pixels. */
  readonly size: readonly [width: number, height: number];
  /**
   * `centre`: the largest square in the middle; `none`: the whole frame; a
   * number: the shorter side is resized to it, then the middle is cut out.
   */
  readonly crop: "centre" | "none" | number;
  /** Filter of the resize, as Pillow's. */
  readonly filter: PillowFilter;
}

/** One frame to load. */
export interface FrameJob extends FrameOptions {
  /** Its place in the list. */
  readonly index: number;
  /** The file. */
  readonly path: string;
}

/** A loaded frame, or why it could not be. */
export interface LoadedFrame {
  /** Its place in the list. */
  readonly index: number;
  /** The file. */
  readonly path: string;
  /** The frame. */
  readonly image?: Image;
  /** What is wrong with the file. */
  readonly error?: string;
}

/** Half of a whole number, halves to the even neighbour, as Python rounds. */
function halfOf(x: number): number {
  const down = Math.floor(x / 2);
  return x % 2 === 0 || down % 2 === 0 ? down : down + 1;
}

/**
 * Crops and resizes a picture.
 *
 * Source: torchvision's Resize and CenterCrop where the crop is a number.
 *
 * @param image picture
 * @param options size, crop, filter
 * @throws {RangeError} if the resized picture is smaller than the cut
 */
export function fitFrame(image: Image, options: FrameOptions): Image {
  const { size, crop, filter } = options;
  if (crop === "none") return resizePillow(image, ...size, filter);
  const { width, height } = image;
  const shorter = Math.min(width, height);
  if (crop === "centre") {
    return resizePillow(cropCentre(image, shorter, shorter), ...size, filter);
  }
  const to = (side: number) => Math.trunc(crop * side / shorter);
  const resized = resizePillow(image, to(width), to(height), filter);
  const left = halfOf(resized.width - size[0]);
  const top = halfOf(resized.height - size[1]);
  return cut(resized, left, top, ...size);
}

async function readFile(path: string): Promise<Uint8Array> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? "there is no such file, it is a link to nothing, or its name is no UTF-8"
      : error instanceof Deno.errors.IsADirectory
      ? "it is a folder"
      : (error as Error).message;
    throw new Error(`Cannot read ${path}: ${reason}`);
  }
}

/** Reads, crops and resizes one frame; a bad file gives an error text. */
export async function loadFrame(job: FrameJob): Promise<LoadedFrame> {
  const { index, path } = job;
  try {
    const image = decodeImage(await readFile(path), path);
    return { index, path, image: fitFrame(image, job) };
  } catch (error) {
    return { index, path, error: (error as Error).message };
  }
}
