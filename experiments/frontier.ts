/**
 * Section 5.3, Table 2, Figures 4 and 5: the perception-distortion frontier of
 * direct regression and latent diffusion.
 *
 * @module
 */

import { basename, join } from "@std/path";
import { FrameLoader } from "../core/data/frames.ts";
import {
  defineExperiment,
  type ExperimentContext,
  main,
} from "../core/experiment/experiment.ts";
import type { CommonFlags } from "../core/experiment/flags.ts";
import { digestText } from "../core/experiment/run_directory.ts";
import { digestFile } from "../core/formats/digest.ts";
import type { LabelledFrames } from "../core/training/scene_features.ts";
import {
  type TokenStatistics,
  WindowTokens,
} from "../core/training/window_tokens.ts";
import type { Mode } from "../core/training/world_model.ts";
import {
  embeddedWorld,
  type EncodedPart,
  encodePart,
  type PreparedData,
  readFrames,
  readWindows,
  spaced,
  spacedFrames,
  type WindowedData,
} from "./frontier/data.ts";
import { type FrozenNetworks, loadNetworks } from "./frontier/networks.ts";
import {
  type FrontierParams,
  frontierParams,
  frontierPresets,
} from "./frontier/params.ts";
import { planFrontier } from "./frontier/plan.ts";
import { picturedFutures, scoreFutures } from "./frontier/points.ts";
import {
  describeTuning,
  type SeedResult,
  writeReport,
} from "./frontier/report.ts";
import { sampleFutures } from "./frontier/sample.ts";
import { trained } from "./frontier/train.ts";
import {
  SHIPPED_FEATURES,
  type TunedFeatures,
  tuneFeatures,
} from "./frontier/tune_features.ts";
import { SHIPPED_VAE, tuneVae } from "./frontier/tune_vae.ts";

type Context = ExperimentContext<FrontierParams>;

/** Files of weights by the names of their flags. */
type Files = Readonly<Record<string, string>>;

/** The folder of the dataset: the one given, or the embedded world. */
async function datasetFolder(context: Context): Promise<string> {
  const { params, flags, gpu, interrupt } = context;
  if (flags.data !== undefined) return flags.data;
  const line = context.progress("draw the embedded world");
  const folder = await embeddedWorld(gpu, flags.cache, params, {
    progress: (done, total) => {
      line.update({ done, total });
      interrupt.check();
    },
  });
  line.end();
  return folder;
}

/** Frames that the autoencoder is fine-tuned on, and measured on. */
const TUNING_FRAMES = { train: 4000, test: 100 };

/**
 * Weights of the autoencoder: those given, or the shipped ones, fine-tuned on
 * the training frames where the frames are not the embedded world's.
 */
async function autoencoderFiles(
  context: Context,
  data: WindowedData,
): Promise<Files> {
  const { gpu, params, flags, run, interrupt } = context;
  const { data: root, files } = flags;
  if (root === undefined || files.vae !== undefined || params.tuneSteps === 0) {
    return files;
  }
  const out = run.file("vae.safetensors");
  const framesOf = (part: "train" | "test") =>
    spacedFrames(root, data[part].paths, params.size, TUNING_FRAMES[part]);
  await run.stage("fine-tune-vae", async (folder) => {
    const line = context.progress("fine-tune the VAE");
    const result = await tuneVae(gpu, {
      weights: SHIPPED_VAE,
      out,
      checkpoint: join(folder, "checkpoint.safetensors"),
      digest: "fine-tune-vae",
      frames: await framesOf("train"),
      held: await framesOf("test"),
      settings: {
        steps: params.tuneSteps,
        batch: 16,
        lr: 1e-3,
        warmup: params.tuneSteps / 20,
        seed: 0,
      },
      metadata: {
        trained_by: "exp:frontier",
        title:
          `the demo's VAE, fine-tuned in ${params.tuneSteps} steps on the training frames of ${
            basename(root)
          }`,
      },
      progress: ({ step, loss }) =>
        line.update({ done: step, total: params.tuneSteps, loss }),
      shouldStop: () => interrupt.requested,
    });
    if (result === undefined) {
      interrupt.check();
      throw new Error("Stopped while fine-tuning");
    }
    line.end();
    context.log(
      `  ${result.before.toFixed(2)} dB before, ${
        result.after.toFixed(2)
      } dB after, on ${result.held} test frames`,
    );
    await Deno.remove(join(folder, "checkpoint.safetensors")).catch(() => {});
    return result;
  });
  return { ...files, vae: out };
}

