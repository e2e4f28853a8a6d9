/** Norms are at least this. */
const LEAST_NORM = 1e-8;

function checkRows(a: ArrayLike<number>, b: ArrayLike<number>, width: number) {
  if (a.length !== b.length || a.length === 0 || a.length % width !== 0) {
    throw new RangeError(
      `Cannot compare ${a.length} with ${b.length} values: they must be equally many whole rows of ${width}`,
    );
  }
}

/**
 * Cosine of the angle between the rows of two matrices.
 *
 * @param a (n, width)
 * @param b (n, width)
 * @param width length of a row
 * @returns (n)
 * @throws {RangeError} if the lengths do not fit
 */
export function rowCosines(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  width: number,
): Float64Array {
  checkRows(a, b, width);
  return Float64Array.from({ length: a.length / width }, (_, i) => {
    let [xy, xx, yy] = [0, 0, 0];
    for (let k = i * width; k < (i + 1) * width; k++) {
      const [x, y] = [a[k] ?? 0, b[k] ?? 0];
      xy += x * y;
      xx += x * x;
      yy += y * y;
    }
    const norms = Math.max(Math.sqrt(xx), LEAST_NORM) *
      Math.max(Math.sqrt(yy), LEAST_NORM);
    return xy / norms;
  });
}

/**
 * Mean cosine similarity of rows: the paper's CosSim, over tokens that are not
 * normalized.
 *
 * @param a (n, width)
 * @param b (n, width)
 * @param width values of a token
 * @throws {RangeError} if the lengths do not fit
 */
export function cosineSimilarity(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  width: number,
): number {
  const rows = rowCosines(a, b, width);
  return rows.reduce((sum, x) => sum + x, 0) / rows.length;
}

/**
 * Mean cosine similarity of changes: predicted - present against
 * target - present.
 *
 * @param predicted (n, width)
 * @param target (n, width)
 * @param present (n, width)
 * @param width values of a token
 * @throws {RangeError} if the lengths do not fit
 */
export function deltaCosineSimilarity(
  predicted: ArrayLike<number>,
  target: ArrayLike<number>,
  present: ArrayLike<number>,
  width: number,
): number {
  checkRows(predicted, present, width);
  const change = (x: ArrayLike<number>) =>
    Float64Array.from(x, (value, i) => value - (present[i] ?? 0));
  return cosineSimilarity(change(predicted), change(target), width);
}
