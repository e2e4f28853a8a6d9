import type { Artifact } from "../experiment/artifact.ts";
import { digestJson } from "../experiment/artifact_files.ts";
import { digestFile } from "../formats/digest.ts";
import {
  readSafetensors,
  toFloat32,
  writeSafetensors,
} from "../formats/safetensors.ts";
import type { FutureModel } from "../models/future_model.ts";
import type { StateDict, StateEntry } from "../nn/module.ts";
import type { LossCurve } from "../training/loop.ts";
import { WindowTokens } from "../training/window_tokens.ts";
import type { TrainingSettings } from "../training/world_model.ts";
import { type GivenFacts, givenObjective, openGiven } from "./given.ts";
import type { Lab } from "./lab.ts";
import type { PartName } from "./latents.ts";
import { isFrameByFrame, planTraining } from "./model_plan.ts";
import type { LabParams } from "./params.ts";
import { type Snapshot, snapshotsOf } from "./snapshots.ts";
import { readStatistics, writeStatistics } from "./token_statistics.ts";

/** Parameters that decide trained weights, beside the windows. */
export type TrainParams =
  & Pick<TrainingSettings, "presentNoise">
  & Pick<
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
    | "frameDim"
    | "frameChannels"
    | "frameBatch"
    | "lrFrame"
  >;

/** How a world model is used and trained. */
export type Mode = "direct" | "diffusion" | "mlp";

/** How the network is built: see {@linkcode ModelSpec.recipe}. */
export type RecipeName = "visible" | "paper" | "frame";

/** What decides trained weights, beside the parameters of the run. */
export interface ModelSpec {
  /** Direct regression, diffusion, or the MLP baseline. */
  readonly mode: Mode;
  /**
   * Whether the network sees the present token by token, or as published, or
   * predicts frame by frame.
   */
  readonly recipe: RecipeName;
  /** Seed of weights, order and noise. */
  readonly seed: number;
  /** Parameters that are not those of the run. */
  readonly changes?: Partial<TrainParams>;
  /** Whose weights it begins with; random ones if absent. */
  readonly from?: ModelSpec;
  /** Weight of the loss of changes from frame to frame; none if absent. */
  readonly motionWeight?: number;
}

/** What is known of a training. */
export interface TrainingFacts {
  /** Its losses. */
  readonly curve: LossCurve;
  /** Trained values. */
  readonly parameters: number;
  /** The file that it is of, where it was not trained here. */
  readonly given?: GivenFacts;
}

/** Which weights of a training: averaged over steps, or those of the last one. */
export type WeightsKind = "average" | "last";

/** Weights that a training leaves: of its end, or averages on the way. */
export type KeptWeights = WeightsKind | Snapshot;

/** A model on the device. */
export interface TrainedModel extends Disposable {
  /** The model. */
  readonly model: FutureModel;
  /** How it was trained. */
  readonly facts: TrainingFacts;
  /** Digest of its weights as an artifact. */
  readonly digest: string;
}

/**
 * The file that a model is of, if one is given: for models with the parameters
 * of the run that begin with no other one.
 */
function givenFile(
  lab: Lab,
  { mode, recipe, changes = {}, from, motionWeight }: ModelSpec,
): string | undefined {
  const isOwn = from === undefined && motionWeight === undefined &&
    Object.keys(changes).length === 0 && !isFrameByFrame({ mode, recipe });
  return isOwn ? lab.context.flags.files[mode] : undefined;
}

/**
 * Which weights of a model are meant: those asked for, or those that the run
 * takes of given files; a baseline has the last ones only.
 *
 * @param lab parameters and files
 * @param spec which model
 * @param asked for
 */
export function weightsOf(
  lab: Lab,
  spec: ModelSpec,
  asked?: KeptWeights,
): KeptWeights {
  if (givenFile(lab, spec) === undefined) return asked ?? "average";

  return spec.mode === "mlp" ? "last" : asked ?? lab.params.givenWeights;
}

/**
 * The tokens of a part as a model knows them: a given one has a normalization
 * and frequencies of its own, and so has what begins with it.
 *
 * @param lab windows and parameters
 * @param spec which model
 * @param name of the part
 * @throws {Interrupted} if it was asked to stop
 */
export async function modelTokens(
  lab: Lab,
  spec: ModelSpec,
  name: PartName,
): Promise<WindowTokens> {
  if (spec.from !== undefined) return await modelTokens(lab, spec.from, name);
  if (givenFile(lab, spec) === undefined) return await lab.tokens(name);
  const made = await training(lab, spec);
  const { frequencies, plainActions } = made.facts.given!;
  const { patch, horizon, actionOffset } = lab.params;
  return new WindowTokens(await lab.part(name), {
    ...{ patch, horizon, actionOffset, frequencies, plainActions },
    statistics: await readStatistics(made.file(TOKENS)),
  });
}

/** File of a model's normalization. */
const TOKENS = "tokens.safetensors";

