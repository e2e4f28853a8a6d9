/**
 * Chains of jumps from parameters to numbers, for experiments about them.
 *
 * @module
 */

import { z } from "zod";
import { columns, scoresOf } from "./columns.ts";
import type { LabWindow } from "./data.ts";
import type { LabRun } from "./experiment.ts";
import { type JumpSpec, jumpTraining } from "./jump.ts";
import {
  consecutiveWindows,
  type JumpMotion,
  jumpMotion,
  type JumpPart,
  type JumpSet,
  jumpSets,
  type JumpSource,
  jumpWindows,
  linkLatents,
} from "./jump_motion.ts";
import { checkJump, jumpShape, jumpSteps } from "./jump_params.ts";
import type { JumpRow } from "./jump_results.ts";
import type { Lab } from "./lab.ts";
import { type PointScores, WINDOW_METRICS } from "./metrics.ts";
import type { TrainingFacts } from "./models.ts";
import { pairsOf, type PairSpec } from "./pair.ts";
import { labParams } from "./params.ts";
import type { Work } from "./plan.ts";

/** Parameters of an experiment about jumps, beside those of the lab. */
export const jumpRunParams = labParams.safeExtend({
  ...jumpShape,
  scheduledAnchors: z.number().positive().max(1).describe(
    "chance, at the end, of own anchors where training is scheduled",
  ),
  noisedAnchors: z.number().positive().describe(
    "deviation of the noise on anchors where they are noised, normalized",
  ),
}).superRefine(checkJump);

/**
 * Parameters of the variants by preset. The published code has both noised
 * anchors and teacher forcing; its deviation is not on record, and scheduled
 * sampling is not in the paper: half of the anchors at the end.
 */
export const VARIANTS = { scheduledAnchors: 0.5, noisedAnchors: 0.1 } as const;

/** Validated parameters of an experiment about jumps. */
export type JumpRunParams = z.infer<typeof jumpRunParams>;

/**
 * Jumps that scheduled sampling sees at the cost of teacher forcing: a step of
 * which costs three forward passes; each jump before an anchor costs one more.
 *
 * @param params of the run
 */
export function equalCostSamples(
  { jumpSamples, jumpLinks }: Pick<JumpRunParams, "jumpSamples" | "jumpLinks">,
): number {
  return Math.floor(jumpSamples * 3 / (3 + jumpLinks - 1));
}

/** Titles of the points, in the order of tables. */
export const JUMP_POINTS = {
  jump: "Jumps",
  forced: "Jumps, each from the true frame",
  jumpLast: "Jumps, raw weights",
  scheduled: "Jumps, scheduled, equal cost",
  sampled: "Jumps by diffusion",
  noised: "Jumps by diffusion, noised anchors",
  direct: "Direct regression",
  directLast: "Direct regression, raw weights",
  raw: "Diffusion, raw",
  copy: "Copy of the present",
} as const;

/** Name of a point. */
export type JumpPoint = keyof typeof JUMP_POINTS;

/** The jump models of a recipe and seed. */
function modelsOf(
  params: JumpRunParams,
  { recipe, seed }: PairSpec,
): Record<"jump" | "scheduled" | "sampled" | "noised", JumpSpec> {
  // Jumps are of one frame each; there is no other network for them.
  const of = recipe === "paper" ? "paper" : "visible";
  const direct: JumpSpec = { mode: "direct", recipe: of, seed };
  const { scheduledAnchors, noisedAnchors } = params;
  return {
    jump: direct,
    scheduled: {
      ...direct,
      changes: {
        jumpOwnAnchors: scheduledAnchors,
        jumpSamples: equalCostSamples(params),
      },
    },
    sampled: { ...direct, mode: "diffusion" },
    noised: {
      ...direct,
      mode: "diffusion",
      changes: { jumpAnchorNoise: noisedAnchors },
    },
  };
}

/**
 * What gives the frames of each point.
 *
 * @param params of the run
 * @param pair recipe and seed
 */
