/**
 * What recipes came to: tables, figures, pictures, files.
 *
 * @module
 */

import type { Quantity } from "../experiment/claims.ts";
import type {
  DataFile,
  Finding,
  FindingTable,
} from "../experiment/findings.ts";
import { mean } from "../metrics/statistics.ts";
import { formatNumber } from "../report/table.ts";
import {
  columnFiles,
  type Figure,
  frontierFigure,
  lossFigure,
} from "./figures.ts";
import type { Futures } from "./futures.ts";
import type { Lab } from "./lab.ts";
import type { PartName } from "./latents.ts";
import { type Score, SCORE_COLUMNS } from "./metrics.ts";
import { modelCost } from "./model_plan.ts";
import { training } from "./models.ts";
import { futurePictures } from "./pictures.ts";
import { averageOf, pointsOf, type RecipeRun } from "./recipe_run.ts";
import { armColumns, armFutures, type RecipeParams } from "./recipes.ts";
import { averagePoint } from "./tables.ts";

/** What the parts are called in a sentence. */
export const PART_TITLES: Readonly<Record<PartName, string>> = {
  test: "test windows, on which the recipe was chosen",
  fresh: "fresh scenes, on which nothing was chosen",
  train: "training windows",
  whole: "all windows of the test scenes",
  consecutive: "windows of two test scenes that overlap",
};

/** Columns of the table, in order, beside calibrated KID and the slope. */
const SHOWN = ["fid", "kidPairs", "fidPairs", "cosSim", "ssim", "sharpness"];
const RELATIVE = ["energy", "lowMotion"];

/** A number with its interval, for a cell. */
function cellOf({ value, low, high, n }: Quantity | Score) {
  return {
    value,
    ...(low === undefined || high === undefined ? {} : { low, high }),
    ...(n === undefined ? {} : { n }),
  };
}

/**
 * Lays out the scores of all arms on a part.
 *
 * @param run what was found
 * @param part of the dataset
 * @param horizon frames ahead that are scored
 */
export function armTable(
  run: RecipeRun,
  part: PartName,
  horizon: number,
): FindingTable {
  const columnOf = (name: string) => {
    const { title, decimals, direction } = SCORE_COLUMNS
      .find((column) => column.name === name)!;
    return { name, title, decimals, ...(direction ? { direction } : {}) };
  };
  const scenes = new Set(run.steering.frame!.scenes).size;
  return {
    title: `Recipes at t+${horizon} (${horizon / 2} s), ${PART_TITLES[part]}`,
    head: "Recipe",
    note:
      `Means over seeds with the mean ends of their 95 % bootstrap intervals over scenes. Energy and low-frequency motion are fractions of those of decoded real latents: 1 is best. Slope: steering that an inverse-dynamics probe sees for one of commanded steering, of ${scenes} swept test scenes; 1 is as commanded. Calibrated: by channel statistics of training windows.`,
    columns: [
      columnOf("kid"),
      {
        name: "kidCalibrated",
        title: "KID, calibrated",
        decimals: 3,
        direction: "lower" as const,
      },
      ...[...SHOWN, ...RELATIVE].map(columnOf),
      { name: "slope", title: "Slope of steering", decimals: 3 },
    ],
    rows: run.arms.map(({ name, title }) => {
      const seeds = run.scores[part]![name]!;
      const point = averageOf(run, part, name);
      const calibrated = seeds.map((one) => one.calibrated)
        .filter((one) => one !== undefined);
      const slope = run.steering[name]?.slope;
      const own = ["kid", ...SHOWN, ...RELATIVE].map((metric) =>
        [metric, cellOf(point[metric]!)] as const
      );
      return {
        name,
        title,
        cells: {
          ...Object.fromEntries(own),
          ...(calibrated.length === 0
            ? {}
            : { kidCalibrated: cellOf(averagePoint(calibrated).kid!) }),
          ...(slope === undefined ? {} : { slope: cellOf(slope) }),
        },
      };
    }),
  };
}

/**
 * Lays out what the recipes cost.
 *
 * @param lab parameters and trainings
 * @param run what was found
 */
export async function costTable(
  lab: Lab<RecipeParams>,
  run: RecipeRun,
): Promise<FindingTable> {
  const { shape } = await lab.part("train");
  const { seeds: [seed = 0] } = lab.params;
  const [part] = run.parts as [PartName];
  const rows: FindingTable["rows"][number][] = [];
  for (const { name, title, model, guidance, ddimSteps } of run.arms) {
    if (model === undefined) continue;
    const spec = { ...model, seed };
    const params = { ...lab.params, ...model.changes };
    const cost = modelCost(params, shape, spec);
    const { facts, record } = await training(lab, spec);
    const passes = cost.passes * ddimSteps * (guidance === 1 ? 1 : 2);
    const seconds = run.scores[part]![name]!.flatMap(({ seconds }) =>
      seconds ?? []
    );
    rows.push({
      name,
      title,
      cells: {
        parameters: facts.parameters,
        samples: cost.samples,
        forward: cost.forward / 1e6,
        training: cost.training / 1e12,
        trainingSeconds: record.seconds,
        sampling: passes * cost.forward / 1e6,
        samplingSeconds: mean(seconds),
      },
    });
  }
  const n = run.scores[part]!.frame![0]!.future.kid!.n;
  return {
    title: "Costs",
    head: "Recipe",
    note:
      `Operations are counted from shapes: two for each product of linear layers, convolutions and attention; a training step is three forward passes. A sample is a window of ${lab.params.horizon} frames, or a pair of frames where these are predicted one by one. Seconds are those of this machine, with all that ran beside; sampling is of ${n} windows.`,
    columns: [
      { name: "parameters", title: "Trained values", decimals: 0 },
      { name: "samples", title: "Samples seen", decimals: 0 },
      { name: "forward", title: "Forward pass", unit: "MFLOP", decimals: 2 },
      { name: "training", title: "Training", unit: "TFLOP", decimals: 4 },
      { name: "trainingSeconds", title: "Training", unit: "s", decimals: 0 },
      {
        name: "sampling",
        title: "Sampling a window",
        unit: "MFLOP",
        decimals: 0,
      },
      { name: "samplingSeconds", title: "Sampling", unit: "s", decimals: 1 },
    ],
    rows,
  };
}

