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
  /** The network and its weights, for messages. */
  readonly network: string;
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

/** What stands before the values of an item in the folder. */
const [LOST, KEPT] = [0, 1];

/**
 * Runs a network on pictures or clips. Those that cannot be read are left out
 * and named.
 *
 * @param job what is run on what
 * @returns undefined if it was asked to stop
 * @throws {Error} if there is no item, none can be read, or a result is not
 *   finite: levels are always numbers, so the network is at fault
 */
export async function encodeImages(
  job: EncodingJob,
): Promise<EncodedImages | undefined> {
  const { source, size } = job;
  const total = source.names.length;
  if (total === 0) throw new Error("Cannot encode images: there are none");
  const reasons = new Map<number, string>();
  let fresh = 0;
  let seconds = 0;
  const cached = await cacheLatents({
    directory: job.folder,
    digest: job.digest,
    frames: total,
    size: 1 + size,
    shard: job.shard,
    encode: async function* (start, end) {
      let first = start;
      let began = performance.now();
      let waiting: { index: number; levels: Uint8Array }[] = [];
      /** The rows up to one, with those that wait computed. */
      const rowsTo = async (next: number) => {
        const rows = new Float32Array((next - first) * (1 + size)).fill(LOST);
        if (waiting.length > 0) {
          const all = waiting.map(({ levels }) => levels);
          const results = await applied(job, all);
          for (const [i, { index }] of waiting.entries()) {
            const row = results.subarray(i * size, (i + 1) * size);
            if (!row.every(Number.isFinite)) {
              throw await notFinite(job, source.names[index] ?? "", row);
            }
            const at = (index - first) * (1 + size);
            rows[at] = KEPT;
            rows.set(row, at + 1);
          }
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
  const rows = store.read(0, total);
  const all = source.names.map((_, i) => i);
  const isKept = (i: number) => rows[i * (1 + size)] === KEPT;
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
    const start = row * (1 + size) + 1;
    data.set(rows.subarray(start, start + size), i * size);
  });
  const names = kept.map((row) => source.names[row] ?? "");
  return { data, names, lost, rate: fresh === 0 ? 0 : fresh / seconds };
}

/** Tells whether the weights are at fault, by what they make of grey. */
async function notFinite(
  job: EncodingJob,
  name: string,
  row: Float32Array,
): Promise<Error> {
  const { source: { frames }, side, size, network } = job;
  const place = row.findIndex((value) => !Number.isFinite(value));
  const grey = new Uint8Array(frames * side * side * 3).fill(128);
  const isSound = (await applied(job, [grey])).every(Number.isFinite);
  const reason = isSound
    ? "plain grey gives finite ones, so its values become too large for this picture; leave it out"
    : "plain grey gives none either, so its weights are damaged; use others";
  return new Error(
    `Cannot encode ${name} by ${network}: value ${place} of ${size} is ${
      row[place]
    }, needed finite numbers; ${reason}`,
  );
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
