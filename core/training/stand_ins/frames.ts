import type { Gpu } from "../../gpu/gpu.ts";
import { tensor } from "../../tensor/create.ts";
import type { Key } from "../../tensor/philox.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** Values of a pixel. */
const CHANNELS = 3;

/** What is known of a scene without looking at its steering. */
export interface SceneFacts {
  /** Which of four kinds of street. */
  readonly style: number;
  /** Night, rain, fog: 0 or 1, as its description says. */
  readonly weather: readonly number[];
  /** A second lane on the own side, and on the other: 0 or 1. */
  readonly lanes: readonly number[];
}

/** Frames of scenes in memory, equally many of each. */
export interface SceneFrames {
  /** Side of a frame, in pixels. */
  readonly side: number;
  /** Frames of a scene, in the order of time. */
  readonly perScene: number;
  /** (scenes perScene, side, side, 3) levels */
  readonly levels: Uint8Array;
  /** Of each scene. */
  readonly facts: readonly SceneFacts[];
  /** Vehicles in sight, of each frame. */
  readonly vehicles: readonly number[];
}

/** One frame, or the first frame of a clip. */
export interface Drawn {
  /** Scene, from 0. */
  readonly scene: number;
  /** Row of the frame among all. */
  readonly row: number;
}

/**
 * Draws frames, or clips that do not leave their scene.
 *
 * @param frames to draw from
 * @param streams one for each draw
 * @param length frames of a clip
 */
export function drawFrames(
  { facts, perScene }: SceneFrames,
  streams: readonly Key[],
  length = 1,
): Drawn[] {
  return streams.map((stream) => {
    const scene = stream.integer(0, facts.length);
    const first = stream.integer(1, perScene - length + 1);
    return { scene, row: scene * perScene + first };
  });
}

/**
 * Puts frames or clips on the device.
 *
 * @param gpu device
 * @param frames to take from
 * @param drawn where each begins
 * @param length frames of a clip; 1 for frames
 * @returns (B, side, side, 3), of clips (B, length, side, side, 3), in [0, 1]
 */
export function framesOn(
  gpu: Gpu,
  { side, levels }: SceneFrames,
  drawn: readonly Drawn[],
  length = 1,
): Tensor {
  const own = side * side * CHANNELS;
  const values = new Float32Array(drawn.length * length * own);
  for (const [i, { row }] of drawn.entries()) {
    const start = row * own;
    for (let k = 0; k < length * own; k++) {
      values[i * length * own + k] = levels[start + k]! / 255;
    }
  }
  const image = [side, side, CHANNELS];
  return tensor(
    gpu,
    values,
    length === 1 ? [drawn.length, ...image] : [drawn.length, length, ...image],
  );
}

/** A square of a frame, in pixels. */
interface Square {
  readonly x: number;
  readonly y: number;
  readonly size: number;
}

/** Copies a square of a frame to a full frame, bilinear, perhaps mirrored. */
function resample(
  levels: Uint8Array,
  start: number,
  side: number,
  { x, y, size }: Square,
  isMirrored: boolean,
  write: (k: number, value: number) => void,
): void {
  const along = (first: number, i: number) => {
    const at = first + (i + 0.5) * size / side - 0.5;
    const low = Math.min(side - 1, Math.max(0, Math.floor(at)));
    return {
      low,
      high: Math.min(side - 1, low + 1),
      part: Math.min(1, Math.max(0, at - low)),
    };
  };
  for (let row = 0; row < side; row++) {
    const v = along(y, row);
    for (let column = 0; column < side; column++) {
      const h = along(x, isMirrored ? side - 1 - column : column);
      for (let c = 0; c < CHANNELS; c++) {
        const at = (line: number, pixel: number) =>
          levels[start + (line * side + pixel) * CHANNELS + c]!;
        const above = at(v.low, h.low) * (1 - h.part) +
          at(v.low, h.high) * h.part;
        const below = at(v.high, h.low) * (1 - h.part) +
          at(v.high, h.high) * h.part;
        const value = above * (1 - v.part) + below * v.part;
        write((row * side + column) * CHANNELS + c, value / 255);
      }
    }
  }
}

/**
 * Makes a random view of each frame: a square of half to all of its area,
 * mirrored half of the time, with brightness and contrast changed.
 *
 * Source: Caron et al. 2021, with one size of crops and less of colour.
 *
 * @param gpu device
 * @param frames to take from
 * @param drawn which
 * @param streams one for each
 * @returns (B, side, side, 3) in [0, 1]
 */
export function viewsOn(
  gpu: Gpu,
  { side, levels }: SceneFrames,
  drawn: readonly Drawn[],
  streams: readonly Key[],
): Tensor {
  const own = side * side * CHANNELS;
  const values = new Float32Array(drawn.length * own);
  for (const [i, { row }] of drawn.entries()) {
    const stream = streams[i]!;
    const size = side * Math.sqrt(0.5 + 0.5 * stream.uniform(0));
    const square = {
      size,
      x: (side - size) * stream.uniform(1),
      y: (side - size) * stream.uniform(2),
    };
    const contrast = 0.7 + 0.6 * stream.uniform(4);
    const shift = 0.3 * (stream.uniform(5) - 0.5);
    resample(
      levels,
      row * own,
      side,
      square,
      stream.uniform(3) < 0.5,
      (k, value) => {
        const changed = (value - 0.5) * contrast + 0.5 + shift;
        values[i * own + k] = Math.min(1, Math.max(0, changed));
      },
    );
  }
  return tensor(gpu, values, [drawn.length, side, side, CHANNELS]);
}
