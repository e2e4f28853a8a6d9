/**
 * The jump model in a lab: its training as an artifact, and a given one. `jump_chains.ts` predicts with it.
 *
 * @module
 */

import type { Artifact } from "../experiment/artifact.ts";
import { digestJson } from "../experiment/artifact_files.ts";
import { digestFile } from "../formats/digest.ts";
import { writeSafetensors } from "../formats/safetensors.ts";
import type { Gpu } from "../gpu/gpu.ts";
import {
  createJumpModel,
  type JumpModel,
  type JumpModelOptions,
} from "../models/jump_model.ts";
import {
  cutJumps,
  type Jump,
  type JumpSettings,
  trainJump,
} from "../training/jump.ts";
import { readPublishedJump } from "../training/published.ts";
import { WindowTokens } from "../training/window_tokens.ts";
import type { Lab } from "./lab.ts";
import type { PartName } from "./latents.ts";
import {
  readState,
  type TrainedModel,
  type TrainingFacts,
  type WeightsKind,
} from "./models.ts";
import { readStatistics, writeStatistics } from "./token_statistics.ts";
import { openFor } from "./networks.ts";
import {
  type JumpLabParams,
  type JumpParams,
  jumpStride,
} from "./jump_params.ts";

/** What decides a jump model, beside the parameters of the run. */
export interface JumpSpec {
  /** One pass, or diffusion. */
  readonly mode: "direct" | "diffusion";
  /**
   * Whether diffusion sees the anchor token by token, or as published; in one
   * pass it always does.
   */
  readonly recipe: "visible" | "paper";
  /** Seed of weights, order and noise. */
  readonly seed: number;
  /** Parameters that are not those of the run. */
  readonly changes?: Partial<Omit<JumpParams, "jumpLinks" | "jumpDdimSteps">>;
}

/** A jump model on the device. */
export interface TrainedJump extends Omit<TrainedModel, "model"> {
  /** The model. */
  readonly model: JumpModel;
}

/** Flags that take files of jump models, with what looks at these. */
export const GIVEN_JUMP = {
  flags: {
    jump:
      "a jump model instead of a training: a checkpoint with dit, fourier, ema, z_mean, z_std, n_jump",
  },
  check: async (
    gpu: Gpu,
    params: JumpLabParams,
    { jump }: Readonly<Record<string, string>>,
  ): Promise<string[]> => {
    if (jump === undefined) return [];
    using read = await openGivenJump(gpu, params, jump, params.givenWeights);
    const { dim, blocks } = read.sizes;
    return [
      `jump model of ${jump}, width ${dim}, ${blocks} blocks: not trained`,
    ];
  },
} as const;

/** Puts a given jump model on the device, if it fits the run. */
function openGivenJump(
  gpu: Gpu,
  params: JumpLabParams,
  path: string,
  weights: WeightsKind,
) {
  const { patch, size, jumpHeads: heads } = params;
  const needed = { tokens: (size / 8 / patch) ** 2, patch };
  return openFor("jump", path, () =>
    readPublishedJump(
      gpu,
      path,
      { weights, heads, objective: "direct", needed },
      jumpStride(params),
    ));
}

/** The file that a jump model is of, if one is given for it. */
function givenFile(
  lab: Lab<JumpLabParams>,
  { mode, changes = {} }: JumpSpec,
): string | undefined {
  const isOwn = mode === "direct" && Object.keys(changes).length === 0;
  return isOwn ? lab.context.flags.files.jump : undefined;
}

function settingsOf(params: JumpLabParams, seed: number): JumpSettings {
  return {
    samples: params.jumpSamples,
    batch: params.jumpBatch,
    lr: params.jumpLr,
    warmup: params.warmup,
    lrEnd: params.lrEnd,
    ema: params.ema,
    emaWarmup: params.emaWarmup,
    weightDecay: params.jumpWeightDecay,
    motionPower: params.jumpMotionPower,
    anchorNoise: params.jumpAnchorNoise,
    residualWeight: params.jumpResidual,
    ownAnchors: params.jumpOwnAnchors,
    seed,
  };
}

function optionsOf(
  params: JumpLabParams,
  { tokensPerFrame: tokens, patchDim }: WindowTokens,
  { mode, recipe, seed }: JumpSpec,
): JumpModelOptions {
  return {
    objective: mode === "diffusion" ? params.objective : "direct",
    tokens,
    patchDim,
    dim: params.jumpDim,
    blocks: params.jumpBlocks,
    heads: params.jumpHeads,
    anchorVisible: mode === "diffusion" && recipe === "visible",
    frequencies: params.frequencies,
    learnedFrequencies: params.learnedFrequencies,
    seed,
  };
}

/** Rows of the first anchors, which the normalization is measured on. */
function momentRows(
  jumps: readonly Jump[],
  stride: number,
  most: number,
): number[] {
  return jumps.slice(0, most).map(({ row, link }) => row + stride * link);
}

const TOKENS = "tokens.safetensors";

/**
 * Finds the trained weights of a jump model, or trains it, or takes the given
 * one.
 *
 * @param lab windows and parameters
 * @param spec which model
 * @throws {Interrupted} if it was asked to stop
 */
