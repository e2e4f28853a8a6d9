import cells from "../../kernels/lib/cells.wgsl" with { type: "text" };
import invocation from "../../kernels/lib/invocation.wgsl" with {
  type: "text",
};
import texels from "../../kernels/lib/image_texels.wgsl" with { type: "text" };
import values from "../../kernels/lib/image_values.wgsl" with { type: "text" };
import quotient from "../../kernels/lib/quotient.wgsl" with { type: "text" };
import { ceilDiv, flatGrid } from "../gpu/grid.ts";
import type { Knobs } from "../gpu/knobs.ts";
import {
  type Bindings,
  defineShader,
  type Params,
  type Shader,
} from "../gpu/shader.ts";

/** A kernel over images that takes one value or four channels at a time. */
export type ImageShaders = Readonly<Record<"values" | "texels", Shader>>;

/** Params of such a kernel. */
export interface ImageParams extends Params {
  /** Channels of both images. */
  readonly channels: number;
}

/**
 * Joins a kernel with both ways to walk images.
 *
 * @param name the kernel's name
 * @param sources its WGSL, which uses Elem, xAt(), dyAt() and cellOf()
 */
export function defineImageShaders(
  name: string,
  ...sources: readonly string[]
): ImageShaders {
  const all = [invocation, quotient, cells, ...sources];
  return {
    values: defineShader(name, [values, ...all]),
    texels: defineShader(`${name}_texels`, [texels, ...all]),
  };
}

/**
 * Runs an entry by texels where channels fill them, else by values.
 *
 * @param shaders both members
 * @param entry name of the entry point
 * @param bindings what to bind
 * @param params sizes, channels by one
 * @param size elements of the result
 * @param knobs the variant
 */
export function runOverImages(
  shaders: ImageShaders,
  entry: string,
  bindings: Bindings,
  params: ImageParams,
  size: number,
  knobs: Knobs = {},
): void {
  const each = params.channels % 4 === 0 ? 4 : 1;
  shaders[each === 4 ? "texels" : "values"].run(
    entry,
    bindings,
    { ...params, channels: params.channels / each },
    flatGrid(ceilDiv(size, 64 * each)),
    { knobs },
  );
}
