import type { Finding } from "../experiment/findings.ts";
import {
  failureClaims,
  type FailureLimits,
  type FailurePublished,
} from "./failure_claims.ts";
import * as fits from "./failure_fit_results.ts";
import { neighbourPictures } from "./failure_pictures.ts";
import * as results from "./failure_results.ts";
import type * as run from "./failure_run.ts";
import * as tables from "./failure_tables.ts";
import type { Lab } from "./lab.ts";
import { scoredSteps } from "./pair.ts";
import type { PublishedColumn } from "./tables.ts";

/** What an experiment decides about its report. */
export interface FailureReport {
  /** Bounds of the claims. */
  readonly limits: FailureLimits;
  /** Numbers of the paper beside them. */
  readonly published: FailurePublished;
  /** Those of tables, by column. */
  readonly columns: Readonly<
    Record<
      "failures" | "samples" | "memory",
      Readonly<Record<string, PublishedColumn>>
    >
  >;
}

/**
 * Says what the pairs of one recipe came to.
 *
 * @param lab of the experiment
 * @param found of each seed
 * @param report bounds, and the paper's numbers
 */
export async function failureFindings(
  lab: Lab<run.FailureParams>,
  found: readonly run.PairFailures[],
  { limits, published, columns }: FailureReport,
): Promise<Finding> {
  const { horizon, seeds: [seed = 0], bestOf, neighbourFrames } = lab.params;
  const [middle, step] = scoredSteps(horizon);
  const [first] = found as [run.PairFailures];
  const join = (pick: (one: run.PairFailures) => tables.Points) =>
    tables.joinSeeds(found.map(pick));
  const modes = tables.failureTables(
    join((one) => one.modes),
    step,
    seed,
    columns.failures,
  );
  const several = join((one) => one.samples[1]);
  const samples = results.samplesTable(
    several,
    { step, samples: bestOf, seed },
    columns.samples,
  );
  const early = results.samplesTable(join((one) => one.samples[0]), {
    step: middle,
    samples: bestOf,
    seed,
  });
  const memory = tables.memoryTable(join((one) => one.memory.points), {
    step,
    frames: neighbourFrames,
    seed,
  }, columns.memory);
  const fit = fits.fitsOf(first, lab.params);
  return {
    claims: failureClaims(
      {
        modes: modes.scores,
        gaps: results.sampleGaps(several, seed),
        memory: memory.scores,
        fit,
        kidGap: results.gapOverSeeds(found, "kid"),
      },
      limits,
      published,
    ),
    tables: {
      ...modes.tables,
      samples: samples.table,
      samplesMiddle: early.table,
      memory: memory.table,
      ...fits.fitTables(fit),
      seeds: results.seedTable(found, step),
    },
    figures: {
      memory: results.memoryFigure(memory.scores),
      ...fits.fitFigures(fit),
    },
    media: await neighbourPictures(lab, first.pair.of, first.memory, step),
    data: { windows: results.failureFile(found) },
  };
}
