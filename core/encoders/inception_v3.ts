import type { Gpu } from "../gpu/gpu.ts";
import { Module } from "../nn/module.ts";
import { add, clamp, div, mul, relu, sub, where } from "../ops/pointwise.ts";
import { globalAvgPool2d, maxPool2d } from "../ops/pool2d.ts";
import { resize2d } from "../ops/resize2d.ts";
import { noGrad } from "../tensor/autograd.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { matchWeights, type Published } from "./encoder.ts";
import type { FrozenWeights, WeightSource } from "./frozen.ts";
import {
  checkImages,
  ConvBnRelu,
  InceptionA,
  InceptionB,
  InceptionC,
  InceptionD,
  InceptionE,
  loadFolded,
} from "./inception_blocks.ts";

/** Side of the images that the network sees, in pixels. */
const SIDE = 299;

/** Lengths of the features, after which stage they are taken. */
export type InceptionFeature = 64 | 192 | 768 | 2048;

/** Options of {@linkcode InceptionV3.forward}. */
export interface InceptionOptions {
  /** Length of the features. Default 2048, those of FID and KID. */
  readonly at?: InceptionFeature;
}

/** Options of {@linkcode preprocessInception}. */
export interface InceptionInput {
  /**
   * Whether images are in [0, 1], or hold bytes from 0 to 255 as whole
   * numbers. Default "unit".
   */
  readonly range?: "unit" | "bytes";
}

/** Rounds numbers from 0 to 2^22 down. */
function floor(x: Tensor): Tensor {
  // Above 2^23 floats are whole: the sum rounds to the nearest.
  const nearest = sub(add(x, 2 ** 23), 2 ** 23);
  const isAbove = relu(sub(nearest, x));
  return where(isAbove, sub(nearest, 1), nearest);
}

/**
 * Makes images what {@linkcode InceptionV3} expects: bytes, resized to
 * 299x299 as TensorFlow 1 does, then (x - 128) / 128.
 *
 * Numbers in [0, 1] become bytes by truncation of 255 x, as in the
 * implementation that published values are from.
 *
 * Source: the FID network of torch-fidelity; `normalize=True` of torchmetrics.
 *
 * @param images (B, height, width, 3), any size
 * @param input the range of the images
 * @returns (B, 299, 299, 3) in [-1, 1)
 * @throws {RangeError} if the images have not three channels
 */
export function preprocessInception(
  images: Tensor,
  { range = "unit" }: InceptionInput = {},
): Tensor {
  checkImages("preprocessInception", images);
  const { gpu } = images;
  return noGrad(() => {
    using scope = gpu.scope();
    const bytes = range === "bytes"
      ? images
      : floor(mul(clamp(images, 0, 1), 255));
    const resized = resize2d(bytes, [SIDE, SIDE], "tensorflow1");
    return scope.keep(div(sub(resized, 128), 128));
  });
}

/** The 35x35 block whose pooled branch has `pool` channels. */
function blockA(inputs: number, pool: number): InceptionA {
  return new InceptionA(inputs, {
    single: 64,
    five: [48, 64],
    double: [64, 96, 96],
    pool,
  });
}

/** The 8x8 block. */
function blockE(inputs: number, pooling: "avg" | "max"): InceptionE {
  return new InceptionE(inputs, {
    single: 320,
    split: 384,
    double: [448, 384],
    pool: 192,
    pooling,
  });
}

const PUBLISHED: Published = {
  network: "InceptionV3",
  unused: /\.num_batches_tracked$/,
  namings: [{
    publisher: "torch-fidelity, pytorch-fid",
    mark: "Mixed_7c.branch_pool.conv.weight",
    ignored: /^(fc|AuxLogits)\./,
    place: (name) => ({ names: [name] }),
  }],
};

/**
 * Inception-v3 with the weights that define FID, up to the pooled features.
 *
 * Differs: from the paper in the pooling, as the weights need it: averages
 * leave out the padding, and the last block takes the maximum.
 *
 * Source: Szegedy et al. 2016; Heusel et al. 2017; torch-fidelity.
 */
export class InceptionV3 extends Module {
  /** `Conv2d_1a_3x3` */
  readonly Conv2d_1a_3x3: ConvBnRelu = new ConvBnRelu(3, 32, 3, { stride: 2 });
  /** `Conv2d_2a_3x3` */
  readonly Conv2d_2a_3x3: ConvBnRelu = new ConvBnRelu(32, 32, 3);
  /** `Conv2d_2b_3x3` */
  readonly Conv2d_2b_3x3: ConvBnRelu = new ConvBnRelu(32, 64, 3, {
    padding: 1,
  });
  /** `Conv2d_3b_1x1` */
  readonly Conv2d_3b_1x1: ConvBnRelu = new ConvBnRelu(64, 80, 1);
  /** `Conv2d_4a_3x3` */
  readonly Conv2d_4a_3x3: ConvBnRelu = new ConvBnRelu(80, 192, 3);
  /** `Mixed_5b` */
  readonly Mixed_5b: InceptionA = blockA(192, 32);
  /** `Mixed_5c` */
  readonly Mixed_5c: InceptionA = blockA(256, 64);
  /** `Mixed_5d` */
  readonly Mixed_5d: InceptionA = blockA(288, 64);
  /** `Mixed_6a` */
  readonly Mixed_6a: InceptionB = new InceptionB(288, {
    single: 384,
    double: [64, 96, 96],
  });
  /** `Mixed_6b` */
  readonly Mixed_6b: InceptionC = new InceptionC(768, {
    middle: 128,
    branch: 192,
  });
  /** `Mixed_6c` */
  readonly Mixed_6c: InceptionC = new InceptionC(768, {
    middle: 160,
    branch: 192,
  });
  /** `Mixed_6d` */
  readonly Mixed_6d: InceptionC = new InceptionC(768, {
    middle: 160,
    branch: 192,
  });
  /** `Mixed_6e` */
  readonly Mixed_6e: InceptionC = new InceptionC(768, {
    middle: 192,
    branch: 192,
  });
  /** `Mixed_7a` */
  readonly Mixed_7a: InceptionD = new InceptionD(768, {
    single: [192, 320],
    seven: 192,
  });
  /** `Mixed_7b` */
  readonly Mixed_7b: InceptionE = blockE(1280, "avg");
  /** `Mixed_7c` */
  readonly Mixed_7c: InceptionE = blockE(2048, "max");
  #weights: FrozenWeights | undefined;

