/**
 * Reads datasets in the layout of nuScenes: tables, CAM_FRONT keyframes and
 * CAN bus.
 *
 * @module
 */

import { stringify } from "@std/csv";
import { join } from "@std/path";
import { MAX_CAN_ALIGNMENT_US } from "./can_bus.ts";
import { type ImageFault, imageFaults } from "./image_check.ts";
import {
  findVersion,
  type IndexFrame,
  type IndexScene,
  type NuscenesIndex,
  readIndex,
  type ReadProgress,
  readSceneTable,
} from "./nuscenes_index.ts";
import {
  type DataQuality,
  type Dataset,
  type DropReason,
  type Gap,
  type Keyframe,
  type KeyframeRecord,
  normalizeAction,
  rescaleActions,
  type Scene,
  zscoreOf,
} from "./scene.ts";
import { canBlacklist, splitScenes, type SplitSpec } from "./splits.ts";

/** Options of {@linkcode readNuscenes}. */
export interface NuscenesOptions {
  /** Folder of tables; found unless given, see `findVersion`. */
  readonly version?: string;
  /** Called often; what it prints is up to it. */
  readonly progress?: (progress: ReadProgress) => void;
  /** Folder that keeps the joined tables by content digest; made if missing. */
  readonly cache?: string;
  /**
   * "fixed" unless given, as in the published code; "zscore" as in the paper,
   * with the statistics of the training scenes of `split`.
   */
  readonly actions?: "fixed" | "zscore";
  /** Marks scenes with their part; "auto" if `actions` is "zscore". */
  readonly split?: SplitSpec;
  /**
   * Whether the scenes are those of nuScenes, so that the CAN blacklist and
   * the official lists apply. Unless given: whether all recordings are named
   * as there, such as "n015-2018-07-18-11-07-57+0800".
   */
  readonly official?: boolean;
  /** Whether to look at both ends of every image; true unless given. */
  readonly checkImages?: boolean;
}

const GAP_US = 750_000; // one and a half steps of 2 Hz
const OFFICIAL_LOG = /^n\d{3}-\d{4}-\d{2}-\d{2}-/;

/** Decides on every keyframe of a scene, images aside. */
function recordsOf(scene: IndexScene, blacklisted: boolean): KeyframeRecord[] {
  let previous = -1;
  return scene.frames.map((frame) => {
    const { sampleToken, cameraToken, imagePath, timestamp } = frame;
    const reason = dropReasonOf(scene, frame, blacklisted, previous);
    previous = timestamp;
    const { steerDt, poseDt, steerRaw, accelRaw } = frame;
    return {
      sceneToken: scene.token,
      sceneName: scene.name,
      sampleToken,
      cameraToken,
      imagePath,
      timestamp,
      blacklisted,
      hasSteer: scene.hasSteer,
      hasPose: scene.hasPose,
      ...(steerDt === undefined ? {} : { steerDt }),
      ...(poseDt === undefined ? {} : { poseDt }),
      ...(steerRaw === undefined ? {} : { steerRaw }),
      ...(accelRaw === undefined ? {} : { accelRaw }),
      ...(reason === undefined ? {} : { dropReason: reason }),
    };
  });
}

function dropReasonOf(
  scene: IndexScene,
  frame: IndexFrame,
  blacklisted: boolean,
  previous: number,
): DropReason | undefined {
  if (blacklisted) return "blacklisted_scene";
  if (!scene.hasSteer || !scene.hasPose) return "missing_CAN_messages";
  if (frame.timestamp === previous) return "duplicate_timestamp";
  const { steerDt = Infinity, poseDt = Infinity } = frame;
  const farthest = Math.max(Math.abs(steerDt), Math.abs(poseDt));
  return farthest <= MAX_CAN_ALIGNMENT_US ? undefined : "alignment_exceeded";
}

