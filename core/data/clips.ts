/**
 * The camera at its own rate: clips that end at a keyframe, as video encoders
 * take them.
 *
 * @module
 */

import { join } from "@std/path";
import { z } from "zod";
import { readJsonArray } from "./json_stream.ts";
import { checkRow } from "./rows.ts";
import type { Dataset, Scene } from "./scene.ts";

/** Frames of a clip, at 12 Hz. */
export const CLIP_FRAMES = 16;

/** Camera frames from one keyframe to the next. */
const PER_KEYFRAME = 6;

/**
 * Which frames a clip is made of. `sweeps`: those that precede the keyframe.
 * `keyframes`: as the published code did, which had no other files: each
 * missing frame is the keyframe before it, and the clip begins with its last
 * one. `still`: the keyframe again and again, a control.
 */
export type ClipSource = "sweeps" | "keyframes" | "still";

/** The camera frames of a scene, in the order of time. */
export interface CameraTrack {
  /** Image files from the dataset's root; absent where there is no file. */
  readonly paths: readonly (string | undefined)[];
  /** Index of each kept keyframe. */
  readonly keyframes: readonly number[];
}

const ROW = z.object({
  token: z.string().min(1),
  prev: z.string().optional(),
  filename: z.string(),
  is_key_frame: z.boolean(),
});

type Row = z.infer<typeof ROW>;

/** A track of keyframes alone, with gaps for the frames between. */
function sparseTrack({ keyframes }: Scene): CameraTrack {
  const paths = keyframes.flatMap(({ imagePath }, i) =>
    i === 0
      ? [imagePath]
      : [...Array<undefined>(PER_KEYFRAME - 1).fill(undefined), imagePath]
  );
  return { paths, keyframes: keyframes.map((_, i) => i * PER_KEYFRAME) };
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isFile }) => isFile, () => false);
}

/** The chain of rows that ends at a scene's last keyframe. */
async function trackOf(
  root: string,
  scene: Scene,
  tokens: readonly string[],
  rows: ReadonlyMap<string, Row>,
): Promise<CameraTrack> {
  const chain: Row[] = [];
  const seen = new Set<string>();
  let at = tokens.at(-1);
  while (at !== undefined && at !== "" && !seen.has(at)) {
    seen.add(at);
    const row = rows.get(at);
    if (row === undefined) break;
    chain.push(row);
    at = row.prev;
  }
  chain.reverse();
  const places = new Map(chain.map(({ token }, i) => [token, i]));
  const keyframes = tokens.map((token) => places.get(token) ?? -1);
  const hasSweeps = chain.some((row) => !row.is_key_frame);
  if (keyframes.includes(-1) || !hasSweeps) return sparseTrack(scene);
  const paths: (string | undefined)[] = [];
  for (const { filename } of chain) {
    paths.push(await isFile(join(root, filename)) ? filename : undefined);
  }
  return { paths, keyframes };
}

/**
 * Finds the camera frames of every scene, the sweeps between keyframes too,
 * where the dataset has them.
 *
 * @param dataset as read
 * @returns by the names of scenes
 * @throws {Error} if a row of sample_data.json is no such row
 */
export async function readCameraTracks(
  dataset: Dataset,
): Promise<Map<string, CameraTrack>> {
  const { root, version, records, scenes } = dataset;
  const path = join(root, version, "sample_data.json");
  const rows = new Map<string, Row>();
  await readJsonArray(path, (value, place) => {
    const row = checkRow(ROW, value, path, place);
    rows.set(row.token, row);
  }, { filter: (text) => text.includes("/CAM_FRONT/") });
  const kept = Map.groupBy(
    records.filter(({ dropReason }) => dropReason === undefined),
    ({ sceneName }) => sceneName,
  );
  const tracks = new Map<string, CameraTrack>();
  for (const scene of scenes) {
    const tokens = (kept.get(scene.name) ?? [])
      .map(({ cameraToken }) => cameraToken);
    tracks.set(scene.name, await trackOf(root, scene, tokens, rows));
  }
  return tracks;
}

/**
 * Whether a track has frames between its keyframes.
 *
 * @param track of a scene
 */
export function hasSweeps({ paths, keyframes }: CameraTrack): boolean {
  const known = new Set(keyframes);
  return paths.some((path, i) => path !== undefined && !known.has(i));
}

/**
 * The frames of the clip that ends at a keyframe, oldest first. Before the
 * scene's start its first frame is repeated; a frame without a file is the one
 * before it, and before any is known the keyframe.
 *
 * Source: published code, `scripts/embeddings/embed_full.py`.
 *
 * @param track of the scene
 * @param keyframe which of its keyframes
 * @param source of the frames
 * @returns 16 indices of `track.paths`
 * @throws {RangeError} if there is no such keyframe
 */
export function clipFrames(
  { paths, keyframes }: CameraTrack,
  keyframe: number,
  source: ClipSource,
): number[] {
  const last = keyframes[keyframe];
  if (last === undefined) {
    throw new RangeError(
      `Cannot make a clip of keyframe ${keyframe}: the scene has ${keyframes.length}`,
    );
  }
  if (source === "still") return Array<number>(CLIP_FRAMES).fill(last);
  const known = new Set(keyframes);
  let latest = last;
  return Array.from({ length: CLIP_FRAMES }, (_, i) => {
    const at = Math.max(0, last - CLIP_FRAMES + 1 + i);
    const isThere = source === "keyframes"
      ? known.has(at)
      : paths[at] !== undefined;
    if (isThere) latest = at;
    return latest;
  });
}
