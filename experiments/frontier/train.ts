import { join } from "@std/path";
import {
  readSafetensors,
  toFloat32,
  writeSafetensors,
} from "../../core/formats/safetensors.ts";
import {
  createWorldModel,
  type WorldModel,
} from "../../core/models/world_model.ts";
import type { StateEntry } from "../../core/nn/module.ts";
import type { LossCurve } from "../../core/training/loop.ts";
import {
  type TrainingSettings,
  trainWorldModel,
} from "../../core/training/world_model.ts";
import type { PreparedData } from "./data.ts";
import type { Context, FrontierParams } from "./params.ts";

/** The models of a recipe. */
export type Mode = "direct" | "diffusion" | "mlp";

/** Settings of one model's training. */
function settingsOf(
  params: FrontierParams,
  mode: Mode,
  seed: number,
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
    actionDropout: params.actionDropout,
    seed,
  };
}

/** One recipe with one seed: a pair of models and their baseline. */
export interface RecipeSeed {
  /** Whether the network sees the present token by token, or as published. */
  readonly recipe: "visible" | "paper";
  /** Seed of weights, order and noise. */
  readonly seed: number;
}

/**
 * Names a stage of one recipe and seed.
 *
 * @param of which
 * @param what the stage does
 */
export function stageName({ recipe, seed }: RecipeSeed, what: string): string {
  return `${recipe}-seed${seed}-${what}`;
}

/** What a training left beside the weights. */
export interface TrainingFacts {
  /** Its losses. */
  readonly curve: LossCurve;
  /** Trained values. */
  readonly parameters: number;
}

/** A model on the device. */
export interface TrainedModel extends Disposable {
  /** The model. */
  readonly model: WorldModel;
  /** How it was trained. */
  readonly facts: TrainingFacts;
}

/**
 * Trains a model, or loads the one that was trained.
 *
 * @param context of the experiment
 * @param prepared windows
 * @param of which recipe and seed
 * @param mode which of its models
 * @throws {Interrupted} if it was asked to stop
 */
export async function trained(
  context: Context,
  prepared: PreparedData,
  of: RecipeSeed,
  mode: Mode,
): Promise<TrainedModel> {
  const { gpu, params, run, interrupt } = context;
  const { seed } = of;
  const { tokens: data } = prepared.train;
  const { rows } = prepared.data.train;
  const name = stageName(of, `train-${mode}`);
  const model = createWorldModel(gpu, {
    network: mode === "mlp" ? "mlp" : "dit",
    objective: mode === "diffusion" ? params.objective : "direct",
    horizon: params.horizon,
    tokens: data.tokensPerFrame,
    patchDim: data.patchDim,
    dim: params.dim,
    blocks: params.blocks,
    heads: params.heads,
    anchorVisible: of.recipe === "visible",
    frequencies: params.frequencies,
    learnedFrequencies: params.learnedFrequencies,
    hidden: params.hidden,
    seed,
  });
  const weightsPath = run.file("stages", name, "weights.safetensors");
  const facts = await run.stage(
    name,
    async (folder): Promise<TrainingFacts> => {
      const line = context.progress(name);
      const weights = await trainWorldModel(
        gpu,
        { model, data, rows, settings: settingsOf(params, mode, seed) },
        {
          checkpoint: join(folder, "checkpoint.safetensors"),
          digest: name,
          progress: ({ step, steps, ...loss }) =>
            line.update({ done: step, total: steps, ...loss }),
          shouldStop: () => interrupt.requested,
        },
      );
      line.end();
      if (weights === undefined) {
        interrupt.check();
        throw new Error("Stopped while training");
      }
      const { curve, last, average = last } = weights;
      await writeSafetensors(weightsPath, average, { stage: name });
      await Deno.remove(join(folder, "checkpoint.safetensors")).catch(() => {});
      return { curve, parameters: model.parameterCount };
    },
  );
  using file = await readSafetensors(weightsPath);
  const dict: Record<string, StateEntry> = {};
  for (const field of file.names) {
    const value = await file.read(field);
    dict[field] = { shape: value.shape, data: toFloat32(value) };
  }
  model.loadStateDict(dict, weightsPath);
  return { model, facts, [Symbol.dispose]: () => model[Symbol.dispose]() };
}