export async function jumpTraining(
  lab: Lab<JumpLabParams>,
  spec: JumpSpec,
): Promise<Artifact<TrainingFacts>> {
  const { gpu, context: { interrupt } } = lab;
  const given = givenFile(lab, spec);
  if (given !== undefined) return await takeGivenJump(lab, given);
  const params = { ...lab.params, ...spec.changes };
  const { patch, actionOffset, frequencies, learnedFrequencies } = params;
  const stride = jumpStride(params);
  const part = await lab.part("train");
  const rows = part.windows.map(({ row }) => row);
  const { mode, recipe, seed } = spec;
  const settings = settingsOf(params, seed);
  const cut = {
    stride,
    links: params.jumpLinks,
    windows: params.jumpWindows,
    seed,
  };
  const own = {
    objective: mode === "diffusion" ? params.objective : "direct",
    isVisible: mode === "diffusion" && recipe === "visible",
    sizes: [params.jumpDim, params.jumpBlocks, params.jumpHeads],
    frequencies: [frequencies, learnedFrequencies],
    moments: params.jumpMoments,
    ...{ cut, settings, patch, actionOffset },
    windows: digestJson(rows, "rows"),
  };
  return await lab.make<TrainingFacts>({
    by: import.meta.url,
    kind: "jump",
    spec: own,
    from: [part.digest],
  }, async (folder) => {
    const jumps = cutJumps(part, rows, cut);
    const data = new WindowTokens(part, {
      ...{ patch, actionOffset, frequencies, horizon: stride },
      plainActions: learnedFrequencies,
      statistics: momentRows(jumps, stride, params.jumpMoments),
    });
    using model = createJumpModel(gpu, optionsOf(params, data, spec));
    const line = lab.context.progress(`train jump ${mode}`);
    const weights = await trainJump(gpu, { model, data, jumps, settings }, {
      checkpoint: folder.scratch("checkpoint.safetensors"),
      digest: digestJson(own, "jump"),
      progress: ({ step, steps, ...loss }) =>
        line.update({ done: step, total: steps, ...loss }),
      shouldStop: () => interrupt.requested,
    });
    line.end();
    if (weights === undefined) lab.stop("training");
    const { curve, last, average = last } = weights;
    await writeStatistics(folder.file(TOKENS), data.statistics);
    await writeSafetensors(folder.file("last.safetensors"), last);
    await writeSafetensors(folder.file("average.safetensors"), average);
    return { curve, parameters: model.parameterCount };
  });
}

async function takeGivenJump(
  lab: Lab<JumpLabParams>,
  path: string,
): Promise<Artifact<TrainingFacts>> {
  const given = await digestFile(path);
  const { gpu, params } = lab;
  const { jumpHeads: heads } = params;
  return await lab.make<TrainingFacts>({
    by: import.meta.url,
    kind: "jump",
    spec: { given, heads, stride: jumpStride(params) },
  }, async (folder) => {
    const { givenWeights } = params;
    using read = await openGivenJump(gpu, params, path, givenWeights);
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

/**
 * The tokens of a part as a jump model knows them: by its own normalization; the
 * horizon is the length of a jump.
 *
 * @param lab windows and parameters
 * @param spec which model
 * @param name of the part
 * @throws {Interrupted} if it was asked to stop
 */
export async function jumpTokens(
  lab: Lab<JumpLabParams>,
  spec: JumpSpec,
  name: PartName,
): Promise<WindowTokens> {
  const made = await jumpTraining(lab, spec);
  const { patch, actionOffset } = lab.params;
  const { frequencies, plainActions } = made.facts.given ?? {
    frequencies: lab.params.frequencies,
    plainActions: lab.params.learnedFrequencies,
  };
  return new WindowTokens(await lab.part(name), {
    ...{ patch, actionOffset, frequencies, plainActions },
    horizon: jumpStride(lab.params),
    statistics: await readStatistics(made.file(TOKENS)),
  });
}

/**
 * Puts a jump model on the device; trains it, unless any experiment did.
 *
 * @param lab windows and parameters
 * @param spec which model
 * @param weights averaged over the steps, or those of the last one
 * @throws {Interrupted} if it was asked to stop
 */
export async function trainedJump(
  lab: Lab<JumpLabParams>,
  spec: JumpSpec,
  weights: WeightsKind = "average",
): Promise<TrainedJump> {
  const { gpu } = lab;
  const made = await jumpTraining(lab, spec);
  const { facts, digest } = made;
  const given = givenFile(lab, spec);
  let model: JumpModel;
  if (given !== undefined) {
    ({ model } = await openGivenJump(gpu, lab.params, given, weights));
  } else {
    const params = { ...lab.params, ...spec.changes };
    const tokens = await jumpTokens(lab, spec, "train");
    model = createJumpModel(gpu, optionsOf(params, tokens, spec));
    const path = made.file(`${weights}.safetensors`);
    model.loadStateDict(await readState(path), path);
  }
  return {
    model,
    facts,
    digest,
    [Symbol.dispose]: () => model[Symbol.dispose](),
  };
}
