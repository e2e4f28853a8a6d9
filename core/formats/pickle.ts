import type { Fail } from "./byte_source.ts";
import { bytesOf, type SafetensorsType } from "./safetensors.ts";

/** A storage that a pickle refers to. */
export interface PickledStorage {
  /** Element type. */
  readonly dtype: SafetensorsType;
  /** Name of its bytes in the file. */
  readonly key: string;
  /** Elements. */
  readonly count: number;
  /** Whether the elements are bytes without a type of their own. */
  readonly isUntyped: boolean;
}

/** A view of a storage. */
export class PickledTensor {
  /**
   * Creates a view; nothing is read.
   *
   * @param storage where the elements are
   * @param dtype element type
   * @param offset first element
   * @param shape axis lengths
   * @param strides elements from one index of an axis to the next
   */
  constructor(
    readonly storage: PickledStorage,
    readonly dtype: SafetensorsType,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/** A value of no interest here, such as the state of a training callback. */
export class Opaque {}

/** An object of a TorchScript module: its attributes. */
export class ScriptObject extends Map<unknown, unknown> {}

/** What a pickle holds. */
export interface Pickled {
  /** The value; dicts are maps, lists and tuples are arrays. */
  readonly value: unknown;
  /** Where the pickle ends. */
  readonly end: number;
  /** Every storage that it refers to, by key. */
  readonly storages: ReadonlyMap<string, PickledStorage>;
}

class Global {
  constructor(readonly name: string) {}
}

/** A pickle that ends before its `STOP`: more bytes may help. */
export class PickleTruncated extends Error {}

const STORAGES: Readonly<Record<string, SafetensorsType>> = {
  "torch.DoubleStorage": "F64",
  "torch.FloatStorage": "F32",
  "torch.HalfStorage": "F16",
  "torch.BFloat16Storage": "BF16",
  "torch.LongStorage": "I64",
  "torch.IntStorage": "I32",
  "torch.ShortStorage": "I16",
  "torch.CharStorage": "I8",
  "torch.ByteStorage": "U8",
  "torch.BoolStorage": "BOOL",
};

/** Storages without a type; the tensors that view them have one. */
const UNTYPED = new Set([
  "torch.storage.UntypedStorage",
  "torch.UntypedStorage",
]);

const DTYPES: Readonly<Record<string, SafetensorsType>> = {
  "torch.float64": "F64",
  "torch.float32": "F32",
  "torch.float16": "F16",
  "torch.bfloat16": "BF16",
  "torch.int64": "I64",
  "torch.int32": "I32",
  "torch.int16": "I16",
  "torch.int8": "I8",
  "torch.uint64": "U64",
  "torch.uint32": "U32",
  "torch.uint16": "U16",
  "torch.uint8": "U8",
  "torch.bool": "BOOL",
};

/** Names that become an {@linkcode Opaque}; none is ever called. */
const INERT = new RegExp(
  "^(" + [
    "torch\\.(Size|device|nn\\.parameter\\.Parameter)",
    "numpy\\.(_?core)\\.multiarray\\.(scalar|_reconstruct)",
    "numpy\\.(dtype|ndarray)",
    "_codecs\\.encode",
    "(builtins|__builtin__)\\.(int|float|bool|str|list|dict|set|frozenset|tuple|bytearray|complex|slice|long|unicode)",
    "argparse\\.Namespace",
    "typing\\.Any",
    "pathlib\\.(Pure)?(Posix|Windows)?Path",
    "(pytorch_lightning|lightning|omegaconf)\\.[\\w.]+",
  ].join("|") + ")$",
);

const REBUILD = new Set([
  "torch._utils._rebuild_tensor",
  "torch._utils._rebuild_tensor_v2",
]);

const REBUILD_PARAMETER = new Set([
  "torch._utils._rebuild_parameter",
  "torch._utils._rebuild_parameter_with_state",
]);

const MAPS = new Set(["collections.OrderedDict", "collections.defaultdict"]);

const SEQUENCES =
  /^(torch\.Size|(builtins|__builtin__)\.(list|tuple|set|frozenset))$/;

const SCRIPT_LISTS = /^torch\.jit\._pickle\.(build_\w+list|restore_type_tag)$/;

const REBUILD_UNTYPED = "torch._utils._rebuild_tensor_v3";

/** Element type of a storage class; those of CUDA had classes of their own. */
function storageType(name: string): SafetensorsType | undefined {
  if (UNTYPED.has(name)) return "U8";
  const plain = name.replace(/^torch\.cuda\./, "torch.");
  return Object.hasOwn(STORAGES, plain) ? STORAGES[plain] : undefined;
}

function isAllowed(name: string): boolean {
  return storageType(name) !== undefined || Object.hasOwn(DTYPES, name) ||
    name === REBUILD_UNTYPED || REBUILD.has(name) ||
    REBUILD_PARAMETER.has(name) || MAPS.has(name) || SCRIPT_LISTS.test(name) ||
    name.startsWith("__torch__.") || INERT.test(name);
}

const MARK = Symbol("mark");

/** Largest integer that is read, in bytes. */
const MAX_LONG = 256;

/** Most operations of one pickle; a tensor takes about fifty. */
const MAX_STEPS = 2 ** 22;

/** Most lists, tuples and dicts of one pickle. */
const MAX_CONTAINERS = 2 ** 20;

/** Longest name in an error. */
const MAX_SHOWN = 80;

/**
 * Shows a value of a pickle in an error. Lists are not entered: they may be
 * nested without end.
 */
export function showValue(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.slice(0, MAX_SHOWN));
  }
  if (typeof value === "object" && value !== null) return "an object";
  return String(value).slice(0, MAX_SHOWN);
}

