import { createHash } from "node:crypto";
import { join } from "@std/path";
import { encodePng } from "../../formats/png.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import type { Share } from "../latents.ts";
import { drive, type DriveState } from "./driver.ts";
import { frameScene } from "./frame.ts";
import { renderFrames } from "./render.ts";
import { cameraFrames, keyframesOf } from "./sweeps.ts";
import { describe, makeWorld, type World } from "./world.ts";

/** What is drawn. */
export interface DriveworldOptions {
  /** Seeds of the training scenes. */
  readonly train: readonly number[];
  /** Seeds of the validation scenes. */
  readonly val: readonly number[];
  /** Seeds of the test scenes. */
  readonly test: readonly number[];
  /** Width and height of a frame in pixels. */
  readonly size: readonly [width: number, height: number];
  /** Whether to draw the camera at 12 Hz, as nuScenes has it. */
  readonly sweeps?: boolean;
  /**
   * Which share of the scenes to draw, if not all; the tables are then left to
   * a call that finds all scenes drawn.
   */
  readonly share?: Share;
  /** Told at the start, and after every scene. */
  readonly progress?: (done: number, total: number) => void;
  /**
   * Called before some frames are drawn; what it throws ends the work, which
   * can go on.
   */
  readonly check?: () => void;
}

/** Pixels that are drawn between two checks: a scene of the demo's frames. */
const PIXELS_AT_ONCE = 2 ** 18;

/** Rises when an equal seed would give another dataset. */
const VERSION = 1;

/** Folder of the tables. */
const TABLES = "v1.0-driveworld";

/** Time of the first frame of seed 0, microseconds. */
const EPOCH = 1_500_000_000_000_000;

/** Microseconds from the start of one seed to that of the next. */
const SCENE_TIME = 100_000_000;

/** Largest seed whose timestamps are exact whole numbers. */
const LARGEST_SEED = 75_000_000;

/** Height of the camera and its focal length over the width. */
const CAMERA = { height: 1.55, focal: 0.72, centreX: 0.5, centreY: 0.47 };

type Row = Readonly<Record<string, unknown>>;

/** A token of 32 hexadecimal digits that depends on the name alone. */
function token(name: string): string {
  return createHash("md5").update(`driveworld ${name}`).digest("hex");
}

function round(x: number): number {
  return Math.round(x * 1e6) / 1e6;
}

/** A turn about the vertical axis as a quaternion (w, x, y, z). */
function quaternion(yaw: number): number[] {
  return [round(Math.cos(yaw / 2)), 0, 0, round(Math.sin(yaw / 2))];
}

/** Name of the scene of a seed; not "scene-", which are nuScenes'. */
export function sceneName(seed: number): string {
  return `drive-${String(seed).padStart(4, "0")}`;
}

function timeOf(seed: number, state: DriveState): number {
  return EPOCH + seed * SCENE_TIME + Math.round(state.time * 1e6);
}

function imagePath(seed: number, time: number, isKeyframe = true): string {
  const folder = isKeyframe ? "samples" : "sweeps";
  return `${folder}/CAM_FRONT/${sceneName(seed)}__CAM_FRONT__${time}.png`;
}

/**
 * Drives a scene of the embedded world again, as it was drawn.
 *
 * @param scene its name, as {@linkcode sceneName} gives it
 * @returns the world, and the state at each keyframe with the path of its image
 * @throws {RangeError} if it is no name of such a scene
 */
export function driveAgain(scene: string): {
  readonly world: World;
  readonly keyframes: readonly {
    readonly imagePath: string;
    readonly state: DriveState;
  }[];
} {
  const seed = Number(/^drive-(\d{4,})$/.exec(scene)?.[1] ?? NaN);
  if (Number.isNaN(seed)) {
    throw new RangeError(
      `Cannot drive "${scene}" again: needed a scene of the embedded world, such as "${
        sceneName(0)
      }"`,
    );
  }
  const world = makeWorld(seed);
  return {
    world,
    keyframes: keyframesOf(drive(world)).map((state) => ({
      imagePath: imagePath(seed, timeOf(seed, state)),
      state,
    })),
  };
}

/** CAN messages of a drive, 20 a second. */
function canFiles(seed: number, states: readonly DriveState[]) {
  return {
    steeranglefeedback: states.map((state) => ({
      utime: timeOf(seed, state),
      value: round(state.steeringWheel),
    })),
    pose: states.map((state) => ({
      utime: timeOf(seed, state),
      accel: [round(state.acceleration), 0, 9.81],
      orientation: quaternion(state.yaw),
      pos: [round(state.x), round(state.y), 0],
      rotation_rate: [0, 0, round(state.yawRate)],
      vel: [round(state.speed), 0, 0],
    })),
    vehicle_monitor: keyframesOf(states).map((state) => ({
      utime: timeOf(seed, state),
      steering: round(state.steeringWheel * 180 / Math.PI),
      vehicle_speed: round(state.speed * 3.6),
      yaw_rate: round(state.yawRate * 180 / Math.PI),
    })),
  };
}

