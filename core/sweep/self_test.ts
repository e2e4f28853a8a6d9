import type { Gpu } from "../gpu/gpu.ts";
import { digestBytes } from "../formats/digest.ts";
import { layerNorm } from "../ops/layer_norm.ts";
import { matmul } from "../ops/matmul.ts";
import { softmax } from "../ops/softmax.ts";
import { key } from "../tensor/philox.ts";
import { normal } from "../tensor/random.ts";

/** Side of the matrices: several tiles of a product, and a part of one. */
const SIDE = 200;

/**
 * Computes something fixed: a product, a softmax and a layer normalization.
 * Nodes whose digests are equal compute these bit for bit alike; where they
 * differ, so may results.
 *
 * @param gpu device
 * @returns SHA-256 of the numbers, hexadecimal
 * @throws {Error} if a number is not finite: the driver does not compute
 */
export async function selfTestDigest(gpu: Gpu): Promise<string> {
  using _ = gpu.scope();
  const a = normal(gpu, [SIDE, SIDE], key("self-test", 0));
  const b = normal(gpu, [SIDE, SIDE], key("self-test", 1));
  const numbers = await layerNorm(softmax(matmul(a, b)), 1e-6).read();
  if (!numbers.every(Number.isFinite)) {
    throw new Error(
      `Cannot trust ${gpu.adapter}: a product of two matrices is not finite; update its driver`,
    );
  }
  return digestBytes(new Uint8Array(numbers.buffer as ArrayBuffer));
}
