import { createHash } from "node:crypto";
import { join } from "@std/path";
import { readSafetensors, writeSafetensors } from "../formats/safetensors.ts";

/** Rows of equally many values, read when they are needed. */
export interface LatentRows {
  /** Number of rows: frames, scene after scene. */
  readonly frames: number;
  /** Values of a row. */
  readonly size: number;
  /**
   * Reads rows `[start, end)`.
   *
   * @returns (end - start, size), memory of its own
   * @throws {RangeError} if there are no such rows
   */
  read(start: number, end: number): Float32Array<ArrayBuffer>;
}

/** Shards of latents: what they are of, and where they are. */
export interface LatentShards {
  /** Folder of the shards. */
  readonly directory: string;
  /** Digest of all that changes the values. */
  readonly digest: string;
  /** Number of frames. */
  readonly frames: number;
  /** Values of a frame's latents. */
  readonly size: number;
  /** Frames of a shard. Default 512. */
  readonly shard?: number;
}

/** What is encoded, how, and where it is kept; the folder is made. */
export interface LatentJob extends LatentShards {
  /**
   * Encodes frames `[start, end)`, the rest of one shard, in order and batch by
   * batch; each batch is kept before the next one is asked for.
   *
   * @returns (B, size) of every batch
   */
  readonly encode: (start: number, end: number) => AsyncIterable<Float32Array>;
  /** Which share of the shards to make, if not all. */
  readonly share?: Share;
  /**
   * Told before and after every batch how many frames of the share are there,
   * and how many it has.
   */
  readonly progress?: (done: number, frames: number) => void;
  /** Asked before every batch; true to stop. */
  readonly shouldStop?: () => boolean;
}

/** One of several equal shares of a work: every so manieth of its pieces. */
export interface Share {
  /** Which share, from 0. */
  readonly index: number;
  /** How many there are. */
  readonly of: number;
}

/** Latents that were encoded, now or before. */
export interface LatentCache {
  /** All of them, in the order of the frames. */
  readonly latents: LatentStore;
  /** Frames that were encoded now; the others came from the cache. */
  readonly encoded: number;
}

const DEFAULT_SHARD = 512;

/** Shards whose files are open at once, far below what a process may open. */
const MOST_OPEN = 64;

/** A shard's file. */
interface Shard {
  readonly path: string;
  /** Byte at which its values begin. */
  readonly offset: number;
}

function* shardsOf(
  { directory, frames, shard = DEFAULT_SHARD }: LatentShards,
): Generator<{ path: string; start: number; end: number }> {
  for (let start = 0; start < frames; start += shard) {
    const number = String(start / shard).padStart(5, "0");
    const path = join(directory, `latents-${number}.safetensors`);
    yield { path, start, end: Math.min(frames, start + shard) };
  }
}

/**
 * Looks at the header of a shard.
 *
 * @returns undefined if there is no such file
 */
