import type { Gpu } from "../gpu/gpu.ts";
import { constant } from "../nn/init.ts";
import { LayerNorm } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { Parameter } from "../nn/parameter.ts";
import { selfAttention } from "../ops/attention.ts";
import { concat, slice } from "../ops/concat.ts";
import { conv2d } from "../ops/conv2d.ts";
import { linear } from "../ops/linear.ts";
import { add, broadcastTo, div, mul, sub } from "../ops/pointwise.ts";
import { avgPool2d } from "../ops/pool2d.ts";
import { noGrad } from "../tensor/autograd.ts";
import { tensor } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkFrames, matchWeights, type Published } from "./encoder.ts";
import {
  FrozenLinear,
  type FrozenOptions,
  FrozenWeight,
  type FrozenWeights,
  loadFrozen,
  type WeightSource,
} from "./frozen.ts";

/** ImageNet's mean and spread of red, green and blue. */
export const IMAGENET_PIXELS: PixelMoments = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};

/** Mean and spread of the pixels that a network was trained on. */
export interface PixelMoments {
  /** Of red, green and blue in [0, 1]. */
  readonly mean: readonly [number, number, number];
  /** As `mean`. */
  readonly std: readonly [number, number, number];
}

/** Sizes and variants of a {@linkcode Vit}. */
export interface VitConfig {
  /** Side of the frames that come in, in pixels. */
  readonly inputSize: number;
  /** Side of a patch, in pixels. */
  readonly patch: number;
  /** Width of a token. */
  readonly hidden: number;
  /** Number of blocks. */
  readonly layers: number;
  /** Heads of an attention; hidden / heads is at most 64. */
  readonly heads: number;
  /** Width of the hidden layer of an MLP. */
  readonly mlp: number;
  /** Added to the variances of the layer norms. */
  readonly eps: number;
  /** Applied in the MLPs. */
  readonly activation: "gelu" | "quickGelu";
  /** Normalization of the frames. */
  readonly pixels: PixelMoments;
  /** Whether the patch projection has a bias. Default true. */
  readonly patchBias?: boolean;
  /** Whether tokens are normalized before the first block. Default false. */
  readonly normPre?: boolean;
  /** Whether branches are scaled by channel. Default false. */
  readonly layerScale?: boolean;
  /** Width of a final projection without bias; absent for none. */
  readonly projection?: number;
}

class PatchEmbed extends Module {
  /** `proj.weight`, `proj.bias` */
  readonly proj: PatchProjection;

  constructor(config: VitConfig) {
    super();
    this.proj = new PatchProjection(config);
  }

  forward(images: Tensor): Tensor {
    return this.proj.forward(images);
  }
}

class PatchProjection extends Module {
  /** `weight`: (hidden, 3, patch, patch) */
  readonly weight: Parameter;
  /** `bias`: (hidden) */
  readonly bias?: Parameter;

  constructor({ hidden, patch, patchBias = true }: VitConfig) {
    super();
    this.weight = new Parameter([hidden, 3, patch, patch], constant(0));
    if (patchBias) this.bias = new Parameter([hidden], constant(0));
  }

  /** (B, side, side, 3) to (B, grid grid, hidden), row-major. */
  forward(images: Tensor): Tensor {
    const [hidden = 0, , patch = 0] = this.weight.shape;
    const grid = conv2d(images, this.weight, this.bias, { stride: patch });
    return grid.reshape([images.shape[0]!, -1, hidden]);
  }
}

class Attention extends Module {
  /** `qkv`: rows of queries, keys, values; `proj` */
  readonly qkv: FrozenLinear;
  readonly proj: FrozenLinear;
  readonly #heads: number;

  constructor({ hidden, heads }: VitConfig) {
    super();
    this.qkv = new FrozenLinear(hidden, 3 * hidden);
    this.proj = new FrozenLinear(hidden, hidden);
    this.#heads = heads;
  }

  forward(x: Tensor): Tensor {
    const [batch = 0, tokens = 0, hidden = 0] = x.shape;
    const heads = this.#heads;
    const qkv = this.qkv.forward(x)
      .reshape([batch, tokens, 3, heads, hidden / heads]);
    return this.proj.forward(selfAttention(qkv).reshape(x.shape));
  }
}

