import { constants, crc32, deflateSync, inflateSync } from "node:zlib";
import { Unzlib } from "fflate";
import { type Image, MOST_PIXELS } from "./image.ts";

/** Compressed bytes of a step where a stream holds more than the picture. */
const INFLATED_AT_ONCE = 2 ** 14;

const SIGNATURE = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);

/** Samples of a pixel, and bits a sample may have, by colour type. */
const KINDS: Readonly<Record<number, readonly [number, readonly number[]]>> = {
  0: [1, [1, 2, 4, 8, 16]], // grey
  2: [3, [8, 16]], // red, green, blue
  3: [1, [1, 2, 4, 8]], // place in the palette
  4: [2, [8, 16]], // grey, alpha
  6: [4, [8, 16]], // red, green, blue, alpha
};

/** A pass of a picture: its first column and row, and the steps of both. */
type Pass = readonly [left: number, top: number, dx: number, dy: number];

const WHOLE: readonly Pass[] = [[0, 0, 1, 1]];
const ADAM7: readonly Pass[] = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];

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

interface PngFile {
  readonly width: number;
  readonly height: number;
  readonly bits: number;
  readonly type: number;
  readonly isInterlaced: boolean;
  /** Red, green, blue of each place. */
  readonly palette: Uint8Array;
  /** What is there of the compressed rows. */
  readonly packed: Uint8Array;
}

/**
 * Reads chunks up to the last one of rows. As Pillow does, checksums are
 * compared up to the first one, and what follows the last is not read.
 */
function chunksOf(bytes: Uint8Array, fail: (reason: string) => never): PngFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [];
  let header: DataView | undefined;
  // Places that the file leaves out are grey.
  const palette = Uint8Array.from({ length: 768 }, (_, i) => i / 3);
  for (let at = SIGNATURE.length; at + 8 <= bytes.length;) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (type === "IDAT") parts.push(data);
    else if (parts.length > 0) break;
    else {
      if (at + 12 + length > bytes.length) fail("it is cut off");
      const body = bytes.subarray(at + 4, at + 8 + length);
      if (crc32(body) !== view.getUint32(at + 8 + length)) {
        fail(`the checksum at byte ${at} is wrong`);
      }
      if (type === "IEND") break;
      if (type === "IHDR" && length >= 13) {
        header = new DataView(data.buffer, data.byteOffset, length);
      } else if (type === "PLTE") palette.set(data.subarray(0, 768));
    }
    at += 12 + length;
  }
  if (header === undefined) return fail("it has no header");
  if (parts.length === 0) fail("it has no pixels, or is cut off before them");
  return {
    width: header.getUint32(0),
    height: header.getUint32(4),
    bits: header.getUint8(8),
    type: header.getUint8(9),
    isInterlaced: header.getUint8(12) !== 0,
    palette,
    packed: join(parts),
  };
}

/** Inflates at most `size` bytes; surplus behind them is not looked at. */
function inflated(packed: Uint8Array, size: number): Uint8Array {
  try {
    return inflateSync(packed, {
      maxOutputLength: size,
      finishFlush: constants.Z_SYNC_FLUSH, // gives what there is of a cut stream
    });
  } catch (error) {
    if ((error as { code?: string }).code !== "ERR_BUFFER_TOO_LARGE") {
      throw error;
    }
  }
  const rows = new Uint8Array(size);
  let done = 0;
  const stream = new Unzlib((part) => {
    rows.set(part.subarray(0, size - done), done);
    done = Math.min(size, done + part.length);
  });
  for (let at = 0; done < size && at < packed.length; at += INFLATED_AT_ONCE) {
    stream.push(packed.subarray(at, at + INFLATED_AT_ONCE));
  }
  return rows.subarray(0, done);
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

/** Red, green, blue of each value a pixel of at most 8 bits can have. */
function coloursOf({ type, bits, palette }: PngFile): Uint8Array {
  if (type === 3) return palette;
  const top = (1 << bits) - 1;
  return palette.map((_, i) => Math.floor(i / 3) * 255 / top);
}

/** Writes a row of pixels of at most 8 bits, `apart` bytes from each other. */
function placeColours(
  row: Uint8Array,
  bits: number,
  colours: Uint8Array,
  data: Uint8Array,
  to: number,
  apart: number,
  columns: number,
): void {
  for (let x = 0; x < columns; x++, to += apart) {
    const bit = x * bits;
    const byte = row[bit >> 3]! >> (8 - bits - (bit & 7));
    const from = 3 * (byte & ((1 << bits) - 1));
    for (let c = 0; c < 3; c++) data[to + c] = colours[from + c]!;
  }
}

/** Writes a row of pixels of whole bytes, `apart` bytes from each other. */
function placeLevels(
  row: Uint8Array,
  samples: number,
  bits: number,
  data: Uint8Array,
  to: number,
  apart: number,
  columns: number,
): void {
  const bytes = bits / 8;
  const next = samples >= 3 ? bytes : 0;
  for (let x = 0; x < columns; x++, to += apart) {
    const from = x * samples * bytes;
    if (samples === 1) {
      data.fill(row[from] === 0 ? row[from + 1]! : 255, to, to + 3);
    } else for (let c = 0; c < 3; c++) data[to + c] = row[from + c * next]!;
  }
}

/**
 * Decodes a PNG of any kind to the same bytes as Pillow's `convert("RGB")`:
 * alpha and transparent colours are dropped, of 16 bits the high byte is kept,
 * except that grey of 16 bits without alpha is clipped to 255, as Pillow's is.
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
  const file = chunksOf(bytes, fail);
  const { width, height, bits, type, isInterlaced } = file;
  const [samples = 0, allowed = []] = KINDS[type] ?? [];
  if (!allowed.includes(bits)) {
    fail(`it has colour type ${type} with ${bits} bits, which PNG has not`);
  }
  if (width * height > MOST_PIXELS || width * height === 0) {
    fail(`it is ${width}x${height}; at most ${MOST_PIXELS} pixels are read`);
  }
  const passes = (isInterlaced ? ADAM7 : WHOLE).map((pass) => {
    const [left, top, dx, dy] = pass;
    const columns = Math.ceil((width - left) / dx);
    const stride = Math.ceil(columns * samples * bits / 8);
    return { pass, columns, stride, rows: Math.ceil((height - top) / dy) };
  }).filter(({ columns, rows }) => columns > 0 && rows > 0);
  const size = passes.reduce(
    (n, { rows, stride }) => n + rows * (stride + 1),
    0,
  );
  let all: Uint8Array = new Uint8Array();
  try {
    all = inflated(file.packed, size);
  } catch (error) {
    fail(`its data are damaged (${(error as Error).message})`);
  }
  if (all.length !== size) {
    fail(`it is cut off: it holds ${all.length} bytes, needed ${size}`);
  }
  const colours = coloursOf(file);
  const data = new Uint8Array(width * height * 3);
  const step = Math.ceil(samples * bits / 8);
  let start = 0;
  for (const { pass: [left, top, dx, dy], columns, stride, rows } of passes) {
    const part = all.subarray(start, start += rows * (stride + 1));
    unfilter(part, rows, stride, step, fail);
    for (let y = 0; y < rows; y++) {
      const row = part.subarray(y * (stride + 1) + 1, (y + 1) * (stride + 1));
      const to = 3 * ((top + y * dy) * width + left);
      if (samples === 1 && bits <= 8) {
        placeColours(row, bits, colours, data, to, 3 * dx, columns);
      } else placeLevels(row, samples, bits, data, to, 3 * dx, columns);
    }
  }
  return { width, height, data };
}
