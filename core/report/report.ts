import { dataUri, escapeHtml } from "./html.ts";
import { formatNumber, type Table, tableToHtml } from "./table.ts";

/** What became of a claim. */
export type Verdict = "holds" | "does not hold" | "not tested";

/** A sentence that the results can deny. */
export interface Claim {
  /** Short name, unique in the report. */
  readonly id: string;
  /** The sentence. */
  readonly text: string;
  /** What became of it. */
  readonly verdict: Verdict;
  /** The numbers it rests on, and what was required. */
  readonly evidence: string;
}

/** A piece of a section. */
export type Block =
  | {
    /** A paragraph of plain text. */
    readonly kind: "text";
    /** The text; it is escaped. */
    readonly text: string;
  }
  | {
    /** A table. */
    readonly kind: "table";
    /** Its columns and rows. */
    readonly table: Table;
    /** Text above it. */
    readonly caption?: string;
  }
  | {
    /** A drawing. */
    readonly kind: "figure";
    /** SVG text, placed in the page as it is. */
    readonly svg: string;
    /** Text below it. */
    readonly caption: string;
  }
  | {
    /** A picture or film. */
    readonly kind: "media";
    /** Content of the file. */
    readonly bytes: Uint8Array;
    /** Its media type. */
    readonly type:
      | "image/png"
      | "image/apng"
      | "image/gif"
      | "image/jpeg"
      | "video/mp4";
    /** What it shows, for those who do not see it. */
    readonly alt: string;
    /** Text below it. */
    readonly caption: string;
  }
  | {
    /** A fragment, placed in the page as it is. */
    readonly kind: "html";
    /** The fragment; its texts must be escaped already. */
    readonly html: string;
    /** Text below it. */
    readonly caption?: string;
  };

/** A headed part of the report. */
export interface Section {
  /** Its heading. */
  readonly title: string;
  /** Its pieces in order. */
  readonly blocks: readonly Block[];
}

/** Duration of one stage. */
export interface StageTime {
  /** Name of the stage. */
  readonly stage: string;
  /** How long it took. */
  readonly seconds: number;
  /** What it was spent on, in a few words. */
  readonly note?: string;
}

/** All that a report says. */
export interface Report {
  /** Heading of the page. */
  readonly title: string;
  /** What was asked and what came out, in a few sentences. */
  readonly lead: string;
  /** A warning above everything, such as that numbers mean nothing. */
  readonly banner?: string;
  /** The command that made the report. */
  readonly command: string;
  /** What it was computed on. */
  readonly adapter: string;
  /** Names and values: digests, versions, parameters. */
  readonly provenance: Readonly<Record<string, string | number | boolean>>;
  /** Claims, the most important first. */
  readonly claims: readonly Claim[];
  /** Results. */
  readonly sections: readonly Section[];
  /** Stages in the order they ran. */
  readonly stageTimes: readonly StageTime[];
}

/** Class and sign of each verdict: colour is never the only difference. */
const VERDICTS: Readonly<Record<Verdict, readonly [string, string]>> = {
  "holds": ["holds", "\u2713"],
  "does not hold": ["fails", "\u2717"],
  "not tested": ["open", "\u2013"],
};

