import type { LatentRows } from "../data/latents.ts";
import { choleskyFactor } from "./linalg.ts";

/** How latents are normalized before their covariance is regularized. */
export interface EnergyOptions {
  /** Added to the variance of the normalized values. Default 1e-3. */
  readonly ridge?: number;
  /**
   * The tokens that latents are cut into: the values at one place of all tokens
   * share a deviation. Without it, each value has its own.
   */
  readonly tokens?: {
    /** Channels, height and width of the latents. */
    readonly shape: readonly [number, number, number];
    /** Side of a patch, a divisor of both sides. */
    readonly patch: number;
  };
}

/** A distribution of latents, as {@linkcode fitEnergy} found it. */
export interface EnergyFit {
  /** Values of a row. */
  readonly size: number;
  /** (size) m */
  readonly mean: Float64Array;
  /** (size, size) lower triangular L with L L^T = S + ridge diag(scale^2) */
  readonly factor: Float64Array;
}

/** Values of a block of rows, which are in memory at once. */
const BLOCK_VALUES = 1 << 18;

/**
 * Deviation of each value: its own, or that of its place in a token; 1 where
 * there is none.
 */
function scales(
  mean: Float64Array,
  covariance: Float64Array,
  n: number,
  tokens: EnergyOptions["tokens"],
): Float64Array {
  const size = mean.length;
  const variance = mean.map((_, k) => covariance[k * size + k]!);
  // What is left of equal values by rounding is no deviation.
  const rootOf = (x: number, centre: number) =>
    x > 1e-24 * centre * centre ? Math.sqrt(x) : 1;
  if (tokens === undefined) return variance.map((x, k) => rootOf(x, mean[k]!));
  const { shape: [channels, height, width], patch } = tokens;
  if (
    channels * height * width !== size || height % patch !== 0 ||
    width % patch !== 0
  ) {
    throw new RangeError(
      `Cannot cut rows of ${size} values into ${patch}x${patch} patches of ${channels} channels of ${height}x${width}: sizes must multiply to the row, and the patch divide both sides`,
    );
  }
  const placeOf = (k: number) => {
    const y = Math.floor(k / width) % height;
    const c = Math.floor(k / (width * height));
    return (c * patch + y % patch) * patch + k % width % patch;
  };
  const count = height * width / (patch * patch);
  const centre = new Float64Array(channels * patch * patch);
  const spread = new Float64Array(centre.length);
  for (let k = 0; k < size; k++) centre[placeOf(k)]! += mean[k]! / count;
  for (let k = 0; k < size; k++) {
    const place = placeOf(k);
    const squares = (n - 1) * variance[k]! +
      n * (mean[k]! - centre[place]!) ** 2;
    spread[place]! += squares / (n * count - 1);
  }
  return mean.map((_, k) => {
    const place = placeOf(k);
    return rootOf(spread[place]!, centre[place]!);
  });
}

/**
 * Fits the distribution that {@linkcode energies} measures against: mean m and
 * covariance S (with n - 1) of training latents, in one pass over blocks of
 * rows. Memory is two (size, size) matrices, whatever the number of rows.
 *
 * The ridge keeps S invertible: it is the least variance that a direction has,
 * in units of the deviation that values are normalized by. Below it, unusual
 * samples count less than their distance.
 *
 * Source: the project's recipe study, section 3: latents normalized by the
 * moments of token values, plus 1e-3 of the identity.
 * Differs: the moments are those of all rows given, not of windows' presents.
 *
 * @param latents at least two rows, such as those of the training frames
 * @param options the ridge, and the tokens that share a normalization
 * @throws {RangeError} if there are fewer than two rows, a value is not finite,
 *   or an option does not fit
 */
