import { Linear, Sequential } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { concat } from "../ops/concat.ts";
import { gelu, relu } from "../ops/pointwise.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Sizes of a {@linkcode LatentPredictor}. */
export interface LatentPredictorOptions {
  /** Latents predicted, H. */
  readonly horizon: number;
  /** Width of a latent and of an embedded action, D. Default 384. */
  readonly dim?: number;
  /** Width of the hidden layers. Default 512; 1024 for sequences. */
  readonly hidden?: number;
  /** Actions that it sees: 1, or the horizon. Default 1. */
  readonly actions?: number;
  /**
   * Between the layers. Default "gelu", as the published code has it at
   * horizon 4; its scripts for horizons 8 and 16 and for sequences of actions
   * have "relu".
   */
  readonly activation?: "gelu" | "relu";
}

/**
 * The baseline without attention over pooled latents: the present and the
 * embedded action, or the flattened sequence of them, to all H latents, by two
 * hidden layers. What it predicts is the future itself, or its change from the
 * present, as it was trained.
 *
 * Source: Section 5.2; published code, `models/latent_pred.py` and
 * `scripts/training/train_mlp_actseq_modal.py`.
 */
export class LatentPredictor extends Module {
  /** `net.0`, `net.2`, `net.4`; the others are activations */
  readonly net: Sequential;
  readonly #horizon: number;
  readonly #dim: number;
  readonly #actions: number;

  /**
   * Makes it on no device.
   *
   * @param options sizes
   */
  constructor(options: LatentPredictorOptions) {
    super();
    const { horizon, dim = 384, actions = 1, activation = "gelu" } = options;
    const { hidden = actions === 1 ? 512 : 1024 } = options;
    const between = activation === "gelu" ? gelu : relu;
    this.net = new Sequential(
      new Linear(dim + actions * dim, hidden),
      between,
      new Linear(hidden, hidden),
      between,
      new Linear(hidden, horizon * dim),
    );
    this.#horizon = horizon;
    this.#dim = dim;
    this.#actions = actions;
  }

  /**
   * Predicts latents, or changes.
   *
   * @param present (B, D)
   * @param actions (B, n, D) embedded, n 1 or the horizon as made
   * @returns (B, H, D)
   * @throws {RangeError} if a shape does not fit
   */
  forward(present: Tensor, actions: Tensor): Tensor {
    const dim = this.#dim;
    const [batch = 0] = present.shape;
    const wanted = [[batch, dim], [batch, this.#actions, dim]];
    [present, actions].forEach((got, i) => {
      if (showShape(got.shape) === showShape(wanted[i]!)) return;
      throw new RangeError(
        `Cannot apply LatentPredictor: ${i === 0 ? "present" : "actions"} is ${
          showShape(got.shape)
        }, needed ${showShape(wanted[i]!)}`,
      );
    });
    const flat = actions.reshape([batch, this.#actions * dim]);
    return this.net.forward(concat([present, flat], 1))
      .reshape([batch, this.#horizon, dim]);
  }
}
