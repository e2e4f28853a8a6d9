/**
 * Over-fitting: what a training came to on its own windows and on others, at
 * several of its steps.
 *
 * @module
 */

import { calibrate } from "../diffusion/calibration.ts";
import { digestJson } from "../experiment/artifact_files.ts";
import { WorldModel } from "../models/world_model.ts";
import { noGrad } from "../tensor/autograd.ts";
import { columns, scoresOf } from "./columns.ts";
import { type LabWindow, spaced } from "./data.ts";
import type { PointNumbers } from "./failure_modes.ts";
import { type Futures, futures, windowNoise } from "./futures.ts";
import type { Lab } from "./lab.ts";
import type { PartName } from "./latents.ts";
import { type Score, WINDOW_METRICS } from "./metrics.ts";
import {
  type KeptWeights,
  type ModelSpec,
  modelTokens,
  trainedModel,
} from "./models.ts";
import { calibrationAt } from "./channel_calibration.ts";
import { firstWindows } from "./sweep.ts";

/** Draws of noise level and noise that the loss of a window is averaged over. */
const LOSS_DRAWS = 8;

/** Seed of these: one that no training has, equal for all weights and parts. */
const FIT_SEED = 2 ** 40;

/** Which weights of which training are measured, and on what. */
export interface FitSpec {
  /** The training. */
  readonly model: ModelSpec;
  /** Its weights. */
  readonly weights: KeptWeights;
  /** Windows of each part: the first of evenly spaced scenes. */
  readonly windows: number;
  /** Sampling steps of diffusion. */
  readonly ddimSteps: number;
}

/** What weights came to on one part. */
export interface PartFit extends PointNumbers {
  /** KID at the last step against the camera. */
  readonly kid: Score;
}

/** What weights came to on both parts. */
export type Fit = Readonly<Record<"train" | "test", PartFit>>;

/** Parts that are compared. */
const PARTS = ["train", "test"] as const;

/**
 * Windows that both parts have alike: test windows begin scenes, which may be
 * easier or harder than what comes later.
 */
function fittedWindows(
  { windows }: { readonly windows: readonly LabWindow[] },
  { windows: most }: FitSpec,
): LabWindow[] {
  return spaced(firstWindows(windows, windows.length), most);
}

/** Training loss of each of some windows, with all actions shown. */
async function losses(
  lab: Lab,
  { model, weights }: FitSpec,
  part: PartName,
  rows: readonly number[],
): Promise<number[]> {
  const { gpu } = lab;
  const tokens = await modelTokens(lab, model, part);
  using trained = await trainedModel(lab, model, weights);
  const { model: network } = trained;
  if (!(network instanceof WorldModel)) {
    throw new TypeError(
      `Cannot measure the loss on windows of a model that predicts frame by frame; choose --recipe visible or paper`,
    );
  }
  const draws = model.mode === "diffusion" ? LOSS_DRAWS : 1;
  const values: number[] = [];
  for (const [i, row] of rows.entries()) {
    lab.context.interrupt.check();
    using _ = gpu.scope();
    const samples = Array.from({ length: draws }, (_, k) => i * draws + k);
    const batch = tokens.batch(gpu, samples.map(() => row));
    const loss = noGrad(() => network.loss(batch, { seed: FIT_SEED, samples }));
    values.push(...await loss.reshape([1]).read());
  }
  return values;
}

/**
 * Measures weights on windows of training and on test windows: the training loss
 * and the CosSim of the last step of each window, and KID. Samples of diffusion
 * are calibrated, by those of the training windows, for both parts.
 *
 * @param lab windows, networks, parameters
 * @param spec which weights
 * @throws {Interrupted} if it was asked to stop
 */
export async function fitOf(lab: Lab, spec: FitSpec): Promise<Fit> {
  const { model, weights, ddimSteps } = spec;
  const step = lab.params.horizon - 1;
  const [, height, width] = (await lab.networks()).latentShape;
  const made: Partial<Record<typeof PARTS[number], Futures>> = {};
  const shown: Record<string, PartFit> = {};
  try {
    for (const name of PARTS) {
      const part = await lab.part(name);
      const windows = fittedWindows(part, spec);
      const draws = windows.map((window) => ({
        window,
        noise: windowNoise("fit", model.seed, window),
      }));
      made[name] = await futures(lab, {
        ...{ model, weights, part: name, draws, ddimSteps },
      });
    }
    const own = fittedWindows(await lab.part("train"), spec);
    const statistics = await calibrationAt(lab, made.train!, own, step);
    const isSampled = model.mode === "diffusion";
    for (const name of PARTS) {
      const part = await lab.part(name);
      const some = fittedWindows(part, spec);
      const measured = await columns(lab, {
        part: name,
        windows: some,
        step,
        points: {
          made: {
            about: isSampled ? digestJson(statistics, "statistics") : "direct",
            latents: (list) => {
              const values = made[name]!.at(list, step);
              const { deployed, target } = statistics;
              return isSampled
                ? calibrate(values, deployed, target, height * width)
                : values;
            },
          },
        },
        from: [made[name]!.digest],
        metrics: WINDOW_METRICS.filter(({ name }) => name === "cosSim"),
      });
      const { points } = await scoresOf(lab, measured, model.seed);
      const rows = some.map(({ row }) => row);
      shown[name] = {
        scenes: some.map(({ scene }) => scene),
        numbers: {
          cosSim: Array.from(measured.measured.made!.numbers.cosSim!),
          loss: await losses(lab, spec, name, rows),
        },
        kid: points.made!.kid!,
      };
    }
  } finally {
    for (const one of Object.values(made)) one[Symbol.dispose]();
  }
  return shown as Fit;
}
