/**
 * What roll-outs came to, from plain numbers: scores by step, tables, figures.
 *
 * @module
 */

import type { Quantity } from "../experiment/claims.ts";
import type { FindingTable } from "../experiment/findings.ts";
import { mean } from "../metrics/statistics.ts";
import { linePlot } from "../report/plot.ts";
import {
  overScenes,
  type Quantities,
  quantityTable,
} from "./failure_tables.ts";
import type { Figure } from "./figures.ts";
import type { PointScores } from "./metrics.ts";
import { ROLLOUT_POINTS, type RolloutKind } from "./rollout_kinds.ts";
import type { PairRollouts, StepNumbers } from "./rollout_run.ts";
import { averagePoint, type PublishedColumn, scoreTable } from "./tables.ts";

/** What has a curve by step. */
export type Curve = RolloutKind | "copy";

/** Measures of every step: over those of what happened, but for CosSim. */
const MEASURES = {
  cosSim: "CosSim",
  energy: "Energy of real",
  change: "Change of latents of real",
} as const;

/** A measure of every step. */
export type Measure = keyof typeof MEASURES;

/** The windows of all seeds at one step, and what happened in them. */
function stepOf(
  found: readonly PairRollouts[],
  curve: Curve,
  step: number,
): { scenes: string[]; own: StepNumbers[]; real: StepNumbers[] } {
  const pick = (name: Curve | "real") =>
    found.flatMap(({ steps }) => steps[name][step] ?? []);
  const own = pick(curve);
  return {
    scenes: own.flatMap(({ scenes }) => scenes),
    own,
    real: pick("real"),
  };
}

/**
 * Scores a curve at one step, with a 95 % bootstrap interval over scenes; the
 * windows of a scene in all seeds are drawn together.
 *
 * @param found of each seed
 * @param curve which
 * @param step from 0
 * @param measure which
 * @param seed of the bootstrap
 */
export function stepScore(
  found: readonly PairRollouts[],
  curve: Curve,
  step: number,
  measure: Measure,
  seed: number,
): Quantity {
  const { scenes, own, real } = stepOf(found, curve, step);
  const values = own.flatMap((one) => one[measure]);
  const truth = real.flatMap((one) => one[measure]);
  const at = (list: readonly number[], rows: readonly number[]) =>
    mean(rows.map((row) => list[row]!));
  return overScenes(
    scenes,
    seed,
    (rows) =>
      measure === "cosSim"
        ? at(values, rows)
        : at(values, rows) / at(truth, rows),
  );
}

/**
 * The change of a measure from one step to a later one, of the windows that
 * reach both; paired.
 *
 * @param found of each seed
 * @param curve which
 * @param steps earlier and later, from 0
 * @param measure which
 * @param seed of the bootstrap
 */
export function stepGap(
  found: readonly PairRollouts[],
  curve: Curve,
  [early, late]: readonly [number, number],
  measure: Measure,
  seed: number,
): Quantity {
  const pairs = found.flatMap(({ steps }) => {
    const [before, after] = [steps[curve][early], steps[curve][late]];
    if (before === undefined || after === undefined) return [];
    return after.scenes.map((scene, i) => ({
      scene,
      gap: after[measure][i]! -
        before[measure][before.scenes.indexOf(scene)]!,
    }));
  });
  if (pairs.length === 0) return { value: null };
  return overScenes(
    pairs.map(({ scene }) => scene),
    seed,
    (rows) => mean(rows.map((row) => pairs[row]!.gap)),
  );
}

/** The steps that some window reaches. */
export function stepsOf(found: readonly PairRollouts[]): number {
  return Math.max(...found.map(({ steps }) => steps.real.length));
}

/**
 * Lays out a measure of every step that ends a chunk.
 *
 * @param found of each seed
 * @param curves in the order of rows
 * @param measure which
 * @param horizon H
 * @param seed of the bootstrap
 */
