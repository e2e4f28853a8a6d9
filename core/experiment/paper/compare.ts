/**
 * Two runs of a paper side by side: what changed, and what of it is beyond the
 * intervals.
 *
 * @module
 */

import { join, relative } from "@std/path";
import { renderReport } from "../../report/report.ts";
import { type Cell, formatNumber, tableToCsv } from "../../report/table.ts";
import { digestText, readJson, writeAtomic } from "../run_directory.ts";
import {
  PAPER_SCHEMA,
  type PaperClaims,
  paperClaimsSchema,
  type PaperRow,
} from "./catalogue.ts";
import { leadOf } from "./words.ts";

/** What a claim is in two runs. */
export interface ComparedRow {
  /** Of the catalogue. */
  readonly id: string;
  /** The sentence. */
  readonly text: string;
  /** In the first run; none if it has no such claim. */
  readonly a?: PaperRow;
  /** In the second run. */
  readonly b?: PaperRow;
  /** Whether the verdict is another. */
  readonly isTurned: boolean;
  /**
   * Whether the numbers differ by more than their intervals: they have no
   * number in common, or the one with an interval leaves the other out.
   * Undefined where there is no interval, or a number is missing.
   */
  readonly isBeyond?: boolean;
}

function rangeOf(row: PaperRow): readonly [number, number] | undefined {
  const { measured, low, high } = row;
  if (typeof measured !== "number") return undefined;
  return typeof low === "number" && typeof high === "number"
    ? [low, high]
    : [measured, measured];
}

function isBeyond(
  a: PaperRow | undefined,
  b: PaperRow | undefined,
): boolean | undefined {
  if (a === undefined || b === undefined) return undefined;
  const [x, y] = [rangeOf(a), rangeOf(b)];
  if (x === undefined || y === undefined) return undefined;
  if (x[0] === x[1] && y[0] === y[1]) return undefined;
  return x[1] < y[0] || y[1] < x[0];
}

/**
 * Pairs the claims of two runs.
 *
 * @param a first run
 * @param b second run
 * @returns claims in the order of the first, then those of the second alone
 */
export function compareRows(
  a: readonly PaperRow[],
  b: readonly PaperRow[],
): ComparedRow[] {
  const ids = new Set([...a, ...b].map(({ id }) => id));
  return [...ids].map((id) => {
    const [x, y] = [a, b].map((rows) => rows.find((row) => row.id === id));
    const beyond = isBeyond(x, y);
    return {
      id,
      text: (x ?? y)?.text ?? id,
      ...(x === undefined ? {} : { a: x }),
      ...(y === undefined ? {} : { b: y }),
      isTurned: x?.verdict !== y?.verdict,
      ...(beyond === undefined ? {} : { isBeyond: beyond }),
    };
  });
}

async function readClaims(folder: string): Promise<PaperClaims> {
  const path = join(folder, "claims.json");
  const content = await readJson(path);
  if (content === undefined) {
    throw new Error(
      `Cannot compare ${folder}: there is no ${path}; name the folder of a run of ./run paper`,
    );
  }
  const result = paperClaimsSchema.safeParse(content);
  if (result.success) return result.data;
  const { schema } = content as { schema?: unknown };
  throw new TypeError(
    `Cannot compare ${folder}: ${path} has schema ${schema}, this version reads ${PAPER_SCHEMA}, ${
      result.error.issues[0]?.message ?? "and it is damaged"
    }; run it again`,
  );
}

function numberOf(row: PaperRow | undefined): Cell {
  if (typeof row?.measured !== "number") return null;
  const { measured, low, high, n } = row;
  return {
    value: measured,
    ...(typeof low === "number" ? { low } : {}),
    ...(typeof high === "number" ? { high } : {}),
    ...(n === undefined ? {} : { n }),
  };
}

function changeOf({ isTurned, isBeyond }: ComparedRow): string {
  const parts = [
    ...(isTurned ? ["verdict"] : []),
    ...(isBeyond ? ["beyond the interval"] : []),
  ];
  return parts.join(", ") ||
    (isBeyond === undefined ? "no interval" : "within the interval");
}

