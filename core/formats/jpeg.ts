import code from "@cwasm/jpeg-turbo/jpeg-turbo.wasm" with { type: "bytes" };
import { type Image, MOST_PIXELS } from "./image.ts";

/** What is used of libjpeg-turbo's TurboJPEG interface; addresses are bytes. */
interface Turbo {
  readonly memory: WebAssembly.Memory;
  malloc(size: number): number;
  free(address: number): void;
  tjInitDecompress(): number;
  tjDestroy(decoder: number): number;
  tjDecompress2(
    decoder: number,
    bytes: number,
    length: number,
    pixels: number,
    width: number,
    pitch: number,
    height: number,
    format: number,
    flags: number,
  ): number;
}

/** TurboJPEG's numbers of pixel formats. */
const FORMATS = { rgb: 0, cmyk: 11 } as const;

const [START, END, SCAN] = [0xd8, 0xd9, 0xda];

let turbo: Turbo | undefined;

/** The library reports an error by a jump, which leaves its memory as it was. */
function load(): Turbo {
  const stop = (what: string) => (): never => {
    throw new Error(what);
  };
  const module = new WebAssembly.Module(code as Uint8Array<ArrayBuffer>);
  const instance = new WebAssembly.Instance(module, {
    env: { setjmp: () => 0, longjmp: stop("it is damaged") },
    wasi_snapshot_preview1: {
      environ_sizes_get: () => 0,
      environ_get: stop("it asked for the environment"),
      proc_exit: stop("it ended"),
      fd_close: stop("it closed a file"),
      fd_seek: stop("it sought in a file"),
      fd_write: stop("it wrote to a file"),
    },
  });
  return instance.exports as unknown as Turbo;
}

/**
 * Finds the markers of a JPEG up to its end marker. Thumbnails inside of
 * segments are skipped, as are stray bytes between segments; a second picture
 * behind the first is not reached.
 *
 * @param bytes the file
 * @returns each marker's second byte, and where its segment begins
 */
export function* jpegMarkers(
  bytes: Uint8Array,
): Generator<{ readonly marker: number; readonly at: number }> {
  for (let at = 2; (at = bytes.indexOf(0xff, at)) >= 0;) {
    const marker = bytes[++at] ?? 0;
    if (marker === 0xff) continue; // fill
    at++;
    // A stuffed byte, or a marker without a segment: TEM and the restarts.
    if (marker <= 1 || (marker >= 0xd0 && marker <= 0xd7)) continue;
    yield { marker, at };
    if (marker === END) return;
    at += ((bytes[at] ?? 0) << 8) + (bytes[at + 1] ?? 0);
  }
}

/** Whether a JPEG has a scan and its end marker, whatever follows it. */
export function isWholeJpeg(bytes: Uint8Array): boolean {
  let hasScan = false;
  for (const { marker } of jpegMarkers(bytes)) {
    // Another picture begins before this one ended.
    if (marker === START) return false;
    if (marker === SCAN) hasScan = true;
    if (marker === END) return hasScan;
  }
  return false;
}

/** The frame header; its fields are 0 where there is none. */
function frameOf(bytes: Uint8Array) {
  for (const { marker, at } of jpegMarkers(bytes)) {
    if (marker === START || marker === SCAN) break;
    if (marker < 0xc0 || marker > 0xcf) continue;
    if ([0xc4, 0xc8, 0xcc].includes(marker)) continue;
    const [bits = 0, h1 = 0, h0 = 0, w1 = 0, w0 = 0, components = 0] = bytes
      .subarray(at + 2, at + 8);
    const [height, width] = [h1 << 8 | h0, w1 << 8 | w0];
    return { marker, bits, width, height, components };
  }
  return { marker: 0, bits: 0, width: 0, height: 0, components: 0 };
}

/**
 * Decodes a JPEG to the same bytes as Pillow's `convert("RGB")`, by
 * libjpeg-turbo with the accurate integer transform and smooth chroma. Bytes
 * behind the end marker are ignored. CMYK is taken as Adobe's, inverted.
 *
 * @param bytes the file
 * @param name for messages
 * @throws {SyntaxError} naming the file: cut off, damaged, not Huffman-coded,
 *   not of 8 bits, or no JPEG
 */
export function decodeJpeg(bytes: Uint8Array, name = "the picture"): Image {
  const fail = (reason: string): never => {
    throw new SyntaxError(`Cannot read ${name} as JPEG: ${reason}`);
  };
  if (bytes[0] !== 0xff || bytes[1] !== START) fail("it is no JPEG");
  const { marker, bits, width, height, components } = frameOf(bytes);
  if (components === 0) fail("it has no frame header, or is cut off before it");
  if (!isWholeJpeg(bytes)) fail("it is cut off: the end marker is missing");
  if (marker > 0xc2 || bits !== 8 || ![1, 3, 4].includes(components)) {
    fail(
      `it has ${components} components of ${bits} bits, frame type ${
        marker - 0xc0
      }; needed 1, 3 or 4 of 8 bits, baseline or progressive with Huffman codes (types 0 to 2)`,
    );
  }
  if (width * height === 0 || width * height > MOST_PIXELS) {
    fail(`it is ${width}x${height}; at most ${MOST_PIXELS} pixels are read`);
  }
  try {
    const samples = components === 4 ? 4 : 3;
    const data = decode(bytes, width, height, samples);
    return { width, height, data: samples === 4 ? fromCmyk(data) : data };
  } catch (error) {
    // After a jump the library's memory is in no defined state.
    turbo = undefined;
    return fail(`the decoder stopped (${(error as Error).message})`);
  }
}

/** (height, width, samples). Damage that leaves a picture is no error. */
function decode(
  bytes: Uint8Array,
  width: number,
  height: number,
  samples: 3 | 4,
): Uint8Array {
  turbo ??= load();
  const { memory, malloc, free, tjInitDecompress, tjDecompress2, tjDestroy } =
    turbo;
  const size = width * height * samples;
  const from = malloc(bytes.length);
  const to = malloc(size);
  const decoder = tjInitDecompress();
  if (from === 0 || to === 0 || decoder === 0) throw new Error("out of memory");
  new Uint8Array(memory.buffer, from, bytes.length).set(bytes);
  tjDecompress2(
    decoder,
    from,
    bytes.length,
    to,
    width,
    width * samples,
    height,
    samples === 4 ? FORMATS.cmyk : FORMATS.rgb,
    0,
  );
  const data = new Uint8Array(memory.buffer, to, size).slice();
  tjDestroy(decoder);
  free(to);
  free(from);
  return data;
}

/** Inverted CMYK to RGB, as Pillow rounds. */
function fromCmyk(data: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(data.length / 4 * 3);
  for (let i = 0, k = 0; k < rgb.length; i += 4, k += 3) {
    const white = data[i + 3]! / 255;
    for (let c = 0; c < 3; c++) rgb[k + c] = Math.round(data[i + c]! * white);
  }
  return rgb;
}