/** Adds what is wrong with images to records that have no reason so far. */
async function withImageFaults(
  root: string,
  records: readonly KeyframeRecord[],
  progress: NuscenesOptions["progress"],
): Promise<KeyframeRecord[]> {
  const looked = records.filter((record) => record.dropReason === undefined);
  const faults = await imageFaults(
    looked.map((record) => join(root, record.imagePath)),
    (done, total) => progress?.({ stage: "images", done, total }),
  );
  const byToken = new Map<string, ImageFault>();
  looked.forEach((record, i) => {
    const fault = faults[i];
    if (fault !== undefined) byToken.set(record.sampleToken, fault);
  });
  return records.map((record) => {
    const fault = byToken.get(record.sampleToken);
    return fault === undefined ? record : { ...record, dropReason: fault };
  });
}

function keptScenes(
  index: NuscenesIndex,
  records: readonly KeyframeRecord[],
): Scene[] {
  const kept = new Set(
    records.filter((record) => record.dropReason === undefined)
      .map((record) => record.sampleToken),
  );
  const scenes = index.scenes.map((scene): Scene => {
    const { token, name, description, logfile } = scene;
    const keyframes: Keyframe[] = [];
    for (const frame of scene.frames) {
      const { sampleToken, timestamp, imagePath, width, height } = frame;
      const { steerRaw, accelRaw } = frame;
      if (!kept.has(sampleToken)) continue;
      if (steerRaw === undefined || accelRaw === undefined) continue;
      keyframes.push({
        sampleToken,
        timestamp,
        imagePath,
        ...(width !== undefined && height !== undefined
          ? { imageSize: [width, height] as const }
          : {}),
        steerRaw,
        accelRaw,
        action: normalizeAction(steerRaw, accelRaw),
      });
    }
    return {
      name,
      token,
      description,
      ...(logfile === undefined ? {} : { logfile }),
      keyframes,
    };
  });
  return scenes.filter((scene) => scene.keyframes.length > 0)
    .sort((a, b) => a.name < b.name ? -1 : 1);
}

function countReasons(
  records: readonly KeyframeRecord[],
): Map<DropReason, number> {
  const counts = new Map<DropReason, number>();
  for (const { dropReason } of records) {
    if (dropReason === undefined) continue;
    counts.set(dropReason, (counts.get(dropReason) ?? 0) + 1);
  }
  return counts;
}

/** The most frequent reason among a scene's records. */
function mainReason(
  records: readonly KeyframeRecord[],
): DropReason | "no_keyframes" {
  const counts = [...countReasons(records)].sort((a, b) => b[1] - a[1]);
  return counts[0]?.[0] ?? "no_keyframes";
}

/** What to do where all keyframes are dropped for a reason. */
function remedyOf(reason: DropReason | "no_keyframes"): string | undefined {
  switch (reason) {
    case "missing_image":
      return "unpack the archives with samples/CAM_FRONT there";
    case "missing_CAN_messages":
      return "unpack the CAN bus expansion of nuScenes there, which has can_bus/";
    case "truncated_image":
    case "unknown_image_format":
      return "copy samples/CAM_FRONT again";
  }
}

function gapsOf(scenes: readonly Scene[]): Gap[] {
  return scenes.flatMap(({ name, keyframes }) =>
    keyframes.flatMap(({ timestamp }, i) => {
      const next = keyframes[i + 1];
      if (next === undefined || next.timestamp - timestamp <= GAP_US) return [];
      const seconds = (next.timestamp - timestamp) / 1e6;
      return [{ scene: name, timestamp, seconds }];
    })
  );
}

