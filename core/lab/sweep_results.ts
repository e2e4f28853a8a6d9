/**
 * What steering sweeps came to, from plain numbers: scores, tables and figure.
 *
 * @module
 */

import type { Quantity } from "../experiment/claims.ts";
import type { DataFile, FindingTable } from "../experiment/findings.ts";
import { leastSquaresLine, sweepCorrelation } from "../metrics/spearman.ts";
import { bootstrapInterval, mean } from "../metrics/statistics.ts";
import { type Bar, barPlot } from "../report/plot.ts";
import { formatNumber, tableToCsv } from "../report/table.ts";
import type { Figure } from "./figures.ts";
import type { ActionUse, SweepKind, SweepResponses } from "./sweep.ts";
import type { PublishedColumn } from "./tables.ts";

/** What responds to the steering. */
export type SweepMeasure = keyof Omit<SweepResponses, "scenes">;

/** How one measure follows the steering. */
export interface SweepScore {
  /** Scene of each sweep; once for each seed. */
  readonly scenes: readonly string[];
  /** Rank correlation of each sweep; 0 where nothing changes. */
  readonly perSweep: readonly number[];
  /** Change of the measure for one of the steering, of each sweep. */
  readonly slopes: readonly number[];
  /** Mean rank correlation over sweeps in which something changes. */
  readonly rho: Quantity;
  /** Sweeps in which something changes. */
  readonly valid: number;
  /** Share of these above 0; null if there is none. */
  readonly positive: Quantity;
  /** Mean rank correlation over all sweeps, those of no change as 0. */
  readonly all: Quantity;
  /** Mean slope. */
  readonly slope: Quantity;
}

/** Scores of one model by measure. */
export type SweepScores = Readonly<Record<SweepMeasure, SweepScore>>;

/**
 * Largest range of a sweep's responses that counts as no change: pixels, pixels,
 * and normalized steering. The published one is any whole pixel. The others need
 * one as well, since ranks know no size: networks after four training steps
 * reach correlations of 0.67 by 5e-4 pixels and 1e-8 of steering.
 */
const RESOLUTION: Readonly<Record<SweepMeasure, number>> = {
  shift: 0,
  subpixel: 1e-2,
  probe: 1e-3,
};

/** The mean with its bootstrap interval over scenes; null of nothing. */
function meanOf(
  values: readonly number[],
  scenes: readonly string[],
  seed: number,
): Quantity {
  const of = new Set(scenes).size === scenes.length ? "scenes" : "sweeps";
  const n = values.length;
  if (n === 0) return { value: null, n, of };
  const { low, high } = bootstrapInterval(values, { groups: scenes, seed });
  return { value: mean(values), low, high, n, of, decimals: 3 };
}

/**
 * Scores how a measure follows the steering. A sweep is valid if its responses
 * differ by more than `resolution`; intervals are of 95 %, by bootstrap over
 * scenes.
 *
 * @param values (K) steering, not all equal
 * @param responses (K) of each sweep, at least one
 * @param scenes scene of each sweep
 * @param seed of the bootstrap
 * @param resolution largest range of responses that counts as no change
 * @throws {RangeError} if there is no sweep, the steering is constant, numbers
 *   differ, or a value is not finite
 */
export function sweepScore(
  values: readonly number[],
  responses: readonly (readonly number[])[],
  scenes: readonly string[],
  seed: number,
  resolution = 0,
): SweepScore {
  if (responses.length !== scenes.length) {
    throw new RangeError(
      `Cannot score ${responses.length} sweeps: scenes are given for ${scenes.length}`,
    );
  }
  const { perScene, valid } = sweepCorrelation(
    values,
    responses.map((list) =>
      Math.max(...list) - Math.min(...list) > resolution
        ? list
        : list.map(() => 0)
    ),
  );
  const perSweep = Array.from(perScene, (rho) => Number.isNaN(rho) ? 0 : rho);
  const some = [...perScene.keys()].filter((i) => !Number.isNaN(perScene[i]!));
  const own = some.map((i) => perSweep[i]!);
  const ownScenes = some.map((i) => scenes[i]!);
  const slopes = responses.map((list) => leastSquaresLine(values, list).slope);
  return {
    scenes,
    perSweep,
    slopes,
    rho: meanOf(own, ownScenes, seed),
    valid,
    positive: meanOf(own.map((rho) => rho > 0 ? 1 : 0), ownScenes, seed),
    all: meanOf(perSweep, scenes, seed),
    slope: meanOf(slopes, scenes, seed),
  };
}

/**
 * Scores all measures of a model, with its seeds side by side.
 *
 * @param values (K) steering, not all equal
 * @param seeds responses of each seed, at least one
 * @param seed of the bootstrap
 * @throws {RangeError} as {@linkcode sweepScore}
 */
