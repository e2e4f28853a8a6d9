/**
 * What the rows of a sweep found, together: mean and band over seeds.
 *
 * @module
 */

import type {
  Bound,
  BoundEnd,
  Claim,
  JudgedClaim,
} from "../experiment/claims.ts";
import type {
  Finding,
  FindingsFile,
  FindingTable,
} from "../experiment/findings.ts";
import { type Bar, barPlot } from "../report/bar_plot.ts";
import type { SweepPlan } from "./folder.ts";
import { nameOf, type Row } from "./grid.ts";

/** The axis that is averaged over. */
export const SEEDS = "seeds";

/** A row and what it found; nothing if it is not finished. */
export interface RowResult {
  /** The row. */
  readonly row: Row;
  /** What became of it, in a word. */
  readonly state: string;
  /** Why, in a few words; empty where there is nothing to say. */
  readonly reason: string;
  /** What it found, unless it is missing. */
  readonly found?: FindingsFile;
  /** Its tables by name. */
  readonly tables?: Readonly<Record<string, FindingTable>>;
}

/** Rows that differ in their seeds alone. */
export interface Group {
  /** Values of the other axes, `recipe=paper`; `all` where there is none. */
  readonly name: string;
  /** Its rows, finished or not. */
  readonly rows: readonly RowResult[];
}

/** Groups rows that differ in their seeds alone, in the order of the grid. */
export function groupRows(rows: readonly RowResult[]): Group[] {
  const groups = Map.groupBy(rows, ({ row: { values } }) => {
    const { [SEEDS]: _, ...others } = values;
    return nameOf({ values: others }) || "all";
  });
  return [...groups].map(([name, rows]) => ({ name, rows }));
}

/** The rows of a group that are missing. */
export function missingOf({ rows }: Pick<Group, "rows">): RowResult[] {
  return rows.filter(({ found }) => found === undefined);
}

/** Names a missing row and what became of it. */
function missingText({ row, state }: RowResult): string {
  return `row ${row.row} (${nameOf(row)}): ${state}`;
}

/** The same, with the reason. */
function reasonText(one: RowResult): string {
  return missingText(one) + (one.reason === "" ? "" : `, ${one.reason}`);
}

/** Mean of some numbers; null if one of them is not finite. */
function meanOf(numbers: readonly (number | null)[]): number | null {
  let total = 0;
  for (const one of numbers) {
    if (one === null) return null;
    total += one;
  }
  return total / numbers.length;
}

/** Mean, lowest and highest of one number of every seed. */
function bandOf(numbers: readonly (number | null)[]) {
  const value = meanOf(numbers);
  const all = numbers.filter((one) => one !== null);
  return {
    value,
    ...(value === null || numbers.length < 2
      ? {}
      : { low: Math.min(...all), high: Math.max(...all) }),
    n: numbers.length,
  };
}

function sameEnd(ends: readonly BoundEnd[]): BoundEnd {
  const [first] = ends as [BoundEnd];
  if (typeof first === "number" && ends.every((one) => one === first)) {
    return first;
  }
  const values = ends.map((one) => typeof one === "number" ? one : one.value);
  const label = typeof first === "number" ? "its bound" : first.label;
  return { label, ...bandOf(values), of: SEEDS };
}

/** The bound of several seeds: where it is a measured number, its mean. */
function sameBound(bounds: readonly Bound[]): Bound {
  const pick = <T>(of: (bound: Bound) => T | undefined) =>
    bounds.map(of).filter((end) => end !== undefined);
  const above = pick((one) => "above" in one ? one.above : undefined);
  if (above.length > 0) return { above: sameEnd(above) };
  const below = pick((one) => "below" in one ? one.below : undefined);
  if (below.length > 0) return { below: sameEnd(below) };
  const both = pick((one) => "between" in one ? one.between : undefined);
  return {
    between: [
      sameEnd(both.map(([low]) => low)),
      sameEnd(both.map(([, high]) => high)),
    ],
  };
}

