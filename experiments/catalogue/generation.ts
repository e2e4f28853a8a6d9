/**
 * Claims of Sections 5.3 to 5.6.
 *
 * @module
 */

import type { PaperClaim } from "../../core/experiment/paper/catalogue.ts";
import * as paper from "../paper.ts";

const { CAPACITY, CONTROL, FAILURES, FINETUNE_GAINS, FRONTIER, INVERSE } =
  paper;
const { JUMP, MOTION_CLAIMS, ROLLOUT, TABLE_2 } = paper;

const claimOf = (experiment: string, claim: string) => ({ experiment, claim });
const table2 = (row: string, column: string) => ({
  table: "table2",
  row,
  column,
});

/** Section 5.3, Table 2, Figures 4 and 5. */
export const FRONTIER_CLAIMS: readonly PaperClaim[] = [
  {
    id: "frontier-kid",
    text:
      "Calibrated diffusion is closer to real frames than direct regression: ratio of KID",
    place: "Section 5.3, Table 2",
    paper: FRONTIER.kidRatio.value,
    judge: claimOf("frontier", "perception"),
  },
  {
    id: "frontier-fid",
    text: "The same by the ratio of FID",
    place: "Section 5.3, Table 2",
    paper: FRONTIER.fidRatio.value,
    judge: claimOf("frontier", "perception-fid"),
  },
  {
    id: "frontier-cossim",
    text:
      "Direct regression wins every distortion metric: CosSim over that of calibrated diffusion",
    place: "Section 5.3, Table 2, Figure 5",
    paper: FRONTIER.cosSimGap.value,
    judge: claimOf("frontier", "distortion"),
  },
  {
    id: "frontier-ssim",
    text: "The same by SSIM",
    place: "Section 5.3",
    code: "0.5529 and 0.1385 of raw samples, 48 windows",
    judge: claimOf("frontier", "distortion-ssim"),
  },
  {
    id: "frontier-lpips",
    text: "And by LPIPS, or by its stand-in of the demo's feature network",
    place: "Section 5.3",
    code: "not shown; at t+4 LPIPS is better of diffusion, 0.749 and 0.755",
    judge: {
      experiment: "frontier",
      cell: { table: "unseen", row: "direct", column: "demoPerceptual" },
      needs: {
        below: {
          table: "unseen",
          row: "calibrated",
          column: "demoPerceptual",
        },
      },
    },
  },
  {
    id: "frontier-between",
    text: "Their interpolation lies between the two: CosSim",
    place: "Section 5.3, Table 2, Figure 5",
    paper: TABLE_2.cosSim!.published.interpolated!,
    code: "with raw samples, not calibrated ones",
    judge: claimOf("frontier", "between"),
  },
  {
    id: "frontier-between-kid",
    text: "And by KID: it is better than direct regression",
    place: "Section 5.3, Table 2",
    paper: `${TABLE_2.kid!.published.interpolated} and ${
      TABLE_2.kid!.published.direct
    }`,
    judge: {
      experiment: "frontier",
      cell: table2("interpolated", "kid"),
      needs: { below: table2("direct", "kid") },
    },
  },
  {
    id: "frontier-seeds",
    text:
      "Calibrated diffusion has about the same KID with every seed: its gap to direct regression, in deviations over seeds",
    place: "Section 5.3, Figure 4",
    paper: "0.076 \u00b1 0.005, 3 seeds",
    code:
      "at t+4 by the test windows' own statistics; 600, 300 and 300 windows; direct regression of one seed",
    judge: claimOf("failures", "seeds"),
  },
  {
    id: "frontier-dispersion",
    text:
      "Raw samples are off by a small offset in each channel: their deviation over the real one, where it is least",
    place: "Section 5.3",
    paper: FRONTIER.dispersion.value,
    code: "means are off by 0.07 at most; it is the spread that is 2.4 to 2.8",
    judge: claimOf("frontier", "dispersion"),
  },
  {
    id: "frontier-repair",
    text: "Calibration by channel repairs raw samples: KID before",
    place: "Section 5.3, Table 2",
    paper: TABLE_2.kid!.published.raw!,
    judge: claimOf("frontier", "dispersion-kid"),
  },
  {
    id: "frontier-calibration",
    text:
      "Statistics of training windows do as well as those of test windows: difference of KID",
    place: "Section 5.3",
    paper: "0.078 against 0.086",
    code: "of 150 and of 600 windows: not the same setting",
    judge: claimOf("frontier", "calibration"),
  },
  {
    id: "frontier-ceiling",
    text: "The autoencoder costs nothing: KID of decoded real latents",
    place: "Section 5.3, Table 2",
    paper: "about 0, FID about 0",
    code: "KID 0.0003 and -0.002, FID 17.7 and 28.7 of 600 and 150 windows",
    judge: claimOf("frontier", "ceiling"),
  },
  {
    id: "frontier-copy",
    text:
      "Not in the paper: calibrated diffusion is closer to real frames than a copy of the present, by KID",
    place: "beside Section 5.3",
    code: "raw diffusion is below the copy by CosSim at every step",
    judge: claimOf("frontier", "copy"),
  },
  {
    id: "frontier-guidance",
    text: "Guidance does not help KID: guided samples against raw ones",
    place: "published data of Section 5.3",
    code: TABLE_2.kid!.published.guided!,
    judge: {
      experiment: "frontier",
      cell: table2("guided", "kid"),
      needs: { above: table2("raw", "kid") },
    },
  },
  {
    id: "frontier-mlp",
    text: "Direct regression is closer to what happened than the MLP: CosSim",
    place: "published data of Section 5.3",
    code:
      `${paper.MEAN_COSSIM.direct} and ${paper.MEAN_COSSIM.mlp}, mean over 16 steps; 5.40 and 1.64 million values`,
    judge: {
      experiment: "frontier",
      cell: table2("direct", "cosSim"),
      needs: { above: table2("mlp", "cosSim") },
    },
  },
  {
    id: "capacity-kid",
    text: "The larger model is better: KID of calibrated samples it takes away",
    place: "Section 5.3",
    paper: paper.capacityGain("kid", "calibrated").value,
    code: "about one deviation over subsets; one seed",
    judge: claimOf("capacity", "kid-calibrated"),
  },
  {
    id: "capacity-cossim",
    text: "And by the CosSim that it adds",
    place: "Section 5.3; published data",
    paper: paper.capacityGain("cosSim", "calibrated").value,
    judge: claimOf("capacity", "cosSim-calibrated"),
  },
  {
    id: "capacity-loss",
    text: "And by the loss of its training",
    place: "published data of Section 5.3",
    code: `${CAPACITY.loss!.published["size2-raw"]} after ${
      CAPACITY.loss!.published["size1-raw"]
    }`,
    judge: {
      experiment: "capacity",
      cell: { table: "capacity", row: "size2-raw", column: "loss" },
      needs: {
        below: { table: "capacity", row: "size1-raw", column: "loss" },
      },
    },
  },
];

