import type { DataFile, Finding } from "../experiment/findings.ts";
import { barPlot, frontierPlot, linePlot } from "../report/plot.ts";
import { formatNumber } from "../report/table.ts";
import type { TrainingFacts } from "./models.ts";
import type { Columns } from "./columns.ts";
import type { PointScores, Score } from "./metrics.ts";
import { averagePoint } from "./tables.ts";

/** A drawing with its caption. */
export type Figure = NonNullable<Finding["figures"]>[string];

function ends({ value, low = value, high = value }: Score) {
  return { low, high };
}

/**
 * Draws operating points in the plane of CosSim and KID.
 *
 * @param points scores by operating point
 * @param baselines points that are no model
 * @param caption below it
 */
export function frontierFigure(
  points: Readonly<Record<string, PointScores>>,
  baselines: readonly string[],
  caption: string,
): Figure {
  const svg = frontierPlot(
    Object.entries(points).map(([label, { kid, cosSim }]) => ({
      label,
      group: baselines.includes(label) ? "baseline" : "model",
      distortion: cosSim!.value,
      perception: kid!.value,
      ...ends(kid!),
    })),
    {
      scale: "linear",
      xLabel: "CosSim (higher is closer to what happened)",
      yLabel: "KID (lower is closer to real frames)",
      title: "Perception and distortion of each operating point",
    },
  );
  return { svg, caption };
}

/**
 * Draws the KID of operating points by horizon, with a dot for each seed.
 *
 * @param groups scores of every seed by horizon and operating point
 * @param points those that are drawn
 * @param caption below it
 */
export function kidFigure(
  groups: Readonly<Record<string, Readonly<Record<string, PointScores[]>>>>,
  points: readonly string[],
  caption: string,
): Figure {
  const bars = Object.entries(groups).flatMap(([group, scores]) =>
    points.map((label) => {
      const seeds = scores[label] ?? [];
      const kid = averagePoint(seeds).kid!;
      const own = seeds.map(({ kid }) => kid!.value);
      return { label, group, value: kid.value, ...ends(kid), seeds: own };
    })
  );
  const title = "KID by operating point and horizon";
  return { svg: barPlot(bars, { label: "KID", title }), caption };
}

/**
 * Draws numbers at each step of the horizon.
 *
 * @param lines (H) by name
 * @param yLabel what they are
 * @param caption below it
 */
export function stepFigure(
  lines: Readonly<Record<string, readonly number[]>>,
  yLabel: string,
  caption: string,
): Figure {
  const svg = linePlot(
    Object.entries(lines).map(([label, values]) => ({
      label,
      points: values.map((y, i) => ({ x: i + 1, y })),
    })),
    { xLabel: "frames ahead (2 Hz)", yLabel },
  );
  return { svg, caption };
}

/**
 * Draws loss curves.
 *
 * @param trainings by name
 * @param caption begins with this
 */
export function lossFigure(
  trainings: Readonly<Record<string, TrainingFacts>>,
  caption: string,
): Figure {
  const svg = linePlot(
    Object.entries(trainings).map(([label, { curve }]) => ({
      label,
      points: curve.step.map((x, i) => ({ x, y: curve.loss[i]! })),
    })),
    { xLabel: "training step", yLabel: "loss", scale: "log" },
  );
  const sizes = Object.entries(trainings)
    .map(([name, { parameters }]) => `${name} ${formatNumber(parameters)}`);
  return { svg, caption: `${caption} Trained values: ${sizes.join(", ")}.` };
}

/**
 * Reads the files of measured windows, for a run to keep.
 *
 * @param columns what was measured
 * @param name of the files, without ending
 * @param of what is measured, in a few words
 */
export async function columnFiles(
  columns: Columns,
  name: string,
  of: string,
): Promise<Record<string, DataFile>> {
  return {
    [name]: {
      bytes: await Deno.readFile(columns.csv),
      type: "csv",
      caption: `every metric of every window, ${of}`,
    },
    [`${name}-numbers`]: {
      bytes: await Deno.readFile(columns.safetensors),
      type: "safetensors",
      caption: `the same, ${of}`,
    },
  };
}
