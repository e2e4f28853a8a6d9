import type { Gpu } from "../gpu/gpu.ts";
import { constant } from "../nn/init.ts";
import { LayerNorm } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { Parameter } from "../nn/parameter.ts";
import { attention } from "../ops/attention.ts";
import { concat, slice } from "../ops/concat.ts";
import { linear } from "../ops/linear.ts";
import { permute } from "../ops/permute.ts";
import { add, div, sub } from "../ops/pointwise.ts";
import { mean } from "../ops/reduce.ts";
import { resize2d } from "../ops/resize2d.ts";
import { rope, type RopeTurns, ropeTurns } from "../ops/rope.ts";
import { noGrad } from "../tensor/autograd.ts";
import { tensor } from "../tensor/create.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  checkWeights,
  FrozenLinear,
  type FrozenOptions,
  type FrozenWeights,
  loadFrozen,
  placeFrozen,
  prefixIn,
  readFrozen,
  type WeightSource,
} from "./frozen.ts";

/** Sizes of a {@linkcode VJepa2}. */
export interface VJepa2Config {
  /** Width of a token. */
  readonly hidden: number;
  /** Number of layers. */
  readonly layers: number;
  /** Heads of an attention; hidden / heads is at most 64. */
  readonly heads: number;
  /** Width of the hidden layer of an MLP, in widths of a token. */
  readonly mlpRatio: number;
  /** Side of a patch, in pixels of the crop. */
  readonly patch: number;
  /** Frames of a token. */
  readonly tubelet: number;
  /** Side of the images that the network sees, in pixels. */
  readonly crop: number;
  /** Side of the frames that come in, in pixels. */
  readonly inputSize: number;
}

/** ViT-L, the checkpoint `facebook/vjepa2-vitl-fpc64-256`. */
export const VJEPA2_VIT_L: VJepa2Config = {
  hidden: 1024,
  layers: 24,
  heads: 16,
  mlpRatio: 4,
  patch: 16,
  tubelet: 2,
  crop: 256,
  inputSize: 224,
};

const EPS = 1e-6;
/** ImageNet's mean and spread of red, green and blue. */
const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];

/** The tubelet convolution, as a product over cut-out tubelets. */
class TubeletProjection extends Module {
  /** `weight`: (hidden, 3, tubelet, patch, patch) */
  readonly weight: Parameter;
  /** `bias`: (hidden) */
  readonly bias: Parameter;

  constructor({ hidden, tubelet, patch }: VJepa2Config) {
    super();
    this.weight = new Parameter(
      [hidden, 3, tubelet, patch, patch],
      constant(0),
    );
    this.bias = new Parameter([hidden], constant(0));
  }

  /** (B, T, crop, crop, 3) to (B, tokens, hidden): time, then row, column. */
  forward(clips: Tensor): Tensor {
    const [hidden = 0, , tubelet = 0, patch = 0] = this.weight.shape;
    const [batch = 0, frames = 0, side = 0] = clips.shape;
    const steps = frames / tubelet;
    const grid = side / patch;
    const split = clips.reshape(
      [batch * steps, tubelet, grid, patch, grid, 3 * patch],
    );
    // Time, row, column of the token; then the weight's order: channels first.
    const cut = permute(split, [0, 2, 4, 1, 3, 5]);
    const area = tubelet * patch * patch;
    const pixels = cut.reshape([batch * steps * grid * grid, area, 3]);
    const tokens = permute(pixels, [0, 2, 1])
      .reshape([batch, steps * grid * grid, 3 * area]);
    return linear(tokens, this.weight.reshape([hidden, -1]), this.bias);
  }
}

class PatchEmbeddings extends Module {
  /** `proj` */
  readonly proj: TubeletProjection;

  constructor(config: VJepa2Config) {
    super();
    this.proj = new TubeletProjection(config);
  }
}

class Embeddings extends Module {
  /** `patch_embeddings` */
  readonly patchEmbeddings: PatchEmbeddings;

  constructor(config: VJepa2Config) {
    super();
    this.patchEmbeddings = new PatchEmbeddings(config);
  }
}

class RopeAttention extends Module {
  /** `query`, `key`, `value`, `proj` */
  readonly query: FrozenLinear;
  readonly key: FrozenLinear;
  readonly value: FrozenLinear;
  readonly proj: FrozenLinear;
  readonly #heads: number;

