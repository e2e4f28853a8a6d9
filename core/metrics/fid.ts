import { checkPair, type Features } from "./features.ts";
import { singularValues, symmetricEigen } from "./linalg.ts";

/** How the trace of the covariances' root is found. */
export type FidRoute = "gram" | "full";

/** A Fréchet distance with what it rests on. */
export interface Fid {
  /** The distance. */
  readonly value: number;
  /** Images of each set. */
  readonly n: readonly [real: number, fake: number];
  /** The route that was taken. */
  readonly route: FidRoute;
}

interface Centred {
  /** (width) */
  readonly mean: Float64Array;
  /** (n, width) */
  readonly rows: Float64Array;
}

function centre({ data, width }: Features, n: number): Centred {
  const mean = new Float64Array(width);
  for (const [k, value] of data.entries()) {
    mean[k % width] = (mean[k % width] ?? 0) + value / n;
  }
  const rows = Float64Array.from(
    data,
    (value, k) => value - (mean[k % width] ?? 0),
  );
  return { mean, rows };
}

/** a b^T of row-major matrices with equal row lengths. */
function outer(
  a: Float64Array,
  n: number,
  b: Float64Array,
  m: number,
  width: number,
): Float64Array {
  const c = new Float64Array(n * m);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) {
      let sum = 0;
      for (let k = 0; k < width; k++) {
        sum += (a[i * width + k] ?? 0) * (b[j * width + k] ?? 0);
      }
      c[i * m + j] = sum;
    }
  }
  return c;
}

function covariance(rows: Float64Array, n: number, width: number) {
  const c = new Float64Array(width * width);
  for (let i = 0; i < n; i++) {
    const row = rows.subarray(i * width, (i + 1) * width);
    for (let p = 0; p < width; p++) {
      const x = (row[p] ?? 0) / (n - 1);
      for (let q = 0; q < width; q++) {
        c[p * width + q] = (c[p * width + q] ?? 0) + x * (row[q] ?? 0);
      }
    }
  }
  return c;
}

/** Symmetric square root. */
function root(matrix: Float64Array, n: number): Float64Array {
  const { values, vectors } = symmetricEigen(matrix, n);
  const result = new Float64Array(n * n);
  for (const [i, vector] of vectors.entries()) {
    const s = Math.sqrt(Math.max(0, values[i] ?? 0));
    for (let p = 0; p < n; p++) {
      const x = s * (vector[p] ?? 0);
      for (let q = 0; q < n; q++) {
        result[p * n + q] = (result[p * n + q] ?? 0) + x * (vector[q] ?? 0);
      }
    }
  }
  return result;
}

/**
 * Fréchet inception distance:
 * |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2), covariances with n - 1.
 *
 * With fewer images than features, the last trace is the sum of the singular
 * values of A B^T / sqrt((n1 - 1)(n2 - 1)), with A and B the centred features:
 * exact, and far smaller. Otherwise it is the sum of the singular values of
 * S1^(1/2) S2^(1/2).
 *
 * It is biased upward at small n: compare values of equal n only.
 *
 * Source: Heusel et al. 2017.
 *
 * @param real features of real images
 * @param fake features of generated images
 * @param options the route; the cheaper one unless given
 * @throws {RangeError} as `checkPair`
 */
export function fid(
  real: Features,
  fake: Features,
  options: { readonly route?: FidRoute } = {},
): Fid {
  const [n, m] = checkPair(real, fake);
  const { width } = real;
  const a = centre(real, n);
  const b = centre(fake, m);
  const route = options.route ?? (Math.max(n, m) <= width ? "gram" : "full");
  const traceOf = (rows: Float64Array, count: number) =>
    rows.reduce((sum, x) => sum + x * x, 0) / (count - 1);
  let cross: Float64Array;
  if (route === "gram") {
    const scale = Math.sqrt((n - 1) * (m - 1));
    const product = outer(a.rows, n, b.rows, m, width).map((x) => x / scale);
    cross = singularValues(product, n, m);
  } else {
    const s1 = root(covariance(a.rows, n, width), width);
    const s2 = root(covariance(b.rows, m, width), width);
    cross = singularValues(outer(s1, width, s2, width, width), width, width);
  }
  let value = traceOf(a.rows, n) + traceOf(b.rows, m);
  for (let k = 0; k < width; k++) {
    value += ((a.mean[k] ?? 0) - (b.mean[k] ?? 0)) ** 2;
  }
  for (const s of cross) value -= 2 * s;
  return { value: Math.max(0, value), n: [n, m], route };
}
