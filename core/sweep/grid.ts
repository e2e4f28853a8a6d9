/**
 * The grid of a sweep: every combination of the values of its axes, one row
 * each, and what starts a row.
 *
 * @module
 */

import { canonicalJson, digestJson } from "../experiment/artifact_files.ts";
import { UsageError } from "../experiment/flags.ts";

/** A parameter of the experiment and the values it takes. */
export interface Axis {
  /** Name of the flag, without dashes. */
  readonly name: string;
  /** Values as they are written on a command line. */
  readonly values: readonly string[];
}

/** One task of a sweep. */
export interface Row {
  /** Place in the grid, from 0. */
  readonly row: number;
  /** SHA-256 of what the task computes: experiment, preset, parameters, files. */
  readonly digest: string;
  /** Value of each axis. */
  readonly values: Readonly<Record<string, string>>;
  /** Words after the task's name. */
  readonly args: readonly string[];
}

/** Most rows of a sweep: a typo should not fill a cluster. */
const MOST_ROWS = 100_000;

/**
 * Reads an axis.
 *
 * @param text such as `seeds=0,1,2`
 * @throws {UsageError} if it is none, or names a value twice
 */
export function parseAxis(text: string): Axis {
  const [, name = "", list = ""] = /^(?:--)?([a-z][a-z0-9-]*)=(.+)$/s
    .exec(text) ?? [];
  const values = list.split(",").map((value) => value.trim());
  if (name === "" || values.includes("")) {
    throw new UsageError(
      `Cannot use --over ${text}: it needs a parameter and its values, such as seeds=0,1,2`,
    );
  }
  const twice = values.find((value, i) => values.indexOf(value) !== i);
  if (twice !== undefined) {
    throw new UsageError(
      `Cannot use --over ${text}: it names ${twice} twice, each value needs to be there once`,
    );
  }
  return { name, values };
}

/**
 * Crosses the axes; the last one varies fastest.
 *
 * @param axes at least one
 * @param shared words that all rows have
 * @param describe gives what a row computes, as plain JSON, from its words; it
 *   throws if the experiment cannot run with them
 * @throws {UsageError} if there is no axis, one is there twice, there are too
 *   many rows, or two rows compute the same
 */
export function crossAxes(
  axes: readonly Axis[],
  shared: readonly string[],
  describe: (args: readonly string[]) => unknown,
): Row[] {
  if (axes.length === 0) {
    throw new UsageError(
      "Cannot sweep over nothing: it needs --over PARAMETER=VALUES at least once",
    );
  }
  const names = axes.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new UsageError(
      `Cannot sweep over ${twice} twice: put all its values into one --over`,
    );
  }
  const count = axes.reduce((rows, { values }) => rows * values.length, 1);
  if (count > MOST_ROWS) {
    throw new UsageError(
      `Cannot sweep over ${count} rows: it needs at most ${MOST_ROWS}`,
    );
  }
  let grid: Record<string, string>[] = [{}];
  for (const { name, values } of axes) {
    grid = grid.flatMap((known) =>
      values.map((value) => ({ ...known, [name]: value }))
    );
  }
  const rows = grid.map((values, row): Row => {
    const own = Object.entries(values).map(([name, value]) =>
      `--${name}=${value}`
    );
    const args = [...shared, ...own];
    return { row, digest: digestJson(describe(args), "row"), values, args };
  });
  const first = new Map<string, Row>();
  for (const row of rows) {
    const other = first.get(row.digest);
    if (other !== undefined) {
      throw new UsageError(
        `Cannot sweep: rows ${other.row} (${nameOf(other)}) and ${row.row} (${
          nameOf(row)
        }) compute the same, each row needs to differ`,
      );
    }
    first.set(row.digest, row);
  }
  return rows;
}

/** Names a row by the values of its axes, as `seeds=0 recipe=paper`. */
export function nameOf({ values }: Pick<Row, "values">): string {
  return Object.entries(values).map(([name, value]) => `${name}=${value}`)
    .join(" ");
}

/**
 * Digests a grid: equal for equal rows in equal order.
 *
 * @param task name of the ordinary task
 * @param rows of the grid
 * @returns SHA-256, hexadecimal
 */
export function digestGrid(task: string, rows: readonly Row[]): string {
  return digestJson({ task, rows: rows.map(({ digest }) => digest) }, "grid");
}

/** Letters of a digest that are shown. */
const SHOWN = 12;

/**
 * Writes lines under each other, in columns that are as wide as they must be.
 *
 * @param lines cells, the heading first
 */
export function columnsText(lines: readonly (readonly string[])[]): string {
  const widths =
    lines[0]?.map((_, i) =>
      Math.max(...lines.map((line) => line[i]?.length ?? 0))
    ) ?? [];
  return lines.map((line) =>
    line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ").trimEnd()
  ).join("\n");
}

/**
 * Writes a grid as a table for readers: one row, one task, one digest.
 *
 * @param axes of the grid
 * @param rows of the grid
 * @param more further columns by heading, a cell for each row
 */
export function gridText(
  axes: readonly Axis[],
  rows: readonly Row[],
  more: Readonly<Record<string, readonly string[]>> = {},
): string {
  const names = axes.map(({ name }) => name);
  return columnsText([
    ["row", "digest", ...names, ...Object.keys(more)],
    ...rows.map((row, i) => [
      String(row.row),
      row.digest.slice(0, SHOWN),
      ...names.map((name) => row.values[name] ?? ""),
      ...Object.values(more).map((cells) => cells[i] ?? ""),
    ]),
  ]);
}

/** Whether two grids are the same, words and all. */
export function isSameGrid(a: readonly Row[], b: readonly Row[]): boolean {
  return canonicalJson(a, "grid") === canonicalJson(b, "grid");
}
