import { fromFileUrl } from "@std/path";
import { AutoencoderKL, DEMO_VAE } from "../encoders/autoencoder_kl.ts";
import { readState } from "../encoders/frozen.ts";
import { writeSafetensors } from "../formats/safetensors.ts";
import { readWeights } from "../formats/weights.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { parameters } from "../nn/parameters.ts";
import {
  type AutoencoderSettings,
  type FrameSet,
  measureAutoencoder,
  trainAutoencoder,
} from "../training/autoencoder.ts";
import type { TrainingHooks } from "../training/loop.ts";

/** Weights of the demo's autoencoder. */
export const SHIPPED_VAE: string = fromFileUrl(
  new URL("../../fixtures/weights/demo_vae.safetensors", import.meta.url),
);

/** A training of the demo's autoencoder. */
export interface VaeTuning
  extends Pick<TrainingHooks, "checkpoint" | "digest" | "shouldStop"> {
  /** Weights to go on from; random ones if absent. */
  readonly weights?: string;
  /** Where the weights go. */
  readonly out: string;
  /** Frames to train on. */
  readonly frames: FrameSet;
  /** Frames to measure on. */
  readonly held: FrameSet;
  /** All that changes the result. */
  readonly settings: AutoencoderSettings;
  /** Facts for the file's header. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Told after every few steps. */
  readonly progress: TrainingHooks["progress"];
  /** Called before every batch of a measurement; what it throws ends it. */
  readonly check?: () => void;
}

/** What a training did. */
export interface TunedVae {
  /** PSNR on the held-out frames before, in decibels. */
  readonly before: number;
  /** PSNR on the held-out frames after, in decibels. */
  readonly after: number;
  /** Number of held-out frames. */
  readonly held: number;
}

/**
 * Trains the demo's autoencoder and writes its weights, with the scaling factor
 * and the PSNR in the header.
 *
 * @param gpu device
 * @param tuning what is trained, on what, and where it goes
 * @returns undefined if it was asked to stop
 */
export async function tuneVae(
  gpu: Gpu,
  tuning: VaeTuning,
): Promise<TunedVae | undefined> {
  const { frames, held, settings, out, check } = tuning;
  const vae = new AutoencoderKL(DEMO_VAE);
  if (tuning.weights !== undefined) {
    using file = await readWeights(tuning.weights);
    const state = await readState(file, "decoder.conv_in.weight");
    vae.loadStateDict(state, tuning.weights);
  }
  using store = parameters(gpu, vae, { seed: settings.seed });
  const before = await measureAutoencoder(gpu, vae, held, check);
  const curve = await trainAutoencoder(gpu, vae, store, frames, settings, {
    checkpoint: tuning.checkpoint,
    digest: tuning.digest,
    progress: tuning.progress,
    ...(tuning.shouldStop ? { shouldStop: tuning.shouldStop } : {}),
  });
  if (curve === undefined) return undefined;
  const after = await measureAutoencoder(gpu, vae, held, check);
  const { latentSpread } = await measureAutoencoder(gpu, vae, {
    size: frames.size,
    levels: frames.levels.subarray(0, 200 * frames.size ** 2 * 3),
  }, check);
  const own = frames.size ** 2 * 3;
  await writeSafetensors(out, await vae.stateDict(), {
    ...tuning.metadata,
    steps: String(settings.steps),
    batch: String(settings.batch),
    seed: String(settings.seed),
    training_frames: String(frames.levels.length / own),
    psnr_before: before.psnr.toFixed(2),
    psnr_test: after.psnr.toFixed(2),
    scaling_factor: (1 / latentSpread).toFixed(4),
    adapter: gpu.adapter,
  });
  const count = held.levels.length / own;
  return { before: before.psnr, after: after.psnr, held: count };
}
