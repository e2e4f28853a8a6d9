import type { Gpu } from "../gpu/gpu.ts";
import { Conv2d, GroupNorm, Linear } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { applySteps, type Step } from "../nn/sequence.ts";
import { attention } from "../ops/attention.ts";
import { chunk } from "../ops/concat.ts";
import { matmul } from "../ops/matmul.ts";
import { add, clamp, exp, mul } from "../ops/pointwise.ts";
import { resize2d } from "../ops/resize2d.ts";
import { softmax } from "../ops/softmax.ts";
import { normal } from "../tensor/random.ts";
import type { Key } from "../tensor/philox.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  matchWeights,
  type Naming,
  type Place,
  type Published,
} from "./encoder.ts";
import { type FrozenWeights, loadFrozen, type WeightSource } from "./frozen.ts";
import { EPS, ResnetBlock, SILU } from "./resnet_block.ts";

/** Name of the residual blocks' shortcut. */
const SHORTCUT = "conv_shortcut";

/** Widest head of the attention kernel; wider ones take two products. */
const WIDEST_HEAD = 64;

/** Sizes of an {@linkcode AutoencoderKL}. */
export interface AutoencoderOptions {
  /** Channels of each resolution, fine to coarse. */
  readonly channels: readonly number[];
  /** Residual blocks of a resolution in the encoder; the decoder has one more. */
  readonly blocks: number;
  /** Groups of the group norms. */
  readonly groups: number;
  /** Channels of a latent. Default 4. */
  readonly latentChannels?: number;
  /** Latents are multiplied by this, so that their variance is near one. */
  readonly scalingFactor: number;
}

/** Stable Diffusion's VAE: 83,653,863 parameters. */
export const SD_VAE: AutoencoderOptions = {
  channels: [128, 256, 512, 512],
  blocks: 2,
  groups: 32,
  scalingFactor: 0.18215,
};

/** The demo's VAE for 64x64 frames: 815,699 parameters, 8x8x4 latents. */
export const DEMO_VAE: AutoencoderOptions = {
  channels: [12, 24, 48, 64],
  blocks: 1,
  groups: 4,
  scalingFactor: 0.51,
};

/** Self-attention of one head over all pixels. */
export class AttentionBlock extends Module {
  /** `group_norm` */
  readonly groupNorm: GroupNorm;
  /** `to_q` */
  readonly toQ: Linear;
  /** `to_k` */
  readonly toK: Linear;
  /** `to_v` */
  readonly toV: Linear;
  /** `to_out.0` */
  readonly toOut: readonly [Linear];

  /**
   * Makes the block without weights.
   *
   * @param width channels
   * @param groups groups of the norm
   */
  constructor(width: number, groups: number) {
    super();
    this.groupNorm = new GroupNorm(groups, width, EPS);
    this.toQ = new Linear(width, width);
    this.toK = new Linear(width, width);
    this.toV = new Linear(width, width);
    this.toOut = [new Linear(width, width)];
  }

  /**
   * Applies the block.
   *
   * @param x (B, height, width, channels)
   * @returns same shape
   */
  forward(x: Tensor): Tensor {
    const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
    const tokens = this.groupNorm.forward(x)
      .reshape([batch, height * width, channels]);
    const [q, k, v] = [this.toQ, this.toK, this.toV]
      .map((layer) => layer.forward(tokens)) as [Tensor, Tensor, Tensor];
    const attended = this.toOut[0].forward(attend(q, k, v));
    return add(x, attended.reshape(x.shape));
  }
}

/** softmax(q k^T / sqrt(C)) v over (B, T, C). */
function attend(q: Tensor, k: Tensor, v: Tensor): Tensor {
  const [batch = 0, tokens = 0, channels = 0] = q.shape;
  if (channels <= WIDEST_HEAD) {
    const [a, b, c] = [q, k, v]
      .map((x) => x.reshape([batch, tokens, 1, channels])) as [
        Tensor,
        Tensor,
        Tensor,
      ];
    return attention(a, b, c).reshape(q.shape);
  }
  const scores = matmul(mul(q, channels ** -0.5), k, { transposeB: true });
  return matmul(softmax(scores), v);
}

