/**
 * What a run leaves: findings.json, a CSV and a JSON file per table, an SVG and
 * a PNG file per figure, media, and the report that is built from these alone.
 *
 * @module
 */

import { join } from "@std/path";
import type { z } from "zod";
import { escapeHtml } from "../report/html.ts";
import { rasterize } from "../report/rasterize.ts";
import { type Block, renderReport } from "../report/report.ts";
import { type Cell, type Table, tableToCsv } from "../report/table.ts";
import { evidenceOf, judge } from "./claims.ts";
import {
  type Facts,
  type Finding,
  FINDINGS_SCHEMA,
  type FindingsFile,
  findingsSchema,
  type FindingTable,
  mediaEnding,
  tableSchema,
} from "./findings.ts";
import { writeAtomic } from "./run_directory.ts";

const FONT = new URL("../../fixtures/fonts/DejaVuSans.ttf", import.meta.url);
const FINDINGS = "findings.json";

/** Files of a run that are no findings, lower case. */
const TAKEN = [
  FINDINGS,
  "report.html",
  "finished.json",
  "params.json",
  "provenance.json",
  "sources.json",
];

/** Checks a value against a schema; the message names every fault. */
function checked<T>(
  schema: z.ZodType<T>,
  value: unknown,
  action: string,
): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => {
    // What is wrong with a key stands one level down.
    const within = issue.code === "invalid_key" ? issue.issues[0] : undefined;
    const { message } = within ?? issue;
    return issue.path.length === 0
      ? message
      : `${issue.path.join(".")}: ${message}`;
  });
  throw new TypeError(`Cannot ${action}: ${faults.join("; ")}`);
}

/** A value as JSON keeps it: numbers that are not finite become null. */
function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

function indented(value: unknown): string {
  return JSON.stringify(value, null, 2) + "\n";
}

type Held = FindingTable["rows"][number]["cells"][string];

/** A cell beside the paper's number; text becomes its note. */
function cellOf(held: Held = null, published: number | undefined): Cell {
  if (published === undefined) return held;
  if (typeof held === "object" && held !== null) return { ...held, published };
  return typeof held === "number" || held === null
    ? { value: held, published }
    : { value: null, note: String(held), published };
}

/** A table with its rows by `name`, for CSV, or by `title`, for readers. */
function tableBy(key: "name" | "title", table: FindingTable): Table {
  const own = <T>(record: Record<string, T> | undefined, name: string) =>
    record !== undefined && Object.hasOwn(record, name)
      ? record[name]
      : undefined;
  return {
    columns: [
      { key: "row", label: table.head },
      ...table.columns.map(({ name, title, published: _, ...rest }) => ({
        key: name,
        label: title,
        ...rest,
      })),
    ],
    rows: table.rows.map((row) => ({
      row: row[key] ?? row.name,
      ...Object.fromEntries(table.columns.map(({ name, published }) => [
        name,
        cellOf(own(row.cells, name), own(published, row.name)),
      ])),
    })),
  };
}

/**
 * Writes all that a run leaves, the report last.
 *
 * Everything is checked before the first file is written. A number that is not
 * finite is null in JSON, empty in CSV and a dash in the report.
 *
 * @param folder of the run; it exists
 * @param findings what the runner knows and what the experiment returned
 * @returns the content of findings.json
 * @throws {TypeError} that names every field at fault
 * @throws {RangeError} if two files have one name, or a column is there twice
 */
