/**
 * Failure modes of pairs of models from parameters to numbers, for an experiment.
 *
 * @module
 */

import { z } from "zod";
import type { LabRun } from "./experiment.ts";
import { type Fit, fitOf, type FitSpec } from "./failure_fit.ts";
import { type Memory, memory, memoryFrames } from "./failure_memory.ts";
import { failureModes, type PointNumbers } from "./failure_modes.ts";
import { failureSamples } from "./failure_samples.ts";
import type { Lab } from "./lab.ts";
import type { Mode } from "./models.ts";
import { modelOf, pairsOf, type PairSpec, scoredSteps } from "./pair.ts";
import {
  type PairResult,
  pairStages,
  pairWork,
  runPairs,
} from "./pair_results.ts";
import { labParams } from "./params.ts";
import type { Work } from "./plan.ts";
import { SNAPSHOT_KINDS } from "./snapshots.ts";

/** Parameters of an experiment about failures, beside those of the lab. */
export const failureParams = labParams.safeExtend({
  bestOf: z.int().min(2).describe("samples of a window, for the best of them"),
  bestWindows: z.int().min(1).describe(
    "test windows, evenly spaced, that have several samples",
  ),
  neighbourFrames: z.int().min(2).describe(
    "training frames, evenly spaced, that neighbours are looked for in",
  ),
  fitWindows: z.int().min(2).describe(
    "windows of each part that over-fitting is measured on: the first of as many scenes",
  ),
  fitSteps: z.int().min(1).refine(
    (steps) => 1000 % steps === 0,
    "it needs a divisor of 1000",
  ).describe("sampling steps there, a divisor of 1000"),
});

/** Validated parameters of an experiment about failures. */
export type FailureParams = z.infer<typeof failureParams>;

interface Of {
  readonly of: PairSpec;
}

const lastStep = ({ horizon }: FailureParams) => scoredSteps(horizon)[1];

/** Stages of an experiment about failures. */
export const failureStages = {
  ...pairStages,
  /** Finds the frames that neighbours are looked for in. */
  async frames(lab: Lab<FailureParams>, _: Record<string, never>) {
    await memoryFrames(lab, lab.params.neighbourFrames);
    return {};
  },
  /** Measures tint, spread, and fine detail. */
  modes: (lab: Lab<FailureParams>, { of }: Of) =>
    failureModes(lab, of, lastStep(lab.params)),
  /** Measures several samples of a window. */
  several: (
    lab: Lab<FailureParams>,
    { of, step }: Of & { readonly step: number },
  ) => {
    const { bestOf: samples, bestWindows: windows } = lab.params;
    return failureSamples(lab, { of, step, samples, windows });
  },
  /** Looks for copies of training frames. */
  memory: (lab: Lab<FailureParams>, { of }: Of): Promise<Memory> =>
    memory(lab, of, lastStep(lab.params), lab.params.neighbourFrames),
  /** Measures weights on both parts. */
  fit: (
    lab: Lab<FailureParams>,
    spec: Pick<FitSpec, "model" | "weights">,
  ): Promise<Fit> => {
    const { fitWindows: windows, fitSteps: ddimSteps } = lab.params;
    return fitOf(lab, { ...spec, windows, ddimSteps });
  },
} as const;

/** Models whose training is looked at on the way. */
export const FIT_MODES = ["diffusion", "direct"] as const satisfies Mode[];

/** Weights that are measured, in the order of time. */
export const FIT_WEIGHTS = [...SNAPSHOT_KINDS, "average"] as const;

/** What was found of one pair. */
export interface PairFailures {
  /** Its scores, as the frontier has them. */
  readonly pair: PairResult;
  /** By operating point, what happened as `real`. */
  readonly modes: Readonly<Record<string, PointNumbers>>;
  /** At the middle step and at the last one, by point. */
  readonly samples: readonly [
    middle: Readonly<Record<string, PointNumbers>>,
    last: Readonly<Record<string, PointNumbers>>,
  ];
  /** Neighbours of its samples. */
  readonly memory: Memory;
  /** In the order of {@linkcode FIT_WEIGHTS}; none of given models. */
  readonly fits: Readonly<Record<typeof FIT_MODES[number], readonly Fit[]>>;
}

/**
 * Trains, samples and measures all pairs on all lanes at once.
 *
 * @param context of the experiment, whose stages hold {@linkcode failureStages}
 */
export async function runFailures(
  context: LabRun<FailureParams, typeof failureStages>,
): Promise<PairFailures[]> {
  const { params, each } = context;
  const steps = scoredSteps(params.horizon);
  const all = pairsOf(params);
  const label = ({ of: { recipe, seed } }: Of) =>
    all.length === 1 ? "all points" : `${recipe} ${seed}`;
  const pairs = await runPairs(context, all);
  await each("frames", [{}], { title: "decode neighbours" });
  const cases = all.map((of) => ({ of }));
  const modes = await each("modes", cases, { label });
  const samples = await each(
    "several",
    cases.flatMap((one) => steps.map((step) => ({ ...one, step }))),
    { title: "several samples", label: ({ step }) => `t+${step + 1}` },
  );
  const found = await each("memory", cases, { title: "neighbours", label });
  const trained = pairs.flatMap(({ of, training }) =>
    FIT_MODES.filter((mode) => training[mode].given === undefined)
      .map((mode) => modelOf(of, mode))
  );
  const weighed = trained.flatMap((model) =>
    FIT_WEIGHTS.map((weights) => ({ model, weights }))
  );
  const fits = await each("fit", weighed, {
    title: "over-fitting",
    label: ({ model, weights }) => `${model.mode} ${weights}`,
  });
  return pairs.map((pair, i) => {
    const { recipe, seed } = pair.of;
    const of = (mode: Mode) =>
      fits.filter((_, k) => {
        const { model } = weighed[k]!;
        return model.mode === mode && model.recipe === recipe &&
          model.seed === seed;
      });
    return {
      pair,
      modes: modes[i]!,
      samples: [samples[2 * i]!, samples[2 * i + 1]!],
      memory: found[i]!,
      fits: { diffusion: of("diffusion"), direct: of("direct") },
    };
  });
}

/**
 * What is computed, for a plan.
 *
 * @param params of the run
 * @param windows of each part
 */
export function failureWork(
  params: FailureParams,
  windows: { readonly train: number; readonly test: number },
): Work {
  const { bestOf, bestWindows, fitWindows, fitSteps, ddimSteps } = params;
  const work = pairWork(params, windows, pairsOf(params).length);
  const fitted = Math.min(fitWindows, windows.test) +
    Math.min(fitWindows, windows.train);
  return {
    ...work,
    sampled: work.sampled + bestOf * Math.min(bestWindows, windows.test) +
      Math.ceil(FIT_WEIGHTS.length * fitted * fitSteps / ddimSteps),
  };
}
