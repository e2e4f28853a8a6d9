import type { Finding } from "../experiment/findings.ts";
import {
  bucketNotes,
  environmentTable,
  scenarioTable,
} from "./encoder_buckets.ts";
import { controlTable } from "./encoder_controls.ts";
import { errorFigure, errorFile } from "./encoder_figures.ts";
import {
  type Comparison,
  errorTable,
  pairTable,
  type PublishedErrors,
} from "./encoder_results.ts";
import type { BenchResult } from "./encoder_run.ts";

/**
 * Lays out all that a comparison found, but for the claims.
 *
 * @param comparison of encoders
 * @param published the paper's numbers
 * @param measured where the errors are from
 */
export function encoderFindings(
  comparison: Comparison,
  published: PublishedErrors,
  { notes, dataset, media = {} }: Omit<BenchResult, "compared">,
): Omit<Finding, "claims"> & Pick<BenchResult, "dataset"> {
  const found = {
    table1: errorTable(comparison, published),
    steering: pairTable(comparison, "steer"),
    acceleration: pairTable(comparison, "accel"),
    controls: controlTable(comparison),
    scenario: scenarioTable(comparison),
    environment: environmentTable(comparison),
  };
  return {
    tables: Object.fromEntries(
      Object.entries(found).flatMap(([name, table]) =>
        table === undefined ? [] : [[name, table]]
      ),
    ),
    figures: {
      figure2: errorFigure(
        comparison,
        published,
        "Scene means of the probes' errors with 95 % intervals; diamonds are the paper's. Brackets: paired t-tests of steering, corrected by Bonferroni.",
      ),
    },
    media,
    data: { errors: errorFile(comparison) },
    notes: [...notes, ...bucketNotes(comparison)],
    dataset,
  };
}
