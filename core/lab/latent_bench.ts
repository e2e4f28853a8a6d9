import { OrthogonalProjection } from "../encoders/projection.ts";
import type { Artifact } from "../experiment/artifact.ts";
import { digestJson } from "../experiment/artifact_files.ts";
import {
  readSafetensors,
  toFloat32,
  writeSafetensors,
} from "../formats/safetensors.ts";
import {
  LatentFutureModel,
  type LatentSizes,
} from "../models/latent_future.ts";
import type { StateEntry } from "../nn/module.ts";
import { parameters } from "../nn/parameters.ts";
import {
  type LatentFrames,
  type LatentTraining,
  trainLatentFuture,
} from "../training/latent_future.ts";
import type { BenchPart, Embeddings, EncoderBench } from "./encoder_bench.ts";
import { ROLES } from "./encoder_entries.ts";
import type { EncoderRole } from "./encoder_entries.ts";
import type { LatentParams, Variant } from "./latent_variants.ts";
import type { Pooling } from "./pooling.ts";

/** What experiments that predict embeddings work with. */
export type LatentBench<P extends LatentParams = LatentParams> = EncoderBench<
  P
>;

/** Which latents are predicted. */
export interface LatentsOf {
  /** Role of the encoder. */
  readonly encoder: EncoderRole;
  /** Steps predicted. */
  readonly horizon: number;
  /** Seed of the projection, and of what is trained. */
  readonly seed: number;
  /** What is kept of a frame. */
  readonly pooling: Pooling;
}

/** A part of a dataset as latents. */
export interface LatentPart {
  /** Standardized. */
  readonly frames: LatentFrames;
  /** (N, S D), as they are compared. */
  readonly raw: Float32Array<ArrayBuffer>;
  /** Row of each window's present. */
  readonly starts: readonly number[];
  /** Scene of each window. */
  readonly scenes: readonly string[];
}

/** Latents of both parts, and what undoes the standardization. */
export interface Latents {
  /** Parts. */
  readonly parts: Readonly<Record<BenchPart, LatentPart>>;
  /** (D) */
  readonly mean: Float64Array;
  /** (D) */
  readonly std: Float64Array;
  /** Sizes of its models. */
  readonly sizes: LatentSizes;
}

/** Facts of a trained model. */
export interface LatentFacts {
  /** Trained values. */
  readonly parameters: number;
  /** Loss of the first and of the last pass. */
  readonly loss: readonly [number, number];
}

/** Names of the run's encoders by role. */
export async function encoderNames(
  bench: LatentBench,
): Promise<Map<EncoderRole, string>> {
  const stored = await bench.stored;
  const found = stored === undefined
    ? (await bench.entries()).flatMap(({ role, name }) =>
      role ? [[role, name] as const] : []
    )
    : bench.params.encoders.flatMap((role) =>
      stored.names.includes(ROLES[role].published)
        ? [[role, ROLES[role].published] as const]
        : []
    );
  const names = new Map(found);
  const missing = bench.params.encoders.filter((role) => !names.has(role));
  if (missing.length === 0) return names;
  throw new Error(
    `Cannot predict latents of ${
      missing.join(", ")
    }: ${bench.context.flags.files.embeddings} has no ${
      missing.map((role) => `${ROLES[role].published}.npz`).join(", ")
    }`,
  );
}

/**
 * Titles of the run's encoders by role: stand-ins are named as this project's.
 *
 * @param bench with embeddings
 */
export async function encoderTitles(
  bench: LatentBench,
): Promise<Readonly<Record<string, string>>> {
  if (await bench.stored !== undefined) {
    return Object.fromEntries(
      Object.entries(ROLES).map(([role, { title }]) => [role, title]),
    );
  }
  return Object.fromEntries(
    (await bench.entries()).flatMap(({ role, title }) =>
      role ? [[role, title]] : []
    ),
  );
}

/** Presents of all windows of a horizon: rows whose scene goes on that long. */
function startsOf(scenes: readonly string[], horizon: number): number[] {
  return [...scenes.keys()]
    .filter((row) => scenes[row] === scenes[row + horizon]);
}

/**
 * Mean and deviation of each value of a token, over rows that may repeat.
 *
 * @param rows (N, S D)
 * @param dim D
 * @param weights of each row: how often it counts
 * @returns deviations unbiased, at least 1e-6
 */
