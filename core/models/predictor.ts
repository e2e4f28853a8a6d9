import type { Module } from "../nn/module.ts";
import type { Key } from "../tensor/philox.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** A noised future and how far it is noised. */
export interface NoisedFuture {
  /** (B, H S, P) normalized tokens */
  readonly x: Tensor;
  /** (B) diffusion steps */
  readonly t: readonly number[];
}

/** What a predictor sees; tokens are normalized. */
export interface PredictorInputs {
  /** (B, S, P) present */
  readonly present: Tensor;
  /** (B, H, D) embedded actions; zero for none */
  readonly actions: Tensor;
  /** Absent in one pass. */
  readonly noised?: NoisedFuture;
  /** (B) streams of the dropout, while training; absent for none. */
  readonly dropout?: readonly Key[];
}

/** A network that predicts the future tokens of a drive. */
export interface Predictor extends Module {
  /** Whether it takes a noised future; if not, it predicts in one pass only. */
  readonly takesNoised: boolean;
  /**
   * Predicts the future, or what its noised form stands for.
   *
   * @param inputs present, actions, and the noised future but in one pass
   * @returns (B, H S, P) normalized tokens
   * @throws {RangeError} if a shape does not fit
   */
  forward(inputs: PredictorInputs): Tensor;
}
