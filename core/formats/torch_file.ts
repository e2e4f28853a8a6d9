import {
  type ByteSource,
  type Fail,
  failWith,
  type FileSource,
  openBytes,
} from "./byte_source.ts";
import {
  type Pickled,
  type PickledStorage,
  PickledTensor,
  PickleTruncated,
  readPickle,
  ScriptObject,
  showValue,
  tensorIn,
  type UnreadTensor,
} from "./pickle.ts";
import {
  bytesOf,
  missingTensor,
  refuseTensor,
  type TensorFile,
} from "./safetensors.ts";
import { swapBytes, toRowMajor } from "./strided.ts";
import { readZipDirectory, readZipEntry } from "./zip.ts";

/** What {@linkcode readTorchFile} may be told. */
export interface TorchFileOptions {
  /**
   * Dotted path of the dict to read, `""` for all of the file. Without it the
   * state dict is looked for, at any depth: under `state_dict`,
   * `model_state_dict`, `model`, `module` and the like, else as the only dict
   * whose tensors have names with dots. Values beside it are left out.
   */
  readonly root?: string;
}

/** Keys of what holds a state dict, first choice first. */
const ROOTS = [
  "state_dict",
  "model_state_dict",
  "model_state",
  "model",
  "module",
  "net",
  "network",
  "net_state_dict",
  "weights",
  "model_weights",
  "params",
  "checkpoint",
];

/** Keys of averages of a network, which are taken if it is not there itself. */
const AVERAGES = [
  "ema",
  "ema_state_dict",
  "state_dict_ema",
  "model_ema",
  "ema_model",
  "params_ema",
];

/** Largest pickle that is accepted, in bytes; storages are not part of it. */
const MAX_PICKLE = 64 * 2 ** 20;

/** Values visited when names are made; a file may share dicts without end. */
const MAX_VALUES = 2 ** 20;
const MAX_DEPTH = 64;

/** Characters of all names and metadata together. */
const MAX_TEXT = 2 ** 26;

/** Longest text that is kept as metadata. */
const MAX_METADATA = 2 ** 16;

const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;

/** Reads bytes of a storage. */
type ReadStorage = (
  storage: PickledStorage,
  start: number,
  length: number,
) => Promise<Uint8Array<ArrayBuffer>>;

/**
 * Opens a PyTorch checkpoint: a zip file, the format before 1.6, or the
 * parameters of a TorchScript archive. Nothing in the file is executed, and
 * only the storages of tensors that are read are read. Objects of classes that
 * hold no weights are left out; quantized, sparse and other tensors without
 * plain elements are refused when they are read.
 *
 * Tensors in nested dicts and lists are named by their path, joined by dots.
 * Texts, numbers and truth values anywhere in the file are its metadata, named
 * by their path from the top.
 *
 * Source: torch/serialization.py and torch/jit/_pickle.py of PyTorch, and
 * Lib/pickletools.py of Python for the operations of a pickle.
 *
 * @param source path, file URL, or the file's bytes
 * @param options which dict is read
 * @returns names, shapes and a reader
 * @throws {SyntaxError} naming the file and the reason if it is damaged, asks
 *   for what would run code, or holds objects without tensors
 * @throws {TypeError} if `options.root` is not in the file
 */
export async function readTorchFile(
  source: FileSource,
  options: TorchFileOptions = {},
): Promise<TensorFile> {
  const bytes = await openBytes(source);
  const fail: Fail = failWith("PyTorch file", bytes.name);
  try {
    if (bytes.size < 4) return fail(`it has ${bytes.size} bytes`);
    const head = await bytes.read(0, 4);
    const isZip = new DataView(head.buffer).getUint32(0, true) === 0x04034b50;
    const { value, unknown, read, isBig } = isZip
      ? await openArchive(bytes, fail)
      : await openLegacy(bytes, fail);
    const root = options.root === undefined
      ? findRoot(value)
      : rootAt(value, options.root, bytes.name);
    const tensors = tensorsOf(root, options.root === undefined, fail);
    if (tensors.size === 0 && unknown !== undefined) {
      fail(
        `it asks for ${
          showValue(unknown)
        }, which is not allowed, and has no tensors beside it; save the module's state_dict() instead`,
      );
    }
    return {
      file: bytes.name,
      names: [...tensors.keys()],
      metadata: metadataOf(value, fail),
      info(name) {
        const tensor = tensors.get(name);
        if (tensor === undefined) return undefined;
        const { shape } = tensor;
        const dtype = tensor instanceof PickledTensor
          ? tensor.dtype
          : tensor.what;
        return { dtype, shape };
      },
      async read(name) {
        const tensor = tensors.get(name) ??
          missingTensor(name, bytes.name, tensors.keys());
        if (!(tensor instanceof PickledTensor)) {
          return refuseTensor(name, tensor.what, fail);
        }
        const { dtype, shape } = tensor;
        return { dtype, shape, bytes: await gather(tensor, read, isBig) };
      },
      [Symbol.dispose]: () => bytes[Symbol.dispose](),
    };
  } catch (error) {
    bytes[Symbol.dispose]();
    throw error;
  }
}

