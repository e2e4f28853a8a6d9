/**
 * Figures 1, 7, 8 and 10: what predicted futures look like, beside the camera.
 *
 * It tests no claim: scenes are named or drawn by chance, every step is shown,
 * and nothing is chosen by how it looks.
 *
 * @module
 */

import { start } from "../core/experiment/experiment.ts";
import type { Finding } from "../core/experiment/findings.ts";
import { labExperiment } from "../core/lab/experiment.ts";
import { jumpPresets } from "../core/lab/jump_params.ts";
import { RECIPE_TITLES } from "../core/lab/pair.ts";
import { joinFindings } from "../core/lab/pair_results.ts";
import { labPresets } from "../core/lab/params.ts";
import { storyPictures } from "../core/lab/storyboard_pictures.ts";
import * as run from "../core/lab/storyboard_run.ts";

/** Named scenes, or some by chance. */
const CHANCE = { scenes: [], pick: 0 };

/** What one recipe came to. */
function findingOf({ of, filmed }: run.FilmedRecipe, size: number): Finding {
  const names = filmed.map(({ story }) => story.window.scene).join(", ");
  const isDriven = filmed.some(({ story }) => story.isDriven);
  return {
    lead: `Recipe ${of.recipe} (${
      RECIPE_TITLES[of.recipe]
    }): ${names}. Under Files is a page to flip between predictions.`,
    claims: [],
    ...storyPictures(filmed, `What the futures look like: ${names}`, size),
    notes: [
      isDriven
        ? "The actions are those of a driven session. Beyond the horizon each model goes on from the last frame that it predicted itself; the camera shows the drive that was recorded, under other actions."
        : "The actions are the recorded ones.",
      "Pictures do not test a claim: exp:frontier, exp:jump and exp:steering measure what is seen here.",
    ],
  };
}

/** `deno task exp:qualitative`. */
export const qualitative = labExperiment({
  name: "qualitative",
  source: "Figures 1, 7, 8 and 10",
  title: "What do the predicted futures look like?",
  params: run.storyParams,
  presets: {
    smoke: {
      ...labPresets.smoke,
      ...jumpPresets.smoke,
      ...CHANCE,
      shown: 2,
    },
    demo: { ...labPresets.demo, ...jumpPresets.demo, ...CHANCE, shown: 4 },
    paper: { ...labPresets.paper, ...jumpPresets.paper, ...CHANCE, shown: 4 },
  },
  given: run.GIVEN_STORY,
  stages: run.storyStages,
  work: run.storyWork,
  async run(context) {
    const recipes = await run.runStories(context);
    return joinFindings(Object.fromEntries(
      recipes.map((one) => [
        one.of.recipe,
        findingOf(one, context.params.size),
      ]),
    ));
  },
});

await start(qualitative, import.meta);