  /** Key of the network. */
  get name(): string {
    return "inception_v3";
  }

  /** Length of an embedding. */
  get width(): number {
    return 2048;
  }

  /** Side of the frames that come in, in pixels; any other is taken too. */
  get inputSize(): number {
    return SIDE;
  }

  /**
   * Puts all weights on the device, normalizations folded into convolutions.
   *
   * @param gpu device
   * @param weights the file of torch-fidelity or pytorch-fid; its classifier,
   *   auxiliary head and counters are not read
   * @throws {TypeError} if names or shapes are not the network's
   */
  async load(gpu: Gpu, weights: WeightSource): Promise<void> {
    const matched = matchWeights(this, weights, PUBLISHED);
    this[Symbol.dispose]();
    this.#weights = await loadFolded(gpu, this, matched);
  }

  /**
   * Compares names and shapes of a file with the network's.
   *
   * @param weights as {@linkcode InceptionV3.load} takes them
   * @throws {TypeError} if they are not the network's
   */
  check(weights: WeightSource): void {
    matchWeights(this, weights, PUBLISHED);
  }

  /**
   * Computes features of preprocessed images.
   *
   * @param images (B, 299, 299, 3), from {@linkcode preprocessInception}
   * @param options which features
   * @returns (B, at), averaged over pixels, owned by the innermost scope
   * @throws {RangeError} if the shape does not fit
   */
  forward(images: Tensor, { at = 2048 }: InceptionOptions = {}): Tensor {
    checkImages("InceptionV3", images, SIDE);
    const { gpu } = images;
    return noGrad(() => {
      using scope = gpu.scope();
      let x = images;
      const stages = this.#stages(at);
      for (const stage of stages) {
        using inner = gpu.scope();
        const y = inner.keep(stage(x));
        if (x !== images) x.free();
        x = y;
      }
      return scope.keep(globalAvgPool2d(x));
    });
  }

  /**
   * Preprocesses images and computes their features.
   *
   * @param images (B, height, width, 3), any size
   * @param options which features, and the range of the images
   * @returns (B, at), owned by the innermost scope
   * @throws {RangeError} if the shape does not fit
   */
  encode(
    images: Tensor,
    options: InceptionOptions & InceptionInput = {},
  ): Tensor {
    using scope = images.gpu.scope();
    const input = preprocessInception(images, options);
    return scope.keep(this.forward(input, options));
  }

  /** The steps up to a feature; memory is freed after each. */
  #stages(at: InceptionFeature): ((x: Tensor) => Tensor)[] {
    const pool = (x: Tensor) => maxPool2d(x, { kernel: 3, stride: 2 });
    const parts: readonly [InceptionFeature, (x: Tensor) => Tensor][] = [
      [64, (x) => this.Conv2d_1a_3x3.forward(x)], // (B, 149, 149, 32)
      [64, (x) => this.Conv2d_2a_3x3.forward(x)], // (B, 147, 147, 32)
      [64, (x) => pool(this.Conv2d_2b_3x3.forward(x))], // (B, 73, 73, 64)
      [192, (x) => this.Conv2d_3b_1x1.forward(x)],
      [192, (x) => pool(this.Conv2d_4a_3x3.forward(x))], // (B, 35, 35, 192)
      [768, (x) => this.Mixed_5b.forward(x)],
      [768, (x) => this.Mixed_5c.forward(x)],
      [768, (x) => this.Mixed_5d.forward(x)],
      [768, (x) => this.Mixed_6a.forward(x)], // (B, 17, 17, 768)
      [768, (x) => this.Mixed_6b.forward(x)],
      [768, (x) => this.Mixed_6c.forward(x)],
      [768, (x) => this.Mixed_6d.forward(x)],
      [768, (x) => this.Mixed_6e.forward(x)],
      [2048, (x) => this.Mixed_7a.forward(x)], // (B, 8, 8, 1280)
      [2048, (x) => this.Mixed_7b.forward(x)],
      [2048, (x) => this.Mixed_7c.forward(x)], // (B, 8, 8, 2048)
    ];
    return parts.filter(([feature]) => feature <= at).map(([, step]) => step);
  }

  /** Frees the weights on the device. */
  [Symbol.dispose](): void {
    this.#weights?.[Symbol.dispose]();
    this.#weights = undefined;
  }
}
