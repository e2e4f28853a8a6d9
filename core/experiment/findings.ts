/**
 * What an experiment returns, as data: claims, tables, figures, media. Verdicts
 * follow from the numbers; `findings.json` and the report follow from both.
 *
 * @module
 */

import { z } from "zod";
import {
  type Claim,
  claimSchema,
  interval,
  judge,
  number,
  text,
} from "./claims.ts";

/** Of the layout of findings.json and of tables; another one is refused. */
export const FINDINGS_SCHEMA = 1;

const name = z.string().regex(
  /^[A-Za-z][\w-]*$/,
  "needs a name of letters, digits, _ and -, a letter first",
);
const file = (kinds: string) =>
  z.string().regex(
    new RegExp(`^[A-Za-z][\\w-]*\\.(${kinds})$`),
    `needs the name of a file in the same folder, ending in ${kinds}`,
  );

const cell = z.union([
  z.string(),
  z.number(),
  z.boolean(),
  z.null(),
  z.strictObject({
    /** The number; null if it is not finite. */
    value: number,
    ...interval,
    /** A few words under the number. */
    note: text.exactOptional(),
  }),
], { error: "needs text, a number, true, false, null, or value" });

const column = z.strictObject({
  /** Name in the rows, in CSV and in JSON. */
  name,
  /** Heading for readers. */
  title: text,
  /** Unit of its numbers; none if absent. */
  unit: text.exactOptional(),
  /** Digits after the point; chosen from the value if absent. */
  decimals: z.int().min(0).max(12).exactOptional(),
  /** Which numbers are better; neither if absent. */
  direction: z.enum(["higher", "lower"]).exactOptional(),
  /** The paper's numbers by row; rows may be more than are measured. */
  published: z.record(z.string(), z.number()).exactOptional(),
  /** Their place in the paper. */
  where: text.exactOptional(),
}).refine(
  (one) => (one.published === undefined) === (one.where === undefined),
  "needs both published and where, or neither",
);

/** A table as it stands in its JSON file. */
export const tableSchema = z.strictObject({
  schema: z.literal(FINDINGS_SCHEMA),
  /** Text above it. */
  title: text,
  /** Heading of the names of rows. */
  head: text,
  /** What a reader must know, below it. */
  note: text.exactOptional(),
  /** Columns in the order they are shown. */
  columns: z.array(column).min(1).readonly(),
  /** Rows in the order they are shown. */
  rows: z.array(z.strictObject({
    /** Name in CSV and among the published numbers. */
    name: text,
    /** Name for readers; `name` if absent. */
    title: text.exactOptional(),
    /** Cells by column; a missing one is empty. */
    cells: z.record(z.string(), cell),
  })).readonly(),
}).check(({ value, issues }) => {
  const columns = value.columns.map(({ name }) => name);
  const rows = value.rows.map(({ name }) => name);
  const say = (message: string) =>
    issues.push({ code: "custom", message, input: value, path: [] });
  for (const one of twice(columns)) say(`column "${one}" is there twice`);
  for (const one of twice(rows)) say(`row "${one}" is there twice`);
  for (const { name, cells } of value.rows) {
    for (const key of Object.keys(cells)) {
      if (columns.includes(key)) continue;
      say(`row "${name}" has "${key}", the columns are ${columns.join(", ")}`);
    }
  }
});

/** A table: columns with their meaning, rows of cells. */
export type FindingTable = Omit<z.infer<typeof tableSchema>, "schema">;

function twice(names: readonly string[]): string[] {
  return [...new Set(names.filter((one, i) => names.indexOf(one) !== i))];
}

const MEDIA = {
  "image/png": "png",
  "image/apng": "png",
  "image/gif": "gif",
  "image/jpeg": "jpg",
  "video/mp4": "mp4",
} as const;