/** Section 5.4, Figures 6 to 8. */
export const MOTION_CLAIM_LIST: readonly PaperClaim[] = [
  {
    id: "motion-texture",
    text: "Diffusion keeps high-frequency change",
    place: "Section 5.4, Figure 6",
    paper: MOTION_CLAIMS.texture.value,
    judge: claimOf("motion", "texture"),
  },
  {
    id: "motion-still",
    text: "And does not move: displacement over the real one",
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
    text: "It keeps more low-frequency change than diffusion: gap",
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
      "Not in the paper: the protocol of the jump model alone makes that number larger, of equal windows",
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
    text: "Nor displacement",
    place: "Section 5.4; published data",
    code: FINETUNE_GAINS.shift.value,
    judge: claimOf("finetune", "shift"),
  },
  {
    id: "finetune-kid",
    text: "Nor KID of calibrated samples",
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
    text: "And move in the right direction: mean cosine",
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
    text: "And where latents change most",
    place: "published data of Section 5.4",
    code: JUMP.mined.value,
    judge: claimOf("jump", "mined"),
  },
  {
    id: "jump-gap",
    text:
      "They keep more than a larger model in one pass, by the same protocol: paired gap",
    place: "Section 5.4",
    paper: `1.02 and less than ${MOTION_CLAIMS.single.value}`,
    code: `${JUMP.gap.value}: 1.020 less ${JUMP.single.value}`,
    judge: claimOf("jump", "gap"),
  },
  {
    id: "jump-gap-direction",
    text:
      "And move in the right direction more than it does, of the same windows: mean cosine",
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
    text: "To the side that is steered to, where they shift: share of scenes",
    place: "Section 5.5",
    paper: CONTROL.positive.value,
    code: "18 of 40 scenes; the threshold is any shift at all",
    judge: claimOf("controllability", "sign"),
  },
  {
    id: "control-direct",
    text: "Those of direct regression do not",
    place: "Section 5.5, Figure 9",
    paper: CONTROL.direct.value,
    code: "39 of 40 scenes",
    judge: claimOf("controllability", "direct"),
  },
  {
    id: "control-probe",
    text: "Not in the paper: the same of all scenes, by what a probe sees",
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
    id: "control-guidance",
    text: "Guidance makes them follow more, of all scenes: gap",
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
    text: "From those of direct regression it is not",
    place: "Section 5.5, inverse control",
    paper: INVERSE.direct.value,
    code: "29 of 30 scenes, others than those of diffusion",
    judge: claimOf("inverse", "direct"),
  },
  {
    id: "inverse-all",
    text: "With the other scenes counted as guesses",
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

/** Section 5.6 and the limitations. */
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
    text: "Direct regression has less",
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
    text: "Calibration repairs it: spread of a channel",
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
    text: "Few are as close as a copy would be: share of samples",
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
    text: "So does diffusion",
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
