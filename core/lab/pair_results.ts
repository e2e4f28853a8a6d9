/**
 * Pairs of models from training to scores, for experiments that compare them.
 *
 * @module
 */

import type { DataFile, Finding } from "../experiment/findings.ts";
import type { LabRun } from "./experiment.ts";
import { columnFiles, type Figure, lossFigure } from "./figures.ts";
import type { Lab } from "./lab.ts";
import type { Mode, TrainingFacts } from "./models.ts";
import {
  modelOf,
  MODES,
  PAIR_FUTURES,
  PAIR_POINTS,
  type PairFuture,
  pairFuture,
  pairFutures,
  type PairSpec,
  RECIPE_TITLES,
  scoredSteps,
} from "./pair.ts";
import { pairColumns, scorePair, type StepScores } from "./pair_scores.ts";
import type { LabParams } from "./params.ts";
import type { Work } from "./plan.ts";
import type { PointScores } from "./metrics.ts";
import { averagePoint } from "./tables.ts";

/** Stages of an experiment that compares pairs. */
export const pairStages = {
  /** Predicts futures of one kind. */
  async sample(
    lab: Lab,
    { of, kind }: { of: PairSpec; kind: PairFuture },
  ): Promise<{ futures: number }> {
    using futures = await pairFuture(lab, of, kind);
    return { futures: futures.count };
  },
  /** Scores all operating points at one step. */
  score: (
    lab: Lab,
    { of, step }: { of: PairSpec; step: number },
  ): Promise<StepScores> => scorePair(lab, of, step),
} as const;

/** What one pair came to. */
export interface PairResult {
  /** Which. */
  readonly of: PairSpec;
  /** How each model was trained. */
  readonly training: Readonly<Record<Mode, TrainingFacts>>;
  /** Scores at the middle step and at the last one. */
  readonly scores: readonly [middle: StepScores, last: StepScores];
}

/**
 * Trains, samples and scores pairs on all lanes at once.
 *
 * @param run of the experiment, whose stages hold {@linkcode pairStages}
 * @param all which pairs
 */
export async function runPairs(
  { params, each, train }: Pick<
    LabRun<LabParams, typeof pairStages>,
    "params" | "each" | "train"
  >,
  all: readonly PairSpec[],
): Promise<PairResult[]> {
  const label = ({ recipe, seed, changes = {} }: PairSpec, what: string) =>
    all.length === 1
      ? what
      : [recipe, seed, ...Object.entries(changes).flat(), what].join(" ");
  /** A case for every pair and member of a list. */
  const cases = <Name extends string, T>(name: Name, list: readonly T[]) =>
    all.flatMap((of) =>
      list.map((one) =>
        ({ of, [name]: one }) as
          & { of: PairSpec }
          & Record<Name, T>
      )
    );
  const facts = await train(
    cases("mode", MODES).map(({ of, mode }) => modelOf(of, mode)),
    (spec) => label(spec, spec.mode),
  );
  await each("sample", cases("kind", PAIR_FUTURES), {
    label: ({ of, kind }) => label(of, kind),
  });
  const scores = await each(
    "score",
    cases("step", scoredSteps(params.horizon)),
    {
      title: "decode and score",
      label: ({ of, step }) => label(of, `t+${step + 1}`),
    },
  );
  return all.map((of, i) => ({
    of,
    training: Object.fromEntries(
      MODES.map((mode, k) => [mode, facts[MODES.length * i + k]!]),
    ) as Record<Mode, TrainingFacts>,
    scores: [scores[2 * i]!, scores[2 * i + 1]!],
  }));
}

/** Which models of a pair were trained, and not given. */
function trainedOf({ training }: PairResult): Mode[] {
  return MODES.filter((mode) => training[mode].given === undefined);
}

/**
 * Names the models of a pair in a few words: their recipe, or that they were
 * given.
 *
 * @param pair what it came to
 */
export function pairTitle(pair: PairResult): string {
  const { recipe } = pair.of;
  const trained = trainedOf(pair);
  const title = `Recipe ${recipe} (${RECIPE_TITLES[recipe]})`;
  const given = (["direct", "diffusion"] as const)
    .filter((mode) => !trained.includes(mode));
  return given.length === 2
    ? "Given models, not trained here"
    : given.length === 1
    ? `${title}, the ${given[0]} model given`
    : title;
}

/**
 * Says how much the models of a pair were trained; nothing where one was given.
 *
 * @param pair what it came to
 * @param params of the run
 */
