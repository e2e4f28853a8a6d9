/**
 * Tables and figures of one experiment at several sizes of a network.
 *
 * @module
 */

import type { DataFile, FindingTable } from "../experiment/findings.ts";
import { mean } from "../metrics/statistics.ts";
import { linePlot } from "../report/plot.ts";
import { formatNumber } from "../report/table.ts";
import type { Columns } from "./columns.ts";
import { columnFiles, type Figure, lossFigure } from "./figures.ts";
import { gapOver } from "./gaps.ts";
import type { Lab } from "./lab.ts";
import {
  type PointScores,
  SCORE_COLUMNS,
  type ScoreColumn,
} from "./metrics.ts";
import type { TrainingFacts } from "./models.ts";
import { PAIR_POINTS, pairFutures, pairsOf, type PairSpec } from "./pair.ts";
import { type PairPoints, type PairResult, seedsOf } from "./pair_results.ts";
import { pairColumns } from "./pair_scores.ts";
import type { LabParams } from "./params.ts";
import { averagePoint, type PublishedColumn, scoreTable } from "./tables.ts";

/** An operating point of a pair. */
export type PairPoint = keyof typeof PAIR_POINTS;

/** What the networks of one size came to. */
export interface Size {
  /** What its rows begin with. */
  readonly name: string;
  /** What it is called in a sentence. */
  readonly title: string;
  /** Trained values. */
  readonly parameters: number;
  /** Loss at the end of training by operating point, averaged over seeds. */
  readonly losses: Readonly<Record<string, number>>;
  /** Scores of each seed by operating point. */
  readonly scores: PairPoints<readonly PointScores[]>;
  /** How the models of the first seed were trained. */
  readonly training: PairResult["training"];
  /** Pair of each seed. */
  readonly pairs: readonly PairSpec[];
  /** Numbers of every window, of each seed. */
  readonly columns: readonly Columns[];
}

/** Part of a training whose mean loss is the loss at its end. */
const END = 0.1;

/** Writes differences of seeds out. */
export function listed(gaps: readonly number[]): string {
  return gaps.map((gap) => formatNumber(gap, 4)).join(", ");
}

/** The mean over the last part of loss curves. */
function endLoss(trainings: readonly TrainingFacts[]): number {
  return mean(
    trainings.map(({ curve: { loss } }) =>
      mean(loss.slice(-Math.ceil(END * loss.length)))
    ),
  );
}

/**
 * Lists the pairs that parameters ask for: one for each recipe, seed and size.
 * Those with the blocks of the run are those of the frontier.
 *
 * @param params of the run, with the blocks of each size
 */
export function pairsOfSizes(
  params: LabParams & { readonly capacities: readonly number[] },
): PairSpec[] {
  return pairsOf(params).flatMap((of) =>
    params.capacities.map((blocks) =>
      blocks === params.blocks ? of : { ...of, changes: { blocks } }
    )
  );
}

/**
 * Gathers what pairs that differ in blocks came to at the last step.
 *
 * @param lab of the experiment
 * @param all pairs of every size and seed
 * @returns from small to large, named size1, size2, ...
 */
export async function sizesOf(
  lab: Lab,
  all: readonly PairResult[],
): Promise<Size[]> {
  const sizes = Map.groupBy(
    all,
    ({ of }) => of.changes?.blocks ?? lab.params.blocks,
  );
  const found: Size[] = [];
  for (const blocks of [...sizes.keys()].sort((a, b) => a - b)) {
    const name = `size${found.length + 1}`;
    found.push(await sizeOf(lab, name, blocks, sizes.get(blocks)!));
  }
  return found;
}

async function sizeOf(
  lab: Lab,
  name: string,
  blocks: number,
  seeds: readonly PairResult[],
): Promise<Size> {
  const { training } = seeds[0]!;
  const { parameters } = training.diffusion;
  const scores = seedsOf(seeds, 1);
  const [sampled, direct] = (["diffusion", "direct"] as const)
    .map((mode) => endLoss(seeds.map(({ training }) => training[mode])));
  const columns: Columns[] = [];
  for (const { of } of seeds) {
    using futures = await pairFutures(lab, of);
    columns.push(await pairColumns(lab, futures, lab.params.horizon - 1));
  }
  const own = Object.keys(scores).map((point) => [
    point,
    point === "direct" ? direct! : sampled!,
  ]);
  const size = `${(parameters / 1e6).toPrecision(2)} M`;
  return {
    name,
    title: `${blocks} ${blocks === 1 ? "block" : "blocks"} (${size})`,
    parameters,
    losses: Object.fromEntries(own),
    scores,
    training,
    pairs: seeds.map(({ of }) => of),
    columns,
  };
}

/**
 * Reads the files of every window, for a run to keep.
 *
 * @param sizes whose
 * @param at what was measured, such as "t+4"
 */
