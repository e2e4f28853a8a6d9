import {
  type ByteSource,
  type Fail,
  failWith,
  type FileSource,
  openBytes,
} from "./byte_source.ts";
import { missingTensor } from "./safetensors.ts";
import { swapBytes, toRowMajor } from "./strided.ts";
import {
  isPlainPath,
  readZipDirectory,
  readZipEntry,
  readZipHead,
  type ZipEntry,
} from "./zip.ts";
import { writeZip, type ZipInput } from "./zip_writer.ts";

/** Element types: numpy's letter and bytes; `b1` is bool, `U` is text. */
export type NpyType =
  | "f2"
  | "f4"
  | "f8"
  | "i1"
  | "i2"
  | "i4"
  | "i8"
  | "u1"
  | "u2"
  | "u4"
  | "u8"
  | "b1"
  | "U";

/** Numbers of an array; bool is 0 and 1 in bytes. */
export type NpyNumbers =
  | Float16Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>;

/** An array of an npy or npz file, in row-major order. */
export interface NpyArray {
  /** Element type. */
  readonly dtype: NpyType;
  /** Axis lengths, none for a scalar. */
  readonly shape: readonly number[];
  /** Elements in row-major order; texts if `dtype` is `U`. */
  readonly data: NpyNumbers | readonly string[];
}

/** What {@linkcode writeNpz} writes: an array in memory. */
export interface NpyInput {
  /** Axis lengths. */
  readonly shape: readonly number[];
  /** Elements in row-major order. */
  readonly data: NpyNumbers | readonly string[];
  /** Only to tell bool from bytes; otherwise that of `data`. */
  readonly dtype?: NpyType;
}

/** What {@linkcode writeNpz} writes: an array that comes in parts. */
export interface NpyStream {
  /** Axis lengths of the whole. */
  readonly shape: readonly number[];
  /** Element type, not text. */
  readonly dtype: Exclude<NpyType, "U">;
  /** Elements in row-major order, cut anywhere. */
  readonly chunks: Iterable<NpyNumbers> | AsyncIterable<NpyNumbers>;
}

/** An npz file whose headers were read; arrays are read on demand. */
export interface NpzFile {
  /**
   * Names of the arrays, in the order of the archive, those that cannot be
   * read included.
   */
  readonly names: readonly string[];
  /**
   * Type and shape of an array, or `undefined` if there is none or it cannot be
   * read, as one of objects.
   */
  info(
    name: string,
  ): { dtype: NpyType; shape: readonly number[] } | undefined;
  /**
   * Reads one array.
   *
   * @throws {TypeError} if the file has no array of that name
   * @throws {SyntaxError} naming the array if it is damaged or holds objects,
   *   records or another type
   */
  read(name: string): Promise<NpyArray>;
  /**
   * Reads rows `start` to `start + count` of the first axis. Of an array that
   * is stored unpacked and in row-major order nothing else is read; any other
   * is unpacked once and kept until another one is asked for.
   *
   * @throws {TypeError} if the file has no array of that name
   * @throws {RangeError} if it has no such rows
   */
  readRows(name: string, start: number, count: number): Promise<NpyArray>;
  /** Closes the file. */
  [Symbol.dispose](): void;
}

const ARRAYS = {
  f2: Float16Array,
  f4: Float32Array,
  f8: Float64Array,
  i1: Int8Array,
  i2: Int16Array,
  i4: Int32Array,
  i8: BigInt64Array,
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  u8: BigUint64Array,
  b1: Uint8Array,
} as const;

/** Largest header that is accepted, in bytes; numpy itself stops at 10,000. */
const MAX_HEADER = 2 ** 16;

/** Magic, version and the longest length field. */
const PREFIX = 12;

interface Header {
  readonly dtype: NpyType;
  /** Bytes of an element. */
  readonly width: number;
  readonly isBig: boolean;
  readonly isFortran: boolean;
  readonly shape: readonly number[];
  /** Elements. */
  readonly size: number;
  /** Where the elements begin. */
  readonly start: number;
}

/**
 * Parses the header of an npy file.
 *
 * Source: numpy/lib/format.py, versions 1.0, 2.0 and 3.0.
 */
