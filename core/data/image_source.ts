import { join } from "@std/path";
import { digestFile } from "../formats/digest.ts";
import type { Image } from "../formats/image.ts";
import { readNpz } from "../formats/npy.ts";
import { severalAtOnce } from "../formats/several.ts";
import { createHash } from "node:crypto";
import { fitFrame, type FrameOptions } from "./frame_job.ts";
import { FrameLoader } from "./frames.ts";

/** A picture or clip, or why it could not be read. */
export interface LoadedItem {
  /** Its place in the source. */
  readonly index: number;
  /** (frames, height, width, 3) levels. */
  readonly levels?: Uint8Array;
  /** What is wrong with it. */
  readonly error?: string;
}

/** Pictures or clips from a folder or an npz file. */
export interface ImageSource extends Disposable {
  /** Name of each item: its file, its first file if it is a clip, or row. */
  readonly names: readonly string[];
  /** Pictures of an item: 1, or the length of a clip. */
  readonly frames: number;
  /** Names of the pictures behind the last whole clip. */
  readonly rest: readonly string[];
  /** Digest of the names and the content of what is read. */
  readonly digest: string;
  /**
   * Reads items in order.
   *
   * @param start first
   * @param end one past the last
   */
  load(start: number, end: number): AsyncIterable<LoadedItem>;
}

/**
 * Sorts names by the numbers in them: `frame_2` before `frame_10`. Names whose
 * numbers have equally many digits keep the order of their characters.
 */
function sortedByNumbers(names: readonly string[]): string[] {
  const most = names.join("\n").match(/\d+/g)
    ?.reduce((n, { length }) => Math.max(n, length), 0) ?? 0;
  const padded = names.map((name) =>
    [
      name.replace(/\d+/g, (digits) => digits.padStart(most, "0")),
      name,
    ] as const
  );
  const order = <T>(a: T, b: T) => a < b ? -1 : Number(a > b);
  return padded.sort(([a, x], [b, y]) => order(a, b) || order(x, y))
    .map(([, name]) => name);
}

/**
 * Lists what a folder has under names of JPEG and PNG files, sorted by the
 * numbers in them, `frame_2` before `frame_10`. Links to nothing and folders
 * are listed too, so that whoever reads them names them.
 *
 * @param folder the folder
 * @param least files that are needed
 * @throws {Error} if it is no folder or holds fewer; the message names
 *   subfolders that might be meant
 */
export async function listImages(folder: string, least = 1): Promise<string[]> {
  const names: string[] = [];
  const folders: string[] = [];
  try {
    for await (const entry of Deno.readDir(folder)) {
      if (/\.(jpe?g|png)$/i.test(entry.name)) names.push(entry.name);
      else if (entry.isDirectory) folders.push(entry.name);
    }
  } catch (error) {
    throw new Error(
      `Cannot read images of ${folder}: ${(error as Error).message}`,
    );
  }
  if (names.length < least) {
    const hint = names.length === 0 && folders.length > 0
      ? `; it has the folders ${folders.sort().slice(0, 6).join(", ")}`
      : "";
    throw new Error(
      `Cannot read images of ${folder}: it holds ${names.length} JPEG or PNG files, needed at least ${least}${hint}`,
    );
  }
  return sortedByNumbers(names);
}

/**
 * Opens a folder of pictures, or an npz file with levels as (n, height, width,
 * 3) or, for clips, (n, frames, height, width, 3).
 *
 * @param input the folder or file
 * @param options size, crop, filter
 * @param clip pictures of a clip, in the order of listImages, without overlap;
 *   absent for single pictures
 * @throws {Error} if there is nothing that fits
 */
export async function openImages(
  input: string,
  options: FrameOptions,
  clip?: number,
): Promise<ImageSource> {
  return /\.npz$/i.test(input)
    ? await openArray(input, options, clip)
    : await openFolder(input, options, clip);
}

