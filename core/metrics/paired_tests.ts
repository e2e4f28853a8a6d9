import { normalTwoSided, studentTwoSided } from "./distributions.ts";
import { averageRanks } from "./spearman.ts";
import { mean, percentile, standardDeviation } from "./statistics.ts";

function differences(
  what: string,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  least: number,
): Float64Array {
  if (a.length !== b.length || a.length < least) {
    throw new RangeError(
      `Cannot compare ${a.length} with ${b.length} values by ${what}: it needs equally many, and at least ${least}`,
    );
  }
  const found = Float64Array.from(
    { length: a.length },
    (_, i) => a[i]! - b[i]!,
  );
  const odd = found.findIndex((value) => !Number.isFinite(value));
  if (odd < 0) return found;
  throw new RangeError(
    `Cannot compare by ${what}: pair ${odd} is ${a[odd]} and ${b[odd]}`,
  );
}

/** What a paired t-test found. */
export interface PairedTTest {
  /** Pairs. */
  readonly n: number;
  /** Mean of a - b. */
  readonly meanDifference: number;
  /** Student's statistic; infinite if all differences are equal but not 0. */
  readonly t: number;
  /** Degrees of freedom, n - 1. */
  readonly df: number;
  /** Two-sided. */
  readonly p: number;
  /**
   * Cohen's d_z, the mean difference over the standard deviation of the
   * differences. Other d divide by that of the values.
   */
  readonly cohensDz: number;
}

/**
 * The paired t-test, two-sided, with Cohen's d_z.
 *
 * Source: Student 1908; Cohen 1988, section 2.3.5; `scipy.stats.ttest_rel`.
 *
 * @param a values, at least two
 * @param b values of the same units, such as scenes, in the same order
 * @returns p is 1 and d_z 0 where all pairs are equal
 * @throws {RangeError} if they are not equally many, fewer than two, or not
 *   finite
 */
export function pairedTTest(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
): PairedTTest {
  const found = differences("a paired t-test", a, b, 2);
  const n = found.length;
  const meanDifference = mean(found);
  const deviation = standardDeviation(found);
  const cohensDz = meanDifference === 0 ? 0 : meanDifference / deviation;
  const t = cohensDz * Math.sqrt(n);
  const df = n - 1;
  return { n, meanDifference, t, df, p: studentTwoSided(t, df), cohensDz };
}

/** What Wilcoxon's signed-rank test found. */
export interface SignedRankTest {
  /** Pairs that differ. */
  readonly n: number;
  /** The smaller sum of ranks. */
  readonly statistic: number;
  /** Two-sided. */
  readonly p: number;
}

/** Pairs up to which the distribution is counted, as SciPy. */
const EXACT = 50;

/** Share of the sign patterns of n ranks whose sum is at most `sum`. */
function atMost(n: number, sum: number): number {
  let shares = Float64Array.of(1);
  for (let rank = 1; rank <= n; rank++) {
    const next = new Float64Array(shares.length + rank);
    for (let i = 0; i < shares.length; i++) {
      next[i]! += shares[i]! / 2;
      next[i + rank]! += shares[i]! / 2;
    }
    shares = next;
  }
  return shares.subarray(0, sum + 1).reduce((total, share) => total + share, 0);
}

/**
 * Wilcoxon's signed-rank test, two-sided: whether pairs differ to one side,
 * whatever the distribution. Equal pairs are left out.
 *
 * Up to 50 pairs without ties the distribution is counted; else it is normal,
 * corrected for ties and not for continuity.
 *
 * Source: Wilcoxon 1945; `scipy.stats.wilcoxon`, whose default this is.
 *
 * @param a values, at least one
 * @param b values of the same units, in the same order
 * @returns p is 1 where all pairs are equal
 * @throws {RangeError} if they are not equally many, none, or not finite
 */
export function wilcoxonSignedRank(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
): SignedRankTest {
  const all = differences("Wilcoxon's test", a, b, 1);
  const found = all.filter((value) => value !== 0);
  const n = found.length;
  if (n === 0) return { n, statistic: 0, p: 1 };
  const ranks = averageRanks(found.map(Math.abs));
  const total = n * (n + 1) / 2;
  const positive = ranks.reduce(
    (sum, rank, i) => found[i]! > 0 ? sum + rank : sum,
    0,
  );
  const statistic = Math.min(positive, total - positive);
  const ties = [...Map.groupBy(ranks, (rank) => rank).values()]
    .reduce((sum, { length }) => sum + length ** 3 - length, 0);
  if (ties === 0 && n === all.length && n <= EXACT) {
    return { n, statistic, p: Math.min(1, 2 * atMost(n, statistic)) };
  }
  const variance = total * (2 * n + 1) / 12 - ties / 48;
  const z = (statistic - total / 2) / Math.sqrt(variance);
  return { n, statistic, p: normalTwoSided(z) };
}

/**
 * Corrects p values for as many tests: each is multiplied by their number.
 *
 * Source: Dunn 1961.
 *
 * @param p of each test
 * @returns at most 1 each
 */
export function bonferroni(p: readonly number[]): number[] {
  return p.map((value) => Math.min(1, value * p.length));
}

/**
 * The median.
 *
 * @param values at least one, finite
 * @throws {RangeError} if there is none or one is not finite
 */
export function median(values: ArrayLike<number>): number {
  return percentile(values, 50);
}
