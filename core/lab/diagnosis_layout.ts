import type { FindingTable } from "../experiment/findings.ts";
import type { StepScore } from "../metrics/step_scores.ts";
import type { Diagnosis } from "./diagnosis_run.ts";
import type { EncoderRole } from "./encoder_entries.ts";

const cell = ({ value, low, high, n }: StepScore) => ({ value, low, high, n });

/** A column for each encoder. */
function columns(
  found: Diagnosis,
  published?: (encoder: EncoderRole) => Record<string, number>,
): FindingTable["columns"] {
  return found.params.encoders.map((encoder) => ({
    name: encoder,
    title: found.titles[encoder]!,
    decimals: 4,
    ...(published
      ? { published: published(encoder), where: "published data" }
      : {}),
  }));
}

/**
 * Lays out one number of each model and encoder.
 *
 * @param found scores
 * @param title above it
 * @param rows names and titles
 * @param of the number of a row and an encoder
 * @param rest a note, and the paper's numbers of an encoder by row
 */
export function encoderTable(
  found: Diagnosis,
  title: string,
  rows: readonly { name: string; title: string }[],
  of: (row: string, encoder: EncoderRole) => StepScore | number,
  rest: {
    readonly note?: string;
    readonly published?: (encoder: EncoderRole) => Record<string, number>;
  } = {},
): FindingTable {
  return {
    title,
    head: "Model",
    ...(rest.note ? { note: rest.note } : {}),
    columns: columns(found, rest.published),
    rows: rows.map(({ name, title }) => ({
      name,
      title,
      cells: Object.fromEntries(
        found.params.encoders.map((encoder) => {
          const value = of(name, encoder);
          return [encoder, typeof value === "number" ? value : cell(value)];
        }),
      ),
    })),
  };
}
