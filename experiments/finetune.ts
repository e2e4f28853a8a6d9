/**
 * Section 5.4: a fine-tuning that is targeted at motion.
 *
 * Claim under test: a loss of the changes from frame to frame does not make
 * futures of diffusion move more like the real ones than as much training
 * without it.
 *
 * @module
 */

import { below, type Claim, claim } from "../core/experiment/claims.ts";
import { start } from "../core/experiment/experiment.ts";
import type { Finding } from "../core/experiment/findings.ts";
import { labExperiment } from "../core/lab/experiment.ts";
import * as tuning from "../core/lab/finetune.ts";
import * as gained from "../core/lab/finetune_results.ts";
import { motionFinding } from "../core/lab/motion_finding.ts";
import * as run from "../core/lab/motion_run.ts";
import { RECIPE_TITLES } from "../core/lab/pair.ts";
import { joinFindings } from "../core/lab/pair_results.ts";
import { labPresets } from "../core/lab/params.ts";
import { scoreTable } from "../core/lab/tables.ts";
import { FINETUNE, FINETUNE_GAINS, MOTION } from "./paper.ts";

/** A twentieth of the real motion, or of a cosine: less is no gain to speak of. */
const MOTION_GAIN = 0.05;

/** A margin of KID that the frontier calls as good as equal, halved. */
const KID_GAIN = 0.01;

/** Of the intervals of three gains of motion that decide one claim: Bonferroni. */
const LEVEL = 1 - 0.05 / 3;

/** Points that move in the report, what happened first. */
const SHOWN = ["real", "raw", "control", "tuned"];

function claimsOf(gains: gained.Gains): Claim[] {
  const { low, shift, direction, kidCalibrated } = gains;
  const over = "over the control, which was trained as long without it";
  return [
    claim(
      "low",
      `The motion loss brings low-frequency change no nearer to the real one: gain ${over}`,
      low,
      below(MOTION_GAIN),
      FINETUNE_GAINS.low,
      "The paper's numbers are against the model before, without a control.",
    ),
    claim(
      "shift",
      "Nor displacement in whole pixels",
      shift,
      below(MOTION_GAIN),
      FINETUNE_GAINS.shift,
    ),
    claim(
      "direction",
      "Nor its direction",
      direction,
      below(MOTION_GAIN),
      FINETUNE_GAINS.direction,
    ),
    claim(
      "kid",
      "Nor calibrated samples to real frames: gain of KID",
      kidCalibrated,
      below(KID_GAIN),
      FINETUNE_GAINS.kid,
    ),
  ];
}

/** `deno task exp:finetune`. */
export const finetune = labExperiment({
  name: "finetune",
  source: "Section 5.4",
  title: "Does fine-tuning for motion help?",
  params: tuning.finetuneParams,
  presets: {
    smoke: {
      ...labPresets.smoke,
      motionWeight: 1,
      finetuneSamples: 32,
      finetuneRate: 1e-3,
    },
    demo: {
      ...labPresets.demo,
      motionWeight: 1,
      finetuneSamples: 7200, // as published, 3 epochs for 10 of the training
      finetuneRate: 5e-4, // a quarter of the peak: weights are trained
    },
    paper: {
      ...labPresets.paper,
      motionWeight: 1, // not stated
      finetuneSamples: 450_300, // 30 epochs of 15,010 windows
      finetuneRate: 1e-4, // as the training
    },
  },
  stages: { ...run.motionStages, ...tuning.finetuneStages },
  work: (params, windows) => {
    const { sampled, ...work } = run.motionWork(params, windows);
    return { ...work, trainings: 4, sampled: 3 * sampled };
  },
  async run(context) {
    const { lab, params } = context;
    const found: Record<string, Finding> = {};
    for (const [recipe, pairs] of run.recipesOf(params)) {
      const points = tuning.finetunePoints(params, pairs);
      const measured = await run.runMotion(context, points);
      const scored = await tuning.scoreStages(context, pairs);
      const gains = await gained.compareStages(lab, pairs, measured, LEVEL);
      const last = `t+${params.horizon}`;
      const motion = await motionFinding(lab, points, measured, SHOWN, {
        sets: MOTION,
        protocols: {},
        unmeasured: {},
      });
      found[recipe] = {
        ...motion,
        lead: `Recipe ${recipe} (${RECIPE_TITLES[recipe]}).`,
        claims: claimsOf(gains.tuned.gains),
        tables: {
          gains: gained.gainTable(gains),
          frontier: scoreTable(
            `The frontier at ${last}`,
            tuning.FRONTIER_POINTS,
            scored,
            FINETUNE,
          ),
          ...motion.tables,
        },
        figures: {
          ...motion.figures,
          loss: await tuning.tuningLoss(lab, pairs[0]!),
        },
        notes: [
          `Fine-tuning saw ${params.finetuneSamples} windows, with the motion loss weighted by ${params.motionWeight} and, as control, without it.`,
          ...motion.notes ?? [],
        ],
      };
    }
    return joinFindings(found);
  },
});

await start(finetune, import.meta);
