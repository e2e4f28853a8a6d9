/**
 * Inverse control from parameters to numbers.
 *
 * @module
 */

import { z } from "zod";
import type { LabRun } from "./experiment.ts";
import {
  inverseResponses,
  type InverseScene,
  targetFutures,
  toldFutures,
  type ToldSource,
  type ToldSteering,
  toldSteering,
} from "./inverse.ts";
import type { Lab } from "./lab.ts";
import { pairsOf, type PairSpec } from "./pair.ts";
import { labParams } from "./params.ts";
import type { Work } from "./plan.ts";
import { type ProbeFacts, trainProbe } from "./probe.ts";
import {
  sweepFutures,
  type SweepKind,
  sweepKinds,
  type SweepSpec,
} from "./sweep.ts";
import { sweepName, sweepTitle } from "./sweep_results.ts";
import { sweepParams } from "./sweep_run.ts";

const { values, guidances, sweeps, sweepSteps, probeSteps } = sweepParams.shape;

/** Parameters of inverse control, beside those of the lab. */
export const inverseParams = labParams.safeExtend({
  ...{ values, guidances, sweeps, sweepSteps, probeSteps },
  inverseScenes: z.int().min(2).describe(
    "first test scenes whose steering is told from held-out targets, at most those of the sweeps",
  ),
}).refine(({ inverseScenes, sweeps }) => inverseScenes <= sweeps, {
  path: ["inverseScenes"],
  error: "it needs at most --sweeps",
});

/** Validated parameters of inverse control. */
export type InverseParams = z.infer<typeof inverseParams>;

/**
 * Says which futures are the grid of a model.
 *
 * @param params values, scenes and sampling steps
 * @param kind model, weights and guidance
 */
export function specOf(
  { values, sweeps: scenes, sweepSteps: ddimSteps }: InverseParams,
  { weights, guidance, ...model }: SweepKind,
): SweepSpec {
  return { model, weights, guidance, ddimSteps, values, scenes };
}

/** Work of a lane before anything is measured. */
interface Prepared {
  /** The grid and targets of a model. */
  readonly kind?: SweepKind;
  /** Futures whose steering is told. */
  readonly told?: ToldSource;
}

/** Stages of inverse control. */
export const inverseStages = {
  /** Predicts futures, or without any trains the probe. */
  async prepare(
    lab: Lab<InverseParams>,
    { kind, told }: Prepared,
  ): Promise<Record<string, never>> {
    const { inverseScenes, probeSteps: steps } = lab.params;
    if (kind !== undefined) {
      const spec = specOf(lab.params, kind);
      using _grid = await sweepFutures(lab, spec);
      using _targets = await targetFutures(lab, spec, inverseScenes);
    } else if (told !== undefined && "model" in told) {
      using _ = await toldFutures(lab, told);
    } else await trainProbe(lab, { steps });
    return {};
  },
  /** Measures the responses of one model's scenes. */
  invert: (lab: Lab<InverseParams>, kind: SweepKind): Promise<InverseScene[]> =>
    inverseResponses(
      lab,
      specOf(lab.params, kind),
      lab.params.inverseScenes,
      lab.params.probeSteps,
    ),
  /** Tells the steering of futures by the probe. */
  tell: (lab: Lab<InverseParams>, source: ToldSource): Promise<ToldSteering> =>
    toldSteering(lab, source, lab.params.probeSteps),
} as const;

/** A row of the told steering. */
export interface ToldRow {
  /** Name in files. */
  readonly name: string;
  /** Name for readers. */
  readonly title: string;
  /** Of each seed; of what is known once. */
  readonly seeds: readonly ToldSteering[];
}

/** A model's row of the published probe. */
export interface InverseRow {
  /** Name among the published numbers. */
  readonly name: string;
  /** Name for readers. */
  readonly title: string;
  /** Which model, of the first seed. */
  readonly kind: SweepKind;
  /** Scenes of all seeds. */
  readonly scenes: readonly InverseScene[];
}

/**
 * Puts the windows of several seeds behind one another.
 *
 * @param seeds told steering of each
 */
export function joinTold(seeds: readonly ToldSteering[]): ToldSteering {
  return {
    scenes: seeds.flatMap(({ scenes }) => scenes),
    told: seeds.flatMap(({ told }) => told),
    given: seeds.flatMap(({ given }) => given),
    recorded: seeds.flatMap(({ recorded }) => recorded),
  };
}

