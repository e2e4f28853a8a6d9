import type { StandIn } from "../../encoders/stand_in.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import type { Module } from "../../nn/module.ts";
import type { Key } from "../../tensor/philox.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { SceneFrames } from "./frames.ts";

/** What an encoder is trained for. */
export interface Objective {
  /** What is trained beside the encoder and is not kept. */
  readonly heads: Module;
  /** Whether targets are made by the average of encoder and heads. */
  readonly teacher?: { readonly encoder: StandIn; readonly heads: Module };
  /**
   * The loss of a batch.
   *
   * @param encoder with its weights on the device
   * @param batch what it is trained on
   * @returns ()
   */
  loss(encoder: StandIn, batch: Batch): Tensor;
}

/** What a step is trained on. */
export interface Batch {
  /** Device. */
  readonly gpu: Gpu;
  /** Frames to draw from. */
  readonly frames: SceneFrames;
  /** One stream of draws for each sample. */
  readonly streams: readonly Key[];
}