/** Weights that files of published models may hold. */
function ofFile(mode: Mode, weights: KeptWeights): WeightsKind {
  if (weights === "average" || weights === "last") return weights;
  throw new TypeError(
    `Cannot take the weights of a part of the training ("${weights}") of a given ${mode} model: it needs one that is trained here`,
  );
}

/** Takes a model from a file: the bytes of the file decide the artifact. */
async function takeGiven(
  lab: Lab,
  spec: ModelSpec,
  path: string,
): Promise<Artifact<TrainingFacts>> {
  const { gpu, params } = lab;
  const { mode } = spec;
  const given = await digestFile(path);
  const objective = givenObjective(params, mode);
  const { heads } = params;
  return await lab.make<TrainingFacts>({
    by: import.meta.url,
    kind: "model",
    spec: { given, objective, heads },
  }, async (folder) => {
    const weights = ofFile(mode, weightsOf(lab, spec));
    using read = await openGiven(gpu, params, mode, path, weights);
    await writeStatistics(folder.file(TOKENS), read.statistics);
    return {
      curve: { step: [], loss: [] },
      parameters: read.model.parameterCount,
      given: {
        digest: given,
        frequencies: read.sizes.frequencies,
        plainActions: read.model.fourier.freqs.shape.length === 2,
      },
    };
  });
}

/** File of some weights of a model. */
function fileOf(weights: KeptWeights): string {
  return `${weights}.safetensors`;
}

/**
 * Finds the trained weights of a model, or trains it: whatever experiment asks
 * first. A model that a file is given for is not trained.
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
  const given = givenFile(lab, spec);
  if (given !== undefined) return await takeGiven(lab, spec, given);
  const params = { ...lab.params, ...spec.changes };
  const { from } = spec;
  const origin = from === undefined ? undefined : await training(lab, from);
  const part = await lab.part("train");
  const data = await modelTokens(lab, spec, "train");
  const plan = planTraining(params, part, data, spec);
  return await lab.make<TrainingFacts>({
    by: import.meta.url,
    kind: "model",
    spec: plan.spec,
    from: [part.digest, ...(origin === undefined ? [] : [origin.digest])],
  }, async (folder) => {
    using trainee = plan.open(gpu);
    const first = from && await firstState(lab, from);
    const line = lab.context.progress(`train ${spec.mode}`);
    const weights = await trainee.train(
      {
        ...(first ? { from: first } : {}),
        snapshots: (steps) =>
          snapshotsOf(steps, (kind) => folder.file(fileOf(kind))),
      },
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
    await writeStatistics(folder.file(TOKENS), data.statistics);
    await writeSafetensors(folder.file(fileOf("last")), last);
    await writeSafetensors(folder.file(fileOf("average")), average);
    return { curve, parameters: trainee.model.parameterCount };
  });
}

/** Reads the weights of a model. */
export async function readState(path: string): Promise<StateDict> {
  using file = await readSafetensors(path);
  const state: Record<string, StateEntry> = {};
  for (const name of file.names) {
    const value = await file.read(name);
    state[name] = { shape: value.shape, data: toFloat32(value) };
  }
  return state;
}

/** Weights of a model that another one begins with. */
async function firstState(lab: Lab, from: ModelSpec): Promise<StateDict> {
  using first = await trainedModel(lab, from);
  return await first.model.stateDict();
}

/** Puts a model on the device. */
async function placed(
  lab: Lab,
  spec: ModelSpec,
  made: Artifact<TrainingFacts>,
  weights: KeptWeights,
): Promise<FutureModel> {
  const { gpu } = lab;
  const { mode } = spec;
  const given = givenFile(lab, spec);
  if (given !== undefined) {
    const kind = ofFile(mode, weights);
    return (await openGiven(gpu, lab.params, mode, given, kind)).model;
  }
  const params = { ...lab.params, ...spec.changes };
  const [part, data] = [await lab.part("train"), await lab.tokens("train")];
  const { model } = planTraining(params, part, data, spec).open(gpu);
  const path = made.file(fileOf(weights));
  model.loadStateDict(await readState(path), path);
  return model;
}

/**
 * Puts a trained model on the device; trains it, unless any experiment did.
 *
 * @param lab windows and parameters
 * @param spec which model
 * @param weights averaged over the steps, or those of the last one; equal where
 *   none are averaged; default as {@linkcode weightsOf}
 * @throws {TypeError} if a snapshot of a given model is asked for
 * @throws {Interrupted} if it was asked to stop
 */
export async function trainedModel(
  lab: Lab,
  spec: ModelSpec,
  weights?: KeptWeights,
): Promise<TrainedModel> {
  const made = await training(lab, spec);
  const { facts, digest } = made;
  const model = await placed(lab, spec, made, weightsOf(lab, spec, weights));
  return {
    model,
    facts,
    digest,
    [Symbol.dispose]: () => model[Symbol.dispose](),
  };
}