async function openShard(
  path: string,
  digest: string,
  rows: number,
  size: number,
): Promise<Shard | undefined> {
  let bytes: number;
  try {
    ({ size: bytes } = await Deno.stat(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  using file = await readSafetensors(path);
  if (file.metadata.digest !== digest) {
    throw new Error(
      `Cannot use latents of ${path}: they belong to other frames or another encoder; remove the folder to encode again`,
    );
  }
  const { dtype, shape = [] } = file.info("latents") ?? {};
  if (
    dtype !== "F32" || file.names.length !== 1 ||
    `${shape}` !== `${[rows, size]}`
  ) {
    throw new Error(
      `Cannot use latents of ${path}: it holds ${dtype ?? "nothing"} (${
        shape.join(", ")
      }), needed F32 (${rows}, ${size})`,
    );
  }
  // The only tensor of the file ends where the file does.
  return { path, offset: bytes - 4 * rows * size };
}

/**
 * Latents in the shards of a folder, read by range. Nothing is held but some
 * open files: what was read before is in the system's cache of files.
 */
export class LatentStore implements LatentRows, Disposable {
  /** Number of rows. */
  readonly frames: number;
  /** Values of a row. */
  readonly size: number;
  readonly #shards: readonly Shard[];
  readonly #rowsOfShard: number;
  /** Open files by shard, the one that was used last at the end. */
  readonly #files = new Map<number, Deno.FsFile>();

  private constructor(shards: readonly Shard[], of: LatentShards) {
    this.#shards = shards;
    this.frames = of.frames;
    this.size = of.size;
    this.#rowsOfShard = of.shard ?? DEFAULT_SHARD;
  }

  /**
   * Opens latents that are all there.
   *
   * @param shards where they are, and what they must be of
   * @throws {Error} if a shard is missing, has another shape, or belongs to
   *   other frames or another encoder
   */
  static async open(shards: LatentShards): Promise<LatentStore> {
    const { digest, size } = shards;
    const found: Shard[] = [];
    for (const { path, start, end } of shardsOf(shards)) {
      const shard = await openShard(path, digest, end - start, size);
      if (shard === undefined) {
        throw new Error(
          `Cannot read latents of ${path}: there is no such file; remove the folder to encode again`,
        );
      }
      found.push(shard);
    }
    return new LatentStore(found, shards);
  }

  /**
   * Reads rows `[start, end)` without waiting for other work.
   *
   * @param start first row
   * @param end one past the last
   * @returns (end - start, size), memory of its own
   * @throws {RangeError} if there are no such rows
   * @throws {Error} if a file became shorter
   */
  read(start: number, end: number): Float32Array<ArrayBuffer> {
    const { frames, size } = this;
    if (!(start >= 0 && start <= end && end <= frames)) {
      throw new RangeError(
        `Cannot read latents ${start} to ${end}: there are ${frames}`,
      );
    }
    const values = new Float32Array((end - start) * size);
    const bytes = new Uint8Array(values.buffer);
    const own = 4 * size;
    for (let row = start; row < end;) {
      const shard = Math.floor(row / this.#rowsOfShard);
      const first = shard * this.#rowsOfShard;
      const last = Math.min(end, first + this.#rowsOfShard);
      const into = bytes.subarray((row - start) * own, (last - start) * own);
      this.#readShard(shard, (row - first) * own, into);
      row = last;
    }
    return values;
  }

  #readShard(index: number, start: number, into: Uint8Array): void {
    const { path, offset } = this.#shards[index]!;
    const file = this.#open(index, path);
    file.seekSync(offset + start, Deno.SeekMode.Start);
    for (let done = 0; done < into.length;) {
      const count = file.readSync(into.subarray(done));
      if (count === null) {
        throw new Error(
          `Cannot read latents of ${path}: it became shorter; remove the folder to encode again`,
        );
      }
      done += count;
    }
  }

  #open(index: number, path: string): Deno.FsFile {
    const file = this.#files.get(index) ?? Deno.openSync(path);
    this.#files.delete(index);
    this.#files.set(index, file);
    if (this.#files.size > MOST_OPEN) {
      const [[oldest, least] = []] = this.#files;
      least?.close();
      this.#files.delete(oldest ?? index);
    }
    return file;
  }

  /** Closes the files. */
  [Symbol.dispose](): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }
}

/**
 * Reads single rows, in any order.
 *
 * @param latents where from
 * @param rows which
 * @returns (rows, size)
 * @throws {RangeError} if there is no such row
 */
export function takeRows(
  latents: LatentRows,
  rows: readonly number[],
): Float32Array<ArrayBuffer> {
  const { size } = latents;
  const values = new Float32Array(rows.length * size);
  for (const [i, row] of rows.entries()) {
    values.set(latents.read(row, row + 1), i * size);
  }
  return values;
}

/** Bytes before the values of a batch: the number of rows, and a digest. */
const RECORD = { rows: 4, digest: 32 };

/**
 * A shard that is not whole: batches in a file beside it, each behind its
 * number of rows and the SHA-256 of its place and values. What a kill tore off
 * does not fit its digest, and is cut off.
 */
class BegunShard implements Disposable {
  /** (rows, size), as far as they are there. */
  readonly values: Float32Array<ArrayBuffer>;
  /** Rows that are there. */
  whole = 0;
  readonly #file: Deno.FsFile;
  readonly #path: string;
  readonly #digest: string;
  readonly #size: number;

  private constructor(
    file: Deno.FsFile,
    path: string,
    digest: string,
    [rows, size]: readonly [number, number],
  ) {
    this.#file = file;
    this.#path = path;
    this.#digest = digest;
    this.#size = size;
    this.values = new Float32Array(rows * size);
  }

  /**
   * Opens what was begun of a shard, or begins it.
   *
   * @param shard path of the whole shard
   * @param digest of all that changes the values
   * @param shape rows and values of a row
   */
  static async open(
    shard: string,
    digest: string,
    shape: readonly [number, number],
  ): Promise<BegunShard> {
    const path = `${shard}.begun`;
    const options = { read: true, write: true, create: true };
    const file = await Deno.open(path, options);
    const begun = new BegunShard(file, path, digest, shape);
    const bytes = await Deno.readFile(path);
    let at = 0;
    while (true) {
      const end = begun.#take(bytes, at);
      if (end === undefined) break;
      at = end;
    }
    await file.truncate(at);
    await file.seek(at, Deno.SeekMode.Start);
    return begun;
  }

  /** Takes the record at a byte; gives its end, or undefined if it is torn. */
  #take(
    bytes: Uint8Array<ArrayBuffer>,
    at: number,
  ): number | undefined {
    const start = at + RECORD.rows + RECORD.digest;
    if (start > bytes.length) return undefined;
    const rows = new DataView(bytes.buffer).getUint32(at, true);
    const first = this.whole * this.#size;
    const end = start + 4 * rows * this.#size;
    const fits = rows > 0 && end <= bytes.length &&
      first + rows * this.#size <= this.values.length;
    if (!fits) return undefined;
    const values = bytes.slice(start, end);
    const digest = this.#digestOf(values);
    if (digest.some((byte, i) => byte !== bytes[at + RECORD.rows + i])) {
      return undefined;
    }
    this.values.set(new Float32Array(values.buffer), first);
    this.whole += rows;
    return end;
  }

  #digestOf(values: Uint8Array): Uint8Array {
    return createHash("sha256").update(`${this.#digest} ${this.whole}\n`)
      .update(values).digest();
  }

  /**
   * Keeps a batch.
   *
   * @param batch (B, size)
   * @throws {Error} if it has no whole rows, or more than are missing
   */
  async append(batch: Float32Array): Promise<void> {
    const first = this.whole * this.#size;
    const rows = batch.length / this.#size;
    const given = first + batch.length;
    if (!Number.isInteger(rows) || given > this.values.length) {
      this.refuse(given);
    }
    this.values.set(batch, first);
    const values = new Uint8Array(
      this.values.buffer,
      4 * first,
      4 * batch.length,
    );
    const record = new Uint8Array(RECORD.rows + RECORD.digest + values.length);
    new DataView(record.buffer).setUint32(0, rows, true);
    record.set(this.#digestOf(values), RECORD.rows);
    record.set(values, RECORD.rows + RECORD.digest);
    for (let at = 0; at < record.length;) {
      at += await this.#file.write(record.subarray(at));
    }
    this.whole += rows;
  }

  /**
   * Ends the work of an encoder that gave another number of values.
   *
   * @throws {Error} always
   */
  refuse(given: number): never {
    throw new Error(
      `Cannot keep latents in ${this.#path}: the encoder gave ${given} values, needed ${this.values.length}`,
    );
  }

  /** Removes the file, once the shard is whole. */
  async remove(): Promise<void> {
    try {
      await Deno.remove(this.#path);
    } catch (error) {
      // Another run that shares the cache was faster.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/**
 * Encodes frames once and keeps them in shards: a second call does nothing, and
 * one that was stopped or killed goes on after the last whole batch. One shard
 * is in memory at a time.
 *
 * @param job what to encode
 * @returns frames that were encoded now, or undefined if it was asked to stop
 * @throws {Error} if a shard belongs to other frames or another encoder, or the
 *   encoder gives another number of values than the frames need
 */
export async function encodeLatents(
  job: LatentJob,
): Promise<number | undefined> {
  const { directory, digest, size } = job;
  const { index, of } = job.share ?? { index: 0, of: 1 };
  await Deno.mkdir(directory, { recursive: true });
  const missing: { path: string; start: number; end: number }[] = [];
  let total = 0;
  let done = 0;
  let number = 0;
  for (const shard of shardsOf(job)) {
    if (number++ % of !== index) continue;
    const rows = shard.end - shard.start;
    total += rows;
    const found = await openShard(shard.path, digest, rows, size);
    if (found === undefined) missing.push(shard);
    else done += rows;
  }
  let encoded = 0;
  job.progress?.(done, total);
  for (const { path, start, end } of missing) {
    const rows = end - start;
    using begun = await BegunShard.open(path, digest, [rows, size]);
    const before = begun.whole;
    const tell = () => job.progress?.(done + begun.whole, total);
    if (before > 0) tell();
    if (before < rows) {
      if (job.shouldStop?.()) return undefined;
      for await (const batch of job.encode(start + before, end)) {
        await begun.append(batch);
        tell();
        if (begun.whole < rows && job.shouldStop?.()) return undefined;
      }
    }
    if (begun.whole < rows) begun.refuse(begun.whole * size);
    await writeSafetensors(path, {
      latents: { shape: [rows, size], data: begun.values },
    }, { digest });
    await begun.remove();
    encoded += rows - before;
    done += rows;
  }
  return encoded;
}

/**
 * Encodes all frames, as {@linkcode encodeLatents} does, and opens them.
 *
 * @param job what to encode
 * @returns the latents, or undefined if it was asked to stop
 * @throws {Error} if a shard belongs to other frames or another encoder
 */
export async function cacheLatents(
  job: Omit<LatentJob, "share">,
): Promise<LatentCache | undefined> {
  const encoded = await encodeLatents(job);
  if (encoded === undefined) return undefined;
  return { latents: await LatentStore.open(job), encoded };
}
