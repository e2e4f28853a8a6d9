/**
 * What a run of a paper leaves: report.html, claims.csv, claims.json and
 * report.md, all from the same rows.
 *
 * @module
 */

import { join } from "@std/path";
import { escapeHtml } from "../../report/html.ts";
import { type Block, renderReport, type Section } from "../../report/report.ts";
import { type Table, tableToCsv } from "../../report/table.ts";
import { itemBlocks } from "../findings_report.ts";
import { writeAtomic } from "../run_directory.ts";
import {
  type Catalogue,
  type Exhibit,
  type PaperClaims,
  paperClaimsSchema,
  type PaperRow,
} from "./catalogue.ts";
import { type Left, ownName } from "./judging.ts";
import {
  factTexts,
  leadOf,
  markdownOf,
  rowEvidence,
  tallyOf,
  VERDICTS,
} from "./words.ts";

const TITLE = "The paper, claim by claim";

/** Bytes of pictures, as they are on disk, that the page holds at most. */
const MOST_MEDIA = 10e6;

const KINDS = { table: "tables", figure: "figures", media: "media" } as const;

function linkHtml(href: string, text: string): string {
  return `<a href="${escapeHtml(href)}">${escapeHtml(text)}</a>`;
}

/** Counts by part of the paper. */
function tallyTable(claims: readonly PaperRow[]): Table {
  const parts = [...new Set(claims.map(({ section }) => section))];
  const row = (part: string, rows: readonly PaperRow[]) => ({
    part,
    claims: rows.length,
    ...tallyOf(rows),
  });
  return {
    columns: [
      { key: "part", label: "Part of the paper" },
      { key: "claims", label: "Claims" },
      ...VERDICTS.map((key) => ({
        key,
        label: key.replace(/^./, (letter) => letter.toUpperCase()),
      })),
    ],
    rows: [
      ...parts.map((part) =>
        row(part, claims.filter(({ section }) => section === part))
      ),
      row("All", claims),
    ],
  };
}

