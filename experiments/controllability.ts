/**
 * Section 5.5, Figure 9: does the predicted scene move with the steering?
 *
 * Claim under test: with equal noise, futures of latent diffusion move with the
 * commanded steering, those of direct regression do not.
 *
 * @module
 */

import * as claims from "../core/experiment/claims.ts";
import { start } from "../core/experiment/experiment.ts";
import type { Finding } from "../core/experiment/findings.ts";
import { labExperiment } from "../core/lab/experiment.ts";
import type { Lab } from "../core/lab/lab.ts";
import { joinFindings } from "../core/lab/pair_results.ts";
import { labPresets } from "../core/lab/params.ts";
import { probeNote } from "../core/lab/probe.ts";
import * as sweep from "../core/lab/sweep.ts";
import { sweepPictures } from "../core/lab/sweep_pictures.ts";
import * as run from "../core/lab/sweep_run.ts";
import * as results from "../core/lab/sweep_results.ts";
import { ACTION_USE, CONTROL, SWEEP_TABLE, SWEEP_VALUES } from "./paper.ts";

const { above, below, claim } = claims;

/**
 * Least mean rank correlation that counts as following the steering. Of five
 * values in an order by chance it has deviation 1 / sqrt(5 - 1) a scene, 0.08
 * over 40 scenes: a quarter is three of these.
 */
const FOLLOWS = 0.25;

/** Part of the commanded steering that the probe must see: half of it. */
const STRENGTH = 0.5;

/** Share of scenes that all but a few must reach; the paper has all of 18. */
const NEARLY_ALL = 0.9;

function claimsOf(
  by: Readonly<Record<string, results.SweepScores>>,
  [, guidance = 0]: readonly number[],
  seed: number,
): claims.Claim[] {
  const [direct, plain] = [by.direct!, by["diffusion-1"]!];
  const guided = by[`diffusion-${guidance}`]!;
  const gap = (of: (scores: results.SweepScores) => readonly number[]) =>
    results.pairedGap(of(guided), of(plain), plain.shift.scenes, seed);
  const shifted = "by whole-pixel shifts of the scenes that shift";
  const probed = "by what the probe sees";
  return [
    claim(
      "steers",
      `Futures of diffusion move with the steering, ${shifted}`,
      plain.shift.rho,
      above(FOLLOWS),
      CONTROL.diffusion,
    ),
    claim(
      "steers-probe",
      `The same ${probed}, of all scenes`,
      plain.probe.all,
      above(FOLLOWS),
    ),
    claim(
      "strength",
      "And by how much (not in the paper): slope of what the probe sees",
      plain.probe.slope,
      above(STRENGTH),
    ),
    claim(
      "sign",
      "Where they shift, it is to the side that is steered to: share of scenes",
      plain.shift.positive,
      above(NEARLY_ALL),
      CONTROL.positive,
    ),
    claim(
      "direct",
      `Futures of direct regression do not move with it, ${shifted}`,
      direct.shift.rho,
      below(FOLLOWS),
      CONTROL.direct,
    ),
    claim(
      "direct-probe",
      `The same ${probed}, of all scenes`,
      direct.probe.all,
      below(FOLLOWS),
    ),
    claim(
      "guidance",
      `Guidance ${guidance} makes them follow more, by whole-pixel shifts of all scenes: paired gap`,
      gap(({ shift }) => shift.perSweep),
      above(0),
      CONTROL.guided,
    ),
    claim(
      "guidance-probe",
      `The same ${probed}: paired gap of slopes`,
      gap(({ probe }) => probe.slopes),
      above(0),
    ),
  ];
}

/** What one recipe came to. */
async function findingsOf(
  lab: Lab<run.SweepParams>,
  swept: readonly results.SweepModel<sweep.SweepResponses>[],
  used: readonly results.SweepModel<sweep.ActionUse>[],
  notes: string[],
): Promise<Finding> {
  const { values, guidances, horizon, seeds: [seed = 0] } = lab.params;
  const rows = swept.map(({ seeds, ...row }) => ({
    ...row,
    scores: results.sweepScores(values, seeds, seed),
  }));
  const by = Object.fromEntries(rows.map((row) => [row.name, row.scores]));
  const shown = ["direct", `diffusion-${guidances[1]}`, "diffusion-1"]
    .map((name) => swept.find((model) => model.name === name)!.kind);
  return {
    claims: claimsOf(by, guidances, seed),
    tables: {
      sweeps: results.sweepTable(rows, SWEEP_TABLE, horizon),
      actions: results.actionUseTable(
        used,
        ACTION_USE,
        seed,
        lab.params.steerChange,
      ),
    },
    figures: {
      figure9: results.sweepFigure(rows, SWEEP_TABLE),
    },
    media: await sweepPictures(lab, shown),
    data: { responses: results.sweepFile(values, swept) },
    notes,
  };
}

/** `deno task exp:controllability`. */
export const controllability = labExperiment({
  name: "controllability",
  source: "Section 5.5, Figure 9",
  title: "Does the predicted scene move with the steering?",
  params: run.sweepParams,
  presets: {
    smoke: {
      ...labPresets.smoke,
      values: [-0.2, 0, 0.2],
      guidances: [1, 2],
      sweeps: 3,
      sweepSteps: 5,
      actionScenes: 2,
      steerChange: 0.3,
      probeSteps: 20,
    },
    demo: {
      ...labPresets.demo,
      values: [...SWEEP_VALUES],
      guidances: [1, 2, 3],
      sweeps: 40,
      sweepSteps: 20,
      actionScenes: 48,
      steerChange: 0.3,
      probeSteps: 600,
    },
    paper: {
      ...labPresets.paper,
      values: [...SWEEP_VALUES],
      guidances: [1, 2, 3], // published data
      sweeps: 40, // Section 5.5
      sweepSteps: 50,
      actionScenes: 48, // published data
      steerChange: 0.3, // published code
      probeSteps: 2200, // not in the paper
    },
  },
  stages: run.sweepStages,
  work: run.sweepWork,
  async run(context) {
    const { lab } = context;
    const { kinds, swept, users, used, probe } = await run.runSweeps(context);
    const train = await lab.part("train");
    lab.context.log(probeNote(probe));
    const findings: Record<string, Finding> = {};
    for (const { recipe } of kinds) {
      findings[recipe] ??= await findingsOf(
        lab,
        results.sweepModels(kinds, swept, recipe),
        results.sweepModels(users, used, recipe),
        [probeNote(probe), sweep.steeringNote(train, lab.params.values)],
      );
    }
    return joinFindings(findings);
  },
});

await start(controllability, import.meta);
