/**
 * Several samples, neighbours, and the spread over seeds, as tables and figures.
 *
 * @module
 */

import type { Quantity } from "../experiment/claims.ts";
import type { DataFile, FindingTable } from "../experiment/findings.ts";
import { mean, standardDeviation } from "../metrics/statistics.ts";
import { type Bar, barPlot } from "../report/plot.ts";
import { tableToCsv } from "../report/table.ts";
import { MEMORY_POINTS } from "./failure_memory.ts";
import type { PairFailures } from "./failure_run.ts";
import {
  meanScore,
  overScenes,
  type Points,
  type Quantities,
  quantityTable,
} from "./failure_tables.ts";
import type { Figure } from "./figures.ts";
import { PAIR_POINTS } from "./pair.ts";
import { type PairPoints, seedsOf } from "./pair_results.ts";
import type { PointScores, Score } from "./metrics.ts";
import type { PublishedColumn } from "./tables.ts";

/** What has several samples, in the order of tables. */
const SAMPLED = {
  direct: "Direct regression, its one future",
  raw: "Diffusion, raw",
  calibrated: "Diffusion, calibrated on training windows",
  real: "Real futures of windows that look alike (band)",
} as const;

/**
 * Lays out several samples at one step.
 *
 * @param points numbers of all windows
 * @param about step, from 0; samples of a window, K; seed of the bootstrap
 * @param published the paper's numbers by column
 */
export function samplesTable(
  points: Points,
  { step, samples, seed }: {
    readonly step: number;
    readonly samples: number;
    readonly seed: number;
  },
  published: Readonly<Record<string, PublishedColumn>> = {},
): { scores: Record<string, Quantities>; table: FindingTable } {
  const scores = Object.fromEntries(
    Object.entries(points).map(([name, point]) => [
      name,
      Object.fromEntries(
        Object.entries(point.numbers).map(([key, list]) => [
          key,
          meanScore(point, seed, (i) => list[i]!),
        ]),
      ),
    ]),
  );
  const columns = [
    { name: "diversity", title: "Diversity", decimals: 2 },
    { name: "cosSim", title: "CosSim, mean of K", decimals: 3 },
    { name: "bestCosSim", title: "CosSim, best of K", decimals: 3 },
    { name: "averageCosSim", title: "CosSim of the average", decimals: 3 },
    { name: "distance", title: "Distance, mean of K", decimals: 2 },
    { name: "bestDistance", title: "Distance, best of K", decimals: 2 },
    { name: "averageDistance", title: "Distance of the average", decimals: 2 },
  ];
  const table = quantityTable(
    {
      title: `${samples} samples of a window at t+${step + 1}`,
      head: "Futures",
      note:
        "Diversity: mean distance of two samples' latents; of the band, of a window's real future to those of the 8 windows of other scenes whose presents look most alike, by the cosine of tokens averaged over the frame. Distances to what happened are Euclidean, in latents. Best of K knows what happened. Intervals: 95 % bootstrap over scenes.",
      columns: columns.map((column) =>
        /CosSim/.test(column.name) || column.name === "cosSim"
          ? { ...column, direction: "higher" as const }
          : column
      ),
    },
    SAMPLED,
    scores,
    published,
  );
  return { scores, table };
}

/** Paired comparisons of several samples. */
export interface SampleGaps {
  /** Diversity of calibrated samples over the band of real futures. */
  readonly diversity: Quantity;
  /** CosSim of the best raw sample less the mean of all. */
  readonly best: Quantity;
  /** CosSim of direct regression less that of the best raw sample. */
  readonly direct: Quantity;
}

/**
 * Compares several samples window by window.
 *
 * @param points numbers of all windows
 * @param seed of the bootstrap
 */
export function sampleGaps(points: Points, seed: number): SampleGaps {
  const { scenes } = points.raw!;
  const at = (name: string, key: string, rows: readonly number[]) =>
    mean(rows.map((row) => points[name]!.numbers[key]![row]!));
  const score = (of: (rows: readonly number[]) => number) =>
    overScenes(scenes, seed, of);
  return {
    diversity: score((rows) =>
      at("calibrated", "diversity", rows) / at("real", "diversity", rows)
    ),
    best: score((rows) =>
      at("raw", "bestCosSim", rows) - at("raw", "cosSim", rows)
    ),
    direct: score((rows) =>
      at("direct", "cosSim", rows) - at("raw", "bestCosSim", rows)
    ),
  };
}

/**
 * The score that is largest, by its size, or smallest of some.
 *
 * @param scores by name
 * @param names of those that are compared
 * @param by which end
 */
export function extreme(
  scores: Quantities,
  names: RegExp,
  by: "max" | "min",
): Quantity {
  const size = ({ value }: Quantity) => Math.abs(value!);
  const some = Object.entries(scores).filter(([name]) => names.test(name))
    .map(([, score]) => score).toSorted((a, b) => size(a) - size(b));
  const found = some.at(by === "max" ? -1 : 0)!;
  if (found.value! >= 0) return found;
  const { value, low, high } = found;
  const ends = typeof low === "number" && typeof high === "number"
    ? { low: -high, high: -low }
    : {};
  return { ...found, value: -value!, ...ends };
}

