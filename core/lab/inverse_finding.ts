/**
 * Scores, tables, figures and pictures of inverse control.
 *
 * @module
 */

import type { Quantity } from "../experiment/claims.ts";
import type {
  DataFile,
  Finding,
  FindingTable,
} from "../experiment/findings.ts";
import { type Bar, barPlot } from "../report/plot.ts";
import { formatNumber, tableToCsv } from "../report/table.ts";
import { midpoints } from "./inverse.ts";
import { inversePictures } from "./inverse_pictures.ts";
import type { Agreement } from "./inverse_results.ts";
import {
  type InverseFound,
  type InverseParams,
  joinTold,
} from "./inverse_run.ts";
import {
  agreementOf,
  type InverseScores,
  recordedAgreement,
  type ScoredRow,
} from "./inverse_scores.ts";
import type { Lab } from "./lab.ts";
import { probeNote } from "./probe.ts";
import { steeringNote } from "./sweep.ts";
import type { SweepMeasure } from "./sweep_results.ts";
import type { PublishedColumn } from "./tables.ts";

/** Measures by which steering is told. */
const MEASURES: readonly SweepMeasure[] = ["shift", "subpixel", "probe"];

/** A cell of a quantity, of the parts that tables show. */
function cellOf({ value, low, high, n }: Quantity) {
  return {
    value,
    ...(low === undefined || high === undefined ? {} : { low, high }),
    ...(n === undefined ? {} : { n }),
  };
}

/** The published probe: a row for every model. */
function probeTable(
  { rows, chance, common }: InverseScores,
  published: Readonly<Record<string, PublishedColumn>>,
): FindingTable {
  const columns = {
    error: "Error, shift, own valid scenes",
    ratio: "Over that of a guess",
    r2: "R2 of the line",
    rho: "Rank correlation",
    common: "Error, shift, common scenes",
    all: "Error, shift, all scenes",
    subpixel: "Error, sub-pixel shift",
    subpixelAll: "The same, all scenes",
    probe: "Error, probe",
    probeAll: "The same, all scenes",
  };
  return {
    title: "Steering of held-out counterfactuals, told from the last frame",
    note:
      `A line through the shifts of a grid of steerings is inverted for the steerings between them, of other noise, scene by scene. This tells what a model was told, not what was driven. Scenes where nothing responds have no line: the published number leaves them out, so that models are scored on different scenes; ${common.length} are common to direct regression and diffusion, w 1; of all scenes, those without a line count as a uniform guess, whose expected error is ${
        formatNumber(chance, 4)
      } in closed form, where the published code draws 4,000 times. Intervals: 95 % bootstrap over scenes.`,
    head: "Model",
    columns: Object.entries(columns).map(([name, title]) => ({
      ...{ name, title, decimals: 3 },
      ...published[name],
    })),
    rows: rows.map(({ name, title, scores: { shift, subpixel, probe } }) => ({
      name,
      title,
      cells: {
        error: cellOf(shift.error),
        ratio: cellOf(shift.ratio),
        r2: cellOf(shift.r2),
        rho: cellOf(shift.rho),
        common: cellOf(shift.common),
        all: cellOf(shift.all),
        subpixel: cellOf(subpixel.error),
        subpixelAll: cellOf(subpixel.all),
        probe: cellOf(probe.error),
        probeAll: cellOf(probe.all),
      },
    })),
  };
}

/** The recorded steering, told by the probe and by the published shift. */
function recordedTable(
  { told: rows }: InverseFound,
  scores: InverseScores,
  seed: number,
): FindingTable {
  const { told, constant } = scores;
  const columns = {
    correlation: "Correlation, probe",
    slope: "Slope, probe",
    error: "Error, probe",
    recorded: "Correlation with the recorded steering, probe",
    shiftCorrelation: "Correlation, shift, scenes that respond",
    shiftError: "Error, shift, scenes that respond",
  };
  const cells = ({ correlation, slope, error }: Agreement) => ({
    correlation: cellOf(correlation),
    slope: cellOf(slope),
    error: cellOf(error),
  });
  return {
    title: "Steering of the recorded actions, told from predicted futures",
    note:
      `Mean over the horizon, from the present on. The probe is trained on consecutive real latents, and told nothing of the actions; of a swapped future, correlation, slope and error are with the actions of the other window, which the future was predicted under. Shifts are inverted by the scene's own line. A probe sees the present, too: where the present alone gives the steering away, only swapped futures tell whether a model follows its actions. Always telling the mean has error ${
        formatNumber(constant.value ?? NaN, 4)
      }. Intervals: 95 % bootstrap over scenes.`,
    head: "Futures",
    columns: Object.entries(columns).map(([name, title]) => ({
      ...{ name, title, decimals: 3 },
    })),
    rows: rows.map(({ name, title, seeds }) => {
      const model = scores.rows.find((row) => row.name === name);
      const shift = model && recordedAgreement(model, "shift", seed);
      const recorded = agreementOf(joinTold(seeds), "recorded", seed);
      return {
        name,
        title,
        cells: {
          ...cells(told[name]!),
          recorded: cellOf(recorded.correlation),
          ...(shift
            ? {
              shiftCorrelation: cellOf(shift.correlation),
              shiftError: cellOf(shift.error),
            }
            : {}),
        },
      };
    }),
  };
}

