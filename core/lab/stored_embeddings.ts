import { join } from "@std/path";
import { type NpzFile, readNpz } from "../formats/npy.ts";
import type { BenchPart, Embeddings } from "./encoder_bench.ts";

/** Arrays that a file must have, one entry for each keyframe. */
const ARRAYS = [
  "scene_names",
  "splits",
  "steer_norms",
  "accel_norms",
  "embeddings",
] as const;

function check(file: NpzFile, path: string): void {
  const missing = ARRAYS.filter((name) => file.info(name) === undefined);
  if (missing.length > 0) {
    throw new TypeError(
      `Cannot use "${path}": it has no ${
        missing.join(", no ")
      }; needed the arrays ${ARRAYS.join(", ")}`,
    );
  }
  const counts = ARRAYS.map((name) => file.info(name)!.shape[0] ?? 0);
  const { shape } = file.info("embeddings")!;
  if (shape.length !== 2 || new Set(counts).size > 1) {
    throw new RangeError(
      `Cannot use "${path}": embeddings are (${
        shape.join(", ")
      }) and its arrays have ${
        counts.join(", ")
      } entries; needed (N, width) and N of each`,
    );
  }
}

/**
 * Embeddings in files of the paper's authors: one npz for each encoder, with
 * scenes, parts and actions of the keyframes.
 */
export class StoredEmbeddings implements Disposable {
  /** Keys of the encoders: names of the files. */
  readonly names: readonly string[];
  readonly #files: ReadonlyMap<string, NpzFile>;

  private constructor(files: ReadonlyMap<string, NpzFile>) {
    this.#files = files;
    this.names = [...files.keys()].sort();
  }

  /**
   * Opens all files of a folder and reads their headers.
   *
   * @param directory with `ENCODER.npz`
   * @throws {Error} if there is none
   * @throws {TypeError} if one lacks an array
   */
  static async open(directory: string): Promise<StoredEmbeddings> {
    const files = new Map<string, NpzFile>();
    for await (const { name } of Deno.readDir(directory)) {
      if (!name.endsWith(".npz")) continue;
      const path = join(directory, name);
      const file = await readNpz(path);
      files.set(name.slice(0, -4), file);
      check(file, path);
    }
    if (files.size > 0) return new StoredEmbeddings(files);
    throw new Error(
      `Cannot read embeddings from "${directory}": it has no ENCODER.npz`,
    );
  }

  /**
   * Reads the rows of a part; other rows are not kept.
   *
   * @param name of the encoder
   * @param part of the dataset
   * @throws {RangeError} if it has no rows of that part
   */
  async read(name: string, part: BenchPart): Promise<Embeddings> {
    const file = this.#files.get(name)!;
    const texts = async (array: string) =>
      (await file.read(array)).data as readonly string[];
    const splits = await texts("splits");
    const scenes = await texts("scene_names");
    const [steer, accel] = [
      (await file.read("steer_norms")).data,
      (await file.read("accel_norms")).data,
    ];
    const own = [...splits.keys()].filter((i) => splits[i] === part);
    if (own.length === 0) {
      throw new RangeError(
        `Cannot use embeddings of ${name}: none of ${splits.length} rows is of the part "${part}"`,
      );
    }
    const width = file.info("embeddings")!.shape[1]!;
    const rows = new Float32Array(own.length * width);
    // Runs of neighbouring rows, so that the file is read once and in order.
    for (let i = 0; i < own.length;) {
      let end = i + 1;
      while (end < own.length && own[end] === own[end - 1]! + 1) end++;
      const { data } = await file.readRows("embeddings", own[i]!, end - i);
      rows.set(data as Float32Array, i * width);
      i = end;
    }
    return {
      rows,
      width,
      actions: Float32Array.from(
        own.flatMap((i) => [Number(steer[i]), Number(accel[i])]),
      ),
      scenes: own.map((i) => scenes[i]!),
    };
  }

  /** Closes the files. */
  [Symbol.dispose](): void {
    for (const file of this.#files.values()) file[Symbol.dispose]();
  }
}
