/**
 * What chains of jumps came to, from plain numbers: ratios to the real motion by
 * two protocols, and differences of models.
 *
 * @module
 */

import type { Quantity } from "../experiment/claims.ts";
import { meanOfRatios, ratioOfMeans } from "../metrics/motion.ts";
import {
  directionCorrelation,
  displacementMagnitude,
} from "../metrics/shift.ts";
import { mean } from "../metrics/statistics.ts";
import type { JumpMotion } from "./jump_motion.ts";
import { windowQuantity } from "./window_quantity.ts";

/** Motion of the windows of one set, of one point, with what happened. */
export interface JumpRow {
  /** Name among the published numbers. */
  readonly name: string;
  /** Name for readers. */
  readonly title: string;
  /** Scene of each window; windows of further seeds behind those of the first. */
  readonly scenes: readonly string[];
  /** Of each window. */
  readonly own: readonly JumpMotion[];
  /** What happened. */
  readonly real: readonly JumpMotion[];
}

/** What is shown of a row, with headings. */
export const JUMP_MEASURES = {
  low: "Low-frequency change, mean of ratios",
  direction: "Direction",
  displacement: "Displacement, mean of ratios",
  innerLow: "Low-frequency change, ratio of means",
  innerHigh: "High-frequency change, ratio of means",
} as const;

/** Name of a number of a row. */
export type JumpMeasure = keyof typeof JUMP_MEASURES;

/** A number of some windows of a row; NaN where nothing real moves. */
function measureAt(
  { own, real }: JumpRow,
  measure: JumpMeasure,
  windows: readonly number[],
): number {
  const of = (
    list: readonly JumpMotion[],
    pick: (motion: JumpMotion) => number,
  ) => windows.map((i) => pick(list[i]!));
  switch (measure) {
    case "direction":
      return mean(
        windows.map((i) =>
          directionCorrelation(real[i]!.shifts, own[i]!.shifts)
        ),
      );
    case "displacement": {
      const length = ({ shifts }: JumpMotion) => displacementMagnitude(shifts);
      // Windows that do not move by a pixel have no ratio.
      const moving = windows.filter((i) => length(real[i]!) > 0);
      if (moving.length === 0) return NaN;
      return meanOfRatios(
        moving.map((i) => length(own[i]!)),
        moving.map((i) => length(real[i]!)),
      );
    }
    case "low":
      return meanOfRatios(of(own, (m) => m.low), of(real, (m) => m.low));
    default:
      return ratioOfMeans(
        of(own, (motion) => motion[measure]),
        of(real, (motion) => motion[measure]),
      );
  }
}

/** Resamples of scenes. */
const RESAMPLES = 1000;

/**
 * A number of a row with its 95 % bootstrap interval over scenes. Means of ratios
 * of displacements leave out windows that do not move by a pixel, where the
 * published code divides by 1e-9.
 *
 * @param row of the windows, at least one
 * @param measure which number
 * @param seed of the bootstrap
 */
export function jumpMeasure(
  row: JumpRow,
  measure: JumpMeasure,
  seed: number,
): Quantity {
  return windowQuantity(
    row.scenes,
    (windows) => measureAt(row, measure, windows),
    { seed, resamples: RESAMPLES },
  );
}

/**
 * The difference of a number of two rows of the same windows, with a paired
 * bootstrap interval over scenes.
 *
 * @param one from which is subtracted
 * @param other what is subtracted
 * @param measure which number
 * @param seed of the bootstrap
 * @param level of the interval
 * @throws {RangeError} if the windows are not of the same scenes
 */
export function jumpGap(
  one: JumpRow,
  other: JumpRow,
  measure: JumpMeasure,
  seed: number,
  level: number,
): Quantity {
  if (`${one.scenes}` !== `${other.scenes}`) {
    throw new RangeError(
      `Cannot pair ${one.scenes.length} with ${other.scenes.length} windows: needed the same ones`,
    );
  }
  return windowQuantity(
    one.scenes,
    (windows) =>
      measureAt(one, measure, windows) - measureAt(other, measure, windows),
    { seed, level, resamples: RESAMPLES },
  );
}

/**
 * The mean of paired differences of windows, with its bootstrap interval over
 * scenes.
 *
 * @param values one of each window
 * @param others of the same windows
 * @param scenes scene of each
 * @param seed of the bootstrap
 * @param level of the interval
 * @throws {RangeError} if they are not equally many
 */
export function windowGap(
  values: readonly number[],
  others: readonly number[],
  scenes: readonly string[],
  seed: number,
  level: number,
): Quantity {
  if (values.length !== others.length || values.length !== scenes.length) {
    throw new RangeError(
      `Cannot pair ${values.length} with ${others.length} values of ${scenes.length} scenes: needed equally many`,
    );
  }
  return windowQuantity(
    scenes,
    (windows) => mean(windows.map((i) => values[i]! - others[i]!)),
    { seed, level, resamples: RESAMPLES },
  );
}
