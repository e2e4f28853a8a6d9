/**
 * Mixes two sets of latents: share a + (1 - share) b.
 *
 * @param a latents, such as those of the direct model
 * @param b as many, such as diffusion samples
 * @param share of `a`, from 0 to 1; default 0.5
 * @throws {RangeError} if the lengths differ
 */
export function blend(
  a: Float32Array,
  b: Float32Array,
  share = 0.5,
): Float32Array<ArrayBuffer> {
  if (a.length !== b.length) {
    throw new RangeError(
      `Cannot blend ${a.length} with ${b.length} latent values: they must be as many`,
    );
  }
  return Float32Array.from(a, (x, i) => share * x + (1 - share) * (b[i] ?? 0));
}