  constructor({ hidden, heads }: VJepa2Config) {
    super();
    this.query = new FrozenLinear(hidden, hidden);
    this.key = new FrozenLinear(hidden, hidden);
    this.value = new FrozenLinear(hidden, hidden);
    this.proj = new FrozenLinear(hidden, hidden);
    this.#heads = heads;
  }

  forward(x: Tensor, turns: RopeTurns): Tensor {
    const [batch = 0, tokens = 0, hidden = 0] = x.shape;
    const heads = [batch, tokens, this.#heads, hidden / this.#heads];
    const q = rope(this.query.forward(x).reshape(heads), turns);
    const k = rope(this.key.forward(x).reshape(heads), turns);
    const v = this.value.forward(x).reshape(heads);
    return this.proj.forward(attention(q, k, v).reshape(x.shape));
  }
}

class Mlp extends Module {
  /** `fc1`, `fc2` */
  readonly fc1: FrozenLinear;
  readonly fc2: FrozenLinear;

  constructor({ hidden, mlpRatio }: VJepa2Config) {
    super();
    this.fc1 = new FrozenLinear(hidden, hidden * mlpRatio);
    this.fc2 = new FrozenLinear(hidden * mlpRatio, hidden);
  }

  forward(x: Tensor): Tensor {
    return this.fc2.forward(this.fc1.forward(x, { activation: "gelu" }));
  }
}

/** One transformer layer of {@linkcode VJepa2}. */
export class VJepa2Layer extends Module {
  /** `norm1.weight`, `norm1.bias` */
  readonly norm1: LayerNorm;
  /** `attention.query`, `.key`, `.value`, `.proj`, each with a bias */
  private readonly attention: RopeAttention;
  /** `norm2.weight`, `norm2.bias` */
  readonly norm2: LayerNorm;
  /** `mlp.fc1`, `mlp.fc2`, each with a bias */
  private readonly mlp: Mlp;

  /**
   * Makes the block without weights.
   *
   * @param config sizes
   */
  constructor(config: VJepa2Config = VJEPA2_VIT_L) {
    super();
    this.norm1 = new LayerNorm(config.hidden, EPS);
    this.attention = new RopeAttention(config);
    this.norm2 = new LayerNorm(config.hidden, EPS);
    this.mlp = new Mlp(config);
  }

  /**
   * Applies the layer.
   *
   * @param x (B, tokens, hidden)
   * @param turns of {@linkcode vjepa2Turns}
   * @returns same shape
   */
  forward(x: Tensor, turns: RopeTurns): Tensor {
    const h = add(x, this.attention.forward(this.norm1.forward(x), turns));
    return add(h, this.mlp.forward(this.norm2.forward(h)));
  }
}

/**
 * The rotary positions of V-JEPA 2: a third of a head each for time, row and
 * column, rounded down to pairs; the rest does not turn.
 *
 * Differs: not a rotation. The reference tiles the angles but pairs
 * neighbouring features, so that the two features of a pair turn by different
 * angles; the published weights were trained so.
 *
 * Source: `transformers`, `modeling_vjepa2.py`, `rotate_queries_or_keys`.
 *
 * @param gpu device
 * @param steps length of the token grid in time
 * @param config sizes
 */
export function vjepa2Turns(
  gpu: Gpu,
  steps: number,
  config: VJepa2Config = VJEPA2_VIT_L,
): RopeTurns {
  const grid = config.crop / config.patch;
  const area = grid * grid;
  const tokens = Array.from({ length: steps * area }, (_, token) => token);
  const width = config.hidden / config.heads;
  const third = 2 * Math.floor(Math.floor(width / 3) / 2);
  return ropeTurns(gpu, tokens.length, width, {
    positions: [
      tokens.map((token) => Math.floor(token / area)),
      tokens.map((token) => Math.floor(token % area / grid)),
      tokens.map((token) => token % grid),
    ],
    features: [third, third, third],
    frequencies: "tiled",
  });
}

/**
 * The frozen video encoder V-JEPA 2, averaged over its tokens.
 *
 * Clips are resized to 256 x 256 pixels, cut into tubelets of 2 frames and 16 x
 * 16 pixels, and seen by a transformer with rotary positions in three axes. A
 * single frame is shown twice. The predictor of the checkpoint is not used.
 *
 * Weights are on the device ({@linkcode VJepa2.load}, then
 * {@linkcode VJepa2.encode}), 1.2 GB for ViT-L, or come from the file layer by
 * layer with every batch ({@linkcode VJepa2.encodeStreamed}): a clip of 16
 * frames then takes 0.5 GB on the device in all, one frame 0.16 GB.
 *
 * Source: Assran et al. 2025; `facebook/vjepa2-vitl-fpc64-256`.
 */
export class VJepa2 extends Module {
  /** `embeddings.patch_embeddings.proj.weight`, `.bias` */
  private readonly embeddings: Embeddings;
  /** `layer.0` and so on */
  readonly layer: readonly VJepa2Layer[];
  /** `layernorm.weight`, `layernorm.bias` */
  readonly layernorm: LayerNorm;
  readonly #config: VJepa2Config;
  #weights: FrozenWeights | undefined;