export function driftTable(
  found: readonly PairRollouts[],
  curves: readonly Curve[],
  measure: Measure,
  horizon: number,
  seed: number,
): FindingTable {
  const steps = Array.from({ length: stepsOf(found) }, (_, step) => step)
    .filter((step) => (step + 1) % horizon === 0);
  const scores = Object.fromEntries(curves.map((curve) => [
    curve,
    Object.fromEntries(
      steps.map((
        step,
      ) => [`t${step + 1}`, stepScore(found, curve, step, measure, seed)]),
    ),
  ]));
  return quantityTable(
    {
      title: `${MEASURES[measure]} at the end of each chunk`,
      head: "Roll-out",
      note:
        "Of the windows that reach a step, n of them. Intervals: 95 % bootstrap over scenes, with all seeds of a scene.",
      columns: steps.map((step) => ({
        name: `t${step + 1}`,
        title: `t+${step + 1}`,
        decimals: measure === "cosSim" ? 3 : 2,
      })),
    },
    Object.fromEntries(curves.map((curve) => [curve, ROLLOUT_POINTS[curve]])),
    scores,
  );
}

/**
 * Draws a measure by step, with bands over scenes.
 *
 * @param found of each seed
 * @param curves which
 * @param measure which
 * @param seed of the bootstrap
 */
export function driftFigure(
  found: readonly PairRollouts[],
  curves: readonly Curve[],
  measure: Measure,
  seed: number,
): Figure {
  const last = stepsOf(found);
  const counts = found[0]!.steps.real;
  const lines = curves.map((curve) => ({
    label: curve,
    points: Array.from({ length: last }, (_, step) => {
      const { value, low, high } = stepScore(
        found,
        curve,
        step,
        measure,
        seed,
      );
      return { x: step + 1, y: value!, low: low!, high: high! };
    }),
  }));
  const [from, to] = [counts[0]!, counts.at(-1)!]
    .map(({ scenes }) => scenes.length);
  return {
    svg: linePlot(lines, {
      xLabel: "frames ahead (2 Hz)",
      yLabel: MEASURES[measure],
      ...(measure === "energy" ? { scale: "log" as const } : {}),
    }),
    caption: `${
      MEASURES[measure]
    } at each step, n = ${from} windows at the first and ${to} at the last; bands are 95 % bootstrap intervals over scenes.`,
  };
}

/** Scores at the end of a chunk, averaged over seeds. */
export function chunkScores(
  found: readonly PairRollouts[],
  chunk: number,
): Record<string, PointScores> {
  const seeds = found.flatMap(({ scores }) => scores.get(chunk) ?? []);
  return Object.fromEntries(
    Object.keys(seeds[0]?.points ?? {}).map((point) => [
      point,
      averagePoint(seeds.map(({ points }) => points[point]!)),
    ]),
  );
}

/**
 * Lays out the scores of images at the ends of chunks: a table for each.
 *
 * @param found of each seed
 * @param horizon H
 * @param published the paper's numbers by chunk and column
 */
export function chunkTables(
  found: readonly PairRollouts[],
  horizon: number,
  published: Readonly<
    Record<number, Readonly<Record<string, PublishedColumn>>>
  >,
): Record<string, FindingTable> {
  const chunks = [...found[0]!.scores.keys()];
  return Object.fromEntries(chunks.map((chunk) => {
    const { windows } = found[0]!.scores.get(chunk)!;
    const note =
      `Of the ${windows} windows whose scene reaches so far; distances of few frames are larger than those of many, by FID most.`;
    return [
      `chunk${chunk}`,
      scoreTable(
        `The end of chunk ${chunk}, t+${chunk * horizon}`,
        ROLLOUT_POINTS,
        chunkScores(found, chunk),
        published[chunk] ?? {},
        note,
      ),
    ];
  }));
}