/** One claim of all finished rows of a group. */
function joinClaim(
  claims: readonly JudgedClaim[],
  group: Group,
  isAlone: boolean,
): Claim {
  const [first] = claims as [JudgedClaim];
  const { verdict: _, crossesBound: __, note: ___, low, high, n, of, ...rest } =
    first;
  const missing = missingOf(group);
  const seeds = group.rows.length;
  const { value, ...band } = bandOf(claims.map(({ measured }) => measured));
  const own = {
    ...(low === undefined ? {} : { low }),
    ...(high === undefined ? {} : { high }),
    ...(n === undefined ? {} : { n }),
    ...(of === undefined ? {} : { of }),
  };
  const lacking = missing.length === 0
    ? claims.length < seeds
      ? [`Of ${seeds} seeds, ${claims.length} have this claim.`]
      : []
    : [
      `Missing, so not averaged over: ${missing.map(missingText).join("; ")}.`,
    ];
  const note = [
    ...lacking,
    ...(seeds === 1 || value === null ? [] : [
      `By seed: ${
        claims.map(({ measured }) => measured?.toPrecision(4) ?? "none").join(
          ", ",
        )
      }.`,
    ]),
  ].join(" ");
  return {
    ...rest,
    id: isAlone ? first.id : `${slugOf(group.name)}-${first.id}`,
    text: isAlone ? first.text : `${group.name}: ${first.text}`,
    measured: value,
    // One run's interval is of its scenes; that of several is of their seeds.
    ...(seeds === 1 ? own : { ...band, of: SEEDS }),
    bound: seeds === 1
      ? first.bound
      : sameBound(claims.map(({ bound }) => bound)),
    ...(note === "" ? {} : { note }),
  };
}

/** A name that can be part of a file's. */
function slugOf(name: string): string {
  return name.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "");
}

function finishedOf(group: Group) {
  return group.rows.flatMap(({ row, found, tables = {} }) =>
    found === undefined ? [] : [{ row, found, tables }]
  );
}

/** The cells of one place in a table of every seed, together. */
function joinCells(
  cells: readonly FindingTable["rows"][number]["cells"][string][],
  seeds: number,
) {
  const [first = null] = cells;
  if (seeds === 1) return first;
  const numbers = cells.map((cell) =>
    typeof cell === "number"
      ? cell
      : typeof cell === "object" && cell !== null
      ? cell.value
      : undefined
  );
  if (numbers.every((one) => one !== undefined)) {
    const note = numbers.length < seeds
      ? { note: `${numbers.length} of ${seeds} seeds` }
      : {};
    return { ...bandOf(numbers), ...note };
  }
  return cells.every((cell) => cell === first) ? first : null;
}

/** A table of all finished rows of a group. */
function joinTables(name: string, group: Group, isAlone: boolean) {
  const finished = finishedOf(group);
  const seeds = group.rows.length;
  const all = finished.flatMap(({ tables }) => tables[name] ?? []);
  const [first] = all as [FindingTable];
  const rows = first.rows.map((row) => ({
    ...row,
    cells: Object.fromEntries(first.columns.map((column) => [
      column.name,
      joinCells(
        all.flatMap((table) =>
          table.rows.find((other) => other.name === row.name)
            ?.cells[column.name] ?? []
        ),
        seeds,
      ),
    ])),
  }));
  const note = [
    ...(first.note === undefined ? [] : [first.note]),
    ...(seeds === 1 ? [] : [
      `Mean over ${all.length} of ${seeds} seeds; in brackets the lowest and the highest.`,
    ]),
  ].join(" ");
  return {
    ...first,
    title: isAlone ? first.title : `${first.title}, ${group.name}`,
    rows,
    ...(note === "" ? {} : { note }),
  };
}