  /**
   * Makes the network without weights.
   *
   * @param config sizes; default ViT-L
   * @throws {RangeError} if the heads do not divide the width or the patches
   *   the crop
   */
  constructor(config: VJepa2Config = VJEPA2_VIT_L) {
    super();
    const { hidden, heads, crop, patch } = config;
    if (hidden % heads !== 0 || crop % patch !== 0) {
      throw new RangeError(
        `Cannot create VJepa2: width ${hidden} must split into ${heads} heads, crop ${crop} into patches of ${patch}`,
      );
    }
    this.#config = config;
    this.embeddings = new Embeddings(config);
    this.layer = Array.from(
      { length: config.layers },
      () => new VJepa2Layer(config),
    );
    this.layernorm = new LayerNorm(hidden, EPS);
  }

  /** Name of the encoder. */
  get name(): string {
    return "vjepa2";
  }

  /** Length of an embedding. */
  get width(): number {
    return this.#config.hidden;
  }

  /** Side of the frames that come in, in pixels. */
  get inputSize(): number {
    return this.#config.inputSize;
  }

  /**
   * Puts all weights on the device.
   *
   * @param gpu device
   * @param weights the published file, or one with the encoder's names alone
   * @param options whether matrices are kept as 16-bit floats
   * @throws {TypeError} if names or shapes are not the network's
   */
  async load(
    gpu: Gpu,
    weights: WeightSource,
    options: FrozenOptions = {},
  ): Promise<void> {
    const prefix = prefixIn(this, weights, "encoder.");
    this[Symbol.dispose]();
    this.#weights = await loadFrozen(gpu, this, weights, prefix, options);
  }

  /**
   * Compares names and shapes of a file with the network's.
   *
   * @param weights as {@linkcode VJepa2.load} takes them
   * @throws {TypeError} if they are not the network's
   */
  check(weights: WeightSource): void {
    checkWeights(this, weights, prefixIn(this, weights, "encoder."));
  }

  /**
   * Embeds clips or single frames, one clip at a time.
   *
   * @param clips (B, T, 224, 224, 3) with T = 1 or even, or (B, 224, 224, 3),
   *   in [0, 1]
   * @returns (B, 1024)
   * @throws {RangeError} if the shape does not fit
   */
  encode(clips: Tensor): Tensor {
    const { gpu } = clips;
    return noGrad(() => {
      using scope = gpu.scope();
      const views = this.#clips(clips);
      const turns = this.#turnsOf(views[0]!);
      const rows = views.map((view) => {
        let tokens = this.#embed(view);
        for (const layer of this.layer) {
          tokens = this.#advance(layer, tokens, turns);
        }
        const row = this.#pool(tokens);
        tokens.free();
        return row;
      });
      return scope.keep(concat(rows, 0));
    });
  }

