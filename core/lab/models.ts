import type { Artifact } from "../experiment/artifact.ts";
import { digestJson } from "../experiment/artifact_files.ts";
import {
  readSafetensors,
  toFloat32,
  writeSafetensors,
} from "../formats/safetensors.ts";
import {
  createWorldModel,
  type WorldModel,
  type WorldModelOptions,
} from "../models/world_model.ts";
import type { StateDict, StateEntry } from "../nn/module.ts";
import type { LossCurve } from "../training/loop.ts";
import {
  type TrainingSettings,
  trainWorldModel,
} from "../training/world_model.ts";
import type { WindowTokens } from "../training/window_tokens.ts";
import type { Lab } from "./lab.ts";
import type { LabParams } from "./params.ts";

/** Parameters that decide trained weights, beside the windows. */
export type TrainParams = Pick<
  LabParams,
  | "dim"
  | "blocks"
  | "heads"
  | "hidden"
  | "frequencies"
  | "learnedFrequencies"
  | "objective"
  | "samples"
  | "mlpSamples"
  | "batch"
  | "lrDirect"
  | "lrDiffusion"
  | "lrMlp"
  | "warmup"
  | "lrEnd"
  | "ema"
  | "emaWarmup"
  | "clip"
  | "actionDropout"
>;

/** How a world model is used and trained. */
export type Mode = "direct" | "diffusion" | "mlp";

/** What decides trained weights, beside the parameters of the run. */
export interface ModelSpec {
  /** Direct regression, diffusion, or the MLP baseline. */
  readonly mode: Mode;
  /** Whether the network sees the present token by token, or as published. */
  readonly recipe: "visible" | "paper";
  /** Seed of weights, order and noise. */
  readonly seed: number;
  /** Parameters that are not those of the run. */
  readonly changes?: Partial<TrainParams>;
  /** Whose weights it begins with; random ones if absent. */
  readonly from?: ModelSpec;
}

/** What is known of a training. */
export interface TrainingFacts {
  /** Its losses. */
  readonly curve: LossCurve;
  /** Trained values. */
  readonly parameters: number;
}

/** Which weights of a training: averaged over steps, or those of the last one. */
export type WeightsKind = "average" | "last";

/** A model on the device. */
export interface TrainedModel extends Disposable {
  /** The model. */
  readonly model: WorldModel;
  /** How it was trained. */
  readonly facts: TrainingFacts;
  /** Digest of its weights as an artifact. */
  readonly digest: string;
}

/** Settings of one model's training. */
function settingsOf(
  params: TrainParams,
  { mode, seed }: ModelSpec,
): TrainingSettings {
  const isMlp = mode === "mlp";
  const lr = {
    direct: params.lrDirect,
    diffusion: params.lrDiffusion,
    mlp: params.lrMlp,
  };
  return {
    samples: isMlp ? params.mlpSamples : params.samples,
    batch: params.batch,
    lr: lr[mode],
    warmup: params.warmup,
    lrEnd: params.lrEnd,
    ema: isMlp ? 0 : params.ema,
    emaWarmup: params.emaWarmup,
    clip: isMlp ? 0 : params.clip,
    actionDropout: mode === "diffusion" ? params.actionDropout : 0,
    seed,
  };
}

/** Sizes of a frame's tokens. */
export type TokenSizes = Pick<
  WindowTokens,
  "horizon" | "tokensPerFrame" | "patchDim"
>;

/**
 * Sizes and objective of a model.
 *
 * @param params of the training
 * @param sizes of the tokens
 * @param spec which model
 */
export function modelOptions(
  params: TrainParams,
  { horizon, tokensPerFrame, patchDim }: TokenSizes,
  { mode, recipe, seed }: ModelSpec,
): WorldModelOptions {
  return {
    network: mode === "mlp" ? "mlp" : "dit",
    objective: mode === "diffusion" ? params.objective : "direct",
    horizon,
    tokens: tokensPerFrame,
    patchDim,
    dim: params.dim,
    blocks: params.blocks,
    heads: params.heads,
    anchorVisible: recipe === "visible",
    frequencies: params.frequencies,
    learnedFrequencies: params.learnedFrequencies,
    hidden: params.hidden,
    seed,
  };
}

/** File of some weights of a model. */
function fileOf(weights: WeightsKind): string {
  return `${weights}.safetensors`;
}

/**
 * Finds the trained weights of a model, or trains it: whatever experiment asks
 * first.
 *
 * @param lab windows and parameters
 * @param spec which model
 * @throws {Interrupted} if it was asked to stop
 */
export async function training(
  lab: Lab,
  spec: ModelSpec,
): Promise<Artifact<TrainingFacts>> {
  const { gpu, context: { interrupt } } = lab;
  const params = { ...lab.params, ...spec.changes };
  const { from } = spec;
  const origin = from === undefined ? undefined : await training(lab, from);
  const [part, data] = [await lab.part("train"), await lab.tokens("train")];
  const rows = part.windows.map(({ row }) => row);
  const options = modelOptions(params, data, spec);
  const settings = settingsOf(params, spec);
  const { patch, actionOffset } = lab.params;
  return await lab.make<TrainingFacts>({
    kind: "model",
    spec: {
      options,
      settings,
      patch,
      actionOffset,
      windows: digestJson(rows, "rows"),
    },
    from: [part.digest, ...(origin === undefined ? [] : [origin.digest])],
  }, async (folder) => {
    using model = createWorldModel(gpu, options);
    const first = origin && await readState(origin.file(fileOf("average")));
    const line = lab.context.progress(`train ${spec.mode}`);
    const weights = await trainWorldModel(
      gpu,
      { model, data, rows, settings, ...(first ? { from: first } : {}) },
      {
        checkpoint: folder.scratch("checkpoint.safetensors"),
        digest: digestJson(spec, "model"),
        progress: ({ step, steps, ...loss }) =>
          line.update({ done: step, total: steps, ...loss }),
        shouldStop: () => interrupt.requested,
      },
    );
    line.end();
    if (weights === undefined) lab.stop("training");
    const { curve, last, average = last } = weights;
    const { mean, std } = data.statistics;
    await writeSafetensors(folder.file("tokens.safetensors"), {
      mean: { shape: [mean.length], data: mean },
      std: { shape: [std.length], data: std },
    });
    await writeSafetensors(folder.file(fileOf("last")), last);
    await writeSafetensors(folder.file(fileOf("average")), average);
    return { curve, parameters: model.parameterCount };
  });
}

async function readState(path: string): Promise<StateDict> {
  using file = await readSafetensors(path);
  const state: Record<string, StateEntry> = {};
  for (const name of file.names) {
    const value = await file.read(name);
    state[name] = { shape: value.shape, data: toFloat32(value) };
  }
  return state;
}

/**
 * Puts a trained model on the device; trains it, unless any experiment did.
 *
 * @param lab windows and parameters
 * @param spec which model
 * @param weights averaged over the steps, or those of the last one; equal where
 *   none are averaged
 * @throws {Interrupted} if it was asked to stop
 */
export async function trainedModel(
  lab: Lab,
  spec: ModelSpec,
  weights: WeightsKind = "average",
): Promise<TrainedModel> {
  const made = await training(lab, spec);
  const params = { ...lab.params, ...spec.changes };
  const model = createWorldModel(
    lab.gpu,
    modelOptions(params, await lab.tokens("train"), spec),
  );
  const path = made.file(fileOf(weights));
  model.loadStateDict(await readState(path), path);
  const { facts, digest } = made;
  return {
    model,
    facts,
    digest,
    [Symbol.dispose]: () => model[Symbol.dispose](),
  };
}