export async function writeFindings(
  folder: string,
  findings: Facts & Finding,
): Promise<FindingsFile> {
  const { tables = {}, figures = {}, media = {}, data = {}, ...rest } =
    findings;
  const action = `write findings of ${findings.experiment}`;
  const files: [name: string, content: string | Uint8Array][] = [];
  for (const [name, given] of Object.entries(tables)) {
    const table = checked(
      tableSchema,
      asJson({ schema: FINDINGS_SCHEMA, ...given }),
      `${action}: "${name}"`,
    );
    files.push([`${name}.json`, indented(table)]);
    files.push([`${name}.csv`, tableToCsv(tableBy("name", table))]);
  }
  const font = await Deno.readFile(FONT);
  for (const [name, { svg }] of Object.entries(figures)) {
    files.push([`${name}.svg`, svg]);
    files.push([`${name}.png`, await rasterize(svg, font)]);
  }
  for (const [name, { bytes, type }] of Object.entries(media)) {
    files.push([`${name}.${mediaEnding(type)}`, bytes]);
  }
  for (const [name, { bytes, type }] of Object.entries(data)) {
    files.push([`${name}.${type}`, bytes]);
  }
  const named = <T>(
    record: Readonly<Record<string, T>>,
    describe: (name: string, value: T) => unknown,
  ) =>
    Object.fromEntries(
      Object.entries(record).map(([name, it]) => [name, describe(name, it)]),
    );
  const content = checked(
    findingsSchema,
    asJson({
      ...rest,
      schema: FINDINGS_SCHEMA,
      claims: findings.claims.map((claim) => ({
        ...claim,
        ...judge(claim, findings.isTested),
      })),
      tables: named(tables, (name) => `${name}.json`),
      figures: named(figures, (name, { caption }) => ({
        svg: `${name}.svg`,
        png: `${name}.png`,
        caption,
      })),
      media: named(media, (name, { bytes: _, ...shown }) => ({
        file: `${name}.${mediaEnding(shown.type)}`,
        ...shown,
      })),
      data: named(data, (name, { type, caption }) => ({
        file: `${name}.${type}`,
        caption,
      })),
    }),
    action,
  );
  const seen = new Set(TAKEN);
  for (const [name] of files) {
    const key = name.toLowerCase();
    if (seen.has(key)) {
      throw new RangeError(
        `Cannot ${action}: two files would be ${name}, rename the table, ` +
          `figure or picture`,
      );
    }
    seen.add(key);
  }
  files.push([FINDINGS, indented(content)]);
  for (const [name, data] of files) await writeAtomic(join(folder, name), data);
  await writeAtomic(join(folder, "report.html"), await reportOf(folder));
  return content;
}

async function readWhole(
  path: string,
  why: string,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(`Cannot read "${path}": there is no such file${why}`);
  }
}

async function readChecked<T>(
  path: string,
  why: string,
  schema: z.ZodType<T>,
): Promise<T> {
  const text = new TextDecoder().decode(await readWhole(path, why));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(
      `Cannot read "${path}": it is damaged; ${
        (error as Error).message.replace(/\s+/g, " ")
      }`,
    );
  }
  const version = (value as { schema?: unknown } | null)?.schema;
  if (version !== FINDINGS_SCHEMA) {
    throw new TypeError(
      `Cannot read "${path}": it has schema ${
        JSON.stringify(version) ?? "none"
      }, this version reads ${FINDINGS_SCHEMA}; run the experiment again`,
    );
  }
  return checked(schema, value, `read "${path}"`);
}

/**
 * Reads what a run found.
 *
 * @param folder of the run
 * @throws {Error} if there are no findings
 * @throws {SyntaxError} if the file is no JSON
 * @throws {TypeError} if it has another schema; the message names every fault
 */
export async function readFindings(folder: string): Promise<FindingsFile> {
  const why = ", the run is not finished or is of an older version";
  return await readChecked(join(folder, FINDINGS), why, findingsSchema);
}

function whyNeeded(found: FindingsFile): string {
  return `, which ${FINDINGS} names; copy the whole folder, or run again: ` +
    found.command;
}

/**
 * Reads a table of a run.
 *
 * @param folder of the run
 * @param found what it found
 * @param name of the table
 * @throws {Error} if the file is missing
 * @throws {SyntaxError} if the file is no JSON
 * @throws {TypeError} if the file has another schema
 */
export async function readFindingTable(
  folder: string,
  found: FindingsFile,
  name: string,
): Promise<FindingTable> {
  const file = join(folder, found.tables[name]!);
  const { schema: _, ...table } = await readChecked(
    file,
    whyNeeded(found),
    tableSchema,
  );
  return table;
}