function qualityOf(
  index: NuscenesIndex,
  records: readonly KeyframeRecord[],
  scenes: readonly Scene[],
  blacklist: ReadonlySet<string>,
): DataQuality {
  const bySceneName = Map.groupBy(records, (record) => record.sceneName);
  const kept = new Set(scenes.map((scene) => scene.name));
  const counts = countReasons(records);
  const retained = scenes.reduce((n, scene) => n + scene.keyframes.length, 0);
  const blacklisted = index.scenes.map((scene) => scene.name)
    .filter((name) => blacklist.has(name)).sort();
  return {
    maxCanAlignmentUs: MAX_CAN_ALIGNMENT_US,
    blacklistedScenesDropped: blacklisted.length,
    blacklistedSceneIds: blacklisted,
    samplesDroppedForTolerance: counts.get("alignment_exceeded") ?? 0,
    sampleRetentionPct: records.length === 0
      ? 0
      : Math.round(retained / records.length * 1e4) / 100,
    manifestSha256: index.digest,
    totalKeyframes: records.length,
    retainedSamples: retained,
    droppedKeyframes: Object.fromEntries([...counts].sort()),
    droppedScenes: index.scenes.filter((scene) => !kept.has(scene.name))
      .map(({ name }) => ({
        name,
        reason: blacklist.has(name)
          ? "blacklisted_scene" as const
          : mainReason(bySceneName.get(name) ?? []),
      }))
      .sort((a, b) => a.name < b.name ? -1 : 1),
    samplesWithoutCamera: index.samplesWithoutCamera,
    keyframesOutOfOrder: index.keyframesOutOfOrder,
    messagesOutOfOrder: index.messagesOutOfOrder,
    messagesNotFinite: index.messagesNotFinite,
    gaps: gapsOf(scenes),
  };
}

/**
 * Reads a dataset: scenes of CAM_FRONT keyframes with steering and
 * acceleration of the nearest CAN messages within 50 ms.
 *
 * A scene without CAN messages, a keyframe without near ones and one without a
 * whole image are dropped and counted in `quality`; tables that contradict
 * themselves are errors. Tables are streamed, so that memory grows with the
 * number of keyframes only.
 *
 * Source: nuScenes and its CAN-bus expansion; the published code for labels.
 * Differs: the published code does not look for missing images.
 *
 * @param root folder with the folder of tables, samples/ and can_bus/
 * @param options version, cache, normalization
 * @returns scenes by name, keyframes by time, and what was dropped
 * @throws {SyntaxError} if a file is no JSON array of objects; file and byte
 * @throws {Error} if a table is missing, a field is wrong (file, row and
 *   field), or no keyframe is left
 * @example
 * ```ts ignore
 * const dataset = await readNuscenes("data/nuscenes", { cache: "data/index" });
 * const { train, test } = splitScenes(dataset);
 * ```
 */
export async function readNuscenes(
  root: string,
  options: NuscenesOptions = {},
): Promise<Dataset> {
  const { progress, cache, actions = "fixed", checkImages = true } = options;
  const version = options.version ?? await findVersion(root);
  const table = await readSceneTable(root, version);
  const official = options.official ??
    table.scenes.every(({ logfile }) => OFFICIAL_LOG.test(logfile ?? ""));
  const blacklist = new Set(official ? canBlacklist() : []);
  const index = await readIndex(root, table, {
    withoutCan: blacklist,
    cache,
    progress,
  });

  const decided = index.scenes.flatMap((scene) =>
    recordsOf(scene, blacklist.has(scene.name))
  );
  const records = checkImages
    ? await withImageFaults(root, decided, progress)
    : decided;
  const scenes = keptScenes(index, records);
  const quality = qualityOf(index, records, scenes, blacklist);
  if (scenes.length === 0) {
    const reasons = Object.entries(quality.droppedKeyframes)
      .map(([reason, count]) => `${count} ${reason}`);
    const remedy = remedyOf(mainReason(records));
    throw new Error(
      `Cannot use "${root}": none of ${records.length} keyframes in ${version} is left${
        reasons.length > 0 ? `, dropped: ${reasons.join(", ")}` : ""
      }${remedy === undefined ? "" : `; ${remedy}`}`,
    );
  }

  const dataset: Dataset = {
    root,
    version,
    digest: index.digest,
    official,
    scaling: { kind: "fixed" },
    scenes,
    records,
    quality,
  };
  if (options.split === undefined && actions === "fixed") return dataset;
  const split = splitScenes(dataset, options.split);
  const parts = [...split.train, ...split.val, ...split.test];
  const byName = new Map(parts.map((scene) => [scene.name, scene]));
  const marked = {
    ...dataset,
    scenes: scenes.map((scene) => byName.get(scene.name) ?? scene),
  };
  return actions === "fixed"
    ? marked
    : rescaleActions(marked, zscoreOf(split.train));
}

