import gifenc from "gifenc";
import type { Image } from "../formats/image.ts";

/** What is used of gifenc, which has no types. */
interface GifWriter {
  writeFrame(
    indices: Uint8Array,
    width: number,
    height: number,
    options: { readonly palette?: number[][]; readonly delay: number },
  ): void;
  finish(): void;
  bytes(): Uint8Array<ArrayBuffer>;
}

const { applyPalette, GIFEncoder, quantize } = gifenc as unknown as {
  GIFEncoder(): GifWriter;
  quantize(rgba: Uint8Array, most: number): number[][];
  applyPalette(rgba: Uint8Array, palette: number[][]): Uint8Array;
};

/** Colours of a GIF's palette. */
const COLOURS = 256;

/** Pixels that the palette is chosen by, evenly spaced over all frames. */
const LOOKED_AT = 2 ** 18;

/** RGBA of every so manieth pixel. */
function opaque(data: Uint8Array, stride = 1): Uint8Array {
  const pixels = Math.ceil(data.length / (3 * stride));
  const rgba = new Uint8Array(4 * pixels).fill(255);
  for (let i = 0; i < pixels; i++) {
    const from = 3 * stride * i;
    rgba.set(data.subarray(from, from + 3), 4 * i);
  }
  return rgba;
}

/**
 * Encodes an animation as GIF, repeated for ever. All frames share a palette of
 * at most 256 colours, so that what stands still does not flicker; at most 256
 * different colours, each in a cell of its own of 5, 6 and 5 bits, are kept as
 * they are.
 *
 * @param frames pictures of one size, at least one
 * @param delay milliseconds a frame is shown, rounded to hundredths of a second
 * @throws {RangeError} if there is no frame, sizes differ, or the delay is not
 *   from 20 to 655,350 milliseconds
 */
export function encodeGif(
  frames: readonly Image[],
  delay: number,
): Uint8Array<ArrayBuffer> {
  const [first] = frames;
  if (first === undefined) {
    throw new RangeError("Cannot animate 0 frames: it needs at least one");
  }
  const { width, height } = first;
  for (const [i, frame] of frames.entries()) {
    if (
      frame.width === width && frame.height === height &&
      frame.data.length === 3 * width * height
    ) continue;
    throw new RangeError(
      `Cannot animate frame ${i} of (${frame.height}, ${frame.width}) with ${frame.data.length} bytes: it needs (${height}, ${width}) with ${
        3 * width * height
      }, as the first`,
    );
  }
  // Browsers show frames of less than 20 ms for 100 ms.
  if (!(delay >= 20 && delay <= 655_350)) {
    throw new RangeError(
      `Cannot show a frame for ${delay} ms: it needs 20 to 655350`,
    );
  }
  const stride = Math.ceil(frames.length * width * height / LOOKED_AT);
  const seen = frames.map(({ data }) => opaque(data, stride));
  const all = new Uint8Array(seen.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const pixels of seen) {
    all.set(pixels, at);
    at += pixels.length;
  }
  const palette = quantize(all, COLOURS);
  const gif = GIFEncoder();
  for (const [i, { data }] of frames.entries()) {
    const indices = applyPalette(opaque(data), palette);
    gif.writeFrame(
      indices,
      width,
      height,
      i === 0 ? { palette, delay } : { delay },
    );
  }
  gif.finish();
  return gif.bytes();
}
