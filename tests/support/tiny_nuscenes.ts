import { join } from "@std/path";
import { crc32, deflateSync } from "node:zlib";

/** A row of a table. */
export type Row = Record<string, unknown>;

/** One scene to be written. */
export interface TinyScene {
  readonly name: string;
  /** Number of keyframes; 6 unless given. */
  readonly keyframes?: number;
  readonly description?: string;
}

/** Options of {@linkcode writeTinyNuscenes}. */
export interface TinyOptions {
  /** Folder of tables; "v1.0-mini" unless given. */
  readonly version?: string;
  /** Name of the recording; not one of nuScenes unless given. */
  readonly logfile?: string;
  /** Format of the images; "png" unless given. */
  readonly images?: "png" | "jpg";
  /** Width and height of PNG images; 16 by 8 unless given. */
  readonly imageSize?: readonly [width: number, height: number];
}

/** First keyframe of scene i is at `TINY_START + i * 1e8` microseconds. */
export const TINY_START = 1_530_000_000_000_000;

/** Microseconds from one keyframe to the next. */
export const TINY_STEP = 500_000;

/** Steering-wheel angle in radians at keyframe k of scene s. */
export function tinySteer(s: number, k: number): number {
  return (k - 2) / 4 + s / 64;
}

/** Longitudinal acceleration in m/s^2 at keyframe k of scene s. */
export function tinyAccel(s: number, k: number): number {
  return (2 - k) / 8 - s / 64;
}

/** A 16 by 8 JPEG: red grows to the right, green downwards. */
export function tinyJpeg(): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromBase64(JPEG);
}

/** An RGB PNG: red grows to the right, green downwards, blue is given. */
export function tinyPng(
  width: number,
  height: number,
  blue: number,
): Uint8Array<ArrayBuffer> {
  const raw = new Uint8Array(height * (1 + width * 3));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * (1 + width * 3) + 1 + x * 3;
      raw[at] = Math.floor(x * 255 / width);
      raw[at + 1] = Math.floor(y * 255 / height);
      raw[at + 2] = blue & 255;
    }
  }
  const head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head.set([8, 2, 0, 0, 0], 8); // 8 bits, RGB
  const chunk = (type: string, data: Uint8Array): Uint8Array => {
    const bytes = new Uint8Array(12 + data.length);
    const out = new DataView(bytes.buffer);
    out.setUint32(0, data.length);
    bytes.set(new TextEncoder().encode(type), 4);
    bytes.set(data, 8);
    out.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
    return bytes;
  };
  const parts = [
    new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", head),
    chunk("IDAT", deflateSync(raw)),
    chunk("IEND", new Uint8Array(0)),
  ];
  const bytes = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Makes an empty folder for one test, removed with `using`. */
export function tinyFolder(): { readonly path: string } & Disposable {
  Deno.mkdirSync(".test", { recursive: true });
  const path = Deno.makeTempDirSync({ dir: ".test", prefix: "data-" });
  return {
    path,
    [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }),
  };
}

/** Replaces the rows of a JSON file by what `change` returns. */
export async function editRows(
  path: string,
  change: (rows: Row[]) => unknown,
): Promise<void> {
  const rows = JSON.parse(await Deno.readTextFile(path));
  await Deno.writeTextFile(path, JSON.stringify(change(rows)));
}

/**
 * Writes a small dataset in the layout of nuScenes: all 13 tables, images of
 * CAM_FRONT, CAN messages. Samples are 30 ms after the camera. Beside each
 * CAM_FRONT keyframe there are a sweep and a LIDAR_TOP keyframe, whose files
 * do not exist. Steering is at 100 Hz, pose at 50 Hz, over the whole scene.
 *
 * @param root folder to write into
 * @param scenes in the order of scene.json
 * @returns the folder of tables
 */
