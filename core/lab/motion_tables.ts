/**
 * Tables, figures and files of motion, from plain numbers.
 *
 * @module
 */

import type { Quantity } from "../experiment/claims.ts";
import type { DataFile, FindingTable } from "../experiment/findings.ts";
import { mean } from "../metrics/statistics.ts";
import { type Bar, barPlot } from "../report/plot.ts";
import { formatNumber, tableToCsv } from "../report/table.ts";
import type { LabWindow } from "./data.ts";
import type { Figure } from "./figures.ts";
import type { WindowMotion } from "./motion.ts";
import {
  MOTION_MEASURES,
  motionMean,
  type MotionMeasure,
  motionNumbers,
  motionRatio,
  type MotionRow,
  type MotionSet,
  type RatioKind,
} from "./motion_results.ts";
import type { PublishedColumn } from "./tables.ts";

/** A cell of a quantity, of the parts that tables show. */
function cellOf({ value, low, high, n }: Quantity) {
  return {
    value,
    ...(low === undefined || high === undefined ? {} : { low, high }),
    ...(n === undefined ? {} : { n }),
  };
}

/** Columns of a set's table: ratios of means, but for those of no ratio. */
const FIDELITY = [
  "low",
  "high",
  "total",
  "leaps",
  "shift",
  "subpixel",
  "direction",
  "subpixelDirection",
  "residual",
] as const satisfies readonly MotionMeasure[];

const NO_RATIO: readonly MotionMeasure[] = [
  "direction",
  "subpixelDirection",
  "residual",
];

/**
 * Lays out how the windows of one set move: a row for every point.
 *
 * @param set of the windows
 * @param rows points
 * @param published the paper's numbers by column
 * @param seed of the bootstrap
 */
export function motionTable(
  set: MotionSet,
  rows: readonly MotionRow[],
  published: Readonly<Record<string, PublishedColumn>>,
  seed: number,
): FindingTable {
  const real = Object.entries(rows[0]!.real)
    .filter(([name]) => !/direction|^link/i.test(name))
    .map(([name, values]) => {
      const title = MOTION_MEASURES[name as MotionMeasure].toLowerCase();
      return `${title} ${formatNumber(mean(values), 4)}`;
    }).join(", ");
  return {
    title: set.title,
    note:
      `Between consecutive predicted frames; the present is not among them. Ratio of means to the motion of real latents decoded, which is: ${real}; changes are root mean squares of [0, 1], displacements pixels a frame. Direction is the mean cosine between true and predicted displacements, 0 where one of them never moves; residual is of latents, no ratio. Intervals: 95 % bootstrap over scenes.`,
    head: "Operating point",
    columns: FIDELITY.map((name) => ({
      name,
      title: MOTION_MEASURES[name],
      decimals: 3,
      ...published[name],
    })),
    rows: rows.map((row) => ({
      name: row.name,
      title: row.title,
      cells: Object.fromEntries(
        FIDELITY.map((name) => [
          name,
          cellOf(
            NO_RATIO.includes(name)
              ? motionMean(row, name, seed)
              : motionRatio(row, name, "ratio of means", seed),
          ),
        ]),
      ),
    })),
  };
}

/** One way to put the low-frequency motion of a model into a number. */
interface Protocol {
  readonly set: string;
  readonly measure: MotionMeasure;
  readonly kind: RatioKind | "mean";
  readonly title: string;
}

/** Those of the paper, and those that tell apart what makes them differ. */
const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  figure6: {
    set: "first40",
    measure: "low",
    kind: "ratio of means",
    title: "Figure 6: 40 scenes, steps, ratio of means",
  },
  figure6Mean: {
    set: "first40",
    measure: "low",
    kind: "mean of ratios",
    title: "40 scenes, steps, mean of ratios",
  },
  jumpRatio: {
    set: "consecutive30",
    measure: "linkLow",
    kind: "ratio of means",
    title: "Two scenes, links, ratio of means",
  },
  jump: {
    set: "consecutive30",
    measure: "linkLow",
    kind: "mean of ratios",
    title: "Jump model: two scenes, links, mean of ratios",
  },
  scenes30: {
    set: "first30",
    measure: "linkLow",
    kind: "mean of ratios",
    title: "30 scenes, links, mean of ratios",
  },
  allRatio: {
    set: "all",
    measure: "low",
    kind: "ratio of means",
    title: "All, steps, ratio of means",
  },
  allMean: {
    set: "all",
    measure: "linkLow",
    kind: "mean of ratios",
    title: "All, links, mean of ratios",
  },
  direction: {
    set: "consecutive30",
    measure: "linkDirection",
    kind: "mean",
    title: "Two scenes, links: direction",
  },
};

function protocolValue(
  row: MotionRow,
  { measure, kind }: Protocol,
  seed: number,
): Quantity {
  return kind === "mean"
    ? motionMean(row, measure, seed)
    : motionRatio(row, measure, kind, seed);
}

/**
 * Lays the protocols side by side: a row for every point, a column for each way
 * to put low-frequency motion into a number.
 *
 * @param rows points by set
 * @param published the paper's numbers by column
 * @param unmeasured titles of points that the paper alone has, by name
 * @param seed of the bootstrap
 */
