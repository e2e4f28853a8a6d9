/**
 * Memorization: how near samples are to training frames, against how near real
 * frames are that no model has seen.
 *
 * @module
 */

import { join } from "@std/path";
import { takeRows } from "../data/latents.ts";
import {
  readSafetensors,
  toFloat32,
  writeSafetensors,
} from "../formats/safetensors.ts";
import { nearestRows } from "../metrics/memorization.ts";
import { spaced } from "./data.ts";
import type { PointNumbers } from "./failure_modes.ts";
import type { Lab } from "./lab.ts";
import type { PartName } from "./latents.ts";
import { pairFutures, type PairSpec } from "./pair.ts";
import { pairColumns, pairPlaces } from "./pair_scores.ts";
import { levelsOf } from "./pictures.ts";
import { batchesOf } from "./batches.ts";

/** Frames with what neighbours are looked for in. */
interface FrameSet {
  /** Rows in their part. */
  readonly rows: readonly number[];
  /** Scene of each, from 0. */
  readonly scenes: readonly number[];
  /** (frames, latent values) */
  readonly latents: Float32Array;
  /** (frames, width) features of the decoded latents */
  readonly features: Float32Array;
}

/** Features of decoded latents, batch by batch. */
async function decodedFeatures(
  lab: Lab,
  latents: Float32Array,
  count: number,
): Promise<Float32Array<ArrayBuffer>> {
  const { decode, features, featureWidth } = await lab.networks();
  const size = latents.length / count;
  const all = new Float32Array(count * featureWidth);
  const line = lab.context.progress("decode neighbours");
  for (const batch of batchesOf(count, lab.params.evalBatch)) {
    lab.context.interrupt.check();
    const [first = 0] = batch;
    line.update({ done: first, total: count });
    const own = latents.subarray(first * size, (first + batch.length) * size);
    all.set(await features(await decode(own)), first * featureWidth);
  }
  line.end();
  return all;
}

/** Frames of a part with their features, which are computed once. */
async function frameSet(
  lab: Lab,
  name: PartName,
  rows: readonly number[],
): Promise<FrameSet> {
  const { latents, digest, frameScenes } = await lab.part(name);
  const { featureDigest, vaeDigest } = await lab.networks();
  const own = takeRows(latents, rows);
  const made = await lab.make({
    by: import.meta.url,
    kind: "frame-features",
    spec: { rows, features: featureDigest, vae: vaeDigest },
    from: [digest],
  }, async (folder) => {
    const data = await decodedFeatures(lab, own, rows.length);
    const shape = [rows.length, data.length / rows.length];
    await writeSafetensors(folder.file("features.safetensors"), {
      features: { shape, data },
    });
    return { frames: rows.length };
  });
  using file = await readSafetensors(join(made.path, "features.safetensors"));
  return {
    rows,
    scenes: rows.map((row) => frameScenes[row]!),
    latents: own,
    features: toFloat32(await file.read("features")),
  };
}

/** The first frames of some evenly spaced scenes of a part. */
function firstFrames(
  { frameScenes }: { readonly frameScenes: readonly number[] },
  scenes: number,
  each: number,
): number[] {
  const rows = Map.groupBy(frameScenes.keys(), (row) => frameScenes[row]!);
  return spaced([...rows.values()], scenes)
    .flatMap((own) => own.slice(0, each));
}

/** Training frames, and as many seen as unseen ones. */
export interface MemoryFrames {
  /** Evenly spaced training frames, that a copy would be of. */
  readonly training: FrameSet;
  /** First frames of training scenes. */
  readonly seen: FrameSet;
  /** First frames of as many test scenes. */
  readonly unseen: FrameSet;
}

/**
 * Finds the frames that neighbours are looked for in.
 *
 * @param lab latents and networks
 * @param most frames of a set
 * @throws {Interrupted} if it was asked to stop
 */
export async function memoryFrames(
  lab: Lab,
  most: number,
): Promise<MemoryFrames> {
  const [train, test] = [await lab.part("train"), await lab.part("test")];
  const count = (of: { readonly frameScenes: readonly number[] }) =>
    new Set(of.frameScenes).size;
  const scenes = Math.min(count(train), count(test));
  const perScene = test.frameScenes.length / count(test);
  const each = Math.max(1, Math.floor(Math.min(most / scenes, perScene)));
  return {
    training: await frameSet(
      lab,
      "train",
      spaced([...train.paths.keys()], most),
    ),
    seen: await frameSet(lab, "train", firstFrames(train, scenes, each)),
    unseen: await frameSet(lab, "test", firstFrames(test, scenes, each)),
  };
}

