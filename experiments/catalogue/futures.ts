/**
 * Claims of Sections 5.4 to 5.6.
 *
 * @module
 */

import type { PaperClaim } from "../../core/experiment/paper/catalogue.ts";
import * as paper from "../paper.ts";

const { CONTROL, FAILURES, FINETUNE_GAINS, INVERSE, JUMP } = paper;
const { MOTION_CLAIMS, ROLLOUT } = paper;

const claimOf = (experiment: string, claim: string) => ({ experiment, claim });

/** Section 5.4, Figures 6 to 8. */
export const MOVING_CLAIMS: readonly PaperClaim[] = [
  {
    id: "motion-texture",
    text: "Diffusion keeps high-frequency change",
    place: "Section 5.4, Figure 6",
    paper: MOTION_CLAIMS.texture.value,
    judge: claimOf("motion", "texture"),
  },
  {
    id: "motion-still",
    text: "Diffusion does not move: displacement over the real one",
    place: "Section 5.4",
    paper: MOTION_CLAIMS.displacement.value,
    judge: claimOf("motion", "displacement"),
  },
  {
    id: "motion-blur",
    text: "Direct regression loses high-frequency change",
    place: "Section 5.4, Figure 6",
    paper: MOTION_CLAIMS.blur.value,
    judge: claimOf("motion", "blur"),
  },
  {
    id: "motion-low",
    text:
      "Direct regression keeps more low-frequency change than diffusion: gap",
    place: "Section 5.4, Figure 6",
    paper: MOTION_CLAIMS.gap.value,
    code: "averaged weights here, raw ones in the jump model's comparison",
    judge: claimOf("motion", "low"),
  },
  {
    id: "motion-single",
    text: "Single-pass models capture less than half of the motion",
    place: "Section 5.4",
    paper: `less than ${MOTION_CLAIMS.single.value}`,
    code: "0.564 of direct regression is more than half",
    judge: claimOf("motion", "single"),
  },
  {
    id: "motion-protocols",
    text:
      "Not in the paper: the protocol of the jump model alone makes low-frequency motion larger, of equal windows",
    place: "beside Section 5.4",
    code: MOTION_CLAIMS.protocols.value,
    judge: claimOf("motion", "protocols"),
  },
  {
    id: "motion-direction",
    text: "Where direct regression moves, it moves as the scene does",
    place: "published data of Section 5.4",
    code: MOTION_CLAIMS.direction.value,
    judge: claimOf("motion", "direction"),
  },
  {
    id: "finetune-low",
    text:
      "Fine-tuning for motion does not help: low-frequency change it brings nearer",
    place: "Section 5.4",
    paper: "no gain",
    code:
      `${FINETUNE_GAINS.low.value}, without a control; its weight is not recorded`,
    judge: claimOf("finetune", "low"),
  },
  {
    id: "finetune-shift",
    text:
      "Fine-tuning for motion does not help: displacement that it brings nearer",
    place: "Section 5.4; published data",
    code: FINETUNE_GAINS.shift.value,
    judge: claimOf("finetune", "shift"),
  },
  {
    id: "finetune-kid",
    text:
      "Fine-tuning for motion does not help: KID of calibrated samples that it takes away",
    place: "Section 5.4; published data",
    code: FINETUNE_GAINS.kid.value,
    judge: claimOf("finetune", "kid"),
  },
  {
    id: "jump-low",
    text: "Jumps keep low-frequency motion",
    place: "Section 5.4, Figure 8",
    paper: JUMP.low.value,
    code: "30 overlapping windows of 2 scenes, said to be 30 scenes",
    judge: claimOf("jump", "motion"),
  },
  {
    id: "jump-direction",
    text: "Jumps move in the right direction: mean cosine",
    place: "Section 5.4",
    paper: JUMP.direction.value,
    judge: claimOf("jump", "direction"),
  },
  {
    id: "jump-scenes",
    text: "Jumps keep the motion of 30 scenes",
    place: "Section 5.4",
    paper: JUMP.low.value,
    code: "not measured: its windows are of 2 scenes",
    judge: claimOf("jump", "scenes"),
  },
  {
    id: "jump-mined",
    text: "Jumps keep the motion where latents change most",
    place: "published data of Section 5.4",
    code: JUMP.mined.value,
    judge: claimOf("jump", "mined"),
  },
  {
    id: "jump-gap",
    text:
      "Jumps keep more motion than a larger model in one pass, by the same protocol: paired gap",
    place: "Section 5.4",
    paper: `1.02 and less than ${MOTION_CLAIMS.single.value}`,
    code: `${JUMP.gap.value}: 1.020 less ${JUMP.single.value}`,
    judge: claimOf("jump", "gap"),
  },
  {
    id: "jump-gap-direction",
    text:
      "Jumps move in the right direction more than the larger model, of the same windows: mean cosine",
    place: "Section 5.4, Figure 8",
    paper: `${paper.MOTION_PROTOCOLS.direction!.published.jump} and ${
      paper.MOTION_PROTOCOLS.direction!.published.directLast
    }`,
    code: "the larger model by its raw weights",
    judge: {
      experiment: "jump",
      cell: {
        table: "motion-consecutive",
        row: "jump",
        column: "direction",
      },
      needs: {
        above: {
          table: "motion-consecutive",
          row: "directLast",
          column: "direction",
        },
      },
    },
  },
  {
    id: "jump-diffusion",
    text: "Jumps by diffusion fail: their direction is worse, gap of cosines",
    place: "Section 5.4; published data",
    code: JUMP.diffusion.value,
    judge: claimOf("jump", "diffusion"),
  },
];

