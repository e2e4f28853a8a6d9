import { Dropout, Linear } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { concat } from "../ops/concat.ts";
import { add, broadcastTo, gelu } from "../ops/pointwise.ts";
import { mean } from "../ops/reduce.ts";
import type { Key } from "../tensor/philox.ts";
import type { Tensor } from "../tensor/tensor.ts";

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
export class PatchMLPPredictor extends Module {
  /** `net.0`, `net.3`, `net.6`; the others are GELU and dropout */
  readonly net: Module & {
    forward(x: Tensor, keys?: Key | readonly Key[]): Tensor;
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
   * @param present (B, S, P) normalized tokens
   * @param actions (B, H, D) embedded actions
   * @param keys stream of the dropout while training; absent for none
   * @returns (B, H S, P)
   */
  forward(
    present: Tensor,
    actions: Tensor,
    keys?: Key | readonly Key[],
  ): Tensor {
    const [batch = 0, tokens = 0, patch = 0] = present.shape;
    const [, horizon = 0, dim = 0] = actions.shape;
    const spread = (x: Tensor, shape: number[]) =>
      broadcastTo(x.reshape(shape), [
        batch,
        horizon,
        tokens,
        shape.at(-1) ?? 1,
      ]);
    const own = spread(present, [batch, 1, tokens, patch]);
    const input = concat([
      own,
      spread(mean(present, [1]), [batch, 1, 1, patch]),
      spread(actions, [batch, horizon, 1, dim]),
    ], 3);
    return add(own, this.net.forward(input, keys))
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

  forward(x: Tensor, keys?: Key | readonly Key[]): Tensor {
    const at = (i: number) =>
      keys === undefined
        ? undefined
        : "words" in keys
        ? keys.fold(i)
        : keys.map((key) => key.fold(i));
    const [first, second, third] = this.#layers;
    let h = this.#dropout.forward(gelu(first.forward(x)), at(0));
    h = this.#dropout.forward(gelu(second.forward(h)), at(1));
    return third.forward(h);
  }
}
