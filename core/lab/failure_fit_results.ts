/**
 * What over-fitting came to: scores of both parts by step, tables and figures.
 *
 * @module
 */

import type { Quantity } from "../experiment/claims.ts";
import type { FindingTable } from "../experiment/findings.ts";
import { mean } from "../metrics/statistics.ts";
import { linePlot } from "../report/plot.ts";
import type { Fit } from "./failure_fit.ts";
import { FIT_MODES, FIT_WEIGHTS, type PairFailures } from "./failure_run.ts";
import {
  meanScore,
  overScenes,
  type Quantities,
  quantityTable,
} from "./failure_tables.ts";
import type { Figure } from "./figures.ts";
import type { LabParams } from "./params.ts";
import { snapshotStep } from "./snapshots.ts";

/** Difference of two parts, of different windows. */
function partGap(
  { train, test }: Fit,
  key: "loss" | "cosSim",
  seed: number,
): Quantity {
  const scenes = [
    ...train.scenes.map((scene) => `train ${scene}`),
    ...test.scenes.map((scene) => `test ${scene}`),
  ];
  const values = [...train.numbers[key]!, ...test.numbers[key]!];
  const n = train.scenes.length;
  /** Each part keeps its own mean; a resample that lacks one has none to give. */
  const of = (rows: readonly number[]) => {
    const [own, other] = [
      rows.filter((i) => i < n),
      rows.filter((i) => i >= n),
    ].map((some) => some.map((i) => values[i]!));
    return own!.length === 0 || other!.length === 0
      ? 0
      : mean(other!) - mean(own!);
  };
  return overScenes(scenes, seed, of);
}

/** What the training of one model came to on both parts, by weights. */
export interface FitRow {
  /** Step of the training. */
  readonly step: number;
  /** By part and measure, and their gaps, test less training. */
  readonly scores: Quantities;
}

/**
 * Scores the weights of a training on both parts.
 *
 * @param fits in the order of `FIT_WEIGHTS`
 * @param steps of the training
 * @param seed of the bootstrap
 */
export function fitRows(
  fits: readonly Fit[],
  steps: number,
  seed: number,
): FitRow[] {
  return fits.map((fit, k) => {
    const kind = FIT_WEIGHTS[k]!;
    const own = (part: "train" | "test", key: "loss" | "cosSim") =>
      meanScore(fit[part], seed, (i) => fit[part].numbers[key]![i]!);
    const kid = (part: "train" | "test"): Quantity => ({
      ...fit[part].kid,
      of: "windows",
    });
    return {
      step: kind === "average" ? steps : snapshotStep(steps, kind),
      scores: {
        trainLoss: own("train", "loss"),
        testLoss: own("test", "loss"),
        lossGap: partGap(fit, "loss", seed),
        trainCosSim: own("train", "cosSim"),
        testCosSim: own("test", "cosSim"),
        cosSimGap: partGap(fit, "cosSim", seed),
        trainKid: kid("train"),
        testKid: kid("test"),
      },
    };
  });
}

/** Names of what is trained. */
const MODE_TITLES = { diffusion: "Diffusion", direct: "Direct" } as const;

/** Rows of both models by mode. */
export type FitRows = Readonly<
  Record<typeof FIT_MODES[number], readonly FitRow[]>
>;

/**
 * Lays out over-fitting: a row for every model and step.
 *
 * @param rows of both models
 * @returns table `fit`, or none of given models
 */
