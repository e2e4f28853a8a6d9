import source from "../../../kernels/driveworld.wgsl" with { type: "text" };
import type { Gpu } from "../../gpu/gpu.ts";
import { ceilDiv } from "../../gpu/grid.ts";
import { defineShader } from "../../gpu/shader.ts";
import { empty, tensor } from "../../tensor/create.ts";
import { BOX_FLOATS, type FrameScene } from "./frame.ts";
import { BOX_KIND } from "./world.ts";

const shader = defineShader("driveworld", [source]);

/** Pixels of a tile's side. */
const TILE = 8;

/** Frames drawn by one dispatch. */
const FRAMES_AT_ONCE = 64;

/** Where a box holds its kind. */
const KIND = 11;

/** Focal length over width, as in the kernel. */
const FOCAL = 0.72;

/** Joins rows of floats into one array. */
function join(
  rows: readonly Float32Array[],
  least = 0,
): Float32Array<ArrayBuffer> {
  const size = rows.reduce((sum, row) => sum + row.length, 0);
  const all = new Float32Array(Math.max(size, least));
  let at = 0;
  for (const row of rows) {
    all.set(row, at);
    at += row.length;
  }
  return all;
}

/**
 * The columns a box may cover: the slopes y / x of its corners. A box beside or
 * behind the camera may cover any column.
 */
function columns(box: Float32Array, width: number): [number, number] {
  const [x = 0, y = 0, , , halfX = 0, halfY = 0, cos = 0, sin = 0] = box;
  let low = Infinity;
  let high = -Infinity;
  for (const [i, j] of [[-1, -1], [-1, 1], [1, -1], [1, 1]] as const) {
    const ahead = x + i * halfX * cos - j * halfY * sin;
    const left = y + i * halfX * sin + j * halfY * cos;
    if (ahead < 0.1) return [0, width - 1];
    const u = width * (0.5 - FOCAL * left / ahead);
    low = Math.min(low, u);
    high = Math.max(high, u);
  }
  return [Math.floor(low) - 1, Math.ceil(high) + 1];
}

/** Lists the boxes of every strip of 8 columns: solid ones, then foliage. */
function listBoxes(scenes: readonly FrameScene[], width: number) {
  const strips = ceilDiv(width, TILE);
  const starts: number[] = [];
  const listed: number[] = [];
  let first = 0;
  for (const { boxes } of scenes) {
    const lists: number[][] = Array.from({ length: 2 * strips }, () => []);
    const count = boxes.length / BOX_FLOATS;
    for (let i = 0; i < count; i++) {
      const box = boxes.subarray(i * BOX_FLOATS, (i + 1) * BOX_FLOATS);
      const [low, high] = columns(box, width);
      const from = Math.max(0, Math.floor(low / TILE));
      const to = Math.min(strips - 1, Math.floor(high / TILE));
      const list = box[KIND] === BOX_KIND.foliage ? 1 : 0;
      for (let strip = from; strip <= to; strip++) {
        lists[2 * strip + list]?.push(first + i);
      }
    }
    for (const list of lists) {
      starts.push(listed.length);
      for (const i of list) listed.push(i);
    }
    first += count;
  }
  starts.push(listed.length);
  if (listed.length === 0) listed.push(0);
  return { starts, listed };
}

async function renderBatch(
  gpu: Gpu,
  scenes: readonly FrameScene[],
  [width, height]: readonly [number, number],
): Promise<Uint32Array> {
  using _ = gpu.scope();
  const { starts, listed } = listBoxes(scenes, width);
  const pixels = empty(gpu, [scenes.length * width * height], "u32");
  shader.run(
    "render",
    {
      frames: tensor(gpu, join(scenes.map((scene) => scene.scalars))),
      tables: tensor(gpu, join(scenes.map((scene) => scene.table))),
      boxes: tensor(gpu, join(scenes.map((scene) => scene.boxes), BOX_FLOATS)),
      starts: tensor(gpu, Uint32Array.from(starts)),
      listed: tensor(gpu, Float32Array.from(listed)),
      pixels,
    },
    { width, height },
    [ceilDiv(width, TILE), ceilDiv(height, TILE), scenes.length],
  );
  return await pixels.read() as Uint32Array;
}

/**
 * Draws frames by ray casting.
 *
 * @param gpu device
 * @param scenes what each frame sees
 * @param size width and height in pixels, at least 8
 * @returns (frames, height, width, 3) levels from 0 to 255
 * @throws {RangeError} if there is no frame, or the size is too small
 */
export async function renderFrames(
  gpu: Gpu,
  scenes: readonly FrameScene[],
  size: readonly [number, number],
): Promise<Uint8Array<ArrayBuffer>> {
  const [width, height] = size;
  if (!(width >= TILE && height >= TILE) || scenes.length === 0) {
    throw new RangeError(
      `Cannot draw ${scenes.length} frames of ${width}x${height}: it needs at least one frame of ${TILE}x${TILE} pixels`,
    );
  }
  const levels = new Uint8Array(scenes.length * width * height * 3);
  let at = 0;
  for (let i = 0; i < scenes.length; i += FRAMES_AT_ONCE) {
    const batch = scenes.slice(i, i + FRAMES_AT_ONCE);
    for (const word of await renderBatch(gpu, batch, size)) {
      levels[at] = word & 255;
      levels[at + 1] = (word >>> 8) & 255;
      levels[at + 2] = (word >>> 16) & 255;
      at += 3;
    }
  }
  return levels;
}