/** Every so manieth training frame is held out from the tuning of features. */
const HELD_EVERY = 10;

/** Side of the frames that the demo's feature network takes, in pixels. */
const FEATURE_SIZE = 64;

/** Training frames with their scenes, and those that are held out. */
async function sceneFrames(
  { root, train }: WindowedData,
): Promise<{ frames: LabelledFrames; held: LabelledFrames }> {
  using loader = new FrameLoader();
  const some = spaced([...train.paths.keys()], TUNING_FRAMES.train);
  const framesOf = async (rows: number[]): Promise<LabelledFrames> => ({
    levels: await readFrames(
      loader,
      root,
      rows.map((row) => train.paths[row]!),
      FEATURE_SIZE,
      "bicubic",
    ),
    scenes: rows.map((row) => train.frameScenes[row]!),
    nScenes: Math.max(...train.frameScenes) + 1,
  });
  const isHeld = (i: number) => i % HELD_EVERY === HELD_EVERY - 1;
  return {
    frames: await framesOf(some.filter((_, i) => !isHeld(i))),
    held: await framesOf(some.filter((_, i) => isHeld(i))),
  };
}

/**
 * Weights of the feature network: those given, or the shipped ones, fine-tuned
 * on the training frames where the frames are not the embedded world's.
 */
async function featureFiles(
  context: Context,
  data: WindowedData,
  files: Files,
): Promise<{ files: Files; tuned?: TunedFeatures }> {
  const { gpu, params, flags, run, interrupt } = context;
  const { data: root } = flags;
  const steps = params.tuneFeatureSteps;
  if (root === undefined || files.inception !== undefined || steps === 0) {
    return { files };
  }
  const out = run.file("features.safetensors");
  const tuned = await run.stage("fine-tune-features", async (folder) => {
    const line = context.progress("fine-tune the features");
    const checkpoint = join(folder, "checkpoint.safetensors");
    const result = await tuneFeatures(gpu, {
      weights: SHIPPED_FEATURES,
      out,
      checkpoint,
      digest: "fine-tune-features",
      ...await sceneFrames(data),
      settings: { steps, batch: 32, lr: 2e-3, warmup: steps / 10, seed: 0 },
      metadata: {
        trained_by: "exp:frontier",
        title:
          `the demo's feature network (192 features), fine-tuned in ${steps} steps on the training frames of ${
            basename(root)
          }`,
      },
      progress: ({ step, loss }) =>
        line.update({ done: step, total: steps, loss }),
      shouldStop: () => interrupt.requested,
    });
    if (result === undefined) {
      interrupt.check();
      throw new Error("Stopped while fine-tuning");
    }
    line.end();
    await Deno.remove(checkpoint).catch(() => {});
    return result;
  });
  context.log(`  ${describeTuning(tuned)}`);
  return { files: { ...files, inception: out }, tuned };
}

/** Encodes the frames of a part, or opens what was encoded before. */
async function encode(
  context: Context,
  data: WindowedData,
  networks: FrozenNetworks,
  part: "train" | "test",
): Promise<EncodedPart> {
  const { params, flags, run, interrupt } = context;
  const digest = await digestText(
    `${data.digest} ${networks.vaeDigest} ${params.size}`,
  );
  const rows = data[part].paths.length;
  const folder = join(
    flags.cache,
    "latents",
    `${digest.slice(0, 12)}-${part}-${rows}`,
  );
  const work = async () => {
    const line = context.progress(`encode ${part} frames`);
    const frames = await encodePart(
      data,
      data[part],
      networks,
      params.size,
      folder,
      (done, total) => line.update({ done, total }),
      () => interrupt.requested,
    );
    line.end();
    if (frames === undefined) {
      interrupt.check();
      throw new Error("Stopped while encoding");
    }
    return frames;
  };
  let frames: EncodedPart | undefined;
  const facts = await run.stage(`encode-${part}`, async () => {
    frames = await work();
    return frames.facts;
  });
  return { ...frames ?? await work(), facts };
}