function parseHeader(
  head: Uint8Array<ArrayBuffer>,
  total: number,
  fail: Fail,
): Header {
  const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
  if (head.length < 10 || magic.some((byte, i) => head[i] !== byte)) {
    return fail("it does not begin as an npy file");
  }
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const version = view.getUint8(6);
  if (version < 1 || version > 3 || view.getUint8(7) !== 0) {
    fail(`its version is ${version}.${view.getUint8(7)}, needed 1.0 to 3.0`);
  }
  const from = version === 1 ? 10 : 12;
  if (head.length < from) return fail("it is cut off in its header");
  const length = version === 1
    ? view.getUint16(8, true)
    : view.getUint32(8, true);
  if (length > MAX_HEADER) {
    fail(`its header claims ${length} bytes, at most ${MAX_HEADER} are read`);
  }
  if (from + length > head.length) fail("it is cut off in its header");
  const text = headerText(head.subarray(from, from + length), version, fail);
  const { dtype, width, isBig, isFortran, shape } = parseDict(text, fail);
  // Axes of length 0 aside, so that an overflow cannot hide behind them.
  const bound = shape.reduce((n, m) => n * Math.max(m, 1), width);
  const size = shape.includes(0) ? 0 : shape.reduce((n, m) => n * m, 1);
  const shown = `(${shape.slice(0, 8).join(", ")})`;
  if (!Number.isSafeInteger(bound)) fail(`its shape ${shown} is too large`);
  const start = from + length;
  if (start + size * width !== total) {
    fail(
      `its shape ${shown} needs ${size * width} bytes, it has ${total - start}`,
    );
  }
  return { dtype, width, isBig, isFortran, shape, size, start };
}

/** Headers are in Latin-1, since version 3.0 in UTF-8. */
function headerText(bytes: Uint8Array, version: number, fail: Fail): string {
  if (version < 3) {
    // The label "latin1" would mean another encoding in the web platform.
    return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(bytes);
  } catch {
    return fail("its header is no UTF-8");
  }
}

