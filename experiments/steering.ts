/**
 * Beyond the paper: does the predicted future follow the actions?
 *
 * Claim under test: what a probe reads from a predicted future is what was
 * commanded, under the recorded actions and under others.
 *
 * @module
 */

import * as claims from "../core/experiment/claims.ts";
import { start } from "../core/experiment/experiment.ts";
import type { Finding } from "../core/experiment/findings.ts";
import { variantsOf } from "../core/lab/counterfactual.ts";
import * as pictures from "../core/lab/counterfactual_pictures.ts";
import * as results from "../core/lab/counterfactual_results.ts";
import * as tables from "../core/lab/counterfactual_tables.ts";
import * as run from "../core/lab/counterfactual_run.ts";
import { labExperiment } from "../core/lab/experiment.ts";
import type { Lab } from "../core/lab/lab.ts";
import { joinFindings } from "../core/lab/pair_results.ts";
import { labPresets } from "../core/lab/params.ts";

const { above, below, claim } = claims;
const { PARTS } = results;

/** Least correlation of a probe that reads: nearly two thirds of the variance. */
const READS = 0.8;
/** Part of a commanded change that must be seen: half of it. */
const STRENGTH = 0.5;

/** Models that are judged, with their names in a sentence. */
const MODELS = [["raw", "diffusion"], ["direct", "direct regression"]] as const;

/** Differences that are judged; of one recipe, all at once. */
const GAPS = [
  ...["direct", "raw", "guided", "mlp"].map((name) => [name, "copy"] as const),
  ["guided", "raw"] as const,
  ["raw", "direct"] as const,
];

function claimsOf(
  kinds: readonly run.ReadKind[],
  gaps: readonly results.CounterfactualGap[],
): claims.Claim[] {
  const of = (name: string) => kinds.find((kind) => kind.name === name)?.scores;
  const ceiling = of("driven") ?? of("recorded")!;
  const gap = (...names: string[]) =>
    gaps.find(({ of }) => of.join() === names.join())!;
  const parts = ["steer", "accel"] as const;
  return [
    ...parts.map((part) =>
      claim(
        `probe-${part}`,
        `The probe reads ${
          PARTS[part].title
        } from real futures; where it does not, nothing is known of it: correlation`,
        (ceiling.response ?? ceiling.logged)[part].correlation,
        above(READS),
      )
    ),
    ...parts.flatMap((part) =>
      MODELS.map(([name, title]) =>
        claim(
          `${name}-${part}`,
          `Futures of ${title} follow other ${
            PARTS[part].title
          } by half or more: slope`,
          of(name)!.response![part].slope,
          above(STRENGTH),
        )
      )
    ),
    ...MODELS.map(([name, title]) =>
      claim(
        `${name}-path`,
        `Under other steering, the path of ${title} ends nearer to the commanded one than that of a copy of the present: difference in m`,
        gap(name, "copy").drift,
        below(0),
      )
    ),
    claim(
      "guidance",
      "Guidance makes futures follow the steering more: gap of slopes",
      gap("guided", "raw").slope,
      above(0),
    ),
  ];
}

/** What one recipe came to. */
async function findingsOf(
  lab: Lab<run.CounterfactualParams>,
  { commands, probe }: run.CounterfactualRun,
  kinds: readonly run.ReadKind[],
): Promise<Finding> {
  const { horizon, steerFactors, accelFactors, seeds: [seed = 0] } = lab.params;
  const variants = variantsOf(lab.params);
  const gaps = results.counterfactualGaps(kinds, GAPS, seed);
  return {
    claims: claimsOf(kinds, gaps),
    tables: {
      steering: tables.counterfactualTable(
        kinds,
        "steer",
        steerFactors,
        horizon,
      ),
      acceleration: tables.counterfactualTable(
        kinds,
        "accel",
        accelFactors,
        horizon,
      ),
      differences: tables.gapTable(gaps, kinds),
    },
    figures: {
      steering: pictures.commandFigure(kinds, commands, variants, "steer"),
      acceleration: pictures.commandFigure(kinds, commands, variants, "accel"),
      paths: pictures.pathFigure(kinds, commands, variants),
    },
    media: await pictures.counterfactualPictures(lab, kinds, commands),
    data: { readings: tables.readingsFile(commands, variants, kinds) },
    notes: tables.steeringNotes(probe, commands.gain),
  };
}

/** `deno task exp:steering`. */
export const steering = labExperiment({
  name: "steering",
  source: "Beyond the paper; beside Section 5.5",
  title: "Does the predicted future follow the actions?",
  params: run.counterfactualParams,
  presets: {
    smoke: { ...labPresets.smoke, ...run.counterfactualPresets.smoke },
    demo: { ...labPresets.demo, ...run.counterfactualPresets.demo },
    paper: { ...labPresets.paper, ...run.counterfactualPresets.paper },
  },
  stages: run.counterfactualStages,
  work: run.counterfactualWork,
  async run(context) {
    const found = await run.runCounterfactuals(context);
    const findings: Record<string, Finding> = {};
    for (const [recipe, kinds] of Object.entries(found.kinds)) {
      findings[recipe] = await findingsOf(context.lab, found, kinds);
    }
    return joinFindings(findings);
  },
});

await start(steering, import.meta);