const STYLE = `
:root {
  color-scheme: light dark;
  --page: #ffffff; --ink: #1f2328; --muted: #5d6671; --line: #dde1e6;
  --soft: #f5f6f8; --accent: #2563a8;
  --holds: #1a6b3c; --holds-soft: #e3f3e9;
  --fails: #a8281c; --fails-soft: #fbe7e4;
  --open: #5d6671; --open-soft: #eceef1;
  --warn: #7a5200; --warn-soft: #fdf1d3;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #15181c; --ink: #e4e7eb; --muted: #9aa3ad; --line: #31373e;
    --soft: #1d2126; --accent: #6ba8e8;
    --holds: #7fd6a2; --holds-soft: #17341f;
    --fails: #ff9d8f; --fails-soft: #421c17;
    --open: #b4bcc5; --open-soft: #2a2f36;
    --warn: #f2c869; --warn-soft: #3a2c0c;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto; max-width: 60rem; padding: 2.5rem 1.25rem 4rem;
  background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  overflow-wrap: break-word;
}
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .75rem;
  letter-spacing: -.01em; text-wrap: balance; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 3rem 0 1rem;
  padding-top: 1rem; border-top: 1px solid var(--line); }
p { margin: 0 0 1rem; max-width: 44rem; }
.lead { font-size: 1.1rem; }
.facts, .tally { color: var(--muted); font-size: .9rem; }
.banner { background: var(--warn-soft); color: var(--warn);
  border-left: 4px solid currentColor; padding: .75rem 1rem;
  max-width: none; font-weight: 600; }
.claims { list-style: none; margin: 0; padding: 0; display: grid;
  gap: .75rem; }
.claims li { border: 1px solid var(--line); border-left: 4px solid;
  border-radius: 6px; padding: .85rem 1rem; }
.claims li.holds { border-left-color: var(--holds); }
.claims li.fails { border-left-color: var(--fails); }
.claims li.open { border-left-color: var(--open); }
.claims p { margin: .4rem 0 0; }
.claims .text { font-weight: 600; }
.claims .evidence { color: var(--muted); font-size: .92rem;
  font-variant-numeric: tabular-nums; }
.id { color: var(--muted); font-size: .85rem; margin-left: .6rem; }
.badge { display: inline-block; border-radius: 999px; font-size: .82rem;
  font-weight: 600; padding: .1rem .65rem; white-space: nowrap; }
.holds .badge { background: var(--holds-soft); color: var(--holds); }
.fails .badge { background: var(--fails-soft); color: var(--fails); }
.open .badge { background: var(--open-soft); color: var(--open); }
.scroll { overflow-x: auto; max-width: 100%; margin: 0 0 1rem; }
.scroll:focus-visible { outline: 2px solid var(--accent);
  outline-offset: 2px; }
table { border-collapse: collapse; font-size: .9rem; line-height: 1.4;
  font-variant-numeric: tabular-nums; }
caption span { display: inline-block; position: sticky; left: 0;
  max-width: min(44rem, calc(100vw - 4rem)); }
caption { text-align: left; color: var(--muted); padding: 0 0 .5rem;
  font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .45rem 1.1rem
  .45rem 0; border-bottom: 1px solid var(--line); }
thead th { color: var(--muted); font-weight: 600; vertical-align: bottom;
  border-bottom-color: var(--muted); }
tbody th { font-weight: 500; position: sticky; left: 0;
  background: var(--page); }
th.number, td.number { text-align: right; }
td.number { white-space: nowrap; }
th:last-child, td:last-child { padding-right: 0; }
td b { font-weight: 600; }
td small, th small { display: block; font-weight: 400; color: var(--muted); font-size: .78rem; }
td small.published { color: var(--accent); }
td.empty { color: var(--muted); text-align: right; }
figure { margin: 0 0 2rem; }
figure .scroll { margin-bottom: .5rem; }
figure svg { min-width: 34rem; width: 100%; max-width: 46rem !important; }
figure img, figure video { display: block; max-width: 100%; height: auto; }
.pixels { image-rendering: pixelated; }
figcaption { color: var(--muted); font-size: .9rem; max-width: 44rem; }
.sheet th, .sheet td { border: 0; padding: 1px 2px; font-size: .82rem; }
.sheet img { max-width: none; display: block; }
.sheet tbody th { vertical-align: middle; padding-right: .75rem; }
.sheet thead th { font-weight: 500; text-align: center; }
pre { background: var(--soft); border: 1px solid var(--line);
  border-radius: 6px; padding: .8rem 1rem; overflow-x: auto;
  font: .88rem/1.5 ui-monospace, SFMono-Regular, Menlo, monospace; }
code { font-family: ui-monospace, SFMono-Regular, Menlo, monospace;
  font-size: .88em; overflow-wrap: anywhere; }
.share { width: 10rem; vertical-align: middle; }
.share i { display: block; height: .55rem; min-width: 1px;
  background: var(--accent); border-radius: 2px; }
details { margin-top: 1rem; }
summary { cursor: pointer; color: var(--accent); margin-bottom: .75rem; }
.provenance td { overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  body { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.5rem; }
  .lead { font-size: 1rem; }
  .share { width: 5rem; }
}
@media print {
  .scroll { overflow: visible; }
  figure, .claims li { break-inside: avoid; }
}
`;

/** Nothing is fetched and nothing is run, whatever a fragment holds. */
const POLICY = "default-src 'none'; img-src data:; media-src data:; " +
  "style-src 'unsafe-inline'";

function claimsHtml(claims: readonly Claim[]): string {
  if (claims.length === 0) return "";
  const count = (verdict: Verdict): number =>
    claims.filter((claim) => claim.verdict === verdict).length;
  const [held, failed, open] = [
    count("holds"),
    count("does not hold"),
    count("not tested"),
  ];
  const tally = `${held} of ${claims.length} ${
    held === 1 ? "holds" : "hold"
  }, ${failed} ${failed === 1 ? "does" : "do"} not hold, ${open} not tested.`;
  const items = claims.map(({ id, text, verdict, evidence }) => {
    const [kind, sign] = VERDICTS[verdict];
    return `<li class="${kind}" id="claim-${escapeHtml(id)}">` +
      `<span class="badge">${sign} ${verdict}</span>` +
      `<span class="id">${escapeHtml(id)}</span>` +
      `<p class="text">${escapeHtml(text)}</p>` +
      `<p class="evidence">${escapeHtml(evidence)}</p></li>`;
  });
  return `<section><h2>Claims</h2><p class="tally">${tally}</p>` +
    `<ul class="claims">\n${items.join("\n")}\n</ul></section>`;
}

