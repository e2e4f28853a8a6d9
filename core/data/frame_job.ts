import { cropCentre, decodeImage, type Image } from "../formats/image.ts";
import { type PillowFilter, resizePillow } from "../formats/pillow_resize.ts";

/** What a frame becomes on its way in. */
export interface FrameOptions {
  /** Width and height of the result, in pixels. */
  readonly size: readonly [width: number, height: number];
  /** `centre`: the largest square in the middle; `none`: the whole frame. */
  readonly crop: "centre" | "none";
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

/** Reads, crops and resizes one frame; a bad file gives an error text. */
export async function loadFrame(job: FrameJob): Promise<LoadedFrame> {
  const { index, path, size, crop, filter } = job;
  try {
    let image = await decodeImage(await Deno.readFile(path), path);
    if (crop === "centre") {
      const side = Math.min(image.width, image.height);
      image = cropCentre(image, side, side);
    }
    return { index, path, image: resizePillow(image, ...size, filter) };
  } catch (error) {
    return { index, path, error: (error as Error).message };
  }
}
