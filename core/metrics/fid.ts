import { checkPair, type Features } from "./features.ts";
import { rowProducts, singularValues, triangularFactor } from "./linalg.ts";

/** How the trace of the root of the covariances is found. */
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

/** Images that are factored at once, if features are few. */
const LEAST_BLOCK = 1024;

/** What the distance needs of a set. */
interface Summary {
  /** (width) */
  readonly mean: Float64Array;
  /** Sum of squares of the centred features. */
  readonly squares: number;
  /** (rows, width), F with F^T F that of the centred features. */
  readonly factor: Float64Array;
}

/**
 * Summarizes a set by blocks of images, so that the full route needs memory for
 * (width, width) values and not for a copy of the features.
 */
function summarize(
  { data, width }: Features,
  n: number,
  route: FidRoute,
): Summary {
  const mean = new Float64Array(width);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < width; k++) mean[k]! += data[i * width + k]! / n;
  }
  const block = route === "gram" ? n : Math.max(LEAST_BLOCK, 2 * width);
  let factor: Float64Array = new Float64Array(0);
  let squares = 0;
  for (let start = 0; start < n; start += block) {
    const end = Math.min(start + block, n);
    const rows = new Float64Array(factor.length + (end - start) * width);
    rows.set(factor);
    const values = rows.subarray(factor.length);
    values.set(data.subarray(start * width, end * width));
    for (let i = 0; i < values.length; i++) {
      values[i]! -= mean[i % width]!;
      squares += values[i]! * values[i]!;
    }
    factor = route === "gram"
      ? rows
      : triangularFactor(rows, rows.length / width, width);
  }
  return { mean, squares, factor };
}

/** The route with fewer multiplications. */
function cheaper(n: number, m: number, width: number): FidRoute {
  const [few, many] = [Math.min(n, m), Math.max(n, m)];
  const gram = n * m * width + 2 * few ** 2 * many;
  const full = 2 * width ** 2 * (n + m) + 3 * width ** 3;
  return gram <= full ? "gram" : "full";
}

/**
 * Fréchet inception distance:
 * |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2), covariances with n - 1.
 *
 * With F1^T F1 = S1 and F2^T F2 = S2, the last trace is the sum of the
 * singular values of F1 F2^T, whose squares are the eigenvalues of S1 S2. The
 * gram route takes the centred features themselves, over sqrt(n - 1), and an
 * (n1, n2) matrix, small for few images; the full route their triangular
 * factors and a (width, width) matrix. Both are exact; neither takes roots of
 * eigenvalues near zero, which would cost half the digits where images are
 * fewer than features.
 *
 * It is biased upward at small n: compare values of equal n only.
 *
 * Source: Heusel et al. 2017.
 *
 * @param real features of real images
 * @param fake features of generated images
 * @param options the route; the cheaper one unless given
 * @returns the distance, the numbers of images and the route
 * @throws {RangeError} as `checkPair`
 * @throws {Error} if the singular values do not converge
 */
export function fid(
  real: Features,
  fake: Features,
  options: { readonly route?: FidRoute | "auto" } = {},
): Fid {
  const [n, m] = checkPair(real, fake);
  const { width } = real;
  const { route: wanted = "auto" } = options;
  const route = wanted === "auto" ? cheaper(n, m, width) : wanted;
  const a = summarize(real, n, route);
  const b = summarize(fake, m, route);
  const scale = Math.sqrt((n - 1) * (m - 1));
  const product = rowProducts(a.factor, b.factor, width).map((x) => x / scale);
  const rowsOf = ({ factor }: Summary) => factor.length / width;
  const cross = singularValues(product, rowsOf(a), rowsOf(b));
  let value = a.squares / (n - 1) + b.squares / (m - 1);
  for (let k = 0; k < width; k++) value += (a.mean[k]! - b.mean[k]!) ** 2;
  for (const s of cross) value -= 2 * s;
  // Rounding may carry the distance of equal sets below zero.
  return { value: Math.max(0, value), n: [n, m], route };
}
