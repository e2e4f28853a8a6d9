/**
 * Speed and turn rate of a drive, from the pose messages of the CAN bus.
 *
 * @module
 */

import { join } from "@std/path";
import { z } from "zod";
import { makeSeries, MAX_CAN_ALIGNMENT_US, nearestMessage } from "./can_bus.ts";
import { readJsonArray } from "./json_stream.ts";
import { checkRow } from "./rows.ts";
import type { Scene } from "./scene.ts";

const POSE = z.object({
  utime: z.number().nullable(),
  vel: z.array(z.number().nullable()).min(1),
  rotation_rate: z.array(z.number().nullable()).min(3),
});

/** How the car moves at one keyframe. */
export interface EgoMotion {
  /** Forward, m/s. */
  readonly speedMps: number;
  /** About the vertical axis, positive to the left, rad/s. */
  readonly yawRate: number;
}

/**
 * Reads how the car moves at the keyframes of a scene: `vel[0]` and
 * `rotation_rate[2]` of the pose message nearest to each.
 *
 * Source: the CAN-bus expansion of nuScenes.
 *
 * @param root folder of the dataset
 * @param scene which
 * @returns one for each keyframe
 * @throws {SyntaxError} if the messages are no JSON array of objects
 * @throws {Error} if the file is missing, a message lacks a field, or a
 *   keyframe has no message within 50 ms
 */
export async function readEgoMotion(
  root: string,
  { name, keyframes }: Pick<Scene, "name" | "keyframes">,
): Promise<EgoMotion[]> {
  const path = join(root, `can_bus/${name}_pose.json`);
  const utimes: (number | null)[] = [];
  const speeds: (number | null)[] = [];
  const rates: (number | null)[] = [];
  await readJsonArray(path, (row, place) => {
    const { utime, vel, rotation_rate: rate } = checkRow(
      POSE,
      row,
      path,
      place,
    );
    utimes.push(utime);
    speeds.push(vel[0] ?? null);
    rates.push(rate[2] ?? null);
  }, { nonFiniteAsNull: true });
  const series = [speeds, rates].map((values) => makeSeries(utimes, values));
  return keyframes.map(({ timestamp }) => {
    const [speed, rate] = series.map((one) => nearestMessage(one, timestamp));
    for (const found of [speed, rate]) {
      if (Math.abs(found?.dt ?? Infinity) <= MAX_CAN_ALIGNMENT_US) continue;
      throw new Error(
        `Cannot tell the speed at ${timestamp} of "${name}": ${path} has no message within ${
          MAX_CAN_ALIGNMENT_US / 1000
        } ms`,
      );
    }
    return { speedMps: speed!.value, yawRate: rate!.value };
  });
}

/** How a steering wheel turns a car. */
export interface SteeringGain {
  /** Curvature of the path for an angle of the wheel, 1/m for 1 rad. */
  readonly curvaturePerRad: number;
  /** Pearson's correlation of recorded and explained turn rates. */
  readonly correlation: number;
  /** Keyframes that it rests on. */
  readonly n: number;
}

/**
 * Measures how much the path bends for an angle of the steering wheel: least
 * squares of turn rate = gain speed angle, the kinematic bicycle model for small
 * angles, where the gain is 1 / (wheel base times steering ratio).
 *
 * @param samples motion and angle of the wheel (rad) at keyframes
 * @throws {RangeError} if nothing moves and steers
 */
export function steeringGain(
  samples: readonly (EgoMotion & { readonly steerRad: number })[],
): SteeringGain {
  let [xx, xy, yy] = [0, 0, 0];
  for (const { speedMps, yawRate, steerRad } of samples) {
    const x = speedMps * steerRad;
    xx += x * x;
    xy += x * yawRate;
    yy += yawRate * yawRate;
  }
  if (!(xx > 0 && yy > 0)) {
    throw new RangeError(
      `Cannot measure how steering turns the car: of ${samples.length} keyframes none moves, steers and turns`,
    );
  }
  return {
    curvaturePerRad: xy / xx,
    // About zero, as the model has no constant.
    correlation: xy / Math.sqrt(xx * yy),
    n: samples.length,
  };
}