/** Residual block, attention, residual block. */
class MidBlock extends Module {
  readonly resnets: readonly [ResnetBlock, ResnetBlock];
  readonly attentions: readonly [AttentionBlock];

  constructor(width: number, groups: number) {
    super();
    const block = () => new ResnetBlock(width, width, groups, SHORTCUT);
    this.resnets = [block(), block()];
    this.attentions = [new AttentionBlock(width, groups)];
  }

  forward(x: Tensor): Tensor {
    const attended = this.attentions[0].forward(this.resnets[0].forward(x));
    return this.resnets[1].forward(attended);
  }
}

/** A 3x3 convolution named `conv`, as the checkpoint nests it. */
class Sampler extends Module {
  readonly conv: Conv2d;

  constructor(width: number, stride: 1 | 2) {
    super();
    // Halving pads only right and below.
    const padding = stride === 2 ? [0, 1, 0, 1] as const : 1;
    this.conv = new Conv2d(width, width, 3, { stride, padding });
  }
}

/** The residual blocks of one resolution, and the way to the next. */
class Level extends Module {
  readonly resnets: readonly ResnetBlock[];
  readonly downsamplers?: readonly [Sampler];
  readonly upsamplers?: readonly [Sampler];

  constructor(
    inputs: number,
    outputs: number,
    blocks: number,
    groups: number,
    then: "down" | "up" | "stay",
  ) {
    super();
    this.resnets = Array.from(
      { length: blocks },
      (_, i) =>
        new ResnetBlock(i === 0 ? inputs : outputs, outputs, groups, SHORTCUT),
    );
    if (then === "down") this.downsamplers = [new Sampler(outputs, 2)];
    if (then === "up") this.upsamplers = [new Sampler(outputs, 1)];
  }

  /** Its blocks, then the way to the next resolution. */
  get steps(): Step[] {
    const steps: Step[] = this.resnets.map((block) => (x) => block.forward(x));
    const { downsamplers, upsamplers } = this;
    if (downsamplers) steps.push((x) => downsamplers[0].conv.forward(x));
    if (upsamplers) {
      steps.push((x) => {
        const [, height = 0, width = 0] = x.shape;
        const larger = resize2d(x, [2 * height, 2 * width], "nearest");
        return upsamplers[0].conv.forward(larger);
      });
    }
    return steps;
  }
}

class Encoder extends Module {
  readonly convIn: Conv2d;
  readonly downBlocks: readonly Level[];
  readonly midBlock: MidBlock;
  readonly convNormOut: GroupNorm;
  readonly convOut: Conv2d;

  constructor(options: AutoencoderOptions, latentChannels: number) {
    super();
    const { channels, blocks, groups } = options;
    const first = channels[0] ?? 0;
    const last = channels.at(-1) ?? 0;
    this.convIn = new Conv2d(3, first, 3, { padding: 1 });
    this.downBlocks = channels.map((outputs, i) => {
      const then = i + 1 < channels.length ? "down" : "stay";
      const inputs = channels[i - 1] ?? first;
      return new Level(inputs, outputs, blocks, groups, then);
    });
    this.midBlock = new MidBlock(last, groups);
    this.convNormOut = new GroupNorm(groups, last, EPS);
    this.convOut = new Conv2d(last, 2 * latentChannels, 3, { padding: 1 });
  }

  forward(x: Tensor): Tensor {
    return applySteps(x, [
      (y) => this.convIn.forward(y),
      ...this.downBlocks.flatMap((level) => level.steps),
      (y) => this.midBlock.forward(y),
      (y) => this.convOut.forward(this.convNormOut.forward(y, SILU)),
    ]);
  }
}

class Decoder extends Module {
  readonly convIn: Conv2d;
  readonly midBlock: MidBlock;
  readonly upBlocks: readonly Level[];
  readonly convNormOut: GroupNorm;
  readonly convOut: Conv2d;

