/**
 * What became of each claim of a paper, from the findings of experiments.
 *
 * @module
 */

import { type Bound, judge, named } from "../claims.ts";
import type { FindingsFile, FindingTable } from "../findings.ts";
import type {
  CellName,
  Judge,
  Outcome,
  PaperRow,
  PaperSection,
} from "./catalogue.ts";

/** What an experiment of a run of the paper left. */
export interface Left {
  /** How it ended. */
  readonly outcome: Outcome;
  /** What it found; none unless it came to its end. */
  readonly found?: FindingsFile;
  /** Its tables by name. */
  readonly tables: Readonly<Record<string, FindingTable>>;
}

/** Names that a run gives to what it calls `name`, the paper's recipe first. */
function namesOf(name: string): readonly string[] {
  return [name, `${name}-paper`, `${name}-visible`];
}

/**
 * What a run calls `name`: where it has two recipes, that of the paper's.
 *
 * @param record by name
 * @param name as an experiment with one recipe calls it
 */
export function ownName(
  record: Readonly<Record<string, unknown>>,
  name: string,
): string | undefined {
  return namesOf(name).find((one) => Object.hasOwn(record, one));
}

interface Measurement {
  readonly value: number | null;
  readonly low?: number | null;
  readonly high?: number | null;
  readonly n?: number;
  /** As it is called in a sentence. */
  readonly title: string;
  /** TABLE/ROW/COLUMN, as the run calls them. */
  readonly source: string;
  readonly unit?: string;
}

/** The number of a cell; undefined if there is none. */
function measurementOf(
  tables: Left["tables"],
  { table, row, column }: CellName,
): Measurement | undefined {
  const name = ownName(tables, table);
  const held = name === undefined ? undefined : tables[name];
  const line = [row].flat()
    .map((name) => held?.rows.find((one) => one.name === name))
    .find((one) => one !== undefined);
  const cell = line?.cells[column];
  const of = held?.columns.find((one) => one.name === column);
  if (line === undefined || cell === undefined || of === undefined) {
    return undefined;
  }
  const about = {
    title: line.title ?? line.name,
    source: `${name}/${line.name}/${column}`,
    ...(of.unit === undefined ? {} : { unit: of.unit }),
  };
  if (typeof cell === "number") return { value: cell, ...about };
  if (typeof cell !== "object" || cell === null) return undefined;
  const { note: _, ...numbers } = cell;
  return { ...numbers, ...about };
}

function isCell(end: unknown): end is CellName {
  return typeof end === "object" && end !== null && "table" in end;
}

/** A bound with the numbers of the cells that it names; or what is missing. */
function boundOf(
  tables: Left["tables"],
  needs: Extract<Judge, { cell: CellName }>["needs"],
): Bound | string {
  const [[kind, end] = ["", undefined]] = Object.entries(needs);
  if (!isCell(end)) return needs as Bound;
  const other = measurementOf(tables, end);
  if (other === undefined) return cellText(end);
  const reference = named(other.title, other);
  return kind === "above" ? { above: reference } : { below: reference };
}

function cellText({ table, row, column }: CellName): string {
  return `${table}/${[row].flat().join(" or ")}/${column}`;
}

function judged(
  claim: Extract<Judge, { experiment: string }>,
  { outcome, found, tables }: Left,
): Partial<PaperRow> & Pick<PaperRow, "verdict"> {
  const source = "claim" in claim ? claim.claim : cellText(claim.cell);
  if (found === undefined) {
    return {
      source,
      verdict: "not tested",
      note: outcome.state === "failed"
        ? `exp:${outcome.name} failed: ${outcome.message ?? "no message"}`
        : `exp:${outcome.name} did not run`,
    };
  }
  const about = {
    source,
    ...(found.seeds.length === 0 ? {} : { seeds: [...found.seeds] }),
    ...(outcome.folder === undefined
      ? {}
      : { report: `${outcome.folder}/report.html` }),
  };
  const lacks = (what: string) => ({
    ...about,
    verdict: "not tested" as const,
    note: `exp:${outcome.name} did not measure ${what} in this run`,
  });
  if ("claim" in claim) {
    const own = namesOf(claim.claim)
      .map((id) => found.claims.find((one) => one.id === id))
      .find((one) => one !== undefined);
    if (own === undefined) return lacks(`"${claim.claim}"`);
    const { id, text: _, published: __, where: ___, ...numbers } = own;
    return {
      ...about,
      ...(own.measured === null
        ? { note: `exp:${outcome.name} has no finite number for it` }
        : {}),
      ...numbers,
      source: id,
      ...("report" in about ? { report: `${about.report}#claim-${id}` } : {}),
    };
  }
  const cell = measurementOf(tables, claim.cell);
  if (cell === undefined) return lacks(source);
  const bound = boundOf(tables, claim.needs);
  if (typeof bound === "string") return lacks(bound);
  const { title: _, source: own, value: measured, ...numbers } = cell;
  return {
    ...about,
    ...numbers,
    source: own,
    measured,
    bound,
    ...judge({ ...numbers, measured, bound }, found.isTested),
  };
}

/**
 * Says what became of every claim of a paper.
 *
 * @param sections of the catalogue
 * @param left what experiments left, by name
 * @returns a row for each claim, in the order of the paper
 */
export function judgePaper(
  sections: readonly PaperSection[],
  left: Readonly<Record<string, Left>>,
): PaperRow[] {
  return sections.flatMap(({ title, claims }) =>
    claims.map((claim): PaperRow => {
      const { judge: decides, ...about } = claim;
      const row = { ...about, section: title };
      if ("untestable" in decides) {
        return {
          ...row,
          verdict: "not testable here",
          note: decides.untestable,
        };
      }
      const { experiment } = decides;
      const one = left[experiment] ?? {
        outcome: { name: experiment, state: "waiting", seconds: 0 },
        tables: {},
      };
      return { ...row, experiment, ...judged(decides, one) };
    })
  );
}