/** Windows of a part, whose tokens are normalized by those of training. */
function tokensOf(
  params: FrontierParams,
  frames: EncodedPart,
  statistics: TokenStatistics | readonly number[],
): WindowTokens {
  return new WindowTokens(frames, {
    patch: params.patch,
    horizon: params.horizon,
    frequencies: params.frequencies,
    plainActions: params.learnedFrequencies,
    actionOffset: params.actionOffset,
    statistics,
  });
}

async function run(context: Context): Promise<void> {
  const { gpu, params, flags } = context;
  const folder = await datasetFolder(context);
  const data = await readWindows(folder, join(flags.cache, "index"), params);
  const { files, tuned } = await featureFiles(
    context,
    data,
    await autoencoderFiles(context, data),
  );
  using networks = await loadNetworks(gpu, params.size, files);
  const recipes = params.recipe === "both"
    ? (["visible", "paper"] as const)
    : [params.recipe];
  const trainFrames = await encode(context, data, networks, "train");
  using _train = trainFrames.latents;
  const testFrames = await encode(context, data, networks, "test");
  using _test = testFrames.latents;
  const tokens = tokensOf(params, trainFrames, data.train.rows);
  const prepared: PreparedData = {
    data,
    networks,
    train: { frames: trainFrames, tokens },
    test: {
      frames: testFrames,
      tokens: tokensOf(params, testFrames, tokens.statistics),
    },
  };
  const results: SeedResult[] = [];
  for (const recipe of recipes) {
    for (const seed of params.seeds) {
      results.push(await runSeed(context, recipe, seed, prepared));
    }
  }
  await writeReport(context, prepared, results, tuned);
}

/** Trains, samples and scores one recipe with one seed. */
async function runSeed(
  context: Context,
  recipe: "visible" | "paper",
  seed: number,
  prepared: PreparedData,
): Promise<SeedResult> {
  const { horizon } = context.params;
  const name = (what: string) => `${recipe}-seed${seed}-${what}`;
  const model = (mode: Mode) =>
    trained(context, prepared.train.tokens, prepared.data.train.rows, {
      mode,
      seed,
      anchorVisible: recipe === "visible",
      name: name(`train-${mode}`),
    });
  using direct = await model("direct");
  using diffusion = await model("diffusion");
  using mlp = await model("mlp");
  using futures = await sampleFutures(
    context,
    prepared,
    { direct: direct.model, diffusion: diffusion.model, mlp: mlp.model },
    seed,
    name,
  );
  const steps = [Math.floor(horizon / 2) - 1, horizon - 1];
  const scores = await context.run.stage(
    name("score"),
    () => scoreFutures(context, prepared, futures, steps, seed),
  );
  const facts = {
    direct: direct.facts,
    diffusion: diffusion.facts,
    mlp: mlp.facts,
  };
  return {
    recipe,
    seed,
    steps,
    training: facts,
    ...scores,
    pictured: picturedFutures(prepared, futures, horizon),
  };
}

async function inputs(
  params: FrontierParams,
  flags: CommonFlags,
): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for (const [name, path] of Object.entries(flags.files)) {
    digests[name] = await digestFile(path);
  }
  digests.data = flags.data === undefined
    ? "embedded world"
    : (await readWindows(flags.data, join(flags.cache, "index"), params))
      .digest;
  return digests;
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
  inputs,
  run,
});

if (import.meta.main) await main(frontier, Deno.args);