export function sweepScores(
  values: readonly number[],
  seeds: readonly SweepResponses[],
  seed: number,
): SweepScores {
  const scenes = seeds.flatMap((one) => one.scenes);
  const of = (measure: SweepMeasure) =>
    sweepScore(
      values,
      seeds.flatMap((one) => one[measure]),
      scenes,
      seed,
      RESOLUTION[measure],
    );
  return { shift: of("shift"), subpixel: of("subpixel"), probe: of("probe") };
}

/**
 * The mean of paired differences, with its bootstrap interval over scenes.
 *
 * @param values one of each sweep
 * @param others of the same sweeps
 * @param scenes scene of each
 * @param seed of the bootstrap
 * @throws {RangeError} if they are not equally many
 */
export function pairedGap(
  values: readonly number[],
  others: readonly number[],
  scenes: readonly string[],
  seed: number,
): Quantity {
  if (values.length !== others.length) {
    throw new RangeError(
      `Cannot pair ${values.length} with ${others.length} values: needed equally many`,
    );
  }
  return meanOf(values.map((x, i) => x - others[i]!), scenes, seed);
}

/** What was found of each seed of one model. */
export interface SweepModel<T> {
  /** Name among the published numbers. */
  readonly name: string;
  /** Name for readers. */
  readonly title: string;
  /** The model of the first seed. */
  readonly kind: SweepKind;
  /** Each of a seed. */
  readonly seeds: readonly T[];
}

/** Name of a model for readers: "Diffusion, w 2, raw weights". */
export function sweepTitle({ mode, weights, guidance }: SweepKind): string {
  return (mode === "direct" ? "Direct" : `Diffusion, w ${guidance}`) +
    (weights === "last" ? ", raw weights" : "");
}

/** Name of a model in tables: "diffusion-2-raw". */
export function sweepName({ mode, weights, guidance }: SweepKind): string {
  return (mode === "direct" ? mode : `${mode}-${guidance}`) +
    (weights === "last" ? "-raw" : "");
}

/**
 * Puts what was found of a recipe's models together, seed by seed.
 *
 * @param kinds what was swept
 * @param found of each of them
 * @param recipe of the models
 */
export function sweepModels<T>(
  kinds: readonly SweepKind[],
  found: readonly T[],
  recipe: SweepKind["recipe"],
): SweepModel<T>[] {
  const own = [...kinds.keys()].filter((i) => kinds[i]!.recipe === recipe);
  return [...Map.groupBy(own, (i) => sweepName(kinds[i]!))]
    .map(([name, list]) => ({
      name,
      title: sweepTitle(kinds[list[0]!]!),
      kind: kinds[list[0]!]!,
      seeds: list.map((i) => found[i]!),
    }));
}

/**
 * Lists every response of every sweep.
 *
 * @param values (K) steering
 * @param models with their seeds
 */
export function sweepFile(
  values: readonly number[],
  models: readonly SweepModel<SweepResponses>[],
): DataFile {
  const csv = tableToCsv({
    columns: [
      { key: "model", label: "Model" },
      { key: "seed", label: "Number of the seed" },
      { key: "scene", label: "Scene" },
      { key: "steer", label: "Steering" },
      { key: "shift", label: "Shift in whole pixels" },
      { key: "subpixel", label: "Shift in pixels" },
      { key: "probe", label: "Steering that the probe sees" },
    ],
    rows: models.flatMap(({ name, seeds }) =>
      seeds.flatMap(({ scenes, shift, subpixel, probe }, seed) =>
        scenes.flatMap((scene, i) =>
          values.map((steer, k) => ({
            model: name,
            seed,
            scene,
            steer,
            shift: shift[i]![k]!,
            subpixel: subpixel[i]![k]!,
            probe: probe[i]![k]!,
          }))
        )
      )
    ),
  });
  return {
    bytes: new TextEncoder().encode(csv),
    type: "csv",
    caption: "every response of every sweep",
  };
}

/** A model's row of tables and bars. */
export interface SweepRow {
  /** Name among the published numbers. */
  readonly name: string;
  /** Name for readers. */
  readonly title: string;
  /** What it came to. */
  readonly scores: SweepScores;
}

/** A cell of a quantity, of the parts that tables show. */
function cellOf({ value, low, high, n }: Quantity) {
  return {
    value,
    ...(low === undefined || high === undefined ? {} : { low, high }),
    ...(n === undefined ? {} : { n }),
  };
}

/**
 * Lays sweeps out: a row for every model.
 *
 * @param rows models
 * @param published the paper's numbers by column: `rho`, `valid`, `positive`,
 *   `all`
 * @param horizon H
 */