/**
 * Draws how often samples are closer to training than held-out frames are.
 *
 * @param scores of points, as `memoryTable` gives them
 */
export function memoryFigure(
  scores: Readonly<Record<string, Quantities>>,
): Figure {
  const bars = ["latents", "features"].flatMap((group) =>
    Object.entries(MEMORY_POINTS).flatMap(([name, label]): Bar[] => {
      const { value, low, high } = scores[name]![`${group}-closer`]!;
      return [{ label, group, value: value!, low: low!, high: high! }];
    })
  );
  const label = "Share of pairs closer to training than held-out real frames";
  return {
    svg: barPlot(bars, { label, title: label }),
    caption:
      "Share of pairs in which a frame is closer to its nearest training frame than a held-out real frame is to its own: 0.5 is alike, 1 a copy. Bars are 95 % bootstrap intervals over scenes.",
  };
}

/**
 * Lists every distance and every failure of every window.
 *
 * @param found of each seed
 */
export function failureFile(found: readonly PairFailures[]): DataFile {
  const rows = found.flatMap(({ pair: { of }, modes, memory, samples }) =>
    Object.entries({ modes, memory: memory.points, samples: samples[1] })
      .flatMap(([part, points]) =>
        Object.entries(points).flatMap(([point, { scenes, numbers }]) =>
          Object.entries(numbers).flatMap(([measure, values]) =>
            values.map((value, window) => ({
              recipe: of.recipe,
              seed: of.seed,
              part,
              point,
              measure,
              window,
              scene: scenes[window]!,
              value,
            }))
          )
        )
      )
  );
  const keys = [
    "recipe",
    "seed",
    "part",
    "point",
    "measure",
    "window",
    "scene",
    "value",
  ];
  const csv = tableToCsv({ columns: keys.map((key) => ({ key })), rows });
  return {
    bytes: new TextEncoder().encode(csv),
    type: "csv",
    caption: "every number of every window at the last step",
  };
}

/** Metrics whose spread over seeds is shown. */
const SPREAD_METRICS = {
  kid: ["KID", 3],
  fid: ["FID", 1],
  cosSim: ["CosSim", 3],
  ssim: ["SSIM", 3],
  sharpness: ["Sharpness of real", 2],
  energy: ["Energy of real", 2],
  diversity: ["Diversity", 2],
} as const;

/** Mean of seeds with plus and minus one deviation over them, if several. */
function spreadOf(scores: readonly Score[]): Quantity {
  const values = scores.map(({ value }) => value);
  const [centre, n] = [mean(values), values.length];
  if (n < 2) return { value: centre, n, of: "seeds" };
  const deviation = standardDeviation(values);
  const ends = { low: centre - deviation, high: centre + deviation };
  return { value: centre, ...ends, n, of: "seeds" };
}

/** Scores of one metric at a point, seed by seed. */
function metricOf(
  points: PairPoints<PointScores[]>,
  point: keyof typeof PAIR_POINTS,
  metric: string,
): Score[] {
  return points[point].flatMap((scores) => scores[metric] ?? []);
}

/**
 * The gap of direct regression and calibrated diffusion by one metric, over the
 * deviation of that gap over seeds; null of one seed.
 *
 * @param found of each seed
 * @param metric name
 */
export function gapOverSeeds(
  found: readonly PairFailures[],
  metric: string,
): Quantity {
  const points = seedsOf(found.map(({ pair }) => pair), 1);
  const [direct, calibrated] = (["direct", "calibrated"] as const)
    .map((point) => metricOf(points, point, metric)) as [Score[], Score[]];
  const gaps = direct.map(({ value }, i) => value - calibrated[i]!.value);
  const value = gaps.length < 2
    ? null
    : Math.abs(mean(gaps)) / standardDeviation(gaps);
  return { value, n: gaps.length, of: "seeds", decimals: 1 };
}

/**
 * Lays out every number of the frontier with its deviation over seeds.
 *
 * @param found of each seed
 * @param step of the horizon, from 0
 */
export function seedTable(
  found: readonly PairFailures[],
  step: number,
): FindingTable {
  const points = seedsOf(found.map(({ pair }) => pair), 1);
  const seeds = found.length;
  return quantityTable(
    {
      title: `Spread over seeds at t+${step + 1}, n = ${seeds} ${
        seeds === 1 ? "seed" : "seeds"
      }`,
      head: "Operating point",
      note: seeds === 1
        ? "One seed has no spread: --seeds 0,1,2 shows it. Intervals elsewhere in this report are over scenes, and say nothing of another training."
        : "Mean of seeds; brackets are one deviation over seeds to either side, unbiased. Every seed has weights, order of windows and noise of its own.",
      columns: Object.entries(SPREAD_METRICS).map((
        [name, [title, decimals]],
      ) => ({ name, title, decimals })),
    },
    PAIR_POINTS,
    Object.fromEntries(
      Object.keys(PAIR_POINTS).map((point) => [
        point,
        Object.fromEntries(
          Object.keys(SPREAD_METRICS).flatMap((metric) => {
            const scores = metricOf(
              points,
              point as keyof typeof PAIR_POINTS,
              metric,
            );
            return scores.length === 0 ? [] : [[metric, spreadOf(scores)]];
          }),
        ),
      ]),
    ),
  );
}
