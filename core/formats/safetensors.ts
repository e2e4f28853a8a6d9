import {
  type Fail,
  failWith,
  type FileSource,
  openBytes,
} from "./byte_source.ts";

/** Element types of the format. */
export type SafetensorsType =
  | "F64"
  | "F32"
  | "F16"
  | "BF16"
  | "I64"
  | "I32"
  | "I16"
  | "I8"
  | "U8"
  | "U16"
  | "U32"
  | "U64"
  | "BOOL";

const BYTES: Readonly<Record<SafetensorsType, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  U16: 2,
  U32: 4,
  U64: 8,
  BOOL: 1,
};

/**
 * Gives the size of an element.
 *
 * @param dtype element type
 * @returns bytes
 */
export function bytesOf(dtype: SafetensorsType): number {
  return BYTES[dtype];
}

/**
 * Whether elements of a type are read. Files may hold others, such as floats of
 * 8 bits, which are listed and refused when they are asked for.
 *
 * @param dtype element type as a file names it
 */
export function isReadable(dtype: string): dtype is SafetensorsType {
  return Object.hasOwn(BYTES, dtype);
}

/** A tensor of a file: its bytes, little-endian and row-major. */
export interface HostTensor {
  /** Element type. */
  readonly dtype: SafetensorsType;
  /** Axis lengths. */
  readonly shape: readonly number[];
  /** Elements as bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What a tensor to be written may be. */
export interface HostArray {
  /** Axis lengths. */
  readonly shape: readonly number[];
  /** Elements in row-major order. */
  readonly data:
    | Float64Array<ArrayBuffer>
    | Float32Array<ArrayBuffer>
    | Float16Array<ArrayBuffer>
    | Int8Array<ArrayBuffer>
    | Int16Array<ArrayBuffer>
    | Int32Array<ArrayBuffer>
    | Uint8Array<ArrayBuffer>
    | Uint16Array<ArrayBuffer>
    | Uint32Array<ArrayBuffer>
    | BigInt64Array<ArrayBuffer>
    | BigUint64Array<ArrayBuffer>;
}

/** A file of named tensors, of any format; tensors are read on demand. */
export interface TensorFile {
  /** Path or address, or what else names the bytes, for messages. */
  readonly file: string;
  /** Names of the tensors, in the order of their bytes. */
  readonly names: readonly string[];
  /** Free text and numbers of the file, by name. */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * Type and shape of a tensor, or `undefined` if there is none. The type may
   * be one that is not read.
   */
  info(name: string): { dtype: string; shape: readonly number[] } | undefined;
  /**
   * Reads one tensor.
   *
   * @throws {TypeError} if the file has no tensor of that name
   * @throws {SyntaxError} naming the tensor if it is damaged or of a type that
   *   is not read
   */
  read(name: string): Promise<HostTensor>;
  /** Closes the file. */
  [Symbol.dispose](): void;
}

/**
 * Ends the reading of a tensor that a file does not have.
 *
 * @param name the tensor asked for
 * @param file the file
 * @param names tensors of the file
 * @throws {TypeError} always
 */
export function missingTensor(
  name: string,
  file: string,
  names: Iterable<string>,
): never {
  const all = [...names];
  const more = all.length > 8 ? ", ..." : "";
  throw new TypeError(
    `Cannot read tensor "${name}" of "${file}": it has ${
      all.slice(0, 8).join(", ")
    }${more}`,
  );
}

/** Largest header that is accepted, in bytes: the format's own bound. */
const MAX_HEADER = 100_000_000;

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
}

/**
 * Opens a safetensors file. Only the header is read; a file of gigabytes costs
 * what is taken from it.
 *
 * Source: the format of the safetensors project, version 0.4.
 *
 * @param source path, file URL, or the file's bytes
 * @returns names, shapes and a reader
 * @throws {SyntaxError} naming the file and the reason if it is damaged:
 *   truncated, header too large or no JSON in UTF-8, sizes that do not fit,
 *   ranges that overlap, leave holes or pass the end
 */