export function latentStatistics(
  rows: Float32Array,
  dim: number,
  weights: ArrayLike<number>,
): { mean: Float64Array; std: Float64Array } {
  const own = rows.length / weights.length;
  let n = 0;
  const over = (of: (value: number, d: number) => number) => {
    const sums = new Float64Array(dim);
    n = 0;
    for (let row = 0; row < weights.length; row++) {
      const weight = weights[row]!;
      if (weight === 0) continue;
      n += weight * own / dim;
      for (let i = 0; i < own; i++) {
        sums[i % dim]! += weight * of(rows[row * own + i]!, i % dim);
      }
    }
    return sums;
  };
  const total = over((value) => value);
  const mean = total.map((sum) => sum / n);
  const squares = over((value, d) => (value - mean[d]!) ** 2);
  const std = squares.map((sum) => Math.max(1e-6, Math.sqrt(sum / (n - 1))));
  return { mean, std };
}

/** How often the rows are in windows: as presents, and as futures. */
function timesInWindows(
  count: number,
  starts: readonly number[],
  last: number,
): Uint32Array {
  const times = new Uint32Array(count);
  for (const row of starts) {
    for (let k = 0; k <= last; k++) times[row + k]!++;
  }
  return times;
}

/** Rows by a frozen orthogonal matrix, in float64. */
function projected(
  { rows, width }: Embeddings,
  to: number,
  seed: number,
): Float32Array<ArrayBuffer> {
  if (width === to) return rows;
  using projection = new OrthogonalProjection(width, seed, to);
  const { matrix } = projection;
  const count = rows.length / width;
  const result = new Float32Array(count * to);
  for (let row = 0; row < count; row++) {
    for (let j = 0; j < to; j++) {
      let sum = 0;
      for (let i = 0; i < width; i++) {
        sum += matrix[j * width + i]! * rows[row * width + i]!;
      }
      result[row * to + j] = sum;
    }
  }
  return result;
}

/**
 * Reads latents of both parts. Pooled ones are projected to the width of the
 * run, and standardized by the presents and futures of the training windows of
 * the first horizon; grids by the training presents, all places together.
 *
 * Source: published code; the MLPs of longer horizons there have the
 * statistics of horizon 4, too.
 *
 * @param bench with embeddings
 * @param of which latents
 * @throws {RangeError} if a part has no window of that horizon
 */
export async function latentsOf(
  bench: LatentBench,
  of: LatentsOf,
): Promise<Latents> {
  const { encoder, horizon, seed, pooling } = of;
  const { width, blocks, heads, horizons } = bench.params;
  const name = (await encoderNames(bench)).get(encoder)!;
  const isGrid = pooling === "grid";
  const given = {
    train: await bench.embeddings(name, "train", pooling),
    test: await bench.embeddings(name, "test", pooling),
  };
  const native = isGrid ? await gridWidth(bench, name) : width;
  const tokens = isGrid ? given.train.width / native : 1;
  const raw = {
    train: isGrid ? given.train.rows : projected(given.train, width, seed),
    test: isGrid ? given.test.rows : projected(given.test, width, seed),
  };
  const seen = startsOf(given.train.scenes, isGrid ? horizon : horizons[0]!);
  const count = given.train.scenes.length;
  const times = timesInWindows(count, seen, isGrid ? 0 : horizons[0]!);
  const { mean, std } = latentStatistics(raw.train, native, times);
  const part = (which: BenchPart): LatentPart => {
    const { scenes, actions } = given[which];
    const starts = startsOf(scenes, horizon);
    if (starts.length === 0) {
      throw new RangeError(
        `Cannot predict ${horizon} steps: no ${which} scene has more than ${horizon} keyframes; use shorter --horizons`,
      );
    }
    const rows = raw[which].map((value, i) =>
      (value - mean[i % native]!) / std[i % native]!
    );
    return {
      frames: { rows, actions },
      raw: raw[which],
      starts,
      scenes: starts.map((row) => scenes[row]!),
    };
  };
  return {
    parts: { train: part("train"), test: part("test") },
    ...{ mean, std },
    sizes: { horizon, tokens, dim: native, blocks, heads },
  };
}