export function sourcesOf(
  params: JumpRunParams,
  pair: PairSpec,
): Record<JumpPoint, JumpSource> {
  const models = modelsOf(params, pair);
  const jump = (
    model: JumpSpec,
    weights: "average" | "last" = "average",
  ): JumpSource => ({ kind: "jump", model, weights, isForced: false });
  const pass = (
    mode: "direct" | "diffusion",
    weights: "average" | "last" = "average",
  ): JumpSource => ({ kind: "pass", model: { ...pair, mode }, weights });
  return {
    jump: jump(models.jump),
    forced: {
      kind: "jump",
      model: models.jump,
      weights: "average",
      isForced: true,
    },
    jumpLast: jump(models.jump, "last"),
    scheduled: jump(models.scheduled),
    sampled: jump(models.sampled),
    noised: jump(models.noised),
    direct: pass("direct"),
    directLast: pass("direct", "last"),
    raw: pass("diffusion"),
    copy: { kind: "copy" },
  };
}

/** Scores of each point at a link. */
export interface LinkFound {
  /** By point, and of decoded real latents: "ceiling". */
  readonly points: Readonly<Record<string, PointScores>>;
  /** CosSim of every window, by point. */
  readonly cosSim: Readonly<Record<string, readonly number[]>>;
}

/** Metrics along the chain, with headings. */
export const LINK_COLUMNS = {
  kid: "KID",
  fid: "FID",
  cosSim: "CosSim",
  ssim: "SSIM",
} as const;

/** Stages of an experiment about jumps. */
export const jumpStages = {
  /** Trains a jump model. */
  trainJump: async (
    lab: Lab<JumpRunParams>,
    spec: JumpSpec,
  ): Promise<TrainingFacts> => (await jumpTraining(lab, spec)).facts,
  /** Predicts what motion is measured on. */
  async sampleJump(
    lab: Lab<JumpRunParams>,
    { source, part }: { source: JumpSource; part: JumpPart },
  ): Promise<Record<string, never>> {
    using _ = await linkLatents(lab, source, part);
    return {};
  },
  /** Measures how the frames of a source move. */
  motion: (
    lab: Lab<JumpRunParams>,
    { source, part }: { source: JumpSource; part: JumpPart },
  ): Promise<JumpMotion[]> => jumpMotion(lab, source, part),
  /** Scores all points at one link, on the test windows. */
  async link(
    lab: Lab<JumpRunParams>,
    { pair, link }: { pair: PairSpec; link: number },
  ): Promise<LinkFound> {
    const sources: Record<string, JumpSource> = {
      ...sourcesOf(lab.params, pair),
      ceiling: { kind: "real" },
    };
    using opened = new DisposableStack();
    const latents: Record<string, (list: readonly number[]) => Float32Array> =
      {};
    const from = new Set<string>();
    for (const [name, source] of Object.entries(sources)) {
      const own = opened.use(await linkLatents(lab, source, "test"));
      latents[name] = (list) => own.at(list, link);
      own.from.forEach((digest) => from.add(digest));
    }
    const measured = await columns(lab, {
      step: jumpSteps(lab.params)[link]!,
      points: Object.fromEntries(
        Object.entries(latents).map(([name, latents]) => [name, { latents }]),
      ),
      from: [...from],
      metrics: WINDOW_METRICS.filter(({ name }) => name in LINK_COLUMNS),
    });
    const { points } = await scoresOf(lab, measured, pair.seed);
    return {
      points,
      cosSim: Object.fromEntries(
        Object.keys(sources).map((name) => [
          name,
          Array.from(measured.measured[name]!.numbers.cosSim!),
        ]),
      ),
    };
  },
} as const;

/** What was found of one recipe. */
export interface JumpFound {
  /** Its pairs, one of each seed. */
  readonly pairs: readonly PairSpec[];
  /** How the jump models were trained, by point, of the first seed. */
  readonly facts: Readonly<Record<string, TrainingFacts>>;
  /** Sets of windows. */
  readonly sets: readonly JumpSet[];
  /** Windows of each part, of one seed. */
  readonly windows: Readonly<Record<JumpPart, readonly LabWindow[]>>;
  /** Motion of the points, by set. */
  readonly rows: Readonly<Record<string, readonly JumpRow[]>>;
  /** Scores by link and seed. */
  readonly links: readonly (readonly LinkFound[])[];
}

