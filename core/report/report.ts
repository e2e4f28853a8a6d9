import type { ContactLabels } from "./contact_sheet.ts";
import { dataUri, escapeHtml } from "./html.ts";
import { STYLE } from "./style.ts";
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
  readonly verdict: Verdict | "not testable here";
  /** What it rests on and what was required: prose, or values by name. */
  readonly evidence: string | Readonly<Record<string, string>>;
  /** A few words on why the verdict is less than sure. */
  readonly doubt?: string;
  /** Where more is said of it: an address from the report's folder, its text. */
  readonly link?: { readonly href: string; readonly text: string };
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
    /** Names of the equal rows and columns it consists of. */
    readonly labels?: ContactLabels;
  }
  | {
    /** Claims of a part of the whole. */
    readonly kind: "claims";
    /** These claims. */
    readonly claims: readonly Claim[];
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
const VERDICTS: Readonly<
  Record<Claim["verdict"], readonly [string, string]>
> = {
  "holds": ["holds", "\u2713"],
  "does not hold": ["fails", "\u2717"],
  "not tested": ["open", "\u2013"],
  "not testable here": ["open", "\u2205"],
};

/** Nothing is fetched and nothing is run, whatever a fragment holds. */
const POLICY = "default-src 'none'; img-src data:; media-src data:; " +
  "style-src 'unsafe-inline'";

function evidenceHtml(evidence: Claim["evidence"]): string {
  if (typeof evidence === "string") {
    return `<p class="evidence">${escapeHtml(evidence)}</p>`;
  }
  const pairs = Object.entries(evidence).map(([name, value]) =>
    `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`
  );
  return `<dl class="evidence">${pairs.join("")}</dl>`;
}

function claimList(claims: readonly Claim[]): string {
  const items = claims.map(({ id, text, verdict, evidence, doubt, link }) => {
    const [kind, sign] = VERDICTS[verdict];
    return `<li class="${kind}" id="claim-${escapeHtml(id)}">` +
      `<span class="badge">${sign} ${verdict}</span>` +
      (doubt === undefined
        ? ""
        : `<span class="badge doubt">${escapeHtml(doubt)}</span>`) +
      `<span class="id">${escapeHtml(id)}</span>` +
      `<p class="text">${escapeHtml(text)}</p>${evidenceHtml(evidence)}` +
      (link === undefined
        ? ""
        : `<p class="evidence"><a href="${escapeHtml(link.href)}">${
          escapeHtml(link.text)
        }</a></p>`) +
      `</li>`;
  });
  return `<ul class="claims">\n${items.join("\n")}\n</ul>`;
}

function claimsHtml(claims: readonly Claim[]): string {
  if (claims.length === 0) return "";
  const count = (verdict: Verdict): number =>
    claims.filter((claim) => claim.verdict === verdict).length;
  const [held, failed, open] = [
    count("holds"),
    count("does not hold"),
    count("not tested"),
  ];
  const doubted = claims.filter(({ doubt }) => doubt !== undefined).length;
  const tally = `${held} of ${claims.length} ${
    held === 1 ? "holds" : "hold"
  }, ${failed} ${failed === 1 ? "does" : "do"} not hold, ${open} not tested${
    doubted === 0 ? "" : `; ${doubted} in doubt`
  }.`;
  return `<section><h2>Claims</h2><p class="tally">${tally}</p>` +
    `${claimList(claims)}</section>`;
}

function figureHtml(content: string, caption: string | undefined): string {
  const text = caption === undefined
    ? ""
    : `<figcaption>${escapeHtml(caption)}</figcaption>`;
  return `<figure>${content}${text}</figure>`;
}

function mediaHtml(
  { bytes, type, alt, labels }: Extract<Block, { kind: "media" }>,
): string {
  const source = dataUri(bytes, type);
  const name = escapeHtml(alt);
  if (type === "video/mp4") {
    return `<video controls loop muted playsinline aria-label="${name}" ` +
      `src="${source}"></video>`;
  }
  const image = (area: string) =>
    `<img class="pixels" alt="${name}"${area} src="${source}">`;
  if (labels === undefined) return image("");
  const { rows, columns, gaps = [] } = labels;
  const label = (kind: string, row: number, column: number, text: string) =>
    `<span class="${kind}" style="grid-area:${row}/${column}">${
      escapeHtml(text)
    }</span>`;
  return `<div class="scroll" tabindex="0"><div class="labelled" style="` +
    `grid-template-columns:auto repeat(${columns.length},minmax(0,1fr));` +
    `grid-template-rows:auto repeat(${rows.length},minmax(0,1fr))">` +
    columns.map((text, i) => label("column", 1, i + 2, text)).join("") +
    image(
      ` style="grid-area:2/2/span ${rows.length}/span ${columns.length}"`,
    ) +
    gaps.map(([row, column]) => label("blank", row + 2, column + 2, "")).join(
      "",
    ) +
    rows.map((text, i) => label("row", i + 2, 1, text)).join("") +
    `</div></div>`;
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
    case "claims":
      return claimList(block.claims);
    case "html":
      return figureHtml(block.html, block.caption);
    case "media":
      return figureHtml(mediaHtml(block), block.caption);
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
  const ids = [
    ...report.claims,
    ...report.sections.flatMap(({ blocks }) => blocks)
      .flatMap((block) => block.kind === "claims" ? block.claims : []),
  ].map(({ id }) => id);
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
