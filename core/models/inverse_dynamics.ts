import { constant } from "../nn/init.ts";
import { Conv2d, Linear } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { type Init, Parameter } from "../nn/parameter.ts";
import { concat } from "../ops/concat.ts";
import { add, div, mul, sub } from "../ops/pointwise.ts";
import { globalAvgPool2d } from "../ops/pool2d.ts";
import { type Shape, showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Actions of a frame: steering and acceleration. */
const ACTIONS = 2;

/** What inputs and targets are normalized by. */
export interface InverseDynamicsMoments {
  /** (C) mean of each channel of the latents */
  readonly latentMean: ArrayLike<number>;
  /** (C) deviation of each channel, positive */
  readonly latentStd: ArrayLike<number>;
  /** (2) mean steering and acceleration */
  readonly actionMean: ArrayLike<number>;
  /** (2) their deviations, positive */
  readonly actionStd: ArrayLike<number>;
}

/** Sizes of an {@linkcode InverseDynamics}. */
export interface InverseDynamicsOptions {
  /** Shape of a frame's latents: channels, height, width. */
  readonly shape: readonly [channels: number, height: number, width: number];
  /** Channels of the convolutions, a multiple of 4. Default 32. */
  readonly hidden?: number;
  /** Normalization; absent if it comes with a state dict. */
  readonly moments?: InverseDynamicsMoments;
}

/** A buffer that holds given values. */
function buffer(size: number, value: number, given?: ArrayLike<number>) {
  const init: Init = given === undefined ? constant(value) : (values) => {
    values.set(Float32Array.from(given));
  };
  return new Parameter([size], init, false);
}

/**
 * The inverse-dynamics probe: what was done between two frames, from their
 * latents. Three 3x3 convolutions with SiLU at the latents' resolution, the mean
 * over positions, and a linear layer.
 *
 * Trained on true frames, it says which steering generated frames show; against
 * the commanded one that is a measure of control.
 *
 * Source: the project's recipe study, sections 2.2 and 3; widths, activation and
 * the mean are this module's.
 */
export class InverseDynamics extends Module {
  /** `conv1`: (2 C) to (hidden) channels */
  readonly conv1: Conv2d;
  /** `conv2`: (hidden) to (hidden) */
  readonly conv2: Conv2d;
  /** `conv3`: (hidden) to (hidden) */
  readonly conv3: Conv2d;
  /** `head`: (hidden) to (2) */
  readonly head: Linear;
  /** `latent_mean`: (C) */
  readonly latentMean: Parameter;
  /** `latent_std`: (C) */
  readonly latentStd: Parameter;
  /** `action_mean`: (2) */
  readonly actionMean: Parameter;
  /** `action_std`: (2) */
  readonly actionStd: Parameter;
  /** Shape of a frame's latents: channels, height, width. */
  readonly shape: readonly [channels: number, height: number, width: number];

  /**
   * Creates it.
   *
   * @param options sizes and normalization
   */
  constructor(options: InverseDynamicsOptions) {
    super();
    const { shape, hidden = 32, moments } = options;
    const [channels] = shape;
    const padded = { padding: 1, activation: "silu" } as const;
    this.shape = shape;
    this.conv1 = new Conv2d(2 * channels, hidden, 3, padded);
    this.conv2 = new Conv2d(hidden, hidden, 3, padded);
    this.conv3 = new Conv2d(hidden, hidden, 3, padded);
    this.head = new Linear(hidden, ACTIONS);
    this.latentMean = buffer(channels, 0, moments?.latentMean);
    this.latentStd = buffer(channels, 1, moments?.latentStd);
    this.actionMean = buffer(ACTIONS, 0, moments?.actionMean);
    this.actionStd = buffer(ACTIONS, 1, moments?.actionStd);
  }

  /**
   * Normalizes two frames and puts them side by side.
   *
   * @param before (B, height, width, C)
   * @param after (B, height, width, C)
   * @returns (B, height, width, 2 C)
   * @throws {RangeError} if the shapes do not fit
   */
  normalize(before: Tensor, after: Tensor): Tensor {
    const [channels, height, width] = this.shape;
    const needed: Shape = [before.shape[0] ?? 0, height, width, channels];
    for (const frame of [before, after]) {
      if (showShape(frame.shape) === showShape(needed)) continue;
      throw new RangeError(
        `Cannot apply InverseDynamics to ${showShape(before.shape)} and ${
          showShape(after.shape)
        }: needed (B, ${height}, ${width}, ${channels}) twice`,
      );
    }
    const [a, b] = [before, after].map((frame) =>
      div(sub(frame, this.latentMean), this.latentStd)
    );
    return concat([a!, b!], 3);
  }

  /**
   * Predicts normalized actions.
   *
   * @param x (B, height, width, 2 C), from {@linkcode InverseDynamics.normalize}
   * @returns (B, 2), in deviations from the mean action
   */
  predict(x: Tensor): Tensor {
    const y = this.conv3.forward(this.conv2.forward(this.conv1.forward(x)));
    return this.head.forward(globalAvgPool2d(y));
  }

  /**
   * Predicts actions.
   *
   * @param before (B, height, width, C) latents of a frame
   * @param after (B, height, width, C) latents of the next one
   * @returns (B, 2): steering and acceleration in units of the training's
   * @throws {RangeError} if the shapes do not fit
   */
  forward(before: Tensor, after: Tensor): Tensor {
    const y = this.predict(this.normalize(before, after));
    return add(mul(y, this.actionStd), this.actionMean);
  }
}
