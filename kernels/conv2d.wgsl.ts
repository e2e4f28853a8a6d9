/**
 * Convolution kernels, channels last, as matrix products whose A is gathered
 * from the image.
 *
 *   forward:  y(b, oy, ox, n) = act( sum_{ky, kx, c} w(ky, kx, c, n)
 *               x(b, oy sy - py + ky dy, ox sx - px + kx dx, c) + bias(n) )
 *   input:    dx(b, iy, ix, c) = sum_{ky, kx, n} w(ky, kx, n, c)
 *               dy(b, (iy + py - ky dy) / sy, (ix + px - kx dx) / sx, n)
 *               over the taps where both quotients are whole
 *   weight:   dw(ky, kx, c, n) = sum_{b, oy, ox} dy(b, oy, ox, n)
 *               x(b, oy sy - py + ky dy, ox sx - px + kx dx, c)
 *
 * Rows of the product are pixels (weight: channels c), columns are channels n.
 * A pixel outside the image is zero.
 *
 * @module
 */

import {
  type Epilogue,
  epilogue,
  type MatmulVariant,
  operand,
} from "./matmul.wgsl.ts";
import { tileKernel } from "./tile.wgsl.ts";

/** One member of the family. */
export interface Conv2dVariant
  extends Epilogue, Pick<MatmulVariant, "tail" | "tile"> {
  /** Which of the three products. */
  readonly pass: "forward" | "input" | "weight";
}

/**
 * Writes the kernel of one variant.
 *
 * Bindings: a (image that is gathered), b (weights, or dy for the weight
 * pass), c, and bias, pre and residual where the variant has them. Sizes named source
 * are those of `a`, sizes named grid those of the pixels that rows (weight:
 * steps of k) count. The weight pass takes the tap from the batch index.
 *
 * @param variant which member
 * @returns WGSL text without `lib/quotient.wgsl`, and without `lib/math.wgsl`,
 *   which activations need
 */
export function conv2dKernel(variant: Conv2dVariant): string {
  const { pass, source, tail } = variant;
  const along = (axis: "Y" | "X", tap: string, length: string) =>
    pass === "input"
      ? `let to${axis} = i32(grid${axis} + params.pad${axis}) - i32(${tap} * params.dilation${axis});
  let at${axis} = to${axis} / i32(params.stride${axis});
  let in${axis} = to${axis} >= 0 && at${axis} * i32(params.stride${axis}) == to${axis} && at${axis} < i32(params.${length});`
      : `let at${axis} = i32(grid${axis} * params.stride${axis} + ${tap} * params.dilation${axis}) - i32(params.pad${axis});
  let in${axis} = at${axis} >= 0 && at${axis} < i32(params.${length});`;
  const declarations = `// Convolution, ${pass} pass.
struct Params {
  rows: u32,
  columns: u32,
  depth: u32,
  parts: u32,
  pixels: u32,
  pitchA: u32,
  pitchB: u32,
  gridHeight: u32,
  gridWidth: u32,
  sourceHeight: u32,
  sourceWidth: u32,
  kernelWidth: u32,
  strideY: u32,
  strideX: u32,
  padY: u32,
  padX: u32,
  dilationY: u32,
  dilationX: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
${operand("a", 1, source)}
${operand("b", 2, source)}

const NOWHERE: u32 = 0xffffffffu;

// First texel of the source pixel that a grid pixel meets through a tap.
fn pixelOf(pixel: u32, tap: u32) -> u32 {
  let line = smallQuotient(pixel, params.gridWidth);
  let gridX = pixel - line * params.gridWidth;
  let sample = smallQuotient(line, params.gridHeight);
  let gridY = line - sample * params.gridHeight;
  let tapY = tap / params.kernelWidth;
  let tapX = tap - tapY * params.kernelWidth;
  ${along("Y", "tapY", "sourceHeight")}
  ${along("X", "tapX", "sourceWidth")}
  let texel = ((sample * params.sourceHeight + u32(atY)) * params.sourceWidth +
    u32(atX)) * params.pitchA;
  return select(NOWHERE, texel, inY && inX && pixel < params.pixels);
}

${
    pass === "weight"
      ? `fn loadA(m4: u32, k: u32, tap: u32) -> vec4f {
  let start = pixelOf(k, tap);
  return select(vec4f(), aAt(start + m4), start != NOWHERE);
}

fn loadB(n4: u32, k: u32, tap: u32) -> vec4f {
  return ${
        tail
          ? "select(vec4f(), bAt(k * params.pitchB + n4), k < params.depth)"
          : "bAt(k * params.pitchB + n4)"
      };
}`
      : `fn locate(m: u32, part: u32, batch: u32) -> u32 {
  return pixelOf(m, part);
}

fn loadA(start: u32, k4: u32) -> vec4f {
  return select(vec4f(), aAt(start + k4), start != NOWHERE);
}

fn loadB(n4: u32, k: u32, batch: u32) -> vec4f {
  return bAt(k * params.pitchB + n4);
}`
  }
${epilogue(variant)}`;
  return tileKernel(
    {
      a: pass === "weight" ? "column" : "row",
      b: "row",
      declarations,
      tail,
      parts: pass !== "weight",
    },
    variant.tile,
  );
}