/** What was found of one recipe. */
export interface InverseFound {
  /** Models. */
  readonly rows: readonly InverseRow[];
  /** Told steering. */
  readonly told: readonly ToldRow[];
  /** How the probe was trained. */
  readonly probe: ProbeFacts;
}

/** Sources whose steering is told, with their names. */
function toldOf(
  pairs: readonly PairSpec[],
  guidance: number,
): { name: string; title: string; source: ToldSource }[] {
  const models = sweepKinds(pairs, [...new Set([1, guidance])])
    .filter(({ weights }) => weights === "average");
  const recorded = models.map((model) => ({
    name: sweepName(model),
    title: sweepTitle(model),
    source: { kind: "recorded", model } as ToldSource,
  }));
  const swapped = models.filter(({ guidance }) => guidance === 1)
    .map((model) => ({
      name: `${sweepName(model)}-swapped`,
      title: `${sweepTitle(model)}, actions of another window`,
      source: { kind: "swapped", model } as ToldSource,
    }));
  return [...recorded, ...swapped];
}

/**
 * Trains, predicts and measures on all lanes at once.
 *
 * @param run of the experiment, whose stages hold {@linkcode inverseStages}
 * @returns what was found, by recipe
 */
export async function runInverse(
  { params, lab, each, train }: LabRun<InverseParams, typeof inverseStages>,
): Promise<Map<PairSpec["recipe"], InverseFound>> {
  const { guidances, guidance, probeSteps: steps } = params;
  const pairs = pairsOf(params);
  const kinds = sweepKinds(pairs, guidances);
  const told = toldOf(pairs, guidance);
  await train(
    pairs.flatMap((pair) =>
      (["diffusion", "direct"] as const).map((mode) => ({ ...pair, mode }))
    ),
  );
  const prepared: Prepared[] = [
    {},
    ...kinds.toSorted((a, b) => b.guidance - a.guidance)
      .map((kind) => ({ kind })),
    ...told.map(({ source }) => ({ told: source })),
  ];
  await each("prepare", prepared, {
    title: "sample",
    label: ({ kind, told }) =>
      kind !== undefined ? sweepTitle(kind) : told?.kind ?? "probe",
  });
  const inverted = await each("invert", kinds, { label: sweepTitle });
  const known = (["real", "copy"] as const).map((kind) => ({ kind }));
  const steering = await each(
    "tell",
    [...told.map(({ source }) => source), ...known],
    { title: "tell steering" },
  );
  const { facts: probe } = await trainProbe(lab, { steps });
  const found = new Map<PairSpec["recipe"], InverseFound>();
  for (const { recipe } of pairs) {
    const own = [...kinds.keys()].filter((i) => kinds[i]!.recipe === recipe);
    const sources = [...told.keys()].filter((i) => {
      const { source } = told[i]!;
      return "model" in source && source.model.recipe === recipe;
    });
    found.set(recipe, {
      rows: [...Map.groupBy(own, (i) => sweepName(kinds[i]!))]
        .map(([name, [first = 0, ...more]]) => ({
          name,
          title: sweepTitle(kinds[first]!),
          kind: kinds[first]!,
          scenes: [first, ...more].flatMap((i) => inverted[i]!),
        })),
      told: [
        ...[...Map.groupBy(sources, (i) => told[i]!.name)].map(
          ([name, [first = 0, ...more]]) => ({
            ...{ name, title: told[first]!.title },
            seeds: [first, ...more].map((i) => steering[i]!),
          }),
        ),
        {
          ...{ name: "real", title: "Real latents (ceiling)" },
          seeds: [steering[told.length]!],
        },
        {
          ...{ name: "copy", title: "Copy of the present" },
          seeds: [steering[told.length + 1]!],
        },
      ],
      probe,
    });
  }
  return found;
}

/**
 * What inverse control computes, for a plan.
 *
 * @param params of the run
 * @param windows of each part
 */
export function inverseWork(
  params: InverseParams,
  { test }: { readonly test: number },
): Work {
  const { values, guidances, sweeps, inverseScenes } = params;
  const scenes = Math.min(sweeps, test) + Math.min(inverseScenes, test);
  return {
    trained: "direct and diffusion",
    trainings: 2,
    // Without guidance both weights are swept, with it each step has two passes.
    sampled: 2 * guidances.length * values.length * scenes + 4 * test,
    times: pairsOf(params).length,
  };
}
