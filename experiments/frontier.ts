/**
 * Section 5.3, Table 2, Figures 4 and 5: the perception-distortion frontier of
 * direct regression and latent diffusion.
 *
 * @module
 */

import type { Share } from "../core/data/latents.ts";
import {
  defineExperiment,
  type ExperimentContext,
  main,
} from "../core/experiment/experiment.ts";
import { laneCount, Lanes } from "../core/experiment/lanes.ts";
import {
  embeddedWorld,
  type EncodingFacts,
  type PreparedData,
} from "./frontier/data.ts";
import type { FrontierJobs } from "./frontier/lane.ts";
import {
  type FrontierParams,
  frontierParams,
  frontierPresets,
} from "./frontier/params.ts";
import { planFrontier } from "./frontier/plan.ts";
import {
  cosinesOverTime,
  picturedFutures,
  scoredSteps,
  type StepScores,
} from "./frontier/points.ts";
import {
  describeTuning,
  type SeedResult,
  writeReport,
} from "./frontier/report.ts";
import { FUTURES, openFutures } from "./frontier/sample.ts";
import {
  type Mode,
  type RecipeSeed,
  stageName,
  type TrainingFacts,
} from "./frontier/train.ts";
import { tunedNetworks, TUNING_STAGES } from "./frontier/tune.ts";
import type { TunedFeatures } from "./frontier/tune_features.ts";
import { Workbench } from "./frontier/workbench.ts";

type Context = ExperimentContext<FrontierParams>;

/** Models of a recipe and seed, those that take longest first. */
const MODES: readonly Mode[] = ["diffusion", "direct", "mlp"];

/** A job's input, and its name in the line of progress. */
interface Task<Job extends keyof FrontierJobs> {
  readonly input: Parameters<FrontierJobs[Job]>[1];
  readonly label: string;
}

/** The lanes of a run, asked for the experiment's jobs. */
class Team implements Disposable {
  readonly #context: Context;
  readonly #lanes: Lanes<FrontierParams>;

  constructor(context: Context) {
    const module = new URL("./frontier/lane.ts", import.meta.url);
    this.#context = context;
    this.#lanes = new Lanes(module, laneCount(context.gpu), context);
  }

  /** Does a job for every input, under one line. */
  async all<Job extends keyof FrontierJobs>(
    label: string,
    job: Job,
    tasks: readonly Task<Job>[],
  ): Promise<Awaited<ReturnType<FrontierJobs[Job]>>[]> {
    const line = this.#context.progress(label);
    const all = tasks.map((task) => ({ job, ...task }));
    const results = await this.#lanes.all(all, line);
    return results as Awaited<ReturnType<FrontierJobs[Job]>>[];
  }

  /** An equal share of a work for each lane. */
  shares(): Share[] {
    const of = this.#lanes.count;
    return Array.from({ length: of }, (_, index) => ({ index, of }));
  }

  [Symbol.dispose](): void {
    this.#lanes[Symbol.dispose]();
  }
}

/** Draws the embedded world, unless a dataset was given or it was drawn. */
async function draw(context: Context, team: Team): Promise<void> {
  const { gpu, params, flags, interrupt } = context;
  if (flags.data !== undefined) return;
  const label = "draw the embedded world";
  const shares = team.shares().map((share) => ({ input: { share }, label }));
  await team.all(label, "draw", shares);
  await embeddedWorld(gpu, flags.cache, params, {
    check: () => interrupt.check(),
  });
}

/** Fine-tunes the networks that need it; says how the features were. */
async function tune(
  context: Context,
  team: Team,
): Promise<TunedFeatures | undefined> {
  const networks = tunedNetworks(context);
  if (networks.length === 0) return undefined;
  await team.all(
    `fine-tune ${networks.join(" and ")}`,
    "tune",
    networks.map((network) => ({ input: { network }, label: network })),
  );
  const { run, log } = context;
  if (networks.includes("vae")) await run.result(TUNING_STAGES.vae);
  if (!networks.includes("features")) return undefined;
  const tuned = await run.result<TunedFeatures>(TUNING_STAGES.features);
  log(`  ${describeTuning(tuned)}`);
  return tuned;
}