/** A table with a line for each row of the sweep. */
function rowTable(plan: SweepPlan, rows: readonly RowResult[]): FindingTable {
  const holding = ({ found }: RowResult) =>
    found === undefined
      ? null
      : found.claims.filter(({ verdict }) => verdict === "holds").length;
  return {
    title: "Rows of the sweep",
    head: "Row",
    note: "A row that is not finished counts nowhere above or below.",
    columns: [
      ...plan.axes.map(({ name }) => ({ name, title: name })),
      { name: "state", title: "State" },
      { name: "holds", title: "Claims that hold" },
      { name: "digest", title: "Digest" },
      { name: "adapter", title: "Adapter" },
    ],
    rows: rows.map((one) => ({
      name: String(one.row.row),
      cells: {
        ...one.row.values,
        state: one.found === undefined ? one.state : "finished",
        holds: holding(one),
        digest: one.row.digest.slice(0, 12),
        adapter: one.found?.adapters.join(", ") ?? "",
      },
    })),
  };
}

/** Most claims that are drawn. */
const DRAWN = 4;

/** Draws the first claims of every group, each seed a dot. */
function claimFigures(groups: readonly Group[]): Finding["figures"] {
  const ids = [
    ...new Set(
      groups.flatMap(finishedOf).flatMap(({ found }) =>
        found.claims.map(({ id }) => id)
      ),
    ),
  ];
  const drawn = ids.map((id) => {
    let text = id;
    const bars = groups.flatMap((group): Bar[] => {
      const claims = finishedOf(group).flatMap(({ found }) =>
        found.claims.filter((claim) => claim.id === id)
      );
      const seeds = claims.flatMap(({ measured }) => measured ?? []);
      if (seeds.length === 0 || seeds.length < claims.length) return [];
      text = claims[0]!.text;
      const { value, low, high } = bandOf(seeds);
      return value === null ? [] : [{
        label: `${group.name} (${seeds.length} of ${group.rows.length})`,
        group: id,
        value,
        ...(low === undefined || high === undefined ? {} : { low, high }),
        seeds,
      }];
    });
    return { id, text, bars };
  }).filter(({ bars }) => bars.length > 0).slice(0, DRAWN);
  return Object.fromEntries(drawn.map(({ id, text, bars }) => [
    `claim-${slugOf(id)}`,
    {
      svg: barPlot(bars, { label: id, title: text }),
      caption:
        `${text}. Bars are means over seeds, lines reach from the lowest to the highest, dots are seeds; in parentheses the seeds that are there.`,
    },
  ]));
}

/**
 * Says what the rows of a sweep found: claims and tables by group, the mean
 * over seeds with its band, the lowest and the highest; every row that is
 * missing by its name.
 *
 * @param plan the sweep
 * @param rows all rows of it
 */
export function summarize(
  plan: SweepPlan,
  rows: readonly RowResult[],
): Finding {
  const groups = groupRows(rows);
  const isAlone = groups.length === 1;
  const missing = missingOf({ rows });
  const claims: Claim[] = [];
  const tables: Record<string, FindingTable> = {};
  for (const group of groups) {
    const finished = finishedOf(group);
    const ids = new Set(
      finished.flatMap(({ found }) => found.claims.map(({ id }) => id)),
    );
    for (const id of ids) {
      const all = finished.flatMap(({ found }) =>
        found.claims.filter((claim) => claim.id === id)
      );
      claims.push(joinClaim(all, group, isAlone));
    }
    const names = new Set(finished.flatMap((one) => Object.keys(one.tables)));
    for (const name of names) {
      const own = isAlone ? name : `${name}-${slugOf(group.name)}`;
      tables[own] = joinTables(name, group, isAlone);
    }
  }
  const done = rows.length - missing.length;
  return {
    lead: `${done} of ${rows.length} rows are finished: ${
      plan.axes.map(({ name, values }) => `${name} ${values.join(", ")}`)
        .join("; ")
    }.${
      missing.length === 0
        ? ""
        : ` Missing: ${missing.map(missingText).join("; ")}.`
    }`,
    claims,
    tables: { "sweep-rows": rowTable(plan, rows), ...tables },
    figures: claimFigures(groups) ?? {},
    warnings: missing.map((one) => `Missing is ${reasonText(one)}.`),
  };
}