export function trainedNotes(
  pair: PairResult,
  { samples }: LabParams,
): string[] {
  const trained = trainedOf(pair);
  return trained.includes("direct") && trained.includes("diffusion")
    ? [`Direct and diffusion saw ${samples.toLocaleString("en")} windows each.`]
    : [];
}

/**
 * Draws the losses of a pair's models, as far as they were trained.
 *
 * @param pair what it came to
 * @returns a figure, or none
 */
export function lossFigures(pair: PairResult): Record<string, Figure> {
  const trained = trainedOf(pair).map((mode) => [mode, pair.training[mode]]);
  const caption = `Training loss, seed ${pair.of.seed}.`;
  return trained.length === 0
    ? {}
    : { loss: lossFigure(Object.fromEntries(trained), caption) };
}

/** Something of every operating point of a pair. */
export type PairPoints<T> = Readonly<Record<keyof typeof PAIR_POINTS, T>>;

/**
 * Lists the scores of every seed at one of the scored steps.
 *
 * @param results one of each seed
 * @param at 0 for the middle step, 1 for the last one
 */
export function seedsOf(
  results: readonly PairResult[],
  at: 0 | 1,
): PairPoints<PointScores[]> {
  return Object.fromEntries(
    Object.keys(PAIR_POINTS).map((name) => [
      name,
      results.map(({ scores }) => scores[at].points[name]!),
    ]),
  ) as PairPoints<PointScores[]>;
}

/**
 * Averages scores over seeds.
 *
 * @param seeds scores of every seed by operating point
 */
export function averagePoints(
  seeds: PairPoints<PointScores[]>,
): PairPoints<PointScores> {
  return Object.fromEntries(
    Object.entries(seeds).map(([name, scores]) => [name, averagePoint(scores)]),
  ) as PairPoints<PointScores>;
}

/**
 * Finds the files of all metrics of every window of pairs.
 *
 * @param lab of the experiment
 * @param results of the pairs
 */
export async function pairFiles(
  lab: Lab,
  results: readonly PairResult[],
): Promise<Record<string, DataFile>> {
  const files: Record<string, DataFile> = {};
  for (const { of } of results) {
    using futures = await pairFutures(lab, of);
    for (const step of scoredSteps(lab.params.horizon)) {
      const columns = await pairColumns(lab, futures, step);
      const name = `windows-${of.recipe}-seed${of.seed}-${step + 1}`;
      const what = `t+${step + 1}, recipe ${of.recipe}, seed ${of.seed}`;
      Object.assign(files, await columnFiles(columns, name, what));
    }
  }
  return files;
}

/**
 * What pairs compute, for a plan.
 *
 * @param params of the run
 * @param windows of each part
 * @param times how many pairs
 */
export function pairWork(
  params: LabParams,
  windows: { readonly train: number; readonly test: number },
  times: number,
): Work {
  const { diversitySamples, diversityWindows, calibrationWindows } = params;
  const further = Math.min(diversityWindows, windows.test) *
    (diversitySamples - 1);
  return {
    trained: "direct and diffusion",
    trainings: 2,
    sampled: 3 * (windows.test + further) +
      Math.min(calibrationWindows, windows.train),
    times,
  };
}

/**
 * Joins findings of one experiment; names that are in several get an ending.
 *
 * @param parts findings by ending
 */
export function joinFindings(
  parts: Readonly<Record<string, Finding>>,
): Finding {
  const endings = Object.keys(parts);
  const nameOf = (name: string, ending: string) =>
    endings.length === 1 ? name : `${name}-${ending}`;
  const join = <T>(
    pick: (part: Finding) => Readonly<Record<string, T>> | undefined,
  ) =>
    Object.fromEntries(
      Object.entries(parts).flatMap(([ending, part]) =>
        Object.entries(pick(part) ?? {})
          .map(([name, value]) => [nameOf(name, ending), value])
      ),
    );
  const list = Object.entries(parts);
  return {
    claims: list.flatMap(([ending, { claims }]) =>
      claims.map((one) => ({ ...one, id: nameOf(one.id, ending) }))
    ),
    tables: join(({ tables }) => tables),
    figures: join(({ figures }) => figures),
    media: join(({ media }) => media),
    data: join(({ data }) => data),
    lead: list.map(([, { lead = "" }]) => lead).join(" "),
    notes: [...new Set(list.flatMap(([, { notes = [] }]) => notes))],
  };
}
