import type { FileSource } from "../formats/byte_source.ts";
import { type TensorFile, toFloat32 } from "../formats/safetensors.ts";
import { readWeights } from "../formats/weights.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { AnchoredVAEDiT } from "../models/anchored_dit.ts";
import { FourierActionEmbedding } from "../models/fourier_action.ts";
import { JumpModel } from "../models/jump_model.ts";
import { PatchMLPPredictor } from "../models/mlp_predictor.ts";
import type { Predictor } from "../models/predictor.ts";
import {
  WorldModel,
  type WorldModelParts,
  type WorldObjective,
} from "../models/world_model.ts";
import type { Module, StateEntry } from "../nn/module.ts";
import { showShape } from "../tensor/shape.ts";
import type { TokenStatistics } from "./window_tokens.ts";

/** Channels of the latents that the published models predict. */
const CHANNELS = 4;

/** Which of a checkpoint's weights. */
export type PublishedWeights = "average" | "last";

/** Sizes of a published model, read from the shapes of its tensors. */
export interface PublishedSizes {
  /** Frames predicted, H; absent for the MLP, which has no positions. */
  readonly horizon?: number;
  /** Tokens of a frame, S; absent for the MLP. */
  readonly tokens?: number;
  /** Transformer blocks; absent for the MLP. */
  readonly blocks?: number;
  /** Values of a token, P. */
  readonly patchDim: number;
  /** Side of a token's patch, of latents with four channels. */
  readonly patch: number;
  /** Width, D. */
  readonly dim: number;
  /** Frequencies of the action embedding. */
  readonly frequencies: number;
}

/** Options of {@linkcode readPublishedModel}. */
export interface PublishedOptions {
  /** Which weights: the averages, or those after the last step. */
  readonly weights: PublishedWeights;
  /**
   * Which weights of the action embedding. Default `weights`; the authors'
   * controllability has the averaged network on an embedding that is not.
   */
  readonly fourierWeights?: PublishedWeights;
  /**
   * What the model must be trained for. Default what the file says: "x0" where
   * its `mode` is "diffusion", else "direct".
   */
  readonly objective?: WorldObjective;
  /** Attention heads, which no shape tells. Default 4. */
  readonly heads?: number;
  /** Sizes that the data needs. */
  readonly needed?: Partial<PublishedSizes>;
}

/** A published model on the device. */
export interface PublishedModel<M extends WorldModel = WorldModel>
  extends Disposable {
  /** The model. */
  readonly model: M;
  /** Normalization of its tokens, for `WindowTokens`. */
  readonly statistics: TokenStatistics;
  /** Its sizes. */
  readonly sizes: PublishedSizes;
}

/**
 * Reads a checkpoint of the paper's authors: the state dicts `dit` and
 * `fourier` after the last step, the averages of both by their own names in
 * `ema`, the normalization of tokens in `z_mean` and `z_std`, and perhaps a
 * `mode`. The network of `dit` is the transformer or the MLP; sizes are those
 * of the tensors. Other formats with the same names, joined by dots, will do.
 *
 * Source: published code, `train_dit_vae_modal.py`.
 *
 * @param gpu device
 * @param source path, file URL, or the file's bytes
 * @param options which weights, and what the data needs
 * @throws {SyntaxError} if the file is damaged or of no known format
 * @throws {TypeError} if it holds another network, lacks the weights asked
 *   for, or its tensors do not fit each other
 * @throws {RangeError} if its sizes are not those needed, or the normalization
 *   is not finite and positive
 */
export async function readPublishedModel(
  gpu: Gpu,
  source: FileSource,
  options: PublishedOptions,
): Promise<PublishedModel> {
  using file = await readWeights(source, { root: "" });
  const jumps = file.metadata["n_jump"];
  if (jumps !== undefined) {
    throw new TypeError(
      `Cannot load "${file.file}" as a published world model: it is a jump model of ${jumps} jumps, which takes the mean of several actions`,
    );
  }
  return await readModel(file, options, (parts) => new WorldModel(gpu, parts));
}

/**
 * Reads a checkpoint of the authors' jump model, as
 * {@linkcode readPublishedModel}; the file says `n_jump` and `dt`.
 *
 * @param gpu device
 * @param source path, file URL, or the file's bytes
 * @param options which weights, and what the data needs
 * @param stride frames of a jump
 * @throws {SyntaxError} if the file is damaged or of no known format
 * @throws {TypeError} as {@linkcode readPublishedModel}, or if it is no jump
 *   model
 * @throws {RangeError} as there, or if its jumps are of other lengths
 */
