import type { Fail } from "./byte_source.ts";
import { bytesOf, isReadable, type SafetensorsType } from "./safetensors.ts";

/** A storage that a pickle refers to. */
export interface PickledStorage {
  /** Element type; may be one that is not read. */
  readonly dtype: string;
  /** Bytes of an element. */
  readonly width: number;
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

/** A tensor that is not read, such as a quantized or a sparse one. */
export class UnreadTensor {
  /**
   * Stands for the tensor, so that reading its values can say why it cannot.
   *
   * @param what what it is, for the message to whom asks for it
   * @param shape axis lengths, none if they are unknown
   */
  constructor(readonly what: string, readonly shape: readonly number[]) {}
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
  /** The first class of an object that was left out, if any was. */
  readonly unknown: string | undefined;
}

/** A tensor that its `BUILD` fills. */
class BlankTensor extends Opaque {
  tensor: PickledTensor | UnreadTensor | undefined;
}

/** The tensor that a value of a pickle is, if it is one. */
export function tensorIn(
  value: unknown,
): PickledTensor | UnreadTensor | undefined {
  if (value instanceof BlankTensor) return value.tensor;
  return value instanceof PickledTensor || value instanceof UnreadTensor
    ? value
    : undefined;
}

class Global {
  constructor(readonly name: string) {}
}

/** A pickle that ends before its `STOP`: more bytes may help. */
export class PickleTruncated extends Error {}

/** Element type and bytes of each storage class. */
const STORAGES: Readonly<Record<string, readonly [string, number]>> = {
  "torch.DoubleStorage": ["F64", 8],
  "torch.FloatStorage": ["F32", 4],
  "torch.HalfStorage": ["F16", 2],
  "torch.BFloat16Storage": ["BF16", 2],
  "torch.LongStorage": ["I64", 8],
  "torch.IntStorage": ["I32", 4],
  "torch.ShortStorage": ["I16", 2],
  "torch.CharStorage": ["I8", 1],
  "torch.ByteStorage": ["U8", 1],
  "torch.BoolStorage": ["BOOL", 1],
  "torch.ComplexFloatStorage": ["C64", 8],
  "torch.ComplexDoubleStorage": ["C128", 16],
  "torch.QInt32Storage": ["qint32", 4],
  "torch.QInt8Storage": ["qint8", 1],
  "torch.QUInt8Storage": ["quint8", 1],
  "torch.QUInt4x2Storage": ["quint4x2", 1],
  "torch.QUInt2x4Storage": ["quint2x4", 1],
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

/**
 * What no file of weights has a reason to ask for. Nothing is ever called; a
 * file that asks for it is refused since it means harm.
 */
const HOSTILE = new RegExp(
  "^(os|posix|nt|sys|subprocess|multiprocessing|shutil|socket|pty|runpy|" +
    "importlib|ctypes|webbrowser|commands|popen2|pdb|timeit|code|codeop|" +
    "(builtins|__builtin__)\\.(eval|exec|execfile|compile|open|input|" +
    "breakpoint|__import__))(\\.|$)",
);

const REBUILD = new Set([
  "torch._utils._rebuild_tensor",
  "torch._utils._rebuild_tensor_v2",
]);

const REBUILD_UNTYPED = "torch._utils._rebuild_tensor_v3";

/** A tensor of a subclass, or with attributes: a function and its arguments. */
const REBUILD_FROM_TYPE = "torch._tensor._rebuild_from_type_v2";

/** What gives back its first argument. */
const FIRST = new Set([
  "torch._utils._rebuild_parameter",
  "torch._utils._rebuild_parameter_with_state",
  "torch._utils._rebuild_device_tensor_from_cpu_tensor",
  "torch.nn.parameter.Parameter",
  "torch.nn.parameter.Buffer",
]);

/** Tensors that are not read: what they are, and which argument is the shape. */
const UNREAD: Readonly<
  Record<string, readonly [string, (args: readonly unknown[]) => unknown]>
> = {
  _rebuild_qtensor: ["quantized", (args) => args[2]],
  _rebuild_sparse_tensor: ["sparse", ([, data]) => sizeAmong(data)],
  _rebuild_sparse_csr_tensor: ["sparse", ([, data]) => sizeAmong(data)],
  _rebuild_meta_tensor_no_storage: ["without values", (args) => args[1]],
  _rebuild_nested_tensor: ["nested", () => []],
  _rebuild_wrapper_subclass: ["of a subclass", (args) => args[2]],
  _rebuild_device_tensor_from_numpy: ["an array of numpy", () => []],
};

/** A tensor that is filled by `BUILD`, as before PyTorch 0.2. */
const BLANK = /^torch\.(cuda\.)?\w*Tensor$/;

const MAPS = new Set([
  "collections.OrderedDict",
  "collections.defaultdict",
  "collections.Counter",
]);

const SEQUENCES =
  /^(torch\.Size|(builtins|__builtin__)\.(list|tuple|set|frozenset))$/;

const SCRIPT_LISTS = /^torch\.jit\._pickle\.(build_\w+list|restore_type_tag)$/;

/** Element type and bytes of a storage class; CUDA had classes of its own. */
function storageType(name: string): readonly [string, number] | undefined {
  if (UNTYPED.has(name)) return ["U8", 1];
  const plain = name.replace(/^torch\.cuda\./, "torch.");
  return Object.hasOwn(STORAGES, plain) ? STORAGES[plain] : undefined;
}

/** Whether a name, or a part of a name with dots, means harm. */
function isHostile(module: string, name: string): boolean {
  return HOSTILE.test(`${module}.${name}`) ||
    name.includes(".") && name.split(".").some((part) => HOSTILE.test(part));
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
 * Reads one pickle without executing anything: tensors, dicts and lists become
 * plain data here, an object of any other class becomes an
 * {@linkcode Opaque}.
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
  const stack: unknown[] = [];
  const memo = new Map<number, unknown>();
  const storages = new Map<string, PickledStorage>();
  let steps = 0;
  let containers = 0;
  let unknown: string | undefined;
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
    const value = decodeText(bytes.subarray(at, end)) ??
      fail(`its pickle has a name at ${at} that is no UTF-8`);
    at = end + 1;
    return value;
  };
  const string = (length: number) => {
    const start = take(length);
    return decodeText(bytes.subarray(start, start + length)) ??
      fail(`its pickle has a text at ${start} that is no UTF-8`);
  };
  /** Texts of Python 2 have no encoding: they may be any bytes. */
  const oldString = (length: number) => {
    const start = take(length);
    const part = bytes.slice(start, start + length);
    return decodeText(part) ?? part;
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
  const refer = (view: View) => {
    const { key, dtype, count } = view.storage;
    const known = storages.get(key);
    if (known && (known.dtype !== dtype || known.count !== count)) {
      fail(`storage ${showValue(key)} is described in two ways`);
    }
    storages.set(key, known ?? view.storage);
    return view;
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
    if (isHostile(module, name)) {
      fail(`it asks for ${showValue(full)}, which is not allowed`);
    }
    return new Global(full);
  };
  const build = (callee: unknown, args: unknown): unknown => {
    const made = construct(callee, args, fail);
    if (made instanceof Opaque && callee instanceof Global) {
      unknown ??= callee.name;
    }
    return made;
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
        return { value: pop(), end: at, storages, unknown };
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
        stack.push(string(u32()));
        break;
      case 0x8c: // SHORT_BINUNICODE
        stack.push(string(u8()));
        break;
      case 0x54: // BINSTRING
        stack.push(oldString(u32()));
        break;
      case 0x55: // SHORT_BINSTRING
        stack.push(oldString(u8()));
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
      case 0x96: // BYTEARRAY8
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
        stack.push(contain(build(pop(), args)));
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
        if (target instanceof BlankTensor && Array.isArray(state)) {
          target.tensor = tensorOf(state, undefined, fail);
        }
        break;
      }
      case 0x51: { // BINPERSID
        const view = storageOf(pop(), fail);
        stack.push(view === undefined ? new Opaque() : refer(view));
        break;
      }
      default:
        fail(`its pickle has opcode 0x${code.toString(16)} at ${at - 1}`);
    }
  }
}

