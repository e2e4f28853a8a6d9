import { basename, join } from "@std/path";
import { FrameLoader } from "../../core/data/frames.ts";
import type { Progress } from "../../core/experiment/progress.ts";
import type { LabelledFrames } from "../../core/training/scene_features.ts";
import { readFrames, spaced, spacedFrames, type WindowedData } from "./data.ts";
import type { Context } from "./params.ts";
import {
  SHIPPED_FEATURES,
  type TunedFeatures,
  tuneFeatures,
} from "./tune_features.ts";
import { SHIPPED_VAE, type TunedVae, tuneVae } from "./tune_vae.ts";

/** Names of the stages that fine-tune the demo's networks. */
export const TUNING_STAGES = {
  vae: "fine-tune-vae",
  features: "fine-tune-features",
} as const;

/**
 * Which of the demo's networks are fine-tuned first: those that no file is given
 * for, where the frames are not the embedded world's.
 *
 * @param context of the experiment
 */
export function tunedNetworks(
  { params, flags }: Pick<Context, "params" | "flags">,
): (keyof typeof TUNING_STAGES)[] {
  const { data, files } = flags;
  if (data === undefined) return [];
  const isTuned = {
    vae: files.vae === undefined && params.tuneSteps > 0,
    features: files.inception === undefined && params.tuneFeatureSteps > 0,
  };
  return (["vae", "features"] as const).filter((network) => isTuned[network]);
}

/**
 * Files of weights by the names of their flags: those given, and those that the
 * run fine-tunes itself.
 *
 * @param context of the experiment
 */
export function weightFiles(
  context: Context,
): Readonly<Record<string, string>> {
  const tuned = tunedNetworks(context);
  const { flags, run } = context;
  return {
    ...flags.files,
    ...(tuned.includes("vae") ? { vae: run.file("vae.safetensors") } : {}),
    ...(tuned.includes("features")
      ? { inception: run.file("features.safetensors") }
      : {}),
  };
}

/** Shows that frames are read before a training, and stops if asked to. */
function waiting(
  { interrupt }: Context,
  line: Progress,
  total: number,
): () => void {
  line.update({ done: 0, total, waitsFor: "reading frames" });
  return () => interrupt.check();
}

/** Frames that the autoencoder is fine-tuned on, and measured on. */
const TUNING_FRAMES = { train: 4000, test: 100 };

/**
 * Fine-tunes the demo's autoencoder on the training frames.
 *
 * @param context of the experiment
 * @param data the dataset
 * @throws {Interrupted} if it was asked to stop
 */
export async function tuneAutoencoder(
  context: Context,
  data: WindowedData,
): Promise<TunedVae> {
  const { gpu, params, run, interrupt } = context;
  const { root } = data;
  return await run.stage(TUNING_STAGES.vae, async (folder) => {
    const line = context.progress("fine-tune the VAE");
    const reading = waiting(context, line, params.tuneSteps);
    const framesOf = (part: "train" | "test") => {
      const most = TUNING_FRAMES[part];
      const { paths } = data[part];
      return spacedFrames(root, paths, params.size, most, reading);
    };
    const result = await tuneVae(gpu, {
      weights: SHIPPED_VAE,
      out: run.file("vae.safetensors"),
      checkpoint: join(folder, "checkpoint.safetensors"),
      digest: TUNING_STAGES.vae,
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
      progress: ({ step, steps, ...loss }) =>
        line.update({ done: step, total: steps, ...loss }),
      check: () => interrupt.check(),
      shouldStop: () => interrupt.requested,
    });
    line.end();
    if (result === undefined) {
      interrupt.check();
      throw new Error("Stopped while fine-tuning");
    }
    context.log(
      `  ${result.before.toFixed(2)} dB before, ${
        result.after.toFixed(2)
      } dB after, on ${result.held} test frames`,
    );
    await Deno.remove(join(folder, "checkpoint.safetensors")).catch(() => {});
    return result;
  });
}

/** Every so manieth training frame is held out from the tuning of features. */
const HELD_EVERY = 10;

/** Side of the frames that the demo's feature network takes, in pixels. */
const FEATURE_SIZE = 64;

/** Training frames with their scenes, and those that are held out. */
async function sceneFrames(
  { root, train }: WindowedData,
  reading: () => void,
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
      reading,
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
 * Fine-tunes the demo's feature network on the training frames.
 *
 * @param context of the experiment
 * @param data the dataset
 * @throws {Interrupted} if it was asked to stop
 */
export async function tuneFeatureNetwork(
  context: Context,
  data: WindowedData,
): Promise<TunedFeatures> {
  const { gpu, params, run, interrupt } = context;
  const steps = params.tuneFeatureSteps;
  return await run.stage(TUNING_STAGES.features, async (folder) => {
    const line = context.progress("fine-tune the features");
    const checkpoint = join(folder, "checkpoint.safetensors");
    const result = await tuneFeatures(gpu, {
      weights: SHIPPED_FEATURES,
      out: run.file("features.safetensors"),
      checkpoint,
      digest: TUNING_STAGES.features,
      ...await sceneFrames(data, waiting(context, line, steps)),
      settings: { steps, batch: 32, lr: 1e-3, warmup: steps / 10, seed: 0 },
      metadata: {
        trained_by: "exp:frontier",
        title:
          `the demo's feature network (192 features), fine-tuned in ${steps} steps on the training frames of ${
            basename(data.root)
          }`,
      },
      progress: ({ step, steps, ...loss }) =>
        line.update({ done: step, total: steps, ...loss }),
      check: () => interrupt.check(),
      shouldStop: () => interrupt.requested,
    });
    line.end();
    if (result === undefined) {
      interrupt.check();
      throw new Error("Stopped while fine-tuning");
    }
    await Deno.remove(checkpoint).catch(() => {});
    return result;
  });
}
