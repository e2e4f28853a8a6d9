/**
 * Kinds of roll-outs that are compared, and the parameters that decide them.
 *
 * @module
 */

import { z } from "zod";
import type { Lab } from "./lab.ts";
import type { ModelSpec } from "./models.ts";
import { modelOf, type PairSpec } from "./pair.ts";
import { labParams } from "./params.ts";
import { type Rollout, rollout, type RolloutSpec } from "./rollout_chain.ts";

/** Parameters of an experiment that rolls out, beside those of the lab. */
export const rolloutParams = labParams.safeExtend({
  chunks: z.int().min(2).describe(
    "predictions of --horizon steps one after the other, as far as a scene reaches",
  ),
  rolloutScenes: z.int().min(2).describe(
    "test scenes, the first ones, that are opened whole and rolled out",
  ),
  rolloutSteps: z.int().min(1).refine(
    (steps) => 1000 % steps === 0,
    "it needs a divisor of 1000",
  ).describe("sampling steps of a chunk, a divisor of 1000"),
  augmentedSamples: z.int().min(1).describe(
    "windows seen in the fine-tuning with noise on the present",
  ),
  augmentedNoise: z.number().positive().describe(
    "largest deviation of that noise, in units of normalized tokens",
  ),
  perturbation: z.number().positive().describe(
    "deviation of the noise on the first present that roll-outs recover from, in units of normalized tokens",
  ),
});

/** Validated parameters of an experiment that rolls out. */
export type RolloutParams = z.infer<typeof rolloutParams>;

/** Kinds of roll-outs, in the order of tables. */
export const ROLLOUTS = {
  direct: "Direct regression",
  directReprojected: "Direct regression, re-projected",
  raw: "Diffusion, raw",
  rawReprojected: "Diffusion, raw, re-projected",
  calibrated: "Diffusion, calibrated",
  augmented: "Diffusion, noise on the present, raw",
  augmentedCalibrated: "Diffusion, noise on the present, calibrated",
} as const;

/** A kind of roll-outs. */
export type RolloutKind = keyof typeof ROLLOUTS;

/** Titles of all rows. */
export const ROLLOUT_POINTS = {
  ...ROLLOUTS,
  copy: "Copy of the first present",
  ceiling: "Real latents decoded (ceiling)",
} as const;

/** All kinds, those that take longest first. */
export const ROLLOUT_KINDS = (Object.keys(ROLLOUTS) as RolloutKind[])
  .toReversed();

/** Kinds that recovery is measured on. */
export const RECOVERING = [
  "direct",
  "calibrated",
  "augmentedCalibrated",
] as const satisfies RolloutKind[];

/** Chunks that recovery is measured over. */
export const RECOVERY_CHUNKS = 2;

/**
 * The diffusion model that goes on training with noise on the present.
 *
 * @param of pair of its first weights
 * @param params samples and noise
 */
export function augmentedModel(
  of: PairSpec,
  { augmentedSamples: samples, augmentedNoise: presentNoise }: RolloutParams,
): ModelSpec {
  const from = modelOf(of, "diffusion");
  return { ...from, changes: { samples, presentNoise }, from };
}

/** Which roll-outs a kind is. */
export function specOf(
  params: RolloutParams,
  of: PairSpec,
  kind: RolloutKind,
  change: Partial<RolloutSpec> = {},
): RolloutSpec {
  const isDirect = kind.startsWith("direct");
  return {
    model: kind.startsWith("augmented")
      ? augmentedModel(of, params)
      : modelOf(of, isDirect ? "direct" : "diffusion"),
    ddimSteps: params.rolloutSteps,
    isCalibrated: /calibrated$/i.test(kind),
    isReprojected: kind.endsWith("Reprojected"),
    perturbation: 0,
    chunks: params.chunks,
    scenes: params.rolloutScenes,
    ...change,
  };
}

/**
 * Finds the roll-outs of a kind, or predicts them.
 *
 * @param lab windows, networks, parameters
 * @param of which pair
 * @param kind of roll-outs
 * @param change of their spec
 */
export function rolloutOf(
  lab: Lab<RolloutParams>,
  of: PairSpec,
  kind: RolloutKind,
  change?: Partial<RolloutSpec>,
): Promise<Rollout> {
  return rollout(lab, specOf(lab.params, of, kind, change));
}
