/**
 * Section 5.3, Table 2, Figures 4 and 5: the perception-distortion frontier of
 * direct regression and latent diffusion.
 *
 * @module
 */

import { join } from "@std/path";
import {
  defineExperiment,
  type ExperimentContext,
  main,
} from "../core/experiment/experiment.ts";
import type { CommonFlags } from "../core/experiment/flags.ts";
import { digestText } from "../core/experiment/run_directory.ts";
import { digestFile } from "../core/formats/digest.ts";
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
  readWindows,
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
import { type SeedResult, writeReport } from "./frontier/report.ts";
import { sampleFutures } from "./frontier/sample.ts";
import { trained } from "./frontier/train.ts";
import { tunedFiles } from "./frontier/tune.ts";

type Context = ExperimentContext<FrontierParams>;

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
  const { files, tuned } = await tunedFiles(context, data);
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