/**
 * Compares two runs and writes what changed: report.html, report.md, claims.csv.
 *
 * @param first folder of a run
 * @param second folder of another
 * @param out folder of runs
 * @returns path of the page, and the Markdown
 * @throws {Error} if a folder holds no such run
 * @throws {TypeError} if one is of another version
 */
export async function comparePapers(
  first: string,
  second: string,
  out: string,
): Promise<{ readonly page: string; readonly markdown: string }> {
  const [a, b] = [await readClaims(first), await readClaims(second)];
  const rows = compareRows(a.claims, b.claims);
  const changed = rows.filter((row) => row.isTurned || row.isBeyond);
  const digest = (await digestText(JSON.stringify([a, b]))).slice(0, 8);
  const folder = join(out, "paper", `compare-${digest}`);
  await Deno.mkdir(folder, { recursive: true });
  const table = (list: readonly ComparedRow[]) => ({
    columns: [
      { key: "id", label: "Claim" },
      { key: "a", label: "A" },
      { key: "verdictA", label: "Verdict A" },
      { key: "b", label: "B" },
      { key: "verdictB", label: "Verdict B" },
      { key: "change", label: "Change" },
    ],
    rows: list.map((row) => ({
      id: row.id,
      a: numberOf(row.a),
      verdictA: row.a?.verdict ?? "no such claim",
      b: numberOf(row.b),
      verdictB: row.b?.verdict ?? "no such claim",
      change: changeOf(row),
    })),
  });
  const judged = rows.filter((row) => row.isBeyond !== undefined).length;
  const sentence = `Of ${rows.length} claims, ${
    rows.filter(({ isTurned }) => isTurned).length
  } have another verdict; of ${judged} with a number in both runs and an interval, ${
    rows.filter((row) => row.isBeyond).length
  } differ by more than it.`;
  const short = (row: PaperRow | undefined) =>
    typeof row?.measured === "number" ? formatNumber(row.measured) : "";
  const markdown = [
    "## Two runs of the paper",
    "",
    sentence,
    "",
    `A: \`${a.command}\` (${a.adapters.join(", ") || "no adapter"})`,
    "",
    `B: \`${b.command}\` (${b.adapters.join(", ") || "no adapter"})`,
    "",
    "| Claim | A | B | Verdict A | Verdict B | Change |",
    "|---|---|---|---|---|---|",
    ...changed.map((row) =>
      `| ${row.text.replaceAll("|", "\\|")} | ${short(row.a)} | ${
        short(row.b)
      } | ${row.a?.verdict ?? ""} | ${row.b?.verdict ?? ""} | ${
        changeOf(row)
      } |`
    ),
    "",
  ].join("\n");
  const link = (path: string) => `${relative(folder, path)}/report.html`;
  const html = renderReport({
    title: "Two runs of the paper",
    lead: sentence,
    command: `./run paper --compare ${first} ${second}`,
    adapter: [...new Set([...a.adapters, ...b.adapters])].join(", ") ||
      "no adapter",
    provenance: { A: link(first), B: link(second) },
    claims: [],
    sections: [
      {
        title: "The runs",
        blocks: [
          { kind: "text", text: `A: ${a.command}. ${leadOf(a)}` },
          { kind: "text", text: `B: ${b.command}. ${leadOf(b)}` },
        ],
      },
      {
        title: "What changed",
        blocks: changed.length === 0
          ? [{ kind: "text", text: "Nothing beyond its interval." }]
          : [{ kind: "table", table: table(changed) }],
      },
      {
        title: "All claims",
        blocks: [{ kind: "table", table: table(rows) }],
      },
    ],
    stageTimes: [],
  });
  await writeAtomic(join(folder, "claims.csv"), tableToCsv(table(rows)));
  await writeAtomic(join(folder, "report.md"), markdown);
  const page = join(folder, "report.html");
  await writeAtomic(page, html);
  return { page, markdown };
}
