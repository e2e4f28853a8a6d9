/**
 * Counterfactuals of pairs of models from parameters to readings, for
 * experiments that ask whether futures follow the actions.
 *
 * @module
 */

import { z } from "zod";
import {
  type Commands,
  commandsOf,
  counterfactualFutures,
  type CounterfactualSpec,
  readActions,
  type Readings,
  type Source,
  variantsOf,
} from "./counterfactual.ts";
import {
  type CounterfactualRow,
  counterfactualScores,
} from "./counterfactual_results.ts";
import type { LabRun } from "./experiment.ts";
import type { Lab } from "./lab.ts";
import { modelOf, MODES, pairsOf, type PairSpec } from "./pair.ts";
import { labParams } from "./params.ts";
import type { Work } from "./plan.ts";
import { type ProbeFacts, trainProbe } from "./probe.ts";

const factors = (part: string) =>
  z.array(z.number()).min(2).refine(
    (list) => list.includes(1) && new Set(list).size === list.length,
    "it needs 1, for what was recorded, and other factors, each once",
  ).describe(`factors of the recorded ${part}`);

/** Parameters of such an experiment, beside those of the lab. */
export const counterfactualParams = labParams.safeExtend({
  steerFactors: factors("steering"),
  accelFactors: factors("acceleration"),
  scenes: z.int().min(2).describe("test scenes, the first window of each"),
  sampleSteps: z.int().min(1).refine(
    (steps) => 1000 % steps === 0,
    "it needs a divisor of 1000",
  ).describe("sampling steps of a future, a divisor of 1000"),
  probeSteps: z.int().min(1).describe(
    "training steps of the inverse-dynamics probe, of 64 pairs of frames",
  ),
});

/** Validated parameters. */
export type CounterfactualParams = z.infer<typeof counterfactualParams>;

/** Factors of steering and acceleration. */
const FACTORS = [-1, 0, 0.5, 1, 1.5];

/** Values of these parameters by preset, beside those of the lab. */
export const counterfactualPresets = {
  smoke: {
    steerFactors: [-1, 1],
    accelFactors: [0, 1],
    scenes: 3,
    sampleSteps: 5,
    probeSteps: 20,
  },
  demo: {
    steerFactors: FACTORS,
    accelFactors: FACTORS,
    scenes: 40,
    sampleSteps: 20,
    probeSteps: 600,
  },
  paper: {
    steerFactors: FACTORS,
    accelFactors: FACTORS,
    scenes: 40, // as Section 5.5
    sampleSteps: 50,
    probeSteps: 2200, // as in exp:controllability
  },
};

/** Stages of such an experiment. */
export const counterfactualStages = {
  /** Predicts the futures of a model, or without one trains the probe. */
  async predict(
    lab: Lab<CounterfactualParams>,
    { source }: { source?: Extract<Source, { guidance: number }> },
  ): Promise<Record<string, never>> {
    if (source === undefined) {
      await trainProbe(lab, { steps: lab.params.probeSteps });
    } else {
      using _ = await counterfactualFutures(lab, source, lab.params);
    }
    return {};
  },
  /** Reads the actions of a source's futures. */
  read: (
    lab: Lab<CounterfactualParams>,
    { source }: { source: Source },
  ): Promise<Readings> =>
    readActions(lab, source, lab.params, lab.params.probeSteps),
} as const;

/** What readers call the references. */
const REFERENCES = {
  recorded: "Real futures, recorded (ceiling)",
  driven: "Real futures, driven anew (ceiling)",
  copy: "Copy of the present (floor)",
} as const;

/** A kind of futures of every seed. */
export interface SourceKind {
  /** Name in tables. */
  readonly name: string;
  /** Name for readers. */
  readonly title: string;
  /** One for each seed; one for all of a reference. */
  readonly sources: readonly Source[];
}

/**
 * Lists the kinds of futures of a recipe.
 *
 * @param pairs of the recipe, one for each seed
 * @param guidance scale of the guided one
 * @param isEmbedded whether the world can be driven anew
 */
