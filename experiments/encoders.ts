/**
 * Section 5.1, Table 1, Figure 2: which frozen encoder tells the actions best?
 *
 * Claim under test: a video encoder that sees 16 frames has less steering error
 * than every encoder of a single frame, itself among them.
 *
 * @module
 */

import { above, below, type Claim, claim } from "../core/experiment/claims.ts";
import { defineExperiment, start } from "../core/experiment/experiment.ts";
import { benchParams, EncoderBench } from "../core/lab/encoder_bench.ts";
import { type EncoderRole, ROLE_NAMES } from "../core/lab/encoder_entries.ts";
import * as results from "../core/lab/encoder_results.ts";
import * as run from "../core/lab/encoder_run.ts";
import { encoderFindings } from "../core/lab/encoder_tables.ts";
import { ENCODERS, TABLE_1 } from "./paper.ts";

/** Largest corrected p that the paper calls significant. */
const SURE = 0.001;

/** Least d_z of a medium effect, by Cohen; the paper has 0.68. */
const MEDIUM = 0.5;

/** Encoders of one frame. */
const SINGLE = ROLE_NAMES.filter((role) => role !== "temporal");

/** Those that learned without labels or text, ahead of the others by the paper. */
const SELF: readonly EncoderRole[] = ["frame", "distilled"];

function claimsOf(comparison: results.Comparison): Claim[] {
  const ratio = results.roleRatio(comparison, "temporal", "frame", "steer");
  const temporal = results.weakestPair(
    comparison,
    ["temporal"],
    SINGLE,
    "steer",
  );
  const ranking = results.weakestPair(
    comparison,
    SELF,
    ["supervised", "contrastive"],
    "steer",
  );
  const next = results.runnersUp(comparison, SINGLE, "steer");
  const equal = (list: readonly string[]) =>
    list.length === 0 ? undefined : `Not so: ${list.join("; ")}`;
  return [
    claim(
      "temporal",
      "Temporal context cuts the steering error: 16 frames over 1 by the same network, ratio of scene means",
      ratio,
      below(1),
      ENCODERS.temporal,
    ),
    claim(
      "significant",
      "16 frames have less steering error than every other encoder: largest corrected p",
      temporal.p,
      below(SURE),
      ENCODERS.p,
      equal(temporal.equal),
    ),
    claim(
      "effect",
      "And by a medium effect at least: smallest d_z",
      temporal.effect,
      above(MEDIUM),
      ENCODERS.effect,
    ),
    claim(
      "ranking",
      "Of one frame, self-supervised encoders have less steering error than supervised and contrastive ones: largest corrected p",
      ranking.p,
      below(results.ALPHA),
      undefined,
      equal(ranking.equal),
    ),
    claim(
      "next",
      "The best encoder of one frame differs from the next: corrected p",
      next.p,
      below(results.ALPHA),
      undefined,
      `In the order of scene means: ${next.names.join(", ")}`,
    ),
  ];
}

const probe = { epochs: 50, batch: 256, lr: 1e-3, dropout: 0.1, width: 384 };

/** `deno task exp:encoders`. */
export const encoders = defineExperiment<
  typeof benchParams,
  EncoderBench,
  typeof run.benchStages
>({
  name: "encoders",
  source: "Section 5.1, Table 1, Figure 2",
  title: "Which encoder tells the actions best?",
  params: benchParams,
  presets: {
    smoke: {
      ...probe,
      seeds: [0, 1],
      size: 64,
      trainScenes: 3,
      testScenes: 3,
      epochs: 2,
      adapter: "trained",
    },
    demo: {
      ...probe,
      seeds: [0, 1, 2],
      size: 64,
      trainScenes: 120,
      testScenes: 100,
      adapter: "trained",
    },
    paper: {
      ...probe, // published code
      seeds: [0, 1, 2], // Section 5.1
      size: 224, // published code
      trainScenes: 620,
      testScenes: 150, // Table 1
      adapter: "trained", // published code; the paper writes orthogonal
    },
  },
  files: run.BENCH_FILES,
  plan: run.planBench,
  open: (context) => new EncoderBench(context),
  stages: run.benchStages,
  async run({ bench, each }) {
    const measured = await run.measureEncoders(bench, each);
    const comparison = results.compareEncoders(measured.compared);
    return {
      claims: claimsOf(comparison),
      ...encoderFindings(comparison, TABLE_1, measured),
    };
  },
});

await start(encoders, import.meta);