/** The dict literal of a header; nothing but three known keys is accepted. */
function parseDict(
  text: string,
  fail: Fail,
): Pick<Header, "dtype" | "width" | "isBig" | "isFortran" | "shape"> {
  let rest = text.trim();
  const values = new Map<string, string>();
  if (!rest.startsWith("{")) fail("its header is no dict");
  rest = rest.slice(1).trimStart();
  while (!rest.startsWith("}")) {
    const match =
      /^['"](\w{1,20})['"]\s*:\s*('[^']*'|"[^"]*"|True|False|\([\dL,\s]*\)|\[)/
        .exec(rest);
    if (match === null) return fail("its header cannot be parsed");
    const [all, key = "", value = ""] = match;
    if (value === "[") fail("its elements are records, which are not read");
    if (values.has(key)) fail(`its header has "${key}" twice`);
    values.set(key, value);
    rest = rest.slice(all.length).trimStart();
    if (rest.startsWith(",")) rest = rest.slice(1).trimStart();
    else if (!rest.startsWith("}")) fail("its header cannot be parsed");
  }
  if (rest !== "}") fail("its header has more than a dict");
  const descr = values.get("descr")?.slice(1, -1);
  const order = values.get("fortran_order");
  const tuple = values.get("shape");
  if (
    values.size !== 3 || descr === undefined || !tuple?.startsWith("(") ||
    order !== "True" && order !== "False"
  ) return fail("its header needs descr, fortran_order and shape");
  const items = tuple.slice(1, -1).split(",").map((item) => item.trim());
  if (items.at(-1) === "") items.pop();
  if (items.length > 64 || !items.every((item) => /^\d{1,16}L?$/.test(item))) {
    return fail(`its shape is ${tuple.slice(0, 80)}`);
  }
  const shape = items.map((item) => parseInt(item, 10));
  const isFortran = order === "True";
  if (/^[<>|=]?O/.test(descr)) {
    fail("its elements are Python objects, which are never read");
  }
  const [, endian = "", kind = "", digits = ""] =
    /^([<>|=]?)([A-Za-z?])(\d{0,9})$/.exec(descr) ?? [];
  const isBig = endian === ">";
  const bytes = Number(digits);
  if (kind === "U") {
    return { dtype: "U", width: 4 * bytes, isBig, isFortran, shape };
  }
  const dtype = kind === "?" && digits === "" ? "b1" : `${kind}${digits}`;
  if (!Object.hasOwn(ARRAYS, dtype)) {
    fail(`its elements are "${descr.slice(0, 40)}", which is not read`);
  }
  const type = dtype as keyof typeof ARRAYS;
  const width = ARRAYS[type].BYTES_PER_ELEMENT;
  return { dtype: type, width, isBig, isFortran, shape };
}

/** Elements of one array from their bytes, which may be changed. */
function decode(
  { dtype, width, isBig, isFortran }: Header,
  shape: readonly number[],
  bytes: Uint8Array<ArrayBuffer>,
  fail: Fail,
): NpyArray {
  if (isBig) swapBytes(bytes, dtype === "U" ? 4 : width);
  let ordered = bytes;
  if (isFortran && width > 0) {
    let stride = 1;
    const strides = shape.map((length) => {
      const before = stride;
      stride *= length;
      return before;
    });
    ordered = toRowMajor(bytes, width, shape, strides);
  }
  if (dtype === "U") {
    const size = shape.includes(0) ? 0 : shape.reduce((n, m) => n * m, 1);
    return { dtype, shape, data: decodeText(ordered, size, width, fail) };
  }
  const whole = ordered.byteOffset % 8 === 0 ? ordered : ordered.slice();
  const { buffer, byteOffset, byteLength } = whole;
  const data = new ARRAYS[dtype](buffer, byteOffset, byteLength / width);
  return { dtype, shape, data };
}

/** Most texts of no characters: they take no bytes, so nothing else bounds. */
const MAX_EMPTY = 2 ** 20;

function decodeText(
  bytes: Uint8Array<ArrayBuffer>,
  size: number,
  width: number,
  fail: Fail,
): string[] {
  if (width === 0 && size > MAX_EMPTY) fail(`it has ${size} empty texts`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: size }, (_, i) => {
    let end = width;
    while (end > 0 && view.getUint32(i * width + end - 4, true) === 0) end -= 4;
    const parts: string[] = [];
    for (let at = 0; at < end; at += 4) {
      const point = view.getUint32(i * width + at, true);
      if (point > 0x10ffff) fail(`text ${i} holds no Unicode`);
      parts.push(String.fromCodePoint(point));
    }
    return parts.join("");
  });
}

/**
 * Reads an npy file of numpy: numbers, bool or text of either byte order,
 * row-major or Fortran order. Arrays of objects are refused.
 *
 * Source: numpy/lib/format.py, versions 1.0, 2.0 and 3.0.
 *
 * @param source path, file URL, or the file's bytes
 * @returns type, shape and elements in row-major order
 * @throws {SyntaxError} naming the file and the reason if it is damaged or
 *   holds objects, records or another type
 */
export async function readNpy(source: FileSource): Promise<NpyArray> {
  using bytes = await openBytes(source);
  const fail = failWith("npy file", bytes.name);
  const length = Math.min(bytes.size, PREFIX + MAX_HEADER);
  const header = parseHeader(await bytes.read(0, length), bytes.size, fail);
  const data = await bytes.read(header.start, header.size * header.width);
  return decode(header, header.shape, data, fail);
}

/**
 * Opens an npz file of numpy, stored or packed. Only the headers are read; an
 * array is read, or refused, when it is asked for. Files of the archive that
 * are no arrays are left out.
 *
 * Source: numpy/lib/format.py; PKWARE APPNOTE 6.3.
 *
 * @param source path, file URL, or the file's bytes
 * @returns names, shapes and readers
 * @throws {SyntaxError} naming the file and the reason if it is no archive
 */
export async function readNpz(source: FileSource): Promise<NpzFile> {
  const bytes = await openBytes(source);
  const fail = failWith("npz file", bytes.name);
  try {
    const arrays = new Map<
      string,
      { entry: ZipEntry; header: Header | Fault }
    >();
    for (const entry of (await readZipDirectory(bytes, fail)).values()) {
      const name = entry.name.replace(/\.npy$/, "");
      if (name === entry.name) continue;
      arrays.set(name, { entry, header: await openEntry(bytes, entry) });
    }
    const failIn = (name: string): Fail => (reason) =>
      fail(`array ${JSON.stringify(name.slice(0, 80))}: ${reason}`);
    let kept: { name: string; array: NpyArray } | undefined;
    const find = (name: string): { entry: ZipEntry; header: Header } => {
      const { entry, header } = arrays.get(name) ??
        missingTensor(name, bytes.name, arrays.keys());
      return header instanceof Fault
        ? failIn(name)(header.message)
        : { entry, header };
    };
    const read = async (name: string) => {
      const { entry, header } = find(name);
      const all = await readZipEntry(bytes, entry, fail);
      const data = all.slice(header.start);
      return decode(header, header.shape, data, failIn(name));
    };
    return {
      names: [...arrays.keys()],
      info(name) {
        const found = arrays.get(name)?.header;
        return found === undefined || found instanceof Fault
          ? undefined
          : { dtype: found.dtype, shape: found.shape };
      },
      read,
      async readRows(name, start, count) {
        const { entry, header } = find(name);
        const [rows, ...rest] = header.shape;
        const isCount = (n: number) => Number.isSafeInteger(n) && n >= 0;
        if (
          rows === undefined || !isCount(start) || !isCount(count) ||
          start + count > rows
        ) {
          throw new RangeError(
            `Cannot read rows ${start} to ${
              start + count
            } of "${name}" of "${bytes.name}": it has ${rows ?? "no"} rows`,
          );
        }
        const shape = [count, ...rest];
        const inner = rows === 0 ? 0 : header.size / rows;
        if (entry.isStored && !header.isFortran) {
          const width = inner * header.width;
          const from = header.start + start * width;
          const part = await readZipEntry(
            bytes,
            entry,
            fail,
            from,
            count * width,
          );
          return decode(header, shape, part, failIn(name));
        }
        if (kept?.name !== name) kept = { name, array: await read(name) };
        const { dtype, data } = kept.array;
        const part = data.slice(start * inner, (start + count) * inner);
        return { dtype, shape, data: part };
      },
      [Symbol.dispose]: () => bytes[Symbol.dispose](),
    };
  } catch (error) {
    bytes[Symbol.dispose]();
    throw error;
  }
}

/** Why an array of an archive cannot be read. */
class Fault extends Error {}

/** The header of an array, or why there is none. */
async function openEntry(
  source: ByteSource,
  entry: ZipEntry,
): Promise<Header | Fault> {
  const fail: Fail = (reason) => {
    throw new Fault(reason);
  };
  try {
    const prefix = await readZipHead(source, entry, fail, PREFIX);
    const head = await readZipHead(source, entry, fail, headerEnd(prefix));
    return parseHeader(head, entry.size, fail);
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
}

/** Bytes up to the elements, as far as a header is accepted. */
function headerEnd(prefix: Uint8Array<ArrayBuffer>): number {
  if (prefix.length < PREFIX) return PREFIX;
  const view = new DataView(prefix.buffer);
  return prefix[6] === 1
    ? 10 + view.getUint16(8, true)
    : PREFIX + Math.min(view.getUint32(8, true), MAX_HEADER);
}

function typeOf({ data, dtype }: NpyInput): NpyType {
  if (data instanceof Uint8Array) return dtype === "b1" ? "b1" : "u1";
  if (data instanceof Float16Array) return "f2";
  if (data instanceof Float32Array) return "f4";
  if (data instanceof Float64Array) return "f8";
  if (data instanceof Int8Array) return "i1";
  if (data instanceof Int16Array) return "i2";
  if (data instanceof Int32Array) return "i4";
  if (data instanceof BigInt64Array) return "i8";
  if (data instanceof Uint16Array) return "u2";
  if (data instanceof Uint32Array) return "u4";
  if (data instanceof BigUint64Array) return "u8";
  return "U";
}

function encodeHeader(descr: string, shape: readonly number[]) {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const dict = `{'descr': '${descr}', 'fortran_order': False, ` +
    `'shape': ${tuple}, }`;
  // Numbers begin at a multiple of 64, the last byte before them ends a line.
  const length = 64 * Math.ceil((dict.length + 11) / 64) - 10;
  const text = dict.padEnd(length - 1) + "\n";
  const bytes = new Uint8Array(10 + length);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  new DataView(bytes.buffer).setUint16(8, length, true);
  bytes.set(new TextEncoder().encode(text), 10);
  return bytes;
}

/** An array as bytes: the header, the length of the rest, and the rest. */
function encodeArray(name: string, array: NpyInput | NpyStream) {
  const { shape } = array;
  const isCount = (n: number) => Number.isSafeInteger(n) && n >= 0;
  const size = shape.reduce((n, m) => n * m, 1);
  if (!shape.every(isCount) || !Number.isSafeInteger(size)) {
    throw new RangeError(
      `Cannot write array "${name}": its shape is (${shape.join(", ")})`,
    );
  }
  const need = (count: number) => {
    if (count === size) return;
    throw new RangeError(
      `Cannot write array "${name}": shape (${
        shape.join(", ")
      }) needs ${size} elements, got ${count}`,
    );
  };
  if ("chunks" in array) {
    const { dtype, chunks } = array;
    const width = ARRAYS[dtype].BYTES_PER_ELEMENT;
    const parts = async function* () {
      let count = 0;
      for await (const chunk of chunks) {
        const got = typeOf({ shape, data: chunk, dtype });
        if (got !== dtype) {
          throw new TypeError(
            `Cannot write array "${name}": a part is ${got}, needed ${dtype}`,
          );
        }
        count += chunk.length;
        if (count > size) need(count);
        yield asBytes(chunk);
      }
      need(count);
    };
    const header = encodeHeader(describe(dtype), shape);
    return { header, length: size * width, parts: parts() };
  }
  need(array.data.length);
  const dtype = typeOf(array);
  const text = dtype === "U" ? encodeText(array.data as string[]) : undefined;
  const data = text?.bytes ?? asBytes(array.data as NpyNumbers);
  const descr = text === undefined ? describe(dtype) : `<U${text.longest}`;
  const header = encodeHeader(descr, shape);
  return { header, length: data.length, parts: [data] };
}

const describe = (dtype: NpyType) =>
  `${dtype.endsWith("1") ? "|" : "<"}${dtype}`;

const asBytes = (data: NpyNumbers) =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

function encodeText(texts: readonly string[]) {
  const points = texts.map((text) =>
    Array.from(text, (letter) => letter.codePointAt(0) ?? 0)
  );
  // numpy writes no type of zero characters for what it makes itself.
  const longest = points.reduce((most, all) => Math.max(most, all.length), 1);
  const words = new Uint32Array(longest * texts.length);
  points.forEach((all, i) => words.set(all, i * longest));
  return { longest, bytes: new Uint8Array(words.buffer) };
}

/** What {@linkcode writeNpz} writes, by name. */
export type NpzInput =
  | Readonly<Record<string, NpyInput | NpyStream>>
  | AsyncIterable<readonly [string, NpyInput | NpyStream]>;

/**
 * Writes an npz file, unpacked, under a temporary name, flushes it to disk and
 * renames it: a kill at any moment leaves the old file or the new one. Memory
 * does not grow with arrays that come in parts. Equal content gives equal
 * bytes.
 *
 * Source: numpy/lib/format.py, version 1.0.
 *
 * @param path where to
 * @param arrays by name, or one after another
 * @throws {RangeError} if a shape does not fit its elements
 * @throws {TypeError} if a name is no plain path or comes twice, or a part of
 *   an array has another type
 */
export async function writeNpz(
  path: string | URL,
  arrays: NpzInput,
): Promise<void> {
  const partial = path instanceof URL
    ? new URL(`${path.href}.partial`)
    : `${path}.partial`;
  try {
    using file = await Deno.open(partial, {
      write: true,
      create: true,
      truncate: true,
    });
    await writeZip(file, entriesOf(arrays));
    await file.syncData();
  } catch (error) {
    await Deno.remove(partial).catch(() => {});
    throw error;
  }
  await Deno.rename(partial, path);
}

/** The files of an archive, each a header and the elements. */
async function* entriesOf(arrays: NpzInput): AsyncGenerator<ZipInput> {
  const names = new Set<string>();
  const list = Symbol.asyncIterator in arrays
    ? arrays as AsyncIterable<readonly [string, NpyInput | NpyStream]>
    : Object.entries(arrays);
  for await (const [label, array] of list) {
    if (!isPlainPath(label) || label.length > 1000 || names.has(label)) {
      throw new TypeError(
        `Cannot write array ${
          JSON.stringify(label.slice(0, 80))
        }: its name is no plain path or comes twice`,
      );
    }
    names.add(label);
    const { header, length, parts } = encodeArray(label, array);
    const all = async function* () {
      yield header;
      yield* parts;
    };
    const size = header.length + length;
    yield { name: `${label}.npy`, size, parts: all() };
  }
}