const shown = {
  /** What it shows, for those who do not see it. */
  alt: text,
  /** Text below it. */
  caption: text,
  /** Media type. */
  type: z.literal(Object.keys(MEDIA) as (keyof typeof MEDIA)[]),
  /** Labels of a contact sheet, as `contactSheet` gives them. */
  labels: z.strictObject({
    rows: z.array(z.string()).min(1).readonly(),
    columns: z.array(z.string()).min(1).readonly(),
    gaps: z.array(z.tuple([z.int().min(0), z.int().min(0)]).readonly())
      .readonly().exactOptional(),
  }).exactOptional(),
};
const figure = { caption: text };
const said = {
  /** What was asked, in a few sentences. */
  lead: z.string().default(""),
  /** What a reader of the results must know. */
  notes: z.array(text).readonly().default([]),
  /** What is amiss, such as images that were left out. */
  warnings: z.array(text).readonly().default([]),
};
const facts = {
  /** Name of the experiment. */
  experiment: text,
  /** Place of the result in the paper. */
  source: text,
  /** Heading of the report. */
  title: text,
  /** Where the parameters started from. */
  preset: text,
  /** False where numbers mean nothing: then no claim is judged. */
  isTested: z.boolean(),
  /** Seeds of what was trained or drawn. */
  seeds: z.array(z.int()).readonly().default([]),
  /** Parameters as they were used. */
  params: z.record(z.string(), z.json()).default({}),
  /** Facts of the dataset: digest, scenes, windows, what was dropped. */
  dataset: z.record(z.string(), z.json()).default({}),
  /** KIND/DIGEST of all that it was made from. */
  artifacts: z.array(text).readonly().default([]),
  /** Every adapter that computed a part of it. */
  adapters: z.array(text).readonly().default([]),
  /** The command that makes it again. */
  command: text,
  /** Stages in the order they ran. */
  stages: z.array(z.strictObject({
    /** Name. */
    stage: text,
    /** How long it took. */
    seconds: z.number().nonnegative(),
    /** What it was spent on. */
    note: text.exactOptional(),
  })).default([]),
  /** How long the run took in all; absent where it is that of other runs. */
  seconds: z.number().nonnegative().exactOptional(),
};

/** The content of findings.json. */
export const findingsSchema = z.strictObject({
  schema: z.literal(FINDINGS_SCHEMA),
  ...facts,
  ...said,
  /** Claims, the most important first. */
  claims: z.array(claimSchema),
  /** JSON files of tables by name; CSV lies beside each. */
  tables: z.record(name, file("json")),
  /** Files of figures by name. */
  figures: z.record(
    name,
    z.strictObject({ svg: file("svg"), png: file("png"), ...figure }),
  ),
  /** Pictures and films by name. */
  media: z.record(
    name,
    z.strictObject({ file: file("png|gif|jpg|mp4"), ...shown }),
  ),
  /** Further numbers and pages by name, such as those of every window. */
  data: z.record(
    name,
    z.strictObject({ file: file("csv|safetensors|html"), ...figure }),
  ).default({}),
}).check(({ value, issues }) => {
  const say = (id: string, message: string) =>
    issues.push({
      code: "custom",
      message,
      input: value,
      path: ["claims", id],
    });
  for (const id of twice(value.claims.map(({ id }) => id))) {
    say(id, "is there twice");
  }
  for (const one of value.claims) {
    const { low, high, published, where } = one;
    const { verdict, crossesBound } = judge(one, value.isTested);
    if (verdict !== one.verdict || crossesBound !== one.crossesBound) {
      say(one.id, `has a verdict that does not follow from its numbers`);
    }
    if (typeof low === "number" && typeof high === "number" && low > high) {
      say(one.id, `has an interval from ${low} to ${high}`);
    }
    if ((published === undefined) !== (where === undefined)) {
      say(one.id, "needs both published and where, or neither");
    }
  }
});

/** The content of findings.json. */
export type FindingsFile = z.infer<typeof findingsSchema>;

/** What the runner of an experiment knows. */
export type Facts = z.input<z.ZodObject<typeof facts>>;

/** A file that the report names, and does not show. */
export interface DataFile {
  /** Its content. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Its ending. */
  readonly type: "csv" | "safetensors" | "html";
  /** What it holds. */
  readonly caption: string;
}

/** What an experiment returns. Names of tables, figures,
 * media and data name files. */
export interface Finding extends z.input<z.ZodObject<typeof said>> {
  /** Claims, the most important first. */
  readonly claims: readonly Claim[];
  /** Tables by name. */
  readonly tables?: Readonly<Record<string, FindingTable>>;
  /** Drawings by name, SVG as `core/report/plot.ts` makes it. */
  readonly figures?: Readonly<
    Record<string, { readonly svg: string; readonly caption: string }>
  >;
  /** Further numbers and pages by name, such as those of every window. */
  readonly data?: Readonly<Record<string, DataFile>>;
  /** Pictures and films by name. */
  readonly media?: Readonly<
    Record<
      string,
      & { readonly bytes: Uint8Array<ArrayBuffer> }
      & z.infer<z.ZodObject<typeof shown>>
    >
  >;
}

/** File ending of a media type. */
export function mediaEnding(type: keyof typeof MEDIA): string {
  return MEDIA[type];
}
