/**
 * Storyboards from parameters to films, for experiments that show.
 *
 * @module
 */

import { z } from "zod";
import type { Gpu } from "../gpu/gpu.ts";
import { readDriveLog } from "./drive_log.ts";
import type { LabRun } from "./experiment.ts";
import { GIVEN_JUMP, jumpTraining } from "./jump.ts";
import { checkJump, type JumpLabParams, jumpShape } from "./jump_params.ts";
import type { Lab } from "./lab.ts";
import {
  modelOf,
  MODES,
  type PairFuture,
  pairFuture,
  pairsOf,
  type PairSpec,
} from "./pair.ts";
import { labParams } from "./params.ts";
import type { Work } from "./plan.ts";
import {
  chooseStories,
  drivenStory,
  filmsOf,
  type Story,
} from "./storyboard.ts";
import type { FilmedStory } from "./storyboard_pictures.ts";

/** Parameters of an experiment that shows, beside those of the lab. */
export const storyParams = labParams.safeExtend({
  ...jumpShape,
  scenes: z.array(z.string()).describe(
    "test scenes that are shown, by name; if none, some by chance",
  ),
  shown: z.int().min(1).describe("scenes that are shown by chance"),
  pick: z.int().min(0).describe("seed of that chance"),
}).superRefine(checkJump);

/** Validated parameters. */
export type StoryParams = z.infer<typeof storyParams>;

/** Flags that take files, and what looks at these before any work. */
export const GIVEN_STORY = {
  flags: {
    ...GIVEN_JUMP.flags,
    actions:
      'a driven session instead of recorded ones: JSON {"scene", "start", "actions": [[steer, accel], ...]}, from -1 to 1',
  },
  check: async (
    gpu: Gpu,
    params: StoryParams & JumpLabParams,
    files: Readonly<Record<string, string>>,
  ): Promise<string[]> => {
    const lines = await GIVEN_JUMP.check(gpu, params, files);
    if (files.actions === undefined) return lines;
    const { scene, start, actions } = await readDriveLog(files.actions);
    return [
      ...lines,
      `${actions.length} actions of ${files.actions}, in ${scene} from keyframe ${start}`,
    ];
  },
} as const;

/** Kinds of futures that are needed, those that take longest first. */
const KINDS = ["guided", "raw", "calibration", "direct", "mlp"] as const;

/** Stages of an experiment that shows. */
export const storyStages = {
  /** Trains the jump model. */
  async jump(
    lab: Lab<StoryParams>,
    { seed }: { seed: number },
  ): Promise<Record<string, never>> {
    await jumpTraining(lab, { mode: "direct", recipe: "paper", seed });
    return {};
  },
  /** Predicts futures of one kind. */
  async sample(
    lab: Lab<StoryParams>,
    { of, kind }: { of: PairSpec; kind: PairFuture },
  ): Promise<Record<string, never>> {
    using _ = await pairFuture(lab, of, kind);
    return {};
  },
} as const;

/** Stories as one recipe predicts them. */
export interface FilmedRecipe {
  /** Pair of models of the first seed. */
  readonly of: PairSpec;
  /** Each story. */
  readonly filmed: readonly FilmedStory[];
}

/**
 * Finds stories, trains what predicts them, and films them.
 *
 * @param run of the experiment, whose stages hold {@linkcode storyStages}
 * @throws {UsageError} if a scene is none of the test scenes
 */
export async function runStories(
  { params, lab, each, train }: LabRun<StoryParams, typeof storyStages>,
): Promise<FilmedRecipe[]> {
  const file = lab.context.flags.files.actions;
  const stories: Story[] = file === undefined
    ? await chooseStories(lab, params)
    : [await drivenStory(lab, await readDriveLog(file))];
  const { seeds: [seed = 0] } = params;
  const pairs = pairsOf({ ...params, seeds: [seed] });
  await train(pairs.flatMap((of) => MODES.map((mode) => modelOf(of, mode))));
  await each("jump", [{ seed }], { title: "train", label: () => "jump" });
  // A driven session has futures of its own; calibration is that of all.
  const kinds = file === undefined ? KINDS : ["calibration"] as const;
  await each(
    "sample",
    pairs.flatMap((of) => kinds.map((kind) => ({ of, kind }))),
    { label: ({ kind }) => kind },
  );
  const recipes: FilmedRecipe[] = [];
  for (const of of pairs) {
    const filmed: FilmedStory[] = [];
    for (const story of stories) {
      filmed.push({ story, films: await filmsOf(lab, of, story) });
    }
    recipes.push({ of, filmed });
  }
  return recipes;
}

/**
 * What stories compute, for a plan.
 *
 * @param params of the run
 * @param windows of each part
 */
export function storyWork(
  params: StoryParams,
  { train, test }: { readonly train: number; readonly test: number },
): Work {
  return {
    trained: "direct and diffusion",
    trainings: 2,
    sampled: 3 * test + Math.min(params.calibrationWindows, train),
    times: pairsOf({ ...params, seeds: [0] }).length,
  };
}
