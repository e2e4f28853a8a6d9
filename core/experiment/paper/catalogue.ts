/**
 * A catalogue of what a paper claims, and what became of each claim in the
 * findings of the experiments.
 *
 * @module
 */

import { z } from "zod";
import {
  type Bound,
  claimSchema,
  interval,
  judge,
  named,
  number,
  text,
} from "../claims.ts";
import type { FindingsFile, FindingTable } from "../findings.ts";

/** A cell of a table of an experiment. */
export interface CellName {
  /** Name of the table. */
  readonly table: string;
  /** Name of the row; of several names the first that is there. */
  readonly row: string | readonly string[];
  /** Name of the column. */
  readonly column: string;
}

/** What decides on a claim of the paper. */
export type Judge =
  | {
    /** Name of the experiment. */
    readonly experiment: string;
    /** Id of one of its claims. */
    readonly claim: string;
  }
  | {
    /** Name of the experiment. */
    readonly experiment: string;
    /** The number that is judged. */
    readonly cell: CellName;
    /** What it must be: beside constants, another cell. */
    readonly needs:
      | Bound
      | { readonly above: CellName }
      | { readonly below: CellName };
  }
  | {
    /** Why nothing here can decide on it. */
    readonly untestable: string;
  };

/** A sentence of the paper that results can deny. */
export interface PaperClaim {
  /** Short name, unique in the catalogue. */
  readonly id: string;
  /** The sentence in own words. */
  readonly text: string;
  /** Its place, such as "Section 5.3, Table 2". */
  readonly place: string;
  /** The paper's number or words for it. */
  readonly paper?: number | string;
  /** That of the published code or data, where it is another. */
  readonly code?: number | string;
  /** What decides on it. */
  readonly judge: Judge;
}

/** A part of the paper with its claims, in their order. */
export interface PaperSection {
  /** Heading. */
  readonly title: string;
  /** Its claims. */
  readonly claims: readonly PaperClaim[];
}

/** A figure or table of the paper, and what shows the same here. */
export interface Exhibit {
  /** As the paper names it, such as "Figure 4". */
  readonly name: string;
  /** What it shows. */
  readonly title: string;
  /** What shows it here, or why nothing does. */
  readonly shown:
    | {
      readonly experiment: string;
      readonly kind: "table" | "figure" | "media";
      readonly item: string;
    }
    | { readonly untestable: string };
}

/** A place where the paper and what produced its numbers differ. */
export interface Difference {
  /** What it is about. */
  readonly topic: string;
  /** What the paper says. */
  readonly paper: string;
  /** What the published code or data says. */
  readonly code: string;
  /** What is done here. */
  readonly here: string;
}

/** All that a paper is held to. */
export interface Catalogue {
  /** Parts in the order of the paper. */
  readonly sections: readonly PaperSection[];
  /** Figures and tables in their order. */
  readonly exhibits: readonly Exhibit[];
  /** Differences of paper and code by subject. */
  readonly differences: Readonly<Record<string, readonly Difference[]>>;
}

/** Of the layout of claims.json; another one is refused. */
export const PAPER_SCHEMA = 1;

const said = z.union([z.number(), text]);

/** What became of one claim of the paper. */
const rowSchema = z.strictObject({
  /** Of the catalogue. */
  id: text,
  /** Part of the paper. */
  section: text,
  /** Place in the paper. */
  place: text,
  /** The sentence. */
  text,
  /** The paper's number or words. */
  paper: said.exactOptional(),
  /** Those of the published code or data. */
  code: said.exactOptional(),
  /** Experiment that judges it; none where it is not testable. */
  experiment: text.exactOptional(),
  /** Its claim, or TABLE/ROW/COLUMN. */
  source: text.exactOptional(),
  /** What was measured. */
  measured: number.exactOptional(),
  ...interval,
  /** What `n` counts. */
  of: text.exactOptional(),
  /** Unit of the numbers. */
  unit: text.exactOptional(),
  /** Digits after the point. */
  decimals: z.int().min(0).max(12).exactOptional(),
  /** What the number must be. */
  bound: claimSchema.shape.bound.exactOptional(),
  /** Seeds of the experiment. */
  seeds: z.array(z.int()).exactOptional(),
  /** What became of it. */
  verdict: z.enum([
    "holds",
    "does not hold",
    "not tested",
    "not testable here",
  ]),
  /** Whether the interval is on both sides of the bound. */
  crossesBound: z.boolean().exactOptional(),
  /** Why it is not tested or not testable, or what a reader must know. */
  note: text.exactOptional(),
  /** The experiment's report, from the folder of this file. */
  report: text.exactOptional(),
});

/** How one experiment of a run of the paper ended. */
const outcomeSchema = z.strictObject({
  /** Name of the experiment. */
  name: text,
  /** Whether it came to its end. */
  state: z.enum(["finished", "failed", "waiting"]),
  /** How long it took, in this run. */
  seconds: z.number().nonnegative(),
  /** Last words of one that failed. */
  message: text.exactOptional(),
  /** Folder of its run, from the folder of this file. */
  folder: text.exactOptional(),
});

/** The content of claims.json. */
export const paperClaimsSchema = z.strictObject({
  schema: z.literal(PAPER_SCHEMA),
  /** Preset of all experiments. */
  preset: text,
  /** The command that makes it again. */
  command: text,
  /** Adapters that computed a part of it. */
  adapters: z.array(text),
  /** What the numbers rest on, by a name for readers. */
  facts: z.record(z.string(), z.array(text)),
  /** Experiments in the order they ran. */
  experiments: z.array(outcomeSchema),
  /** Claims in the order of the paper. */
  claims: z.array(rowSchema),
});

/** What became of one claim of the paper. */
export type PaperRow = z.infer<typeof rowSchema>;
/** How one experiment of a run of the paper ended. */
export type Outcome = z.infer<typeof outcomeSchema>;
/** The content of claims.json. */
export type PaperClaims = z.infer<typeof paperClaimsSchema>;

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
  const { title: _, value: measured, ...numbers } = cell;
  return {
    ...about,
    ...numbers,
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

/**
 * Experiments in the order in which the paper comes to what they judge; those
 * that judge nothing come last.
 *
 * @param catalogue of the paper
 * @param names of experiments
 */
export function inOrderOfPaper(
  { sections, exhibits }: Catalogue,
  names: readonly string[],
): string[] {
  const places = [
    ...sections.flatMap(({ claims }) => claims.map(({ judge }) => judge)),
    ...exhibits.map(({ shown }) => shown),
  ].map((one) => "experiment" in one ? one.experiment : "");
  const place = (name: string) => {
    const index = places.indexOf(name);
    return index < 0 ? Infinity : index;
  };
  return names.toSorted((a, b) => {
    const [x, y] = [place(a), place(b)];
    return x === y ? 0 : x - y;
  });
}
