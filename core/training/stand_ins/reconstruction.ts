import { type StandIn, StandInBlock } from "../../encoders/stand_in.ts";
import { normalWith } from "../../nn/init.ts";
import { Linear } from "../../nn/layers.ts";
import { Module } from "../../nn/module.ts";
import { Parameter } from "../../nn/parameter.ts";
import { matmul } from "../../ops/matmul.ts";
import { mse } from "../../ops/mse.ts";
import { permute } from "../../ops/permute.ts";
import { add, div, mul, sqrt, sub } from "../../ops/pointwise.ts";
import { sum } from "../../ops/reduce.ts";
import { softmax } from "../../ops/softmax.ts";
import { noGrad } from "../../tensor/autograd.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { drawFrames, framesOn } from "./frames.ts";
import type { Batch, Objective } from "./objective.ts";

/** The codebook: 512 codes of 16 values. */
const CODEBOOK = { codes: 512, width: 16 };

/** Weight of the distance that draws tokens to their codes. */
const COMMITMENT = 0.25;

/** Sharpness at which a softmax takes the largest value alone. */
const SHARP = 1e5;

class Decoder extends Module {
  /** `inward`: (16, width) */
  readonly inward: Linear;
  /** `codes`: (512, 16) */
  readonly codes: Parameter;
  /** `outward`: (width, 16) */
  readonly outward: Linear;
  /** `place`: (tokens, width) */
  readonly place: Parameter;
  /** `blocks.0`, `blocks.1` */
  readonly blocks: readonly StandInBlock[];
  /** `pixels`: (patch patch 3, width) */
  readonly pixels: Linear;

  constructor({ config }: StandIn) {
    super();
    const { width, heads, patch, side } = config;
    this.inward = new Linear(width, CODEBOOK.width);
    this.codes = new Parameter(
      [CODEBOOK.codes, CODEBOOK.width],
      normalWith(1),
    );
    this.outward = new Linear(CODEBOOK.width, width);
    this.place = new Parameter([(side / patch) ** 2, width], normalWith(0.02));
    this.blocks = [0, 1].map(() => new StandInBlock(width, heads));
    this.pixels = new Linear(width, 3 * patch ** 2);
  }
}

/** Rows of length 1. */
function normalized(x: Tensor): Tensor {
  const squares = sum(mul(x, x), [x.shape.length - 1], { keepAxes: true });
  return div(x, sqrt(add(squares, 1e-6)));
}

/**
 * Stands in for the VQGAN: frames are rebuilt from the nearest codes of their
 * tokens. As there, features are those before the codebook.
 *
 * Differs: squared error without an adversary; codes and tokens have length 1,
 * so that few codes die.
 *
 * Source: van den Oord et al. 2017, equation 3; Yu et al. 2022, section 3.2.
 */
export class Reconstruction implements Objective {
  readonly heads: Decoder;

  /**
   * Makes codebook and decoder.
   *
   * @param encoder that is trained
   */
  constructor(encoder: StandIn) {
    this.heads = new Decoder(encoder);
  }

  /**
   * Error of the rebuilt frames, and of codes and tokens.
   *
   * @param encoder with its weights on the device
   * @param batch what it is trained on
   * @returns ()
   */
  loss(encoder: StandIn, { gpu, frames, streams }: Batch): Tensor {
    const images = framesOn(gpu, frames, drawFrames(frames, streams));
    const { heads } = this;
    const tokens = normalized(heads.inward.forward(encoder.forward(images)));
    const [batch = 0, count = 0, width = 0] = tokens.shape;
    const flat = tokens.reshape([batch * count, width]);
    const codes = normalized(heads.codes);
    const chosen = noGrad(() =>
      softmax(mul(matmul(flat, codes, { transposeB: true }), SHARP))
    );
    const nearest = matmul(chosen, codes);
    // The gradient of the code passes to the token.
    const jump = noGrad(() => sub(nearest, flat));
    const through = add(flat, jump).reshape(tokens.shape);
    const placed = add(heads.outward.forward(through), heads.place);
    const decoded = heads.blocks.reduce((x, block) => block.forward(x), placed);
    const still = (x: Tensor) => noGrad(() => add(x, 0));
    return add(
      mse(heads.pixels.forward(decoded), patchesOf(images, encoder)),
      add(
        mse(nearest, still(flat)),
        mul(mse(flat, still(nearest)), COMMITMENT),
      ),
    );
  }
}

/** Pixels of each patch in [-1, 1]: (B, tokens, patch patch 3). */
function patchesOf(images: Tensor, { config }: StandIn): Tensor {
  const { side, patch } = config;
  const [batch = 0] = images.shape;
  const grid = side / patch;
  const cut = permute(
    images.reshape([batch, grid, patch, grid, 3 * patch]),
    [0, 1, 3, 2, 4],
  );
  return sub(mul(cut.reshape([batch, grid * grid, 3 * patch * patch]), 2), 1);
}