/**
 * Decodes a text as Python reads it: UTF-8 in which half of a surrogate pair
 * may stand alone.
 *
 * @returns `undefined` if it is something else
 */
function decodeText(bytes: Uint8Array): string | undefined {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const parts: string[] = [];
  let from = 0;
  for (let at = bytes.indexOf(0xed); at >= 0;) {
    const [second = 0, third = 0] = bytes.subarray(at + 1, at + 3);
    // In UTF-8, this byte is a first one, and smaller ones follow it.
    if (second >= 0xa0 && second < 0xc0 && third >> 6 === 2) {
      const half = 0xd000 | (second & 63) << 6 | third & 63;
      const before = decodeWith(decoder, bytes.subarray(from, at));
      if (before === undefined) return undefined;
      parts.push(before, String.fromCharCode(half));
      from = at + 3;
    }
    at = bytes.indexOf(0xed, at + 1);
  }
  const rest = decodeWith(decoder, bytes.subarray(from));
  return rest === undefined ? undefined : parts.join("") + rest;
}

function decodeWith(
  decoder: TextDecoder,
  bytes: Uint8Array,
): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined; // the only reason is that it is no UTF-8
  }
}

/** What a call or an instance becomes. */
function construct(callee: unknown, args: unknown, fail: Fail): unknown {
  if (!Array.isArray(args)) return fail("its pickle calls without a tuple");
  if (callee instanceof Opaque) return new Opaque();
  if (!(callee instanceof Global)) return fail("its pickle calls no name");
  const { name } = callee;
  if (name.startsWith("__torch__.")) return new ScriptObject();
  if (REBUILD.has(name)) return tensorOf(args, undefined, fail);
  if (name === REBUILD_UNTYPED) {
    if (!(args[6] instanceof Global)) return fail("a tensor has no type");
    const { name: dtype } = args[6];
    const type = Object.hasOwn(DTYPES, dtype) ? DTYPES[dtype] : undefined;
    return type === undefined
      ? unread(dtype.replace("torch.", ""), args[2])
      : tensorOf(args, type, fail);
  }
  if (name === REBUILD_FROM_TYPE) return construct(args[0], args[2], fail);
  if (FIRST.has(name)) return args[0] ?? new Opaque();
  const rebuilt = name.replace("torch._utils.", "");
  if (Object.hasOwn(UNREAD, rebuilt)) {
    const [what, shapeOf] = UNREAD[rebuilt]!;
    return unread(what, shapeOf(args));
  }
  if (BLANK.test(name)) return new BlankTensor();
  if (SCRIPT_LISTS.test(name)) return args[0];
  if (SEQUENCES.test(name)) return Array.isArray(args[0]) ? args[0] : [];
  if (MAPS.has(name)) {
    const items: unknown = args[name.endsWith("defaultdict") ? 1 : 0];
    const map = new Map<unknown, unknown>();
    if (!(items instanceof Map) && !Array.isArray(items)) return map;
    for (const pair of items) {
      if (Array.isArray(pair)) map.set(pair[0], pair[1]);
    }
    return map;
  }
  return new Opaque();
}

