/**
 * Tables, figures and files of chains of jumps, from plain numbers.
 *
 * @module
 */

import type { Quantity } from "../experiment/claims.ts";
import type { DataFile, FindingTable } from "../experiment/findings.ts";
import {
  directionCorrelation,
  displacementMagnitude,
} from "../metrics/shift.ts";
import { type Bar, barPlot, linePlot } from "../report/plot.ts";
import { tableToCsv } from "../report/table.ts";
import type { LabWindow } from "./data.ts";
import type { Figure } from "./figures.ts";
import type { JumpSet } from "./jump_motion.ts";
import {
  JUMP_MEASURES,
  type JumpMeasure,
  jumpMeasure,
  type JumpRow,
} from "./jump_results.ts";
import type { PointScores } from "./metrics.ts";
import { averagePoint, type PublishedColumn } from "./tables.ts";

/** What the sets of windows are called. */
const SET_TITLES: Readonly<Record<JumpSet["name"], string>> = {
  consecutive: "The published 30 windows",
  mined: "Windows whose latents change most",
  scenes30: "First windows of 30 scenes",
  all: "First windows of all test scenes",
};

/**
 * Says what a set is, with its size.
 *
 * @param name of the set
 * @param scenes scene of each of its windows
 */
export function setTitle(
  name: JumpSet["name"],
  scenes: readonly string[],
): string {
  const count = new Set(scenes).size;
  return `${SET_TITLES[name]}: ${scenes.length} of ${count} scene${
    count === 1 ? "" : "s"
  }`;
}

/** A cell of a quantity, of the parts that tables show. */
function cellOf({ value, low, high, n }: Quantity) {
  return {
    value,
    ...(low === undefined || high === undefined ? {} : { low, high }),
    ...(n === undefined ? {} : { n }),
  };
}

/**
 * Lays out how the windows of a set move: a row for every point.
 *
 * @param title of the set
 * @param rows points
 * @param published the paper's numbers by column
 * @param seed of the bootstrap
 */
export function jumpTable(
  title: string,
  rows: readonly JumpRow[],
  published: Readonly<Record<string, PublishedColumn>>,
  seed: number,
): FindingTable {
  const measures = Object.entries(JUMP_MEASURES);
  return {
    title,
    note:
      "Motion between the frames that the jumps of a chain lead to, over that of real latents decoded, which is 1. The first three columns are the jump model's protocol: the first pair begins with the real present, decoded, and each window's ratio counts alike. The last two are Figure 6's: predicted frames only, and windows that move much weigh much. Direction is the mean cosine of true and predicted displacements in whole pixels, 0 where one of them never moves. Intervals: 95 % bootstrap over scenes.",
    head: "Operating point",
    columns: measures.map(([name, heading]) => ({
      name,
      title: heading,
      decimals: 3,
      ...published[name],
    })),
    rows: rows.map((row) => ({
      name: row.name,
      title: row.title,
      cells: Object.fromEntries(
        measures.map(([name]) => [
          name,
          cellOf(jumpMeasure(row, name as JumpMeasure, seed)),
        ]),
      ),
    })),
  };
}

/**
 * Draws one number of all points, a panel for each set.
 *
 * @param sets rows by title of the set
 * @param measure which number
 * @param published the paper's numbers by title of the set, of points
 * @param seed of the bootstrap
 */
export function jumpBars(
  sets: Readonly<Record<string, readonly JumpRow[]>>,
  measure: JumpMeasure,
  published: Readonly<Record<string, Readonly<Record<string, number>>>>,
  seed: number,
): Figure {
  const label = `${JUMP_MEASURES[measure]}; 1 is the real motion`;
  const bars = Object.entries(sets).flatMap(([group, rows]) =>
    rows.flatMap((row): Bar[] => {
      const { value, low, high } = jumpMeasure(row, measure, seed);
      const paper = published[group]?.[row.name];
      return value === null ? [] : [{
        ...{ label: row.title, group, value },
        low: low ?? value,
        high: high ?? value,
        ...(paper === undefined ? {} : { published: paper }),
      }];
    })
  );
  return {
    svg: barPlot(bars, { label, title: label }),
    caption:
      `${label}. Bars are 95 % bootstrap intervals over scenes, diamonds the paper's.`,
  };
}

