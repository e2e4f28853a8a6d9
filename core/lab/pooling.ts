import type { Encoder } from "../encoders/encoder.ts";
import { StandIn } from "../encoders/stand_in.ts";
import { avgPool2d } from "../ops/pool2d.ts";
import { noGrad } from "../tensor/autograd.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** What is kept of a frame: its embedding, or a grid of tokens. */
export type Pooling = "pooled" | "grid";

/** Averages a grid of tokens two by two. */
function halved(tokens: Tensor): Tensor {
  const [batch = 0, count = 0, width = 0] = tokens.shape;
  const side = Math.sqrt(count);
  const grid = tokens.reshape([batch, side, side, width]);
  return avgPool2d(grid, { kernel: 2, stride: 2 })
    .reshape([batch, count / 4, width]);
}

/**
 * Makes the function that turns frames into rows.
 *
 * @param network an encoder with weights
 * @param pooling what is kept of a frame; grids of this project's stand-ins are
 *   averaged two by two, as the others' are
 * @returns (B, side, side, 3) to (B, width) or (B, tokens, width)
 * @throws {TypeError} if the encoder has no tokens of a single frame
 */
export function encodeAs(
  network: Encoder,
  pooling: Pooling,
): (frames: Tensor) => Tensor {
  if (pooling === "pooled") return (frames) => network.encode(frames);
  if (network.spatialTokens === undefined) {
    throw new TypeError(
      `Cannot take a grid of tokens from ${network.name}: needed an encoder of single frames with patches`,
    );
  }
  const isOwn = network instanceof StandIn;
  return (frames) => {
    const tokens = network.spatialTokens!(frames);
    return isOwn ? noGrad(() => halved(tokens)) : tokens;
  };
}
