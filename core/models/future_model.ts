import type { DdimOptions } from "../diffusion/ddim.ts";
import type { Module } from "../nn/module.ts";
import type { ParameterStore } from "../nn/parameters.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** What a future is predicted from. */
export interface Conditions {
  /** (B, S, P) normalized tokens of the present */
  readonly present: Tensor;
  /** (B, H, features) Fourier features of the actions, or the actions */
  readonly features: Tensor;
}

/** Options of {@linkcode FutureModel.sample}. */
export interface SampleOptions extends Omit<DdimOptions, "grid"> {
  /** Scale of the guidance by the actions. Default 1, for none. */
  readonly guidance?: number;
}

/** A model on the device that predicts futures, in whichever way. */
export interface FutureModel extends Module, Disposable {
  /** All trained weights, in the groups "dit" and "fourier". */
  readonly weights: ParameterStore;
  /**
   * Predicts the future in one pass.
   *
   * @param given present and actions
   * @returns (B, H S, P) normalized tokens, owned by the innermost scope
   * @throws {TypeError} if the model is one of diffusion
   */
  predict(given: Conditions): Tensor;
  /**
   * Samples the future by diffusion.
   *
   * @param given present and actions
   * @param noise (B, H S, P) standard normal
   * @param options steps, a check before each of them, guidance
   * @returns (B, H S, P) normalized tokens, owned by the innermost scope
   * @throws {TypeError} if the model predicts in one pass
   */
  sample(given: Conditions, noise: Tensor, options?: SampleOptions): Tensor;
}