/** What two kinds of distances are between. */
const SPACES = ["latents", "features"] as const;

/** Points whose neighbours are looked for, in the order of tables. */
export const MEMORY_POINTS = {
  calibrated: "Diffusion, calibrated",
  raw: "Diffusion, raw",
  direct: "Direct regression",
  real: "Held-out real frames",
  control: "Training frames through the VAE once more (control)",
} as const;

/** What is known of the neighbours of a pair's samples. */
export interface Memory {
  /** Distances by point, see {@linkcode memory}. */
  readonly points: Readonly<Record<string, PointNumbers>>;
  /** Row of the nearest training frame of each sample, by space. */
  readonly nearest: Readonly<
    Record<typeof SPACES[number], readonly number[]>
  >;
}

/**
 * Measures how near the samples of a pair are to training frames: of each the
 * distance to the nearest of evenly spaced training frames, `latents` and
 * `features`, and those to the nearest of equally many seen and unseen frames,
 * `latentsSeen`, `latentsUnseen`, and so on. Scenes of the sample itself are
 * left out of the unseen frames, and as many of the seen ones. Features are those
 * of decoded frames, on all sides.
 *
 * The control is what copies would score: training frames, encoded and decoded
 * once more.
 *
 * @param lab windows, networks, parameters
 * @param of which pair
 * @param step of the horizon, from 0
 * @param most frames of a set
 * @throws {Interrupted} if it was asked to stop
 */
export async function memory(
  lab: Lab,
  of: PairSpec,
  step: number,
  most: number,
): Promise<Memory> {
  const { training, seen, unseen } = await memoryFrames(lab, most);
  const { encode, decode } = await lab.networks();
  const test = await lab.part("test");
  using pair = await pairFutures(lab, of);
  const { points, at } = await pairPlaces(lab, pair, step);
  const { measured, windows } = await pairColumns(lab, pair, step);
  const all = [...windows.keys()];
  const line = lab.context.progress("find neighbours");
  const chosen = spaced([...training.rows.keys()], windows.length);
  const size = training.latents.length / training.rows.length;
  const copied = new Float32Array(chosen.length * size);
  for (const batch of batchesOf(chosen.length, lab.params.evalBatch)) {
    const some = new Float32Array(batch.length * size);
    batch.forEach((i, k) => {
      const from = chosen[i]! * size;
      some.set(training.latents.subarray(from, from + size), k * size);
    });
    const again = await encode(levelsOf(await decode(some)));
    copied.set(again, batch[0]! * size);
  }
  const sets = [
    ...(["calibrated", "raw", "direct"] as const).map((name) => ({
      name,
      latents: points[name]!.latents(all),
      features: measured[name]!.features,
    })),
    {
      name: "real",
      latents: at.real(all),
      features: measured.decoded!.features,
    },
    {
      name: "control",
      latents: copied,
      features: await decodedFeatures(lab, copied, chosen.length),
    },
  ];
  const sceneOf = (i: number) => test.frameScenes[windows[i]!.row]!;
  const places = new Map(
    [...new Set(unseen.scenes)].map((scene, place) => [scene, place]),
  );
  const seenScenes = [...new Set(seen.scenes)];
  const nearest: Record<string, readonly number[]> = {};
  const found: Record<string, PointNumbers> = {};
  for (const [k, set] of sets.entries()) {
    line.update({ done: k, total: sets.length });
    const isControl = set.name === "control";
    const numbers: Record<string, readonly number[]> = {};
    for (const space of SPACES) {
      lab.context.interrupt.check();
      const [rows, width] = [
        set[space],
        set[space].length / (isControl ? chosen : windows).length,
      ];
      const near = nearestRows(rows, training[space], width);
      numbers[space] = near.distances;
      if (set.name === "calibrated") {
        nearest[space] = near.rows.map((row) => training.rows[row]!);
      }
      if (isControl) continue;
      const place = (i: number) => places.get(sceneOf(i));
      numbers[`${space}Seen`] = nearestRows(
        rows,
        seen[space],
        width,
        (i, j) => seen.scenes[j] !== seenScenes[place(i) ?? -1],
      ).distances;
      numbers[`${space}Unseen`] = nearestRows(
        rows,
        unseen[space],
        width,
        (i, j) => unseen.scenes[j] !== sceneOf(i),
      ).distances;
    }
    const scenes = isControl
      ? chosen.map((i) => `training ${training.scenes[i]}`)
      : windows.map(({ scene }) => scene);
    found[set.name] = { scenes, numbers };
  }
  line.end();
  return { points: found, nearest: nearest as Memory["nearest"] };
}