/**
 * Reads one pickle without executing anything: names on a list become plain
 * data here, every other name ends the reading.
 *
 * @param bytes starts with the pickle
 * @param from where it starts
 * @param fail throws the caller's error
 * @returns the value, its storages, and where the pickle ends
 * @throws {PickleTruncated} if `bytes` end first
 */
export function readPickle(
  bytes: Uint8Array<ArrayBuffer>,
  from: number,
  fail: Fail,
): Pickled {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const text = new TextDecoder();
  const stack: unknown[] = [];
  const memo = new Map<number, unknown>();
  const storages = new Map<string, PickledStorage>();
  let steps = 0;
  let containers = 0;
  let at = from;

  const take = (length: number): number => {
    const start = at;
    if (length > bytes.length - at) throw new PickleTruncated();
    at += length;
    return start;
  };
  const pop = (): unknown => {
    if (stack.length === 0) fail("its pickle takes from an empty stack");
    const value = stack.pop();
    if (value === MARK) fail("its pickle takes a mark for a value");
    return value;
  };
  const popMark = (): unknown[] => {
    const mark = stack.lastIndexOf(MARK);
    if (mark < 0) fail("its pickle has no mark");
    const items = stack.splice(mark + 1);
    stack.pop();
    return items;
  };
  const top = (): unknown => {
    const value = pop();
    stack.push(value);
    return value;
  };
  const line = (): string => {
    const end = bytes.indexOf(10, at);
    if (end < 0) throw new PickleTruncated();
    const value = text.decode(bytes.subarray(at, end));
    at = end + 1;
    return value;
  };
  const string = (length: number) => {
    const start = take(length);
    return text.decode(bytes.subarray(start, start + length));
  };
  const raw = (length: number) => {
    const start = take(length);
    return bytes.slice(start, start + length);
  };
  const u8 = () => view.getUint8(take(1));
  const u32 = () => view.getUint32(take(4), true);
  const u64 = () => Number(view.getBigUint64(take(8), true));
  const long = (length: number) => {
    if (length > MAX_LONG) fail(`its pickle has an integer of ${length} bytes`);
    const start = take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) {
      value = value << 8n | BigInt(view.getUint8(start + i));
    }
    const signed = length === 0 ? 0n : BigInt.asIntN(8 * length, value);
    const number = Number(signed);
    return Number.isSafeInteger(number) ? number : signed;
  };
  const refer = (storage: PickledStorage) => {
    const { key, dtype, count } = storage;
    const known = storages.get(key);
    if (known && (known.dtype !== dtype || known.count !== count)) {
      fail(`storage ${showValue(key)} is described in two ways`);
    }
    storages.set(key, known ?? storage);
    stack.push(known ?? storage);
  };
  const contain = <T>(container: T): T => {
    if (++containers > MAX_CONTAINERS) {
      fail(`its pickle has more than ${MAX_CONTAINERS} lists and dicts`);
    }
    return container;
  };
  const global = (module: unknown, name: unknown) => {
    if (typeof module !== "string" || typeof name !== "string") {
      return fail("its pickle asks for a name that is no text");
    }
    const full = `${module}.${name}`;
    if (!isAllowed(full)) {
      fail(`it asks for ${showValue(full)}, which is not allowed`);
    }
    return new Global(full);
  };
  const setItems = (target: unknown, items: unknown[]) => {
    if (target instanceof Opaque) return;
    if (!(target instanceof Map)) return fail("its pickle fills no dict");
    if (items.length % 2 !== 0) fail("its pickle has a key without a value");
    for (let i = 0; i < items.length; i += 2) {
      target.set(items[i], items[i + 1]);
    }
  };
  const append = (target: unknown, items: unknown[]) => {
    if (target instanceof Opaque) return;
    if (!Array.isArray(target)) return fail("its pickle extends no list");
    for (const item of items) target.push(item);
  };
  const recall = (index: number) => {
    if (!memo.has(index)) fail(`its pickle recalls unknown memo ${index}`);
    stack.push(memo.get(index));
  };

  for (;;) {
    if (++steps > MAX_STEPS) {
      fail(`its pickle has more than ${MAX_STEPS} operations`);
    }
    const code = u8();
    switch (code) {
      case 0x80: // PROTO
        if (u8() > 5) fail("its pickle has an unknown protocol");
        break;
      case 0x95: // FRAME
        take(8);
        break;
      case 0x28: // MARK
        stack.push(MARK);
        break;
      case 0x2e: // STOP
        return { value: pop(), end: at, storages };
      case 0x30: // POP
        if (stack.pop() === undefined) fail("its pickle pops nothing");
        break;
      case 0x31: // POP_MARK
        popMark();
        break;
      case 0x32: // DUP
        stack.push(top());
        break;
      case 0x4e: // NONE
        stack.push(null);
        break;
      case 0x88: // NEWTRUE
        stack.push(true);
        break;
      case 0x89: // NEWFALSE
        stack.push(false);
        break;
      case 0x4a: // BININT
        stack.push(view.getInt32(take(4), true));
        break;
      case 0x4b: // BININT1
        stack.push(u8());
        break;
      case 0x4d: // BININT2
        stack.push(view.getUint16(take(2), true));
        break;
      case 0x8a: // LONG1
        stack.push(long(u8()));
        break;
      case 0x8b: // LONG4
        stack.push(long(u32()));
        break;
      case 0x47: // BINFLOAT
        stack.push(view.getFloat64(take(8)));
        break;
      case 0x58: // BINUNICODE
      case 0x54: // BINSTRING
        stack.push(string(u32()));
        break;
      case 0x8c: // SHORT_BINUNICODE
      case 0x55: // SHORT_BINSTRING
        stack.push(string(u8()));
        break;
      case 0x8d: // BINUNICODE8
        stack.push(string(u64()));
        break;
      case 0x42: // BINBYTES
        stack.push(raw(u32()));
        break;
      case 0x43: // SHORT_BINBYTES
        stack.push(raw(u8()));
        break;
      case 0x8e: // BINBYTES8
        stack.push(raw(u64()));
        break;
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
      case 0x8f: // EMPTY_SET
        stack.push(contain([]));
        break;
      case 0x61: { // APPEND
        const item = pop();
        append(top(), [item]);
        break;
      }
      case 0x65: // APPENDS
      case 0x90: { // ADDITEMS
        const items = popMark();
        append(top(), items);
        break;
      }
      case 0x6c: // LIST
      case 0x74: // TUPLE
      case 0x91: // FROZENSET
        stack.push(contain(popMark()));
        break;
      case 0x85: // TUPLE1
        stack.push(contain([pop()]));
        break;
      case 0x86: // TUPLE2
        stack.push(contain([pop(), pop()].reverse()));
        break;
      case 0x87: // TUPLE3
        stack.push(contain([pop(), pop(), pop()].reverse()));
        break;
      case 0x7d: // EMPTY_DICT
        stack.push(contain(new Map()));
        break;
      case 0x64: { // DICT
        const target = contain(new Map());
        setItems(target, popMark());
        stack.push(target);
        break;
      }
      case 0x73: { // SETITEM
        const value = pop();
        const name = pop();
        setItems(top(), [name, value]);
        break;
      }
      case 0x75: { // SETITEMS
        const items = popMark();
        setItems(top(), items);
        break;
      }
      case 0x68: // BINGET
        recall(u8());
        break;
      case 0x6a: // LONG_BINGET
        recall(u32());
        break;
      case 0x71: // BINPUT
        memo.set(u8(), top());
        break;
      case 0x72: // LONG_BINPUT
        memo.set(u32(), top());
        break;
      case 0x94: // MEMOIZE
        memo.set(memo.size, top());
        break;
      case 0x63: // GLOBAL
        stack.push(global(line(), line()));
        break;
      case 0x93: { // STACK_GLOBAL
        const name = pop();
        stack.push(global(pop(), name));
        break;
      }
      case 0x52: // REDUCE
      case 0x81: { // NEWOBJ
        const args = pop();
        stack.push(contain(build(pop(), args, fail)));
        break;
      }
      case 0x92: // NEWOBJ_EX
        pop();
        pop();
        pop();
        stack.push(new Opaque());
        break;
      case 0x62: { // BUILD
        const state = pop();
        const target = top();
        if (target instanceof ScriptObject && state instanceof Map) {
          for (const [name, value] of state) target.set(name, value);
        }
        break;
      }
      case 0x51: // BINPERSID
        refer(storageOf(pop(), fail));
        break;
      default:
        fail(`its pickle has opcode 0x${code.toString(16)} at ${at - 1}`);
    }
  }
}

