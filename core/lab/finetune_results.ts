/**
 * What fine-tunings gain over each other, and over the model before.
 *
 * @module
 */

import type { Quantity } from "../experiment/claims.ts";
import type { FindingTable } from "../experiment/findings.ts";
import type { Columns } from "./columns.ts";
import {
  type FinetuneParams,
  type FinetuneStage,
  STAGE_POINTS,
  stageColumns,
  STAGES,
} from "./finetune.ts";
import { gapOver } from "./gaps.ts";
import type { Lab } from "./lab.ts";
import {
  missed,
  motionGap,
  motionMeanGap,
  type MotionMeasure,
  type MotionRow,
} from "./motion_results.ts";
import type { MeasuredMotion } from "./motion_run.ts";
import type { PairSpec } from "./pair.ts";

/** By what a gain is told, with the points that it is told of. */
export const GAINS = {
  low: "Low-frequency change: how much nearer to the real one",
  high: "High-frequency change: how much nearer to the real one",
  shift: "Displacement, whole pixels: how much nearer to the real one",
  subpixel: "Displacement, sub-pixel: how much nearer to the real one",
  direction: "Direction, whole pixels",
  subpixelDirection: "Direction, sub-pixel",
  kid: "KID, raw",
  kidCalibrated: "KID, calibrated",
  cosSim: "CosSim, raw",
  cosSimCalibrated: "CosSim, calibrated",
} as const;

/** Gains by what they are told by. */
export type Gains = Readonly<Record<keyof typeof GAINS, Quantity>>;

/** What is known of a stage: its raw samples' motion, and its columns. */
interface MeasuredStage {
  /** Motion of its raw samples. */
  readonly row: MotionRow;
  /** Columns of each seed. */
  readonly columns: readonly Columns[];
}

/** What one stage gains over another. */
function gainsOf(
  after: MeasuredStage,
  before: MeasuredStage,
  seed: number,
  level: number,
): Gains {
  const share = (measure: MotionMeasure) =>
    motionGap(
      [before.row, measure, "ratio of means"],
      [after.row, measure, "ratio of means"],
      seed,
      level,
      missed,
    );
  const direction = (measure: MotionMeasure) =>
    motionMeanGap(after.row, before.row, measure, seed, level);
  const score = (point: string, metric: string): Quantity => {
    const { value, low, high, n } = gapOver(
      before.columns,
      after.columns,
      point,
      metric,
    );
    return { value, low, high, n, of: "windows", decimals: 4 };
  };
  return {
    low: share("low"),
    high: share("high"),
    shift: share("shift"),
    subpixel: share("subpixel"),
    direction: direction("direction"),
    subpixelDirection: direction("subpixelDirection"),
    kid: score("raw", "kid"),
    kidCalibrated: score("calibrated", "kid"),
    cosSim: score("raw", "cosSim"),
    cosSimCalibrated: score("calibrated", "cosSim"),
  };
}

/** A comparison of two stages. */
export interface Comparison {
  /** Which. */
  readonly title: string;
  /** What the first of them gains. */
  readonly gains: Gains;
}

/**
 * Tells what stages gain over each other, above zero where they are better:
 * paired over scenes, and over seeds where there are several.
 *
 * @param lab of the experiment
 * @param pairs one for each seed
 * @param measured motion of {@linkcode finetunePoints}
 * @param level of the intervals of motion; those of the frontier have 95 %
 * @returns `tuned` over the control, `both` over before, `control` over before
 */
export async function compareStages(
  lab: Lab<FinetuneParams>,
  pairs: readonly PairSpec[],
  measured: MeasuredMotion,
  level: number,
): Promise<Record<"tuned" | "both" | "control", Comparison>> {
  const [seed = 0] = lab.params.seeds;
  const known: Partial<Record<FinetuneStage, MeasuredStage>> = {};
  for (const stage of STAGES) {
    const columns: Columns[] = [];
    for (const of of pairs) {
      columns.push(await stageColumns(lab, { of, stage }));
    }
    const [name] = STAGE_POINTS[stage];
    const row = measured.rows.all!.find((one) => one.name === name)!;
    known[stage] = { row, columns };
  }
  const { before, control, tuned } = known as Record<
    FinetuneStage,
    MeasuredStage
  >;
  const over = (after: MeasuredStage, other: MeasuredStage, title: string) => ({
    title,
    gains: gainsOf(after, other, seed, level),
  });
  return {
    tuned: over(tuned, control, "With the motion loss, over the control"),
    both: over(tuned, before, "With the motion loss, over before"),
    control: over(control, before, "The control, over before"),
  };
}

/**
 * Lays gains out: a row for each measure, a column for each comparison.
 *
 * @param comparisons gains by a name, with what they are called
 */
export function gainTable(
  comparisons: Readonly<Record<string, Comparison>>,
): FindingTable {
  const list = Object.entries(comparisons);
  return {
    title: "What fine-tuning gains",
    note:
      "Above zero is better. Motion is of raw samples on all test windows: how much nearer the share of the real one comes to 1, or by how much the mean cosine rises. Paired bootstrap intervals over scenes.",
    head: "Measure",
    columns: list.map(([name, { title }]) => ({ name, title, decimals: 4 })),
    rows: Object.entries(GAINS).map(([name, title]) => ({
      name,
      title,
      cells: Object.fromEntries(list.map(([column, { gains }]) => {
        const { value, low, high, n } = gains[name as keyof Gains];
        return [column, {
          value,
          ...(low === undefined || high === undefined ? {} : { low, high }),
          ...(n === undefined ? {} : { n }),
        }];
      })),
    })),
  };
}
