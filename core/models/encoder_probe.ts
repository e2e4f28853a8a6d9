import { Linear } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { dropout } from "../ops/dropout.ts";
import { gelu } from "../ops/pointwise.ts";
import type { Key } from "../tensor/philox.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Sizes of an {@linkcode EncoderProbe}. */
export interface EncoderProbeOptions {
  /** Width of the embeddings. */
  readonly native: number;
  /** Width that the probe sees. Default 384. */
  readonly width?: number;
  /**
   * Whether embeddings of another width are mapped by a trained matrix; if not
   * they must be mapped before. Default true.
   */
  readonly adapter?: boolean;
  /** Width of the hidden layer. Default 256. */
  readonly hidden?: number;
  /** Share of the hidden layer that is zeroed in training. Default 0.1. */
  readonly dropout?: number;
}

/** The two layers, under the published names. */
class Layers extends Module {
  readonly #first: Linear;
  readonly #last: Linear;
  readonly #dropout: number;

  constructor(width: number, hidden: number, share: number) {
    super();
    this.#first = new Linear(width, hidden);
    this.#last = new Linear(hidden, 2);
    this.#dropout = share;
  }

  protected override *members(): Generator<[string, unknown]> {
    yield ["0", this.#first];
    yield ["3", this.#last];
  }

  forward(x: Tensor, keys?: Key | readonly Key[]): Tensor {
    const h = gelu(this.#first.forward(x));
    return this.#last.forward(
      keys === undefined ? h : dropout(h, this.#dropout, keys),
    );
  }
}

/**
 * The probe of the encoder benchmark: steering and acceleration from the
 * embedding of a keyframe, by one hidden layer.
 *
 * Differs: from the paper's text, by which the map to 384 is a frozen random
 * orthogonal one; the published code trains it with the probe.
 *
 * Source: Section 5.1; published code, `scripts/training/train_probes_full.py`.
 */
export class EncoderProbe extends Module {
  /** `adapter.weight`: (width, native), absent where widths are equal */
  readonly adapter?: Linear;
  /** `probe.0`, `probe.3`; between them GELU and dropout */
  readonly probe: Module & {
    forward(x: Tensor, keys?: Key | readonly Key[]): Tensor;
  };

  /**
   * Makes the probe on no device.
   *
   * @param options sizes
   */
  constructor(options: EncoderProbeOptions) {
    super();
    const { native, width = 384, hidden = 256 } = options;
    const { adapter = true, dropout: share = 0.1 } = options;
    if (adapter && native !== width) {
      this.adapter = new Linear(native, width, { bias: false });
    }
    this.probe = new Layers(width, hidden, share);
  }

  /**
   * Predicts normalized actions.
   *
   * @param embeddings (B, native)
   * @param keys streams of the dropout; absent for none
   * @returns (B, 2): steering, acceleration
   */
  forward(embeddings: Tensor, keys?: Key | readonly Key[]): Tensor {
    const x = this.adapter?.forward(embeddings) ?? embeddings;
    return this.probe.forward(x, keys);
  }
}