function build(callee: unknown, args: unknown, fail: Fail): unknown {
  if (!Array.isArray(args)) return fail("its pickle calls without a tuple");
  if (callee instanceof Opaque) return new Opaque();
  if (!(callee instanceof Global)) return fail("its pickle calls no name");
  const { name } = callee;
  if (name.startsWith("__torch__.")) return new ScriptObject();
  if (REBUILD.has(name)) return tensorOf(args, undefined, fail);
  if (name === REBUILD_UNTYPED) {
    const type = args[6] instanceof Global ? DTYPES[args[6].name] : undefined;
    if (type === undefined) return fail("a tensor has an unknown type");
    return tensorOf(args, type, fail);
  }
  if (REBUILD_PARAMETER.has(name)) return args[0];
  if (SCRIPT_LISTS.test(name)) return args[0];
  if (SEQUENCES.test(name)) return Array.isArray(args[0]) ? args[0] : [];
  if (MAPS.has(name)) {
    const map = new Map<unknown, unknown>();
    const items: unknown = name.endsWith("OrderedDict") ? args[0] : args[1];
    for (const pair of Array.isArray(items) ? items : []) {
      if (Array.isArray(pair)) map.set(pair[0], pair[1]);
    }
    return map;
  }
  return new Opaque();
}

const isCount = (n: unknown): n is number =>
  typeof n === "number" && Number.isSafeInteger(n) && n >= 0;

