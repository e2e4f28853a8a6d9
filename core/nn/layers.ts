import { conv2d, type Conv2dOptions } from "../ops/conv2d.ts";
import { dropout } from "../ops/dropout.ts";
import { gather } from "../ops/gather.ts";
import {
  batchNormFrozen,
  batchNormTraining,
  groupNorm,
  type NormOptions,
} from "../ops/group_norm.ts";
import { layerNorm } from "../ops/layer_norm.ts";
import { linear, type LinearOptions } from "../ops/linear.ts";
import { add, mul } from "../ops/pointwise.ts";
import { noGrad } from "../tensor/autograd.ts";
import type { Key } from "../tensor/philox.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { constant, fanInUniform, normalWith } from "./init.ts";
import { Module } from "./module.ts";
import { Parameter } from "./parameter.ts";

/** An affine map of the last axis: x W^T + b. */
export class Linear extends Module {
  /** `weight`: (outputs, inputs) */
  readonly weight: Parameter;
  /** `bias`: (outputs), absent without bias */
  readonly bias?: Parameter;

  /**
   * Makes the layer on no device; a parameter store places it and draws its
   * values.
   *
   * @param inputs features that come in
   * @param outputs features that go out
   * @param options whether there is a bias; default true
   */
  constructor(
    inputs: number,
    outputs: number,
    options: { readonly bias?: boolean } = {},
  ) {
    super();
    this.weight = new Parameter([outputs, inputs], fanInUniform(inputs));
    if (options.bias ?? true) {
      this.bias = new Parameter([outputs], fanInUniform(inputs));
    }
  }

  /**
   * Applies the layer.
   *
   * @param x (..., inputs)
   * @param options fused activation
   * @returns (..., outputs)
   */
  forward(x: Tensor, options: LinearOptions = {}): Tensor {
    return linear(x, this.weight, this.bias, options);
  }
}

/** A convolution of images whose channels are the last axis. */
export class Conv2d extends Module {
  /** `weight`: (outputs, inputs / groups, kernel, kernel) */
  readonly weight: Parameter;
  /** `bias`: (outputs), absent without bias */
  readonly bias?: Parameter;
  readonly #options: Conv2dOptions;

  /**
   * Makes the layer on no device; a parameter store places it and draws its
   * values.
   *
   * @param inputs channels that come in
   * @param outputs channels that go out
   * @param kernel height and width, or one number for both, in pixels
   * @param options stride, padding, dilation, groups, bias (default true)
   */
  constructor(
    inputs: number,
    outputs: number,
    kernel: number | readonly [number, number],
    options: Conv2dOptions & { readonly bias?: boolean } = {},
  ) {
    super();
    const [height, width] = typeof kernel === "number"
      ? [kernel, kernel]
      : kernel;
    const own = inputs / (options.groups ?? 1);
    const init = fanInUniform(own * height * width);
    this.weight = new Parameter([outputs, own, height, width], init);
    if (options.bias ?? true) this.bias = new Parameter([outputs], init);
    this.#options = options;
  }

  /**
   * Applies the layer.
   *
   * @param x (B, height, width, inputs)
   * @param options what is added to the result
   * @returns (B, outHeight, outWidth, outputs)
   */
  forward(x: Tensor, options: Pick<Conv2dOptions, "residual"> = {}): Tensor {
    return conv2d(x, this.weight, this.bias, { ...this.#options, ...options });
  }
}

/** Layer normalization with learned scale and shift. */
export class LayerNorm extends Module {
  /** `weight`: (width) */
  readonly weight: Parameter;
  /** `bias`: (width) */
  readonly bias: Parameter;
  readonly #eps: number;

  /**
   * Makes the layer on no device; a parameter store places it and draws its
   * values.
   *
   * @param width length of the last axis
   * @param eps added to the variance; default 1e-5
   */
  constructor(width: number, eps = 1e-5) {
    super();
    this.weight = new Parameter([width], constant(1));
    this.bias = new Parameter([width], constant(0));
    this.#eps = eps;
  }

  /**
   * Applies the layer.
   *
   * @param x (..., width)
   * @returns same shape
   */
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.#eps, { weight: this.weight, bias: this.bias });
  }
}

/** Group normalization; channels are the last axis. */
export class GroupNorm extends Module {
  /** `weight`: (channels) */
  readonly weight: Parameter;
  /** `bias`: (channels) */
  readonly bias: Parameter;
  readonly #groups: number;
  readonly #eps: number;

  /**
   * Makes the layer on no device; a parameter store places it and draws its
   * values.
   *
   * @param groups number of groups
   * @param channels a multiple of 4 and of the groups
   * @param eps added to the variance; default 1e-5
   */
  constructor(groups: number, channels: number, eps = 1e-5) {
    super();
    this.weight = new Parameter([channels], constant(1));
    this.bias = new Parameter([channels], constant(0));
    this.#groups = groups;
    this.#eps = eps;
  }

