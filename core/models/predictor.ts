import type { Tensor } from "../tensor/tensor.ts";

/** What a predictor of the future sees; tokens are normalized. */
export interface PredictorInputs {
  /** (B, H S, P) noised future, or the present repeated H times */
  readonly x: Tensor;
  /** (B, S, P) present */
  readonly present: Tensor;
  /** (B, H, D) embedded actions; zero for none */
  readonly actions: Tensor;
  /** (B, D) features of the diffusion step, of step 0 in direct mode */
  readonly step: Tensor;
}
