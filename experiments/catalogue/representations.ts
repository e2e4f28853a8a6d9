/**
 * Claims of the abstract, of the contributions and of Sections 5.1 and 5.2.
 *
 * @module
 */

import type { PaperClaim } from "../../core/experiment/paper/catalogue.ts";
import * as paper from "../paper.ts";

const { FRONTIER, JUMP, MOTION_CLAIMS, ENCODERS, TABLE_1 } = paper;

const claimOf = (experiment: string, claim: string) => ({ experiment, claim });
/** Rows by role: the published encoders, or the stand-ins of this project. */
const ROWS = {
  temporal: ["vjepa2_rep64", "small_predictive_16"],
  frame: ["vjepa2_rep1", "small_predictive_1"],
  distilled: ["dino_vits14", "small_distilled"],
  contrastive: ["clip_b32", "small_contrastive"],
  supervised: ["vit_s16", "small_supervised"],
  reconstruction: ["vq_track", "small_reconstruction"],
} as const;
type Role = keyof typeof ROWS;

const cellOf = (role: Role, column: string, table = "table1") => ({
  table,
  row: ROWS[role],
  column,
});

/** The abstract. */
export const ABSTRACT: readonly PaperClaim[] = [
  {
    id: "abstract-temporal",
    text:
      "Of frozen encoders the one that sees 16 frames tells the actions best, and temporal context cuts the steering error by 40 %: 16 frames over 1 by the same network",
    place: "Abstract",
    paper: ENCODERS.temporal.value,
    judge: claimOf("encoders", "temporal"),
  },
  {
    id: "abstract-frontier",
    text:
      "Diffusion is closer to real frames than direct regression, by the ratio of KID",
    place: "Abstract",
    paper: FRONTIER.kidRatio.value,
    code: "4.79: of one seed, 150 windows, calibrated on training windows",
    judge: claimOf("frontier", "perception"),
  },
  {
    id: "abstract-distortion",
    text:
      "Direct regression is closer to what happened: perception and distortion are traded for each other",
    place: "Abstract",
    paper: FRONTIER.cosSimGap.value,
    judge: claimOf("frontier", "distortion"),
  },
  {
    id: "abstract-jump",
    text: "A small model that jumps keeps the motion of the scene",
    place: "Abstract",
    paper: JUMP.low.value,
    code: "1.020 on 30 overlapping windows of 2 scenes; 0.508 where most moves",
    judge: claimOf("jump", "motion"),
  },
  {
    id: "abstract-single",
    text:
      "Single-pass models capture less than half of the motion, by the jump model's protocol",
    place: "Abstract",
    paper: `less than ${MOTION_CLAIMS.single.value}`,
    code:
      `0.564 and 0.439 by Figure 6's protocol; ${JUMP.single.value} of direct regression by that of the jump model`,
    judge: claimOf("jump", "single"),
  },
];