/**
 * Writes those frames of one scene that are not there, and its CAN messages
 * last.
 */
async function writeScene(
  gpu: Gpu,
  directory: string,
  world: World,
  states: readonly DriveState[],
  size: readonly [number, number],
  sweeps: boolean,
  check: () => void,
): Promise<void> {
  const { seed } = world;
  const frames: { path: string; state: DriveState }[] = [];
  for (const { state, isKeyframe } of cameraFrames(states, sweeps)) {
    const time = timeOf(seed, state);
    const path = join(directory, imagePath(seed, time, isKeyframe));
    if (!await exists(path)) frames.push({ path, state });
  }
  const [width, height] = size;
  const bytes = width * height * 3;
  const atOnce = Math.max(1, Math.floor(PIXELS_AT_ONCE / (width * height)));
  for (let start = 0; start < frames.length; start += atOnce) {
    check();
    const some = frames.slice(start, start + atOnce);
    const seen = some.map(({ state }) => frameScene(world, state));
    const levels = await renderFrames(gpu, seen, size);
    for (const [i, { path }] of some.entries()) {
      const data = levels.subarray(i * bytes, (i + 1) * bytes);
      await Deno.writeFile(
        `${path}.partial`,
        encodePng({ width, height, data }),
      );
      await Deno.rename(`${path}.partial`, path);
    }
  }
  for (const [name, rows] of Object.entries(canFiles(seed, states))) {
    await writeJson(
      join(directory, "can_bus", `${sceneName(seed)}_${name}.json`),
      rows,
    );
  }
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await Deno.writeTextFile(`${path}.partial`, JSON.stringify(value));
  await Deno.rename(`${path}.partial`, path);
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

/** The 13 tables of all scenes. */
function tables(
  seeds: readonly number[],
  [width, height]: readonly [number, number],
  sweeps: boolean,
): Record<string, Row[]> {
  const sensor = token("sensor");
  const calibrated = token("calibrated sensor");
  const log = token("log");
  const focal = CAMERA.focal * width;
  const rows: Record<string, Row[]> = {
    attribute: [],
    calibrated_sensor: [{
      token: calibrated,
      sensor_token: sensor,
      translation: [0, 0, CAMERA.height],
      rotation: [0.5, -0.5, 0.5, -0.5],
      camera_intrinsic: [
        [focal, 0, CAMERA.centreX * width],
        [0, focal, CAMERA.centreY * height],
        [0, 0, 1],
      ],
    }],
    category: [],
    ego_pose: [],
    instance: [],
    log: [{
      token: log,
      logfile: "driveworld",
      vehicle: "driveworld",
      date_captured: "2017-07-14",
      location: "driveworld",
    }],
    map: [{
      token: token("map"),
      log_tokens: [log],
      category: "none",
      filename: "",
    }],
    sample: [],
    sample_annotation: [],
    sample_data: [],
    scene: [],
    sensor: [{ token: sensor, channel: "CAM_FRONT", modality: "camera" }],
    visibility: [],
  };
  for (const seed of seeds) {
    const world = makeWorld(seed);
    const states = drive(world);
    const frames = keyframesOf(states);
    const camera = cameraFrames(states, sweeps);
    const scene = token(`scene ${seed}`);
    const link = (kind: string, i: number, count = frames.length) =>
      i < 0 || i >= count ? "" : token(`${kind} ${seed} ${i}`);
    /** Keyframes have the tokens that they have without sweeps. */
    const frameToken = (i: number) => {
      const frame = camera[i];
      if (frame === undefined) return "";
      return frame.isKeyframe
        ? link("frame", frame.keyframe)
        : link("sweep", i, camera.length);
    };
    rows.scene?.push({
      token: scene,
      log_token: log,
      nbr_samples: frames.length,
      first_sample_token: link("sample", 0),
      last_sample_token: link("sample", frames.length - 1),
      name: sceneName(seed),
      description: describe(world),
    });
    for (const [i, state] of frames.entries()) {
      const timestamp = timeOf(seed, state);
      rows.ego_pose?.push({
        token: link("pose", i),
        timestamp,
        rotation: quaternion(state.yaw),
        translation: [round(state.x), round(state.y), 0],
      });
      rows.sample?.push({
        token: link("sample", i),
        timestamp,
        prev: link("sample", i - 1),
        next: link("sample", i + 1),
        scene_token: scene,
      });
    }
    for (const [i, { state, keyframe, isKeyframe }] of camera.entries()) {
      const timestamp = timeOf(seed, state);
      rows.sample_data?.push({
        token: frameToken(i),
        sample_token: link("sample", keyframe),
        ego_pose_token: link("pose", keyframe),
        calibrated_sensor_token: calibrated,
        timestamp,
        fileformat: "png",
        is_key_frame: isKeyframe,
        height,
        width,
        filename: imagePath(seed, timestamp, isKeyframe),
        prev: frameToken(i - 1),
        next: frameToken(i + 1),
      });
    }
  }
  return rows;
}

/**
 * Draws scenes of the embedded world into a folder in nuScenes' layout: tables,
 * `samples/CAM_FRONT`, `can_bus`, and `splits.json` with the scenes of each
 * part. A folder that is finished is left alone; one that is not is gone on
 * with.
 *
 * Equal seeds and sizes give equal bytes on one adapter, and frames within one
 * level on others.
 *
 * @param gpu device
 * @param directory the folder; made if it is missing
 * @param options seeds, size
 * @throws {RangeError} if a seed or the size is out of range, or a seed is in
 *   two parts; nothing is written then
 * @throws {Error} if the folder holds other scenes, or other files
 */
export async function writeDriveworld(
  gpu: Gpu,
  directory: string,
  options: DriveworldOptions,
): Promise<void> {
  const { train, val, test, size, sweeps = false } = options;
  const seeds = [...train, ...val, ...test].toSorted((a, b) => a - b);
  if (new Set(seeds).size !== seeds.length) {
    throw new RangeError(
      "Cannot draw a dataset: a seed is in more than one part",
    );
  }
  const [width, height] = size;
  const last = seeds.at(-1) ?? -1;
  if (
    !(width >= 8 && height >= 8) || last > LARGEST_SEED || !(last >= 0) ||
    seeds.some((seed) => !Number.isInteger(seed) || seed < 0)
  ) {
    throw new RangeError(
      `Cannot draw ${seeds.length} scenes of ${width}x${height} up to seed ${last}: it needs at least one seed, integers from 0 to ${LARGEST_SEED}, and frames of at least 8x8 pixels`,
    );
  }
  const marker = JSON.stringify({
    version: VERSION,
    size,
    train,
    val,
    test,
    ...(sweeps ? { sweeps } : {}),
  });
  const markerPath = join(directory, "driveworld.json");
  const begunPath = join(directory, "driveworld.begun.json");
  await Deno.mkdir(directory, { recursive: true });
  // Listed first: another thread may begin here at the same moment.
  const entries = await Array.fromAsync(Deno.readDir(directory));
  const foreign = entries.find(({ name }) => !name.startsWith("driveworld."));
  let isBegun = false;
  for (const path of [markerPath, begunPath]) {
    if (!await exists(path)) continue;
    isBegun = true;
    if (await Deno.readTextFile(path) !== marker) {
      throw new Error(
        `Cannot draw into ${directory}: it holds other scenes; choose another folder or remove it`,
      );
    }
    if (path === markerPath) return;
  }
  if (foreign !== undefined && !isBegun) {
    throw new Error(
      `Cannot draw into ${directory}: it holds ${foreign.name}, which was not drawn here; choose another folder or empty it`,
    );
  }
  const share = options.share ?? { index: 0, of: 1 };
  const partial = `${begunPath}.${share.index}.partial`;
  await Deno.writeTextFile(partial, marker);
  await Deno.rename(partial, begunPath);
  const folders = ["samples/CAM_FRONT", "can_bus", TABLES];
  if (sweeps) folders.push("sweeps/CAM_FRONT");
  for (const folder of folders) {
    await Deno.mkdir(join(directory, folder), { recursive: true });
  }
  const own = seeds.filter((_, i) => i % share.of === share.index);
  const missing: number[] = [];
  for (const seed of own) {
    const last = `${sceneName(seed)}_vehicle_monitor.json`;
    if (!await exists(join(directory, "can_bus", last))) missing.push(seed);
  }
  const { progress = () => {}, check = () => {} } = options;
  let done = own.length - missing.length;
  progress(done, own.length);
  for (const seed of missing) {
    check();
    const world = makeWorld(seed);
    const states = drive(world);
    await writeScene(gpu, directory, world, states, size, sweeps, check);
    progress(++done, own.length);
  }
  if (share.of > 1) return;
  check();
  for (const [name, rows] of Object.entries(tables(seeds, size, sweeps))) {
    await writeJson(join(directory, TABLES, `${name}.json`), rows);
  }
  const names = (part: readonly number[]) =>
    part.toSorted((a, b) => a - b).map(sceneName);
  await writeJson(join(directory, "splits.json"), {
    train: names(train),
    val: names(val),
    test: names(test),
  });
  await Deno.writeTextFile(`${markerPath}.partial`, marker);
  await Deno.rename(`${markerPath}.partial`, markerPath);
  await Deno.remove(begunPath);
}