export async function sizeFiles(
  sizes: readonly Size[],
  at: string,
): Promise<Record<string, DataFile>> {
  const files: Record<string, DataFile> = {};
  for (const { name, title, pairs, columns } of sizes) {
    for (const [i, { recipe, seed }] of pairs.entries()) {
      Object.assign(
        files,
        await columnFiles(
          columns[i]!,
          `windows-${recipe}-${name}-seed${seed}`,
          `${at}, ${title}, recipe ${recipe}, seed ${seed}`,
        ),
      );
    }
  }
  return files;
}

const OWN:
  readonly (ScoreColumn & { of: (size: Size, point: string) => number })[] = [
    {
      name: "parameters",
      title: "Trained values",
      unit: "M",
      decimals: 3,
      of: ({ parameters }) => parameters / 1e6,
    },
    {
      name: "loss",
      title: "Training loss at the end",
      decimals: 4,
      of: ({ losses }, point) => losses[point]!,
    },
  ];

/**
 * Lays out scores: a row for every size and operating point.
 *
 * @param title above it
 * @param points operating points in the order of rows
 * @param sizes from small to large
 * @param published the paper's numbers by metric; rows are SIZE-POINT
 * @param note what a reader must know
 */
export function sizeTable(
  title: string,
  points: readonly PairPoint[],
  sizes: readonly Size[],
  published: Readonly<Record<string, PublishedColumn>>,
  note: string,
): FindingTable {
  const rows = points.flatMap((point) =>
    sizes.map((size) => ({ size, point }))
  );
  const nameOf = ({ size, point }: typeof rows[number]) =>
    `${size.name}-${point}`;
  const table = scoreTable(
    title,
    Object.fromEntries(
      rows.map((
        row,
      ) => [nameOf(row), `${PAIR_POINTS[row.point]}, ${row.size.title}`]),
    ),
    Object.fromEntries(
      rows.map((row) => [
        nameOf(row),
        averagePoint(row.size.scores[row.point]!),
      ]),
    ),
    published,
    note,
  );
  return {
    ...table,
    columns: [
      ...OWN.map(({ of: _, ...column }) => ({
        ...column,
        ...published[column.name],
      })),
      ...table.columns,
    ],
    rows: table.rows.map((row, i) => {
      const { size, point } = rows[i]!;
      const own = OWN.map(({ name, of }) => [name, of(size, point)]);
      return { ...row, cells: { ...Object.fromEntries(own), ...row.cells } };
    }),
  };
}

/**
 * Lays out how much better each size is than the one before.
 *
 * @param title above it
 * @param points operating points in the order of rows
 * @param sizes from small to large
 * @param metrics names of KID or numbers of each window
 * @param note what a reader must know
 */
export function gapTable(
  title: string,
  points: readonly PairPoint[],
  sizes: readonly Size[],
  metrics: readonly string[],
  note: string,
): FindingTable {
  const steps = sizes.slice(1).map((to, i) => ({ from: sizes[i]!, to }));
  return {
    title,
    head: "Operating point",
    note,
    columns: SCORE_COLUMNS.filter(({ name }) => metrics.includes(name))
      .map(({ name, title, decimals }) => ({
        name,
        title: `${title}, better by`,
        decimals: decimals + 1,
        direction: "higher",
      })),
    rows: points.flatMap((point) =>
      steps.map(({ from, to }) => ({
        name: `${to.name}-${point}`,
        title: `${PAIR_POINTS[point]}, ${from.title} to ${to.title}`,
        cells: Object.fromEntries(metrics.map((metric) => {
          const { seeds: _, ...gap } = gapOver(
            from.columns,
            to.columns,
            point,
            metric,
          );
          return [metric, gap];
        })),
      }))
    ),
  };
}

/**
 * Draws the KID of operating points by size.
 *
 * @param points those that are drawn
 * @param sizes from small to large
 * @param caption below it
 */
export function sizeFigure(
  points: readonly PairPoint[],
  sizes: readonly Size[],
  caption: string,
): Figure {
  const svg = linePlot(
    points.map((label) => ({
      label,
      points: sizes.map(({ parameters, scores }) => {
        const { value, ...ends } = averagePoint(scores[label]!).kid!;
        const { low = value, high = value } = ends;
        return { x: parameters / 1e6, y: value, low, high };
      }),
    })),
    {
      xLabel: "trained values (millions)",
      yLabel: "KID (lower is closer to real frames)",
      title: "KID by trained values",
    },
  );
  return { svg, caption };
}

/**
 * Draws loss curves of every size.
 *
 * @param sizes from small to large
 */
export function sizeLosses(sizes: readonly Size[]): Figure {
  const curves = sizes.flatMap(({ title, training }) =>
    (["direct", "diffusion"] as const)
      .map((mode) => [`${mode}, ${title}`, training[mode]] as const)
  );
  const seed = sizes[0]!.pairs[0]!.seed;
  return lossFigure(Object.fromEntries(curves), `Training loss, seed ${seed}.`);
}
