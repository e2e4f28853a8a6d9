/**
 * Section 5.5, inverse control: can steering be told from predicted futures?
 *
 * Claim under test: the steering is recovered from the futures of latent
 * diffusion, better than by chance; from those of direct regression it is not.
 *
 * @module
 */

import * as claims from "../core/experiment/claims.ts";
import { start } from "../core/experiment/experiment.ts";
import type { Finding } from "../core/experiment/findings.ts";
import { labExperiment } from "../core/lab/experiment.ts";
import { inverseFinding } from "../core/lab/inverse_finding.ts";
import { followGap } from "../core/lab/inverse_results.ts";
import * as run from "../core/lab/inverse_run.ts";
import * as results from "../core/lab/inverse_scores.ts";
import { joinFindings } from "../core/lab/pair_results.ts";
import { labPresets } from "../core/lab/params.ts";
import { INVERSE, INVERSE_TABLE, SWEEP_VALUES } from "./paper.ts";

const { above, below, claim, named } = claims;

/** A uniform guess, whose ratio to itself is 1. */
const CHANCE = 1;

/** Part of what the probe finds in real futures: half of it. */
const HALF = 0.5;

/** Level of the intervals of three differences: Bonferroni. */
const LEVEL = 1 - 0.05 / 3;

function claimsOf(
  found: run.InverseFound,
  scores: results.InverseScores,
  seed: number,
): claims.Claim[] {
  const row = (name: string) => scores.rows.find((one) => one.name === name)!;
  const [direct, plain] = [row("direct"), row("diffusion-1")];
  const { constant, told } = scores;
  const real = told.real!.correlation;
  const swapped = found.told.find(({ name }) =>
    name === "diffusion-1-swapped"
  )!;
  const byShift = results.recordedAgreement(plain, "shift", seed);
  return [
    claim(
      "recovers",
      "Held-out steering is told from futures of diffusion better than by a guess, by shifts, scenes that shift: ratio of errors",
      plain.scores.shift.ratio,
      below(CHANCE),
      INVERSE.diffusion,
    ),
    claim(
      "direct",
      "From those of direct regression it is not",
      direct.scores.shift.ratio,
      above(CHANCE),
      INVERSE.direct,
    ),
    claim(
      "common",
      "On the scenes that shift with both, diffusion has the smaller error: paired difference",
      results.commonGap(scores, plain, direct, seed, LEVEL),
      below(0),
    ),
    claim(
      "all",
      "With the other scenes counted as guesses, diffusion is better than a guess",
      plain.scores.shift.allRatio,
      below(CHANCE),
      INVERSE.all,
    ),
    claim(
      "recorded",
      "The recorded steering is told from predicted futures, by the probe: correlation, against half of that in real futures",
      told["diffusion-1"]!.correlation,
      above(results.partOf("half of real futures", HALF, real)),
    ),
    claim(
      "recorded-shift",
      "The recorded steering is told by the published shift better than by always telling the mean: error",
      byShift.error,
      below(named("the mean", constant)),
    ),
    claim(
      "follows",
      "Under the actions of another window, diffusion follows these and not the present: correlation with the given steering less that with the recorded",
      followGap(run.joinTold(swapped.seeds), seed, LEVEL),
      above(0),
    ),
  ];
}

/** `deno task exp:inverse`. */
export const inverse = labExperiment({
  name: "inverse",
  source: "Section 5.5, inverse control",
  title: "Can steering be told from predicted futures?",
  params: run.inverseParams,
  presets: {
    smoke: {
      ...labPresets.smoke,
      values: [-0.2, 0, 0.2],
      guidances: [1, 2],
      sweeps: 3,
      sweepSteps: 5,
      probeSteps: 20,
      inverseScenes: 3,
    },
    demo: {
      ...labPresets.demo,
      values: [...SWEEP_VALUES],
      guidances: [1, 2, 3],
      sweeps: 40,
      sweepSteps: 20,
      probeSteps: 600,
      inverseScenes: 30,
    },
    paper: {
      ...labPresets.paper,
      values: [...SWEEP_VALUES],
      guidances: [1, 2, 3], // published data, of the sweep
      sweeps: 40, // of the sweep
      sweepSteps: 50,
      probeSteps: 2200, // not in the paper
      inverseScenes: 30, // published code
    },
  },
  stages: run.inverseStages,
  work: run.inverseWork,
  async run(context) {
    const { lab, params: { values, seeds: [seed = 0] } } = context;
    const findings: Record<string, Finding> = {};
    for (const [recipe, found] of await run.runInverse(context)) {
      const scores = results.inverseScores(values, found, seed);
      findings[recipe] = {
        claims: claimsOf(found, scores, seed),
        ...await inverseFinding(lab, found, scores, INVERSE_TABLE),
      };
    }
    return joinFindings(findings);
  },
});

await start(inverse, import.meta);
