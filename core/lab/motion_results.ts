/**
 * What motion came to, from plain numbers: sets of windows, and ratios to the
 * real motion by two protocols.
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
import type { LabWindow } from "./data.ts";
import type { FrameMotion, WindowMotion } from "./motion.ts";
import { windowQuantity } from "./window_quantity.ts";

/** Numbers of a window, with what they are called. */
export const MOTION_MEASURES = {
  low: "Low-frequency change",
  high: "High-frequency change",
  total: "Change in all",
  leaps: "Change in all, four leaps",
  shift: "Displacement, whole pixels",
  subpixel: "Displacement, sub-pixel",
  direction: "Direction, whole pixels",
  subpixelDirection: "Direction, sub-pixel",
  residual: "Residual of the last latents",
  linkLow: "Low-frequency change, four links",
  linkHigh: "High-frequency change, four links",
  linkShift: "Displacement, four links, whole pixels",
  linkSubpixel: "Displacement, four links, sub-pixel",
  linkDirection: "Direction, four links, whole pixels",
  linkSubpixelDirection: "Direction, four links, sub-pixel",
} as const;

/** Name of a number of a window. */
export type MotionMeasure = keyof typeof MOTION_MEASURES;

function frameNumbers(own: FrameMotion, real: FrameMotion) {
  const { low, high, total, shifts, subpixel } = own;
  return {
    low,
    high,
    total,
    shift: displacementMagnitude(shifts),
    subpixel: displacementMagnitude(subpixel),
    direction: directionCorrelation(real.shifts, shifts),
    subpixelDirection: directionCorrelation(real.subpixel, subpixel),
  };
}

/**
 * Numbers of a window.
 *
 * @param own what was measured of it
 * @param real the same of what happened
 */
export function motionNumbers(
  own: WindowMotion,
  real: WindowMotion,
): Record<MotionMeasure, number> {
  const links = frameNumbers(own.links, real.links);
  return {
    ...frameNumbers(own.steps, real.steps),
    leaps: own.leaps,
    residual: own.residual,
    linkLow: links.low,
    linkHigh: links.high,
    linkShift: links.shift,
    linkSubpixel: links.subpixel,
    linkDirection: links.direction,
    linkSubpixelDirection: links.subpixelDirection,
  };
}

/** Some windows, by a name. */
export interface MotionSet {
  /** Name in files. */
  readonly name: string;
  /** What it is, for readers. */
  readonly title: string;
  /** Part of the dataset that the windows are of. */
  readonly part: "test" | "consecutive";
  /** Their numbers in the part. */
  readonly windows: readonly number[];
}

/** Numbers of windows of the published sets. */
const [FIGURE_6, JUMP] = [40, 30];

/** Numbers of the first window of each scene. */
function firstOf(windows: readonly LabWindow[], most: number): number[] {
  const first = new Map<string, number>();
  for (const [i, { scene }] of windows.entries()) {
    if (!first.has(scene)) first.set(scene, i);
  }
  return [...first.values()].slice(0, most);
}

/** The quarter of some windows that moves most at low frequencies. */
function fastest(
  windows: readonly number[],
  real: readonly WindowMotion[],
): number[] {
  return windows.toSorted((a, b) => real[b]!.steps.low - real[a]!.steps.low)
    .slice(0, Math.ceil(windows.length / 4));
}

/**
 * Lists the sets of windows: the published ones, and more.
 *
 * @param test windows of the test part
 * @param consecutive windows of that part
 * @param real motion of the test windows
 */
export function motionSets(
  test: readonly LabWindow[],
  consecutive: readonly LabWindow[],
  real: readonly WindowMotion[],
): MotionSet[] {
  const every = [...test.keys()];
  const figure = firstOf(test, FIGURE_6);
  const set = (
    name: string,
    what: string,
    windows: readonly number[],
    part: MotionSet["part"] = "test",
  ): MotionSet => {
    const list = part === "test" ? test : consecutive;
    const scenes = new Set(windows.map((i) => list[i]!.scene)).size;
    const count = (n: number, one: string) =>
      `${n} ${one}${n === 1 ? "" : "s"}`;
    const size = `${count(windows.length, "window")} of ${
      count(scenes, "scene")
    }`;
    return { name, title: `${what}: ${size}`, part, windows };
  };
  return [
    set("first40", `First windows of the first ${FIGURE_6} scenes`, figure),
    set(
      "fast40",
      "The quarter of these that moves most",
      fastest(figure, real),
    ),
    set("all", "All test windows", every),
    set("fast", "The quarter of these that moves most", fastest(every, real)),
    set(
      "first30",
      `First windows of the first ${JUMP} scenes`,
      firstOf(test, JUMP),
    ),
    set(
      "consecutive30",
      "Consecutive windows of two scenes, the jump model's set",
      [...consecutive.keys()],
      "consecutive",
    ),
  ];
}

