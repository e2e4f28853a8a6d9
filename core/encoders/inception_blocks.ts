import type { Gpu } from "../gpu/gpu.ts";
import type { Storage } from "../gpu/storage.ts";
import { BatchNorm2d, Conv2d } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import type { Parameter } from "../nn/parameter.ts";
import { concat } from "../ops/concat.ts";
import { conv2d, type Conv2dOptions } from "../ops/conv2d.ts";
import { relu } from "../ops/pointwise.ts";
import { avgPool2d, maxPool2d } from "../ops/pool2d.ts";
import { type Shape, showShape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { FrozenWeights, readFinite, type WeightSource } from "./frozen.ts";

const EPS = 1e-3;

/** How the batch normalizations of a network act. */
export interface BlockMode {
  /** Whether they use and track the batch's moments. Default false. */
  readonly training?: boolean;
}

/** A convolution without bias, batch normalization, and relu. */
export class ConvBnRelu extends Module {
  /** `conv.weight` */
  readonly conv: Conv2d;
  /** `bn.weight`, `bn.bias`, `bn.running_mean`, `bn.running_var` */
  readonly bn: BatchNorm2d;
  readonly #options: Conv2dOptions;
  #folded: { readonly weight: Tensor; readonly bias: Tensor } | undefined;

  /**
   * Makes the block without weights.
   *
   * @param inputs channels that come in
   * @param outputs channels that go out, a multiple of 4
   * @param kernel height and width, or one number for both, in pixels
   * @param options stride and padding
   */
  constructor(
    inputs: number,
    outputs: number,
    kernel: number | readonly [number, number],
    options: Conv2dOptions = {},
  ) {
    super();
    this.conv = new Conv2d(inputs, outputs, kernel, {
      ...options,
      bias: false,
    });
    this.bn = new BatchNorm2d(outputs, { eps: EPS });
    this.#options = options;
  }

  /**
   * Applies the unit: in one pass once it is folded.
   *
   * @param x (B, height, width, inputs)
   * @param mode whether the batch's moments are used
   * @returns (B, outHeight, outWidth, outputs)
   */
  forward(x: Tensor, { training = false }: BlockMode = {}): Tensor {
    if (training) {
      const y = this.conv.forward(x);
      return this.bn.forwardTraining(y, { activation: "relu" });
    }
    if (this.#folded === undefined) {
      return relu(this.bn.forward(this.conv.forward(x)));
    }
    const { weight, bias } = this.#folded;
    return conv2d(x, weight, bias, { ...this.#options, activation: "relu" });
  }

  /**
   * Replaces the frozen forward pass by a convolution with a bias:
   * w' = w g / sqrt(v + eps), b' = b - m g / sqrt(v + eps).
   *
   * @param gpu device
   * @param read gives a parameter's values
   * @returns the memory of w' and b', outside every scope
   */
  async fold(
    gpu: Gpu,
    read: (parameter: Parameter) => Promise<Float32Array<ArrayBuffer>>,
  ): Promise<Storage[]> {
    const { shape } = this.conv.weight;
    const weight = (await read(this.conv.weight)).slice();
    const bias = (await read(this.bn.bias)).slice();
    const gain = await read(this.bn.weight);
    const mean = await read(this.bn.runningMean);
    const variance = await read(this.bn.runningVar);
    const area = weight.length / bias.length;
    for (let o = 0; o < bias.length; o++) {
      const factor = gain[o]! / Math.sqrt(variance[o]! + EPS);
      bias[o] = bias[o]! - mean[o]! * factor;
      for (let i = o * area; i < (o + 1) * area; i++) weight[i]! *= factor;
    }
    const place = (shape: Shape, values: Float32Array<ArrayBuffer>) => {
      const storage = gpu.allocateLasting(values.byteLength, "folded weight");
      const placed = new Tensor(shape, "f32", storage);
      gpu.write(placed, values);
      return placed;
    };
    this.#folded = {
      weight: place(shape, weight),
      bias: place([bias.length], bias),
    };
    return [this.#folded.weight.storage, this.#folded.bias.storage];
  }
}

/** All units of a module, in field order. */
function* unitsOf(module: Module): Generator<ConvBnRelu> {
  for (const member of Object.values(module).flat()) {
    if (member instanceof ConvBnRelu) yield member;
    else if (member instanceof Module) yield* unitsOf(member);
  }
}

/**
 * Folds all units of a network, and places no other parameter. Afterwards the
 * network is for inference only.
 *
 * @param gpu device
 * @param network whose units are folded
 * @param weights a file with the network's names
 * @returns the memory
 */
export async function loadFolded(
  gpu: Gpu,
  network: Module,
  weights: WeightSource,
): Promise<FrozenWeights> {
  const names = new Map<Parameter, string>();
  for (const [name, parameter] of network.namedParameters()) {
    names.set(parameter, name);
  }
  const storages: Storage[] = [];
  for (const unit of unitsOf(network)) {
    storages.push(
      ...await unit.fold(
        gpu,
        (parameter) => readFinite(weights, names.get(parameter)!),
      ),
    );
  }
  return new FrozenWeights(storages);
}

/** A 3x3 average at stride 1 whose divisor leaves out the padding. */
function smooth(x: Tensor): Tensor {
  return avgPool2d(x, {
    kernel: 3,
    stride: 1,
    padding: 1,
    countIncludePad: false,
  });
}

/** Applies units one after the other. */
function chain(
  x: Tensor,
  mode: BlockMode,
  ...units: readonly ConvBnRelu[]
): Tensor {
  return units.reduce((x, unit) => unit.forward(x, mode), x);
}

/** Channels of an {@linkcode InceptionA}. */
export interface InceptionAWidths {
  /** The 1x1 branch. */
  readonly single: number;
  /** The 1x1 and 5x5 convolutions. */
  readonly five: readonly [number, number];
  /** The 1x1 and the two 3x3 convolutions. */
  readonly double: readonly [number, number, number];
  /** The 1x1 convolution behind the average. */
  readonly pool: number;
}

/**
 * Four branches at one resolution, with 5x5 and twice 3x3 convolutions.
 *
 * Source: Szegedy et al. 2016, figure 5.
 */
export class InceptionA extends Module {
  /** `branch1x1` */
  readonly branch1x1: ConvBnRelu;
  /** `branch5x5_1` */
  readonly branch5x5_1: ConvBnRelu;
  /** `branch5x5_2` */
  readonly branch5x5_2: ConvBnRelu;
  /** `branch3x3dbl_1` */
  readonly branch3x3dbl_1: ConvBnRelu;
  /** `branch3x3dbl_2` */
  readonly branch3x3dbl_2: ConvBnRelu;
  /** `branch3x3dbl_3` */
  readonly branch3x3dbl_3: ConvBnRelu;
  /** `branch_pool` */
  readonly branch_pool: ConvBnRelu;
  /** Channels that go out. */
  readonly width: number;

  /**
   * Makes the block without weights.
   *
   * @param inputs channels that come in
   * @param widths channels of the branches
   */
  constructor(
    inputs: number,
    { single, five, double, pool }: InceptionAWidths,
  ) {
    super();
    this.branch1x1 = new ConvBnRelu(inputs, single, 1);
    this.branch5x5_1 = new ConvBnRelu(inputs, five[0], 1);
    this.branch5x5_2 = new ConvBnRelu(five[0], five[1], 5, { padding: 2 });
    this.branch3x3dbl_1 = new ConvBnRelu(inputs, double[0], 1);
    this.branch3x3dbl_2 = new ConvBnRelu(double[0], double[1], 3, {
      padding: 1,
    });
    this.branch3x3dbl_3 = new ConvBnRelu(double[1], double[2], 3, {
      padding: 1,
    });
    this.branch_pool = new ConvBnRelu(inputs, pool, 1);
    this.width = single + five[1] + double[2] + pool;
  }

  /**
   * Applies the block.
   *
   * @param x (B, height, width, inputs)
   * @param mode whether the batch's moments are used
   * @returns same height and width
   */
  forward(x: Tensor, mode: BlockMode = {}): Tensor {
    return concat([
      this.branch1x1.forward(x, mode),
      chain(x, mode, this.branch5x5_1, this.branch5x5_2),
      chain(
        x,
        mode,
        this.branch3x3dbl_1,
        this.branch3x3dbl_2,
        this.branch3x3dbl_3,
      ),
      this.branch_pool.forward(smooth(x), mode),
    ], -1);
  }
}

/** Channels of an {@linkcode InceptionB}. */
export interface InceptionBWidths {
  /** The 3x3 convolution at stride 2. */
  readonly single: number;
  /** The 1x1, the 3x3, and the 3x3 convolution at stride 2. */
  readonly double: readonly [number, number, number];
}

/**
 * Three branches that halve the resolution without padding.
 *
 * Source: Szegedy et al. 2016, figure 10.
 */
export class InceptionB extends Module {
  /** `branch3x3` */
  readonly branch3x3: ConvBnRelu;
  /** `branch3x3dbl_1` */
  readonly branch3x3dbl_1: ConvBnRelu;
  /** `branch3x3dbl_2` */
  readonly branch3x3dbl_2: ConvBnRelu;
  /** `branch3x3dbl_3` */
  readonly branch3x3dbl_3: ConvBnRelu;
  /** Channels that go out. */
  readonly width: number;

  /**
   * Makes the block without weights.
   *
   * @param inputs channels that come in
   * @param widths channels of the branches
   */
  constructor(inputs: number, { single, double }: InceptionBWidths) {
    super();
    this.branch3x3 = new ConvBnRelu(inputs, single, 3, { stride: 2 });
    this.branch3x3dbl_1 = new ConvBnRelu(inputs, double[0], 1);
    this.branch3x3dbl_2 = new ConvBnRelu(double[0], double[1], 3, {
      padding: 1,
    });
    this.branch3x3dbl_3 = new ConvBnRelu(double[1], double[2], 3, {
      stride: 2,
    });
    this.width = single + double[2] + inputs;
  }

  /**
   * Applies the block.
   *
   * @param x (B, height, width, inputs)
   * @param mode whether the batch's moments are used
   * @returns height and width (n - 3) / 2 + 1, rounded down
   */
  forward(x: Tensor, mode: BlockMode = {}): Tensor {
    return concat([
      this.branch3x3.forward(x, mode),
      chain(
        x,
        mode,
        this.branch3x3dbl_1,
        this.branch3x3dbl_2,
        this.branch3x3dbl_3,
      ),
      maxPool2d(x, { kernel: 3, stride: 2 }),
    ], -1);
  }
}

/** Channels of an {@linkcode InceptionC}. */
export interface InceptionCWidths {
  /** Between the 7-tap convolutions. */
  readonly middle: number;
  /** Each of the four branches. */
  readonly branch: number;
}

/**
 * Four branches at one resolution, with convolutions of 7 taps along one axis.
 *
 * Source: Szegedy et al. 2016, figure 6.
 */
export class InceptionC extends Module {
  /** `branch1x1` */
  readonly branch1x1: ConvBnRelu;
  /** `branch7x7_1` */
  readonly branch7x7_1: ConvBnRelu;
  /** `branch7x7_2` */
  readonly branch7x7_2: ConvBnRelu;
  /** `branch7x7_3` */
  readonly branch7x7_3: ConvBnRelu;
  /** `branch7x7dbl_1` */
  readonly branch7x7dbl_1: ConvBnRelu;
  /** `branch7x7dbl_2` */
  readonly branch7x7dbl_2: ConvBnRelu;
  /** `branch7x7dbl_3` */
  readonly branch7x7dbl_3: ConvBnRelu;
  /** `branch7x7dbl_4` */
  readonly branch7x7dbl_4: ConvBnRelu;
  /** `branch7x7dbl_5` */
  readonly branch7x7dbl_5: ConvBnRelu;
  /** `branch_pool` */
  readonly branch_pool: ConvBnRelu;
  /** Channels that go out. */
  readonly width: number;

  /**
   * Makes the block without weights.
   *
   * @param inputs channels that come in
   * @param widths channels of the branches
   */
  constructor(inputs: number, { middle, branch }: InceptionCWidths) {
    super();
    const row = (inputs: number, outputs: number) =>
      new ConvBnRelu(inputs, outputs, [1, 7], { padding: [0, 3] });
    const column = (inputs: number, outputs: number) =>
      new ConvBnRelu(inputs, outputs, [7, 1], { padding: [3, 0] });
    this.branch1x1 = new ConvBnRelu(inputs, branch, 1);
    this.branch7x7_1 = new ConvBnRelu(inputs, middle, 1);
    this.branch7x7_2 = row(middle, middle);
    this.branch7x7_3 = column(middle, branch);
    this.branch7x7dbl_1 = new ConvBnRelu(inputs, middle, 1);
    this.branch7x7dbl_2 = column(middle, middle);
    this.branch7x7dbl_3 = row(middle, middle);
    this.branch7x7dbl_4 = column(middle, middle);
    this.branch7x7dbl_5 = row(middle, branch);
    this.branch_pool = new ConvBnRelu(inputs, branch, 1);
    this.width = 4 * branch;
  }

  /**
   * Applies the block.
   *
   * @param x (B, height, width, inputs)
   * @param mode whether the batch's moments are used
   * @returns same height and width
   */
  forward(x: Tensor, mode: BlockMode = {}): Tensor {
    return concat([
      this.branch1x1.forward(x, mode),
      chain(x, mode, this.branch7x7_1, this.branch7x7_2, this.branch7x7_3),
      chain(
        x,
        mode,
        this.branch7x7dbl_1,
        this.branch7x7dbl_2,
        this.branch7x7dbl_3,
        this.branch7x7dbl_4,
        this.branch7x7dbl_5,
      ),
      this.branch_pool.forward(smooth(x), mode),
    ], -1);
  }
}

/** Channels of an {@linkcode InceptionD}. */
export interface InceptionDWidths {
  /** The 1x1, and the 3x3 convolution at stride 2. */
  readonly single: readonly [number, number];
  /** All four convolutions of the branch with 7 taps. */
  readonly seven: number;
}

/**
 * Three branches that halve the resolution, one with 7 taps along each axis.
 *
 * Source: Szegedy et al. 2016, section 6, as published with the weights.
 */
export class InceptionD extends Module {
  /** `branch3x3_1` */
  readonly branch3x3_1: ConvBnRelu;
  /** `branch3x3_2` */
  readonly branch3x3_2: ConvBnRelu;
  /** `branch7x7x3_1` */
  readonly branch7x7x3_1: ConvBnRelu;
  /** `branch7x7x3_2` */
  readonly branch7x7x3_2: ConvBnRelu;
  /** `branch7x7x3_3` */
  readonly branch7x7x3_3: ConvBnRelu;
  /** `branch7x7x3_4` */
  readonly branch7x7x3_4: ConvBnRelu;
  /** Channels that go out. */
  readonly width: number;

  /**
   * Makes the block without weights.
   *
   * @param inputs channels that come in
   * @param widths channels of the branches
   */
  constructor(inputs: number, { single, seven }: InceptionDWidths) {
    super();
    this.branch3x3_1 = new ConvBnRelu(inputs, single[0], 1);
    this.branch3x3_2 = new ConvBnRelu(single[0], single[1], 3, { stride: 2 });
    this.branch7x7x3_1 = new ConvBnRelu(inputs, seven, 1);
    this.branch7x7x3_2 = new ConvBnRelu(seven, seven, [1, 7], {
      padding: [0, 3],
    });
    this.branch7x7x3_3 = new ConvBnRelu(seven, seven, [7, 1], {
      padding: [3, 0],
    });
    this.branch7x7x3_4 = new ConvBnRelu(seven, seven, 3, { stride: 2 });
    this.width = single[1] + seven + inputs;
  }

  /**
   * Applies the block.
   *
   * @param x (B, height, width, inputs)
   * @param mode whether the batch's moments are used
   * @returns height and width (n - 3) / 2 + 1, rounded down
   */
  forward(x: Tensor, mode: BlockMode = {}): Tensor {
    return concat([
      chain(x, mode, this.branch3x3_1, this.branch3x3_2),
      chain(
        x,
        mode,
        this.branch7x7x3_1,
        this.branch7x7x3_2,
        this.branch7x7x3_3,
        this.branch7x7x3_4,
      ),
      maxPool2d(x, { kernel: 3, stride: 2 }),
    ], -1);
  }
}

/** Channels and pooling of an {@linkcode InceptionE}. */
export interface InceptionEWidths {
  /** The 1x1 branch. */
  readonly single: number;
  /** The convolution that splits, and each of its two continuations. */
  readonly split: number;
  /** The 1x1, the 3x3 that splits, and each of its two continuations. */
  readonly double: readonly [number, number];
  /** The 1x1 convolution behind the pooling. */
  readonly pool: number;
  /** Kind of the 3x3 pooling. */
  readonly pooling: "avg" | "max";
}

/**
 * Branches at the coarsest resolution that split into 1x3 and 3x1.
 *
 * Source: Szegedy et al. 2016, figure 7.
 */
export class InceptionE extends Module {
  /** `branch1x1` */
  readonly branch1x1: ConvBnRelu;
  /** `branch3x3_1` */
  readonly branch3x3_1: ConvBnRelu;
  /** `branch3x3_2a` */
  readonly branch3x3_2a: ConvBnRelu;
  /** `branch3x3_2b` */
  readonly branch3x3_2b: ConvBnRelu;
  /** `branch3x3dbl_1` */
  readonly branch3x3dbl_1: ConvBnRelu;
  /** `branch3x3dbl_2` */
  readonly branch3x3dbl_2: ConvBnRelu;
  /** `branch3x3dbl_3a` */
  readonly branch3x3dbl_3a: ConvBnRelu;
  /** `branch3x3dbl_3b` */
  readonly branch3x3dbl_3b: ConvBnRelu;
  /** `branch_pool` */
  readonly branch_pool: ConvBnRelu;
  /** Channels that go out. */
  readonly width: number;
  readonly #pooling: "avg" | "max";

  /**
   * Makes the block without weights.
   *
   * @param inputs channels that come in
   * @param widths channels of the branches, and the kind of pooling
   */
  constructor(
    inputs: number,
    { single, split, double, pool, pooling }: InceptionEWidths,
  ) {
    super();
    const row = (inputs: number, outputs: number) =>
      new ConvBnRelu(inputs, outputs, [1, 3], { padding: [0, 1] });
    const column = (inputs: number, outputs: number) =>
      new ConvBnRelu(inputs, outputs, [3, 1], { padding: [1, 0] });
    this.branch1x1 = new ConvBnRelu(inputs, single, 1);
    this.branch3x3_1 = new ConvBnRelu(inputs, split, 1);
    this.branch3x3_2a = row(split, split);
    this.branch3x3_2b = column(split, split);
    this.branch3x3dbl_1 = new ConvBnRelu(inputs, double[0], 1);
    this.branch3x3dbl_2 = new ConvBnRelu(double[0], double[1], 3, {
      padding: 1,
    });
    this.branch3x3dbl_3a = row(double[1], double[1]);
    this.branch3x3dbl_3b = column(double[1], double[1]);
    this.branch_pool = new ConvBnRelu(inputs, pool, 1);
    this.width = single + 2 * split + 2 * double[1] + pool;
    this.#pooling = pooling;
  }

  /**
   * Applies the block.
   *
   * @param x (B, height, width, inputs)
   * @param mode whether the batch's moments are used
   * @returns same height and width
   */
  forward(x: Tensor, mode: BlockMode = {}): Tensor {
    const split = this.branch3x3_1.forward(x, mode);
    const double = chain(x, mode, this.branch3x3dbl_1, this.branch3x3dbl_2);
    const pooled = this.#pooling === "avg"
      ? smooth(x)
      : maxPool2d(x, { kernel: 3, stride: 1, padding: 1 });
    return concat([
      this.branch1x1.forward(x, mode),
      this.branch3x3_2a.forward(split, mode),
      this.branch3x3_2b.forward(split, mode),
      this.branch3x3dbl_3a.forward(double, mode),
      this.branch3x3dbl_3b.forward(double, mode),
      this.branch_pool.forward(pooled, mode),
    ], -1);
  }
}

/**
 * Checks that images have four axes and three channels.
 *
 * @param what the function, for the message
 * @param images the input
 * @param side needed height and width in pixels, if they are fixed
 * @throws {RangeError} if they do not
 */
export function checkImages(
  what: string,
  images: Tensor,
  side?: number,
): void {
  const [, height, width, channels] = images.shape;
  const isFine = images.shape.length === 4 && channels === 3 &&
    (side === undefined || (height === side && width === side));
  if (isFine) return;
  const size = side === undefined ? "height, width" : `${side}, ${side}`;
  throw new RangeError(
    `Cannot apply ${what} to ${
      showShape(images.shape)
    }: needed (B, ${size}, 3)`,
  );
}