interface Opened extends Pick<Pickled, "value" | "unknown"> {
  readonly read: ReadStorage;
  readonly isBig: boolean;
}

async function openArchive(source: ByteSource, fail: Fail): Promise<Opened> {
  const entries = await readZipDirectory(source, fail);
  const main = [...entries.keys()].filter((name) =>
    /^\/?[^/]+\/data\.pkl$/.test(name)
  );
  const [path = ""] = main;
  if (main.length !== 1) fail(`it has ${main.length} records "data.pkl"`);
  const folder = path.slice(0, -"data.pkl".length);
  const record = async (name: string, most: number) => {
    const entry = entries.get(folder + name);
    if (entry === undefined) return undefined;
    if (entry.size > most) fail(`record "${name}" has ${entry.size} bytes`);
    return await readZipEntry(source, entry, fail);
  };
  const order = new TextDecoder().decode(await record("byteorder", 16)).trim();
  if (order !== "" && order !== "little" && order !== "big") {
    fail(`its byte order is ${JSON.stringify(order)}`);
  }
  const pickle = await record("data.pkl", MAX_PICKLE);
  const bytes = pickle ?? new Uint8Array(0);
  const { value, unknown, end } = readWhole(bytes, fail);
  if (end !== bytes.length) fail("its pickle ends early");
  const entryOf = ({ key, dtype, width, count }: PickledStorage) => {
    const entry = entries.get(`${folder}data/${key}`);
    if (entry === undefined) {
      return fail(`storage ${showValue(key)} is missing`);
    }
    if (entry.fault !== undefined) fail(entry.fault);
    if (Math.floor(entry.size / width) !== count) {
      fail(
        `storage ${
          showValue(key)
        } has ${entry.size} bytes, needed ${count} elements of ${dtype}`,
      );
    }
    return entry;
  };
  return {
    value,
    unknown,
    isBig: order === "big",
    read: (storage, start, length) =>
      readZipEntry(source, entryOf(storage), fail, start, length),
  };
}

function readWhole(bytes: Uint8Array<ArrayBuffer>, fail: Fail): Pickled {
  try {
    return readPickle(bytes, 0, fail);
  } catch (error) {
    if (error instanceof PickleTruncated) return fail("its pickle is cut off");
    throw error;
  }
}

/** Magic, version, system, dict, storage keys; then each storage. */
async function openLegacy(source: ByteSource, fail: Fail): Promise<Opened> {
  for (let window = 2 ** 20;; window *= 4) {
    const length = Math.min(window, source.size, MAX_PICKLE);
    const bytes = await source.read(0, length);
    try {
      return await parseLegacy(source, bytes, fail);
    } catch (error) {
      if (!(error instanceof PickleTruncated)) throw error;
      if (length < window) fail("it is cut off or no PyTorch file");
    }
  }
}

async function parseLegacy(
  source: ByteSource,
  bytes: Uint8Array<ArrayBuffer>,
  fail: Fail,
): Promise<Opened> {
  const magic = readPickle(bytes, 0, fail);
  if (magic.value !== LEGACY_MAGIC) fail("it is no PyTorch file");
  const version = readPickle(bytes, magic.end, fail);
  if (version.value !== 1001) {
    fail(`its version is ${showValue(version.value)}, needed 1001`);
  }
  const system = readPickle(bytes, version.end, fail);
  const body = readPickle(bytes, system.end, fail);
  const keys = readPickle(bytes, body.end, fail);
  if (!Array.isArray(keys.value)) return fail("it has no list of storages");
  const places = new Map<string, number>();
  let at = keys.end;
  for (const key of keys.value as unknown[]) {
    const storage = typeof key === "string"
      ? body.storages.get(key)
      : undefined;
    if (storage === undefined) {
      return fail(`storage ${showValue(key)} belongs to no tensor`);
    }
    const shown = showValue(key);
    if (places.has(storage.key)) fail(`storage ${shown} appears twice`);
    if (at + 8 > source.size) fail(`it ends before storage ${shown}`);
    const prefix = await source.read(at, 8);
    const count = Number(new DataView(prefix.buffer).getBigInt64(0, true));
    if (count !== storage.count) {
      fail(`storage ${shown} has ${count} elements, needed ${storage.count}`);
    }
    places.set(storage.key, at + 8);
    at += 8 + count * storage.width;
    if (at > source.size) {
      fail(`it ends at ${source.size}, storage ${shown} needs ${at} bytes`);
    }
  }
  if (at !== source.size) fail(`it has ${source.size - at} bytes too many`);
  const placeOf = (key: string) =>
    places.get(key) ?? fail(`storage ${showValue(key)} is missing`);
  return {
    value: body.value,
    unknown: body.unknown,
    isBig: false, // the format stores little-endian on every machine
    // deno-lint-ignore require-await -- a missing storage must reject
    read: async ({ key }, start, length) =>
      source.read(placeOf(key) + start, length),
  };
}