/** Numbers of windows of one point in one set, with those of what happened. */
export interface MotionRow {
  /** Name among the published numbers. */
  readonly name: string;
  /** Name for readers. */
  readonly title: string;
  /** Scene of each window. */
  readonly scenes: readonly string[];
  /** Of each window, by measure. */
  readonly own: Readonly<Record<MotionMeasure, readonly number[]>>;
  /** The same of what happened. */
  readonly real: Readonly<Record<MotionMeasure, readonly number[]>>;
}

/** How ratios are averaged, as the two parts of the paper do. */
export type RatioKind = "ratio of means" | "mean of ratios";

/** The ratio of some windows; NaN where nothing moves. */
function ratioAt(
  { own, real }: MotionRow,
  measure: MotionMeasure,
  kind: RatioKind,
  windows: readonly number[],
): number {
  const moving = kind === "mean of ratios"
    ? windows.filter((i) => real[measure][i]! > 0)
    : windows;
  if (moving.length === 0) return NaN;
  const [values, reference] = [own, real]
    .map((of) => moving.map((i) => of[measure][i]!)) as [number[], number[]];
  return kind === "mean of ratios"
    ? meanOfRatios(values, reference)
    : ratioOfMeans(values, reference);
}

/**
 * How much of the real motion there is: by either protocol, with a 95 % bootstrap
 * interval over scenes. Means of ratios leave windows out that do not move.
 *
 * @param row of the windows
 * @param measure which number
 * @param kind of the average
 * @param seed of the bootstrap
 */
export function motionRatio(
  row: MotionRow,
  measure: MotionMeasure,
  kind: RatioKind,
  seed: number,
): Quantity {
  const n = kind === "ratio of means"
    ? row.scenes.length
    : row.real[measure].filter((value) => value > 0).length;
  return windowQuantity(
    row.scenes,
    (windows) => ratioAt(row, measure, kind, windows),
    { seed, n },
  );
}

/**
 * The mean difference of a number of the same windows, with a paired bootstrap
 * interval over scenes.
 *
 * @param one from which is subtracted
 * @param other what is subtracted
 * @param measure which number
 * @param seed of the bootstrap
 * @param level of the interval
 */
export function motionMeanGap(
  one: MotionRow,
  other: MotionRow,
  measure: MotionMeasure,
  seed: number,
  level: number,
): Quantity {
  const gaps = one.own[measure].map((x, i) => x - other.own[measure][i]!);
  return windowQuantity(
    one.scenes,
    (windows) => mean(windows.map((i) => gaps[i]!)),
    { seed, level },
  );
}

/**
 * The mean of a number of each window, with a 95 % bootstrap interval over
 * scenes.
 *
 * @param row of the windows
 * @param measure which number
 * @param seed of the bootstrap
 */
export function motionMean(
  { scenes, own }: MotionRow,
  measure: MotionMeasure,
  seed: number,
): Quantity {
  return windowQuantity(
    scenes,
    (windows) => mean(windows.map((i) => own[measure][i]!)),
    { seed },
  );
}

/** A ratio of a row. */
export type RatioOf = readonly [
  row: MotionRow,
  measure: MotionMeasure,
  kind: RatioKind,
];

/**
 * How far a ratio is from the real motion, for {@linkcode motionGap}: less, and
 * more, are both wrong.
 *
 * @param ratio no unit, 1 for the real motion
 */
export function missed(ratio: number): number {
  return Math.abs(ratio - 1);
}

/**
 * The difference of two ratios of the same windows, with a paired bootstrap
 * interval over scenes.
 *
 * @param one from which is subtracted
 * @param other what is subtracted
 * @param seed of the bootstrap
 * @param level of the interval
 * @param of what is taken of each ratio; itself by default
 * @throws {RangeError} if the windows are not of the same scenes
 */
export function motionGap(
  one: RatioOf,
  other: RatioOf,
  seed: number,
  level: number,
  of: (ratio: number) => number = (ratio) => ratio,
): Quantity {
  const [{ scenes }, { scenes: others }] = [one[0], other[0]];
  if (
    scenes.length !== others.length ||
    scenes.some((scene, i) => scene !== others[i])
  ) {
    throw new RangeError(
      `Cannot pair ${scenes.length} with ${others.length} windows: needed the same ones`,
    );
  }
  return windowQuantity(
    scenes,
    (windows) => of(ratioAt(...one, windows)) - of(ratioAt(...other, windows)),
    { seed, level },
  );
}
