import {
  STAND_IN_CLIPS,
  STAND_IN_FRAMES,
  StandIn,
} from "../../encoders/stand_in.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { AdamW, Ema } from "../../nn/optimizer.ts";
import { parameters, type ParameterStore } from "../../nn/parameters.ts";
import { key } from "../../tensor/philox.ts";
import { type LossCurve, runTraining, type TrainingHooks } from "../loop.ts";
import { Contrastive } from "./contrastive.ts";
import { Distilled } from "./distilled.ts";
import type { SceneFrames } from "./frames.ts";
import type { Objective } from "./objective.ts";
import { Predictive } from "./predictive.ts";
import { Reconstruction } from "./reconstruction.ts";
import { Supervised } from "./supervised.ts";

/** The families of the paper's encoders. */
export const STAND_IN_FAMILIES = [
  "supervised",
  "distilled",
  "contrastive",
  "predictive",
  "reconstruction",
] as const;

/** A family of encoders: what they are trained for. */
export type StandInFamily = typeof STAND_IN_FAMILIES[number];

/** Settings of a training, all of which change its result. */
export interface StandInSettings {
  /** Optimizer steps. */
  readonly steps: number;
  /** Frames or clips of a step. */
  readonly batch: number;
  /** Peak learning rate of AdamW. */
  readonly lr: number;
  /** Steps until the peak. */
  readonly warmup: number;
  /** Seed of weights and draws. */
  readonly seed: number;
}

/**
 * Makes an untrained stand-in.
 *
 * @param family what it is trained for
 */
export function standIn(family: StandInFamily): StandIn {
  return new StandIn(
    `small_${family}`,
    family === "predictive" ? STAND_IN_CLIPS : STAND_IN_FRAMES,
  );
}

/**
 * Makes what a stand-in is trained for.
 *
 * @param family which
 * @param encoder that will be trained
 */
export function objectiveOf(
  family: StandInFamily,
  encoder: StandIn,
): Objective {
  switch (family) {
    case "supervised":
      return new Supervised(encoder.width);
    case "contrastive":
      return new Contrastive(encoder.width);
    case "distilled":
      return new Distilled(encoder);
    case "predictive":
      return new Predictive(encoder);
    case "reconstruction":
      return new Reconstruction(encoder);
  }
}

/** Lets the teacher's weights be the averages. */
function placeTeacher(
  { teacher }: Objective,
  store: ParameterStore,
  { average }: Ema,
): void {
  if (teacher === undefined) return;
  const places = new Map(
    store.slots.map(({ name, parameter }) => [name, parameter.offset]),
  );
  for (const [group, module] of Object.entries(teacher)) {
    for (const [name, parameter] of module.namedParameters()) {
      parameter.requiresGrad = false;
      parameter.moveTo(average.storage, places.get(`${group}.${name}`)!);
    }
  }
}

/** A trained stand-in on the device. */
export interface TrainedStandIn extends Disposable {
  /** The encoder, with the averages of its weights. */
  readonly encoder: StandIn;
  /** Its losses. */
  readonly curve: LossCurve;
}

/**
 * Trains a stand-in; its weights are then the averages over the last steps.
 *
 * @param gpu device
 * @param family what it is trained for
 * @param frames of training scenes; of clips, at the clips' rate
 * @param settings all that changes the result
 * @param hooks checkpoint and progress
 * @returns undefined if it was asked to stop
 * @throws {RangeError} if a scene has fewer frames than a clip
 * @throws {Error} if the loss is no longer finite, or the checkpoint belongs
 *   to other settings
 */
export async function trainStandIn(
  gpu: Gpu,
  family: StandInFamily,
  frames: SceneFrames,
  settings: StandInSettings,
  hooks: TrainingHooks,
): Promise<TrainedStandIn | undefined> {
  const { steps, batch, lr, warmup, seed } = settings;
  const keep = Math.min(0.996, Math.max(0, 1 - 10 / steps));
  const encoder = standIn(family);
  if (frames.perScene < encoder.config.frames) {
    throw new RangeError(
      `Cannot train ${encoder.name} on scenes of ${frames.perScene} frames: clips need ${encoder.config.frames}`,
    );
  }
  const objective = objectiveOf(family, encoder);
  const modules = { encoder, heads: objective.heads };
  const store = parameters(gpu, modules, { seed });
  const ema = new Ema(store, 0.99);
  placeTeacher(objective, store, ema);
  const curve = await runTraining(gpu, {
    store,
    optimizer: new AdamW(store, { lr, weightDecay: 0.02 }),
    ema,
    steps,
    rate: (step) =>
      lr * Math.min(1, (step + 1) / Math.max(1, warmup)) *
      (0.02 + 0.98 * 0.5 * (1 + Math.cos(Math.PI * step / steps))),
    // Over the last tenth of the steps; at first over those there are.
    decay: (step) => Math.min(keep, 1 - 1 / (step + 10)),
    clip: 0,
    loss: (step) =>
      objective.loss(encoder, {
        gpu,
        frames,
        streams: Array.from(
          { length: batch },
          (_, i) => key(`stand-in ${family}`, seed, step * batch + i),
        ),
      }),
  }, { stepsAtOnce: 5, ...hooks });
  if (curve === undefined) {
    store[Symbol.dispose]();
    return undefined;
  }
  gpu.recorder.copyRange(ema.average, store.values);
  return { encoder, curve, [Symbol.dispose]: () => store[Symbol.dispose]() };
}
