import type { CommonFlags } from "../experiment/flags.ts";
import type { Facts } from "../experiment/findings.ts";
import { formatNumber } from "../report/table.ts";
import type { Lab } from "./lab.ts";
import type { EncodingFacts } from "./latents.ts";
import { TRAINED_FRAMES } from "./columns.ts";
import type { FrozenNetworks } from "./networks.ts";
import type { LabParams } from "./params.ts";
import type { StackCheck } from "./scores.ts";
import { describeTuning, tuningFacts } from "./tuned.ts";
import type { TunedFeatures } from "./tune_features.ts";
import { digestFile } from "../formats/digest.ts";

/** What to know of the feature network, unless it is the one that fits. */
function featureNote(flags: CommonFlags, tuned?: TunedFeatures): string[] {
  if (tuned !== undefined) return [describeTuning(tuned)];
  return flags.data !== undefined && flags.files.inception === undefined
    ? [
      "The feature network was trained on the embedded world and not on this dataset: read the ceiling first.",
    ]
    : [];
}

/** What the models were called that a file was given for. */
const GIVEN_TITLES = {
  direct: "The direct model",
  diffusion: "The diffusion model",
  mlp: "The MLP baseline",
};

/** Says which models were given, instead of trained. */
async function givenNotes(
  { params, context: { flags: { files } } }: Lab,
): Promise<string[]> {
  const notes: string[] = [];
  for (const [mode, title] of Object.entries(GIVEN_TITLES)) {
    const path = files[mode];
    if (path === undefined) continue;
    const isAverage = mode !== "mlp" && params.givenWeights === "average";
    const digest = (await digestFile(path)).slice(0, 12);
    notes.push(
      `${title} was given, not trained here: ${path} (SHA-256 ${digest}...), ${
        isAverage ? "averaged weights" : "weights after the last step"
      }, tokens normalized by its own mean and deviation.`,
    );
  }
  return notes;
}

/** What the perceptual distance is, as far as there is one. */
function perceptualNote({ perceptual }: FrozenNetworks): string {
  return perceptual === undefined
    ? "No perceptual distance was measured: LPIPS needs --lpips FILE."
    : `Perceptual distance, of decoded predictions to decoded real latents, is ${perceptual.title}.`;
}

/**
 * Says what an encoding did.
 *
 * @param facts as measured
 */
export function encodingNote(facts: EncodingFacts): string {
  const { frames, waitingSeconds, networkSeconds } = facts;
  return `${formatNumber(frames)} frames: ${
    networkSeconds.toFixed(1)
  } s in the network, ${waitingSeconds.toFixed(1)} s waiting for frames`;
}

/**
 * Says what an experiment worked on: dataset, split, networks and how they were
 * tuned, what scores are of.
 *
 * @param lab of the experiment
 */
export async function labNotes(
  lab: Lab,
): Promise<{ dataset: NonNullable<Facts["dataset"]>; notes: string[] }> {
  const { flags } = lab.context;
  const data = await lab.data();
  const networks = await lab.networks();
  const tuned = await tuningFacts(lab);
  const { quality, sceneCounts, scenes } = data;
  const dropped = Object.entries(quality.droppedKeyframes)
    .map(([reason, count]) => `${count} (${reason})`).join(", ") || "none";
  const count = data.test.windows.length;
  return {
    dataset: {
      folder: flags.data ?? "embedded world",
      digest: data.digest,
      scenes,
      trainingWindows: data.train.windows.length,
      testWindows: count,
      keyframes: quality.totalKeyframes,
      keptKeyframes: quality.retainedSamples,
      vae: networks.vaeDigest,
      features: networks.featureDigest,
    },
    notes: [
      ...await givenNotes(lab),
      `Frames were encoded and decoded by ${networks.vaeName}; FID and KID see ${networks.featureName}.`,
      ...(tuned.vae === undefined ? [] : [
        `The VAE was fine-tuned: ${tuned.vae.before.toFixed(2)} dB before, ${
          tuned.vae.after.toFixed(2)
        } dB after, on ${tuned.vae.held} test frames.`,
      ]),
      ...featureNote(flags, tuned.features),
      perceptualNote(networks),
      `Scores are of ${formatNumber(count)} windows of ${
        formatNumber(sceneCounts.test)
      } test scenes, models of ${
        formatNumber(sceneCounts.train)
      } training scenes. KID against camera frames unless said otherwise. CosSim of change compares predicted minus present with real minus present; distance to training is that of latents to the nearest of ${
        formatNumber(TRAINED_FRAMES)
      } or fewer training frames, in units of a latent.`,
      `Dataset: ${scenes}. ${quality.retainedSamples} of ${quality.totalKeyframes} keyframes kept; dropped: ${dropped}.`,
    ],
  };
}

/**
 * Says what the metrics say of camera frames against camera frames.
 *
 * @param check as measured
 * @param step of the horizon, from 0
 */
export function checkNote(
  { n, kid, fid, sameFid }: StackCheck,
  step: number,
): string {
  return `Metric check at t+${
    step + 1
  }: camera frames of half of the test scenes against those of the others (${
    n.join(" and ")
  }) have KID ${kid.toFixed(3)} and FID ${
    fid.toFixed(1)
  }; all against themselves, FID ${sameFid.toExponential(0)}.`;
}

/**
 * Says what diversity is of.
 *
 * @param params of the run
 * @param published distance of real futures that the paper has
 */
export function diversityNote(
  { diversitySamples, diversityWindows }: LabParams,
  published: number,
): string {
  return `Diversity is the distance of the latents of two samples of a window, averaged over ${diversitySamples} samples of each of at most ${diversityWindows} windows; direct regression and the baselines have one future. The paper's is of latents of 4,096 values, where real futures of windows that look alike are ${
    published.toFixed(1)
  } apart.`;
}
