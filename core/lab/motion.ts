/**
 * How futures move: what is measured of every window, kept point by point.
 *
 * @module
 */

import { frequencyChange } from "../metrics/motion.ts";
import type { ImageLayout } from "../metrics/sharpness.ts";
import {
  type Displacement,
  displacements,
  subpixelShift,
} from "../metrics/shift.ts";
import { mean } from "../metrics/statistics.ts";
import type { Lab } from "./lab.ts";
import { framesAtOnce, type PartName } from "./latents.ts";
import {
  motionFrames,
  motionFutures,
  type MotionSource,
} from "./motion_sources.ts";

/** How the frames of one window move. */
export interface FrameMotion {
  /** Change below the frequency, root mean square of [0, 1]. */
  readonly low: number;
  /** Change above it. */
  readonly high: number;
  /** Change in all. */
  readonly total: number;
  /** Displacements in whole pixels, as published. */
  readonly shifts: readonly Displacement[];
  /** Displacements in parts of pixels. */
  readonly subpixel: readonly Displacement[];
}

/** What is measured of one window. */
export interface WindowMotion {
  /** From the first predicted frame to the last, step by step. */
  readonly steps: FrameMotion;
  /** From the present on, in four links. */
  readonly links: FrameMotion;
  /** Change in all from the first predicted frame on, in four leaps. */
  readonly leaps: number;
  /** Latents of the last frame less those of the present, root mean square. */
  readonly residual: number;
}

/** Distinct numbers in the order they come. */
function distinct(list: readonly number[]): number[] {
  return [...new Set(list)];
}

/**
 * Frames between which four links are, counted from the present: 0, 4, 8, 12, 16
 * of 16; fewer of horizons below 4.
 *
 * Source: published code, the jump model's protocol.
 *
 * @param horizon H
 */
export function linkFrames(horizon: number): number[] {
  return distinct([0, 1, 2, 3, 4].map((k) => Math.round(k * horizon / 4)));
}

/**
 * Frames between which four leaps are, counted from the present, which is not
 * among them: 1, 5, 9, 13, 16 of 16.
 *
 * Source: published code, `motion_eval`.
 *
 * @param horizon H
 */
export function leapFrames(horizon: number): number[] {
  return distinct(
    linkFrames(horizon).map((frame) => Math.min(frame + 1, horizon)),
  );
}

/**
 * Measures how one window moves. A pair of frames that is a step and a link is
 * looked at once.
 *
 * @param frames (1 + H, height, width, channels), the present first
 * @param layout sizes
 * @returns all but the residual
 * @throws {RangeError} if there are fewer than two frames after the present
 */
export function windowMotion(
  frames: Float32Array,
  layout: ImageLayout,
): Omit<WindowMotion, "residual"> {
  const size = layout.height * layout.width * layout.channels;
  const horizon = frames.length / size - 1;
  const frame = (k: number) => frames.subarray(k * size, (k + 1) * size);
  const known = new Map<string, FrameMotion>();
  const pair = (from: number, to: number) => {
    const name = `${from} ${to}`;
    const motion = known.get(name) ??
      pairMotion(frame(from), frame(to), layout);
    known.set(name, motion);
    return motion;
  };
  const over = (list: readonly number[]) =>
    joined(list.slice(1).map((to, i) => pair(list[i]!, to)));
  return {
    steps: over(Array.from({ length: horizon }, (_, k) => k + 1)),
    links: over(linkFrames(horizon)),
    leaps: over(leapFrames(horizon)).total,
  };
}

/** How one frame follows another. */
function pairMotion(
  from: Float32Array,
  to: Float32Array,
  layout: ImageLayout,
): FrameMotion {
  const frames = new Float32Array(2 * from.length);
  frames.set(from);
  frames.set(to, from.length);
  return {
    ...frequencyChange(frames, layout),
    shifts: displacements(frames, layout),
    subpixel: displacements(frames, layout, subpixelShift),
  };
}

/** The motion of several pairs. */
function joined(pairs: readonly FrameMotion[]): FrameMotion {
  const of = (name: "low" | "high" | "total") =>
    mean(pairs.map((pair) => pair[name]));
  return {
    low: of("low"),
    high: of("high"),
    total: of("total"),
    shifts: pairs.flatMap(({ shifts }) => shifts),
    subpixel: pairs.flatMap(({ subpixel }) => subpixel),
  };
}

/** Root mean square of differences. */
function rootMeanSquare(x: Float32Array, y: Float32Array): number {
  const sum = x.reduce((sum, value, i) => sum + (value - y[i]!) ** 2, 0);
  return Math.sqrt(sum / x.length);
}

/**
 * Finds how the windows of a part move, or measures it.
 *
 * @param lab windows, networks and parameters
 * @param source which futures; they are predicted if need be
 * @param name of the part
 * @returns one of each window
 * @throws {Interrupted} if it was asked to stop
 */
export async function motion(
  lab: Lab,
  source: MotionSource,
  name: PartName,
): Promise<readonly WindowMotion[]> {
  const { interrupt } = lab.context;
  const { horizon, size } = lab.params;
  const [data, networks, part] = [
    await lab.data(),
    await lab.networks(),
    await lab.part(name),
  ];
  using opened = await motionFutures(lab, source, name);
  const layout = { height: size, width: size, channels: 3 };
  const made = await lab.make<{ windows: WindowMotion[] }>({
    by: import.meta.url,
    kind: "motion",
    spec: {
      source: source.kind === "model"
        ? { calibrated: source.calibrated === true }
        : source.kind,
      windows: part.windows.map(({ id }) => id),
      vae: networks.vaeDigest,
      dataset: data.digest,
      size,
      horizon,
    },
    from: [part.digest, ...opened.from],
  }, async () => {
    const framesOf = await motionFrames(lab, name, source, opened);
    const line = lab.context.progress("measure motion");
    const atOnce = Math.max(
      1,
      Math.floor(framesAtOnce(size) / (1 + horizon)),
    );
    const windows: WindowMotion[] = [];
    const all = [...part.windows.keys()];
    for (let start = 0; start < all.length; start += atOnce) {
      interrupt.check();
      line.update({ done: start, total: all.length });
      const list = all.slice(start, start + atOnce);
      const frames = await framesOf(list);
      for (const [k, i] of list.entries()) {
        const { row } = part.windows[i]!;
        const future = opened.of(i);
        windows.push({
          ...windowMotion(frames[k]!, layout),
          residual: rootMeanSquare(
            future.subarray(future.length * (horizon - 1) / horizon),
            part.latents.read(row, row + 1),
          ),
        });
      }
    }
    line.end();
    return { windows };
  });
  return made.facts.windows;
}
