import { StandIn } from "../../encoders/stand_in.ts";
import { Linear } from "../../nn/layers.ts";
import { Module } from "../../nn/module.ts";
import { add, div, gelu, mul, neg, sub } from "../../ops/pointwise.ts";
import { mean, sum } from "../../ops/reduce.ts";
import { logSoftmax, softmax } from "../../ops/softmax.ts";
import { noGrad } from "../../tensor/autograd.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { drawFrames, viewsOn } from "./frames.ts";
import type { Batch, Objective } from "./objective.ts";

/** Prototypes that views are assigned to. */
const PROTOTYPES = 256;

/** Temperatures of the assignments: the teacher's are sharper. */
const TEMPERATURES = { student: 0.1, teacher: 0.04 };

class Heads extends Module {
  /** `fc1`: (128, width) */
  readonly fc1: Linear;
  /** `fc2`: (256, 128), logits of the prototypes */
  readonly fc2: Linear;

  constructor(width: number) {
    super();
    this.fc1 = new Linear(width, 2 * width);
    this.fc2 = new Linear(2 * width, PROTOTYPES, { bias: false });
  }

  forward(x: Tensor): Tensor {
    return this.fc2.forward(gelu(this.fc1.forward(x)));
  }
}

/**
 * Stands in for DINOv2: a view of a frame is assigned to prototypes as the
 * average of the network itself assigns another view of it.
 *
 * Differs: two views instead of ten, no masked patches; assignments are centred
 * by the batch's mean instead of a running one.
 *
 * Source: Caron et al. 2021, algorithm 1.
 */
export class Distilled implements Objective {
  readonly heads: Heads;
  readonly teacher: { readonly encoder: StandIn; readonly heads: Heads };

  /**
   * Makes heads and teacher.
   *
   * @param encoder that is trained
   */
  constructor(encoder: StandIn) {
    const { width } = encoder;
    this.heads = new Heads(width);
    this.teacher = {
      encoder: new StandIn(encoder.name, encoder.config),
      heads: new Heads(width),
    };
  }

  /**
   * Cross-entropy of each view's assignment with the other's by the teacher.
   *
   * @param encoder with its weights on the device
   * @param batch what it is trained on
   * @returns ()
   */
  loss(encoder: StandIn, { gpu, frames, streams }: Batch): Tensor {
    const drawn = drawFrames(frames, streams);
    const [a, b] = [10, 11].map((i) =>
      viewsOn(gpu, frames, drawn, streams.map((stream) => stream.fold(i)))
    ) as [Tensor, Tensor];
    const { teacher, heads } = this;
    const wanted = (view: Tensor) =>
      noGrad(() => {
        const logits = teacher.heads.forward(
          mean(teacher.encoder.forward(view), [1]),
        );
        const centred = sub(logits, mean(logits, [0], { keepAxes: true }));
        return softmax(div(centred, TEMPERATURES.teacher));
      });
    const given = (view: Tensor) => {
      const logits = heads.forward(mean(encoder.forward(view), [1]));
      return logSoftmax(div(logits, TEMPERATURES.student));
    };
    const cross = (p: Tensor, q: Tensor) =>
      neg(div(sum(mul(p, q)), drawn.length));
    return add(cross(wanted(a), given(b)), cross(wanted(b), given(a)));
  }
}
