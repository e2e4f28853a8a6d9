import philox from "../../kernels/lib/philox.wgsl" with { type: "text" };
import source from "../../kernels/random.wgsl" with { type: "text" };
import type { Gpu } from "../gpu/gpu.ts";
import { ceilDiv, flatGrid } from "../gpu/grid.ts";
import { defineShader } from "../gpu/shader.ts";
import { empty, tensor } from "./create.ts";
import type { Key } from "./philox.ts";
import { type Shape, showShape } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

const shader = defineShader("random", [philox, source]);

/**
 * Draws uniform numbers on [0, 1) in steps of 2^-24.
 *
 * @param gpu device
 * @param shape axis lengths
 * @param keys one stream for the whole tensor, or one for each row of the
 *   first axis, so that a row's draws do not depend on its place in the batch
 * @throws {RangeError} if the number of keys is not the first axis
 */
export function uniform(
  gpu: Gpu,
  shape: Shape,
  keys: Key | readonly Key[],
): Tensor {
  return draw("uniformUnit", gpu, shape, keys);
}

/**
 * Draws standard normal numbers by Box and Muller.
 *
 * They differ from the exact transform of the same uniform draws by less than
 * 4e-6: logarithm, sine and cosine are polynomials, equal on every adapter up
 * to rounding.
 *
 * @param gpu device
 * @param shape axis lengths
 * @param keys one stream for the whole tensor, or one for each row of the
 *   first axis
 * @throws {RangeError} if the number of keys is not the first axis
 */
export function normal(
  gpu: Gpu,
  shape: Shape,
  keys: Key | readonly Key[],
): Tensor {
  return draw("normal", gpu, shape, keys);
}

/**
 * Draws the generator's 32-bit words, equal bit for bit to
 * {@linkcode Key.word}.
 *
 * @param gpu device
 * @param shape axis lengths
 * @param keys one stream for the whole tensor, or one for each row of the
 *   first axis
 * @returns u32 words
 */
export function randomBits(
  gpu: Gpu,
  shape: Shape,
  keys: Key | readonly Key[],
): Tensor {
  return draw("bits", gpu, shape, keys);
}

function draw(
  entry: "uniformUnit" | "normal" | "bits",
  gpu: Gpu,
  shape: Shape,
  keys: Key | readonly Key[],
): Tensor {
  const y = empty(gpu, shape, entry === "bits" ? "u32" : "f32");
  const list = "words" in keys ? [keys] : keys;
  const rows = "words" in keys ? 1 : shape[0] ?? 1;
  if (list.length !== rows) {
    throw new RangeError(
      `Cannot draw a tensor ${
        showShape(shape)
      } from ${list.length} keys: it needs one, or ${rows}`,
    );
  }
  const words = Uint32Array.from(list.flatMap((key) => [...key.words]));
  const cols = y.size / rows;
  const blocks = ceilDiv(cols, 4);
  shader.run(
    entry,
    { keys: tensor(gpu, words), [entry === "bits" ? "words" : "y"]: y },
    { rows, cols, blocks },
    flatGrid(ceilDiv(rows * blocks, 64)),
  );
  return y;
}