/** Width of a token of an encoder. */
async function gridWidth(bench: LatentBench, name: string): Promise<number> {
  const entry = (await bench.entries()).find((one) => one.name === name)!;
  using network = entry.create();
  return network.width;
}

/** Budget of a variant. */
function budgetOf(
  params: LatentParams,
  { budget, spec }: Variant,
  seed: number,
): LatentTraining {
  const { epochs, batch, lr, decay } = params;
  const { directEpochs, directBatch, directLr } = params;
  const isLong = budget === "diffusion";
  return {
    ...(isLong
      ? { epochs, batch, lr }
      : { epochs: directEpochs, batch: directBatch, lr: directLr }),
    clip: spec.network === "mlp" || spec.network === "token-mlp" ? 0 : 1,
    ...{ decay, seed },
  };
}

/** The spec of a variant with the widths of a run. */
function specOf({ hidden, flatHidden }: LatentParams, variant: Variant) {
  const { network } = variant.spec;
  const isMlp = network === "mlp" || network === "token-mlp";
  return isMlp
    ? { ...variant.spec, hidden: variant.isWide ? flatHidden : hidden }
    : variant.spec;
}

/**
 * Finds a trained model of the diagnosis, or trains it.
 *
 * @param bench with embeddings
 * @param of which latents
 * @param variant which model
 * @param latents those
 * @throws {Interrupted} if it was asked to stop
 */
export async function latentTraining(
  bench: LatentBench,
  of: LatentsOf,
  variant: Variant,
  latents: Latents,
): Promise<Artifact<LatentFacts>> {
  const { gpu, params, context: { artifacts, interrupt, log } } = bench;
  const { train } = latents.parts;
  const spec = specOf(params, variant);
  const budget = budgetOf(params, variant, of.seed);
  const bytes = new Uint8Array(train.frames.rows.buffer);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const all = {
    ...{ of: { ...of }, spec, sizes: { ...latents.sizes }, budget },
    ...{ data: [...digest].map((byte) => byte.toString(16)).join() },
  };
  return await artifacts.make<LatentFacts>({
    kind: "latent-future",
    by: [import.meta.url, new URL("../gpu/gpu.ts", import.meta.url).href],
    spec: all,
  }, async (folder) => {
    const line = bench.context.progress(`train ${variant.title}`);
    const made = await trainLatentFuture(
      gpu,
      spec,
      latents.sizes,
      train.frames,
      train.starts,
      budget,
      {
        checkpoint: folder.scratch("checkpoint.safetensors"),
        digest: digestJson(all, "latent-future"),
        progress: ({ step, steps, ...loss }) =>
          line.update({ done: step, total: steps, ...loss }),
        shouldStop: () => interrupt.requested,
      },
    );
    line.end();
    if (made === undefined) {
      interrupt.check();
      throw new Error("Stopped while training a model of the diagnosis");
    }
    await writeSafetensors(folder.file("last.safetensors"), made.last);
    await writeSafetensors(folder.file("average.safetensors"), made.average);
    const { loss } = made.curve;
    return {
      parameters: new LatentFutureModel(spec, latents.sizes).parameterCount,
      loss: [loss[0] ?? 0, loss.at(-1) ?? 0],
    };
  }, { interrupt, log, remake: true });
}

/**
 * Puts a trained model on the device.
 *
 * @param bench with embeddings
 * @param made its training
 * @param variant which model
 * @param sizes of it
 * @param weights averaged, or of the last step
 */
export async function placedLatentModel(
  bench: LatentBench,
  made: Artifact<LatentFacts>,
  variant: Variant,
  sizes: LatentSizes,
  weights: "last" | "average",
): Promise<{ model: LatentFutureModel } & Disposable> {
  const model = new LatentFutureModel(specOf(bench.params, variant), sizes);
  const path = made.file(`${weights}.safetensors`);
  using file = await readSafetensors(path);
  const state: Record<string, StateEntry> = {};
  for (const name of file.names) {
    const value = await file.read(name);
    state[name] = { shape: value.shape, data: toFloat32(value) };
  }
  model.loadStateDict(state, path);
  const store = parameters(bench.gpu, model);
  return { model, [Symbol.dispose]: () => store[Symbol.dispose]() };
}
