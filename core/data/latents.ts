import { join } from "@std/path";
import {
  readSafetensors,
  toFloat32,
  writeSafetensors,
} from "../formats/safetensors.ts";

/** Latents of frames, in the order they were asked for. */
export interface LatentCache {
  /** (frames, channels, height, width) */
  readonly latents: Float32Array<ArrayBuffer>;
  /** Frames that were encoded now; the others came from the cache. */
  readonly encoded: number;
}

/** What is encoded, how, and where it is kept. */
export interface LatentJob {
  /** Folder of the shards; made if it is missing. */
  readonly directory: string;
  /** Digest of dataset, frame size and encoder weights. */
  readonly digest: string;
  /** Number of frames. */
  readonly frames: number;
  /** Values of a frame's latents. */
  readonly size: number;
  /** Frames of a shard. Default 512. */
  readonly shard?: number;
  /**
   * Encodes frames `[start, end)`.
   *
   * @returns (end - start, size)
   */
  readonly encode: (start: number, end: number) => Promise<Float32Array>;
  /** Told after every shard. */
  readonly progress?: (done: number, frames: number) => void;
  /** Asked between shards; true to stop. */
  readonly shouldStop?: () => boolean;
}

/**
 * Encodes frames once and keeps them in shards: a second call reads, and one
 * that was interrupted goes on where it stopped.
 *
 * @param job what to encode
 * @returns all latents, or undefined if it was asked to stop
 * @throws {Error} if a shard belongs to other frames or another encoder
 */
export async function cacheLatents(
  job: LatentJob,
): Promise<LatentCache | undefined> {
  const { directory, digest, frames, size, shard = 512 } = job;
  await Deno.mkdir(directory, { recursive: true });
  const latents = new Float32Array(frames * size);
  let encoded = 0;
  for (let start = 0; start < frames; start += shard) {
    if (job.shouldStop?.()) return undefined;
    const end = Math.min(frames, start + shard);
    const name = `latents-${
      String(start / shard).padStart(5, "0")
    }.safetensors`;
    const path = join(directory, name);
    let values = await readShard(path, digest, (end - start) * size);
    if (values === undefined) {
      values = await job.encode(start, end);
      if (values.length !== (end - start) * size) {
        throw new Error(
          `Cannot keep latents in ${path}: the encoder gave ${values.length} values, needed ${
            (end - start) * size
          }`,
        );
      }
      await writeSafetensors(path, {
        latents: {
          shape: [end - start, size],
          data: Float32Array.from(values),
        },
      }, { digest });
      encoded += end - start;
    }
    latents.set(values, start * size);
    job.progress?.(end, frames);
  }
  return { latents, encoded };
}

async function readShard(
  path: string,
  digest: string,
  length: number,
): Promise<Float32Array | undefined> {
  try {
    await Deno.stat(path);
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
  const data = toFloat32(await file.read("latents"));
  if (data.length !== length) {
    throw new Error(
      `Cannot use latents of ${path}: it holds ${data.length} values, needed ${length}`,
    );
  }
  return data;
}
