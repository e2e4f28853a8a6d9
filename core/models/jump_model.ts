import { mse } from "../ops/mse.ts";
import { add, mul, sub } from "../ops/pointwise.ts";
import { mean } from "../ops/reduce.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { key } from "../tensor/philox.ts";
import { normal } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type AnchoredDitOptions, AnchoredVAEDiT } from "./anchored_dit.ts";
import { FourierActionEmbedding } from "./fourier_action.ts";
import {
  type LossOptions,
  type WindowBatch,
  WorldModel,
  type WorldModelParts,
} from "./world_model.ts";

/** Options of {@linkcode createJumpModel}. */
export interface JumpModelOptions
  extends
    Omit<AnchoredDitOptions, "horizon">,
    Pick<WorldModelParts, "objective" | "schedule" | "seed"> {
  /** Frequencies of the action embedding for each component. Default 64. */
  readonly frequencies?: number;
  /** Whether these are trained. Default false. */
  readonly learnedFrequencies?: boolean;
}

/** Options of {@linkcode JumpModel.loss}. */
export interface JumpLossOptions extends Omit<LossOptions, "actionDropout"> {
  /** Deviation of the noise on the anchor, normalized. Default 0. */
  readonly anchorNoise?: number;
  /** Weight of the loss of the residual, in one pass. Default 0. */
  readonly residualWeight?: number;
}

/**
 * The jump model: it predicts one frame, several steps ahead of its anchor, from
 * the mean of the embeddings of the actions in between,
 *
 *   z(t + n) = anchor + Delta(anchor, mean of e(a(t)), ..., e(a(t + n - 1))).
 *
 * Longer futures are chains: each prediction is the anchor of the next one. The
 * mean does not know the order of the actions. In state dicts the network is
 * `dit`, of horizon 1, and the embedding `fourier`, as in the published
 * checkpoint; features are (B, n, features), futures (B, S, P).
 *
 * Source: paper Equation 6; recipe of the published code.
 */
export class JumpModel extends WorldModel {
  /** (B, n, features) to (B, 1, D). */
  protected override embed(features: Tensor): Tensor {
    const embedded = this.fourier.forward(features); // (B, n, D)
    const [batch = 0, , dim = 0] = embedded.shape;
    return mean(embedded, [1]).reshape([batch, 1, dim]);
  }

  /**
   * The training loss of a batch of jumps: of the prediction and, in one pass,
   * of its difference from the anchor against the true difference. They differ
   * only if the anchor is noised: the true difference is from the clean one.
   *
   * @param batch anchors, actions of the jumps, frames that they lead to
   * @param options seed, numbers of the samples, noise, weight
   * @returns (), mean squared error over all values
   */
  override loss(batch: WindowBatch, options: JumpLossOptions): Tensor {
    const { present, future, features } = batch;
    const { seed, samples, anchorNoise = 0, residualWeight = 0 } = options;
    const draw = () =>
      normal(
        present.gpu,
        present.shape,
        samples.map((k) => key("anchor noise", seed, k)),
      );
    const anchor = anchorNoise > 0
      ? add(present, mul(draw(), anchorNoise))
      : present;
    if (this.objective !== "direct") {
      return super.loss({ ...batch, present: anchor }, { seed, samples });
    }
    const actions = this.embed(features);
    const predicted = this.network.forward({ present: anchor, actions });
    const loss = mse(predicted, future);
    if (residualWeight === 0) return loss;
    const residual = mse(sub(predicted, anchor), sub(future, present));
    return add(loss, mul(residual, residualWeight));
  }
}

/**
 * Makes a jump model with initial weights.
 *
 * @param gpu device
 * @param options sizes, objective, seed
 */
export function createJumpModel(
  gpu: Gpu,
  options: JumpModelOptions,
): JumpModel {
  const { dim, frequencies, learnedFrequencies } = options;
  return new JumpModel(gpu, {
    ...options,
    network: new AnchoredVAEDiT({ ...options, horizon: 1 }),
    fourier: new FourierActionEmbedding(
      dim,
      frequencies,
      2,
      learnedFrequencies,
    ),
  });
}