  constructor(options: AutoencoderOptions, latentChannels: number) {
    super();
    const { groups, blocks } = options;
    const channels = options.channels.toReversed();
    const first = channels[0] ?? 0;
    const last = channels.at(-1) ?? 0;
    this.convIn = new Conv2d(latentChannels, first, 3, { padding: 1 });
    this.midBlock = new MidBlock(first, groups);
    this.upBlocks = channels.map((outputs, i) => {
      const then = i + 1 < channels.length ? "up" : "stay";
      const inputs = channels[i - 1] ?? first;
      return new Level(inputs, outputs, blocks + 1, groups, then);
    });
    this.convNormOut = new GroupNorm(groups, last, EPS);
    this.convOut = new Conv2d(last, 3, 3, { padding: 1 });
  }

  forward(z: Tensor): Tensor {
    return applySteps(z, [
      (y) => this.convIn.forward(y),
      (y) => this.midBlock.forward(y),
      ...this.upBlocks.flatMap((level) => level.steps),
      (y) => this.convOut.forward(this.convNormOut.forward(y, SILU)),
    ]);
  }
}

/** Mean and logarithm of the variance of the latents of an image. */
export interface Posterior {
  /** (B, height / f, width / f, latent channels), not scaled */
  readonly mean: Tensor;
  /** as `mean`, clamped to [-30, 20] */
  readonly logvar: Tensor;
}

/** Applies replacements in order. */
function renamed(
  name: string,
  rules: readonly (readonly [RegExp, string])[],
): string {
  return rules.reduce((text, [from, to]) => text.replace(from, to), name);
}

const DIFFUSERS: Naming = {
  publisher: "diffusers",
  mark: "encoder.mid_block.attentions.0.to_q.weight",
  place: (name) => ({ names: [name] }),
};

/** As the published files of Stable Diffusion 1 still spell the attention. */
const OLD_DIFFUSERS: Naming = {
  publisher: "diffusers, older",
  mark: "encoder.mid_block.attentions.0.query.weight",
  place: (name) => ({
    names: [renamed(name, [
      [/\.to_q\./, ".query."],
      [/\.to_k\./, ".key."],
      [/\.to_v\./, ".value."],
      [/\.to_out\.0\./, ".proj_attn."],
    ])],
  }),
};

/**
 * The names of latent diffusion's own checkpoints, which count the decoder's
 * resolutions from fine to coarse.
 */
function latentDiffusion(levels: number): Naming {
  return {
    publisher: "latent diffusion",
    mark: "encoder.mid.attn_1.q.weight",
    prefixes: ["first_stage_model.", ""],
    ignored: /^(loss|model_ema)\./,
    place(name): Place {
      const up = name.replace(
        /\.up_blocks\.(\d+)\./,
        (_, i: string) => `.up.${levels - 1 - Number(i)}.`,
      );
      const own = renamed(up, [
        [/\.down_blocks\./, ".down."],
        [/\.mid_block\.resnets\.0\./, ".mid.block_1."],
        [/\.mid_block\.resnets\.1\./, ".mid.block_2."],
        [/\.mid_block\.attentions\.0\./, ".mid.attn_1."],
        [/\.group_norm\./, ".norm."],
        [/\.to_([qkv])\./, ".$1."],
        [/\.to_out\.0\./, ".proj_out."],
        [/\.resnets\./, ".block."],
        [/\.conv_shortcut\./, ".nin_shortcut."],
        [/\.downsamplers\.0\./, ".downsample."],
        [/\.upsamplers\.0\./, ".upsample."],
        [/\.conv_norm_out\./, ".norm_out."],
      ]);
      return { names: [own] };
    },
  };
}

/**
 * The variational autoencoder of Stable Diffusion, at any widths.
 *
 * Its own names are those of diffusers. Source: Rombach et al. 2022; published weights
 * `stabilityai/sd-vae-ft-mse`.
 */
export class AutoencoderKL extends Module {
  /** `encoder` */
  readonly encoder: Module & { forward(x: Tensor): Tensor };
  /** `decoder` */
  readonly decoder: Module & { forward(x: Tensor): Tensor };
  /** `quant_conv`: 1x1 */
  readonly quantConv: Conv2d;
  /** `post_quant_conv`: 1x1 */
  readonly postQuantConv: Conv2d;
  readonly #scale: number;
  readonly #factor: number;
  readonly #published: Published;