/**
 * Lays out scores of every part, fresh scenes first, and costs.
 *
 * @param lab parameters and trainings
 * @param run what was found
 */
export async function recipeTables(
  lab: Lab<RecipeParams>,
  run: RecipeRun,
): Promise<NonNullable<Finding["tables"]>> {
  const { horizon } = lab.params;
  const arms = run.parts.toReversed()
    .map((part) => [`arms-${part}`, armTable(run, part, horizon)] as const);
  return { ...Object.fromEntries(arms), costs: await costTable(lab, run) };
}

/**
 * Draws recipes and the dial: one network by its sampling steps.
 *
 * @param run what was found
 */
export function recipeFigures(run: RecipeRun): Record<string, Figure> {
  const test = pointsOf(run, "test");
  const baselines = ["copy", "ceiling"];
  const names = ["published", "velocity", "visible", "direct", "frame-direct"];
  const beside = Object.fromEntries(
    [...names, "copy"].map((name) => [name, test[name]!]),
  );
  const last = run.parts.at(-1)!;
  const { ceiling: _, ...shown } = pointsOf(run, last);
  return {
    dial: frontierFigure(
      { ...run.dial, ...beside },
      baselines,
      "The perception-distortion dial: one network, frame by frame, by its sampling steps, beside other recipes, on test windows; bars are 95 % bootstrap intervals over scenes.",
    ),
    recipes: frontierFigure(
      shown,
      baselines,
      `Recipes at equal training cost, on ${
        PART_TITLES[last]
      }; bars are 95 % bootstrap intervals over scenes.`,
    ),
    losses: lossFigure(
      run.facts,
      "Training losses of the first seed; those of other targets are not comparable.",
    ),
  };
}

/** Arms whose futures are shown, in the order of rows. */
const PICTURED = [
  "published",
  "visible",
  "frame",
  "frame-quick",
  "direct",
  "frame-direct",
];

/**
 * Shows futures of the recipes beside what happened.
 *
 * @param lab networks and frames
 * @param run what was found
 */
export async function recipePictures(
  lab: Lab<RecipeParams>,
  { arms, parts }: RecipeRun,
): Promise<NonNullable<Finding["media"]>> {
  const part = parts.at(-1)!;
  const { seeds: [seed = 0] } = lab.params;
  using opened = new DisposableStack();
  const shown: Record<string, Futures> = {};
  for (const name of PICTURED) {
    const arm = arms.find((arm) => arm.name === name)!;
    shown[arm.title] = opened.use(await armFutures(lab, { arm, seed, part }));
  }
  return await futurePictures(lab, shown, part);
}

/**
 * Every metric of every window, of the first seed.
 *
 * @param lab parameters
 * @param run what was found
 */
export async function recipeFiles(
  lab: Lab<RecipeParams>,
  { arms, parts }: RecipeRun,
): Promise<Record<string, DataFile>> {
  const { seeds: [seed = 0] } = lab.params;
  const files: Record<string, DataFile> = {};
  for (const part of parts) {
    for (const arm of arms) {
      Object.assign(
        files,
        await columnFiles(
          await armColumns(lab, { arm, seed, part }),
          `windows-${part}-${arm.name}`,
          `${arm.title}, ${PART_TITLES[part]}, seed ${seed}`,
        ),
      );
    }
  }
  return files;
}

/**
 * Says in a sentence what a copy of the present, which predicts nothing, is
 * better at than the best prediction.
 *
 * @param run what was found
 */
export function copyNote(run: RecipeRun): string {
  const { copy, ceiling: _, ...predicted } = pointsOf(run, run.parts.at(-1)!);
  const lines = ["kid", "fidPairs", "cosSim", "ssim"].map((name) => {
    const { title, decimals, direction } = SCORE_COLUMNS
      .find((column) => column.name === name)!;
    const all = Object.values(predicted).map((point) => point[name]!.value);
    const best = direction === "lower" ? Math.min(...all) : Math.max(...all);
    const own = copy![name]!.value;
    const [mine, theirs] = [own, best].map((x) => formatNumber(x, decimals));
    return `${title} ${mine} against ${theirs}`;
  });
  return `A copy of the present, which predicts nothing, beside the best of all predictions: ${
    lines.join(", ")
  }. KID sees texture, which a copy has; it does not see whether the frame is the right one.`;
}