class Mlp extends Module {
  /** `fc1`, `fc2` */
  readonly fc1: FrozenLinear;
  readonly fc2: FrozenLinear;
  readonly #activation: "gelu" | "quickGelu";

  constructor({ hidden, mlp, activation }: VitConfig) {
    super();
    this.fc1 = new FrozenLinear(hidden, mlp);
    this.fc2 = new FrozenLinear(mlp, hidden);
    this.#activation = activation;
  }

  forward(x: Tensor): Tensor {
    const inner = this.fc1.forward(x, { activation: this.#activation });
    return this.fc2.forward(inner);
  }
}

class LayerScale extends Module {
  /** `gamma`: (hidden) */
  readonly gamma: Parameter;

  constructor(width: number) {
    super();
    this.gamma = new Parameter([width], constant(1));
  }

  forward(x: Tensor): Tensor {
    return mul(x, this.gamma);
  }
}

/** Attention and an MLP, each normalized before and added to its input. */
export class VitBlock extends Module {
  /** `norm1` */
  readonly norm1: LayerNorm;
  /** `attn.qkv`, `attn.proj` */
  readonly attn: Module & { forward(x: Tensor): Tensor };
  /** `ls1.gamma`, with layer scale */
  readonly ls1?: Module & { forward(x: Tensor): Tensor };
  /** `norm2` */
  readonly norm2: LayerNorm;
  /** `mlp.fc1`, `mlp.fc2` */
  readonly mlp: Module & { forward(x: Tensor): Tensor };
  /** `ls2.gamma`, with layer scale */
  readonly ls2?: Module & { forward(x: Tensor): Tensor };

  /**
   * Makes the block without weights.
   *
   * @param config sizes and variants
   */
  constructor(config: VitConfig) {
    super();
    const { hidden, eps, layerScale = false } = config;
    this.norm1 = new LayerNorm(hidden, eps);
    this.attn = new Attention(config);
    if (layerScale) this.ls1 = new LayerScale(hidden);
    this.norm2 = new LayerNorm(hidden, eps);
    this.mlp = new Mlp(config);
    if (layerScale) this.ls2 = new LayerScale(hidden);
  }

  /**
   * Applies the block.
   *
   * @param x (B, T, hidden)
   * @returns same shape
   */
  forward(x: Tensor): Tensor {
    const mixed = this.attn.forward(this.norm1.forward(x));
    const h = add(x, this.ls1?.forward(mixed) ?? mixed);
    const inner = this.mlp.forward(this.norm2.forward(h));
    return add(h, this.ls2?.forward(inner) ?? inner);
  }
}

/**
 * A vision transformer with a class token: the trunk of three encoders. Its
 * own names are those of timm.
 *
 * Source: Dosovitskiy et al. 2021.
 */
export class Vit extends Module {
  /** `cls_token`: (1, 1, hidden) */
  readonly clsToken: Parameter;
  /** `pos_embed`: (1, 1 + grid grid, hidden), class token first */
  readonly posEmbed: Parameter;
  /** `patch_embed.proj` */
  readonly patchEmbed: Module & { forward(x: Tensor): Tensor };
  /** `norm_pre`, with normPre */
  readonly normPre?: LayerNorm;
  /** `blocks.0` and so on */
  readonly blocks: readonly VitBlock[];
  /** `norm` */
  readonly norm: LayerNorm;
  /** `projection`: (projection, hidden), with projection */
  readonly projection?: FrozenWeight;
  readonly #config: VitConfig;
  readonly #name: string;
  readonly #published: Published;
  #weights: FrozenWeights | undefined;

  /**
   * Makes the network without weights.
   *
   * @param name key of the encoder
   * @param config sizes and variants
   * @param published public names of its weights
   * @throws {RangeError} if the heads do not divide the width or the patches
   *   the frame
   */
  constructor(name: string, config: VitConfig, published: Published) {
    super();
    const { hidden, heads, inputSize, patch, projection } = config;
    if (hidden % heads !== 0 || inputSize % patch !== 0) {
      throw new RangeError(
        `Cannot create ${published.network}: width ${hidden} must split into ${heads} heads, frames of ${inputSize} into patches of ${patch}`,
      );
    }
    const tokens = 1 + (inputSize / patch) ** 2;
    this.clsToken = new Parameter([1, 1, hidden], constant(0));
    this.posEmbed = new Parameter([1, tokens, hidden], constant(0));
    this.patchEmbed = new PatchEmbed(config);
    if (config.normPre) this.normPre = new LayerNorm(hidden, config.eps);
    this.blocks = Array.from(
      { length: config.layers },
      () => new VitBlock(config),
    );
    this.norm = new LayerNorm(hidden, config.eps);
    if (projection !== undefined) {
      this.projection = new FrozenWeight([projection, hidden], constant(0));
    }
    this.#config = config;
    this.#name = name;
    this.#published = published;
  }

  /** Key of the encoder. */
  get name(): string {
    return this.#name;
  }

  /** Length of an embedding. */
  get width(): number {
    return this.#config.projection ?? this.#config.hidden;
  }

  /** Side of the frames that come in, in pixels. */
  get inputSize(): number {
    return this.#config.inputSize;
  }

  /**
   * Puts all weights on the device.
   *
   * @param gpu device
   * @param weights a file under any of the network's public namings
   * @param options whether matrices are kept as 16-bit floats
   * @throws {TypeError} if names or shapes are not the network's
   */
  async load(
    gpu: Gpu,
    weights: WeightSource,
    options: FrozenOptions = {},
  ): Promise<void> {
    const matched = matchWeights(this, weights, this.#published);
    this[Symbol.dispose]();
    this.#weights = await loadFrozen(gpu, this, matched, "", options);
  }

  /**
   * Compares names and shapes of a file with the network's.
   *
   * @param weights a file under any of the network's public namings
   * @throws {TypeError} if they are not the network's
   */
  check(weights: WeightSource): void {
    matchWeights(this, weights, this.#published);
  }

  /**
   * Embeds frames by their class token.
   *
   * @param frames (B, side, side, 3) in [0, 1]
   * @returns (B, width), owned by the innermost scope
   * @throws {RangeError} if the shape does not fit
   */
  encode(frames: Tensor): Tensor {
    return this.#run(frames, (tokens) => {
      const [batch = 0, , hidden = 0] = tokens.shape;
      const first = slice(tokens, 1, 0, 1).reshape([batch, hidden]);
      const row = this.norm.forward(first);
      return this.projection === undefined
        ? row
        : linear(row, this.projection.half ?? this.projection);
    });
  }

  /**
   * Embeds frames by their patch tokens, averaged two by two.
   *
   * @param frames (B, side, side, 3) in [0, 1]
   * @returns (B, cells, hidden), row-major over a grid of half the patches'
   *   resolution, owned by the innermost scope
   * @throws {RangeError} if the shape does not fit
   */
  spatialTokens(frames: Tensor): Tensor {
    return this.#run(frames, (tokens) => {
      const [batch = 0, count = 0, hidden = 0] = tokens.shape;
      const grid = this.#config.inputSize / this.#config.patch;
      const patches = this.norm.forward(slice(tokens, 1, 1, count));
      const cells = avgPool2d(
        patches.reshape([batch, grid, grid, hidden]),
        { kernel: 2 },
      );
      return cells.reshape([batch, -1, hidden]);
    });
  }

