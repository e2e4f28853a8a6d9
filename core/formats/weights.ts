import {
  type Fail,
  failWith,
  type FileSource,
  openBytes,
} from "./byte_source.ts";
import { type NpyNumbers, type NpyType, type NpzFile, readNpz } from "./npy.ts";
import {
  missingTensor,
  readSafetensors,
  type SafetensorsType,
  type TensorFile,
} from "./safetensors.ts";
import { readTorchFile, type TorchFileOptions } from "./torch_file.ts";
import { readZipDirectory } from "./zip.ts";

const TYPES: Readonly<Record<Exclude<NpyType, "U">, SafetensorsType>> = {
  f2: "F16",
  f4: "F32",
  f8: "F64",
  i1: "I8",
  i2: "I16",
  i4: "I32",
  i8: "I64",
  u1: "U8",
  u2: "U16",
  u4: "U32",
  u8: "U64",
  b1: "BOOL",
};

/** Beginnings of what users mistake for weights, and what to do. */
const STRANGERS: readonly (readonly [string, string])[] = [
  ["version https://git-lfs", "it is a git-lfs pointer; fetch the file itself"],
  ["<", "it is a web page; the download went wrong"],
  ["\x93NUMPY", "it is one npy array without a name; put it into an npz"],
  ["\x89HDF", "it is an HDF5 file; convert it to safetensors"],
  ["\x1f\x8b", "it is packed by gzip; unpack it first"],
  ["ustar", "it is a tar archive; unpack it first"],
];

/**
 * Opens a file of weights of any format: safetensors, PyTorch zip or legacy,
 * TorchScript, or npz. The content decides, not the name.
 *
 * @param source path, file URL, or the file's bytes
 * @param options which dict of a PyTorch file is read
 * @returns names, shapes and a reader
 * @throws {SyntaxError} naming the file and the reason if it is of no known
 *   format or damaged
 * @throws {TypeError} if `options.root` is not in the file
 */
export async function readWeights(
  source: FileSource,
  options: TorchFileOptions = {},
): Promise<TensorFile> {
  switch (await detect(source)) {
    case "safetensors":
      return await readSafetensors(source);
    case "torch":
      return await readTorchFile(source, options);
    case "npz":
      return await openNpz(source);
  }
}

async function detect(
  source: FileSource,
): Promise<"safetensors" | "torch" | "npz"> {
  using bytes = await openBytes(source);
  const fail: Fail = failWith("weights", bytes.name);
  const head = await bytes.read(0, Math.min(bytes.size, 512));
  const text = String.fromCharCode(...head);
  if (text.startsWith("PK\x03\x04") || text.startsWith("PK\x05\x06")) {
    const names = [...(await readZipDirectory(bytes, fail)).keys()];
    if (names.some((name) => /^[^/]+\/data\.pkl$/.test(name))) return "torch";
    if (names.some((name) => name.endsWith(".npy"))) return "npz";
    return fail(
      "it is a zip archive with neither data.pkl of PyTorch nor npy files",
    );
  }
  const [first, protocol = 0] = head;
  if (first === 0x80 && protocol >= 2 && protocol <= 5) return "torch";
  if (head.length > 8) {
    const length = new DataView(head.buffer).getBigUint64(0, true);
    if (text[8] === "{" && length <= BigInt(bytes.size)) return "safetensors";
  }
  for (const [begin, reason] of STRANGERS) {
    if (text.startsWith(begin) || begin === "ustar" && text.includes(begin)) {
      fail(reason);
    }
  }
  return fail(
    head.length === 0
      ? "it is empty"
      : "it is no safetensors, PyTorch or npz file, or its beginning is damaged",
  );
}

async function openNpz(source: FileSource): Promise<TensorFile> {
  const file = await readNpz(source);
  try {
    const label = source instanceof Uint8Array ? "bytes" : String(source);
    const names: string[] = [];
    const metadata = new Map<string, string>();
    for (const name of file.names) {
      const found = file.info(name);
      if (found === undefined) continue;
      const { dtype, shape } = found;
      if (dtype !== "U") names.push(name);
      else if (shape.every((length) => length === 1)) {
        const text = await textOf(file, name);
        if (text !== undefined) metadata.set(name, text);
      }
    }
    const info = (name: string) => {
      const found = file.info(name);
      return found === undefined || found.dtype === "U"
        ? undefined
        : { dtype: TYPES[found.dtype], shape: found.shape };
    };
    return {
      file: label,
      names,
      metadata: Object.fromEntries(metadata),
      info,
      async read(name) {
        const isText = file.info(name)?.dtype === "U";
        if (isText) return missingTensor(name, label, names);
        // An array that cannot be read is refused here.
        const { dtype, shape, data } = await file.read(name);
        const found = { dtype: TYPES[dtype as keyof typeof TYPES], shape };
        const { buffer, byteOffset, byteLength } = data as NpyNumbers;
        const bytes = new Uint8Array(buffer, byteOffset, byteLength);
        return { ...found, bytes };
      },
      [Symbol.dispose]: () => file[Symbol.dispose](),
    };
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

/** The text of an array of one, unless it is damaged: nobody asked for it. */
async function textOf(
  file: NpzFile,
  name: string,
): Promise<string | undefined> {
  try {
    return String((await file.read(name)).data[0] ?? "");
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