export async function readSafetensors(
  source: FileSource,
): Promise<TensorFile> {
  const bytes = await openBytes(source);
  const { name, size } = bytes;
  const fail = failWith("safetensors", name);
  try {
    if (size < 8) return fail(`it has ${size} bytes, a header needs 8`);
    const prefix = await bytes.read(0, 8);
    const length = new DataView(prefix.buffer).getBigUint64(0, true);
    if (length > BigInt(Math.min(MAX_HEADER, size - 8))) {
      fail(`its header claims ${length} bytes, the file has ${size - 8} left`);
    }
    const header = Number(length);
    const text = decodeHeader(await bytes.read(8, header), fail);
    const { entries, metadata } = parseHeader(text, size - 8 - header, fail);
    const data = 8 + header;
    return {
      file: name,
      names: [...entries.keys()],
      metadata,
      info: (name) => entries.get(name),
      async read(tensor) {
        const entry = entries.get(tensor) ??
          missingTensor(tensor, name, entries.keys());
        const { dtype, shape, start, end } = entry;
        if (!isReadable(dtype)) return refuseTensor(tensor, dtype, fail);
        const part = await bytes.read(data + start, end - start);
        return { dtype, shape, bytes: part };
      },
      [Symbol.dispose]: () => bytes[Symbol.dispose](),
    };
  } catch (error) {
    bytes[Symbol.dispose]();
    throw error;
  }
}

/**
 * Ends the reading of a tensor whose elements are of no type that is read.
 *
 * @param name the tensor asked for
 * @param what its type, or what it is
 * @param fail throws the caller's error
 */
export function refuseTensor(name: string, what: string, fail: Fail): never {
  return fail(
    `tensor ${
      JSON.stringify(name.slice(0, 100))
    } is ${what}, which is not read; save it as float32`,
  );
}

function decodeHeader(bytes: Uint8Array, fail: Fail): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(bytes);
  } catch {
    return fail("its header is no UTF-8");
  }
}

function parseHeader(
  text: string,
  dataBytes: number,
  fail: Fail,
): { entries: Map<string, Entry>; metadata: Record<string, string> } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    fail("its header is no JSON");
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return fail("its header is no JSON object");
  }
  const metadata: Record<string, string> = {};
  const list: [string, Entry][] = [];
  for (const [name, value] of Object.entries(json)) {
    if (name === "__metadata__") {
      for (const [key, text] of Object.entries(value ?? {})) {
        if (typeof text !== "string") fail(`metadata "${key}" is no text`);
        metadata[key] = String(text);
      }
      continue;
    }
    list.push([name, parseEntry(name, value, fail)]);
  }
  list.sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  let expected = 0;
  for (const [name, { start, end }] of list) {
    if (start !== expected) {
      fail(`tensor "${name}" starts at ${start}, expected ${expected}`);
    }
    expected = end;
  }
  if (expected !== dataBytes) {
    fail(`its tensors take ${expected} bytes, the file holds ${dataBytes}`);
  }
  return { entries: new Map(list), metadata };
}

function parseEntry(
  name: string,
  value: unknown,
  fail: Fail,
): Entry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as {
    dtype?: unknown;
    shape?: unknown;
    data_offsets?: unknown;
  };
  const isCount = (n: unknown): n is number =>
    typeof n === "number" && Number.isSafeInteger(n) && n >= 0;
  // Later versions of the format add types; names are in capitals.
  if (typeof dtype !== "string" || !/^[A-Z][A-Z0-9_]{0,31}$/.test(dtype)) {
    return fail(`tensor "${name}" has unknown type ${JSON.stringify(dtype)}`);
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    return fail(`tensor "${name}" has shape ${JSON.stringify(shape)}`);
  }
  if (
    !Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)
  ) {
    return fail(`tensor "${name}" has offsets ${JSON.stringify(offsets)}`);
  }
  const [start = 0, end = 0] = offsets as number[];
  if (end < start) {
    return fail(`tensor "${name}" ends at ${end}, before its start ${start}`);
  }
  const wanted = isReadable(dtype)
    ? (shape as number[]).reduce((n, m) => n * m, BYTES[dtype])
    : end - start;
  if (end - start !== wanted) {
    return fail(
      `tensor "${name}" has ${end - start} bytes, its shape needs ${wanted}`,
    );
  }
  return { dtype, shape: shape as number[], start, end };
}

/**
 * Finds the first value that is not finite: by the exponent, since a loop over
 * words is several times faster than one over numbers.
 *
 * @param values any number
 * @returns its index, or -1
 */
export function findNotFinite(
  values: Float32Array<ArrayBuffer> | Float16Array<ArrayBuffer>,
): number {
  const { buffer, byteOffset, length } = values;
  const [words, exponent] = values instanceof Float32Array
    ? [new Uint32Array(buffer, byteOffset, length), 0x7f80_0000]
    : [new Uint16Array(buffer, byteOffset, length), 0x7c00];
  for (let i = 0; i < length; i++) {
    if ((words[i]! & exponent) === exponent) return i;
  }
  return -1;
}

/**
 * Converts a tensor of a file to float32. Exact but for f64 and large
 * integers, which are rounded.
 *
 * @param tensor any element type
 */
