import type { Gpu } from "../gpu/gpu.ts";
import { Conv2d } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { constant } from "../nn/init.ts";
import { Parameter } from "../nn/parameter.ts";
import { linear } from "../ops/linear.ts";
import { add, div, mul, sqrt, sub } from "../ops/pointwise.ts";
import { maxPool2d, type Pool2dOptions } from "../ops/pool2d.ts";
import { mean, sum } from "../ops/reduce.ts";
import { noGrad } from "../tensor/autograd.ts";
import { tensor } from "../tensor/create.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { DemoFeatureNet } from "./demo_features.ts";
import { matchWeights, type Published } from "./encoder.ts";
import { type FrozenWeights, loadFrozen, type WeightSource } from "./frozen.ts";
import { checkImages } from "./inception_blocks.ts";

/** A convolution with relu of an {@linkcode LpipsBackbone}. */
export interface LpipsConvolution {
  /** Its position in torchvision's `features`. */
  readonly at: number;
  /** Channels that go out, a multiple of 4. */
  readonly outputs: number;
  /** Height and width of the kernel, in pixels. */
  readonly kernel: number;
  /** Step, in pixels. Default 1. */
  readonly stride?: number;
  /** Zeros around the image, in pixels. */
  readonly padding: number;
}

/** What lies before one of the feature maps that are compared. */
export interface LpipsStage {
  /** Pooling before the convolutions, if there is one. */
  readonly pool?: Pool2dOptions;
  /** The convolutions; the last one's result is compared. */
  readonly convolutions: readonly LpipsConvolution[];
}

/** A backbone of {@linkcode Lpips}. */
export interface LpipsConfig {
  /** The network, for messages. */
  readonly network: string;
  /** Shortest side of the images, in pixels. */
  readonly leastSide: number;
  /** Stages, one for each feature map. */
  readonly stages: readonly LpipsStage[];
}

/** 3x3 convolutions from a position on, with a relu after each. */
function threes(
  at: number,
  outputs: number,
  count: number,
): LpipsConvolution[] {
  return Array.from(
    { length: count },
    (_, i) => ({ at: at + 2 * i, outputs, kernel: 3, padding: 1 }),
  );
}

/** AlexNet, the published default: 2,469,696 parameters. */
export const LPIPS_ALEX: LpipsConfig = {
  network: "AlexNet of LPIPS",
  leastSide: 31,
  stages: [
    {
      convolutions: [
        { at: 0, outputs: 64, kernel: 11, stride: 4, padding: 2 },
      ],
    },
    {
      pool: { kernel: 3, stride: 2 },
      convolutions: [{ at: 3, outputs: 192, kernel: 5, padding: 2 }],
    },
    { pool: { kernel: 3, stride: 2 }, convolutions: threes(6, 384, 1) },
    { convolutions: threes(8, 256, 1) },
    { convolutions: threes(10, 256, 1) },
  ],
};

/** VGG16: 14,714,688 parameters. */
export const LPIPS_VGG16: LpipsConfig = {
  network: "VGG16 of LPIPS",
  leastSide: 16,
  stages: [
    { convolutions: threes(0, 64, 2) },
    { pool: { kernel: 2 }, convolutions: threes(5, 128, 2) },
    { pool: { kernel: 2 }, convolutions: threes(10, 256, 3) },
    { pool: { kernel: 2 }, convolutions: threes(17, 512, 3) },
    { pool: { kernel: 2 }, convolutions: threes(24, 512, 3) },
  ],
};

function widthOf({ convolutions }: LpipsStage): number {
  return convolutions.at(-1)?.outputs ?? 0;
}

/**
 * The convolutions of a classifier, up to the last feature map that
 * {@linkcode Lpips} compares.
 *
 * Source: Krizhevsky 2014 and Simonyan & Zisserman 2015, as torchvision has
 * them.
 */
export class LpipsBackbone extends Module {
  readonly #config: LpipsConfig;
  readonly #stages: readonly (readonly Conv2d[])[];

