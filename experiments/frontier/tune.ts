import { basename, join } from "@std/path";
import { FrameLoader } from "../../core/data/frames.ts";
import type { ExperimentContext } from "../../core/experiment/experiment.ts";
import type { LabelledFrames } from "../../core/training/scene_features.ts";
import { readFrames, spaced, spacedFrames, type WindowedData } from "./data.ts";
import type { FrontierParams } from "./params.ts";
import { describeTuning } from "./report.ts";
import {
  SHIPPED_FEATURES,
  type TunedFeatures,
  tuneFeatures,
} from "./tune_features.ts";
import { SHIPPED_VAE, tuneVae } from "./tune_vae.ts";

type Context = ExperimentContext<FrontierParams>;

/** Files of weights by the names of their flags. */
type Files = Readonly<Record<string, string>>;

/** Weights of the frozen networks, and what was done to them. */
export interface TunedFiles {
  /** Files by the names of their flags; absent ones are the shipped ones. */
  readonly files: Files;
  /** How the feature network was fine-tuned, if it was. */
  readonly tuned?: TunedFeatures;
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

/** One of so many training frames is held out from the tuning of features. */
const HELD_EVERY = 10;

/** Side of the frames that the demo's feature network takes, in pixels. */
const FEATURE_SIZE = 64;

/** Training frames with their scenes, and those that are held out. */
async function sceneFrames(
  { root, train }: WindowedData,
): Promise<{ frames: LabelledFrames; held?: LabelledFrames }> {
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
  const frames = await framesOf(some.filter((_, i) => !isHeld(i)));
  const held = some.filter((_, i) => isHeld(i));
  return held.length === 0
    ? { frames }
    : { frames, held: await framesOf(held) };
}

/**
 * Weights of the feature network: those given, or the shipped ones, fine-tuned
 * on the training frames where the frames are not the embedded world's.
 */
async function featureFiles(
  context: Context,
  data: WindowedData,
  files: Files,
): Promise<TunedFiles> {
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

/**
 * Fine-tunes those of the demo's networks that score a recorded dataset and
 * for which no weights are given, each in a stage of its own.
 *
 * @param context of the experiment
 * @param data the dataset; its test frames are only measured on
 * @throws {Interrupted} if it was asked to stop
 */
export async function tunedFiles(
  context: Context,
  data: WindowedData,
): Promise<TunedFiles> {
  return await featureFiles(
    context,
    data,
    await autoencoderFiles(context, data),
  );
}
