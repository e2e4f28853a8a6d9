/**
 * Joins the tables and CAN files of a nuScenes folder into one small index,
 * kept by the digest of what it was made from.
 *
 * @module
 */

import { join } from "@std/path";
import { z } from "zod";
import {
  type CanMessage,
  type CanSeries,
  nearestMessage,
  readCanSeries,
} from "./can_bus.ts";
import { readJsonArray } from "./json_stream.ts";
import { digestFiles } from "./manifest.ts";
import { checkRow } from "./rows.ts";

/** What is being read, and how far. */
export interface ReadProgress {
  /** "digest" and "tables" count bytes, "CAN bus" scenes, "images" files. */
  readonly stage: "digest" | "tables" | "CAN bus" | "images";
  /** Done so far. */
  readonly done: number;
  /** To be done. */
  readonly total: number;
}

const NAME = z.string().min(1);
const TIME = z.int().nonnegative();

const SCENE = z.object({
  token: NAME,
  name: NAME,
  description: z.string(),
  log_token: z.string().optional(),
});
const LOG = z.object({ token: NAME, logfile: z.string() });
const SAMPLE = z.object({
  token: NAME,
  timestamp: TIME,
  scene_token: NAME,
  next: z.string().optional(),
});
const SENSOR = z.object({ token: NAME, channel: z.string() });
const CALIBRATION = z.object({ token: NAME, sensor_token: NAME });
const SAMPLE_DATA = z.object({
  token: NAME,
  sample_token: NAME,
  calibrated_sensor_token: NAME,
  filename: z.string().regex(
    /^(?![/\\])(?!.*(^|\/)\.\.(\/|$))[^\\:]+$/,
    "needed a path inside the dataset's root",
  ),
  is_key_frame: z.boolean(),
  width: z.int().nonnegative().optional(), // 0 where there is no image
  height: z.int().nonnegative().optional(),
});

/** A keyframe with its nearest CAN messages, however far. */
export interface IndexFrame {
  /** Token of the row in sample.json. */
  readonly sampleToken: string;
  /** Token of the row in sample_data.json. */
  readonly cameraToken: string;
  /** Time of the sample, microseconds. */
  readonly timestamp: number;
  /** Image file, from the root. */
  readonly imagePath: string;
  /** Pixels, where the table states both. */
  readonly width?: number | undefined;
  /** Pixels, where the table states both. */
  readonly height?: number | undefined;
  /** Steering-wheel angle, radians. */
  readonly steerRaw?: number | undefined;
  /** Time of the steering message minus `timestamp`, microseconds. */
  readonly steerDt?: number | undefined;
  /** Longitudinal acceleration, m/s^2. */
  readonly accelRaw?: number | undefined;
  /** Time of the pose message minus `timestamp`, microseconds. */
  readonly poseDt?: number | undefined;
}

/** A scene of the tables. */
export interface IndexScene {
  /** Token of the row. */
  readonly token: string;
  /** Such as "scene-0061". */
  readonly name: string;
  /** Free text. */
  readonly description: string;
  /** Name of the recording, if log.json is there. */
  readonly logfile?: string | undefined;
  /** Whether there are usable steering messages. */
  readonly hasSteer: boolean;
  /** Whether there are usable pose messages. */
  readonly hasPose: boolean;
  /** In order of time. */
  readonly frames: readonly IndexFrame[];
}

/** Everything that is taken from tables and CAN files. */
export interface NuscenesIndex {
  /** Of the kept file; another format is made anew. */
  readonly format: 1;
  /** Of the files that it was made from. */
  readonly digest: string;
  /** In the order of scene.json. */
  readonly scenes: readonly IndexScene[];
  /** Samples that have no CAM_FRONT keyframe. */
  readonly samplesWithoutCamera: number;
  /** Samples whose next one is earlier. */
  readonly keyframesOutOfOrder: number;
  /** CAN messages that follow a later one. */
  readonly messagesOutOfOrder: number;
  /** CAN messages left out. */
  readonly messagesNotFinite: number;
}

const INDEX: z.ZodType<NuscenesIndex> = z.object({
  format: z.literal(1),
  digest: z.string(),
  scenes: z.array(z.object({
    token: NAME,
    name: NAME,
    description: z.string(),
    logfile: z.string().optional(),
    hasSteer: z.boolean(),
    hasPose: z.boolean(),
    frames: z.array(z.object({
      sampleToken: NAME,
      cameraToken: NAME,
      timestamp: TIME,
      imagePath: NAME,
      width: z.number().optional(),
      height: z.number().optional(),
      steerRaw: z.number().optional(),
      steerDt: z.number().optional(),
      accelRaw: z.number().optional(),
      poseDt: z.number().optional(),
    })),
  })),
  samplesWithoutCamera: z.number(),
  keyframesOutOfOrder: z.number(),
  messagesOutOfOrder: z.number(),
  messagesNotFinite: z.number(),
});

