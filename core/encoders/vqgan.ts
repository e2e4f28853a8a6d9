import type { Gpu } from "../gpu/gpu.ts";
import { Conv2d, GroupNorm } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { applySteps, type Step } from "../nn/sequence.ts";
import { concat, slice } from "../ops/concat.ts";
import { matmul } from "../ops/matmul.ts";
import { mul, sub } from "../ops/pointwise.ts";
import { mean } from "../ops/reduce.ts";
import { resize2d } from "../ops/resize2d.ts";
import { softmax } from "../ops/softmax.ts";
import { noGrad } from "../tensor/autograd.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  checkWeights,
  type FrozenWeights,
  loadFrozen,
  prefixIn,
  type WeightSource,
} from "./frozen.ts";
import { EPS, ResnetBlock, SILU } from "./resnet_block.ts";

/** Sizes of a {@linkcode VqganEncoder}. */
export interface VqganConfig {
  /** Channels of the first convolution. */
  readonly channels: number;
  /** Width of each level, in `channels`; each level but the first halves. */
  readonly multipliers: readonly number[];
  /** Residual blocks of a level; in the last one attention follows each. */
  readonly blocks: number;
  /** Channels of the result. */
  readonly latent: number;
  /** Groups of a normalization. */
  readonly groups: number;
  /** Side of the images that the network sees, in pixels. */
  readonly crop: number;
  /** Side of the frames that come in, in pixels. */
  readonly inputSize: number;
}

/** The f16 model with 16,384 codes, trained on ImageNet. */
export const VQGAN_F16: VqganConfig = {
  channels: 128,
  multipliers: [1, 1, 2, 2, 4],
  blocks: 2,
  latent: 256,
  groups: 32,
  crop: 256,
  inputSize: 224,
};

/** Name of the residual blocks' shortcut. */
const SHORTCUT = "nin_shortcut";

class AttnBlock extends Module {
  /** `norm`, and the 1 x 1 convolutions `q`, `k`, `v`, `proj_out` */
  readonly norm: GroupNorm;
  readonly q: Conv2d;
  readonly k: Conv2d;
  readonly v: Conv2d;
  readonly projOut: Conv2d;

  constructor(width: number, groups: number) {
    super();
    this.norm = new GroupNorm(groups, width, EPS);
    this.q = new Conv2d(width, width, 1);
    this.k = new Conv2d(width, width, 1);
    this.v = new Conv2d(width, width, 1);
    this.projOut = new Conv2d(width, width, 1);
  }

  // One head of the full width is beyond the attention kernel's registers; 256
  // tokens make the scores small.
  forward(x: Tensor): Tensor {
    const [batch = 0, height = 0, columns = 0, width = 0] = x.shape;
    const h = this.norm.forward(x);
    const tokens = [batch, height * columns, width];
    const q = mul(this.q.forward(h), width ** -0.5).reshape(tokens);
    const k = this.k.forward(h).reshape(tokens);
    const v = this.v.forward(h).reshape(tokens);
    const weights = softmax(matmul(q, k, { transposeB: true }));
    const y = matmul(weights, v).reshape(x.shape);
    return this.projOut.forward(y, { residual: x });
  }
}

class Downsample extends Module {
  /** `conv` */
  readonly conv: Conv2d;

  constructor(width: number) {
    super();
    // Zeros at the bottom and at the right only.
    const padding = [0, 1, 0, 1] as const;
    this.conv = new Conv2d(width, width, 3, { stride: 2, padding });
  }

  forward(x: Tensor): Tensor {
    return this.conv.forward(x);
  }
}

class Level extends Module {
  /** `block.0` and so on, `attn.0` and so on, `downsample` */
  readonly block: readonly ResnetBlock[];
  readonly attn: readonly AttnBlock[];
  readonly downsample: Downsample | undefined;

  constructor(
    inputs: number,
    outputs: number,
    { blocks, groups }: VqganConfig,
    isLast: boolean,
  ) {
    super();
    this.block = Array.from(
      { length: blocks },
      (_, i) =>
        new ResnetBlock(i === 0 ? inputs : outputs, outputs, groups, SHORTCUT),
    );
    this.attn = isLast
      ? this.block.map(() => new AttnBlock(outputs, groups))
      : [];
    if (!isLast) this.downsample = new Downsample(outputs);
  }

  /** The level's steps in order. */
  get steps(): readonly Step[] {
    const layers = this.block.flatMap((block, i) => {
      const attn = this.attn[i];
      return attn === undefined ? [block] : [block, attn];
    });
    const all = this.downsample === undefined
      ? layers
      : [...layers, this.downsample];
    return all.map((layer) => (x) => layer.forward(x));
  }
}

class Middle extends Module {
  /** `block_1`, `attn_1`, `block_2` */
  readonly block_1: ResnetBlock;
  readonly attn_1: AttnBlock;
  readonly block_2: ResnetBlock;