/** Encodes the frames of a part, unless the cache has them. */
async function encode(
  context: Context,
  team: Team,
  part: "train" | "test",
): Promise<EncodingFacts> {
  const work = async (): Promise<EncodingFacts> => {
    const label = `encode ${part} frames`;
    const shares = team.shares()
      .map((share) => ({ input: { part, share }, label }));
    const facts = await team.all(label, "encode", shares);
    const sum = (pick: (facts: EncodingFacts) => number) =>
      facts.reduce((total, each) => total + pick(each), 0);
    return {
      encoded: sum(({ encoded }) => encoded),
      waitingSeconds: sum(({ waitingSeconds }) => waitingSeconds),
      networkSeconds: sum(({ networkSeconds }) => networkSeconds),
    };
  };
  let isNew = false;
  const facts = await context.run.stage(`encode-${part}`, async () => {
    isNew = true;
    return await work();
  });
  // The cache may have been cleared since.
  if (!isNew) await work();
  return facts;
}

async function run(context: Context): Promise<void> {
  const { params } = context;
  using team = new Team(context);
  using workbench = new Workbench(context);
  await draw(context, team);
  const tuned = await tune(context, team);
  const encoding = {
    train: await encode(context, team, "train"),
    test: await encode(context, team, "test"),
  };
  const recipes = params.recipe === "both"
    ? (["visible", "paper"] as const)
    : [params.recipe];
  const all: RecipeSeed[] = recipes.flatMap((recipe) =>
    params.seeds.map((seed) => ({ recipe, seed }))
  );
  /** A task for every recipe, seed and member of a list. */
  const tasks = <T, Input>(
    list: readonly T[],
    task: (each: T) => { readonly label: string; readonly input: Input },
  ) =>
    all.flatMap((of) =>
      list.map((each) => {
        const { label, input } = task(each);
        const whose = all.length === 1 ? "" : `${of.recipe} ${of.seed} `;
        return { label: `${whose}${label}`, input: { of, ...input } };
      })
    );
  const training = tasks(MODES, (mode) => ({ label: mode, input: { mode } }));
  await team.all("train", "train", training);
  const futures = tasks(FUTURES, (kind) => ({ label: kind, input: { kind } }));
  await team.all("sample", "sample", futures);
  const steps = tasks(
    scoredSteps(params.horizon),
    (step) => ({ label: `t+${step + 1}`, input: { step } }),
  );
  await team.all("decode and score", "score", steps);
  const prepared = await workbench.prepared();
  const results: SeedResult[] = [];
  for (const of of all) results.push(await gather(context, prepared, of));
  await writeReport(context, prepared, results, encoding, tuned);
}

/** Collects what the lanes left of one recipe and seed. */
async function gather(
  context: Context,
  prepared: PreparedData,
  of: RecipeSeed,
): Promise<SeedResult> {
  const { run, params: { horizon } } = context;
  const training: Partial<Record<Mode, TrainingFacts>> = {};
  for (const mode of MODES) {
    training[mode] = await run.result(stageName(of, `train-${mode}`));
  }
  for (const kind of FUTURES) {
    await run.result(stageName(of, `sample-${kind}`));
  }
  const steps = scoredSteps(horizon);
  const scores: Record<number, StepScores> = {};
  for (const step of steps) {
    scores[step] = await run.result(stageName(of, `score-${step + 1}`));
  }
  using futures = await openFutures(context, prepared, of);
  return {
    ...of,
    steps,
    training: training as Record<Mode, TrainingFacts>,
    scores,
    perStep: cosinesOverTime(context, prepared, futures),
    pictured: picturedFutures(prepared, futures, horizon),
  };
}

/** `deno task exp:frontier`. */
export const frontier = defineExperiment<FrontierParams>({
  name: "frontier",
  source: "Section 5.3, Table 2, Figures 4 and 5",
  title: "the perception-distortion frontier",
  params: frontierParams,
  presets: frontierPresets,
  files: {
    vae:
      "weights of Stable Diffusion's VAE (safetensors, .pth, .ckpt; names of diffusers or latent diffusion)",
    inception:
      "weights of the FID Inception-v3 (.pth, safetensors), or of train:features",
  },
  plan: planFrontier,
  run,
});

if (import.meta.main) await main(frontier, Deno.args);