/** Section 5.5, Figure 9. */
export const CONTROL_CLAIMS: readonly PaperClaim[] = [
  {
    id: "control-diffusion",
    text: "Futures of diffusion move with the steering: rank correlation",
    place: "Section 5.5, Figure 9",
    paper: CONTROL.diffusion.value,
    code: "of the 18 of 40 scenes that shift by a pixel; 0.366 of all 40",
    judge: claimOf("controllability", "steers"),
  },
  {
    id: "control-sign",
    text:
      "Where futures of diffusion shift, it is to the side that is steered to: share of scenes",
    place: "Section 5.5",
    paper: CONTROL.positive.value,
    code: "18 of 40 scenes; the threshold is any shift at all",
    judge: claimOf("controllability", "sign"),
  },
  {
    id: "control-direct",
    text:
      "Futures of direct regression do not move with the steering: rank correlation",
    place: "Section 5.5, Figure 9",
    paper: CONTROL.direct.value,
    code: "39 of 40 scenes",
    judge: claimOf("controllability", "direct"),
  },
  {
    id: "control-probe",
    text:
      "Not in the paper: futures of diffusion move with the steering, of all scenes, by what a probe sees",
    place: "beside Section 5.5",
    judge: claimOf("controllability", "steers-probe"),
  },
  {
    id: "control-strength",
    text:
      "Not in the paper: futures follow other steering by half or more, by a probe that reads motion: slope",
    place: "beside Section 5.5",
    judge: claimOf("steering", "raw-steer"),
  },
  {
    id: "control-recipe",
    text:
      "Not in the paper: one frame at a time follows the steering more than the published recipe, at equal training cost: gap of a probe's slopes",
    place: "beside Section 5.5",
    judge: claimOf("recipes", "steering-published"),
  },
  {
    id: "control-guidance",
    text:
      "Guidance makes futures follow the steering more, of all scenes: gap of rank correlations",
    place: "published data of Section 5.5",
    code: CONTROL.guided.value,
    judge: claimOf("controllability", "guidance"),
  },
  {
    id: "inverse-diffusion",
    text:
      "Held-out steering is told from futures of diffusion better than by a guess: ratio of errors",
    place: "Section 5.5, inverse control",
    paper: INVERSE.diffusion.value,
    code: "from its own made-up futures; 16 of 30 scenes",
    judge: claimOf("inverse", "recovers"),
  },
  {
    id: "inverse-direct",
    text:
      "From futures of direct regression, held-out steering is not told better than by a guess: ratio of errors",
    place: "Section 5.5, inverse control",
    paper: INVERSE.direct.value,
    code: "29 of 30 scenes, others than those of diffusion",
    judge: claimOf("inverse", "direct"),
  },
  {
    id: "inverse-all",
    text:
      "Held-out steering is told from futures of diffusion, with scenes that do not shift counted as guesses: ratio of errors",
    place: "published data of Section 5.5",
    code: INVERSE.all.value,
    judge: claimOf("inverse", "all"),
  },
  {
    id: "inverse-recorded",
    text:
      "As the text reads: recorded steering is told from predicted futures, correlation against half of that in real ones",
    place: "Section 5.5, inverse control",
    code: "not measured",
    judge: claimOf("inverse", "recorded"),
  },
];