/** Errors over that of a guess, a panel for each measure. */
function errorFigure(
  { rows, chance }: InverseScores,
  published: Readonly<Record<string, PublishedColumn>>,
) {
  const panels: [string, (row: ScoredRow) => Quantity, string?][] = [
    ["shift, own scenes", ({ scores }) => scores.shift.error, "error"],
    ["shift, all scenes", ({ scores }) => scores.shift.all],
    ["sub-pixel, all", ({ scores }) => scores.subpixel.all],
    ["probe, all", ({ scores }) => scores.probe.all],
  ];
  const bars = panels.flatMap(([group, pick, column = ""]) =>
    rows.flatMap((row): Bar[] => {
      const { value, low, high } = pick(row);
      const paper = published[column]?.published[row.name];
      return value === null ? [] : [{
        ...{ label: row.title, group, value },
        low: low ?? value,
        high: high ?? value,
        ...(paper === undefined ? {} : { published: paper }),
      }];
    })
  );
  const label = "Error of told steering";
  return {
    svg: barPlot(bars, { label, title: label }),
    caption: `${label}, normalized; a uniform guess has ${
      formatNumber(chance, 3)
    }. Bars are 95 % bootstrap intervals over scenes, diamonds the paper's.`,
  };
}

/** Every told steering of every scene. */
function toldFile(
  values: readonly number[],
  { rows }: InverseScores,
): DataFile {
  const targets = midpoints(values);
  const csv = tableToCsv({
    columns: [
      { key: "model", label: "Model" },
      { key: "measure", label: "Measure" },
      { key: "scene", label: "Scene" },
      { key: "what", label: "Held-out or recorded" },
      { key: "given", label: "Steering given" },
      { key: "told", label: "Steering told" },
    ],
    rows: rows.flatMap(({ name, scenes, inverted }) =>
      MEASURES.flatMap((measure) =>
        scenes.flatMap(({ scene, steer }, i) =>
          (inverted[measure][i]?.told ?? []).map((told, k) => ({
            ...{ model: name, measure, scene },
            what: k < targets.length ? "held-out" : "recorded",
            given: targets[k] ?? steer,
            told,
          }))
        )
      )
    ),
  });
  return {
    bytes: new TextEncoder().encode(csv),
    type: "csv",
    caption: "told steering of every scene that responds",
  };
}

/** The steering of every window that the probe told. */
function windowFile({ told: rows }: InverseFound): DataFile {
  const csv = tableToCsv({
    columns: [
      { key: "futures", label: "Futures" },
      { key: "scene", label: "Scene" },
      { key: "told", label: "Steering told" },
      { key: "given", label: "Steering given" },
      { key: "recorded", label: "Steering recorded" },
    ],
    rows: rows.flatMap(({ name, seeds }) =>
      seeds.flatMap(({ scenes, told, given, recorded }) =>
        scenes.map((scene, i) => ({
          ...{ futures: name, scene, told: told[i]! },
          given: given[i]!,
          recorded: recorded[i]!,
        }))
      )
    ),
  });
  return {
    bytes: new TextEncoder().encode(csv),
    type: "csv",
    caption: "steering of every window, told by the probe",
  };
}

/**
 * Lays out what was found of one recipe.
 *
 * @param lab networks and frames
 * @param found of the recipe
 * @param scores of it
 * @param published the paper's numbers by column
 */
export async function inverseFinding(
  lab: Lab<InverseParams>,
  found: InverseFound,
  scores: InverseScores,
  published: Readonly<Record<string, PublishedColumn>>,
): Promise<Omit<Finding, "claims">> {
  const { values, seeds: [seed = 0] } = lab.params;
  return {
    tables: {
      inverse: probeTable(scores, published),
      recorded: recordedTable(found, scores, seed),
    },
    figures: { errors: errorFigure(scores, published) },
    media: await inversePictures(lab, found, scores),
    data: { told: toldFile(values, scores), windows: windowFile(found) },
    notes: [
      probeNote(found.probe),
      steeringNote(await lab.part("train"), values),
    ],
  };
}
