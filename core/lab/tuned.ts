import { basename } from "@std/path";
import { FrameLoader } from "../data/frames.ts";
import type { Artifact } from "../experiment/artifact.ts";
import { digestJson } from "../experiment/artifact_files.ts";
import type { Progress } from "../experiment/progress.ts";
import { digestFile } from "../formats/digest.ts";
import { formatNumber } from "../report/table.ts";
import type { LabelledFrames } from "../training/scene_features.ts";
import { readFrames, spaced, spacedFrames, type WindowedData } from "./data.ts";
import type { Lab } from "./lab.ts";
import type { NetworkFiles } from "./networks.ts";
import {
  SHIPPED_FEATURES,
  type TunedFeatures,
  tuneFeatures,
} from "./tune_features.ts";
import { SHIPPED_VAE, type TunedVae, tuneVae } from "./tune_vae.ts";

/** A network of the demo that may be fine-tuned. */
export type TunableNetwork = "vae" | "features";

/**
 * Which of the demo's networks are fine-tuned: those that no file is given for,
 * where the frames are not the embedded world's.
 */
function tunedNetworks({ params, context: { flags } }: Lab): TunableNetwork[] {
  const { data, files } = flags;
  if (data === undefined) return [];
  const isTuned = {
    vae: files.vae === undefined && params.tuneSteps > 0,
    features: files.inception === undefined && params.tuneFeatureSteps > 0,
  };
  return (["vae", "features"] as const).filter((network) => isTuned[network]);
}

/**
 * Files of weights by the names of their flags: those given, and those that are
 * fine-tuned, on all lanes at once where this is the thread that has them.
 *
 * @param lab its dataset
 * @throws {Interrupted} if it was asked to stop
 */
export async function tunedFiles(
  lab: Lab,
): Promise<NetworkFiles> {
  const { lanes, flags } = lab.context;
  const names = tunedNetworks(lab);
  if (names.length > 0 && lanes !== undefined) {
    const title = `fine-tune ${names.join(" and ")}`;
    const inputs = names.map((network) => ({ network }));
    await lanes.each("tune", inputs, { title });
  }
  const files: { vae?: string; inception?: string } = {};
  if (names.includes("vae")) {
    files.vae = (await tunedVae(lab)).file("vae.safetensors");
  }
  if (names.includes("features")) {
    files.inception = (await tunedFeatures(lab)).file("features.safetensors");
  }
  return { ...flags.files, ...files };
}

/**
 * How the networks of the demo were fine-tuned, as far as they were.
 *
 * @param lab its dataset
 */
export async function tuningFacts(
  lab: Lab,
): Promise<{ readonly vae?: TunedVae; readonly features?: TunedFeatures }> {
  const names = tunedNetworks(lab);
  return {
    ...(names.includes("vae") ? { vae: (await tunedVae(lab)).facts } : {}),
    ...(names.includes("features")
      ? { features: (await tunedFeatures(lab)).facts }
      : {}),
  };
}

/**
 * Fine-tunes one of the demo's networks.
 *
 * @param lab its dataset
 * @param input which network
 * @throws {Interrupted} if it was asked to stop
 */
export async function tune(
  lab: Lab,
  { network }: { network: TunableNetwork },
): Promise<void> {
  await (network === "vae" ? tunedVae(lab) : tunedFeatures(lab));
}

/** Shows that frames are read before a training, and stops if asked to. */
function waiting(
  { context: { interrupt } }: Lab,
  line: Progress,
  total: number,
): () => void {
  line.update({ done: 0, total, waitsFor: "reading frames" });
  return () => interrupt.check();
}

/** Frames that the autoencoder is fine-tuned on, and measured on. */
const TUNING_FRAMES = { train: 4000, test: 100 };