  /**
   * Creates it from its sizes; values come with the weights.
   *
   * @param config sizes
   */
  constructor(config: LpipsConfig) {
    super();
    this.#config = config;
    let inputs = 3;
    this.#stages = config.stages.map(({ convolutions }) =>
      convolutions.map(({ outputs, kernel, stride = 1, padding }) => {
        const options = { stride, padding, activation: "relu" } as const;
        const convolution = new Conv2d(inputs, outputs, kernel, options);
        inputs = outputs;
        return convolution;
      })
    );
  }

  /** The convolutions under torchvision's names, `features.N`. */
  protected override *members(): Generator<[string, unknown]> {
    for (const [k, { convolutions }] of this.#config.stages.entries()) {
      for (const [i, { at }] of convolutions.entries()) {
        yield [`features.${at}`, this.#stages[k]![i]];
      }
    }
  }

  /**
   * Applies one stage.
   *
   * @param k which, from 0
   * @param x (B, height, width, C), the result of the stage before, or images
   *   as the network was trained on
   * @returns (B, outHeight, outWidth, outputs)
   */
  stage(k: number, x: Tensor): Tensor {
    const { pool } = this.#config.stages[k]!;
    const pooled = pool === undefined ? x : maxPool2d(x, pool);
    return this.#stages[k]!.reduce((y, layer) => layer.forward(y), pooled);
  }

  /**
   * Finds the parameters in a file.
   *
   * @param weights torchvision's state dict, or all of LPIPS
   * @returns the file under this module's names
   * @throws {TypeError} if names or shapes are not the network's
   */
  match(weights: WeightSource): WeightSource {
    const { network, stages } = this.#config;
    const stageOf = new Map(
      stages.flatMap(({ convolutions }, k) =>
        convolutions.map(({ at }) => [String(at), k + 1])
      ),
    );
    return matchWeights(this, weights, {
      network,
      namings: [{
        publisher: "torchvision",
        mark: "features.0.weight",
        ignored: /^classifier\./,
        place: (name) => ({ names: [name] }),
      }, {
        publisher: "lpips, torchmetrics",
        mark: "net.slice1.0.weight",
        ignored: /^(lin\d|lins|scaling_layer)\./,
        place: (name) => {
          const [, at = "", kind] = name.split(".");
          return { names: [`net.slice${stageOf.get(at)}.${at}.${kind}`] };
        },
      }],
    });
  }

  /**
   * Compares names and shapes of a file with the network's.
   *
   * @param weights as {@linkcode LpipsBackbone.match} takes them
   * @throws {TypeError} if they are not the network's
   */
  check(weights: WeightSource): void {
    this.match(weights);
  }
}

const HEADS: Published = {
  network: "the linear heads of LPIPS",
  namings: [{
    publisher: "lpips, torchmetrics",
    mark: "lin0.model.1.weight",
    ignored: /^(net|lins|scaling_layer)\./,
    place: (name) => ({ names: [name] }),
  }],
};

/** The learned weights of channels, one head for each feature map. */
export class LpipsHeads extends Module {
  readonly #weights: readonly Parameter[];

  /**
   * Creates them from their sizes; values come with the weights.
   *
   * @param config sizes of the backbone
   */
  constructor({ stages }: LpipsConfig) {
    super();
    this.#weights = stages.map((stage) =>
      new Parameter([1, widthOf(stage)], constant(0))
    );
  }

  /** The heads under their published names, `linK.model.1.weight`. */
  protected override *members(): Generator<[string, unknown]> {
    for (const [k, weight] of this.#weights.entries()) {
      yield [`lin${k}.model.1.weight`, weight];
    }
  }

  /**
   * Weighs the differences of one feature map.
   *
   * @param k which, from 0
   * @param differences (B, C)
   * @returns (B, 1)
   */
  stage(k: number, differences: Tensor): Tensor {
    return linear(differences, this.#weights[k]!, undefined);
  }

  /**
   * Finds the parameters in a file.
   *
   * @param weights the published heads, or all of LPIPS
   * @returns the file under this module's names
   * @throws {TypeError} if names or shapes are not the heads'
   */
  match(weights: WeightSource): WeightSource {
    return matchWeights(this, weights, HEADS);
  }

  /**
   * Compares names and shapes of a file with the heads'.
   *
   * @param weights as {@linkcode LpipsHeads.match} takes them
   * @throws {TypeError} if they are not the heads'
   */
  check(weights: WeightSource): void {
    this.match(weights);
  }
}

/** Added to the norms of features. */
const EPS = 1e-10;

/** Features divided by their norm over the channels. */
function unit(x: Tensor): Tensor {
  const norm = sqrt(sum(mul(x, x), [-1], { keepAxes: true }));
  return div(x, add(norm, EPS));
}

/**
 * Squared differences of unit features, averaged over pixels.
 *
 * @param x (B, height, width, C)
 * @param y same shape
 * @returns (B, C)
 */
function unitDifferences(x: Tensor, y: Tensor): Tensor {
  const difference = sub(unit(x), unit(y));
  return mean(mul(difference, difference), [1, 2]);
}

function checkPair(what: string, a: Tensor, b: Tensor): void {
  checkImages(what, a);
  if (showShape(a.shape) === showShape(b.shape)) return;
  throw new RangeError(
    `Cannot apply ${what} to ${showShape(a.shape)} and ${
      showShape(b.shape)
    }: needed equal shapes`,
  );
}

/** Mean and deviation of pixels in [-1, 1]. */
const PIXELS = { mean: [-0.030, -0.088, -0.188], std: [0.458, 0.448, 0.450] };

