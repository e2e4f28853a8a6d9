function checkPairs(
  what: string,
  x: ArrayLike<number>,
  y: ArrayLike<number>,
): void {
  if (x.length !== y.length || x.length < 2) {
    throw new RangeError(
      `Cannot find the ${what} of ${x.length} with ${y.length} values: they must be equally many, and at least 2`,
    );
  }
  for (let i = 0; i < x.length; i++) {
    if (Number.isFinite(x[i]) && Number.isFinite(y[i])) continue;
    throw new RangeError(
      `Cannot find the ${what}: pair ${i} is ${x[i]} and ${y[i]}`,
    );
  }
}

/** Sums of products of differences from the means, and the means. */
function moments(x: ArrayLike<number>, y: ArrayLike<number>) {
  const n = x.length;
  let [mx, my] = [0, 0];
  for (let i = 0; i < n; i++) {
    mx += x[i]! / n;
    my += y[i]! / n;
  }
  let [xx, yy, xy] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const [dx, dy] = [x[i]! - mx, y[i]! - my];
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  return { mx, my, xx, yy, xy };
}

function isConstant(x: ArrayLike<number>): boolean {
  for (let i = 1; i < x.length; i++) if (x[i] !== x[0]) return false;
  return true;
}

/**
 * Pearson's correlation.
 *
 * @param x at least two finite values
 * @param y equally many
 * @returns from -1 to 1; NaN if one side is constant, as SciPy
 * @throws {RangeError} if they are not equally many, fewer than two, or not
 *   finite
 */
export function pearson(x: ArrayLike<number>, y: ArrayLike<number>): number {
  checkPairs("correlation", x, y);
  if (isConstant(x) || isConstant(y)) return NaN;
  const { xx, yy, xy } = moments(x, y);
  return Math.max(-1, Math.min(1, xy / (Math.sqrt(xx) * Math.sqrt(yy))));
}

/** A straight line. */
export interface Line {
  /** Change of y for one of x. */
  readonly slope: number;
  /** y at x = 0. */
  readonly intercept: number;
}

/**
 * The line y = slope x + intercept with the least sum of squared errors of y.
 *
 * @param x at least two finite values
 * @param y equally many
 * @returns NaN twice if x is constant
 * @throws {RangeError} as {@linkcode pearson}
 */
export function leastSquaresLine(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
): Line {
  checkPairs("line", x, y);
  if (isConstant(x)) return { slope: NaN, intercept: NaN };
  const { mx, my, xx, xy } = moments(x, y);
  return { slope: xy / xx, intercept: my - xy / xx * mx };
}

/**
 * Ranks from 1; equal values share the mean of their ranks.
 *
 * @param values finite
 * @returns (n)
 */
export function averageRanks(values: ArrayLike<number>): Float64Array {
  const n = values.length;
  const order = Uint32Array.from({ length: n }, (_, i) => i)
    .sort((i, j) => values[i]! - values[j]!);
  const ranks = new Float64Array(n);
  for (let start = 0; start < n;) {
    let end = start + 1;
    while (end < n && values[order[end]!] === values[order[start]!]) end++;
    for (let k = start; k < end; k++) ranks[order[k]!] = (start + 1 + end) / 2;
    start = end;
  }
  return ranks;
}

/**
 * Spearman's rank correlation: Pearson's of the average ranks.
 *
 * Source: Spearman 1904; `scipy.stats.spearmanr`.
 *
 * @param x at least two finite values
 * @param y equally many
 * @returns from -1 to 1, exactly 1 for equal orders; NaN if one side is
 *   constant, as SciPy
 * @throws {RangeError} as {@linkcode pearson}
 */
export function spearman(x: ArrayLike<number>, y: ArrayLike<number>): number {
  checkPairs("rank correlation", x, y);
  if (isConstant(x) || isConstant(y)) return NaN;
  const { xx, yy, xy } = moments(averageRanks(x), averageRanks(y));
  // The root of a square is exact, a product of roots is not.
  return Math.max(-1, Math.min(1, xy / Math.sqrt(xx * yy)));
}

/** How well responses follow a sweep, over scenes. */
export interface SweepCorrelation {
  /** Rank correlation of each scene; NaN where it is not valid. */
  readonly perScene: Float64Array;
  /** Scenes. */
  readonly n: number;
  /** Scenes whose responses are not all equal. */
  readonly valid: number;
  /** Mean over valid scenes; NaN if there is none. */
  readonly rho: number;
  /** Mean over all scenes, the others counted as 0. */
  readonly rhoOfAll: number;
  /** Share of the valid scenes above 0; NaN if there is none. */
  readonly positive: number;
}

/**
 * Rank correlation of a steering sweep with what it changes in each scene, such
 * as the shift of the last frame. A scene is valid if its responses are not all
 * equal; that is the published detection threshold.
 *
 * Source: published code, `controllability`, which reports `rho`, `valid` and
 * `positive`.
 *
 * @param sweep (k) values, not all equal
 * @param responses of each scene, (k)
 * @throws {RangeError} if there is no scene, the sweep is constant, lengths
 *   differ, or a value is not finite
 */
export function sweepCorrelation(
  sweep: ArrayLike<number>,
  responses: readonly ArrayLike<number>[],
): SweepCorrelation {
  const n = responses.length;
  if (n === 0 || isConstant(sweep)) {
    throw new RangeError(
      `Cannot correlate a sweep of ${sweep.length} values over ${n} scenes: needed a scene, and two different values`,
    );
  }
  const perScene = Float64Array.from(
    responses,
    (list) => spearman(sweep, list),
  );
  const found = perScene.filter((rho) => !Number.isNaN(rho));
  const sum = found.reduce((total, rho) => total + rho, 0);
  return {
    perScene,
    n,
    valid: found.length,
    rho: sum / found.length,
    rhoOfAll: sum / n,
    positive: found.filter((rho) => rho > 0).length / found.length,
  };
}