export function fitTables(rows: FitRows): Record<string, FindingTable> {
  if (FIT_MODES.every((mode) => rows[mode].length === 0)) return {};
  const named = FIT_MODES.flatMap((mode) =>
    rows[mode].map((row) => ({ mode, ...row, name: `${mode}-${row.step}` }))
  );
  const measures = {
    Loss: ["Loss", 4],
    CosSim: ["CosSim", 3],
    Kid: ["KID", 3],
  } as const;
  const fit = quantityTable(
    {
      title: "Over-fitting: training windows against test windows",
      head: "Model and training step",
      note:
        "Averaged weights, as they were after so many steps of one training: its learning rate falls until the end, so that early rows are no shorter trainings. Keeping them costs a file each, and no training. Windows are the first of scenes on both parts. Gap: test less training, of different scenes; intervals by bootstrap over the scenes of both. Samples of diffusion are calibrated on the training windows; KID against the camera.",
      columns: Object.entries(measures).flatMap(([key, [title, decimals]]) => [
        { name: `train${key}`, title: `${title}, training`, decimals },
        { name: `test${key}`, title: `${title}, test`, decimals },
        ...(key === "Kid" ? [] : [{
          name: `${key[0]!.toLowerCase()}${key.slice(1)}Gap`,
          title: `${title}, gap`,
          decimals,
        }]),
      ]),
    },
    Object.fromEntries(
      named.map(({ name, mode, step }) => [
        name,
        `${MODE_TITLES[mode]}, step ${step}`,
      ]),
    ),
    Object.fromEntries(named.map(({ name, scores }) => [name, scores])),
  );
  return { fit };
}

/**
 * Scores both models of the first seed.
 *
 * @param found of it
 * @param params of the run
 */
export function fitsOf(
  { fits, pair }: PairFailures,
  { samples, batch }: LabParams,
): FitRows {
  const steps = Math.floor(samples / batch);
  const rows = (mode: typeof FIT_MODES[number]) =>
    fitRows(fits[mode], steps, pair.of.seed);
  return { diffusion: rows("diffusion"), direct: rows("direct") };
}

/**
 * How much larger the loss is on test windows at the end of a training, as a
 * part of that on training windows; null of a model that was given.
 *
 * @param rows by step
 */
export function relativeGap(rows: readonly FitRow[]): Quantity {
  const scores = rows.at(-1)?.scores;
  if (scores === undefined) return { value: null };
  const { trainLoss, lossGap } = scores as Record<string, Quantity>;
  const part = (x: number | null | undefined) => x! / trainLoss!.value!;
  return {
    ...lossGap!,
    value: part(lossGap!.value),
    low: part(lossGap!.low),
    high: part(lossGap!.high),
  };
}

/**
 * Loss on test windows at the end of a training over that at the last snapshot;
 * null of a model that was given.
 *
 * @param rows by step
 */
export function lastFall(rows: readonly FitRow[]): Quantity {
  const [before, end] = rows.slice(-2).map(({ scores }) => scores.testLoss!);
  if (before === undefined || end === undefined) return { value: null };
  const { n = 0, of = "scenes" } = end;
  return { value: end.value! / before.value!, n, of, decimals: 3 };
}

/**
 * Draws over-fitting: each measure over the steps of the training.
 *
 * @param rows of both models; models without are left out
 * @returns figures `fitLoss`, `fitCosSim` and `fitKid`, or none
 */
export function fitFigures(rows: FitRows): Record<string, Figure> {
  const modes = FIT_MODES.filter((mode) => rows[mode].length > 0);
  if (modes.length === 0) return {};
  const figures: Record<string, Figure> = {};
  for (const key of ["Loss", "CosSim", "Kid"] as const) {
    const what = key === "Kid" ? "KID" : key === "Loss" ? "loss" : key;
    const lines = modes.flatMap((mode) =>
      (["train", "test"] as const).map((part) => ({
        label: `${mode}, ${part === "train" ? "training" : "test"}`,
        points: rows[mode].map(({ step, scores }) => {
          const { value, low, high } = scores[`${part}${key}`]!;
          return {
            x: step,
            y: value!,
            ...(part === "test" && typeof low === "number" &&
                typeof high === "number"
              ? { low, high }
              : {}),
          };
        }),
      }))
    );
    figures[`fit${key}`] = {
      svg: linePlot(lines, { xLabel: "training step", yLabel: what }),
      caption:
        `Over-fitting: ${what} on windows of the training scenes and of the test scenes; bands are 95 % bootstrap intervals of the latter.`,
    };
  }
  return figures;
}