export function sweepTable(
  rows: readonly SweepRow[],
  published: Readonly<Record<string, PublishedColumn>>,
  horizon: number,
): FindingTable {
  const columns = {
    rho: "Rank correlation, shift, scenes that shift",
    valid: "Scenes that shift",
    positive: "Share of these above 0",
    all: "Rank correlation, shift, all scenes",
    pixels: "Shift, pixels per unit of steering",
    subpixel: "Rank correlation, sub-pixel shift",
    probe: "Rank correlation, probe",
    probePositive: "Share above 0, probe",
    probeValid: "Scenes that change, probe",
    slope: "Slope, probe: 1 as commanded",
  };
  const higher = new Set(["rho", "positive", "all", "subpixel", "probe"]);
  return {
    title: `Steering and the frame at t+${horizon}, of equal noise`,
    note:
      "A shift is that of the last frame against the one of the middle steering, positive to the right: where things go when the car turns left. It is in whole pixels as published, but for two columns; scenes without any are left out of the first and the third column. Intervals: 95 % bootstrap over scenes.",
    head: "Model",
    columns: Object.entries(columns).map(([name, title]) => ({
      name,
      title,
      decimals: /valid$/i.test(name) ? 0 : 3,
      ...(higher.has(name) ? { direction: "higher" as const } : {}),
      ...published[name],
    })),
    rows: rows.map(({ name, title, scores: { shift, subpixel, probe } }) => ({
      name,
      title,
      cells: {
        rho: cellOf(shift.rho),
        valid: { value: shift.valid, n: shift.scenes.length },
        positive: cellOf(shift.positive),
        all: cellOf(shift.all),
        pixels: cellOf(subpixel.slope),
        subpixel: cellOf(subpixel.all),
        probe: cellOf(probe.all),
        probePositive: cellOf(probe.positive),
        probeValid: { value: probe.valid, n: probe.scenes.length },
        slope: cellOf(probe.slope),
      },
    })),
  };
}

/**
 * Draws the rank correlations of models, a panel for each measure.
 *
 * @param rows models
 * @param published the paper's numbers by column of {@linkcode sweepTable}
 */
export function sweepFigure(
  rows: readonly SweepRow[],
  published: Readonly<Record<string, PublishedColumn>>,
): Figure {
  const panels: [
    string,
    (scores: SweepScores) => Quantity,
    string?,
  ][] = [
    ["shift, if any", ({ shift }) => shift.rho, "rho"],
    ["shift, all", ({ shift }) => shift.all, "all"],
    ["sub-pixel", ({ subpixel }) => subpixel.all],
    ["probe", ({ probe }) => probe.all],
  ];
  const bars = panels.flatMap(([group, pick, column = ""]) =>
    rows.flatMap(({ name, title, scores }): Bar[] => {
      const { value, low, high } = pick(scores);
      const paper = published[column]?.published[name];
      return value === null ? [] : [{
        label: title,
        group,
        value,
        low: low ?? value,
        high: high ?? value,
        ...(paper === undefined ? {} : { published: paper }),
      }];
    })
  );
  const label = "Rank correlation of steering and response";
  return {
    svg: barPlot(bars, { label, title: label }),
    caption:
      "Rank correlation of steering and response, mean over scenes; bars are 95 % bootstrap intervals over scenes, diamonds the paper's.",
  };
}

/**
 * Lays out how much models use their actions: a row for every model, columns
 * `perturbed-STEP` and `shuffled-STEP`, steps counted from 1.
 *
 * @param rows seeds of each model, at least one
 * @param published the paper's numbers by column
 * @param seed of the bootstrap
 * @param change added to the steering, normalized
 */
export function actionUseTable(
  rows: readonly SweepModel<ActionUse>[],
  published: Readonly<Record<string, PublishedColumn>>,
  seed: number,
  change: number,
): FindingTable {
  const steps = Object.keys(rows[0]?.seeds[0]?.perturbed ?? {}).map(Number);
  const kinds = {
    perturbed: "Other steering",
    shuffled: "Actions in another order",
  } as const;
  const columns = Object.entries(kinds).flatMap(([kind, title]) =>
    steps.map((step) => ({
      kind: kind as keyof typeof kinds,
      step,
      name: `${kind}-${step + 1}`,
      title: `${title}, t+${step + 1}`,
    }))
  );
  return {
    title: "Use of actions: 1 - cosine of normalized tokens",
    note: `Futures of equal noise. Other steering: ${
      formatNumber(change)
    } more in all frames.`,
    head: "Model",
    columns: columns.map(({ name, title }) => ({
      name,
      title,
      decimals: 4,
      ...published[name],
    })),
    rows: rows.map(({ name, title, seeds }) => ({
      name,
      title,
      cells: Object.fromEntries(columns.map(({ kind, step, name }) => [
        name,
        cellOf(meanOf(
          seeds.flatMap((one) => one[kind][step] ?? []),
          seeds.flatMap((one) => one.scenes),
          seed,
        )),
      ])),
    })),
  };
}
