/** Features of images, one row each. */
export interface Features {
  /** (n, width) in row-major order */
  readonly data: Float32Array | Float64Array;
  /** Length of a row. */
  readonly width: number;
}

/**
 * Checks features before they are compared.
 *
 * @param name what they are, for the message
 * @param features rows
 * @param least smallest number of rows that makes sense
 * @returns the number of rows
 * @throws {RangeError} if rows are too few or incomplete, or a value is not
 *   finite
 */
export function checkFeatures(
  name: string,
  { data, width }: Features,
  least = 2,
): number {
  const n = data.length / width;
  if (!Number.isInteger(n) || !(width >= 1)) {
    throw new RangeError(
      `Cannot compare ${name} features: ${data.length} values are not whole rows of ${width}`,
    );
  }
  if (n < least) {
    throw new RangeError(
      `Cannot compare ${name} features: got ${n} images, needed at least ${least}`,
    );
  }
  const bad = data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new RangeError(
      `Cannot compare ${name} features: value ${bad % width} of image ${
        Math.floor(bad / width)
      } is ${data[bad]}; was the network or the image broken?`,
    );
  }
  return n;
}

/**
 * Checks two sets of features against each other.
 *
 * @throws {RangeError} as {@linkcode checkFeatures}, or if the widths differ
 */
export function checkPair(
  real: Features,
  fake: Features,
  least = 2,
): [number, number] {
  const counts: [number, number] = [
    checkFeatures("real", real, least),
    checkFeatures("generated", fake, least),
  ];
  if (real.width !== fake.width) {
    throw new RangeError(
      `Cannot compare features of width ${real.width} with width ${fake.width}: both must come from one network`,
    );
  }
  return counts;
}
