import type { Gpu } from "../gpu/gpu.ts";
import { constant } from "../nn/init.ts";
import { Dropout, Linear } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { Parameter } from "../nn/parameter.ts";
import { concat } from "../ops/concat.ts";
import { mul, sub } from "../ops/pointwise.ts";
import { globalAvgPool2d, maxPool2d } from "../ops/pool2d.ts";
import { noGrad } from "../tensor/autograd.ts";
import { zeros } from "../tensor/create.ts";
import type { Key } from "../tensor/philox.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { matchWeights, type Published } from "./encoder.ts";
import { type FrozenWeights, readFinite, type WeightSource } from "./frozen.ts";
import {
  type BlockMode,
  checkImages,
  ConvBnRelu,
  InceptionA,
  InceptionB,
  InceptionC,
  InceptionE,
  loadFolded,
} from "./inception_blocks.ts";

const SIDE = 64;

/** Length of the demo's features. */
export const DEMO_FEATURES = 192;

/** Columns of the head's result, `[start, end)` of the last axis. */
export interface DemoHeads {
  /** Logits of the scene. */
  readonly scene: readonly [number, number];
  /** Logits of four styles. */
  readonly style: readonly [number, number];
  /** Logits of night, rain, fog and two lane counts. */
  readonly attributes: readonly [number, number];
  /** Curvature, heading, lateral offset, vehicles, distance, heading ahead. */
  readonly geometry: readonly [number, number];
  /** Blur and noise level of the frame. */
  readonly degradation: readonly [number, number];
}

/**
 * Where the targets are in the result of {@linkcode DemoFeatureNet.forward}.
 *
 * @param nScenes number of scenes
 */
export function demoHeads(nScenes: number): DemoHeads {
  return {
    scene: [0, nScenes],
    style: [nScenes, nScenes + 4],
    attributes: [nScenes + 4, nScenes + 9],
    geometry: [nScenes + 9, nScenes + 15],
    degradation: [nScenes + 15, nScenes + 17],
  };
}

/** Options of {@linkcode DemoFeatureNet.forward}. */
export interface DemoFeatureMode extends BlockMode {
  /** Stream of the dropout, or one for each image; absent for none. */
  readonly keys?: Key | readonly Key[];
}

/** Zeros at the right and at the bottom, one pixel each. */
function padEnd(x: Tensor): Tensor {
  const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
  const column = zeros(x.gpu, [batch, height, 1, channels]);
  const row = zeros(x.gpu, [batch, 1, width + 1, channels]);
  return concat([concat([x, column], 2), row], 1);
}

/** A block that halves even sizes. */
function reduction(inputs: number, width: number): InceptionB {
  const half = width / 2;
  return new InceptionB(inputs, { single: width, double: [half, half, half] });
}

/** A name that Inception-v3 has not. */
const MARK = "stem.0.conv.weight";

/**
 * Whether weights look like those of {@linkcode DemoFeatureNet}.
 *
 * @param weights a file that may be of another network
 */
export function isDemoFeatures({ names }: WeightSource): boolean {
  return names.some((name) => `.${name}`.endsWith(`.${MARK}`));
}

const PUBLISHED: Published = {
  network: "DemoFeatureNet",
  unused: /\.num_batches_tracked$|^head\./,
  namings: [{
    publisher: "this project",
    mark: MARK,
    place: (name) => ({ names: [name] }),
  }],
};

/**
 * The demo's stand-in for Inception: the same topology at 64x64 pixels, with
 * 235,096 parameters beside the heads and 192 features.
 *
 * It was trained on the embedded world and is used frozen, so that FID and KID
 * need no download in the demo.
 */
export class DemoFeatureNet extends Module {
  /** `stem.0`, `stem.1`, `stem.2` */
  readonly stem: readonly [ConvBnRelu, ConvBnRelu, ConvBnRelu];
  /** `a` */
  readonly a: InceptionA;
  /** `reduction1` */
  readonly reduction1: InceptionB;
  /** `c` */
  readonly c: InceptionC;
  /** `reduction2` */
  readonly reduction2: InceptionB;
  /** `e` */
  readonly e: InceptionE;
  /** `head`: (scenes + 17, 192), while training */
  readonly head?: Linear;
  /** `feature_scale`: (1), makes the features' mean square that of Inception */
  readonly featureScale: Parameter;
  readonly #dropout = new Dropout(0.2);
  #weights: FrozenWeights | undefined;
  #scale: number | undefined;