/**
 * States the data-quality report under the names of the published file.
 *
 * @param quality of a dataset
 * @returns plain JSON; the first eight names are the published ones
 */
export function qualityReport(quality: DataQuality): Record<string, unknown> {
  return {
    max_can_alignment_us: quality.maxCanAlignmentUs,
    blacklisted_scenes_dropped: quality.blacklistedScenesDropped,
    blacklisted_scene_ids: quality.blacklistedSceneIds,
    samples_dropped_for_tolerance: quality.samplesDroppedForTolerance,
    sample_retention_pct: quality.sampleRetentionPct,
    manifest_sha256: quality.manifestSha256,
    total_keyframes: quality.totalKeyframes,
    retained_samples: quality.retainedSamples,
    dropped_keyframes: quality.droppedKeyframes,
    dropped_scenes: quality.droppedScenes,
    samples_without_camera: quality.samplesWithoutCamera,
    keyframes_out_of_order: quality.keyframesOutOfOrder,
    messages_out_of_order: quality.messagesOutOfOrder,
    messages_not_finite: quality.messagesNotFinite,
    gaps: quality.gaps,
  };
}

const CSV_COLUMNS = [
  "scene_token",
  "scene_name",
  "sample_token",
  "cam_front_token",
  "image_path",
  "timestamp_us",
  "is_blacklisted_scene",
  "has_steer_msgs",
  "has_pose_msgs",
  "nearest_steer_dt_us",
  "nearest_pose_dt_us",
  "steer_raw",
  "accel_raw",
  "steer_norm",
  "accel_norm",
  "kept",
  "drop_reason",
] as const;

/** The shortest decimal that reads back as the same float32. */
function float32Text(value: number): string {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(Number(value.toPrecision(9)));
}

/**
 * Writes the action labels of every CAM_FRONT keyframe as CSV, one row each,
 * in the order of scene.json and then of time.
 *
 * Source: camfront_keyframe_actions.csv of the published code; same columns.
 * Differs: the text of numbers; `drop_reason` may name a fault of the image or
 * its time; under z-score the last two numbers are z-scores.
 *
 * @param dataset as read
 * @returns text with a head line; booleans as True and False, `kept` as 1 and
 *   0, nothing where there is no value; signed distances in microseconds
 */
export function actionsCsv(dataset: Dataset): string {
  const python = (value: boolean) => value ? "True" : "False";
  const rows = dataset.records.map((record) => {
    const { steerRaw, accelRaw, dropReason } = record;
    const kept = dropReason === undefined;
    const action = kept && steerRaw !== undefined && accelRaw !== undefined
      ? normalizeAction(steerRaw, accelRaw, dataset.scaling)
      : undefined;
    return [
      record.sceneToken,
      record.sceneName,
      record.sampleToken,
      record.cameraToken,
      record.imagePath,
      record.timestamp,
      python(record.blacklisted),
      python(record.hasSteer),
      python(record.hasPose),
      record.steerDt,
      record.poseDt,
      steerRaw,
      accelRaw,
      action && float32Text(action.steer),
      action && float32Text(action.accel),
      kept ? 1 : 0,
      dropReason,
    ];
  });
  return stringify([CSV_COLUMNS, ...rows]).replaceAll("\r\n", "\n");
}