export function sourceKinds(
  pairs: readonly PairSpec[],
  guidance: number,
  isEmbedded: boolean,
): SourceKind[] {
  const model = (
    name: string,
    title: string,
    mode: typeof MODES[number],
    guidance = 1,
  ): SourceKind => ({
    name,
    title,
    sources: pairs.map((of) => ({ model: modelOf(of, mode), guidance })),
  });
  const reference = (reference: keyof typeof REFERENCES): SourceKind => ({
    name: reference,
    title: REFERENCES[reference],
    sources: [{ reference }],
  });
  return [
    reference("recorded"),
    ...(isEmbedded ? [reference("driven")] : []),
    model("direct", "Direct regression", "direct"),
    model("raw", "Diffusion, raw", "diffusion"),
    model("guided", `Diffusion, guided by ${guidance}`, "diffusion", guidance),
    model("mlp", "MLP baseline", "mlp"),
    reference("copy"),
  ];
}

/** A kind of futures, what was read from them, and what that came to. */
export interface ReadKind extends SourceKind, CounterfactualRow {
  /** Readings of each seed. */
  readonly seeds: readonly Readings[];
}

/** What was read of all recipes. */
export interface CounterfactualRun {
  /** What was commanded. */
  readonly commands: Commands;
  /** Kinds of futures by recipe. */
  readonly kinds: Readonly<Record<string, readonly ReadKind[]>>;
  /** How the probe was trained. */
  readonly probe: ProbeFacts;
}

/**
 * Trains, predicts and reads the futures of all pairs on all lanes at once.
 *
 * @param run of the experiment, whose stages hold
 *   {@linkcode counterfactualStages}
 */
export async function runCounterfactuals(
  { params, lab, each, train }: LabRun<
    CounterfactualParams,
    typeof counterfactualStages
  >,
): Promise<CounterfactualRun> {
  const pairs = pairsOf(params);
  const isEmbedded = lab.context.flags.data === undefined;
  const recipes = [...Map.groupBy(pairs, ({ recipe }) => recipe)].map((
    [recipe, own],
  ) => [recipe, sourceKinds(own, params.guidance, isEmbedded)] as const);
  await train(
    pairs.flatMap((of) => MODES.map((mode) => modelOf(of, mode))),
  );
  const sources = new Map(
    recipes.flatMap(([, kinds]) => kinds).flatMap(({ title, sources }) =>
      sources.map((source) =>
        [JSON.stringify(source), { title, source }] as const
      )
    ),
  );
  const all = [...sources.values()];
  const models = all.flatMap(({ source }) => "model" in source ? [source] : [])
    .toSorted((a, b) => b.guidance - a.guidance);
  await each("predict", [{}, ...models.map((source) => ({ source }))], {
    title: "sample",
    label: ({ source }) =>
      source === undefined
        ? "probe"
        : `${source.model.mode} w ${source.guidance}`,
  });
  const read = await each(
    "read",
    all.map(({ source }) => ({ source })),
    { title: "read actions", label: ({ source }) => titleOf(source) },
  );
  const readings = new Map(
    [...sources.keys()].map((name, i) => [name, read[i]!]),
  );
  const commands = await commandsOf(lab, params);
  const variants = variantsOf(params);
  const { seeds: [seed = 0] } = params;
  const { facts } = await trainProbe(lab, { steps: params.probeSteps });
  function titleOf(source: Source): string {
    return sources.get(JSON.stringify(source))!.title;
  }
  return {
    commands,
    probe: facts,
    kinds: Object.fromEntries(
      recipes.map(([recipe, kinds]) => [
        recipe,
        kinds.map((kind): ReadKind => {
          const seeds = kind.sources
            .map((source) => readings.get(JSON.stringify(source))!);
          const scores = counterfactualScores(commands, variants, seeds, seed);
          return { ...kind, seeds, scores };
        }),
      ]),
    ),
  };
}

/**
 * What counterfactuals compute, for a plan.
 *
 * @param params of the run
 * @param windows of each part
 */
export function counterfactualWork(
  params: CounterfactualParams & CounterfactualSpec,
  { test }: { readonly test: number },
): Work {
  const variants = variantsOf(params).length;
  return {
    trained: "direct and diffusion",
    trainings: 2,
    // Without guidance one pass a step, with it two.
    sampled: 3 * variants * Math.min(params.scenes, test),
    times: pairsOf(params).length,
  };
}
