import { fromFileUrl } from "@std/path";
import { DemoFeatureNet } from "../encoders/demo_features.ts";
import { readState } from "../encoders/frozen.ts";
import { writeSafetensors } from "../formats/safetensors.ts";
import { readWeights } from "../formats/weights.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { parameters } from "../nn/parameters.ts";
import type { TrainingHooks } from "../training/loop.ts";
import {
  featureScale,
  type FeatureSettings,
  type LabelledFrames,
  sceneAccuracy,
  trainFeatures,
} from "../training/scene_features.ts";

/** Weights of the demo's feature network. */
export const SHIPPED_FEATURES: string = fromFileUrl(
  new URL("../../fixtures/weights/demo_features.safetensors", import.meta.url),
);

/** Frames that the scale of the features is measured on. */
const SCALE_FRAMES = 300;

/** A training of the demo's feature network. */
export interface FeatureTuning
  extends Pick<TrainingHooks, "checkpoint" | "digest" | "shouldStop"> {
  /** Weights of the trunk to go on from; random ones if absent. */
  readonly weights?: string;
  /** Where the weights go. */
  readonly out: string;
  /** Frames to train on. */
  readonly frames: LabelledFrames;
  /** Frames of the same scenes to measure on, if it is measured. */
  readonly held?: LabelledFrames;
  /** All that changes the result. */
  readonly settings: FeatureSettings;
  /** Facts for the file's header. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Told after every few steps. */
  readonly progress: TrainingHooks["progress"];
  /** Called before every batch of a measurement; what it throws ends it. */
  readonly check?: () => void;
}

/** What a training did. */
export interface TunedFeatures {
  /** Mean loss of the first and of the last few steps. */
  readonly loss: readonly [first: number, last: number];
  /** Frames that were trained on. */
  readonly frames: number;
  /** Their scenes. */
  readonly scenes: number;
  /** Share of held-out frames whose scene is told, and their number. */
  readonly told?: { readonly share: number; readonly held: number };
}

/**
 * Trains the demo's feature network and writes its trunk, with running moments
 * and the scale of its features. Heads are fresh ones, and are not kept.
 *
 * @param gpu device
 * @param tuning what is trained, on what, and where it goes
 * @returns undefined if it was asked to stop
 */
export async function tuneFeatures(
  gpu: Gpu,
  tuning: FeatureTuning,
): Promise<TunedFeatures | undefined> {
  const { frames, held, settings, out, weights, check } = tuning;
  const network = new DemoFeatureNet(frames.nScenes);
  using store = parameters(gpu, network, { seed: settings.seed });
  if (weights !== undefined) {
    using file = await readWeights(weights);
    const state = await readState(file, "stem.0.conv.weight");
    network.loadStateDict(
      { ...await network.stateDict(), ...state },
      weights,
    );
  }
  const curve = await trainFeatures(gpu, network, store, frames, settings, {
    checkpoint: tuning.checkpoint,
    digest: tuning.digest,
    progress: tuning.progress,
    ...(tuning.shouldStop ? { shouldStop: tuning.shouldStop } : {}),
  });
  if (curve === undefined) return undefined;
  const scale = await featureScale(
    gpu,
    network,
    frames.levels,
    SCALE_FRAMES,
    check,
  );
  const state = Object.entries(await network.stateDict())
    .filter(([name]) => !/^head\.|num_batches_tracked$/.test(name));
  const { scenes, nScenes } = frames;
  await writeSafetensors(out, {
    ...Object.fromEntries(state),
    feature_scale: { shape: [1], data: Float32Array.of(scale) },
  }, {
    ...tuning.metadata,
    steps: String(settings.steps),
    batch: String(settings.batch),
    seed: String(settings.seed),
    training_frames: String(scenes.length),
    training_scenes: String(nScenes),
    adapter: gpu.adapter,
  });
  return {
    loss: [curve.loss[0] ?? NaN, curve.loss.at(-1) ?? NaN],
    frames: scenes.length,
    scenes: nScenes,
    ...(held === undefined || held.scenes.length === 0 ? {} : {
      told: {
        share: await sceneAccuracy(gpu, network, held, check),
        held: held.scenes.length,
      },
    }),
  };
}