  /**
   * Makes the network without weights.
   *
   * @param options sizes; default those of Stable Diffusion
   */
  constructor(options: AutoencoderOptions = SD_VAE) {
    super();
    const latent = options.latentChannels ?? 4;
    this.encoder = new Encoder(options, latent);
    this.decoder = new Decoder(options, latent);
    this.quantConv = new Conv2d(2 * latent, 2 * latent, 1);
    this.postQuantConv = new Conv2d(latent, latent, 1);
    this.#scale = options.scalingFactor;
    this.#factor = 2 ** (options.channels.length - 1);
    this.#published = {
      network: "AutoencoderKL",
      namings: [
        DIFFUSERS,
        OLD_DIFFUSERS,
        latentDiffusion(options.channels.length),
      ],
    };
  }

  /**
   * Puts trained weights on the device for inference, without gradients.
   *
   * @param gpu device
   * @param weights a file with the names of diffusers, new or old, or of
   *   latent diffusion
   * @returns the memory, to be disposed
   * @throws {TypeError} if names or shapes are not the network's
   */
  async load(gpu: Gpu, weights: WeightSource): Promise<FrozenWeights> {
    const matched = matchWeights(this, weights, this.#published);
    return await loadFrozen(gpu, this, matched, "");
  }

  /**
   * Compares names and shapes of a file with the network's.
   *
   * @param weights as {@linkcode AutoencoderKL.load} takes them
   * @throws {TypeError} if they are not the network's
   */
  check(weights: WeightSource): void {
    matchWeights(this, weights, this.#published);
  }

  /** Pixels of a latent's side. */
  get factor(): number {
    return this.#factor;
  }

  /** Latents are multiplied by this. */
  get scalingFactor(): number {
    return this.#scale;
  }

  /**
   * Gives the distribution of the latents, not scaled.
   *
   * @param images (B, height, width, 3) in [-1, 1]
   * @throws {RangeError} if a side is not a multiple of the factor
   */
  posterior(images: Tensor): Posterior {
    const [, height = 0, width = 0, channels] = images.shape;
    const factor = this.#factor;
    if (channels !== 3 || height % factor !== 0 || width % factor !== 0) {
      throw new RangeError(
        `Cannot encode images ${
          showShape(images.shape)
        }: they need shape (B, height, width, 3) with sides that are multiples of ${factor}`,
      );
    }
    const moments = this.quantConv.forward(this.encoder.forward(images));
    const [mean, logvar] = chunk(moments, 2) as [Tensor, Tensor];
    return { mean, logvar: clamp(logvar, -30, 20) };
  }

  /**
   * Draws latents from a posterior, not scaled.
   *
   * @param posterior mean and logarithm of the variance
   * @param keys one stream for all, or one for each image
   */
  sample(posterior: Posterior, keys: Key | readonly Key[]): Tensor {
    const { mean, logvar } = posterior;
    const noise = normal(mean.gpu, mean.shape, keys);
    return add(mean, mul(exp(mul(logvar, 0.5)), noise));
  }

  /**
   * Encodes images to the mean of their latents, scaled.
   *
   * @param images (B, height, width, 3) in [-1, 1]
   * @returns (B, height / f, width / f, latent channels)
   */
  encode(images: Tensor): Tensor {
    return mul(this.posterior(images).mean, this.#scale);
  }

  /**
   * Decodes latents that are not scaled, without a clamp: for training.
   *
   * @param latents (B, h, w, latent channels)
   * @returns (B, h f, w f, 3)
   */
  reconstruct(latents: Tensor): Tensor {
    return this.decoder.forward(this.postQuantConv.forward(latents));
  }

  /**
   * Decodes scaled latents to images.
   *
   * @param latents (B, h, w, latent channels), scaled; clamped to [-limit, limit]
   * @param limit default 6, as the published evaluations; their figures use 3
   * @returns (B, h f, w f, 3) in [0, 1]
   */
  decode(latents: Tensor, limit = 6): Tensor {
    const z = mul(clamp(latents, -limit, limit), 1 / this.#scale);
    const images = clamp(this.reconstruct(z), -1, 1);
    return add(mul(images, 0.5), 0.5);
  }
}
