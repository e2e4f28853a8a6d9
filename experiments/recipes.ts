/**
 * Recipes at equal training cost (not in the paper): as published, and one frame
 * at a time, with convolutions around the transformer and a v head.
 *
 * Claim under test: predicted frame by frame, futures are closer both to real
 * frames and to what happened than those of the published recipe, and follow
 * the steering more, for as many operations in training.
 *
 * @module
 */

import * as claims from "../core/experiment/claims.ts";
import { start } from "../core/experiment/experiment.ts";
import { labExperiment } from "../core/lab/experiment.ts";
import type { Lab } from "../core/lab/lab.ts";
import { labPresets } from "../core/lab/params.ts";
import { probeNote } from "../core/lab/probe.ts";
import * as results from "../core/lab/recipe_results.ts";
import * as recipe from "../core/lab/recipe_run.ts";
import * as arms from "../core/lab/recipes.ts";
import { SWEEP_VALUES } from "./paper.ts";

const { above, below, between, claim, named } = claims;

/** Recipes that frame by frame is compared with. */
const RIVALS = { published: "as published", visible: "with a visible present" };

/** What it is compared by. */
const MEASURES = {
  kid: "KID",
  cosSim: "CosSim",
  energy: "distance of the energy from that of real latents",
};

/** Level of the intervals of these comparisons and of steering: Bonferroni. */
const LEVEL = 1 -
  0.05 / (Object.keys(RIVALS).length * (Object.keys(MEASURES).length + 1));

/** What the larger presets share; only the sweep is in the paper. */
const OWN = {
  quickSteps: 4,
  dialSteps: [1, 2, 4, 8, 20, 50],
  values: [...SWEEP_VALUES],
  sweeps: 40, // Section 5.5
};

/** Differences of CosSim that seeds alone make are a quarter of it. */
const EQUAL_COSSIM = 0.02;

async function claimsOf(
  lab: Lab<arms.RecipeParams>,
  run: recipe.RecipeRun,
): Promise<claims.Claim[]> {
  const part = run.parts.at(-1)!;
  const gaps = await recipe.armGaps(lab, run, part);
  const { copy, frame } = recipe.pointsOf(run, part);
  const better = (
    id: string,
    text: string,
    ...pair: Parameters<typeof gaps.of>
  ) => claim(id, `${text}: paired gain`, gaps.of(...pair), above(0));
  const rivals = Object.entries(RIVALS).flatMap(([rival, title]) => [
    ...Object.entries(MEASURES).map(([metric, name]) => {
      const text = `Frame by frame is better than ${title} by ${name}`;
      return better(`${metric}-${rival}`, text, rival, "frame", metric, LEVEL);
    }),
    claim(
      `steering-${rival}`,
      `It follows the steering more than ${title}, by the probe's slope: paired gain`,
      recipe.slopeGap(run, rival, "frame", LEVEL),
      above(0),
    ),
  ]);
  const [once, one] = ["direct", "frame-direct"] as const;
  return [
    ...rivals,
    better(
      "direct-kid",
      "Frame by frame, direct regression is better than at once by KID",
      once,
      one,
      "kid",
    ),
    claim(
      "direct-cossim",
      "Of equal CosSim: paired difference of direct regression",
      gaps.of(once, one, "cosSim"),
      between(-EQUAL_COSSIM, EQUAL_COSSIM),
    ),
    ...Object.entries({ cosSim: "CosSim", ssim: "SSIM" }).map((
      [metric, name],
    ) =>
      better(
        `quick-${metric.toLowerCase()}`,
        `In few steps it is better than a copy of the present by ${name}`,
        ...(["copy", "frame-quick", metric] as const),
      )
    ),
    better("copy-kid", "A copy is better by KID", "frame", "copy", "kid"),
    claim(
      "copy-fid-pairs",
      "And by FID of pairs of present and future",
      { ...copy!.fidPairs!, decimals: 1 },
      below(named("frame by frame", frame!.fidPairs!)),
    ),
  ];
}

/** `deno task exp:recipes`. */
export const recipes = labExperiment({
  name: "recipes",
  source: "Not in the paper; beside Sections 4.2, 5.3 and 5.5",
  title: "Recipes at equal training cost",
  params: arms.recipeParams,
  presets: {
    smoke: {
      ...labPresets.smoke,
      freshScenes: 3,
      ...{ quickSteps: 2, dialSteps: [1, 4], probeSteps: 10 },
      ...{ values: [-0.2, 0, 0.2], sweeps: 2, sweepSteps: 2 },
    },
    demo: {
      ...labPresets.demo,
      ...OWN,
      seeds: [0, 1, 2],
      freshScenes: 150,
      sweepSteps: 20,
      probeSteps: 600,
    },
    paper: { ...labPresets.paper, ...OWN, sweepSteps: 50, probeSteps: 2200 },
  },
  stages: arms.recipeStages,
  work: arms.recipeWork,
  async run(context) {
    const { lab } = context;
    const run = await recipe.runRecipes(context);
    return {
      claims: await claimsOf(lab, run),
      tables: await results.recipeTables(lab, run),
      figures: results.recipeFigures(run),
      media: await results.recipePictures(lab, run),
      data: await results.recipeFiles(lab, run),
      notes: [results.copyNote(run), probeNote(run.probe)],
    };
  },
});

await start(recipes, import.meta);