  /**
   * Makes the network without weights.
   *
   * @param nScenes number of scenes that the heads tell apart; absent for a
   *   network without heads
   */
  constructor(nScenes?: number) {
    super();
    this.stem = [
      new ConvBnRelu(3, 16, 3, { stride: 2, padding: 1 }),
      new ConvBnRelu(16, 24, 3, { padding: 1 }),
      new ConvBnRelu(24, 32, 1),
    ];
    this.a = new InceptionA(32, {
      single: 16,
      five: [12, 16],
      double: [16, 24, 24],
      pool: 8,
    });
    this.reduction1 = reduction(64, 48);
    this.c = new InceptionC(136, { middle: 16, branch: 32 });
    this.reduction2 = reduction(128, 64);
    this.e = new InceptionE(224, {
      single: 32,
      split: 32,
      double: [32, 32],
      pool: 32,
      pooling: "max",
    });
    if (nScenes !== undefined) {
      this.head = new Linear(DEMO_FEATURES, nScenes + 17);
    }
    this.featureScale = new Parameter([1], constant(1), false);
  }

  /** Key of the network. */
  get name(): string {
    return "demo_features";
  }

  /** Length of an embedding. */
  get width(): number {
    return DEMO_FEATURES;
  }

  /** Side of the frames that come in, in pixels. */
  get inputSize(): number {
    return 64;
  }

  /**
   * Puts a trained network on the device for inference, normalizations folded
   * into convolutions.
   *
   * @param gpu device
   * @param weights a state dict of this class; heads are not read
   * @throws {TypeError} if names or shapes are not the network's
   */
  async load(gpu: Gpu, weights: WeightSource): Promise<void> {
    const matched = matchWeights(this, weights, PUBLISHED);
    const scale = await readFinite(matched, "feature_scale");
    this[Symbol.dispose]();
    this.#weights = await loadFolded(gpu, this, matched);
    this.#scale = scale[0];
  }

  /**
   * Computes feature maps: the last one of each of four resolutions.
   *
   * @param images (B, 64, 64, 3) in [0, 1]
   * @param mode whether the batch's moments are used
   * @returns (B, 32, 32, 24), (B, 16, 16, 64), (B, 8, 8, 128), (B, 4, 4, 192)
   * @throws {RangeError} if the shape does not fit
   */
  stages(images: Tensor, mode: BlockMode = {}): Tensor[] {
    checkImages("DemoFeatureNet", images, SIDE);
    const [first, second, third] = this.stem;
    const x = sub(mul(images, 2), 1);
    const stem = second.forward(first.forward(x, mode), mode);
    const halved = third.forward(maxPool2d(stem, { kernel: 2 }), mode);
    const a = this.a.forward(halved, mode);
    const reduced = this.reduction1.forward(padEnd(a), mode); // (B, 8, 8, 136)
    const c = this.c.forward(reduced, mode);
    const last = this.reduction2.forward(padEnd(c), mode); // (B, 4, 4, 224)
    return [stem, a, c, this.e.forward(last, mode)];
  }

  /**
   * Computes features before they are scaled.
   *
   * @param images (B, 64, 64, 3) in [0, 1]
   * @param mode whether the batch's moments are used
   * @returns (B, 192)
   * @throws {RangeError} if the shape does not fit
   */
  features(images: Tensor, mode: BlockMode = {}): Tensor {
    return globalAvgPool2d(this.stages(images, mode)[3]!);
  }

  /**
   * Predicts what the network is trained on.
   *
   * @param images (B, 64, 64, 3) in [0, 1]
   * @param mode whether the batch's moments are used, and the dropout's draws
   * @returns (B, scenes + 17), see {@linkcode demoHeads}
   * @throws {RangeError} if the shape does not fit
   * @throws {Error} if the network has no heads
   */
  forward(images: Tensor, mode: DemoFeatureMode = {}): Tensor {
    if (this.head === undefined) {
      throw new Error(
        "Cannot apply the heads of DemoFeatureNet: it has none; construct it with a number of scenes",
      );
    }
    const features = this.features(images, mode);
    return this.head.forward(this.#dropout.forward(features, mode.keys));
  }

  /**
   * Compares names and shapes of a file with the network's.
   *
   * @param weights as {@linkcode DemoFeatureNet.load} takes them
   * @throws {TypeError} if they are not the network's
   */
  check(weights: WeightSource): void {
    matchWeights(this, weights, PUBLISHED);
  }

  /**
   * Computes the features of FID and KID.
   *
   * @param images (B, 64, 64, 3) in [0, 1]
   * @returns (B, 192), scaled, owned by the innermost scope
   * @throws {RangeError} if the shape does not fit
   */
  encode(images: Tensor): Tensor {
    using scope = images.gpu.scope();
    return noGrad(() => {
      const scale = this.#scale ?? this.featureScale;
      return scope.keep(mul(this.features(images), scale));
    });
  }

  /** Frees the weights that {@linkcode DemoFeatureNet.load} placed. */
  [Symbol.dispose](): void {
    this.#weights?.[Symbol.dispose]();
    this.#weights = undefined;
    this.#scale = undefined;
  }
}
