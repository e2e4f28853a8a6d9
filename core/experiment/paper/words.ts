/**
 * What became of a paper's claims in words: sentences and evidence that follow
 * from the rows alone.
 *
 * @module
 */

import { evidenceOf } from "../claims.ts";
import { formatNumber } from "../../report/table.ts";
import type { PaperClaims, PaperRow } from "./catalogue.ts";

/** Verdicts in the order in which they are counted. */
export const VERDICTS = [
  "holds",
  "does not hold",
  "not tested",
  "not testable here",
] as const satisfies readonly PaperRow["verdict"][];

/**
 * Counts verdicts.
 *
 * @param rows claims
 */
export function tallyOf(
  rows: readonly PaperRow[],
): Record<PaperRow["verdict"], number> {
  const count = (verdict: PaperRow["verdict"]) =>
    rows.filter((row) => row.verdict === verdict).length;
  return {
    "holds": count("holds"),
    "does not hold": count("does not hold"),
    "not tested": count("not tested"),
    "not testable here": count("not testable here"),
  };
}

/** A number as it was written, or words. */
function saidText(said: number | string | undefined): string | undefined {
  if (typeof said !== "number") return said;
  return String(said).replace("-", "\u2212");
}

/**
 * Writes the numbers of a row out.
 *
 * @param row of a claim
 * @returns values by heading: those of the paper and its code, the measured
 *   one and what it had to be, seeds, a note
 */
export function rowEvidence(row: PaperRow): Record<string, string> {
  const { id, text, verdict, measured, bound, note } = row;
  const [paper, code] = [saidText(row.paper), saidText(row.code)];
  const own: Record<string, string> = {};
  if (measured !== undefined && bound !== undefined) {
    const { low, high, n, of, unit, decimals } = row;
    const { Measured = "", Needed = "" } = evidenceOf({
      id,
      text,
      measured,
      bound,
      verdict: verdict === "not testable here" ? "not tested" : verdict,
      ...(low === undefined ? {} : { low }),
      ...(high === undefined ? {} : { high }),
      ...(n === undefined ? {} : { n }),
      ...(of === undefined ? {} : { of }),
      ...(unit === undefined ? {} : { unit }),
      ...(decimals === undefined ? {} : { decimals }),
    });
    Object.assign(own, { Here: Measured, Needed });
  }
  return {
    Paper: paper ?? "no number",
    ...(code === undefined ? {} : { "Code and data": code }),
    ...own,
    ...(row.seeds === undefined ? {} : { Seeds: row.seeds.join(", ") }),
    ...(note === undefined ? {} : { Note: note }),
  };
}

function plural(count: number, one: string, many: string): string {
  return `${formatNumber(count)} ${count === 1 ? one : many}`;
}

function verdictsText(rows: readonly PaperRow[]): string {
  const tally = tallyOf(rows);
  return [
    plural(tally.holds, "holds", "hold"),
    plural(tally["does not hold"], "does not", "do not"),
    `${formatNumber(tally["not tested"])} not tested`,
    `${formatNumber(tally["not testable here"])} not testable here`,
  ].join(", ");
}

/**
 * Says in a few sentences what came out: of all claims, of the first part, then
 * of each part how many of those that were tested hold.
 *
 * @param result of a run of the paper
 */
export function leadOf({ claims, experiments }: PaperClaims): string {
  const parts = [...new Set(claims.map(({ section }) => section))];
  const first = claims.filter(({ section }) => section === parts[0]);
  const byPart = parts.slice(1).flatMap((part) => {
    const rows = claims.filter(({ section }) => section === part);
    const { holds, "does not hold": fails } = tallyOf(rows);
    return holds + fails === 0 ? [] : [`${part}, ${holds} of ${holds + fails}`];
  });
  const failed = experiments.filter(({ state }) => state === "failed");
  const waiting = experiments.filter(({ state }) => state === "waiting");
  const doubted = claims.filter(({ crossesBound }) => crossesBound).length;
  const names = (list: typeof experiments) =>
    list.map(({ name }) => `exp:${name}`).join(", ");
  return [
    `Of ${claims.length} claims: ${verdictsText(claims)}.`,
    doubted === 0
      ? ""
      : `Of these, ${
        plural(doubted, "has an interval", "have intervals")
      } on both sides of the bound.`,
    parts[0] === undefined ? "" : `${parts[0]}: ${verdictsText(first)}.`,
    byPart.length === 0
      ? ""
      : `Of those that were tested hold: ${byPart.join("; ")}.`,
    failed.length === 0 ? "" : `Failed: ${names(failed)}.`,
    waiting.length === 0 ? "" : `Yet to run: ${names(waiting)}.`,
  ].filter((part) => part !== "").join(" ");
}

function cellText(text: string): string {
  return text.replaceAll("|", "\\|").replace(/\s+/g, " ");
}

/**
 * Says what the numbers rest on: data, recipe, seeds, protocol.
 *
 * @param result of a run of the paper
 * @returns a paragraph for each
 */
export function factTexts({ facts }: PaperClaims): string[] {
  return Object.entries(facts).map(([name, values]) =>
    `${name}: ${values.map((value) => value.replace(/\.$/, "")).join("; ")}.`
  );
}

/**
 * Writes what became of a paper as Markdown, to paste elsewhere.
 *
 * @param result of a run of the paper
 * @param title heading
 */
export function markdownOf(result: PaperClaims, title: string): string {
  const lines = [`## ${title}`, "", leadOf(result), ""];
  lines.push(...factTexts(result).map((text) => `- ${text}`), "");
  const parts = [...new Set(result.claims.map(({ section }) => section))];
  for (const part of parts) {
    lines.push(
      `### ${part}`,
      "",
      "| Claim | Place | Paper | Code and data | Here | Needed | Verdict |",
      "|---|---|---|---|---|---|---|",
      ...result.claims.filter(({ section }) => section === part).map((row) => {
        const evidence = rowEvidence(row);
        const doubt = row.crossesBound ? ", interval crosses the bound" : "";
        return `| ${
          [
            row.text,
            row.place,
            evidence.Paper,
            evidence["Code and data"] ?? "",
            evidence.Here ?? evidence.Note ?? "",
            evidence.Needed ?? "",
            `${row.verdict}${doubt}`,
          ].map((text) => cellText(text ?? "")).join(" | ")
        } |`;
      }),
      "",
    );
  }
  lines.push("```sh", result.command, "```", "");
  return lines.join("\n");
}