class Storage implements PickledStorage {
  constructor(
    readonly dtype: SafetensorsType,
    readonly key: string,
    readonly count: number,
    readonly isUntyped: boolean,
  ) {}
}

function storageOf(id: unknown, fail: Fail): PickledStorage {
  const [kind, type, key, , count, viewOf] = Array.isArray(id) ? id : [];
  if (
    kind !== "storage" || !(type instanceof Global) ||
    typeof key !== "string" || !isCount(count)
  ) return fail("its pickle refers to something that is no storage");
  const dtype = storageType(type.name);
  if (dtype === undefined) {
    return fail(`storage ${showValue(key)} has type ${showValue(type.name)}`);
  }
  if (viewOf !== undefined && viewOf !== null) {
    fail(`storage ${showValue(key)} is a view of another storage`);
  }
  return new Storage(dtype, key, count, UNTYPED.has(type.name));
}

/** Views may repeat elements up to this many. */
const MAX_EXPANDED = 2 ** 22;

function tensorOf(
  args: unknown[],
  type: SafetensorsType | undefined,
  fail: Fail,
): PickledTensor {
  const [storage, offset, shape, strides] = args;
  if (!(storage instanceof Storage)) return fail("a tensor has no storage");
  const of = `of storage ${showValue(storage.key)}`;
  if (storage.isUntyped !== (type !== undefined)) {
    fail(`a tensor ${of} has no single type`);
  }
  const isList = (list: unknown): list is number[] =>
    Array.isArray(list) && list.length <= 64 && list.every(isCount);
  if (!isCount(offset) || !isList(shape) || !isList(strides)) {
    return fail(`a tensor ${of} has no valid shape`);
  }
  if (shape.length !== strides.length) fail(`a tensor ${of} lacks strides`);
  const dtype = type ?? storage.dtype;
  const count = Math.floor(
    storage.count * bytesOf(storage.dtype) / bytesOf(dtype),
  );
  // Axes of length 0 aside, so that an overflow cannot hide behind them.
  const size = shape.reduce((n, m) => n * Math.max(m, 1), 1);
  const last = shape.reduce(
    (sum, length, i) => sum + (length - 1) * (strides[i] ?? 0),
    offset,
  );
  const isEmpty = shape.includes(0);
  if (
    !Number.isSafeInteger(size) ||
    !isEmpty && (last >= count || size > Math.max(count, MAX_EXPANDED))
  ) {
    fail(
      `a tensor (${
        shape.slice(0, 8).join(", ")
      }) passes the ${count} elements ${of}`,
    );
  }
  return new PickledTensor(storage, dtype, offset, [...shape], [...strides]);
}