  /**
   * Embeds clips as {@linkcode VJepa2.encode} does, with the weights of one
   * layer on the device at a time. All clips pass a layer before the next is
   * read, so that a file is read once for a batch; each clip of 16 frames
   * takes 8 MB in between.
   *
   * @param clips as {@linkcode VJepa2.encode} takes them; the caller keeps
   *   the scope open that owns them
   * @param weights the published file, or one with the encoder's names alone
   * @param options whether matrices are kept as 16-bit floats
   * @returns (B, 1024), owned by the innermost scope
   * @throws {RangeError} if the shape does not fit
   * @throws {TypeError} if names or shapes are not the network's
   */
  async encodeStreamed(
    clips: Tensor,
    weights: WeightSource,
    options: FrozenOptions = {},
  ): Promise<Tensor> {
    const { gpu } = clips;
    const prefix = prefixIn(this, weights, "encoder.");
    checkWeights(this, weights, prefix);
    this[Symbol.dispose]();
    using scope = gpu.scope();
    const read = (module: Module, name: string) =>
      readFrozen(module, weights, `${prefix}${name}.`, options);
    const views = this.#clips(clips);
    const turns = this.#turnsOf(views[0]!);

    let tokens: Tensor[];
    {
      const values = await read(this.embeddings, "embeddings");
      using _ = placeFrozen(gpu, this.embeddings, values);
      tokens = noGrad(() => views.map((view) => this.#embed(view)));
    }
    for (const [i, layer] of this.layer.entries()) {
      const values = await read(layer, `layer.${i}`);
      // Bounds what waits on the host for the device to one layer.
      await gpu.sync();
      using _ = placeFrozen(gpu, layer, values);
      tokens = noGrad(() =>
        tokens.map((one) => this.#advance(layer, one, turns))
      );
    }
    const values = await read(this.layernorm, "layernorm");
    using _ = placeFrozen(gpu, this.layernorm, values);
    return noGrad(() => {
      const rows = tokens.map((one) => this.#pool(one));
      return scope.keep(concat(rows, 0));
    });
  }

  /** Splits a batch into clips (1, T, side, side, 3) of T = 2 or more. */
  #clips(clips: Tensor): Tensor[] {
    const { inputSize: side, tubelet } = this.#config;
    const isFrames = clips.shape.length === 4;
    const [batch = 0, ...rest] = clips.shape;
    const [frames = 0, ...image] = isFrames ? [1, ...rest] : rest;
    const isFine = (isFrames || clips.shape.length === 5) &&
      showShape(image) === showShape([side, side, 3]) &&
      (frames === 1 || frames % tubelet === 0);
    if (!isFine) {
      throw new RangeError(
        `Cannot encode ${
          showShape(clips.shape)
        } with VJepa2: needed (B, T, ${side}, ${side}, 3) with T 1 or a multiple of ${tubelet}, or (B, ${side}, ${side}, 3)`,
      );
    }
    const whole = clips.reshape([batch, frames, ...image]);
    return Array.from({ length: batch }, (_, i) => {
      const clip = batch === 1 ? whole : slice(whole, 0, i, i + 1);
      if (frames > 1) return clip;
      return concat(new Array<Tensor>(tubelet).fill(clip), 1);
    });
  }

  /** Positions for the tokens of a clip. */
  #turnsOf(clip: Tensor): RopeTurns {
    const steps = (clip.shape[1] ?? 0) / this.#config.tubelet;
    return vjepa2Turns(clip.gpu, steps, this.#config);
  }

  /** (1, T, side, side, 3) in [0, 1] to (1, tokens, hidden). */
  #embed(clip: Tensor): Tensor {
    const { gpu } = clip;
    using scope = gpu.scope();
    const { crop } = this.#config;
    const [, frames = 0, side = 0] = clip.shape;
    const images = resize2d(
      clip.reshape([frames, side, side, 3]),
      [crop, crop],
      "bilinear",
    );
    const normal = div(sub(images, tensor(gpu, MEAN)), tensor(gpu, STD));
    const video = normal.reshape([1, frames, crop, crop, 3]);
    return scope.keep(this.embeddings.patchEmbeddings.proj.forward(video));
  }

  /** One layer; frees what it took. */
  #advance(layer: VJepa2Layer, tokens: Tensor, turns: RopeTurns): Tensor {
    using scope = tokens.gpu.scope();
    const next = scope.keep(layer.forward(tokens, turns));
    tokens.free();
    return next;
  }

  /** (1, tokens, hidden) to (1, hidden). */
  #pool(tokens: Tensor): Tensor {
    using scope = tokens.gpu.scope();
    return scope.keep(mean(this.layernorm.forward(tokens), [1]));
  }

  /** Frees the weights on the device. */
  [Symbol.dispose](): void {
    this.#weights?.[Symbol.dispose]();
    this.#weights = undefined;
  }
}
