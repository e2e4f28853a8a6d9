import type { Gpu } from "../gpu/gpu.ts";
import { linear } from "../ops/linear.ts";
import { tensor } from "../tensor/create.ts";
import { type Key, key } from "../tensor/philox.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Width to which embeddings are projected. */
export const PROJECTED_WIDTH = 384;

/**
 * Makes the short side of a matrix orthonormal, keeping its order: the factor
 * Q of the QR decomposition with a positive diagonal of R.
 *
 * Gram and Schmidt's modified process, passed twice, in float64: columns of a
 * random matrix come out orthogonal to rounding.
 *
 * Source: `torch.nn.init.orthogonal_`.
 *
 * @param matrix (rows, columns), row-major
 * @param rows number of rows
 * @param columns number of columns
 * @returns (rows, columns): orthonormal rows if there are fewer rows than
 *   columns, else orthonormal columns
 * @throws {RangeError} if the sizes do not fit or the rank is not full
 */
export function orthonormalize(
  matrix: Float64Array<ArrayBuffer>,
  rows: number,
  columns: number,
): Float64Array<ArrayBuffer> {
  if (matrix.length !== rows * columns) {
    throw new RangeError(
      `Cannot orthonormalize ${matrix.length} numbers: (${rows}, ${columns}) needs ${
        rows * columns
      }`,
    );
  }
  const isWide = rows < columns;
  const long = Math.max(rows, columns);
  const short = Math.min(rows, columns);
  const index = (vector: number, i: number) =>
    isWide ? vector * columns + i : i * columns + vector;
  const vectors = Array.from(
    { length: short },
    (_, v) =>
      Float64Array.from({ length: long }, (_, i) => matrix[index(v, i)]!),
  );
  for (const [v, vector] of vectors.entries()) {
    const before = Math.sqrt(dot(vector, vector));
    for (let pass = 0; pass < 2; pass++) {
      for (let u = 0; u < v; u++) {
        const other = vectors[u]!;
        const share = dot(vector, other);
        for (let i = 0; i < long; i++) vector[i]! -= share * other[i]!;
      }
    }
    const length = Math.sqrt(dot(vector, vector));
    if (!(length > 1e-12 * before)) {
      throw new RangeError(
        `Cannot orthonormalize a matrix (${rows}, ${columns}): vector ${v} depends on those before it`,
      );
    }
    for (let i = 0; i < long; i++) vector[i]! /= length;
  }
  const result = new Float64Array(matrix.length);
  vectors.forEach((vector, v) =>
    vector.forEach((value, i) => result[index(v, i)] = value)
  );
  return result;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/**
 * Draws a random orthogonal matrix from the invariant distribution.
 *
 * With fewer outputs than inputs its rows are orthonormal: a projection, which
 * shortens distances. Otherwise its columns are, and distances are preserved.
 *
 * Source: Section 5.2; Saxe et al. 2014.
 *
 * @param inputs features that come in
 * @param outputs features that go out
 * @param stream names the draws
 * @returns (outputs, inputs), row-major
 */
export function orthogonalMatrix(
  inputs: number,
  outputs: number,
  stream: Key,
): Float64Array<ArrayBuffer> {
  const draws = Float64Array.from(
    { length: inputs * outputs },
    (_, i) => stream.normal(i),
  );
  return orthonormalize(draws, outputs, inputs);
}

/**
 * The frozen map from an encoder's width to the width that all encoders share
 * in the diagnosis. It is drawn anew for each seed of a run.
 *
 * Differs: draws are this project's, not those of PyTorch's generator; even
 * upstream they depend on the device.
 *
 * Source: Section 5.2.
 */
export class OrthogonalProjection {
  /** (outputs, inputs), row-major. */
  readonly matrix: Float32Array<ArrayBuffer>;
  #weight: Tensor | undefined;

  /**
   * Draws it.
   *
   * @param inputs the encoder's width
   * @param seed of the run, a non-negative integer
   * @param outputs the shared width
   */
  constructor(
    readonly inputs: number,
    readonly seed: number,
    readonly outputs: number = PROJECTED_WIDTH,
  ) {
    const stream = key("orthogonal projection", seed, inputs, outputs);
    this.matrix = Float32Array.from(orthogonalMatrix(inputs, outputs, stream));
  }

  /**
   * Projects embeddings.
   *
   * @param x (..., inputs)
   * @returns (..., outputs)
   * @throws {RangeError} if the width does not fit
   */
  forward(x: Tensor): Tensor {
    return linear(x, this.#on(x.gpu));
  }

  /** The matrix on the device, placed outside every scope. */
  #on(gpu: Gpu): Tensor {
    const placed = this.#weight;
    if (placed !== undefined && placed.gpu === gpu) return placed;
    placed?.free();
    const scope = gpu.scope();
    try {
      const weight = tensor(gpu, this.matrix, [this.outputs, this.inputs]);
      scope.detach(weight.storage);
      this.#weight = weight;
      return weight;
    } finally {
      scope[Symbol.dispose]();
    }
  }

  /** Frees the matrix on the device. */
  [Symbol.dispose](): void {
    this.#weight?.free();
    this.#weight = undefined;
  }
}
