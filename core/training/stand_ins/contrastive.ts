import type { StandIn } from "../../encoders/stand_in.ts";
import { constant } from "../../nn/init.ts";
import { Linear } from "../../nn/layers.ts";
import { Module } from "../../nn/module.ts";
import { Parameter } from "../../nn/parameter.ts";
import { matmul } from "../../ops/matmul.ts";
import { add, div, exp, mul, sqrt } from "../../ops/pointwise.ts";
import { mean, sum } from "../../ops/reduce.ts";
import { tensor } from "../../tensor/create.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { drawFrames, framesOn, type SceneFacts } from "./frames.ts";
import type { Batch, Objective } from "./objective.ts";
import { binaryCrossEntropy } from "./supervised.ts";

/** Words of a description: four kinds of street, night, rain, fog. */
const WORDS = 7;

/** Width of the space where frames and descriptions meet. */
const SHARED = 64;

class Heads extends Module {
  /** `image`: (64, width) */
  readonly image: Linear;
  /** `words`: (64, 7) */
  readonly words: Linear;
  /** `scale`: (1), logarithm of the factor of similarities */
  readonly scale: Parameter;
  /** `bias`: (1), negative as most pairs do not match */
  readonly bias: Parameter;

  constructor(width: number) {
    super();
    this.image = new Linear(width, SHARED);
    this.words = new Linear(WORDS, SHARED);
    this.scale = new Parameter([1], constant(Math.log(10)));
    this.bias = new Parameter([1], constant(-3));
  }
}

/** Rows of length 1. */
function normalized(x: Tensor): Tensor {
  return div(x, sqrt(add(sum(mul(x, x), [1], { keepAxes: true }), 1e-6)));
}

function wordsOf({ style, weather }: SceneFacts): number[] {
  return [...[0, 1, 2, 3].map((i) => i === style ? 1 : 0), ...weather];
}

/**
 * Stands in for CLIP: frames and the words of their scenes' descriptions are
 * brought together where they match.
 *
 * Differs: the pairwise sigmoid loss instead of a softmax over the batch,
 * since many scenes have the same description; words are a bag, not a text.
 *
 * Source: Radford et al. 2021; Zhai et al. 2023, equation 1.
 */
export class Contrastive implements Objective {
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
   * Binary cross-entropy of all pairs of a frame and a description.
   *
   * @param encoder with its weights on the device
   * @param batch what it is trained on
   * @returns ()
   */
  loss(encoder: StandIn, { gpu, frames, streams }: Batch): Tensor {
    const drawn = drawFrames(frames, streams);
    const features = mean(
      encoder.forward(framesOn(gpu, frames, drawn)),
      [1],
    );
    const words = drawn.map(({ scene }) => wordsOf(frames.facts[scene]!));
    const { image, words: text, scale, bias } = this.heads;
    const said = tensor(gpu, Float32Array.from(words.flat()))
      .reshape([drawn.length, WORDS]);
    const similar = matmul(
      normalized(image.forward(features)),
      normalized(text.forward(said)),
      { transposeB: true },
    ); // (B, B)
    const names = words.map((list) => list.join());
    const match = names.flatMap((a) => names.map((b) => a === b ? 1 : 0));
    return binaryCrossEntropy(
      add(mul(similar, exp(scale)), bias),
      tensor(gpu, Float32Array.from(match)).reshape(similar.shape),
    );
  }
}
