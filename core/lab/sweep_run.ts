/**
 * Steering sweeps of pairs of models from parameters to responses, for
 * experiments that steer.
 *
 * @module
 */

import { z } from "zod";
import type { LabRun } from "./experiment.ts";
import type { Lab } from "./lab.ts";
import { pairsOf, scoredSteps } from "./pair.ts";
import { labParams } from "./params.ts";
import type { Work } from "./plan.ts";
import { type ProbeFacts, trainProbe } from "./probe.ts";
import {
  type ActionUse,
  actionUse,
  sweepFutures,
  type SweepKind,
  sweepKinds,
  type SweepResponses,
  sweepResponses,
  type SweepSpec,
} from "./sweep.ts";
import { sweepTitle } from "./sweep_results.ts";

/** Parameters of an experiment that steers, beside those of the lab. */
export const sweepParams = labParams.safeExtend({
  values: z.array(z.number().min(-1).max(1)).min(3).describe(
    "steering held for the horizon, normalized, rising; shifts are against the middle one",
  ).refine(
    (values) => values.every((x, i) => i === 0 || x > values[i - 1]!),
    "it needs rising values",
  ),
  guidances: z.array(z.number().positive()).min(2).refine(
    ([first, ...more]) =>
      first === 1 && new Set(more).size === more.length &&
      !more.includes(1),
    "it needs 1, for none, and then other scales, each once",
  ).describe("scales of guidance of the sweeps; claims compare the first two"),
  sweeps: z.int().min(1).describe("test scenes that are swept"),
  sweepSteps: z.int().min(1).refine(
    (steps) => 1000 % steps === 0,
    "it needs a divisor of 1000",
  ).describe("sampling steps of a swept future, a divisor of 1000"),
  actionScenes: z.int().min(1).describe(
    "test scenes that the use of actions is measured on",
  ),
  steerChange: z.number().positive().describe(
    "what the use of actions adds to the steering, normalized",
  ),
  probeSteps: z.int().min(1).describe(
    "training steps of the inverse-dynamics probe, of 64 pairs of frames",
  ),
});

/** Validated parameters of an experiment that steers. */
export type SweepParams = z.infer<typeof sweepParams>;

/**
 * Says which futures steer.
 *
 * @param params values, scenes and sampling steps
 * @param kind model, weights and guidance
 */
export function sweepSpec(
  { sweepSteps: ddimSteps, values, sweeps: scenes }: SweepParams,
  { weights, guidance, ...model }: SweepKind,
): SweepSpec {
  return { model, weights, guidance, ddimSteps, values, scenes };
}

/** Stages of an experiment that steers. */
export const sweepStages = {
  /** Predicts the futures of a sweep, or without one trains the probe. */
  async prepare(
    lab: Lab<SweepParams>,
    { kind }: { kind?: SweepKind },
  ): Promise<Record<string, never>> {
    if (kind === undefined) {
      await trainProbe(lab, { steps: lab.params.probeSteps });
    } else {
      using _ = await sweepFutures(lab, sweepSpec(lab.params, kind));
    }
    return {};
  },
  /** Measures what changes with the steering. */
  measure: (lab: Lab<SweepParams>, kind: SweepKind): Promise<SweepResponses> =>
    sweepResponses(lab, sweepSpec(lab.params, kind), lab.params.probeSteps),
  /** Measures how much a model uses its actions. */
  use: (lab: Lab<SweepParams>, kind: SweepKind): Promise<ActionUse> => {
    const { horizon, actionScenes: scenes, steerChange } = lab.params;
    // The fourth step and the last one of the paper's 16.
    const steps = [Math.ceil(horizon / 4) - 1, scoredSteps(horizon)[1]];
    const spec = { ...sweepSpec(lab.params, kind), scenes };
    return actionUse(lab, spec, steerChange, steps);
  },
} as const;

/** What was found of every model. */
export interface SweptModels {
  /** What was swept. */
  readonly kinds: readonly SweepKind[];
  /** What changed with the steering, of each of them. */
  readonly swept: readonly SweepResponses[];
  /** Models whose use of actions was measured. */
  readonly users: readonly SweepKind[];
  /** That of each of them. */
  readonly used: readonly ActionUse[];
  /** How the probe was trained. */
  readonly probe: ProbeFacts;
}

/**
 * Trains, steers and measures the models of all pairs on all lanes at once.
 *
 * @param run of the experiment, whose stages hold {@linkcode sweepStages}
 */
export async function runSweeps(
  { params, lab, each, train }: LabRun<SweepParams, typeof sweepStages>,
): Promise<SweptModels> {
  const { guidances, probeSteps: steps } = params;
  const pairs = pairsOf(params);
  const kinds = sweepKinds(pairs, guidances);
  const label = sweepTitle;
  await train(
    pairs.flatMap((pair) =>
      (["diffusion", "direct"] as const).map((mode) => ({ ...pair, mode }))
    ),
  );
  const longest = kinds.toSorted((a, b) => b.guidance - a.guidance);
  await each("prepare", [{}, ...longest.map((kind) => ({ kind }))], {
    title: "sample",
    label: ({ kind }) => kind === undefined ? "probe" : label(kind),
  });
  const swept = await each("measure", kinds, { label });
  const users = kinds.filter(({ weights, guidance }) =>
    weights === "average" && guidance === 1
  );
  const used = await each("use", users, { title: "use of actions", label });
  const { facts } = await trainProbe(lab, { steps });
  return { kinds, swept, users, used, probe: facts };
}

/**
 * What sweeps compute, for a plan.
 *
 * @param params of the run
 * @param windows of each part
 */
export function sweepWork(
  params: SweepParams,
  { test }: { readonly test: number },
): Work {
  const { values, guidances, sweeps, actionScenes } = params;
  return {
    trained: "direct and diffusion",
    trainings: 2,
    // Without guidance both weights are swept, with it each step has two passes.
    sampled: 2 * guidances.length * values.length * Math.min(sweeps, test) +
      3 * Math.min(actionScenes, test),
    times: pairsOf(params).length,
  };
}