/** Puts the seeds of each point together, set by set. */
function rowsOf(
  { name, part, windows }: JumpSet,
  all: JumpFound["windows"],
  found: (point: JumpPoint | "real", part: JumpPart) => JumpMotion[][],
): [string, JumpRow[]] {
  const scenes = windows.map((i) => all[part][i]!.scene);
  const real = windows.map((i) => found("real", part)[0]![i]!);
  const rows = Object.entries(JUMP_POINTS).map(([point, title]): JumpRow => {
    const seeds = found(point as JumpPoint, part);
    return {
      ...{ name: point, title },
      scenes: seeds.flatMap(() => scenes),
      own: seeds.flatMap((motions) => windows.map((i) => motions[i]!)),
      real: seeds.flatMap(() => real),
    };
  });
  return [name, rows];
}

/**
 * Trains, chains and measures on all lanes at once.
 *
 * @param run of the experiment, whose stages hold {@linkcode jumpStages}
 * @returns what was found, by recipe
 */
export async function runJumps(
  { params, lab, each, train }: LabRun<JumpRunParams, typeof jumpStages>,
): Promise<Map<PairSpec["recipe"], JumpFound>> {
  const pairs = pairsOf(params);
  const parts: JumpPart[] = ["whole", "test"];
  const windows = {
    whole: await jumpWindows(lab, "whole"),
    test: await jumpWindows(lab, "test"),
  };
  const published = consecutiveWindows(
    (await lab.part("whole")).windows,
    params.jumpSetWindows,
  );
  const sets = jumpSets(
    windows.test,
    windows.whole,
    published.length,
    params.jumpSetWindows,
  );
  const modes = ["diffusion", "direct"] as const;
  await train(
    pairs.flatMap((pair) => modes.map((mode) => ({ ...pair, mode }))),
  );
  const specs = pairs.flatMap((pair) => Object.entries(modelsOf(params, pair)));
  const facts = await each("trainJump", specs.map(([, spec]) => spec), {
    title: "train jumps",
    label: ({ mode, seed, changes = {} }) =>
      [mode, seed, ...Object.keys(changes)].join(" "),
  });
  const cases = pairs.flatMap((pair) =>
    Object.entries(sourcesOf(params, pair)).flatMap(([point, source]) =>
      parts.map((part) => ({ pair, point, input: { source, part } }))
    )
  );
  const real = parts.map((part) => ({
    ...{ pair: pairs[0]!, point: "real" },
    input: { source: { kind: "real" } as JumpSource, part },
  }));
  const all = [...cases, ...real];
  // Diffusion takes longest.
  const slow = ({ source }: { source: JumpSource }) =>
    "model" in source && source.model.mode === "diffusion" ? 0 : 1;
  const inputs = cases.map(({ input }) => input)
    .toSorted((a, b) => slow(a) - slow(b));
  await each("sampleJump", inputs, { title: "sample" });
  const measured = await each("motion", all.map(({ input }) => input), {
    title: "measure motion",
  });
  const links = jumpSteps(params).map((_, link) => link);
  const scored = await each(
    "link",
    pairs.flatMap((pair) => links.map((link) => ({ pair, link }))),
    { title: "score links" },
  );
  const found = new Map<PairSpec["recipe"], JumpFound>();
  for (const [recipe, own] of Map.groupBy(pairs, ({ recipe }) => recipe)) {
    const motionOf = (point: string, part: JumpPart) =>
      all.flatMap((one, i) =>
        one.point === point && one.input.part === part &&
          (point === "real" || one.pair.recipe === recipe)
          ? [measured[i]!]
          : []
      );
    const numbers = own.map((pair) => pairs.indexOf(pair));
    const first = numbers[0]! * Object.keys(modelsOf(params, own[0]!)).length;
    found.set(recipe, {
      ...{ pairs: own, sets, windows },
      facts: Object.fromEntries(
        Object.keys(modelsOf(params, own[0]!))
          .map((name, k) => [name, facts[first + k]!]),
      ),
      rows: Object.fromEntries(
        sets.map((set) => rowsOf(set, windows, motionOf)),
      ),
      links: links.map((link) =>
        numbers.map((i) => scored[i * links.length + link]!)
      ),
    });
  }
  return found;
}

/**
 * What an experiment about jumps computes, for a plan.
 *
 * @param params of the run
 * @param windows of each part
 */
export function jumpWork(
  params: JumpRunParams,
  { test }: { readonly test: number },
): Work {
  return {
    trained: "direct and diffusion",
    trainings: 2,
    sampled: test,
    times: pairsOf(params).length,
  };
}