export function toFloat32(tensor: HostTensor): Float32Array<ArrayBuffer> {
  const { dtype, bytes } = tensor;
  const buffer = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  const { buffer: memory, byteOffset, byteLength } = buffer;
  const length = byteLength / BYTES[dtype];
  switch (dtype) {
    case "F32":
      return new Float32Array(memory, byteOffset, length);
    case "F64":
      return Float32Array.from(new Float64Array(memory, byteOffset, length));
    case "F16":
      return Float32Array.from(new Float16Array(memory, byteOffset, length));
    case "BF16": {
      const halves = new Uint16Array(memory, byteOffset, length);
      const words = Uint32Array.from(halves, (half) => half << 16);
      return new Float32Array(words.buffer);
    }
    case "I64":
      return Float32Array.from(
        new BigInt64Array(memory, byteOffset, length),
        Number,
      );
    case "U64":
      return Float32Array.from(
        new BigUint64Array(memory, byteOffset, length),
        Number,
      );
    case "U16":
      return Float32Array.from(new Uint16Array(memory, byteOffset, length));
    case "I32":
      return Float32Array.from(new Int32Array(memory, byteOffset, length));
    case "U32":
      return Float32Array.from(new Uint32Array(memory, byteOffset, length));
    case "I16":
      return Float32Array.from(new Int16Array(memory, byteOffset, length));
    case "I8":
      return Float32Array.from(new Int8Array(memory, byteOffset, length));
    case "U8":
    case "BOOL":
      return Float32Array.from(buffer);
  }
}

function typeOf(data: HostArray["data"]): SafetensorsType {
  if (data instanceof Float64Array) return "F64";
  if (data instanceof Float32Array) return "F32";
  if (data instanceof Float16Array) return "F16";
  if (data instanceof Int32Array) return "I32";
  if (data instanceof Uint32Array) return "U32";
  if (data instanceof BigInt64Array) return "I64";
  if (data instanceof BigUint64Array) return "U64";
  if (data instanceof Int16Array) return "I16";
  if (data instanceof Uint16Array) return "U16";
  if (data instanceof Int8Array) return "I8";
  return "U8";
}

/** The format's header: length, JSON, and spaces up to a multiple of 8. */
function encodeHeader(
  tensors: readonly (readonly [string, HostArray])[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) header["__metadata__"] = metadata;
  let start = 0;
  for (const [name, { shape, data }] of tensors) {
    const size = shape.reduce((n, m) => n * m, 1);
    if (size !== data.length) {
      throw new RangeError(
        `Cannot write tensor "${name}": shape (${
          shape.join(", ")
        }) needs ${size} elements, got ${data.length}`,
      );
    }
    const end = start + data.byteLength;
    header[name] = { dtype: typeOf(data), shape, data_offsets: [start, end] };
    start = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const length = 8 * Math.ceil(json.length / 8);
  const bytes = new Uint8Array(8 + length).fill(0x20, 8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, 8);
  return bytes;
}

/**
 * Lays out a safetensors file in memory.
 *
 * @param tensors by name; equal content gives equal bytes
 * @param metadata free text for the header
 * @throws {RangeError} if a shape does not fit its elements
 */
export function encodeSafetensors(
  tensors: Readonly<Record<string, HostArray>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const list = Object.entries(tensors);
  const parts = [
    encodeHeader(list, metadata),
    ...list.map(([, { data }]) =>
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    ),
  ];
  const bytes = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * Writes a safetensors file under a temporary name, flushes it to disk and
 * renames it: a kill at any moment leaves the old file or the new one.
 *
 * @param path where to
 * @param tensors by name; equal content gives equal bytes
 * @param metadata free text for the header
 * @throws {RangeError} if a shape does not fit its elements
 */
export async function writeSafetensors(
  path: string | URL,
  tensors: Readonly<Record<string, HostArray>>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const list = Object.entries(tensors);
  const header = encodeHeader(list, metadata);
  const target = path instanceof URL ? path.href : path;
  const temporary = path instanceof URL
    ? new URL(`${target}.partial`)
    : `${target}.partial`;
  {
    using file = await Deno.open(temporary, {
      write: true,
      create: true,
      truncate: true,
    });
    await writeAll(file, header);
    for (const [, { data }] of list) {
      await writeAll(
        file,
        new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      );
    }
    await file.syncData();
  }
  await Deno.rename(temporary, path);
}

async function writeAll(
  file: Deno.FsFile,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  let done = 0;
  while (done < bytes.length) done += await file.write(bytes.subarray(done));
}