  constructor(width: number, groups: number) {
    super();
    this.block_1 = new ResnetBlock(width, width, groups, SHORTCUT);
    this.attn_1 = new AttnBlock(width, groups);
    this.block_2 = new ResnetBlock(width, width, groups, SHORTCUT);
  }
}

/**
 * The convolutional encoder of VQGAN, averaged over its map.
 *
 * Differs: neither the 1 x 1 convolution before the codebook nor the codebook
 * is applied; features are those before quantization.
 *
 * Source: Esser et al. 2021; `CompVis/taming-transformers`,
 * `vqgan_imagenet_f16_16384`.
 */
export class VqganEncoder extends Module {
  /** `conv_in.weight`, `conv_in.bias` */
  readonly convIn: Conv2d;
  /** `down.0` and so on */
  private readonly down: readonly Level[];
  /** `mid` */
  private readonly mid: Middle;
  /** `norm_out.weight`, `norm_out.bias` */
  readonly normOut: GroupNorm;
  /** `conv_out.weight`, `conv_out.bias` */
  readonly convOut: Conv2d;
  readonly #config: VqganConfig;
  #weights: FrozenWeights | undefined;

  /**
   * Creates the network without weights.
   *
   * @param config sizes; default the f16 model
   */
  constructor(config: VqganConfig = VQGAN_F16) {
    super();
    this.#config = config;
    const { channels, multipliers, latent, groups } = config;
    const widths = multipliers.map((multiplier) => multiplier * channels);
    const last = widths.at(-1) ?? channels;
    this.convIn = new Conv2d(3, channels, 3, { padding: 1 });
    this.down = widths.map((width, i) =>
      new Level(
        widths[i - 1] ?? channels,
        width,
        config,
        i === widths.length - 1,
      )
    );
    this.mid = new Middle(last, groups);
    this.normOut = new GroupNorm(groups, last, EPS);
    this.convOut = new Conv2d(last, latent, 3, { padding: 1 });
  }

  /** Name of the encoder. */
  get name(): string {
    return "vq_track";
  }

  /** Length of an embedding. */
  get width(): number {
    return this.#config.latent;
  }

  /** Side of the frames that come in, in pixels. */
  get inputSize(): number {
    return this.#config.inputSize;
  }

  /**
   * Puts all weights on the device.
   *
   * @param gpu device
   * @param weights the published checkpoint's state dict, or a file with the
   *   encoder's names alone
   * @throws {TypeError} if names or shapes are not the network's
   */
  async load(gpu: Gpu, weights: WeightSource): Promise<void> {
    const prefix = prefixIn(this, weights, "encoder.");
    this[Symbol.dispose]();
    this.#weights = await loadFrozen(gpu, this, weights, prefix);
  }

  /**
   * Compares names and shapes of a file with the network's.
   *
   * @param weights as {@linkcode VqganEncoder.load} takes them
   * @throws {TypeError} if they are not the network's
   */
  check(weights: WeightSource): void {
    checkWeights(this, weights, prefixIn(this, weights, "encoder."));
  }

  /**
   * Maps images to features, step by step: what a step needed is freed after
   * it.
   *
   * @param images (B, height, width, 3) in [-1, 1], sides multiples of 16
   * @returns (B, height / 16, width / 16, 256)
   */
  forward(images: Tensor): Tensor {
    return noGrad(() =>
      applySteps(images, [
        (x) => this.convIn.forward(x),
        ...this.down.flatMap((level) => level.steps),
        (x) => this.mid.block_1.forward(x),
        (x) => this.mid.attn_1.forward(x),
        (x) => this.mid.block_2.forward(x),
        (x) => this.convOut.forward(this.normOut.forward(x, SILU)),
      ])
    );
  }

  /**
   * Embeds frames, one at a time: with weights and texel copies a frame takes
   * 1.1 GB on the device, whatever the batch.
   *
   * @param frames (B, 224, 224, 3) in [0, 1]
   * @returns (B, 256)
   * @throws {RangeError} if the shape does not fit
   */
  encode(frames: Tensor): Tensor {
    const { gpu } = frames;
    const { crop, inputSize } = this.#config;
    const [batch = 0, ...image] = frames.shape;
    if (showShape(image) !== showShape([inputSize, inputSize, 3])) {
      throw new RangeError(
        `Cannot encode ${
          showShape(frames.shape)
        } with VqganEncoder: needed (B, ${inputSize}, ${inputSize}, 3)`,
      );
    }
    return noGrad(() => {
      using scope = gpu.scope();
      const rows = Array.from({ length: batch }, (_, i) => {
        using inner = gpu.scope();
        const frame = batch === 1 ? frames : slice(frames, 0, i, i + 1);
        const resized = resize2d(frame, [crop, crop], "bilinear");
        const map = this.forward(sub(mul(resized, 2), 1));
        return inner.keep(mean(map, [1, 2])); // (1, 256)
      });
      return scope.keep(concat(rows, 0));
    });
  }

  /** Frees the weights on the device. */
  [Symbol.dispose](): void {
    this.#weights?.[Symbol.dispose]();
    this.#weights = undefined;
  }
}