function figureHtml(content: string, caption: string | undefined): string {
  const text = caption === undefined
    ? ""
    : `<figcaption>${escapeHtml(caption)}</figcaption>`;
  return `<figure>${content}${text}</figure>`;
}

function blockHtml(block: Block): string {
  switch (block.kind) {
    case "text":
      return `<p>${escapeHtml(block.text)}</p>`;
    case "table":
      return tableToHtml(block.table, block.caption);
    case "figure":
      return figureHtml(
        `<div class="scroll" tabindex="0">${block.svg}</div>`,
        block.caption,
      );
    case "html":
      return figureHtml(block.html, block.caption);
    case "media": {
      const source = dataUri(block.bytes, block.type);
      const alt = escapeHtml(block.alt);
      return figureHtml(
        block.type === "video/mp4"
          ? `<video controls loop muted playsinline aria-label="${alt}" ` +
            `src="${source}"></video>`
          : `<img class="pixels" alt="${alt}" src="${source}">`,
        block.caption,
      );
    }
  }
}

function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60)];
  return hours > 0
    ? `${hours} h ${minutes % 60} min`
    : `${minutes} min ${whole % 60} s`;
}

function timesHtml(times: readonly StageTime[]): string {
  if (times.length === 0) return "";
  const total = times.reduce((sum, { seconds }) => sum + seconds, 0);
  const longest = Math.max(...times.map(({ seconds }) => seconds), 1e-9);
  const lines = times.map(({ stage, seconds, note }) =>
    `<tr><th scope="row">${escapeHtml(stage)}${
      note === undefined ? "" : `<small>${escapeHtml(note)}</small>`
    }</th>` +
    `<td class="number">${seconds.toFixed(1)}</td><td class="share">` +
    `<i style="width:${(100 * seconds / longest).toFixed(1)}%"></i></td></tr>`
  );
  return `<div class="scroll" tabindex="0"><table>` +
    `<caption>Seconds per stage, ${
      duration(total)
    } in all; less where stages ran side by side</caption><thead>` +
    `<tr><th scope="col">Stage</th><th scope="col" class="number">Seconds` +
    `</th><th scope="col"></th></tr></thead><tbody>\n${lines.join("\n")}\n` +
    `</tbody></table></div>`;
}

function provenanceHtml(provenance: Report["provenance"]): string {
  const lines = Object.entries(provenance).map(([name, value]) =>
    `<tr><th scope="row">${escapeHtml(name)}</th><td>${
      escapeHtml(typeof value === "number" ? formatPlain(value) : String(value))
    }</td></tr>`
  );
  if (lines.length === 0) return "";
  return `<details open><summary>Provenance</summary>` +
    `<div class="scroll" tabindex="0"><table class="provenance"><tbody>\n` +
    `${lines.join("\n")}\n</tbody></table></div></details>`;
}

/** Parameters are shown as they are; only long integers are grouped. */
function formatPlain(value: number): string {
  return Number.isInteger(value) && Math.abs(value) >= 1e4
    ? formatNumber(value)
    : String(value);
}

/**
 * Writes a run as one HTML file that needs nothing else.
 *
 * Claims come first. There are no scripts and no addresses outside the file;
 * a content security policy in its head makes a browser refuse both. Equal
 * input gives equal bytes.
 *
 * @param report all that is to be said; SVG and HTML blocks are placed as they
 *   are, every other text is escaped
 * @returns the text of the file
 * @throws {RangeError} if two claims share an id, or a number is not finite
 * @throws {TypeError} if a table row has a key that is no column
 */
export function renderReport(report: Report): string {
  const ids = report.claims.map(({ id }) => id);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) {
    throw new RangeError(
      `Cannot render report: claim "${twice}" is there twice, ids must differ`,
    );
  }
  for (const { stage, seconds } of report.stageTimes) {
    if (!Number.isFinite(seconds) || seconds < 0) {
      throw new RangeError(
        `Cannot render report: stage "${stage}" took ${seconds} s, ` +
          `it needs a number from 0`,
      );
    }
  }
  const title = escapeHtml(report.title);
  const banner = report.banner === undefined
    ? ""
    : `<p class="banner" role="note">${escapeHtml(report.banner)}</p>\n`;
  const sections = report.sections.map((section) =>
    `<section><h2>${escapeHtml(section.title)}</h2>\n` +
    `${section.blocks.map(blockHtml).join("\n")}</section>`
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
${banner}<h1>${title}</h1>
<p class="lead">${escapeHtml(report.lead)}</p>
<p class="facts">Computed on ${escapeHtml(report.adapter)}</p>
</header>
<main>
${claimsHtml(report.claims)}
${sections.join("\n")}
<section><h2>How to run this again</h2>
<pre tabindex="0"><code>${escapeHtml(report.command)}</code></pre>
${timesHtml(report.stageTimes)}
${provenanceHtml(report.provenance)}</section>
</main>
</body>
</html>
`;
}