async function openFolder(
  folder: string,
  options: FrameOptions,
  clip = 1,
): Promise<ImageSource> {
  const files = await listImages(folder, clip);
  const count = Math.floor(files.length / clip);
  const names = Array.from({ length: count }, (_, i) => files[i * clip] ?? "");
  const loader = new FrameLoader();
  return {
    names,
    frames: clip,
    rest: files.slice(count * clip),
    digest: await digestFiles(folder, files, clip),
    async *load(start, end) {
      const paths = files.slice(start * clip, end * clip)
        .map((name) => join(folder, name));
      let item: Image[] = [];
      let error: string | undefined;
      for await (const frame of loader.load(paths, options)) {
        const place = frame.index % clip;
        if (frame.image !== undefined) item.push(frame.image);
        else {
          error ??= (clip > 1 ? `picture ${place + 1} of ${clip}: ` : "") +
            (frame.error ?? "no image");
        }
        if (place !== clip - 1) continue;
        const index = start + Math.floor(frame.index / clip);
        yield error === undefined
          ? { index, levels: joined(item) }
          : { index, error };
        item = [];
        error = undefined;
      }
    },
    [Symbol.dispose]: () => loader[Symbol.dispose](),
  };
}

/**
 * Digests names and content: times and sizes do not tell one file from
 * another that took its place. A file that cannot be read counts as such.
 */
async function digestFiles(
  folder: string,
  names: readonly string[],
  clip: number,
): Promise<string> {
  const hash = createHash("sha256").update(`${clip}\n`);
  const digests = await severalAtOnce(
    names,
    (name) => digestFile(join(folder, name)).catch(() => "unreadable"),
  );
  names.forEach((name, i) => hash.update(`${name}\n${digests[i]}\n`));
  return hash.digest("hex");
}

async function openArray(
  path: string,
  options: FrameOptions,
  clip?: number,
): Promise<ImageSource> {
  const file = await readNpz(path);
  const rank = clip === undefined ? 4 : 5;
  const fits = file.names.filter((name) => {
    const info = file.info(name);
    return info?.dtype === "u1" && info.shape.length === rank &&
      info.shape.at(-1) === 3;
  });
  const [name = ""] = fits;
  const shape = file.info(name)?.shape ?? [];
  const frames = clip === undefined ? 1 : shape[1] ?? 0;
  const needed = clip === undefined
    ? "one array of uint8 with shape (n, height, width, 3)"
    : `one array of uint8 with shape (n, ${clip}, height, width, 3)`;
  if (fits.length !== 1 || frames !== (clip ?? 1)) {
    const has = file.names.map((each) => {
      const info = file.info(each);
      return info === undefined
        ? `${each}: not read`
        : `${each}: ${info.dtype} (${info.shape.join(", ")})`;
    });
    file[Symbol.dispose]();
    throw new Error(
      `Cannot read images of ${path}: it holds ${
        has.join("; ") || "no array"
      }, needed ${needed}`,
    );
  }
  const [count = 0] = shape;
  const [height = 0, width = 0] = shape.slice(-3);
  const own = height * width * 3;
  if (count * frames * own === 0) {
    file[Symbol.dispose]();
    throw new Error(
      `Cannot read images of ${path}: there is no image in "${name}", its shape is (${
        shape.join(", ")
      })`,
    );
  }
  return {
    names: Array.from({ length: count }, (_, i) => String(i)),
    frames,
    rest: [],
    digest: await digestFile(path),
    async *load(start, end) {
      for (let index = start; index < end; index++) {
        const row = (await file.readRows(name, index, 1)).data as Uint8Array;
        const item: Image[] = [];
        for (let i = 0; i < frames; i++) {
          const data = row.subarray(i * own, (i + 1) * own);
          item.push(fitFrame({ width, height, data }, options));
        }
        yield { index, levels: joined(item) };
      }
    },
    [Symbol.dispose]: () => file[Symbol.dispose](),
  };
}

function joined(images: readonly Image[]): Uint8Array {
  const one = images[0]?.data.length ?? 0;
  const levels = new Uint8Array(one * images.length);
  images.forEach(({ data }, i) => levels.set(data, i * one));
  return levels;
}
