import type { Gpu } from "../gpu/gpu.ts";
import { noGrad } from "../tensor/autograd.ts";
import { tensor } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ImageSource } from "./image_source.ts";
import { cacheLatents } from "./latents.ts";

/** Pictures or clips to run a network on. */
export interface EncodingJob {
  /** Device. */
  readonly gpu: Gpu;
  /** Pictures or clips. */
  readonly source: ImageSource;
  /** Side of a picture in pixels. */
  readonly side: number;
  /** Folder of what is done, by which an interrupted job goes on. */
  readonly folder: string;
  /** Digest of all that changes the result. */
  readonly digest: string;
  /** Items of a file in the folder. */
  readonly shard: number;
  /** Items on the device at once. */
  readonly batch: number;
  /** Values of an item's result. */
  readonly size: number;
  /** Turns a level from 0 to 255 into what the network takes. */
  readonly input: (level: number) => number;
  /**
   * Applies the network.
   *
   * @param x (B, side, side, 3), or (B, frames, side, side, 3) for clips
   * @returns (B, ...) of `size` values each
   */
  readonly apply: (x: Tensor) => Tensor;
  /** Told before and after every batch. */
  readonly progress: (done: number, total: number) => void;
  /** Asked before every batch; true to stop. */
  readonly shouldStop: () => boolean;
}

/** Results of the items that could be read. */
export interface EncodedImages {
  /** (n, size) */
  readonly data: Float32Array<ArrayBuffer>;
  /** Name of each item. */
  readonly names: readonly string[];
  /** The items that could not be read, with the reason where it is known. */
  readonly lost: readonly string[];
  /** Items a second, without those that were done before; 0 if all were. */
  readonly rate: number;
}

/**
 * Runs a network on pictures or clips. Those that cannot be read are left out
 * and named.
 *
 * @param job what is run on what
 * @returns undefined if it was asked to stop
 * @throws {Error} if no item can be read
 */
export async function encodeImages(
  job: EncodingJob,
): Promise<EncodedImages | undefined> {
  const { source, size } = job;
  const total = source.names.length;
  const reasons = new Map<number, string>();
  let fresh = 0;
  let seconds = 0;
  const cached = await cacheLatents({
    directory: job.folder,
    digest: job.digest,
    frames: total,
    size,
    shard: job.shard,
    encode: async function* (start, end) {
      let first = start;
      let began = performance.now();
      let waiting: { index: number; levels: Uint8Array }[] = [];
      /** The rows up to one, with those that wait computed. */
      const rowsTo = async (next: number) => {
        const rows = new Float32Array((next - first) * size).fill(NaN);
        if (waiting.length > 0) {
          const all = waiting.map(({ levels }) => levels);
          const results = await applied(job, all);
          waiting.forEach(({ index }, i) => {
            const row = results.subarray(i * size, (i + 1) * size);
            rows.set(row, (index - first) * size);
          });
        }
        fresh += waiting.length;
        waiting = [];
        first = next;
        seconds += (performance.now() - began) / 1000;
        began = performance.now();
        return rows;
      };
      for await (const { index, levels, error } of source.load(start, end)) {
        if (levels === undefined) reasons.set(index, error ?? "no image");
        else waiting.push({ index, levels });
        if (waiting.length === job.batch) yield await rowsTo(index + 1);
      }
      if (first < end) yield await rowsTo(end);
    },
    progress: job.progress,
    shouldStop: job.shouldStop,
  });
  if (cached === undefined) return undefined;
  using store = cached.latents;
  const latents = store.read(0, total);
  const all = source.names.map((_, i) => i);
  const isKept = (i: number) => !Number.isNaN(latents[i * size]);
  const kept = all.filter(isKept);
  const lost = all.filter((i) => !isKept(i)).map((i) =>
    `${source.names[i]}: ${reasons.get(i) ?? "it could not be read"}`
  );
  if (kept.length === 0) {
    throw new Error(
      `Cannot encode images: none of ${total} can be read; ${lost[0]}`,
    );
  }
  const data = new Float32Array(kept.length * size);
  kept.forEach((row, i) => {
    data.set(latents.subarray(row * size, (row + 1) * size), i * size);
  });
  const names = kept.map((row) => source.names[row] ?? "");
  return { data, names, lost, rate: fresh === 0 ? 0 : fresh / seconds };
}

/** Results of a batch, one after another. */
async function applied(
  { gpu, source, side, input, apply }: EncodingJob,
  items: readonly Uint8Array[],
): Promise<Float32Array> {
  using _ = gpu.scope();
  const own = source.frames * side * side * 3;
  const values = new Float32Array(items.length * own);
  items.forEach((levels, i) => {
    for (let k = 0; k < own; k++) values[i * own + k] = input(levels[k]!);
  });
  const image = [side, side, 3];
  const shape = source.frames === 1 ? image : [source.frames, ...image];
  const x = tensor(gpu, values).reshape([items.length, ...shape]);
  return await noGrad(() => apply(x)).read() as Float32Array;
}