/** The scenes of a folder, before the long tables are read. */
export interface SceneTable {
  /** Name of the folder of tables. */
  readonly version: string;
  /** In the order of scene.json. */
  readonly scenes: readonly {
    /** Token of the row. */
    readonly token: string;
    /** Such as "scene-0061". */
    readonly name: string;
    /** Free text. */
    readonly description: string;
    /** Name of the recording, if log.json is there. */
    readonly logfile: string | undefined;
  }[];
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Finds the folder of tables: v1.0-trainval, else v1.0-mini, else the only
 * folder that has a scene.json.
 *
 * @param root the dataset's folder
 * @returns its name
 * @throws {Error} if there is no folder, none of tables in it, or several with
 *   other names
 */
export async function findVersion(root: string): Promise<string> {
  const found: string[] = [];
  try {
    for await (const entry of Deno.readDir(root)) {
      if (entry.isFile) continue;
      if (await exists(join(root, entry.name, "scene.json"))) {
        found.push(entry.name);
      }
    }
  } catch (error) {
    const isFile = error instanceof Deno.errors.NotADirectory;
    if (!isFile && !(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(
      `Cannot read a dataset from "${root}": ${
        isFile ? "it is a file" : "there is no such folder"
      }, needed a folder in nuScenes' layout`,
    );
  }
  found.sort();
  const known = ["v1.0-trainval", "v1.0-mini"].find((name) =>
    found.includes(name)
  );
  const version = known ?? found[0];
  if (version === undefined) {
    throw new Error(
      `Cannot read a dataset from "${root}": no folder in it has a scene.json, needed one such as "v1.0-mini"; unpack the metadata of nuScenes there`,
    );
  }
  if (known === undefined && found.length > 1) {
    throw new Error(
      `Cannot choose a version in "${root}": it has ${
        found.map((name) => `"${name}"`).join(", ")
      }; name one, or leave one there`,
    );
  }
  return version;
}

/** Reads a table whole and checks every row. */
async function readTable<T>(
  path: string,
  schema: z.ZodType<T>,
  progress?: (bytes: number) => void,
): Promise<T[]> {
  const rows: T[] = [];
  await readJsonArray(
    path,
    (row, place) => rows.push(checkRow(schema, row, path, place)),
    { progress: (bytes) => progress?.(bytes) },
  );
  return rows;
}

/**
 * Reads scene.json and, if it is there, log.json.
 *
 * @param root the dataset's folder
 * @param version name of the folder of tables
 * @throws {Error} if a name or token occurs twice, or a field is wrong
 */
export async function readSceneTable(
  root: string,
  version: string,
): Promise<SceneTable> {
  const path = join(root, version, "scene.json");
  const rows = await readTable(path, SCENE);
  if (rows.length === 0) {
    throw new Error(`Cannot use "${path}": no scene in it`);
  }
  for (const field of ["name", "token"] as const) {
    const seen = new Set<string>();
    for (const row of rows) {
      if (seen.has(row[field])) {
        throw new Error(
          `Cannot use "${path}": two rows have the ${field} "${row[field]}"`,
        );
      }
      seen.add(row[field]);
    }
  }
  const logPath = join(root, version, "log.json");
  const logs = await exists(logPath) ? await readTable(logPath, LOG) : [];
  const logfiles = new Map(logs.map((log) => [log.token, log.logfile]));
  const scenes = rows.map(({ token, name, description, log_token }) => ({
    token,
    name,
    description,
    logfile: logfiles.get(log_token ?? ""),
  }));
  return { version, scenes };
}

const TABLES = [
  "sensor.json",
  "calibrated_sensor.json",
  "sample.json",
  "sample_data.json",
] as const;

/** The file of a scene's messages, from the root. */
function canPath(scene: string, message: CanMessage): string {
  return `can_bus/${scene}_${message}.json`;
}

type Progress = ((progress: ReadProgress) => void) | undefined;
type CameraRow = z.infer<typeof SAMPLE_DATA>;

/** Adds up the bytes of one table after another. */
function tableProgress(
  total: number,
  progress: Progress,
): { each: (bytes: number) => void; next: () => void } {
  let before = 0;
  let current = 0;
  return {
    each: (bytes) => {
      current = bytes;
      progress?.({ stage: "tables", done: before + bytes, total });
    },
    next: () => {
      before += current;
      current = 0;
    },
  };
}

/** The CAM_FRONT keyframe of each sample; of several rows the last. */
async function readCameraRows(
  path: string,
  calibrations: ReadonlySet<string>,
  progress: (bytes: number) => void,
): Promise<Map<string, { row: CameraRow; place: number }>> {
  const found = new Map<string, { row: CameraRow; place: number }>();
  // One row in 70 is a CAM_FRONT keyframe; the others are not worth parsing.
  // A quote inside of a JSON string is escaped, so that only a field's own
  // name matches; a value with escapes does not, and the row is parsed.
  const filter = (text: string): boolean => {
    if (/"is_key_frame"\s*:\s*false/.test(text)) return false;
    const token = /"calibrated_sensor_token"\s*:\s*"([^"\\]*)"/.exec(text)?.[1];
    return token === undefined || calibrations.has(token);
  };
  await readJsonArray(path, (value, place) => {
    const row = checkRow(SAMPLE_DATA, value, path, place);
    if (!row.is_key_frame || !calibrations.has(row.calibrated_sensor_token)) {
      return;
    }
    found.set(row.sample_token, { row, place: place.row });
  }, { filter, progress });
  return found;
}

interface SceneFrames {
  readonly frames: Map<string, IndexFrame[]>;
  readonly samplesWithoutCamera: number;
  readonly keyframesOutOfOrder: number;
}

/** Keyframes of each scene token, in order of time. */
async function readFrames(
  root: string,
  { version, scenes }: SceneTable,
  progress: Progress,
): Promise<SceneFrames> {
  const at = (table: typeof TABLES[number]) => join(root, version, table);
  let total = 0;
  for (const table of TABLES) {
    total += await exists(at(table)) ? (await Deno.stat(at(table))).size : 0;
  }
  const { each, next } = tableProgress(total, progress);

  const sensors = await readTable(at("sensor.json"), SENSOR, each);
  next();
  const cameras = new Set(
    sensors.filter((sensor) => sensor.channel === "CAM_FRONT")
      .map((sensor) => sensor.token),
  );
  if (cameras.size === 0) {
    throw new Error(
      `Cannot use "${at("sensor.json")}": no row has the channel "CAM_FRONT"`,
    );
  }
  const calibrationRows = await readTable(
    at("calibrated_sensor.json"),
    CALIBRATION,
    each,
  );
  next();
  const calibrations = new Set(
    calibrationRows.filter((row) => cameras.has(row.sensor_token))
      .map((row) => row.token),
  );

  const samples = await readTable(at("sample.json"), SAMPLE, each);
  next();
  const frames = new Map<string, IndexFrame[]>(
    scenes.map((scene) => [scene.token, []]),
  );
  const byToken = new Map(samples.map((sample) => [sample.token, sample]));
  let keyframesOutOfOrder = 0;
  samples.forEach((sample, i) => {
    if (!frames.has(sample.scene_token)) {
      throw new Error(
        `Cannot use row ${i} of "${
          at("sample.json")
        }": field "scene_token": no scene has the token "${sample.scene_token}"`,
      );
    }
    const after = byToken.get(sample.next ?? "");
    if (after !== undefined && after.timestamp < sample.timestamp) {
      keyframesOutOfOrder++;
    }
  });

  const rows = await readCameraRows(at("sample_data.json"), calibrations, each);
  for (const [token, { row, place }] of rows) {
    const sample = byToken.get(token);
    if (sample === undefined) {
      throw new Error(
        `Cannot use row ${place} of "${
          at("sample_data.json")
        }": field "sample_token": no sample has the token "${token}"`,
      );
    }
    const { width, height } = row;
    frames.get(sample.scene_token)?.push({
      sampleToken: token,
      cameraToken: row.token,
      timestamp: sample.timestamp,
      imagePath: row.filename,
      ...(width && height ? { width, height } : {}),
    });
  }
  for (const list of frames.values()) {
    list.sort((a, b) =>
      a.timestamp - b.timestamp || (a.sampleToken < b.sampleToken ? -1 : 1)
    );
  }
  return {
    frames,
    samplesWithoutCamera: samples.length - rows.size,
    keyframesOutOfOrder,
  };
}

async function makeIndex(
  root: string,
  table: SceneTable,
  digest: string,
  canFiles: ReadonlySet<string>,
  progress: Progress,
): Promise<NuscenesIndex> {
  const { frames, ...counts } = await readFrames(root, table, progress);
  let messagesOutOfOrder = 0;
  let messagesNotFinite = 0;
  const readSeries = async (
    scene: string,
    message: CanMessage,
  ): Promise<CanSeries | undefined> => {
    const path = canPath(scene, message);
    if (!canFiles.has(path)) return undefined;
    const series = await readCanSeries(join(root, path), message);
    messagesOutOfOrder += series.outOfOrder;
    messagesNotFinite += series.notFinite;
    return series.utimes.length > 0 ? series : undefined;
  };

  const scenes: IndexScene[] = [];
  for (const { token, name, description, logfile } of table.scenes) {
    const steering = await readSeries(name, "steeranglefeedback");
    const pose = await readSeries(name, "pose");
    const list = (frames.get(token) ?? []).map((frame) => {
      const steer = steering && nearestMessage(steering, frame.timestamp);
      const accel = pose && nearestMessage(pose, frame.timestamp);
      return {
        ...frame,
        ...(steer ? { steerRaw: steer.value, steerDt: steer.dt } : {}),
        ...(accel ? { accelRaw: accel.value, poseDt: accel.dt } : {}),
      };
    });
    scenes.push({
      token,
      name,
      description,
      ...(logfile === undefined ? {} : { logfile }),
      hasSteer: steering !== undefined,
      hasPose: pose !== undefined,
      frames: list,
    });
    progress?.({
      stage: "CAN bus",
      done: scenes.length,
      total: table.scenes.length,
    });
  }
  return {
    format: 1,
    digest,
    scenes,
    ...counts,
    messagesOutOfOrder,
    messagesNotFinite,
  };
}

/** The kept index, or undefined if there is none that can be used. */
async function loadIndex(
  path: string,
  digest: string,
): Promise<NuscenesIndex | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // damaged: it is made again and replaced
  }
  const index = INDEX.safeParse(value);
  return index.success && index.data.digest === digest ? index.data : undefined;
}

