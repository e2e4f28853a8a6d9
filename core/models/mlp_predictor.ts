import { Dropout, Linear } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { concat } from "../ops/concat.ts";
import { add, broadcastTo, gelu } from "../ops/pointwise.ts";
import { mean } from "../ops/reduce.ts";
import type { Key } from "../tensor/philox.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Predictor, PredictorInputs } from "./predictor.ts";

/** Sizes of a {@linkcode PatchMLPPredictor}. */
export interface PatchMlpOptions {
  /** Values of a token, P. */
  readonly patchDim: number;
  /** Width of the embedded action, D. */
  readonly actionDim: number;
  /** Width of the hidden layers. Default 1024. */
  readonly hidden?: number;
}

/**
 * The baseline without attention: each token of each future frame from the
 * present token, the pooled present and the action of that frame, added to the
 * present token.
 *
 * Source: published code, VAE track: P + P + D to 1024, 1024, P.
 */
export class PatchMLPPredictor extends Module implements Predictor {
  /** No: it predicts in one pass. */
  readonly takesNoised = false;
  /** `net.0`, `net.3`, `net.6`; the others are GELU and dropout */
  readonly net: Module & {
    forward(x: Tensor, keys?: readonly Key[]): Tensor;
  };

  /**
   * Creates it.
   *
   * @param options sizes
   */
  constructor(options: PatchMlpOptions) {
    super();
    const { patchDim, actionDim, hidden = 1024 } = options;
    this.net = new Layers(2 * patchDim + actionDim, hidden, patchDim);
  }

  /**
   * Predicts the future.
   *
   * @param inputs present, actions and the streams of the dropout
   * @returns (B, H S, P) normalized tokens
   */
  forward({ present, actions, dropout }: PredictorInputs): Tensor {
    const [batch = 0, tokens = 0, patch = 0] = present.shape;
    const [, horizon = 0, dim = 0] = actions.shape;
    const spread = (x: Tensor, shape: number[]) =>
      broadcastTo(x.reshape(shape), [
        batch,
        horizon,
        tokens,
        shape.at(-1) ?? 1,
      ]);
    const own = spread(present, [batch, 1, tokens, patch]); // (B, H, S, P)
    const input = concat([
      own,
      spread(mean(present, [1]), [batch, 1, 1, patch]), // (B, H, S, P)
      spread(actions, [batch, horizon, 1, dim]), // (B, H, S, D)
    ], 3); // (B, H, S, P + P + D)
    return add(own, this.net.forward(input, dropout)) // (B, H, S, P)
      .reshape([batch, horizon * tokens, patch]);
  }
}

/** Three linear layers with GELU and dropout between. */
class Layers extends Module {
  readonly #layers: readonly [Linear, Linear, Linear];
  readonly #dropout = new Dropout(0.1);

  constructor(inputs: number, hidden: number, outputs: number) {
    super();
    this.#layers = [
      new Linear(inputs, hidden),
      new Linear(hidden, hidden),
      new Linear(hidden, outputs),
    ];
  }

  protected override *members(): Generator<[string, unknown]> {
    for (const [i, layer] of this.#layers.entries()) {
      yield [String(3 * i), layer];
    }
  }

  forward(x: Tensor, keys?: readonly Key[]): Tensor {
    const at = (i: number) => keys?.map((key) => key.fold(i));
    const [first, second, third] = this.#layers;
    let h = this.#dropout.forward(gelu(first.forward(x)), at(0));
    h = this.#dropout.forward(gelu(second.forward(h)), at(1));
    return third.forward(h);
  }
}
