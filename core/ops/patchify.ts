import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { permute } from "./permute.ts";

/**
 * Cuts latents into square patches, row by row over the patch grid.
 *
 * Inside a token the values are channel-major: index (c P + r) P + q.
 *
 * @param x (B, C, height, width)
 * @param patch side P of a patch, a divisor of both sides
 * @returns (B, (height / P) (width / P), C P P)
 * @throws {RangeError} if the shape does not fit
 */
export function patchify(x: Tensor, patch: number): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  if (
    x.shape.length !== 4 || !(patch >= 1) || height % patch !== 0 ||
    width % patch !== 0
  ) {
    throw new RangeError(
      `Cannot apply patchify: ${
        showShape(x.shape)
      } must be (B, C, height, width) with sides divisible by ${patch}`,
    );
  }
  const rows = height / patch;
  const columns = width / patch;
  const grid = x.reshape([batch, channels, rows, patch, columns, patch]);
  return permute(grid, [0, 2, 4, 1, 3, 5])
    .reshape([batch, rows * columns, channels * patch * patch]);
}

/**
 * Undoes {@linkcode patchify}.
 *
 * @param tokens (B, (height / P) (width / P), C P P)
 * @param patch side P of a patch
 * @param height rows of the latents
 * @param width columns of the latents
 * @returns (B, C, height, width)
 * @throws {RangeError} if the shape does not fit
 */
export function unpatchify(
  tokens: Tensor,
  patch: number,
  height: number,
  width: number,
): Tensor {
  const [batch = 0, count = 0, size = 0] = tokens.shape;
  const rows = height / patch;
  const columns = width / patch;
  const channels = size / (patch * patch);
  if (
    tokens.shape.length !== 3 || rows * columns !== count ||
    !Number.isInteger(channels)
  ) {
    throw new RangeError(
      `Cannot apply unpatchify: tokens ${
        showShape(tokens.shape)
      } are not those of a ${height} x ${width} latent in patches of ${patch}`,
    );
  }
  const grid = tokens.reshape([batch, rows, columns, channels, patch, patch]);
  return permute(grid, [0, 3, 1, 4, 2, 5])
    .reshape([batch, channels, height, width]);
}
