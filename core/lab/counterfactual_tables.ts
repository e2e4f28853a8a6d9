/**
 * What counterfactuals came to, for readers: tables, files, notes.
 *
 * @module
 */

import type { SteeringGain } from "../data/ego_motion.ts";
import type { Quantity } from "../experiment/claims.ts";
import type { DataFile, FindingTable } from "../experiment/findings.ts";
import { tableToCsv } from "../report/table.ts";
import {
  type Commands,
  drivenSteps,
  type Readings,
  STEP_SECONDS,
  type Variant,
} from "./counterfactual.ts";
import {
  type ActionPart,
  type CounterfactualGap,
  type CounterfactualRow,
  type CounterfactualScores,
  PARTS,
} from "./counterfactual_results.ts";
import { type ProbeFacts, probeNote } from "./probe.ts";

function cellOf({ value, low, high, n }: Quantity) {
  return {
    value,
    ...(low === undefined || high === undefined ? {} : { low, high }),
    ...(n === undefined ? {} : { n }),
  };
}

/** Name, heading, number and further facts of a column. */
type Column = [
  name: string,
  title: string,
  pick: (scores: CounterfactualScores) => Quantity | undefined,
  facts?: object,
];

/**
 * Lays out how sources follow one part of the actions: a row for each.
 *
 * @param rows sources
 * @param part of the actions
 * @param factors of that part
 * @param horizon H
 */
export function counterfactualTable(
  rows: readonly CounterfactualRow[],
  part: ActionPart,
  factors: readonly number[],
  horizon: number,
): FindingTable {
  const { title, unit } = PARTS[part];
  const columns: Column[] = [
    [
      "loggedCorrelation",
      "Logged actions: correlation",
      (s) => s.logged[part].correlation,
      { direction: "higher" },
    ],
    ["loggedSlope", "slope, 1 as commanded", (s) => s.logged[part].slope],
    ["loggedError", "error (RMSE)", (s) => s.logged[part].rmse, {
      unit,
      direction: "lower",
    }],
    ["loggedDrift", "end of the path, off by", (s) => s.loggedDrift[part], {
      unit: "m",
      direction: "lower",
    }],
    [
      "correlation",
      `Other ${title}: correlation`,
      (s) => s.response?.[part].correlation,
      { direction: "higher" },
    ],
    ["slope", "slope, 1 as commanded ", (s) => s.response?.[part].slope],
    ["drift", "end of the path, off by ", (s) => s.drift?.[part], {
      unit: "m",
      direction: "lower",
    }],
    ...(part === "steer"
      ? [[
        "wholeDrift",
        "the same, acceleration as read, too",
        (s: CounterfactualScores) => s.wholeDrift,
        { unit: "m", direction: "lower" },
      ] as Column]
      : []),
  ];
  return {
    title: `Does the ${title} that a probe reads follow the one commanded?`,
    note: `Other ${title}: the recorded one times ${
      factors.filter((x) => x !== 1).join(", ")
    }, all else equal; its correlation and slope are within a step of a window, so that nothing that the present shows counts. Paths are by what is read of the ${title}, all else as commanded, from the recorded speed to t+${horizon} (${
      horizon * STEP_SECONDS
    } s). Intervals: 95 % bootstrap over scenes.`,
    head: "Futures",
    columns: columns.map(([name, title, , rest]) => ({
      name,
      title,
      decimals: 3,
      ...rest,
    })),
    rows: rows.map(({ name, title, scores }) => ({
      name,
      title,
      cells: Object.fromEntries(columns.flatMap(([name, , pick]) => {
        const found = pick(scores);
        return found === undefined ? [] : [[name, cellOf(found)]];
      })),
    })),
  };
}

/**
 * Lays out differences of sources.
 *
 * @param gaps of them
 * @param rows sources, for their titles
 */