/** Section 5.6: the protocol, and how models fail. */
export const LIMIT_CLAIMS: readonly PaperClaim[] = [
  {
    id: "failures-grain",
    text: "Raw samples have more detail than what happened: sharpness",
    place: "Section 5.6",
    paper: "about 2, as deviations",
    code: `${FAILURES.grain.value}, as variances of the Laplacian`,
    judge: claimOf("failures", "grain"),
  },
  {
    id: "failures-blur",
    text: "Direct regression has less detail than what happened: sharpness",
    place: "Section 5.6; published data",
    paper: FAILURES.blur.value,
    judge: claimOf("failures", "blur"),
  },
  {
    id: "failures-tint",
    text: "Raw samples have a tint: offset of a channel in deviations",
    place: "Section 5.6",
    paper: "visible",
    code: "0.07 at most, in units of a latent",
    judge: claimOf("failures", "tint"),
  },
  {
    id: "failures-repaired",
    text:
      "Calibration repairs the latents: spread of the channel where it is largest",
    place: "Section 5.6",
    judge: claimOf("failures", "repaired"),
  },
  {
    id: "failures-diversity",
    text:
      "Samples of a window differ, less than real futures of windows that look alike: ratio",
    place: "published data of Section 5.6",
    code: FAILURES.diversity.value,
    judge: claimOf("failures", "diversity"),
  },
  {
    id: "failures-memory",
    text:
      "Samples are no copies of training frames: share that is closer to one than held-out frames are",
    place: "Section 5.6",
    paper: "verified by distances to the nearest",
    code: "distances are given, no test of copies",
    judge: claimOf("failures", "closer-latents"),
  },
  {
    id: "failures-copies",
    text:
      "Few samples are as close to a training frame as a copy would be: share",
    place: "Section 5.6",
    code: "not measured",
    judge: claimOf("failures", "copied-latents"),
  },
  {
    id: "failures-fit",
    text:
      "Training does not over-fit: loss on test windows over that of training",
    place: "Section 5.6",
    code: "no validation loss is kept",
    judge: claimOf("failures", "fit-diffusion"),
  },
  {
    id: "failures-seeds",
    text: "All results are of three seeds",
    place: "Section 5.6",
    paper: 3,
    code:
      "diffusion at t+4 alone; direct regression, jumps, capacity, control and motion are of one",
    judge: {
      untestable:
        "it is about the published runs; each row here names its own seeds",
    },
  },
  {
    id: "rollout-direct",
    text: "Rolled out, direct regression drifts: rise of FID",
    place: "published data of Section 5.6",
    code: ROLLOUT.fidDirect.value,
    judge: claimOf("rollout", "drift-direct"),
  },
  {
    id: "rollout-raw",
    text: "Rolled out, diffusion drifts: rise of FID",
    place: "published data of Section 5.6",
    code: ROLLOUT.fidRaw.value,
    judge: claimOf("rollout", "drift-raw"),
  },
  {
    id: "rollout-reproject",
    text:
      "Feeding back through the VAE helps direct regression: FID taken away",
    place: "published data of Section 5.6",
    code: ROLLOUT.reprojectDirect.value,
    judge: claimOf("rollout", "reproject-direct"),
  },
  {
    id: "rollout-augmented",
    text: "Noise on the present in training changes nothing: ratio of FID",
    place: "published data of Section 5.6",
    code: ROLLOUT.augmented.value,
    judge: claimOf("rollout", "augmented"),
  },
];
