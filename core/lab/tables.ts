import type { Quantity } from "../experiment/claims.ts";
import type { FindingTable } from "../experiment/findings.ts";
import { mean } from "../metrics/statistics.ts";
import { type PointScores, type Score, SCORE_COLUMNS } from "./metrics.ts";

/**
 * Averages scores over seeds, with the mean ends of their intervals.
 *
 * @param scores one of each seed, at least one
 */
export function averageScore(scores: readonly Score[]): Score {
  const ends = (pick: (score: Score) => number | undefined) => {
    const own = scores.flatMap((score) => pick(score) ?? []);
    return own.length < scores.length ? undefined : mean(own);
  };
  const [low, high] = [ends(({ low }) => low), ends(({ high }) => high)];
  return {
    value: mean(scores.map(({ value }) => value)),
    ...(low === undefined || high === undefined ? {} : { low, high }),
    n: scores[0]?.n ?? 0,
  };
}

/**
 * Averages the scores of an operating point over seeds.
 *
 * @param seeds scores of each seed
 */
export function averagePoint(seeds: readonly PointScores[]): PointScores {
  const names = Object.keys(seeds[0] ?? {});
  return Object.fromEntries(
    names.map((name) => [
      name,
      averageScore(seeds.flatMap((scores) => scores[name] ?? [])),
    ]),
  );
}

/** The paper's numbers of a metric by operating point, and their place. */
export interface PublishedColumn {
  /** Numbers by operating point. */
  readonly published: Readonly<Record<string, number>>;
  /** Their place in the paper. */
  readonly where: string;
}

/**
 * Lays out scores: a row for every operating point, a column for every metric.
 *
 * @param title above it
 * @param points titles of the operating points by name, in the order of rows
 * @param scores of them
 * @param published the paper's numbers by metric
 * @param note what a reader must know
 */
export function scoreTable(
  title: string,
  points: Readonly<Record<string, string>>,
  scores: Readonly<Record<string, PointScores>>,
  published: Readonly<Record<string, PublishedColumn>> = {},
  note?: string,
): FindingTable {
  return {
    title,
    head: "Operating point",
    ...(note === undefined ? {} : { note }),
    columns: SCORE_COLUMNS
      .map(({ name, title, unit, decimals, direction }) => ({
        name,
        title,
        decimals,
        ...(unit === undefined ? {} : { unit }),
        ...(direction === undefined ? {} : { direction }),
        ...published[name],
      })),
    rows: Object.entries(points).map(([name, title]) => ({
      name,
      title,
      cells: Object.fromEntries(
        SCORE_COLUMNS.flatMap((column) => {
          const score = scores[name]?.[column.name];
          return score === undefined ? [] : [[column.name, { ...score }]];
        }),
      ),
    })),
  };
}

/**
 * How many times as large a score is as another one.
 *
 * @param score of some windows
 * @param other of the same windows
 */
export function ratioOf(score: Score, other: Score): Quantity {
  const { n } = score;
  return { value: score.value / other.value, n, of: "windows", decimals: 3 };
}

/**
 * How much larger a score is than another one.
 *
 * @param score of some windows
 * @param other of the same windows
 */
export function gapOf(score: Score, other: Score): Quantity {
  const { n } = score;
  return { value: score.value - other.value, n, of: "windows", decimals: 3 };
}