/**
 * Learned perceptual image patch similarity: for each of five feature maps of a
 * classifier, features are divided by their norm, and the squared differences,
 * weighed by channel and averaged over pixels, are added up.
 *
 * 0 for equal images; published values are of 256x256 pixels, and depend on the
 * size.
 *
 * Source: Zhang et al. 2018, equation 1; `lpips` 0.1.
 */
export class Lpips extends Module {
  /** `net.features.N` */
  readonly net: LpipsBackbone;
  /** `heads.linK.model.1.weight` */
  readonly heads: LpipsHeads;
  readonly #config: LpipsConfig;
  #weights: readonly FrozenWeights[] = [];

  /**
   * Creates it from its sizes.
   *
   * @param config backbone; default AlexNet
   */
  constructor(config: LpipsConfig = LPIPS_ALEX) {
    super();
    this.net = new LpipsBackbone(config);
    this.heads = new LpipsHeads(config);
    this.#config = config;
  }

  /**
   * Puts all weights on the device.
   *
   * @param gpu device
   * @param weights torchvision's state dict of the backbone, or all of LPIPS
   * @param heads the published heads; absent if `weights` holds them
   * @throws {TypeError} if names or shapes are not the network's
   */
  async load(
    gpu: Gpu,
    weights: WeightSource,
    heads: WeightSource = weights,
  ): Promise<void> {
    const [net, lins] = [this.net.match(weights), this.heads.match(heads)];
    this[Symbol.dispose]();
    const placed = await loadFrozen(gpu, this.net, net, "");
    this.#weights = [placed];
    this.#weights = [placed, await loadFrozen(gpu, this.heads, lins, "")];
  }

  /**
   * Compares names and shapes of files with the network's.
   *
   * @param weights as {@linkcode Lpips.load} takes them
   * @param heads likewise
   * @throws {TypeError} if they are not the network's
   */
  check(weights: WeightSource, heads: WeightSource = weights): void {
    this.net.check(weights);
    this.heads.check(heads);
  }

  /**
   * Measures how different images look.
   *
   * @param a (B, height, width, 3) in [0, 1]
   * @param b same shape
   * @returns (B), no unit, owned by the innermost scope
   * @throws {RangeError} if the shapes differ, are no images, or are too small
   */
  distance(a: Tensor, b: Tensor): Tensor {
    const { network, leastSide, stages } = this.#config;
    checkPair(network, a, b);
    const [batch = 0, height = 0, width = 0] = a.shape;
    if (Math.min(height, width) < leastSide) {
      throw new RangeError(
        `Cannot apply ${network} to ${
          showShape(a.shape)
        }: both sides must be at least ${leastSide} pixels`,
      );
    }
    const { gpu } = a;
    return noGrad(() => {
      using scope = gpu.scope();
      const centre = tensor(gpu, PIXELS.mean);
      const spread = tensor(gpu, PIXELS.std);
      const scaled = (x: Tensor) => div(sub(sub(mul(x, 2), 1), centre), spread);
      let pair = [scaled(a), scaled(b)] as const;
      let total: Tensor | undefined;
      for (const k of stages.keys()) {
        using inner = gpu.scope();
        const next = [
          inner.keep(this.net.stage(k, pair[0])),
          inner.keep(this.net.stage(k, pair[1])),
        ] as const;
        const part = this.heads.stage(k, unitDifferences(...next)); // (B, 1)
        total = inner.keep(total === undefined ? part : add(total, part));
        for (const x of pair) x.free();
        pair = next;
      }
      return scope.keep(total!).reshape([batch]);
    });
  }

  /** Frees the weights on the device. */
  [Symbol.dispose](): void {
    for (const weights of this.#weights) weights[Symbol.dispose]();
    this.#weights = [];
  }
}

/**
 * The demo's stand-in for {@linkcode Lpips}: squared differences of unit
 * features of the demo's feature network, summed over channels, averaged over
 * pixels and then over its four resolutions. There are no learned weights of
 * channels. From 0 for equal images to 2.
 *
 * Source: this project, after the unweighted variant of Zhang et al. 2018.
 *
 * @param network with its weights
 * @param a (B, 64, 64, 3) in [0, 1]
 * @param b same shape
 * @returns (B), no unit, owned by the innermost scope
 * @throws {RangeError} if the shapes do not fit
 */
export function demoPerceptual(
  network: DemoFeatureNet,
  a: Tensor,
  b: Tensor,
): Tensor {
  checkPair("demoPerceptual", a, b);
  const { gpu } = a;
  return noGrad(() => {
    using scope = gpu.scope();
    const [first, second] = [network.stages(a), network.stages(b)];
    const parts = first.map((x, k) => sum(unitDifferences(x, second[k]!), [1]));
    return scope.keep(div(parts.reduce(add), parts.length));
  });
}