/**
 * Draws a score of images at the ends of chunks.
 *
 * @param found of each seed
 * @param metric its name
 * @param yLabel heading
 * @param horizon H
 */
export function chunkFigure(
  found: readonly PairRollouts[],
  metric: string,
  yLabel: string,
  horizon: number,
): Figure {
  const chunks = [...found[0]!.scores.keys()];
  const scores = chunks.map((chunk) => chunkScores(found, chunk));
  const lines = Object.keys(ROLLOUT_POINTS).map((label) => ({
    label,
    points: chunks.map((chunk, k) => {
      const { value, low, high } = scores[k]![label]![metric]!;
      const band = low === undefined || high === undefined ? {} : { low, high };
      return { x: chunk * horizon, y: value, ...band };
    }),
  }));
  return {
    svg: linePlot(lines, { xLabel: "frames ahead (2 Hz)", yLabel }),
    caption: `${yLabel} at the ends of chunks ${chunks.join(", ")}.`,
  };
}

/** Recovery of one kind: parts of the first noise by step. */
function recoveryAt(
  found: readonly PairRollouts[],
  kind: keyof PairRollouts["recovery"],
  step: number,
  seed: number,
  key: "distance" | "apart" = "distance",
): Quantity {
  const all = found.map(({ recovery }) => recovery[kind]);
  const values = all.flatMap((one) => one[key].at(step)!);
  return overScenes(
    all.flatMap(({ scenes }) => scenes),
    seed,
    (rows) => mean(rows.map((row) => values[row]!)),
  );
}

/**
 * Lays out and draws recovery from noise on the first present.
 *
 * @param found of each seed
 * @param horizon H
 * @param perturbation deviation of the noise, normalized
 * @param seed of the bootstrap
 */
export function recoveryResults(
  found: readonly PairRollouts[],
  horizon: number,
  perturbation: number,
  seed: number,
): {
  scores: Readonly<Record<string, Quantities>>;
  table: FindingTable;
  figure: Figure;
} {
  const kinds = Object.keys(
    found[0]!.recovery,
  ) as (keyof PairRollouts["recovery"])[];
  const steps = found[0]!.recovery[kinds[0]!].distance.length;
  const scores = Object.fromEntries(kinds.map((kind) => [kind, {
    first: recoveryAt(found, kind, 0, seed),
    chunk1: recoveryAt(found, kind, horizon - 1, seed),
    chunk2: recoveryAt(found, kind, steps - 1, seed),
    apart: recoveryAt(found, kind, steps - 1, seed, "apart"),
  }]));
  const table = quantityTable(
    {
      title: `Recovery from noise of ${perturbation} on the first present`,
      head: "Roll-out",
      note:
        "Distance of the latents of a roll-out from a perturbed present to those from the clean one, with equal noise and actions, in parts of the distance of the presents: 0 is recovered, 1 is kept, above it grows. Apart: the same of clean roll-outs of two scenes.",
      columns: [
        { name: "first", title: "t+1", decimals: 2 },
        { name: "chunk1", title: `t+${horizon}`, decimals: 2 },
        { name: "chunk2", title: `t+${steps}`, decimals: 2 },
        { name: "apart", title: `Apart, t+${steps}`, decimals: 2 },
      ],
    },
    Object.fromEntries(kinds.map((kind) => [kind, ROLLOUT_POINTS[kind]])),
    scores,
  );
  const svg = linePlot(
    kinds.map((label) => ({
      label,
      points: Array.from({ length: steps }, (_, step) => {
        const { value, low, high } = recoveryAt(found, label, step, seed);
        return { x: step + 1, y: value!, low: low!, high: high! };
      }),
    })),
    { xLabel: "frames ahead (2 Hz)", yLabel: "distance, parts of the noise" },
  );
  const caption =
    "Distance of perturbed roll-outs to clean ones, in parts of the noise on the first present; bands are 95 % bootstrap intervals over scenes.";
  return { scores, table, figure: { svg, caption } };
}