const isCount = (n: unknown): n is number =>
  typeof n === "number" && Number.isSafeInteger(n) && n >= 0;

const isSize = (list: unknown): list is number[] =>
  Array.isArray(list) && list.length <= 64 && list.every(isCount);

/** The size among the parts of a sparse tensor. */
const sizeAmong = (parts: unknown) =>
  Array.isArray(parts) ? parts.find(isSize) : undefined;

const unread = (what: string, shape: unknown) =>
  new UnreadTensor(what, isSize(shape) ? [...shape] : []);

/** Elements of a storage, of which a file may name a part. */
class View {
  constructor(
    readonly storage: PickledStorage,
    readonly start: number,
    readonly count: number,
  ) {}
}

/** A storage by its identity, `undefined` if it is that of something else. */
function storageOf(id: unknown, fail: Fail): View | undefined {
  const [kind, type, key, , count, viewOf] = Array.isArray(id) ? id : [];
  if (kind !== "storage") return undefined;
  if (!(type instanceof Global) || typeof key !== "string" || !isCount(count)) {
    return fail("its pickle describes no valid storage");
  }
  const known = storageType(type.name);
  if (known === undefined) {
    return fail(`storage ${showValue(key)} has type ${showValue(type.name)}`);
  }
  const [dtype, width] = known;
  const isUntyped = UNTYPED.has(type.name);
  const storage = { dtype, width, key, count, isUntyped };
  if (viewOf === undefined || viewOf === null) {
    return new View(storage, 0, count);
  }
  // Its own name, first element and length, as before PyTorch 0.4.
  const [, start, length] = Array.isArray(viewOf) ? viewOf : [];
  if (!isCount(start) || !isCount(length) || start + length > count) {
    return fail(`a view passes the ${count} elements of ${showValue(key)}`);
  }
  return new View(storage, start, length);
}

/** Views may repeat elements up to this many. */
const MAX_EXPANDED = 2 ** 22;

function tensorOf(
  args: unknown[],
  type: SafetensorsType | undefined,
  fail: Fail,
): PickledTensor | UnreadTensor {
  const [view, offset, shape, strides] = args;
  if (!(view instanceof View)) return fail("a tensor has no storage");
  const { storage } = view;
  const of = `of storage ${showValue(storage.key)}`;
  if (storage.isUntyped !== (type !== undefined)) {
    fail(`a tensor ${of} has no single type`);
  }
  if (!isCount(offset) || !isSize(shape) || !isSize(strides)) {
    return fail(`a tensor ${of} has no valid shape`);
  }
  if (shape.length !== strides.length) fail(`a tensor ${of} lacks strides`);
  const dtype = type ?? storage.dtype;
  if (!isReadable(dtype)) return unread(dtype, shape);
  const traits: unknown = args[type === undefined ? 6 : 7];
  if (traits instanceof Map && traits.get("neg") === true) {
    return unread("a negated view", shape);
  }
  const count = Math.floor(view.count * storage.width / bytesOf(dtype));
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
  const first = view.start + offset;
  return new PickledTensor(storage, dtype, first, [...shape], [...strides]);
}
