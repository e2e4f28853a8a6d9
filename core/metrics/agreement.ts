/**
 * How measured values follow given ones, from sums that can be pooled: so that
 * a bootstrap over scenes adds numbers instead of walking through all pairs.
 *
 * @module
 */

/** Sums over pairs of a given value x and a measured value y. */
export interface PairSums {
  /** Pairs. */
  readonly n: number;
  /** Of x. */
  readonly x: number;
  /** Of y. */
  readonly y: number;
  /** Of x x. */
  readonly xx: number;
  /** Of x y. */
  readonly xy: number;
  /** Of y y. */
  readonly yy: number;
}

/** How y follows x. */
export interface Agreement {
  /** Pearson's correlation; 0 if y is constant, NaN if x is. */
  readonly correlation: number;
  /** Change of y for one of x, by least squares; NaN if x is constant. */
  readonly slope: number;
  /** Root of the mean squared difference, in the unit of x. */
  readonly rmse: number;
}

/** Share of a sum of squares below which rounding decides. */
const NOTHING = 1e-12;

/**
 * Sums over pairs.
 *
 * @param x finite values
 * @param y equally many
 * @throws {RangeError} if they are not equally many, or not finite
 */
export function pairSums(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
): PairSums {
  if (x.length !== y.length) {
    throw new RangeError(
      `Cannot pair ${x.length} with ${y.length} values: needed equally many`,
    );
  }
  const sums = { n: x.length, x: 0, y: 0, xx: 0, xy: 0, yy: 0 };
  for (let i = 0; i < x.length; i++) {
    const [a, b] = [x[i]!, y[i]!];
    if (!Number.isFinite(a) || !Number.isFinite(b)) {
      throw new RangeError(`Cannot pair values: pair ${i} is ${a} and ${b}`);
    }
    sums.x += a;
    sums.y += b;
    sums.xx += a * a;
    sums.xy += a * b;
    sums.yy += b * b;
  }
  return sums;
}

/**
 * Sums over pairs relative to the means of their own group: what remains is how
 * y changes with x inside of a group, whatever differs between groups.
 *
 * @param groups values of each: x and y equally many
 * @throws {RangeError} as {@linkcode pairSums}
 */
export function sumsWithin(
  groups: readonly (readonly [
    x: readonly number[],
    y: readonly number[],
  ])[],
): PairSums {
  const centred = (values: readonly number[]) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return values.map((value) => value - mean);
  };
  return pooled(groups.map(([x, y]) => pairSums(centred(x), centred(y))));
}

/**
 * Adds sums.
 *
 * @param parts of disjoint pairs
 */
export function pooled(parts: readonly PairSums[]): PairSums {
  const total = (pick: (sums: PairSums) => number) =>
    parts.reduce((sum, part) => sum + pick(part), 0);
  return {
    n: total(({ n }) => n),
    x: total(({ x }) => x),
    y: total(({ y }) => y),
    xx: total(({ xx }) => xx),
    xy: total(({ xy }) => xy),
    yy: total(({ yy }) => yy),
  };
}

/**
 * Says how y follows x.
 *
 * @param sums over the pairs
 */
export function agreementOf({ n, x, y, xx, xy, yy }: PairSums): Agreement {
  const of = (squares: number, a: number, b: number) => {
    const rest = squares - a * b / n;
    return Math.abs(rest) <= NOTHING * Math.abs(squares) ? 0 : rest;
  };
  const [sxx, syy] = [of(xx, x, x), of(yy, y, y)];
  const sxy = xy - x * y / n;
  return {
    correlation: sxx === 0
      ? NaN
      : syy === 0
      ? 0
      : Math.max(-1, Math.min(1, sxy / Math.sqrt(sxx * syy))),
    slope: sxx === 0 ? NaN : sxy / sxx,
    rmse: Math.sqrt(Math.max(0, xx - 2 * xy + yy) / n),
  };
}