export function gapTable(
  gaps: readonly CounterfactualGap[],
  rows: readonly CounterfactualRow[],
): FindingTable {
  const titleOf = (name: string) =>
    rows.find((row) => row.name === name)!.title;
  const several = 2 * gaps.length;
  return {
    title: "Under other steering, window by window",
    note: `Intervals: bootstrap over scenes, of ${
      (100 * (1 - 0.05 / several)).toFixed(1)
    } % each, so that all ${several} hold at once with 95 % (Bonferroni).`,
    head: "Difference",
    columns: [
      {
        name: "drift",
        title: "End of the path, off by",
        unit: "m",
        decimals: 3,
        direction: "lower",
      },
      { name: "slope", title: "Slope of the steering", decimals: 3 },
    ],
    rows: gaps.map(({ of, drift, slope }) => ({
      name: of.join("-minus-"),
      title: `${titleOf(of[0])} less ${titleOf(of[1])}`,
      cells: { drift: cellOf(drift), slope: cellOf(slope) },
    })),
  };
}

/**
 * Lists what was read at every step of every future.
 *
 * @param commands what was commanded
 * @param variants of the actions
 * @param sources with the readings of each seed
 */
export function readingsFile(
  commands: Commands,
  variants: readonly Variant[],
  sources: readonly {
    readonly name: string;
    readonly seeds: readonly Readings[];
  }[],
): DataFile {
  const csv = tableToCsv({
    columns: [
      { key: "futures", label: "Whose futures" },
      { key: "seed", label: "Number of the seed" },
      { key: "scene", label: "Scene" },
      { key: "speed", label: "Speed at the present, m/s" },
      { key: "steerFactor", label: "Factor of the steering" },
      { key: "accelFactor", label: "Factor of the acceleration" },
      { key: "step", label: "Step, from 1" },
      { key: "steer", label: "Commanded steering, rad" },
      { key: "steerRead", label: "Steering that the probe reads, rad" },
      { key: "accel", label: "Commanded acceleration, m/s^2" },
      { key: "accelRead", label: "Acceleration that the probe reads, m/s^2" },
    ],
    rows: sources.flatMap(({ name, seeds }) =>
      seeds.flatMap(({ read }, seed) =>
        read.flatMap((own, i) =>
          own.flatMap((actions, v) => {
            const given = drivenSteps(commands.actions[i]![v]!);
            return drivenSteps(actions).map((step, h) => ({
              futures: name,
              seed,
              scene: commands.scenes[i]!,
              speed: commands.speeds[i]!,
              steerFactor: variants[v]!.steer,
              accelFactor: variants[v]!.accel,
              step: h + 1,
              steer: given[h]!.steerRad,
              steerRead: step.steerRad,
              accel: given[h]!.accelMps2,
              accelRead: step.accelMps2,
            }));
          })
        )
      )
    ),
  });
  return {
    bytes: new TextEncoder().encode(csv),
    type: "csv",
    caption: "what was commanded and read at every step of every future",
  };
}

/**
 * Says what the probe and the paths rest on, and what a probe cannot tell.
 *
 * @param probe how it was trained
 * @param gain of the steering wheel
 */
export function steeringNotes(
  probe: ProbeFacts,
  { curvaturePerRad, correlation, n }: SteeringGain,
): string[] {
  const { acceleration } = probe.quality;
  return [
    probeNote(probe),
    `Its acceleration has correlation ${
      acceleration.correlation?.toFixed(3) ?? "unknown"
    } with the recorded one there.`,
    `Paths are by the kinematic bicycle model for small angles, from the recorded speed. A steering wheel at 1 rad bends the path by ${
      curvaturePerRad.toFixed(4)
    } 1/m: measured on ${n} keyframes of training scenes, whose recorded turn rates it explains with correlation ${
      correlation.toFixed(3)
    }. That is 1 / (wheel base times steering ratio).`,
    "What a probe cannot tell: whether a frame looks real, or a future is the right one. It was trained on real frames: where it reads nothing from a predicted one, either nothing moves as commanded or what moves does not look like real motion, and it does not say which. Under the recorded actions it may read the steering from the road that the present shows: only the columns of other actions are free of that. A future that follows another trajectory than the one commanded has slope 0 there, whatever else it scores.",
  ];
}