/** The contributions, at the end of the introduction. */
export const CONTRIBUTIONS: readonly PaperClaim[] = [
  {
    id: "contribution-benchmark",
    text:
      "A benchmark of six frozen encoders tells them apart over scenes: largest corrected p of the best",
    place: "Contributions",
    judge: claimOf("encoders", "significant"),
  },
  {
    id: "contribution-night",
    text:
      "Robustness to the environment: at night acceleration is told worse than by day, ratio of errors",
    place: "Contributions",
    code: "no number; 1.53 [1.25, 1.87] follows from the published errors",
    judge: {
      experiment: "encoders",
      cell: cellOf("temporal", "accel-night-ratio", "environment"),
      needs: { above: 1 },
    },
  },
  {
    id: "contribution-perturbation",
    text: "Masks over lanes and the vehicle in front show what encoders use",
    place: "Contributions",
    code: "pilot numbers alone; the full version masks in the wrong units",
    judge: {
      untestable:
        "no experiment here masks images, and the published code of it was never run",
    },
  },
  {
    id: "contribution-attribution",
    text: "Attribution maps show where encoders look",
    place: "Contributions",
    code: "the committed figure is not made by the published code",
    judge: { untestable: "no experiment here draws attribution maps" },
  },
  {
    id: "contribution-cloning",
    text: "A behavioural-cloning baseline on the best encoder",
    place: "Contributions",
    code: "one run: 0.0929 of all frames, to compare with 0.0919 of the probe",
    judge: { untestable: "no experiment here clones behaviour" },
  },
  {
    id: "contribution-diagnosis",
    text: "A diagnosis of when a diffusion transformer helps",
    place: "Contributions",
    judge: claimOf("diagnosis", "objective"),
  },
  {
    id: "contribution-frontier",
    text: "The frontier of perception and distortion: gap of KID",
    place: "Contributions",
    judge: claimOf("frontier", "perception-gap"),
  },
  {
    id: "contribution-calibration",
    text:
      "A calibration from training windows alone is as good as that from test windows: difference of KID",
    place: "Contributions",
    judge: claimOf("frontier", "calibration"),
  },
  {
    id: "contribution-motion",
    text: "Jumps keep motion that one pass loses: paired gap",
    place: "Contributions",
    paper: JUMP.gap.value,
    judge: claimOf("jump", "gap"),
  },
  {
    id: "contribution-control",
    text: "Futures of diffusion can be controlled by the steering",
    place: "Contributions",
    paper: paper.CONTROL.diffusion.value,
    judge: claimOf("controllability", "steers"),
  },
];

/** Encoders of Table 1 from the best on. */
const RANKED = [
  ["temporal", "16 frames"],
  ["frame", "1 frame by the same network"],
  ["distilled", "the self-distilled one"],
  ["contrastive", "the contrastive one"],
  ["supervised", "the supervised one"],
  ["reconstruction", "the one that reconstructs"],
] as const;

/** Section 5.1, Table 1 and Figure 2. */
export const ENCODER_CLAIMS: readonly PaperClaim[] = [
  {
    id: "encoders-temporal",
    text: "Temporal context cuts the steering error: 16 frames over 1",
    place: "Section 5.1",
    paper: ENCODERS.temporal.value,
    code: "0.595 from the published errors; 3 keyframes stretched to 16 frames",
    judge: claimOf("encoders", "temporal"),
  },
  {
    id: "encoders-significant",
    text:
      "16 frames have less steering error than every other encoder: largest corrected p",
    place: "Section 5.1",
    paper: `below ${ENCODERS.p.value}`,
    code: "6.8e-13 at most",
    judge: claimOf("encoders", "significant"),
  },
  {
    id: "encoders-effect",
    text:
      "Of 16 frames against every other encoder the effect is a medium one at least: smallest d",
    place: "Section 5.1, Figure 2",
    paper: ENCODERS.effect.value,
    code: "as d_z; 0.405 as d of average variance",
    judge: claimOf("encoders", "effect"),
  },
  ...RANKED.slice(1).map(([role, title], i): PaperClaim => {
    const [better, before] = RANKED[i]!;
    return {
      id: `encoders-steer-${role}`,
      text: `The steering error of ${title} is larger than that of ${before}`,
      place: "Section 5.1, Table 1",
      paper: `${TABLE_1[role].steer} after ${TABLE_1[better].steer}`,
      judge: {
        experiment: "encoders",
        cell: cellOf(role, "steer"),
        needs: { above: cellOf(better, "steer") },
      },
    };
  }),
  ...RANKED.slice(1).map(([role, title]): PaperClaim => ({
    id: `encoders-accel-${role}`,
    text: `The acceleration error of ${title} is larger than that of 16 frames`,
    place: "Section 5.1, Table 1",
    paper: `${TABLE_1[role].accel} after ${TABLE_1.temporal.accel}`,
    judge: {
      experiment: "encoders",
      cell: cellOf(role, "accel"),
      needs: { above: cellOf("temporal", "accel") },
    },
  })),
  {
    id: "encoders-ranking",
    text:
      "Of one frame, self-supervised encoders have less steering error than supervised and contrastive ones: largest corrected p",
    place: "Section 5.1",
    code: "1.5e-3 at most; frame pooling swaps ranks",
    judge: claimOf("encoders", "ranking"),
  },
  {
    id: "encoders-next",
    text: "The best encoder of one frame differs from the next: corrected p",
    place: "Section 5.1",
    code: "0.113: a ranking of means alone",
    judge: claimOf("encoders", "next"),
  },
  {
    id: "encoders-scenario",
    text:
      "Outside intersections steering is told worse than in them, 16 frames: error",
    place: "Section 5.1; published data",
    code: "0.0664 and 0.0424",
    judge: {
      experiment: "encoders",
      cell: cellOf("temporal", "steer-other", "scenario"),
      needs: { above: cellOf("temporal", "steer-intersection", "scenario") },
    },
  },
];

