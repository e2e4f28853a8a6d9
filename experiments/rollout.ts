/**
 * Section 8, roll-outs: what becomes of futures that are predicted from
 * predictions?
 *
 * Claim under test: FID rises and CosSim falls from chunk to chunk; feeding back
 * through the VAE helps direct regression and not diffusion; noise on the present
 * in training changes nothing.
 *
 * @module
 */

import { start } from "../core/experiment/experiment.ts";
import type { Finding } from "../core/experiment/findings.ts";
import { labExperiment } from "../core/lab/experiment.ts";
import { joinFindings } from "../core/lab/pair_results.ts";
import { labPresets } from "../core/lab/params.ts";
import { rolloutWindows } from "../core/lab/rollout_chain.ts";
import {
  rolloutFindings,
  type RolloutReport,
} from "../core/lab/rollout_findings.ts";
import { rolloutParams } from "../core/lab/rollout_kinds.ts";
import * as run from "../core/lab/rollout_run.ts";
import * as paper from "./paper.ts";

const report: RolloutReport = {
  limits: {
    alike: [0.95, 1.05], // a twentieth of FID; the paper has 0.0005
    onManifold: [0.5, 2], // half or twice the energy of what happened
    recovered: 0.5, // half of the noise is gone
  },
  published: paper.ROLLOUT,
  tables: paper.ROLLOUT_TABLES,
};

/** `deno task exp:rollout`. */
export const rollout = labExperiment({
  name: "rollout",
  source: "Section 8, roll-outs",
  title: "Roll-outs: drift, feedback through the VAE, recovery",
  params: rolloutParams,
  presets: {
    smoke: {
      ...labPresets.smoke,
      chunks: 3,
      rolloutScenes: 3,
      rolloutSteps: 5,
      augmentedSamples: 32,
      augmentedNoise: 0.25,
      perturbation: 0.25,
    },
    demo: {
      ...labPresets.demo,
      chunks: 9, // to the end of a scene of 40 keyframes
      rolloutScenes: 40,
      rolloutSteps: 20,
      augmentedSamples: 6_000, // a quarter, as 30 of 100 epochs
      augmentedNoise: 0.25,
      perturbation: 0.25,
    },
    paper: {
      ...labPresets.paper,
      chunks: 2, // published code
      rolloutScenes: 120, // published code
      rolloutSteps: 50,
      augmentedSamples: 450_300, // published code: 30 epochs
      augmentedNoise: 0.25, // published code
      perturbation: 0.25, // not in the paper
    },
  },
  stages: run.rolloutStages,
  work: run.rolloutWork,
  async run(context) {
    const { lab, params } = context;
    const part = await lab.part("whole");
    const all = rolloutWindows(part, params.horizon, params.rolloutScenes);
    const reached = Math.max(...all.map(({ chunks }) => chunks));
    const found = await run.runRollouts(context, reached);
    const findings: Record<string, Finding> = {};
    for (const [recipe, seeds] of Map.groupBy(found, ({ of }) => of.recipe)) {
      findings[recipe] = await rolloutFindings(lab, seeds, report);
    }
    return joinFindings(findings);
  },
});

await start(rollout, import.meta);