/** Tables, figures and media as pieces of a report. */
const ITEMS = {
  tables: async (folder: string, found: FindingsFile, name: string) => {
    const table = await readFindingTable(folder, found, name);
    const { title: caption, note } = table;
    return [
      { kind: "table", table: tableBy("title", table), caption },
      ...(note === undefined ? [] : [{ kind: "text" as const, text: note }]),
    ] satisfies Block[];
  },
  figures: async (folder: string, found: FindingsFile, name: string) => {
    const { svg, caption } = found.figures[name]!;
    const bytes = await readWhole(join(folder, svg), whyNeeded(found));
    const text = new TextDecoder().decode(bytes);
    return [{ kind: "figure", svg: text, caption }] satisfies Block[];
  },
  media: async (folder: string, found: FindingsFile, name: string) => {
    const { file, ...shown } = found.media[name]!;
    const bytes = await readWhole(join(folder, file), whyNeeded(found));
    return [{ kind: "media", bytes, ...shown }] satisfies Block[];
  },
} as const;

/**
 * A table, a figure or a picture of a run as pieces of a report.
 *
 * @param folder of the run
 * @param found what it found
 * @param kind of the piece
 * @param name of the piece; there is one
 * @throws {Error} if its file is missing
 */
export function itemBlocks(
  folder: string,
  found: FindingsFile,
  kind: keyof typeof ITEMS,
  name: string,
): Promise<Block[]> {
  return ITEMS[kind](folder, found, name);
}

/** Facts by a longer name, lists and records as JSON. */
function facts(
  prefix: string,
  record: FindingsFile["params"],
): Record<string, string | number | boolean> {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [
      `${prefix}: ${name}`,
      typeof value === "object" ? JSON.stringify(value) : value,
    ]),
  );
}

/**
 * Builds the report of a run from findings.json and the files that it names,
 * alone: claims, tables, figures, pictures, notes, provenance.
 *
 * @param folder of the run, wherever it was copied to
 * @returns HTML that needs no other file; equal files give equal bytes
 * @throws {Error} if a file is missing
 * @throws {SyntaxError} if a file is no JSON
 * @throws {TypeError} if a file has another schema
 */
export async function reportOf(folder: string): Promise<string> {
  const found = await readFindings(folder);
  const blocks = async (kind: keyof typeof ITEMS): Promise<Block[]> => {
    const names = Object.keys(found[kind]);
    const item = (name: string) => ITEMS[kind](folder, found, name);
    return (await Promise.all(names.map(item))).flat();
  };
  const tables = await blocks("tables");
  const figures = await blocks("figures");
  const media = await blocks("media");
  const words = (texts: readonly string[]): Block[] =>
    texts.map((text) => ({ kind: "text", text }));
  const sections = {
    Tables: tables,
    Figures: figures,
    Pictures: media,
    Files: Object.values(found.data).map(({ file, caption }): Block => ({
      kind: "html",
      html: `<p><a href="${escapeHtml(file)}">${escapeHtml(file)}</a>: ${
        escapeHtml(caption)
      }</p>`,
    })),
    Warnings: words(found.warnings),
    Notes: words(found.notes),
  };
  const warned = found.warnings.length;
  return renderReport({
    title: found.title,
    lead: [
      `${found.source}.`,
      found.lead,
      warned === 0 ? "" : `Warnings: ${warned}, listed below.`,
    ].filter((part) => part !== "").join(" "),
    ...(found.isTested ? {} : {
      banner: `This is the ${found.preset} preset: it shows that everything ` +
        `runs. Its numbers mean nothing.`,
    }),
    command: found.command,
    adapter: found.adapters.join(", ") || "no adapter",
    provenance: {
      experiment: found.experiment,
      preset: found.preset,
      seeds: found.seeds.join(", ") || "none",
      ...(found.seconds === undefined ? {} : { seconds: found.seconds }),
      ...facts("dataset", found.dataset),
      ...facts("parameter", found.params),
      artifacts: found.artifacts.join(", ") || "none",
    },
    claims: found.claims.map((claim) => ({
      id: claim.id,
      text: claim.text,
      verdict: claim.verdict,
      evidence: evidenceOf(claim),
      ...(claim.crossesBound ? { doubt: "interval crosses the bound" } : {}),
    })),
    sections: Object.entries(sections)
      .filter(([, blocks]) => blocks.length > 0)
      .map(([title, blocks]) => ({ title, blocks })),
    stageTimes: found.stages,
  });
}