/** Links to the claims that do not hold. */
function failingBlocks(claims: readonly PaperRow[]): Block[] {
  const rows = claims.filter(({ verdict }) => verdict === "does not hold");
  if (rows.length === 0) return [];
  const items = rows.map(({ id, text, place, crossesBound }) =>
    `<li>${linkHtml(`#claim-${id}`, text)} (${escapeHtml(place)}${
      crossesBound ? "; the interval crosses the bound" : ""
    })</li>`
  );
  return [{
    kind: "html",
    html: `<p>What does not hold:</p><ul>${items.join("")}</ul>`,
  }];
}

function experimentsHtml({ experiments }: PaperClaims): Block {
  const rows = experiments.map(({ name, state, seconds, message, folder }) => {
    const report = folder === undefined
      ? ""
      : linkHtml(`${folder}/report.html`, "report");
    return `<tr><th scope="row">exp:${escapeHtml(name)}</th><td>${
      state === "waiting" ? "did not run" : state
    }</td><td class="number">${seconds.toFixed(0)}</td><td>${report}</td><td>${
      escapeHtml(message ?? "")
    }</td></tr>`;
  });
  return {
    kind: "html",
    html: `<div class="scroll" tabindex="0"><table><thead><tr>${
      ["Experiment", "State", "Seconds", "Report", "Last words"]
        .map((head, i) =>
          `<th scope="col"${i === 2 ? ' class="number"' : ""}>${head}</th>`
        ).join("")
    }</tr></thead><tbody>${rows.join("\n")}</tbody></table></div>`,
  };
}

function claimBlocks(rows: readonly PaperRow[]): Block[] {
  return [{
    kind: "claims",
    claims: rows.map((row) => ({
      id: row.id,
      text: `${row.text} (${row.place})`,
      verdict: row.verdict,
      evidence: rowEvidence(row),
      ...(row.crossesBound ? { doubt: "interval crosses the bound" } : {}),
      ...(row.report === undefined ? {} : {
        link: {
          href: row.report,
          text: `exp:${row.experiment}, ${row.source}`,
        },
      }),
    })),
  }];
}

/** Size of a picture or film on disk; 0 of drawings, which are text. */
function mediaBytes(blocks: readonly Block[]): number {
  return blocks.reduce(
    (sum, block) => sum + (block.kind === "media" ? block.bytes.length : 0),
    0,
  );
}

/** Figures and tables in their order, as far as the page can hold them. */
async function exhibitSections(
  exhibits: readonly Exhibit[],
  left: Readonly<Record<string, Left>>,
  root: string,
): Promise<Section[]> {
  const sections: Section[] = [];
  let held = 0;
  for (const { name, title, shown } of exhibits) {
    const say = (text: string): Block[] => [{ kind: "text", text }];
    const blocksOf = async (): Promise<Block[]> => {
      if ("untestable" in shown) {
        return say(`Not shown: ${shown.untestable}.`);
      }
      const { found, outcome } = left[shown.experiment] ?? {};
      if (found === undefined || outcome?.folder === undefined) {
        return say(`Not shown: exp:${shown.experiment} has no result.`);
      }
      const kind = KINDS[shown.kind];
      const item = ownName(found[kind], shown.item);
      if (item === undefined) {
        return say(
          `Not shown: exp:${shown.experiment} made no "${shown.item}" in this run.`,
        );
      }
      const report: Block = {
        kind: "html",
        html: `<p>${
          linkHtml(`${outcome.folder}/report.html`, `exp:${outcome.name}`)
        }</p>`,
      };
      const folder = join(root, outcome.folder);
      const blocks = await itemBlocks(folder, found, kind, item);
      const bytes = mediaBytes(blocks);
      if (held + bytes > MOST_MEDIA) {
        return [
          ...say("Too large for this page: it is in the report."),
          report,
        ];
      }
      held += bytes;
      return [...blocks, report];
    };
    sections.push({ title: `${name}: ${title}`, blocks: await blocksOf() });
  }
  return sections;
}

/** What the paper and its code differ in. */
function differenceBlocks(differences: Catalogue["differences"]): Block[] {
  return Object.entries(differences).map(([caption, rows]): Block => ({
    kind: "table",
    caption: `${caption}: ${rows.length} cases`,
    table: {
      columns: [
        { key: "topic", label: "Of" },
        { key: "paper", label: "Paper" },
        { key: "code", label: "Published code and data" },
        { key: "here", label: "Here" },
      ],
      rows: rows.map((row) => ({ ...row })),
    },
  }));
}

/** Claims as a table with every digit. */
function csvOf(claims: readonly PaperRow[]): string {
  const texts = [
    "id",
    "section",
    "place",
    "text",
    "paper",
    "code",
    "experiment",
    "source",
  ] as const;
  const after = [
    "of",
    "unit",
    "verdict",
    "crossesBound",
    "note",
    "report",
  ] as const;
  return tableToCsv({
    columns: [
      ...texts.map((key) => ({ key })),
      { key: "measured" },
      { key: "needed" },
      { key: "seeds" },
      ...after.map((key) => ({ key })),
    ],
    rows: claims.map((row) => {
      const { measured, low, high, n } = row;
      const words = Object.fromEntries(
        [...texts, ...after].map((key) => [
          key,
          row[key] ?? null,
        ]),
      );
      return {
        ...words,
        measured: measured === undefined ? null : {
          value: measured,
          ...(typeof low === "number" ? { low } : {}),
          ...(typeof high === "number" ? { high } : {}),
          ...(n === undefined ? {} : { n }),
        },
        needed: rowEvidence(row).Needed ?? null,
        seeds: row.seeds?.join(" ") ?? null,
      };
    }),
  });
}

/**
 * Writes what became of a paper, the page last.
 *
 * @param folder of the run; paths of reports are from here
 * @param result what became of every claim
 * @param catalogue of the paper
 * @param left what experiments left, by name
 * @returns path of the page
 * @throws {Error} if a file that an experiment names is missing
 */
export async function writePaper(
  folder: string,
  result: PaperClaims,
  { exhibits, differences }: Catalogue,
  left: Readonly<Record<string, Left>>,
): Promise<string> {
  const checked = paperClaimsSchema.parse(result);
  const { claims, experiments } = checked;
  const parts = [...new Set(claims.map(({ section }) => section))];
  const isTested = Object.values(left)
    .every(({ found }) => found?.isTested ?? true);
  const failed = experiments.filter(({ state }) => state === "failed");
  const warnings = [
    isTested
      ? ""
      : `This is the ${checked.preset} preset: it shows that everything runs. Its numbers mean nothing.`,
    ...failed.map(({ name, message }) =>
      `exp:${name} failed: ${message ?? "no message"}.`
    ),
  ].filter((text) => text !== "");
  const page = renderReport({
    title: TITLE,
    lead: leadOf(checked),
    ...(warnings.length === 0 ? {} : { banner: warnings.join(" ") }),
    command: checked.command,
    adapter: checked.adapters.join(", ") || "no adapter",
    provenance: { preset: checked.preset },
    claims: [],
    sections: [
      {
        title: "What holds and what does not",
        blocks: [
          { kind: "table", table: tallyTable(claims) },
          ...failingBlocks(claims),
        ],
      },
      {
        title: "What it rests on",
        blocks: [
          ...factTexts(checked).map((text) => ({
            kind: "text" as const,
            text,
          })),
          experimentsHtml(checked),
        ],
      },
      ...parts.map((part) => ({
        title: part,
        blocks: claimBlocks(claims.filter(({ section }) => section === part)),
      })),
      ...await exhibitSections(exhibits, left, folder),
      {
        title: "Where the paper and its code differ",
        blocks: differenceBlocks(differences),
      },
    ],
    stageTimes: experiments.filter(({ state }) => state !== "waiting")
      .map(({ name, seconds }) => ({ stage: `exp:${name}`, seconds })),
  });
  const json = JSON.stringify(checked, null, 2) + "\n";
  await writeAtomic(join(folder, "claims.json"), json);
  await writeAtomic(join(folder, "claims.csv"), csvOf(claims));
  await writeAtomic(join(folder, "report.md"), markdownOf(checked, TITLE));
  const path = join(folder, "report.html");
  await writeAtomic(path, page);
  return path;
}