export async function readPublishedJump(
  gpu: Gpu,
  source: FileSource,
  options: PublishedOptions,
  stride: number,
): Promise<PublishedModel<JumpModel>> {
  using file = await readWeights(source, { root: "" });
  const { n_jump: jumps, dt = stride } = file.metadata;
  if (jumps === undefined) {
    throw new TypeError(
      `Cannot load "${file.file}" as a published jump model: it says no n_jump, so it predicts all frames in one pass`,
    );
  }
  if (Number(dt) !== stride) {
    throw new RangeError(
      `Cannot use the jump model of "${file.file}": its jumps are of ${dt} frames, needed ${stride}`,
    );
  }
  const needed = { ...options.needed, horizon: 1 };
  return await readModel(
    file,
    { ...options, needed },
    (parts) => new JumpModel(gpu, parts),
  );
}

/** Reads the parts of a model, and puts them together. */
async function readModel<M extends WorldModel>(
  file: TensorFile,
  options: PublishedOptions,
  make: (parts: WorldModelParts) => M,
): Promise<PublishedModel<M>> {
  const name = `"${file.file}"`;
  const { network, fourier, sizes } = networksOf(file, name, options.heads);
  const objective = objectiveOf(file, name, options);
  checkNeeded(name, sizes, options.needed ?? {});
  const statistics = await statisticsOf(file, name, sizes.patchDim);
  const { weights, fourierWeights = weights } = options;
  await load(file, name, "dit", network, weights);
  await load(file, name, "fourier", fourier, fourierWeights);
  const model = make({ network, fourier, objective });
  return {
    model,
    statistics,
    sizes,
    [Symbol.dispose]: () => model[Symbol.dispose](),
  };
}

/** The networks of a file, empty, by the shapes of their tensors. */
function networksOf(
  file: TensorFile,
  name: string,
  heads = 4,
): { network: Predictor; fourier: FourierActionEmbedding } & {
  readonly sizes: PublishedSizes;
} {
  const has = (tensor: string) => file.names.includes(tensor);
  const isMlp = has("dit.net.0.weight");
  const needed = [
    isMlp ? "dit.net.6.weight" : "dit.spatial_pos",
    ...(isMlp ? [] : ["dit.temporal_pos", "dit.latent_up.weight"]),
    "fourier.freqs",
    "fourier.proj.2.weight",
    "z_mean",
    "z_std",
  ];
  const missing = needed.filter((tensor) => !has(tensor));
  if (missing.length > 0) {
    const top = new Set(file.names.map((tensor) => tensor.split(".")[0]));
    throw new TypeError(
      `Cannot load ${name} as a published world model: no ${
        missing.join(", ")
      }; it has ${
        [...top].slice(0, 8).join(", ") || "no tensors"
      }, needed dit (the transformer or the MLP), fourier, z_mean, z_std`,
    );
  }
  /** Axis lengths of a tensor of so many axes. */
  const shapeOf = (tensor: string, axes: readonly string[]) => {
    const shape = file.info(tensor)?.shape ?? [];
    if (shape.length === axes.length && !shape.includes(0)) return shape;
    throw new TypeError(
      `Cannot load ${name} as a published world model: ${tensor} is ${
        showShape(shape)
      }, needed (${axes.join(", ")})`,
    );
  };
  const [dim = 0] = shapeOf("fourier.proj.2.weight", ["D", "D"]);
  const isLearned = file.info("fourier.freqs")?.shape.length === 2;
  const frequencies = shapeOf(
    "fourier.freqs",
    isLearned ? ["actions", "frequencies"] : ["frequencies"],
  ).at(-1) ?? 0;
  const fourier = new FourierActionEmbedding(dim, frequencies, 2, isLearned);
  const common = { dim, frequencies };
  if (isMlp) {
    const [patchDim = 0, hidden] = shapeOf("dit.net.6.weight", [
      "P",
      "hidden",
    ]);
    const network = new PatchMLPPredictor({
      patchDim,
      actionDim: dim,
      ...(hidden ? { hidden } : {}),
    });
    const patch = patchOf(name, patchDim);
    return { network, fourier, sizes: { ...common, patchDim, patch } };
  }
  const [, tokens = 0] = shapeOf("dit.spatial_pos", ["1", "S", "D"]);
  const [, horizon = 0] = shapeOf("dit.temporal_pos", ["1", "H", "D"]);
  const [, patchDim = 0] = shapeOf("dit.latent_up.weight", ["D", "P"]);
  const numbers = file.names.map((tensor) =>
    /^dit\.blocks\.(\d+)\./.exec(tensor)?.[1]
  );
  const blocks = new Set(numbers.filter((text) => text !== undefined)).size;
  if (dim % heads !== 0) {
    throw new RangeError(
      `Cannot load ${name} as a published world model: its width ${dim} has no ${heads} equal heads; give the number of heads`,
    );
  }
  const sizes = { ...common, horizon, tokens, blocks, patchDim };
  const network = new AnchoredVAEDiT({
    ...sizes,
    heads,
    anchorVisible: has("dit.present_up.weight"),
  });
  return {
    network,
    fourier,
    sizes: { ...sizes, patch: patchOf(name, patchDim) },
  };
}