/** Visits all that is in dicts, objects and lists, with its path. */
function walk(
  value: unknown,
  fail: Fail,
  visit: (path: string, item: unknown) => void,
): void {
  let count = 0;
  let text = 0;
  const step = (item: unknown, path: string, depth: number) => {
    if (++count > MAX_VALUES) fail(`it has more than ${MAX_VALUES} values`);
    if (!(item instanceof Map) && !Array.isArray(item)) {
      text += path.length + (typeof item === "string" ? item.length : 0);
      if (text > MAX_TEXT) fail(`its names have over ${MAX_TEXT} characters`);
      return visit(path, item);
    }
    if (depth > MAX_DEPTH) fail(`it is nested more than ${MAX_DEPTH} deep`);
    for (const [key, inner] of item.entries()) {
      if (typeof key !== "string" && typeof key !== "number") continue;
      step(inner, path === "" ? `${key}` : `${path}.${key}`, depth + 1);
    }
  };
  step(value, "", 0);
}

function metadataOf(value: unknown, fail: Fail): Record<string, string> {
  const result = new Map<string, string>();
  walk(value, fail, (path, item) => {
    const isShort = typeof item === "string" && item.length <= MAX_METADATA;
    if (
      isShort || typeof item === "number" || typeof item === "boolean" ||
      typeof item === "bigint"
    ) result.set(path, String(item));
  });
  return Object.fromEntries(result);
}

/** Whether a dict has tensors, by names with dots if `dotted`. */
function holds(
  value: unknown,
  dotted = false,
): value is Map<unknown, unknown> {
  return value instanceof Map &&
    [...value].some(([key, item]) =>
      tensorIn(item) !== undefined &&
      (!dotted || typeof key === "string" && key.includes("."))
    );
}

/** Whether a dict with tensors is anywhere in a value, as {@linkcode holds}. */
function holdsDeep(value: unknown, dotted = false): boolean {
  const seen = new Set([value]); // grows while it is gone through
  for (const item of seen) {
    if (holds(item, dotted)) return true;
    if (!(item instanceof Map) && !Array.isArray(item)) continue;
    for (const inner of item.values()) seen.add(inner);
  }
  return false;
}

/** The state dict of a checkpoint, or all of it if there is none. */
function findRoot(value: unknown, depth = 0): unknown {
  if (
    !(value instanceof Map) || value instanceof ScriptObject ||
    depth > MAX_DEPTH
  ) return value;
  const under = (keys: readonly string[], dotted: boolean) =>
    keys.map((key) => value.get(key) as unknown)
      .find((inner) => inner instanceof Map && holdsDeep(inner, dotted));
  const dicts = [...value.values()].filter((item) =>
    item instanceof Map && holdsDeep(item, true)
  );
  const inner = under(ROOTS, true) ?? under(ROOTS, false) ??
    (holds(value, true) ? value : under(AVERAGES, true)) ??
    (dicts.length === 1 ? dicts[0] : undefined) ??
    (holds(value) ? value : under(AVERAGES, false));
  return inner === undefined || inner === value
    ? value
    : findRoot(inner, depth + 1);
}

/**
 * The tensors below a value, by their paths. Of a state dict that was looked
 * for only its own are taken: what it nests belongs to something else.
 */
function tensorsOf(
  root: unknown,
  isFound: boolean,
  fail: Fail,
): Map<string, PickledTensor | UnreadTensor> {
  const tensors = new Map<string, PickledTensor | UnreadTensor>();
  walk(root, fail, (path, item) => {
    const tensor = tensorIn(item);
    if (tensor === undefined) return;
    if (tensors.has(path)) {
      fail(`two tensors have the name ${showValue(path)}`);
    }
    tensors.set(path, tensor);
  });
  if (isFound && holds(root, true)) {
    for (const path of tensors.keys()) {
      if (!root.has(path)) tensors.delete(path);
    }
  }
  return tensors;
}

/** What is at a dotted path. */
function rootAt(value: unknown, root: string, name: string): unknown {
  let inner = value;
  for (const key of root === "" ? [] : root.split(".")) {
    const next = inner instanceof Map ? inner.get(key) : undefined;
    if (next === undefined) {
      const keys = inner instanceof Map ? [...inner.keys()] : [];
      throw new TypeError(
        `Cannot read "${root}" of "${name}": no "${key}", it has ${
          keys.slice(0, 8).map(showValue).join(", ")
        }`,
      );
    }
    inner = next;
  }
  return inner;
}

/** The elements of a view, row-major and little-endian. */
async function gather(
  { storage, dtype, offset, shape, strides }: PickledTensor,
  read: ReadStorage,
  isBig: boolean,
): Promise<Uint8Array<ArrayBuffer>> {
  if (shape.includes(0)) return new Uint8Array(0);
  const width = bytesOf(dtype);
  const span = 1 +
    shape.reduce((sum, n, i) => sum + (n - 1) * (strides[i] ?? 0), 0);
  const bytes = await read(storage, offset * width, span * width);
  if (isBig) swapBytes(bytes, width);
  return toRowMajor(bytes, width, shape, strides);
}
