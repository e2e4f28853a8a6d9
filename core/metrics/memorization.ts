/**
 * Whether samples are copies of training data: nearest neighbours, how often one
 * set is nearer than another one, and shares with their intervals.
 *
 * @module
 */

import { percentile } from "./statistics.ts";

/** The nearest reference of each sample. */
export interface NearestRows {
  /** (n) number of the reference. */
  readonly rows: readonly number[];
  /** (n) Euclidean distance to it, in units of the values. */
  readonly distances: readonly number[];
}

/** Values after which a sum is compared with the best one so far. */
const BLOCK = 64;

/**
 * Finds the nearest reference of each sample.
 *
 * @param samples (n, width)
 * @param references (m, width)
 * @param width length of a row
 * @param isAllowed whether a sample may have a reference; all unless given
 * @returns (n)
 * @throws {RangeError} if rows are incomplete, a distance is not finite, or a
 *   sample has no reference
 */
export function nearestRows(
  samples: Float32Array,
  references: Float32Array,
  width: number,
  isAllowed: (sample: number, reference: number) => boolean = () => true,
): NearestRows {
  const [n, m] = [samples.length / width, references.length / width];
  if (!Number.isInteger(n) || !Number.isInteger(m)) {
    throw new RangeError(
      `Cannot find neighbours: ${samples.length} and ${references.length} values are not whole rows of ${width}`,
    );
  }
  const rows: number[] = [];
  const distances: number[] = [];
  for (let i = 0; i < n; i++) {
    let [best, row] = [Infinity, -1];
    for (let j = 0; j < m; j++) {
      if (!isAllowed(i, j)) continue;
      let sum = 0;
      // A sum that is already too large is not finished.
      for (let start = 0; start < width && sum < best; start += BLOCK) {
        const end = Math.min(start + BLOCK, width);
        for (let k = start; k < end; k++) {
          sum += (samples[i * width + k]! - references[j * width + k]!) ** 2;
        }
      }
      if (sum < best) [best, row] = [sum, j];
    }
    if (row < 0) {
      throw new RangeError(
        `Cannot find the neighbour of sample ${i}: none of ${m} references is allowed and at a finite distance`,
      );
    }
    rows.push(row);
    distances.push(Math.sqrt(best));
  }
  return { rows, distances };
}

/**
 * How often a value is less than one of another set, over all pairs; ties count
 * half. One half if both are alike: the statistic of Mann and Whitney over the
 * number of pairs.
 *
 * Source: Mann & Whitney 1947.
 *
 * @param values at least one
 * @param others at least one
 * @returns from 0 to 1
 * @throws {RangeError} if a set is empty
 */
export function shareLess(
  values: readonly number[],
  others: readonly number[],
): number {
  if (values.length === 0 || others.length === 0) {
    throw new RangeError(
      `Cannot compare ${values.length} with ${others.length} values: needed at least 1 of each`,
    );
  }
  const sorted = Float64Array.from(others).sort();
  /** Others for which `isBefore` holds, which the sorted ones begin with. */
  const count = (isBefore: (x: number) => boolean) => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(sorted[middle]!)) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  let total = 0;
  for (const value of values) {
    const [less, notMore] = [count((x) => x < value), count((x) => x <= value)];
    total += sorted.length - notMore + (notMore - less) / 2;
  }
  return total / (values.length * sorted.length);
}

/**
 * Marks the samples that are nearer to training than nearly all held-out real
 * frames are: below a percentile of their distances.
 *
 * @param distances of samples to the nearest of training frames
 * @param held distances of held-out real frames to the nearest of the same
 * @param percent of the held-out frames that are marked by definition
 * @returns (n) 1 for a copy, else 0
 */
export function copies(
  distances: readonly number[],
  held: readonly number[],
  percent: number,
): number[] {
  const bound = percentile(held, percent);
  return distances.map((distance) => distance < bound ? 1 : 0);
}

/**
 * Interval of a share, which is one of some width for none of n, too, where a
 * bootstrap has none.
 *
 * Source: Wilson 1927, score interval of 95 %.
 *
 * @param count of n
 * @param n at least 1
 * @throws {RangeError} if `count` is not from 0 to n
 */
export function wilsonInterval(
  count: number,
  n: number,
): { readonly low: number; readonly high: number } {
  if (!(n >= 1 && count >= 0 && count <= n)) {
    throw new RangeError(
      `Cannot find the interval of ${count} of ${n}: needed at least 1, and a count from 0 to that`,
    );
  }
  const z = 1.959963984540054;
  const p = count / n;
  const scale = 1 + z * z / n;
  const centre = (p + z * z / (2 * n)) / scale;
  const half = z / scale * Math.sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}
