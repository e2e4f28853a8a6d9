import source from "../../kernels/resize2d.wgsl" with { type: "text" };
import { record } from "../tensor/autograd.ts";
import { empty, emptyLike } from "../tensor/create.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { defineImageShaders, runOverImages } from "./images.ts";

const shaders = defineImageShaders("resize2d", source);

/**
 * How pixels map: `nearest` and `bilinear` as in PyTorch (half-pixel centres,
 * no antialiasing); `tensorflow1` is the bilinear resize of TensorFlow 1,
 * which Inception's FID weights expect.
 */
export type ResizeMode = "nearest" | "bilinear" | "tensorflow1";

const MODES: Readonly<Record<ResizeMode, number>> = {
  nearest: 0,
  bilinear: 1,
  tensorflow1: 2,
};

/**
 * Resizes images on the device. Pillow's antialiased resize works on bytes on
 * the host and is another function.
 *
 * @param x (B, height, width, C)
 * @param size height and width of the result, in pixels
 * @param mode how pixels map
 * @returns (B, size[0], size[1], C)
 * @throws {RangeError} if a size is not a positive integer or `x` has not
 *   four axes
 */
export function resize2d(
  x: Tensor,
  size: readonly [height: number, width: number],
  mode: ResizeMode,
): Tensor {
  const [batch = 0, inHeight = 0, inWidth = 0, channels = 0] = x.shape;
  const [outHeight, outWidth] = size;
  const isFine = x.shape.length === 4 &&
    size.every((length) => Number.isInteger(length) && length > 0);
  if (!isFine) {
    throw new RangeError(
      `Cannot apply resize2d: input ${
        showShape(x.shape)
      } must be (B, height, width, C), size ${
        showShape(size)
      } of positive integers`,
    );
  }
  const params = {
    batch,
    inHeight,
    inWidth,
    channels,
    outHeight,
    outWidth,
  };
  // Equal sizes are a copy: neighbours of weight 0 would hand on their NaN.
  const isCopy = outHeight === inHeight && outWidth === inWidth;
  const knobs = { MODE: MODES[isCopy ? "nearest" : mode] };
  const y = empty(x.gpu, [batch, outHeight, outWidth, channels]);
  runOverImages(shaders, "forward", { x, y }, params, y.size, knobs);
  return record(y, [x], (dy) => {
    const dx = emptyLike(x);
    runOverImages(shaders, "backward", { dy, dx }, params, x.size, knobs);
    return [dx];
  });
}