  /**
   * Applies the layer.
   *
   * @param x (B, ..., channels)
   * @param options an activation
   * @returns same shape
   */
  forward(x: Tensor, options: NormOptions = {}): Tensor {
    return groupNorm(x, this.#groups, this.#eps, this, options);
  }
}

/** Options of {@linkcode BatchNorm2d}. */
export interface BatchNorm2dOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Share of the batch in the running moments. Default 0.1. */
  readonly momentum?: number;
}

/** Batch normalization; channels are the last axis. */
export class BatchNorm2d extends Module {
  /** `weight`: (channels) */
  readonly weight: Parameter;
  /** `bias`: (channels) */
  readonly bias: Parameter;
  /** `running_mean`: (channels) */
  readonly runningMean: Parameter;
  /** `running_var`: (channels), unbiased */
  readonly runningVar: Parameter;
  /** `num_batches_tracked`: () */
  readonly numBatchesTracked: Parameter;
  readonly #eps: number;
  readonly #momentum: number;

  /**
   * Makes the layer on no device; a parameter store places it and draws its
   * values.
   *
   * @param channels a multiple of 4
   * @param options eps and momentum
   */
  constructor(channels: number, options: BatchNorm2dOptions = {}) {
    super();
    this.weight = new Parameter([channels], constant(1));
    this.bias = new Parameter([channels], constant(0));
    this.runningMean = new Parameter([channels], constant(0), false);
    this.runningVar = new Parameter([channels], constant(1), false);
    this.numBatchesTracked = new Parameter([], constant(0), false);
    this.#eps = options.eps ?? 1e-5;
    this.#momentum = options.momentum ?? 0.1;
  }

  /**
   * Normalizes by the running moments.
   *
   * @param x (B, height, width, channels)
   * @returns same shape
   */
  forward(x: Tensor): Tensor {
    return batchNormFrozen(x, this.#eps, this, {
      mean: this.runningMean,
      variance: this.runningVar,
    });
  }

  /**
   * Normalizes by the batch's moments and moves the running ones towards them.
   *
   * @param x (B, height, width, channels)
   * @param options an activation
   * @returns same shape
   */
  forwardTraining(x: Tensor, options: NormOptions = {}): Tensor {
    const { y, moments } = batchNormTraining(x, this.#eps, this, options);
    const n = x.size / (x.shape.at(-1) ?? 1);
    noGrad(() => {
      const m = this.#momentum;
      const blend = (old: Tensor, batch: Tensor) =>
        add(mul(old, 1 - m), mul(batch, m));
      const unbiased = mul(moments.variance, n / Math.max(n - 1, 1));
      const next = [
        [this.runningMean, blend(this.runningMean, moments.mean)],
        [this.runningVar, blend(this.runningVar, unbiased)],
        [this.numBatchesTracked, add(this.numBatchesTracked, 1)],
      ] as const;
      for (const [running, value] of next) {
        x.gpu.recorder.copyRange(value, running);
      }
    });
    return y;
  }
}

/** A table of vectors, read by index. */
export class Embedding extends Module {
  /** `weight`: (rows, width) */
  readonly weight: Parameter;

  /**
   * Makes the layer on no device; a parameter store places it and draws its
   * values.
   *
   * @param rows number of vectors
   * @param width their length
   */
  constructor(rows: number, width: number) {
    super();
    this.weight = new Parameter([rows, width], normalWith(1));
  }

  /**
   * Applies the layer.
   *
   * @param index u32 (...), each below rows
   * @returns (..., width)
   */
  forward(index: Tensor): Tensor {
    return gather(this.weight, index);
  }
}

/** Zeroes elements at random while training. */
export class Dropout extends Module {
  readonly #share: number;

  /**
   * Sets how much is dropped; there is nothing to place.
   *
   * @param share of elements that is zeroed, 0 to below 1
   */
  constructor(share: number) {
    super();
    this.#share = share;
  }

  /**
   * Applies the layer.
   *
   * @param x any shape
   * @param keys stream of the draws; absent when not training
   * @returns same shape
   */
  forward(x: Tensor, keys?: Key | readonly Key[]): Tensor {
    return keys === undefined ? x : dropout(x, this.#share, keys);
  }
}

/** A layer of {@linkcode Sequential}: a module with one input, or a function. */
export type Layer =
  | (Module & { forward(x: Tensor): Tensor })
  | ((x: Tensor) => Tensor);

/** Layers one after the other, named by their position. */
export class Sequential extends Module {
  readonly #layers: readonly Layer[];

  /**
   * Puts layers in order.
   *
   * @param layers modules and functions; functions count as positions
   */
  constructor(...layers: readonly Layer[]) {
    super();
    this.#layers = layers;
  }

  /** The layers under their positions. */
  protected override *members(): Generator<[string, unknown]> {
    for (const [i, layer] of this.#layers.entries()) yield [String(i), layer];
  }

  /**
   * Applies the layer.
   *
   * @param x input of the first layer
   * @returns output of the last
   */
  forward(x: Tensor): Tensor {
    return this.#layers.reduce(
      (x, layer) => typeof layer === "function" ? layer(x) : layer.forward(x),
      x,
    );
  }
}
