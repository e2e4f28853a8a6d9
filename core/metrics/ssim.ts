import { countImages, type ImageLayout } from "./sharpness.ts";

const SIGMA = 1.5;
const RADIUS = 5;

/** Layout, and the range that the constants are relative to. */
export interface SsimOptions extends ImageLayout {
  /** Range of the values; that of both batches unless given. */
  readonly dataRange?: number;
  /**
   * Whether to average only the positions whose window lies inside the image:
   * Wang et al. 2004, and torchmetrics before 1.4.2. All positions unless
   * given.
   */
  readonly crop?: boolean;
}

const TAPS = (() => {
  const taps = Float64Array.from(
    { length: 2 * RADIUS + 1 },
    (_, i) => Math.exp(-(((i - RADIUS) / SIGMA) ** 2) / 2),
  );
  const sum = taps.reduce((total, tap) => total + tap, 0);
  return taps.map((tap) => tap / sum);
})();

/** Place of a pixel beyond the edge, reflected without repeating the edge. */
function reflected(i: number, size: number): number {
  return i < 0 ? -i : i < size ? i : 2 * (size - 1) - i;
}

/** Gaussian blur of one channel where the window lies inside. */
function blur(values: Float64Array, height: number, width: number) {
  const columns = width - 2 * RADIUS;
  const rows = height - 2 * RADIUS;
  const across = new Float64Array(height * columns);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < columns; x++) {
      let sum = 0;
      for (let k = 0; k < TAPS.length; k++) {
        sum += (TAPS[k] ?? 0) * (values[y * width + x + k] ?? 0);
      }
      across[y * columns + x] = sum;
    }
  }
  const result = new Float64Array(rows * columns);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      let sum = 0;
      for (let k = 0; k < TAPS.length; k++) {
        sum += (TAPS[k] ?? 0) * (across[(y + k) * columns + x] ?? 0);
      }
      result[y * columns + x] = sum;
    }
  }
  return result;
}

function rangeOf(values: ArrayLike<number>): number {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? NaN;
    if (!Number.isFinite(value)) {
      throw new RangeError(`Cannot compute SSIM: value ${i} is ${value}`);
    }
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return high - low;
}

/**
 * Structural similarity of each image: Gaussian windows of sigma 1.5 and 11
 * taps, k1 0.01, k2 0.03, averaged over all positions and channels. Beyond the
 * edge the image is reflected; with `crop`, positions whose window reaches
 * there do not count.
 *
 * Source: Wang et al. 2004; torchmetrics' defaults, all positions since 1.4.2,
 * with `crop` before.
 *
 * @param a (n, height, width, channels)
 * @param b as `a`
 * @param options sizes, the data range, and whether to crop
 * @returns (n)
 * @throws {RangeError} if the sets differ, images are smaller than 6 pixels, or
 *   11 with `crop`, a value is not finite, or the data range is not positive
 */
export function ssimPerImage(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  options: SsimOptions,
): Float64Array {
  const n = countImages(a, options);
  const { height, width, channels, crop = false } = options;
  if (b.length !== a.length) {
    throw new RangeError(
      `Cannot compute SSIM of ${a.length} with ${b.length} values: the images must be equally many`,
    );
  }
  const least = (crop ? 2 * RADIUS : RADIUS) + 1;
  if (Math.min(height, width) < least) {
    throw new RangeError(
      `Cannot compute SSIM of ${height}x${width} images: both sides must be at least ${least} pixels`,
    );
  }
  const own = Math.max(rangeOf(a), rangeOf(b));
  const range = options.dataRange ?? own;
  if (!(range > 0 && range < Infinity)) {
    throw new RangeError(
      `Cannot compute SSIM with a data range of ${range}: it must be positive; give dataRange if all pixels are equal`,
    );
  }
  const [c1, c2] = [(0.01 * range) ** 2, (0.03 * range) ** 2];
  const margin = crop ? 0 : RADIUS;
  const rows = height + 2 * margin;
  const columns = width + 2 * margin;
  // Pixel of the image that each pixel of the padded image repeats.
  const source = Int32Array.from({ length: rows * columns }, (_, i) => {
    const y = reflected(Math.floor(i / columns) - margin, height);
    return y * width + reflected(i % columns - margin, width);
  });
  return Float64Array.from({ length: n }, (_, image) => {
    let total = 0;
    let count = 0;
    for (let c = 0; c < channels; c++) {
      const pick = (list: ArrayLike<number>) =>
        Float64Array.from(
          source,
          (i) => list[(image * height * width + i) * channels + c] ?? 0,
        );
      const [x, y] = [pick(a), pick(b)];
      const times = (p: Float64Array, q: Float64Array) =>
        blur(p.map((value, i) => value * (q[i] ?? 0)), rows, columns);
      const [mx, my] = [blur(x, rows, columns), blur(y, rows, columns)];
      const [xx, yy, xy] = [times(x, x), times(y, y), times(x, y)];
      for (let i = 0; i < mx.length; i++) {
        const [p, q] = [mx[i] ?? 0, my[i] ?? 0];
        // Rounding may carry the variance of equal pixels below zero.
        const vx = Math.max(0, (xx[i] ?? 0) - p * p);
        const vy = Math.max(0, (yy[i] ?? 0) - q * q);
        const cov = (xy[i] ?? 0) - p * q;
        total += (2 * p * q + c1) * (2 * cov + c2) /
          ((p * p + q * q + c1) * (vx + vy + c2));
        count++;
      }
    }
    return total / count;
  });
}

/**
 * Mean {@linkcode ssimPerImage}.
 *
 * @param a (n, height, width, channels)
 * @param b as `a`
 * @param options sizes, the data range, and whether to crop
 * @returns the mean over images
 * @throws {RangeError} as {@linkcode ssimPerImage}
 */
export function ssim(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  options: SsimOptions,
): number {
  const values = ssimPerImage(a, b, options);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