  /** Applies the trunk, then `last` to its tokens before the last norm. */
  #run(frames: Tensor, last: (tokens: Tensor) => Tensor): Tensor {
    const { inputSize, pixels } = this.#config;
    checkFrames(this.#published.network, frames, inputSize);
    const { gpu } = frames;
    return noGrad(() => {
      using scope = gpu.scope();
      const mean = tensor(gpu, pixels.mean);
      const std = tensor(gpu, pixels.std);
      let tokens = this.#embed(div(sub(frames, mean), std));
      for (const block of this.blocks) {
        using inner = gpu.scope();
        const next = inner.keep(block.forward(tokens));
        tokens.free();
        tokens = next;
      }
      return scope.keep(last(tokens));
    });
  }

  /** (B, side, side, 3) to (B, 1 + grid grid, hidden). */
  #embed(images: Tensor): Tensor {
    const patches = this.patchEmbed.forward(images);
    const [batch = 0, , hidden = 0] = patches.shape;
    const first = broadcastTo(this.clsToken, [batch, 1, hidden]);
    const tokens = add(concat([first, patches], 1), this.posEmbed);
    return this.normPre?.forward(tokens) ?? tokens;
  }

  /** Frees the weights on the device. */
  [Symbol.dispose](): void {
    this.#weights?.[Symbol.dispose]();
    this.#weights = undefined;
  }
}
