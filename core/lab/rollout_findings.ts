import {
  above,
  below,
  between,
  type Claim,
  claim,
  type Published,
} from "../experiment/claims.ts";
import type { Finding } from "../experiment/findings.ts";
import type { Lab } from "./lab.ts";
import { type RolloutParams, ROLLOUTS } from "./rollout_kinds.ts";
import { rolloutPictures } from "./rollout_pictures.ts";
import * as results from "./rollout_results.ts";
import type { PairRollouts } from "./rollout_run.ts";
import { gapOf, type PublishedColumn, ratioOf } from "./tables.ts";

/** What an experiment decides about its report. */
export interface RolloutReport {
  /** Bounds of the claims. */
  readonly limits: {
    /** Ratio that counts as no effect of noise in training. */
    readonly alike: readonly [number, number];
    /** Energy at the end over that of what happened. */
    readonly onManifold: readonly [number, number];
    /** Part of the noise on the present that is left after a chunk, at most. */
    readonly recovered: number;
  };
  /** Numbers of the paper beside claims. */
  readonly published: Readonly<
    Record<
      | "fidDirect"
      | "fidRaw"
      | "cosDirect"
      | "cosRaw"
      | "reprojectDirect"
      | "reprojectRaw"
      | "augmented",
      Published
    >
  >;
  /** Those of tables, by chunk and column. */
  readonly tables: Readonly<
    Record<number, Readonly<Record<string, PublishedColumn>>>
  >;
}

/** States what is claimed of roll-outs. */
function claimsOf(
  found: readonly PairRollouts[],
  { horizon, seeds: [seed = 0] }: RolloutParams,
  { limits, published }: RolloutReport,
  recovery: ReturnType<typeof results.recoveryResults>["scores"],
): Claim[] {
  const first = results.chunkScores(found, 1);
  const second = results.chunkScores(found, 2);
  const end = results.chunkScores(found, [...found[0]!.scores.keys()].at(-1)!);
  const last = results.stepsOf(found) - 1;
  const rise = (kind: results.Curve) =>
    gapOf(second[kind]!.fid!, first[kind]!.fid!);
  const gained = (plain: results.Curve, fed: results.Curve) =>
    gapOf(second[plain]!.fid!, second[fed]!.fid!);
  const lost = (kind: results.Curve) =>
    results.stepGap(
      found,
      kind,
      [horizon - 1, 2 * horizon - 1],
      "cosSim",
      seed,
    );
  const energy = (kind: results.Curve) =>
    results.stepScore(found, kind, last, "energy", seed);
  return [
    claim(
      "drift-direct",
      "Direct regression drifts: FID of the second chunk less that of the first",
      rise("direct"),
      above(0),
      published.fidDirect,
    ),
    claim(
      "drift-raw",
      "So does raw diffusion",
      rise("raw"),
      above(0),
      published.fidRaw,
    ),
    claim(
      "drift-calibrated",
      "And calibrated diffusion (not in the paper)",
      rise("calibrated"),
      above(0),
    ),
    claim(
      "cossim-direct",
      "Direct regression goes away from what happened: CosSim of the second chunk less that of the first, paired",
      lost("direct"),
      below(0),
      published.cosDirect,
    ),
    claim(
      "cossim-raw",
      "So does raw diffusion",
      lost("raw"),
      below(0),
      published.cosRaw,
    ),
    claim(
      "reproject-direct",
      "Feeding back through the VAE helps direct regression: FID of the second chunk that it takes away",
      gained("direct", "directReprojected"),
      above(0),
      published.reprojectDirect,
    ),
    claim(
      "reproject-raw",
      "It does not help raw diffusion",
      gained("raw", "rawReprojected"),
      below(0),
      published.reprojectRaw,
    ),
    claim(
      "augmented",
      "Noise on the present in training changes nothing: FID of the second chunk, raw, over that without",
      ratioOf(second.augmented!.fid!, second.raw!.fid!),
      between(...limits.alike),
      published.augmented,
    ),
    claim(
      "manifold",
      "Calibrated roll-outs stay among real latents to the end (not in the paper): energy over that of what happened",
      energy("calibrated"),
      between(...limits.onManifold),
    ),
    claim(
      "end",
      "At the end they are closer to real frames than a copy of the first present, by KID",
      gapOf(end.calibrated!.kid!, end.copy!.kid!),
      below(0),
    ),
    claim(
      "end-cossim",
      "And direct regression is closer to what happened than that copy, by CosSim",
      gapOf(end.direct!.cosSim!, end.copy!.cosSim!),
      above(0),
    ),
    ...(["direct", "calibrated", "augmentedCalibrated"] as const).map((kind) =>
      claim(
        `recovery-${kind}`,
        `${
          ROLLOUTS[kind]
        } recovers from noise on the present within two chunks (not in the paper): part that is left`,
        recovery[kind]!.chunk2!,
        below(limits.recovered),
      )
    ),
  ];
}

/**
 * Says what the roll-outs of one recipe came to.
 *
 * @param lab of the experiment
 * @param found of each seed
 * @param report bounds, and the paper's numbers
 */
export async function rolloutFindings(
  lab: Lab<RolloutParams>,
  found: readonly PairRollouts[],
  report: RolloutReport,
): Promise<Finding> {
  const { params } = lab;
  const { horizon, seeds: [seed = 0], perturbation } = params;
  const curves = [
    ...(Object.keys(ROLLOUTS) as results.Curve[]),
    "copy",
  ] as const;
  const shown = [
    "direct",
    "raw",
    "calibrated",
    "augmentedCalibrated",
    "copy",
  ] as const;
  const recovery = results.recoveryResults(
    found,
    horizon,
    perturbation,
    seed,
  );
  const steps = results.stepsOf(found);
  return {
    lead: `Roll-outs of ${
      steps / horizon
    } chunks of ${horizon} steps, each from the last frame of the one before, with the recorded actions.`,
    claims: claimsOf(found, params, report, recovery.scores),
    tables: {
      ...results.chunkTables(found, horizon, report.tables),
      cosSim: results.driftTable(found, curves, "cosSim", horizon, seed),
      energy: results.driftTable(found, curves, "energy", horizon, seed),
      change: results.driftTable(found, curves, "change", horizon, seed),
      recovery: recovery.table,
    },
    figures: {
      cosSim: results.driftFigure(found, shown, "cosSim", seed),
      fid: results.chunkFigure(found, "fid", "FID", horizon),
      kid: results.chunkFigure(found, "kid", "KID", horizon),
      sharpness: results.chunkFigure(
        found,
        "sharpness",
        "Sharpness of real",
        horizon,
      ),
      motion: results.chunkFigure(
        found,
        "lowMotion",
        "Low-frequency motion of real",
        horizon,
      ),
      energy: results.driftFigure(found, shown, "energy", seed),
      change: results.driftFigure(
        found,
        shown.slice(0, -1),
        "change",
        seed,
      ),
      recovery: recovery.figure,
    },
    media: await rolloutPictures(lab, found[0]!.of),
    notes: [
      `Roll-outs are sampled in ${params.rolloutSteps} steps. Training with noise on the present goes on from the diffusion model for ${
        params.augmentedSamples.toLocaleString("en")
      } windows, with the deviation uniform to ${params.augmentedNoise}. A calibrated roll-out shows and feeds back frames with the channel statistics of training windows at their step in the first chunk. Change of latents is that from one step to the next.`,
      "Not rolled out: the jump model.",
    ],
  };
}
