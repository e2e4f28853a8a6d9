import type { Quantity } from "../experiment/claims.ts";
import type { FindingTable } from "../experiment/findings.ts";
import { mean } from "../metrics/statistics.ts";
import {
  type PointScores,
  type Score,
  SCORE_COLUMNS,
  type ScoreColumn,
  type ScoreTableName,
  WINDOW_METRICS,
} from "./metrics.ts";

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

/** Columns of a table that some operating point has. */
function tableColumns(
  scores: Readonly<Record<string, PointScores>>,
  table: ScoreTableName,
): ScoreColumn[] {
  return SCORE_COLUMNS.filter(({ name, tables = ["main"] }) =>
    tables.includes(table) &&
    Object.values(scores).some((point) => point[name] !== undefined)
  );
}

/**
 * Lays out scores: a row for every operating point, a column for every metric
 * of a table that was measured.
 *
 * @param title above it
 * @param points titles of the operating points by name, in the order of rows
 * @param scores of them
 * @param published the paper's numbers by metric
 * @param note what a reader must know
 * @param table which of the tables
 */
export function scoreTable(
  title: string,
  points: Readonly<Record<string, string>>,
  scores: Readonly<Record<string, PointScores>>,
  published: Readonly<Record<string, PublishedColumn>> = {},
  note?: string,
  table: ScoreTableName = "main",
): FindingTable {
  const shown = tableColumns(scores, table);
  return {
    title,
    head: "Operating point",
    ...(note === undefined ? {} : { note }),
    columns: shown
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
        shown.flatMap((column) => {
          const score = scores[name]?.[column.name];
          return score === undefined ? [] : [[column.name, { ...score }]];
        }),
      ),
    })),
  };
}

/** What the columns of {@linkcode unseenTable} are. */
const UNSEEN_NOTE =
  "Pairs are the features of the camera's present frame and of the future, side by side. Energy is the Mahalanobis energy of the latents, under the distribution of those of training frames, over that of what happened: 1 for the truth, above it patchwork, below it fog. Low-frequency motion is the change of the blurred picture from the present, both decoded, over that of what happened.";

/** Points that no model makes, or that have seen the test windows. */
const NO_RIVALS = ["copy", "ceiling", "oracle"];

/** How far a score is from the best one. */
function lossOf({ name, direction }: ScoreColumn, { value }: Score): number {
  const isRatio = WINDOW_METRICS
    .some((metric) => metric.name === name && metric.isRelative);
  if (isRatio) return Math.abs(value - 1);
  return direction === "higher" ? -value : value;
}

/**
 * Says what a copy of the present scores, and by which of the scores it is
 * better than everything that a model predicts.
 *
 * @param points scores of the operating points, one of them "copy"
 */
export function copySentence(
  points: Readonly<Record<string, PointScores>>,
): string {
  const copy = points.copy ?? {};
  const rivals = Object.keys(points).filter((name) =>
    !NO_RIVALS.includes(name)
  );
  const columns = tableColumns(points, "unseen")
    .filter(({ name }) => copy[name] !== undefined);
  const wins = columns.filter((column) =>
    rivals.every((name) => {
      const score = points[name]![column.name];
      return score === undefined ||
        lossOf(column, copy[column.name]!) < lossOf(column, score);
    })
  );
  const list = (some: readonly ScoreColumn[]) =>
    some.map(({ title }) => title).join(", ");
  const values = columns.map(({ name, title, decimals }) =>
    `${title} ${copy[name]!.value.toFixed(decimals)}`
  ).join(", ");
  const rest = columns.filter((column) => !wins.includes(column));
  return `A copy of the present, which predicts nothing, scores ${values}: ${
    wins.length === 0
      ? "by none of these is it better than all predictions"
      : `it is better than all predictions by ${list(wins)}${
        rest.length === 0 ? "" : `, and not by ${list(rest)}`
      }`
  }.`;
}

/**
 * Lays out what KID does not see, beside KID, and says what a copy of the
 * present scores.
 *
 * @param title above it
 * @param titles of the operating points by name, in the order of rows
 * @param points scores of them
 * @param published the paper's numbers by metric
 */
export function unseenTable(
  title: string,
  titles: Readonly<Record<string, string>>,
  points: Readonly<Record<string, PointScores>>,
  published: Readonly<Record<string, PublishedColumn>> = {},
): FindingTable {
  const note = `${copySentence(points)} ${UNSEEN_NOTE}`;
  return scoreTable(title, titles, points, published, note, "unseen");
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