function patchOf(name: string, patchDim: number): number {
  const patch = Math.sqrt(patchDim / CHANNELS);
  if (Number.isInteger(patch)) return patch;
  throw new RangeError(
    `Cannot load ${name} as a published world model: its tokens have ${patchDim} values, needed ${CHANNELS} channels of a square patch`,
  );
}

/** What the model is trained for, by its file and by what is asked. */
function objectiveOf(
  { metadata }: TensorFile,
  name: string,
  { objective }: PublishedOptions,
): WorldObjective {
  const { mode = objective === undefined ? "direct" : undefined } = metadata;
  const isDiffusion = mode === "diffusion";
  const isKnown = isDiffusion || mode === "direct" || mode === undefined;
  const differs = objective !== undefined && mode !== undefined &&
    isDiffusion !== (objective !== "direct");
  if (!isKnown && objective === undefined || isKnown && differs) {
    throw new TypeError(
      `Cannot load ${name} as a published world model: its mode is "${mode}", needed ${
        objective === undefined
          ? '"direct" or "diffusion"; say the objective'
          : objective === "direct"
          ? '"direct"'
          : `"diffusion", for objective "${objective}"`
      }`,
    );
  }
  return objective ?? (isDiffusion ? "x0" : "direct");
}

function checkNeeded(
  name: string,
  sizes: PublishedSizes,
  needed: Partial<PublishedSizes>,
): void {
  const wrong = Object.entries(needed).flatMap(([size, wanted]) => {
    const got = sizes[size as keyof PublishedSizes];
    return got === undefined || got === wanted
      ? []
      : [`${size} is ${got}, needed ${wanted}`];
  });
  if (wrong.length > 0) {
    throw new RangeError(
      `Cannot use the world model of ${name}: ${wrong.join("; ")}`,
    );
  }
}

/** (P) means and deviations of the values of a token. */
async function statisticsOf(
  file: TensorFile,
  name: string,
  patchDim: number,
): Promise<TokenStatistics> {
  const [mean, std] = [
    toFloat32(await file.read("z_mean")),
    toFloat32(await file.read("z_std")),
  ];
  for (const [tensor, values] of [["z_mean", mean], ["z_std", std]] as const) {
    const bad = values.find((value) =>
      !Number.isFinite(value) || tensor === "z_std" && value <= 0
    );
    if (values.length === patchDim && bad === undefined) continue;
    throw new RangeError(
      `Cannot normalize by ${name}: ${tensor} ${
        bad === undefined
          ? `has ${values.length} values`
          : `has the value ${bad}`
      }, needed ${patchDim} finite ${
        tensor === "z_std" ? "positive " : ""
      }ones`,
    );
  }
  return { mean, std };
}

/** Fills a module from its own dict, or its trained values from `ema`. */
async function load(
  file: TensorFile,
  name: string,
  key: "dit" | "fourier",
  module: Module,
  weights: PublishedWeights,
): Promise<void> {
  const own = file.names.filter((tensor) => tensor.startsWith(`${key}.`));
  const isAverage = weights === "average";
  if (isAverage && !file.names.some((tensor) => tensor.startsWith("ema."))) {
    throw new TypeError(
      `Cannot load averaged weights of ${name}: it has no "ema"; ask for the last ones`,
    );
  }
  // The averages have no buffers.
  const trained = new Set(
    [...module.namedParameters()]
      .filter(([, { isTrained }]) => isTrained).map(([field]) => field),
  );
  const dict: Record<string, StateEntry> = {};
  for (const tensor of own) {
    const field = tensor.slice(key.length + 1);
    const from = isAverage && trained.has(field) ? `ema.${field}` : tensor;
    if (file.info(from) === undefined) continue;
    const value = await file.read(from);
    dict[field] = { shape: value.shape, data: toFloat32(value) };
  }
  const what = isAverage ? "the averages" : `"${key}"`;
  module.loadStateDict(dict, `${what} of ${name}`);
}
