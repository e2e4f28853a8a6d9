/**
 * A catalogue of what a paper claims, and the form of what became of it.
 *
 * @module
 */

import { z } from "zod";
import { type Bound, claimSchema, interval, number, text } from "../claims.ts";

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