async function saveIndex(path: string, index: NuscenesIndex): Promise<void> {
  // Renamed into place, so that a reader never sees half of it.
  const part = `${path}.${crypto.randomUUID()}.part`;
  await Deno.writeTextFile(part, JSON.stringify(index));
  await Deno.rename(part, path);
}

/**
 * Reads tables and CAN files, or the index kept from an earlier reading of
 * files with the same content.
 *
 * Reads scene, sample, sample_data, sensor and calibrated_sensor.json, the
 * long one as a stream, and two CAN files per scene.
 *
 * @param root the dataset's folder
 * @param table its scenes
 * @param options scenes whose CAN files are not read; folder for the index;
 *   whom to tell
 * @throws {SyntaxError} if a file is no JSON array of objects
 * @throws {Error} if a table is missing or a field is wrong
 */
export async function readIndex(
  root: string,
  table: SceneTable,
  options: {
    readonly withoutCan: ReadonlySet<string>;
    readonly cache: string | undefined;
    readonly progress: ((progress: ReadProgress) => void) | undefined;
  },
): Promise<NuscenesIndex> {
  const { withoutCan, cache, progress } = options;
  const canFiles = new Set<string>();
  for (const { name } of table.scenes) {
    if (withoutCan.has(name)) continue;
    for (const message of ["steeranglefeedback", "pose"] as const) {
      const path = canPath(name, message);
      if (await exists(join(root, path))) canFiles.add(path);
    }
  }
  const tables = ["scene.json", ...TABLES].map((t) => `${table.version}/${t}`);
  const missing: string[] = [];
  for (const path of tables) {
    if (!await exists(join(root, path))) missing.push(path);
  }
  if (missing.length > 0) {
    throw new Error(
      `Cannot read a dataset from "${root}": it has no ${
        missing.join(", no ")
      }; unpack the metadata of nuScenes there again`,
    );
  }
  const log = `${table.version}/log.json`;
  if (await exists(join(root, log))) tables.push(log);
  const { digest } = await digestFiles(
    root,
    [...tables, ...canFiles],
    (done, total) => progress?.({ stage: "digest", done, total }),
  );
  const path = cache && join(cache, `nuscenes-${digest.slice(0, 32)}.json`);
  const kept = path && await loadIndex(path, digest);
  if (kept) return kept;
  const index = await makeIndex(root, table, digest, canFiles, progress);
  if (cache && path) {
    await Deno.mkdir(cache, { recursive: true });
    await saveIndex(path, index);
  }
  return index;
}