export function fitEnergy(
  latents: LatentRows,
  options: EnergyOptions = {},
): EnergyFit {
  const { frames: n, size } = latents;
  const { ridge = 1e-3, tokens } = options;
  if (n < 2 || size < 1 || !(ridge > 0 && ridge < Infinity)) {
    throw new RangeError(
      `Cannot fit the energy of ${n} rows of ${size} values with a ridge of ${ridge}: needed 2 rows of 1 value, and a positive ridge`,
    );
  }
  const sum = new Float64Array(size);
  const squares = new Float64Array(size * size);
  const most = Math.max(1, Math.floor(BLOCK_VALUES / size));
  // The first row, so that sums of squares lose few digits to the mean.
  let origin: Float64Array | undefined;
  for (let start = 0; start < n; start += most) {
    const rows = Math.min(most, n - start);
    const values = latents.read(start, start + rows);
    origin ??= Float64Array.from(values.subarray(0, size));
    // (size, rows): the products of two values run over neighbours.
    const block = new Float64Array(size * rows);
    for (let i = 0; i < rows; i++) {
      for (let k = 0; k < size; k++) {
        const value = values[i * size + k]!;
        if (!Number.isFinite(value)) {
          throw new RangeError(
            `Cannot fit the energy: value ${k} of row ${start + i} is ${value}`,
          );
        }
        block[k * rows + i] = value - origin[k]!;
      }
    }
    addProducts(squares, sum, block, size, rows);
  }
  const mean = sum.map((total, k) => origin![k]! + total / n);
  for (let j = 0; j < size; j++) {
    for (let k = 0; k <= j; k++) {
      const product = squares[j * size + k]! - sum[j]! * sum[k]! / n;
      squares[j * size + k] = product / (n - 1);
    }
  }
  const scale = scales(mean, squares, n, tokens);
  for (let k = 0; k < size; k++) {
    squares[k * size + k]! += ridge * scale[k]! ** 2;
  }
  return { size, mean, factor: choleskyFactor(squares, size) };
}

/** Adds a block's sums, and its products to the lower triangle. */
function addProducts(
  squares: Float64Array,
  sum: Float64Array,
  block: Float64Array,
  size: number,
  rows: number,
): void {
  for (let j = 0; j < size; j++) {
    const a = block.subarray(j * rows, (j + 1) * rows);
    sum[j]! += a.reduce((total, value) => total + value, 0);
    let k = 0;
    // Four at once: a value of `a` is read once for four products.
    for (; k + 4 <= j + 1; k += 4) {
      const at = k * rows;
      let [s0, s1, s2, s3] = [0, 0, 0, 0];
      for (let i = 0; i < rows; i++) {
        const value = a[i]!;
        s0 += value * block[at + i]!;
        s1 += value * block[at + rows + i]!;
        s2 += value * block[at + 2 * rows + i]!;
        s3 += value * block[at + 3 * rows + i]!;
      }
      const to = j * size + k;
      squares[to]! += s0;
      squares[to + 1]! += s1;
      squares[to + 2]! += s2;
      squares[to + 3]! += s3;
    }
    for (; k <= j; k++) {
      let total = 0;
      for (let i = 0; i < rows; i++) total += a[i]! * block[k * rows + i]!;
      squares[j * size + k]! += total;
    }
  }
}

/**
 * Mahalanobis energy of latents: (z - m)^T (S + ridge diag(scale^2))^-1 (z - m),
 * by forward substitution.
 *
 * @param fit the distribution
 * @param samples (n, size)
 * @returns (n), about `size` for rows like those of the fit
 * @throws {RangeError} if there is no row, rows are incomplete, or a value is
 *   not finite
 */
export function energies(
  { size, mean, factor }: EnergyFit,
  samples: ArrayLike<number>,
): Float64Array {
  const n = samples.length / size;
  if (!Number.isInteger(n) || n < 1) {
    throw new RangeError(
      `Cannot find the energy of ${samples.length} values: they must be whole rows of ${size}`,
    );
  }
  const x = new Float64Array(size);
  return Float64Array.from({ length: n }, (_, i) => {
    let energy = 0;
    for (let j = 0; j < size; j++) {
      let rest = samples[i * size + j]! - mean[j]!;
      for (let k = 0; k < j; k++) rest -= factor[j * size + k]! * x[k]!;
      x[j] = rest / factor[j * size + j]!;
      energy += x[j]! * x[j]!;
    }
    if (!Number.isFinite(energy)) {
      throw new RangeError(
        `Cannot find the energy of row ${i}: it holds a value that is not finite`,
      );
    }
    return energy;
  });
}

/**
 * Mean energy of samples over that of the truth: 1 for the truth, above 1 for a
 * patchwork (energy in directions that real latents do not have), below 1 for
 * fog. The best value is 1, not 0.
 *
 * @param fit the distribution of the training latents
 * @param samples (n, size)
 * @param truth (m, size) true latents of held-out frames
 * @returns no unit
 * @throws {RangeError} as {@linkcode energies}, or if the truth has no energy
 */
export function energyRatio(
  fit: EnergyFit,
  samples: ArrayLike<number>,
  truth: ArrayLike<number>,
): number {
  const [own, real] = [samples, truth].map((rows) => {
    const values = energies(fit, rows);
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  }) as [number, number];
  if (real === 0) {
    throw new RangeError(
      "Cannot compare energies: that of the truth is 0; are its rows all the mean?",
    );
  }
  return own / real;
}
