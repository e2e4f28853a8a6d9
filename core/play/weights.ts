import { AutoencoderKL, DEMO_VAE } from "../encoders/autoencoder_kl.ts";
import {
  type HostArray,
  readSafetensors,
  type TensorFile,
  toFloat32,
} from "../formats/safetensors.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { FrameWorldModel } from "../models/frame_world_model.ts";
import { InverseDynamics } from "../models/inverse_dynamics.ts";
import type { StateDict, StateEntry } from "../nn/module.ts";
import { parameters, type ParameterStore } from "../nn/parameters.ts";
import type { TokenStatistics } from "../training/window_tokens.ts";

/** Attention heads of a model whose file does not tell. */
const HEADS = 4;

/** What is played with, on the device. */
export interface PlayedModel extends Disposable {
  /** Predicts the next frame. */
  readonly model: FrameWorldModel;
  /** Normalization of its tokens. */
  readonly statistics: TokenStatistics;
  /** Reads actions back from latents; absent if the file holds none. */
  readonly probe?: InverseDynamics;
  /** Channels, height and width of a frame's latents. */
  readonly shape: readonly [number, number, number];
  /** Trained values. */
  readonly parameterCount: number;
  /** Free text of the file's header. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Lists the tensors of a file to play with: averages of the model's weights,
 * `z_mean`, `z_std`, and `probe.NAME`.
 *
 * @param model state dict of a frame-by-frame model
 * @param statistics normalization of its tokens
 * @param probe state dict of the inverse-dynamics probe
 */
export function playedTensors(
  model: StateDict,
  { mean, std }: TokenStatistics,
  probe: StateDict = {},
): Record<string, HostArray> {
  return {
    ...model,
    z_mean: { shape: [mean.length], data: mean },
    z_std: { shape: [std.length], data: std },
    ...Object.fromEntries(
      Object.entries(probe).map(([name, value]) => [`probe.${name}`, value]),
    ),
  };
}

/** Values of all tensors whose names begin so, without the beginning. */
async function stateOf(
  file: TensorFile,
  isOwn: (name: string) => string | undefined,
): Promise<StateDict> {
  const state: Record<string, StateEntry> = {};
  for (const full of file.names) {
    const name = isOwn(full);
    if (name === undefined) continue;
    const value = await file.read(full);
    state[name] = { shape: value.shape, data: toFloat32(value) };
  }
  return state;
}

/** Sizes of a frame-by-frame model, from the shapes of its weights. */
function sizesOf(file: TensorFile) {
  const needed = [
    "dit.stem.weight",
    "dit.spatial_pos",
    "dit.head_out.weight",
    "dit.latent_up.weight",
    "fourier.proj.0.weight",
    "z_mean",
    "z_std",
  ];
  const missing = needed.filter((name) => file.info(name) === undefined);
  if (missing.length > 0) {
    throw new TypeError(
      `Cannot play with "${file.file}": it has no ${
        missing.join(", ")
      }; needed a frame-by-frame model with its normalization, as ./run train:play writes it`,
    );
  }
  const shapeOf = (name: string) => file.info(name)!.shape;
  const [channels = 0] = shapeOf("dit.stem.weight");
  const [, tokens = 0, dim = 0] = shapeOf("dit.spatial_pos");
  const [planes = 0] = shapeOf("dit.head_out.weight");
  const [, inputs = 0] = shapeOf("dit.latent_up.weight");
  const patch = Math.round(Math.sqrt(inputs / channels));
  const side = patch * Math.round(Math.sqrt(tokens));
  const [, features = 0] = shapeOf("fourier.proj.0.weight");
  const learned = shapeOf("fourier.freqs").length === 2;
  const blocks = new Set(
    file.names.flatMap((name) => /^dit\.blocks\.(\d+)\./.exec(name)?.[1] ?? []),
  ).size;
  return {
    shape: [planes, side, side] as const,
    patch,
    dim,
    channels,
    blocks,
    heads: Number(file.metadata.heads ?? HEADS),
    frequencies: features / 4,
    learnedFrequencies: learned,
    objective: file.metadata.objective === "direct"
      ? "direct" as const
      : "v" as const,
  };
}

/**
 * Puts a model to play with on the device.
 *
 * @param gpu device
 * @param bytes of a file as {@linkcode playedTensors} lists it
 * @throws {TypeError} if it is of another kind of model, or names or shapes do
 *   not fit
 * @throws {SyntaxError} if the file is damaged
 */
export async function openPlayed(
  gpu: Gpu,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<PlayedModel> {
  using file = await readSafetensors(bytes);
  const options = sizesOf(file);
  const own = (name: string) =>
    /^(dit|fourier)\./.test(name) ? name : undefined;
  const state = await stateOf(file, own);
  const statistics = {
    mean: toFloat32(await file.read("z_mean")),
    std: toFloat32(await file.read("z_std")),
  };
  const read = await stateOf(
    file,
    (name) => name.startsWith("probe.") ? name.slice(6) : undefined,
  );
  const model = new FrameWorldModel(gpu, options);
  let store: ParameterStore | undefined;
  let probe: InverseDynamics | undefined;
  try {
    model.loadStateDict(state, "the file");
    if (Object.keys(read).length > 0) {
      probe = new InverseDynamics({ shape: options.shape });
      store = parameters(gpu, probe, { seed: 0 });
      probe.loadStateDict(read, "the file's probe");
    }
  } catch (error) {
    store?.[Symbol.dispose]();
    model[Symbol.dispose]();
    throw error;
  }
  return {
    model,
    statistics,
    ...(probe === undefined ? {} : { probe }),
    shape: options.shape,
    parameterCount: model.parameterCount,
    metadata: file.metadata,
    [Symbol.dispose]: () => {
      store?.[Symbol.dispose]();
      model[Symbol.dispose]();
    },
  };
}

/** An autoencoder to play with, on the device. */
export interface PlayedAutoencoder extends Disposable {
  /** The network. */
  readonly vae: AutoencoderKL;
}

/**
 * Puts the demo's autoencoder on the device.
 *
 * @param gpu device
 * @param bytes of its safetensors file
 * @throws {TypeError} if it is of another network
 */
export async function openPlayedVae(
  gpu: Gpu,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<PlayedAutoencoder> {
  using file = await readSafetensors(bytes);
  const scalingFactor = Number(
    file.metadata.scaling_factor ?? DEMO_VAE.scalingFactor,
  );
  const vae = new AutoencoderKL({ ...DEMO_VAE, scalingFactor });
  const weights = await vae.load(gpu, file);
  return { vae, [Symbol.dispose]: () => weights[Symbol.dispose]() };
}
