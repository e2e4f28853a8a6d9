import type { StandIn } from "../../encoders/stand_in.ts";
import { Linear } from "../../nn/layers.ts";
import { Module } from "../../nn/module.ts";
import { slice } from "../../ops/concat.ts";
import {
  abs,
  add,
  exp,
  log,
  maximum,
  mul,
  neg,
  sub,
} from "../../ops/pointwise.ts";
import { mean } from "../../ops/reduce.ts";
import { crossEntropy } from "../../ops/softmax.ts";
import { tensor } from "../../tensor/create.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { drawFrames, framesOn } from "./frames.ts";
import type { Batch, Objective } from "./objective.ts";

/** Kinds of street, classes of vehicle counts, and yes-no questions. */
const CLASSES = { style: 4, vehicles: 5, questions: 5 };

class Heads extends Module {
  /** `classify`: all logits, side by side */
  readonly classify: Linear;

  constructor(width: number) {
    super();
    const { style, vehicles, questions } = CLASSES;
    this.classify = new Linear(width, style + vehicles + questions);
  }
}

/**
 * Mean of log(1 + exp(x)) - x y, in nats.
 *
 * @param x logits
 * @param y 0 or 1, same shape
 * @returns ()
 */
export function binaryCrossEntropy(x: Tensor, y: Tensor): Tensor {
  const soft = add(maximum(x, 0), log(add(exp(neg(abs(x))), 1)));
  return mean(sub(soft, mul(x, y)));
}

/**
 * Stands in for the supervised ViT: it classifies what is in a frame, the kind
 * of street, weather, lanes, how many vehicles. Steering and the road's course
 * are not among its labels.
 */
export class Supervised implements Objective {
  readonly heads: Heads;

  /**
   * Makes the heads.
   *
   * @param width of the encoder
   */
  constructor(width: number) {
    this.heads = new Heads(width);
  }

  /**
   * Cross-entropies of all heads.
   *
   * @param encoder with its weights on the device
   * @param batch what it is trained on
   * @returns ()
   */
  loss(encoder: StandIn, { gpu, frames, streams }: Batch): Tensor {
    const drawn = drawFrames(frames, streams);
    const images = framesOn(gpu, frames, drawn);
    const y = this.heads.classify.forward(mean(encoder.forward(images), [1]));
    const facts = drawn.map(({ scene }) => frames.facts[scene]!);
    const { style, vehicles, questions } = CLASSES;
    const [first, last] = [style + vehicles, style + vehicles + questions];
    const classes = (list: readonly number[]) =>
      tensor(gpu, Uint32Array.from(list));
    const seen = drawn.map(({ row }) =>
      Math.min(vehicles - 1, frames.vehicles[row] ?? 0)
    );
    const answers = tensor(
      gpu,
      Float32Array.from(facts.flatMap((of) => [...of.weather, ...of.lanes])),
      [drawn.length, questions],
    );
    return add(
      add(
        crossEntropy(slice(y, 1, 0, style), classes(facts.map((f) => f.style))),
        crossEntropy(slice(y, 1, style, first), classes(seen)),
      ),
      binaryCrossEntropy(slice(y, 1, first, last), answers),
    );
  }
}