/** Section 5.2 and Figure 3: the chain of hypotheses. */
export const DIAGNOSIS_CLAIMS: readonly PaperClaim[] = [
  {
    id: "diagnosis-underperforms",
    text: "A diffusion transformer is at first worse than an MLP of its inputs",
    place: "Section 5.2, Figure 3",
    code: "worse than the copy of the present, too, on every encoder",
    judge: {
      untestable:
        "the chain of exp:diagnosis and its Figure 3 show it beside the MLP and the copy, without a verdict of its own",
    },
  },
  {
    id: "diagnosis-capacity",
    text: "Capacity is not the reason: without diffusion it matches the MLP",
    place: "Section 5.2, H1",
    code: "CosSim +0.0103, +0.0208, +0.0056, -0.0005, -0.0003, +0.0009",
    judge: claimOf("diagnosis", "capacity"),
  },
  {
    id: "diagnosis-objective",
    text:
      "The objective is the reason: predicting the clean latent recovers most of the gap",
    place: "Section 5.2, H2, Figure 3",
    paper: 0.885,
    code:
      "0.885 of one encoder and seed, by the gap to direct regression and not to the MLP",
    judge: claimOf("diagnosis", "objective"),
  },
  {
    id: "diagnosis-horizon",
    text: "A longer horizon is not the remedy",
    place: "Section 5.2, H3",
    code: "the residual MLP wins at every step of 8 and 16",
    judge: claimOf("diagnosis", "horizon"),
  },
  {
    id: "diagnosis-sequence",
    text: "A sequence of actions helps the transformer more than the MLP",
    place: "Section 5.2, H4",
    paper: "0.007 to 0.020",
    code:
      "these are its own gains, one seed; the interaction is 0.006 to 0.014; the MLP still wins",
    judge: claimOf("diagnosis", "interaction"),
  },
  {
    id: "diagnosis-spatial-vit",
    text:
      "On spatial tokens it beats an MLP of as many parameters: CosSim, ViT-S/16",
    place: "Section 5.2",
    paper: "0.020 \u00b1 0.002",
    code:
      "against an MLP of a tenth; of as many parameters 0.0021 \u00b1 0.0015",
    judge: claimOf("spatial", "matched"),
  },
  {
    id: "diagnosis-spatial-dino",
    text:
      "On spatial tokens it beats an MLP of as many parameters: CosSim, DINOv2",
    place: "Section 5.2",
    paper: "0.023 \u00b1 0.002",
    code:
      "against an MLP of a tenth; of as many parameters 0.0092 \u00b1 0.0020",
    judge: claimOf("spatial", "matched"),
  },
  {
    id: "diagnosis-ingredients",
    text:
      "Spatial tokens, the clean latent as target, an anchor and matched sampling are needed, and are enough",
    place: "Section 5.2",
    code:
      "not shown: the model that wins is direct regression, anchored diffusion is the worst",
    judge: claimOf("spatial", "sufficient"),
  },
];
