import { crc32, deflateSync, inflateSync } from "node:zlib";
import type { Image } from "./image.ts";

const SIGNATURE = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);

/** Largest picture that is decoded, in pixels. */
const MOST_PIXELS = 2 ** 26;

/** Samples of a pixel by the file's colour type. */
const SAMPLES: Readonly<Record<number, number>> = {
  0: 1,
  2: 3,
  3: 1,
  4: 2,
  6: 4,
};

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function header(width: number, height: number): Uint8Array {
  const data = new Uint8Array(13);
  const view = new DataView(data.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  data[8] = 8; // bits of a sample
  data[9] = 2; // red, green, blue
  return chunk("IHDR", data);
}

/** Rows with a leading filter number 0, compressed. */
function compressed({ width, height, data }: Image): Uint8Array {
  const rows = new Uint8Array(height * (1 + 3 * width));
  for (let y = 0; y < height; y++) {
    rows.set(
      data.subarray(y * 3 * width, (y + 1) * 3 * width),
      y * (1 + 3 * width) + 1,
    );
  }
  return deflateSync(rows);
}

/**
 * Encodes a picture as PNG. Equal pictures give equal bytes.
 *
 * @param image 8-bit RGB
 */
export function encodePng(image: Image): Uint8Array<ArrayBuffer> {
  return join([
    SIGNATURE,
    header(image.width, image.height),
    chunk("IDAT", compressed(image)),
    chunk("IEND", new Uint8Array()),
  ]);
}

/**
 * Encodes an animation as APNG, repeated for ever. Programs that do not know
 * animations show the first frame.
 *
 * @param frames pictures of one size
 * @param delay milliseconds a frame is shown
 * @throws {RangeError} if there is no frame, or sizes differ
 */
export function encodeApng(
  frames: readonly Image[],
  delay: number,
): Uint8Array<ArrayBuffer> {
  const first = frames[0];
  if (
    first === undefined ||
    frames.some(({ width, height }) =>
      width !== first.width || height !== first.height
    )
  ) {
    throw new RangeError(
      `Cannot animate ${frames.length} frames: it needs at least one, all of one size`,
    );
  }
  const words = (...values: number[]) => {
    const view = new DataView(new ArrayBuffer(4 * values.length));
    for (const [i, value] of values.entries()) view.setUint32(4 * i, value);
    return new Uint8Array(view.buffer);
  };
  const parts = [
    SIGNATURE,
    header(first.width, first.height),
    chunk("acTL", words(frames.length, 0)),
  ];
  let sequence = 0;
  for (const [i, frame] of frames.entries()) {
    const control = new Uint8Array(26);
    control.set(words(sequence++, first.width, first.height, 0, 0));
    new DataView(control.buffer).setUint16(20, delay);
    new DataView(control.buffer).setUint16(22, 1000);
    parts.push(chunk("fcTL", control));
    const data = compressed(frame);
    parts.push(
      i === 0
        ? chunk("IDAT", data)
        : chunk("fdAT", join([words(sequence++), data])),
    );
  }
  return join([...parts, chunk("IEND", new Uint8Array())]);
}

/** The chunks of a file, their checksums compared. */
function* chunksOf(bytes: Uint8Array, fail: (reason: string) => never) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = SIGNATURE.length; at < bytes.length;) {
    if (at + 12 > bytes.length) fail("it is cut off");
    const length = view.getUint32(at);
    if (at + 12 + length > bytes.length) fail("it is cut off");
    const body = bytes.subarray(at + 4, at + 8 + length);
    if (crc32(body) !== view.getUint32(at + 8 + length)) {
      fail(`the checksum at byte ${at} is wrong`);
    }
    const type = new TextDecoder().decode(body.subarray(0, 4));
    yield { type, data: body.subarray(4) };
    if (type === "IEND") return;
    at += 12 + length;
  }
  fail("it is cut off");
}

function paeth(a: number, b: number, c: number): number {
  const p = a + b - c;
  const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
  if (pa <= pb && pa <= pc) return a;
  return pb <= pc ? b : c;
}

/** Undoes the filters of rows, in place. */
function unfilter(
  rows: Uint8Array,
  height: number,
  stride: number,
  step: number,
  fail: (reason: string) => never,
): void {
  for (let y = 0; y < height; y++) {
    const start = y * (stride + 1) + 1;
    const filter = rows[start - 1] ?? 0;
    if (filter > 4) fail(`row ${y} has the unknown filter ${filter}`);
    if (filter === 0) continue;
    for (let i = 0; i < stride; i++) {
      const left = i >= step ? rows[start + i - step] ?? 0 : 0;
      const up = y > 0 ? rows[start + i - stride - 1] ?? 0 : 0;
      const corner = y > 0 && i >= step
        ? rows[start + i - step - stride - 1] ?? 0
        : 0;
      let guess = 0;
      if (filter === 1) guess = left;
      else if (filter === 2) guess = up;
      else if (filter === 3) guess = (left + up) >> 1;
      else guess = paeth(left, up, corner);
      rows[start + i] = (rows[start + i] ?? 0) + guess;
    }
  }
}

/**
 * Decodes a PNG of 8 bits a sample: grey, RGB, palette, with or without alpha,
 * which is dropped as Pillow's `convert("RGB")` does.
 *
 * @param bytes the file
 * @param name for messages
 * @throws {SyntaxError} naming the file and what is wrong with it
 */
export function decodePng(bytes: Uint8Array, name = "the picture"): Image {
  const fail = (reason: string): never => {
    throw new SyntaxError(`Cannot read ${name} as PNG: ${reason}`);
  };
  if (SIGNATURE.some((byte, i) => bytes[i] !== byte)) fail("it is no PNG");
  let [width, height, samples, type] = [0, 0, 0, 0];
  let palette = new Uint8Array();
  const parts: Uint8Array[] = [];
  for (const { type: kind, data } of chunksOf(bytes, fail)) {
    if (kind === "IHDR") {
      const view = new DataView(data.buffer, data.byteOffset, data.length);
      width = view.getUint32(0);
      height = view.getUint32(4);
      type = data[9] ?? 0;
      samples = SAMPLES[type] ?? 0;
      if (data[8] !== 8 || samples === 0 || data[12] !== 0) {
        fail(
          `it has ${data[8]} bits a sample, colour type ${type}, interlacing ${
            data[12]
          }; needed 8 bits and no interlacing`,
        );
      }
      if (width * height > MOST_PIXELS || width * height === 0) {
        fail(
          `it is ${width}x${height}; at most ${MOST_PIXELS} pixels are read`,
        );
      }
    } else if (kind === "PLTE") palette = data.slice();
    else if (kind === "IDAT") parts.push(data);
  }
  if (samples === 0) fail("it has no header");
  const stride = width * samples;
  const size = height * (stride + 1);
  let rows: Uint8Array = new Uint8Array();
  try {
    rows = inflateSync(join(parts), { maxOutputLength: size });
  } catch (error) {
    fail(`its data are damaged (${(error as Error).message})`);
  }
  if (rows.length !== size) {
    fail(`it holds ${rows.length} bytes, needed ${size}`);
  }
  unfilter(rows, height, stride, samples, fail);
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = y * (stride + 1) + 1 + x * samples;
      const to = (y * width + x) * 3;
      for (let c = 0; c < 3; c++) {
        const value = rows[from + (samples >= 3 ? c : 0)] ?? 0;
        data[to + c] = type === 3 ? palette[3 * value + c] ?? 0 : value;
      }
    }
  }
  return { width, height, data };
}
