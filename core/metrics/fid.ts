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

interface Centred {
  /** (width) */
  readonly mean: Float64Array;
  /** (n, width) */
  readonly rows: Float64Array;
}

function centre({ data, width }: Features, n: number): Centred {
  const mean = new Float64Array(width);
  const rows = Float64Array.from(data);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < width; k++) mean[k]! += rows[i * width + k]! / n;
  }
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < width; k++) rows[i * width + k]! -= mean[k]!;
  }
  return { mean, rows };
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
  const a = centre(real, n);
  const b = centre(fake, m);
  const { route: wanted = "auto" } = options;
  const route = wanted === "auto" ? cheaper(n, m, width) : wanted;
  const factor = (rows: Float64Array, count: number) =>
    route === "gram" ? rows : triangularFactor(rows, count, width);
  const [p, q] = [factor(a.rows, n), factor(b.rows, m)];
  const scale = Math.sqrt((n - 1) * (m - 1));
  const product = rowProducts(p, q, width).map((x) => x / scale);
  const cross = singularValues(product, p.length / width, q.length / width);
  const traceOf = (rows: Float64Array, count: number) =>
    rows.reduce((sum, x) => sum + x * x, 0) / (count - 1);
  let value = traceOf(a.rows, n) + traceOf(b.rows, m);
  for (let k = 0; k < width; k++) value += (a.mean[k]! - b.mean[k]!) ** 2;
  for (const s of cross) value -= 2 * s;
  // Rounding may carry the distance of equal sets below zero.
  return { value: Math.max(0, value), n: [n, m], route };
}