/** The demo's autoencoder, fine-tuned on the training frames. */
async function tunedVae(lab: Lab): Promise<Artifact<TunedVae>> {
  const { gpu, params, context: { interrupt } } = lab;
  const data = await lab.data();
  const settings = {
    steps: params.tuneSteps,
    batch: 16,
    lr: 1e-3,
    warmup: params.tuneSteps / 20,
    seed: 0,
  };
  const spec = {
    dataset: data.digest,
    frames: [digestJson(data.train.paths, "paths"), TUNING_FRAMES],
    held: digestJson(data.test.paths, "paths"),
    weights: await digestFile(SHIPPED_VAE),
    size: params.size,
    settings,
  };
  return await lab.make(
    { by: import.meta.url, kind: "vae", spec },
    async (folder) => {
      const line = lab.context.progress("fine-tune the VAE");
      const reading = waiting(lab, line, settings.steps);
      const framesOf = (part: "train" | "test") => {
        const most = TUNING_FRAMES[part];
        const { paths } = data[part];
        return spacedFrames(data.root, paths, params.size, most, reading);
      };
      const result = await tuneVae(gpu, {
        weights: SHIPPED_VAE,
        out: folder.file("vae.safetensors"),
        checkpoint: folder.scratch("checkpoint.safetensors"),
        digest: "fine-tune-vae",
        frames: await framesOf("train"),
        held: await framesOf("test"),
        settings,
        metadata: {
          trained_by: lab.context.command.split(" ")[1] ?? "",
          title:
            `the demo's VAE, fine-tuned in ${settings.steps} steps on the training frames of ${
              basename(data.root)
            }`,
        },
        progress: ({ step, steps, ...loss }) =>
          line.update({ done: step, total: steps, ...loss }),
        check: () => interrupt.check(),
        shouldStop: () => interrupt.requested,
      });
      line.end();
      if (result === undefined) lab.stop("fine-tuning");
      lab.context.log(
        `  ${result.before.toFixed(2)} dB before, ${
          result.after.toFixed(2)
        } dB after, on ${result.held} test frames`,
      );
      return result;
    },
  );
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

/** The demo's feature network, fine-tuned on the training frames. */
async function tunedFeatures(lab: Lab): Promise<Artifact<TunedFeatures>> {
  const { gpu, params, context: { interrupt } } = lab;
  const data = await lab.data();
  const steps = params.tuneFeatureSteps;
  const settings = { steps, batch: 32, lr: 1e-3, warmup: steps / 10, seed: 0 };
  const spec = {
    dataset: data.digest,
    frames: [digestJson(data.train.paths, "paths"), TUNING_FRAMES.train],
    heldEvery: HELD_EVERY,
    weights: await digestFile(SHIPPED_FEATURES),
    settings,
  };
  return await lab.make(
    { by: import.meta.url, kind: "features", spec },
    async (folder) => {
      const line = lab.context.progress("fine-tune the features");
      const result = await tuneFeatures(gpu, {
        weights: SHIPPED_FEATURES,
        out: folder.file("features.safetensors"),
        checkpoint: folder.scratch("checkpoint.safetensors"),
        digest: "fine-tune-features",
        ...await sceneFrames(data, waiting(lab, line, steps)),
        settings,
        metadata: {
          trained_by: lab.context.command.split(" ")[1] ?? "",
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
      if (result === undefined) lab.stop("fine-tuning");
      lab.context.log(`  ${describeTuning(result)}`);
      return result;
    },
  );
}

/**
 * What a tuning of the feature network did, in a sentence.
 *
 * @param tuned as measured
 */
export function describeTuning(
  { loss, frames, scenes, told }: TunedFeatures,
): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const measure = told === undefined
    ? ""
    : `; it tells the scene of ${percent(told.share)} of ${
      formatNumber(told.held)
    } held-out frames, where chance is ${percent(1 / scenes)}`;
  return `The feature network was fine-tuned on ${
    formatNumber(frames)
  } frames of ${formatNumber(scenes)} training scenes, from a loss of ${
    loss[0].toFixed(2)
  } to ${loss[1].toFixed(2)}${measure}.`;
}