export function protocolTable(
  rows: Readonly<Record<string, readonly MotionRow[]>>,
  published: Readonly<Record<string, PublishedColumn>>,
  unmeasured: Readonly<Record<string, string>>,
  seed: number,
): FindingTable {
  const columns = Object.entries(PROTOCOLS);
  return {
    title: "Low-frequency motion by protocol",
    note:
      "Steps are consecutive predicted frames; links are four, and the first begins with the real present, decoded. A mean of ratios weighs a window that hardly moves like any other; a ratio of means does not. Intervals: 95 % bootstrap over scenes.",
    head: "Operating point",
    columns: columns.map(([name, { title }]) => ({
      name,
      title,
      decimals: 3,
      ...published[name],
    })),
    rows: [
      ...rows.all!.map(({ name, title }, i) => ({
        name,
        title,
        cells: Object.fromEntries(
          columns.map(([column, protocol]) => [
            column,
            cellOf(protocolValue(rows[protocol.set]![i]!, protocol, seed)),
          ]),
        ),
      })),
      ...Object.entries(unmeasured)
        .map(([name, title]) => ({ name, title, cells: {} })),
    ],
  };
}

/** Bars of quantities that are numbers. */
function barOf(
  group: string,
  { name, title }: Pick<MotionRow, "name" | "title">,
  { value, low, high }: Quantity,
  published?: PublishedColumn,
): Bar[] {
  const paper = published?.published[name];
  return value === null ? [] : [{
    label: title,
    group,
    value,
    low: low ?? value,
    high: high ?? value,
    ...(paper === undefined ? {} : { published: paper }),
  }];
}

/**
 * Draws Figure 6: how much of the real motion each point has, a panel for low
 * and high frequencies and for both displacements.
 *
 * @param set of the windows
 * @param rows points
 * @param published the paper's numbers by column of {@linkcode motionTable}
 * @param seed of the bootstrap
 */
export function motionFigure(
  set: MotionSet,
  rows: readonly MotionRow[],
  published: Readonly<Record<string, PublishedColumn>>,
  seed: number,
): Figure {
  const panels = {
    low: "low frequency",
    high: "high frequency",
    shift: "displacement",
    subpixel: "sub-pixel",
  } as const;
  const bars = Object.entries(panels).flatMap(([name, group]) => {
    const measure = name as keyof typeof panels;
    return rows.flatMap((row) =>
      barOf(
        group,
        row,
        motionRatio(row, measure, "ratio of means", seed),
        published[measure],
      )
    );
  });
  const label = "Motion, ratio of means to the real motion";
  return {
    svg: barPlot(bars, { label, title: label }),
    caption:
      `Figure 6, ${set.title}. 1 is the motion of real latents decoded; bars are 95 % bootstrap intervals over scenes, diamonds the paper's.`,
  };
}

/**
 * Draws the protocols, a panel for each ratio.
 *
 * @param rows points by set
 * @param published the paper's numbers by column of {@linkcode protocolTable}
 * @param seed of the bootstrap
 */
export function protocolFigure(
  rows: Readonly<Record<string, readonly MotionRow[]>>,
  published: Readonly<Record<string, PublishedColumn>>,
  seed: number,
): Figure {
  const groups: Readonly<Record<string, string>> = {
    figure6: "Figure 6",
    jump: "jump model",
    allRatio: "all, Figure 6",
    allMean: "all, jump",
  };
  const bars = Object.entries(groups).flatMap(([name, group]) => {
    const protocol = PROTOCOLS[name]!;
    return rows[protocol.set]!.flatMap((row) =>
      barOf(group, row, protocolValue(row, protocol, seed), published[name])
    );
  });
  const label = "Low-frequency motion over the real one";
  return {
    svg: barPlot(bars, { label, title: label }),
    caption:
      "The same futures by the protocol of Figure 6 and by that of the jump model, on the published windows and on all. Bars are 95 % bootstrap intervals over scenes, diamonds the paper's.",
  };
}

/** All that is known of the windows of one part at one point. */
export interface MotionPart {
  /** Part of the dataset. */
  readonly part: MotionSet["part"];
  /** Its windows. */
  readonly windows: readonly LabWindow[];
  /** What happened. */
  readonly real: readonly WindowMotion[];
  /** What was measured, by point; of each seed. */
  readonly points: Readonly<
    Record<string, readonly (readonly WindowMotion[])[]>
  >;
}

/**
 * Lists every number of every window.
 *
 * @param parts of the dataset
 */
export function motionFile(parts: readonly MotionPart[]): DataFile {
  const measures = Object.keys(MOTION_MEASURES) as MotionMeasure[];
  const csv = tableToCsv({
    columns: [
      { key: "part", label: "Part" },
      { key: "point", label: "Operating point" },
      { key: "seed", label: "Number of the seed" },
      { key: "window", label: "Window" },
      { key: "scene", label: "Scene" },
      ...measures.map((key) => ({ key, label: MOTION_MEASURES[key] })),
    ],
    rows: parts.flatMap(({ part, windows, real, points }) =>
      Object.entries(points).flatMap(([point, seeds]) =>
        seeds.flatMap((motions, seed) =>
          windows.map(({ id: window, scene }, i) => ({
            ...{ part, point, seed, window, scene },
            ...motionNumbers(motions[i]!, real[i]!),
          }))
        )
      )
    ),
  });
  return {
    bytes: new TextEncoder().encode(csv),
    type: "csv",
    caption:
      "every number of every window, those of what happened at the point real",
  };
}
