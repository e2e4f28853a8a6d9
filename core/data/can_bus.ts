/**
 * Steering and acceleration from the CAN-bus expansion of nuScenes.
 *
 * @module
 */

import { z } from "zod";
import { readJsonArray } from "./json_stream.ts";
import { checkRow } from "./rows.ts";

/** Largest distance from a keyframe to its messages, microseconds. */
export const MAX_CAN_ALIGNMENT_US = 50_000;

/** The message types that actions come from. */
export type CanMessage = "steeranglefeedback" | "pose";

/** One quantity of a message file, in order of time. */
export interface CanSeries {
  /** Time of each message, microseconds, not descending. */
  readonly utimes: Float64Array;
  /** Steering-wheel angle in radians, or acceleration in m/s^2. */
  readonly values: Float64Array;
  /** Messages left out because time or value is NaN, infinite or null. */
  readonly notFinite: number;
  /** Messages that followed a later one in the file. */
  readonly outOfOrder: number;
}

/** The message that is nearest to a time. */
export interface NearestMessage {
  /** Its value. */
  readonly value: number;
  /** Its time minus the time asked for, microseconds. */
  readonly dt: number;
}

const STEERING = z.object({
  utime: z.number().nullable(),
  value: z.number().nullable(),
});
const POSE = z.object({
  utime: z.number().nullable(),
  accel: z.array(z.number().nullable()).min(1),
});

/**
 * Sorts messages by time and leaves out those that are not finite. Messages of
 * equal time keep their order.
 *
 * @param utimes microseconds, as in the file
 * @param values as in the file, same length
 */
export function makeSeries(
  utimes: readonly (number | null)[],
  values: readonly (number | null)[],
): CanSeries {
  const messages: { utime: number; value: number }[] = [];
  let outOfOrder = 0;
  let latest = -Infinity;
  utimes.forEach((utime, i) => {
    const value = values[i] ?? null;
    if (utime === null || value === null) return;
    if (!Number.isFinite(utime) || !Number.isFinite(value)) return;
    if (utime < latest) outOfOrder++;
    else latest = utime;
    // Adding 0 turns -0 into 0, which JSON text of the index cannot keep apart.
    messages.push({ utime, value: value + 0 });
  });
  if (outOfOrder > 0) messages.sort((a, b) => a.utime - b.utime);
  return {
    utimes: Float64Array.from(messages, (message) => message.utime),
    values: Float64Array.from(messages, (message) => message.value),
    notFinite: utimes.length - messages.length,
    outOfOrder,
  };
}

/**
 * Reads one message file: `value` of steering, `accel[0]` of pose.
 *
 * @param path such as "can_bus/scene-0061_pose.json"
 * @param message which quantity to take
 * @returns empty if the file is an empty array
 * @throws {SyntaxError} if the file is no JSON array of objects
 * @throws {Error} if it is missing, or a message lacks the field
 */
export async function readCanSeries(
  path: string,
  message: CanMessage,
): Promise<CanSeries> {
  const utimes: (number | null)[] = [];
  const values: (number | null)[] = [];
  await readJsonArray(path, (row, place) => {
    if (message === "pose") {
      const { utime, accel } = checkRow(POSE, row, path, place);
      utimes.push(utime);
      values.push(accel[0] ?? null);
    } else {
      const { utime, value } = checkRow(STEERING, row, path, place);
      utimes.push(utime);
      values.push(value);
    }
  }, { nonFiniteAsNull: true });
  return makeSeries(utimes, values);
}

/** First index whose time is not before `time`. */
function lowerBound(utimes: Float64Array, time: number): number {
  let low = 0;
  let high = utimes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (utimes[middle]! < time) low = middle + 1; // middle < high <= length
    else high = middle;
  }
  return low;
}

/**
 * Finds the message nearest to a time; of equally near ones, the first.
 *
 * @param series messages in order of time
 * @param time microseconds
 * @returns undefined if there are no messages
 */
export function nearestMessage(
  series: CanSeries,
  time: number,
): NearestMessage | undefined {
  const { utimes, values } = series;
  const after = lowerBound(utimes, time);
  const dtAfter = (utimes[after] ?? Infinity) - time;
  const previous = utimes[after - 1] ?? -Infinity;
  if (time - previous <= dtAfter && previous !== -Infinity) {
    const first = lowerBound(utimes, previous);
    return { value: values[first]!, dt: previous - time }; // utimes[first] is previous
  }
  const value = values[after];
  return value === undefined ? undefined : { value, dt: dtAfter };
}