/** Scores of the points at each link, of each seed. */
export type LinkScores = readonly (readonly Readonly<
  Record<string, PointScores>
>[])[];

/**
 * Draws one score of every point from the first frame of a chain to the last.
 *
 * @param titles of the points
 * @param links scores by link and seed
 * @param steps of the horizon that the links lead to, from 0
 * @param metric which
 * @param label heading of the values
 */
export function linkFigure(
  titles: Readonly<Record<string, string>>,
  links: LinkScores,
  steps: readonly number[],
  metric: string,
  label: string,
): Figure {
  const lines = Object.entries(titles).map(([name, title]) => ({
    label: title,
    points: links.map((seeds, link) => {
      const { value, low, high } = averagePoint(
        seeds.map((points) => points[name]!),
      )[metric]!;
      return {
        x: steps[link]! + 1,
        y: value,
        ...(low === undefined || high === undefined ? {} : { low, high }),
      };
    }),
  }));
  return {
    svg: linePlot(lines, {
      xLabel: "Frame after the present",
      yLabel: label,
      title: `${label} along the chain`,
    }),
    caption:
      `${label} of the frames that each jump leads to, against camera frames; bands are 95 % bootstrap intervals over scenes where there are some.`,
  };
}

/**
 * Lays out scores along the chain: a row for every point, a column for each
 * metric and link.
 *
 * @param titles of the points
 * @param links scores by link and seed
 * @param steps of the horizon that the links lead to, from 0
 * @param metrics headings by name
 */
export function linkTable(
  titles: Readonly<Record<string, string>>,
  links: LinkScores,
  steps: readonly number[],
  metrics: Readonly<Record<string, string>>,
): FindingTable {
  const columns = Object.entries(metrics).flatMap(([metric, heading]) =>
    steps.map((step, link) => ({
      ...{ metric, link },
      name: `${metric}-${step + 1}`,
      title: `${heading}, t+${step + 1}`,
    }))
  );
  return {
    title: "Frames along the chain",
    note:
      "Of the first windows of all test scenes, at the frame that each jump leads to; FID and KID against camera frames.",
    head: "Operating point",
    columns: columns.map(({ name, title, metric }) => ({
      ...{ name, title },
      decimals: metric === "fid" ? 1 : 3,
    })),
    rows: Object.entries(titles).map(([name, title]) => ({
      name,
      title,
      cells: Object.fromEntries(columns.map((column) => [
        column.name,
        {
          ...averagePoint(
            links[column.link]!.map((points) => points[name]!),
          )[column.metric]!,
        },
      ])),
    })),
  };
}

/**
 * Lists the motion of every window of every point.
 *
 * @param rows points of some windows
 * @param windows of one seed
 */
export function jumpFile(
  rows: readonly JumpRow[],
  windows: readonly LabWindow[],
): DataFile {
  const csv = tableToCsv({
    columns: [
      { key: "point", label: "Operating point" },
      { key: "seed", label: "Number of the seed" },
      { key: "window", label: "Window" },
      { key: "scene", label: "Scene" },
      { key: "low", label: "Low-frequency change" },
      { key: "high", label: "High-frequency change" },
      { key: "innerLow", label: "Low-frequency change, predicted frames" },
      { key: "innerHigh", label: "High-frequency change, predicted frames" },
      { key: "displacement", label: "Displacement in pixels" },
      { key: "direction", label: "Direction" },
    ],
    rows: rows.flatMap(({ name, own, real }) =>
      own.map((motion, i) => {
        const { id, scene } = windows[i % windows.length]!;
        const { low, high, innerLow, innerHigh, shifts } = motion;
        return {
          point: name,
          seed: Math.floor(i / windows.length),
          window: id,
          ...{ scene, low, high, innerLow, innerHigh },
          displacement: displacementMagnitude(shifts),
          direction: directionCorrelation(real[i]!.shifts, shifts),
        };
      })
    ),
  });
  return {
    bytes: new TextEncoder().encode(csv),
    type: "csv",
    caption: "motion of every window",
  };
}