export async function writeTinyNuscenes(
  root: string,
  scenes: readonly TinyScene[],
  options: TinyOptions = {},
): Promise<string> {
  const { version = "v1.0-mini", logfile = "tiny", images = "png" } = options;
  const [width, height] = options.imageSize ?? [16, 8];
  const tables = join(root, version);
  await Deno.mkdir(tables, { recursive: true });
  await Deno.mkdir(join(root, "can_bus"), { recursive: true });
  await Deno.mkdir(join(root, "samples/CAM_FRONT"), { recursive: true });

  const sceneRows: Row[] = [];
  const samples: Row[] = [];
  const data: Row[] = [];
  const poses: Row[] = [];
  const sweep = { fileformat: "jpg", is_key_frame: false, width, height };
  for (const [s, { name, keyframes = 6, description }] of scenes.entries()) {
    const start = TINY_START + s * 1e8;
    const sample = (k: number) =>
      k < 0 || k >= keyframes ? "" : `sample-${name}-${k}`;
    sceneRows.push({
      token: `token-${name}`,
      name,
      description: description ?? "Turn left, parked cars",
      log_token: "log",
      nbr_samples: keyframes,
      first_sample_token: sample(0),
      last_sample_token: sample(keyframes - 1),
    });
    for (let k = 0; k < keyframes; k++) {
      const timestamp = start + k * TINY_STEP;
      samples.push({
        token: sample(k),
        timestamp,
        scene_token: `token-${name}`,
        prev: sample(k - 1),
        next: sample(k + 1),
      });
      const filename = `samples/CAM_FRONT/${name}-${k}.${images}`;
      const shared = { sample_token: sample(k), ego_pose_token: sample(k) };
      data.push({
        token: `lidar-${name}-${k}`,
        ...shared,
        calibrated_sensor_token: "calibration-lidar",
        filename: `samples/LIDAR_TOP/${name}-${k}.bin`,
        fileformat: "pcd",
        is_key_frame: true,
        width: 0,
        height: 0,
        timestamp,
        prev: "",
        next: "",
      }, {
        token: `camera-${name}-${k}`,
        ...shared,
        calibrated_sensor_token: "calibration-front",
        filename,
        fileformat: images,
        is_key_frame: true,
        width,
        height,
        timestamp: timestamp - 30_000,
        prev: "",
        next: "",
      }, {
        token: `sweep-${name}-${k}`,
        ...shared,
        ...sweep,
        calibrated_sensor_token: "calibration-front",
        filename: `sweeps/CAM_FRONT/${name}-${k}.jpg`,
        timestamp: timestamp + 53_000,
        prev: "",
        next: "",
      });
      poses.push({
        token: sample(k),
        timestamp,
        rotation: [1, 0, 0, 0],
        translation: [k, 0, 0],
      });
      await Deno.writeFile(
        join(root, filename),
        images === "png" ? tinyPng(width, height, s * 16 + k) : tinyJpeg(),
      );
    }
    const seconds = keyframes * TINY_STEP / 1e6;
    const at = (utime: number) => (utime - start) / TINY_STEP;
    const messages = (rate: number, row: (utime: number) => Row): Row[] =>
      Array.from({ length: Math.round(seconds * rate) }, (_, i) => {
        const utime = start + i * 1e6 / rate;
        return { utime, ...row(utime) };
      });
    const can = join(root, "can_bus", name);
    await Deno.writeTextFile(
      `${can}_steeranglefeedback.json`,
      JSON.stringify(messages(100, (utime) => ({
        value: tinySteer(s, at(utime)),
      }))),
    );
    await Deno.writeTextFile(
      `${can}_pose.json`,
      JSON.stringify(messages(50, (utime) => ({
        accel: [tinyAccel(s, at(utime)), 0.1, 9.81],
        orientation: [1, 0, 0, 0],
        pos: [0, 0, 0],
        rotation_rate: [0, 0, 0],
        vel: [5, 0, 0],
      }))),
    );
  }

  const content: Record<string, Row[]> = {
    attribute: [],
    calibrated_sensor: ["front", "lidar"].map((name) => ({
      token: `calibration-${name}`,
      sensor_token: `sensor-${name}`,
      translation: [1.7, 0, 1.5],
      rotation: [0.5, -0.5, 0.5, -0.5],
      camera_intrinsic: name === "front"
        ? [[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]]
        : [],
    })),
    category: [],
    ego_pose: poses,
    instance: [],
    log: [{
      token: "log",
      logfile,
      vehicle: "tiny",
      date_captured: "2018-07-18",
      location: "nowhere",
    }],
    map: [],
    sample: samples,
    sample_annotation: [],
    sample_data: data,
    scene: sceneRows,
    sensor: [
      { token: "sensor-front", channel: "CAM_FRONT", modality: "camera" },
      { token: "sensor-lidar", channel: "LIDAR_TOP", modality: "lidar" },
    ],
    visibility: [],
  };
  for (const [table, rows] of Object.entries(content)) {
    await Deno.writeTextFile(
      join(tables, `${table}.json`),
      JSON.stringify(rows, null, 1),
    );
  }
  return tables;
}

const JPEG =
  "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//wAARCAAIABADASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAX/xAAZEAABBQAAAAAAAAAAAAAAAAAABAYiMaH/xAAVAQEBAAAAAAAAAAAAAAAAAAADBP/EABkRAAIDAQAAAAAAAAAAAAAAAAADBAUhUf/aAAwDAQACEQMRAD8AmJW7UMLCVu1DAAny29Jaqc7NP//Z";
