import source from "../../kernels/depthwise_conv2d.wgsl" with { type: "text" };
import { ceilDiv } from "../gpu/grid.ts";
import { noGrad, record } from "../tensor/autograd.ts";
import { empty, emptyLike } from "../tensor/create.ts";
import { derive } from "../tensor/derived.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { slice } from "./concat.ts";
import { defineImageShaders, runOverImages } from "./images.ts";
import { permute } from "./permute.ts";
import { sum } from "./reduce.ts";

const shaders = defineImageShaders("depthwise_conv2d", source);

/** Cells that an invocation sums in the gradient of the weight. */
const CHUNK = 32;

/** Taps of a kernel. */
const TAPS = 9;

/**
 * Convolves each channel of images apart, with 3 x 3 taps and one cell of zeros
 * around the image: cross-correlation, as PyTorch's `conv2d` with as many
 * groups as channels. Taps outside of the image are left out, so that a tap of
 * NaN or infinity reaches only the results that it has a part in.
 *
 * Keeps `x` for the gradient.
 *
 * @param x (B, height, width, C)
 * @param weight (C, 1, 3, 3)
 * @param bias (C)
 * @returns (B, height, width, C)
 * @throws {RangeError} if the shapes do not fit
 */
export function depthwiseConv2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
): Tensor {
  const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
  const isFine = x.shape.length === 4 && x.size > 0 &&
    showShape(weight.shape) === showShape([channels, 1, 3, 3]) &&
    showShape(bias.shape) === showShape([channels]);
  if (!isFine) {
    throw new RangeError(
      `Cannot apply depthwiseConv2d: input ${
        showShape(x.shape)
      } must be (B, height, width, C), weight ${
        showShape(weight.shape)
      } must be (C, 1, 3, 3), bias ${showShape(bias.shape)} must be (C)`,
    );
  }
  const cells = batch * height * width;
  const params = {
    cells,
    inHeight: height,
    inWidth: width,
    outHeight: height,
    outWidth: width,
    channels,
    chunk: CHUNK,
  };
  const taps = derive(
    weight,
    "depthwise taps",
    () => permute(weight.reshape([channels, TAPS]), [1, 0]),
  ); // (9, C)
  const y = emptyLike(x);
  runOverImages(
    shaders,
    "forward",
    { x, weight: taps, bias, y },
    params,
    x.size,
  );
  return record(y, [x, weight, bias], (dy) => {
    let dx: Tensor | undefined;
    if (x.requiresGrad) {
      dx = emptyLike(x);
      const bindings = { dy, weight: taps, dx };
      runOverImages(shaders, "backwardInput", bindings, params, x.size);
    }
    const chunks = ceilDiv(cells, CHUNK);
    const gradients = empty(x.gpu, [chunks, TAPS + 1, channels]);
    const bindings = { x, dy, gradients };
    runOverImages(
      shaders,
      "backwardWeight",
      bindings,
      params,
      gradients.size,
    );
    return noGrad(() => {
      const total = sum(gradients, [0]); // (10, C)
      const dw = permute(slice(total, 0, 0, TAPS), [1, 0]); // (C, 9)
      return [
        dx,
        dw.reshape([channels, 1, 3, 3]),
        slice(total, 0, TAPS, TAPS + 1).reshape([channels]),
      ];
    });
  });
}
