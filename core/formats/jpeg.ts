import createDecoder from "@jsquash/jpeg/codec/dec/mozjpeg_dec.js";
import wasm from "@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm" with {
  type: "bytes",
};
import type { Image } from "./image.ts";

/** What is used of the decoder's module. */
interface Decoder {
  decode(
    bytes: Uint8Array,
    preserveOrientation: boolean,
  ): { width: number; height: number; data: Uint8Array | Uint8ClampedArray };
}

let decoder: Promise<Decoder> | undefined;

function load(): Promise<Decoder> {
  return (createDecoder as unknown as (
    options: Record<string, unknown>,
  ) => Promise<Decoder>)({
    noInitialRun: true,
    instantiateWasm: (
      imports: WebAssembly.Imports,
      done: (instance: WebAssembly.Instance) => void,
    ) => {
      const module = new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>);
      const instance = new WebAssembly.Instance(module, imports);
      done(instance);
      return instance.exports;
    },
  });
}

/** Number of colour components, from the frame header; 0 if there is none. */
function componentsOf(bytes: Uint8Array): number {
  for (let at = 2; at + 9 < bytes.length;) {
    if (bytes[at] !== 0xff) return 0;
    const marker = bytes[at + 1] ?? 0;
    const isFrame = marker >= 0xc0 && marker <= 0xcf &&
      ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return bytes[at + 9] ?? 0;
    if (marker === 0xff) at += 1;
    else at += 2 + ((bytes[at + 2] ?? 0) << 8) + (bytes[at + 3] ?? 0);
  }
  return 0;
}

/**
 * Decodes a JPEG to the same bytes as Pillow: mozjpeg with the accurate
 * integer transform and smooth chroma.
 *
 * @param bytes the file
 * @param name for messages
 * @throws {SyntaxError} naming the file: cut off, CMYK, or no JPEG
 */
export async function decodeJpeg(
  bytes: Uint8Array,
  name = "the picture",
): Promise<Image> {
  const fail = (reason: string): never => {
    throw new SyntaxError(`Cannot read ${name} as JPEG: ${reason}`);
  };
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) fail("it is no JPEG");
  const components = componentsOf(bytes);
  if (components === 0) fail("it has no frame header, or is cut off before it");
  if (components === 4) {
    fail("it has four colour components (CMYK); convert it to RGB");
  }
  let end = bytes.length;
  while (end > 2 && bytes[end - 1] === 0) end--;
  if (bytes[end - 2] !== 0xff || bytes[end - 1] !== 0xd9) {
    fail("it is cut off: the end marker is missing");
  }
  decoder ??= load();
  const { decode } = await decoder;
  let image: ReturnType<Decoder["decode"]> | undefined;
  try {
    image = decode(bytes, false);
  } catch (error) {
    fail(`the decoder stopped (${String(error)})`);
  }
  if (!image?.data) return fail("the decoder gave nothing");
  const { width, height, data } = image;
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0, k = 0; k < rgb.length; i += 4, k += 3) {
    rgb[k] = data[i] ?? 0;
    rgb[k + 1] = data[i + 1] ?? 0;
    rgb[k + 2] = data[i + 2] ?? 0;
  }
  return { width, height, data: rgb };
}
