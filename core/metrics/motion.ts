import { countImages, type ImageLayout } from "./sharpness.ts";

/** A Gaussian window. */
export interface GaussianWindow {
  /** Standard deviation, in pixels. */
  readonly sigma: number;
  /** Taps on each side of the middle. */
  readonly radius: number;
}

/** Side of the published frames, in pixels. */
const PUBLISHED_SIDE = 256;

/** The published window there: 31 taps. */
const PUBLISHED: GaussianWindow = { sigma: 8, radius: 15 };

/**
 * The window that parts low from high frequencies: sigma 8 and 31 taps at 256
 * pixels, in proportion to the shorter side of other frames (2 and 9 at 64).
 *
 * @param layout sizes of the frames
 */
export function motionWindow(
  { height, width }: ImageLayout,
): GaussianWindow {
  const scale = Math.min(height, width) / PUBLISHED_SIDE;
  return {
    sigma: PUBLISHED.sigma * scale,
    radius: Math.max(1, Math.round(PUBLISHED.radius * scale)),
  };
}

/** How much consecutive frames differ. */
export interface FrequencyChange {
  /** Mean over pairs of the root mean square of what the blur keeps. */
  readonly low: number;
  /** The same of what the blur takes away. */
  readonly high: number;
  /** The same of all. */
  readonly total: number;
}

/**
 * Blurs lines of values: `count` pixels at steps of `step`, whose ends are
 * reflected without repeating them.
 */
function blurLine(
  from: Float64Array,
  to: Float64Array,
  start: number,
  step: number,
  count: number,
  taps: Float64Array,
  line: Float64Array,
): void {
  const radius = (taps.length - 1) / 2;
  for (let i = -radius; i < count + radius; i++) {
    const inside = i < 0 ? -i : i < count ? i : 2 * (count - 1) - i;
    line[i + radius] = from[start + inside * step]!;
  }
  for (let i = 0; i < count; i++) {
    let sum = 0;
    for (let k = 0; k < taps.length; k++) sum += taps[k]! * line[i + k]!;
    to[start + i * step] = sum;
  }
}

/** Checks what is parted, and gives the weights of the Gaussian. */
function tapsOf(
  { height, width }: ImageLayout,
  { sigma, radius }: GaussianWindow,
): Float64Array {
  if (Math.min(height, width) <= radius || !(sigma > 0)) {
    throw new RangeError(
      `Cannot blur ${height}x${width} frames by ${radius} pixels on each side with sigma ${sigma}: both sides must be longer, and sigma positive`,
    );
  }
  const weights = Float64Array.from(
    { length: 2 * radius + 1 },
    (_, k) => Math.exp(-((k - radius) ** 2) / (2 * sigma * sigma)),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/**
 * What a Gaussian keeps of a frame, or of the difference of two: the blur is
 * linear. It is of both axes, normalized to 1, reflected at the edges.
 *
 * @param frame (height, width, channels)
 * @param layout sizes
 * @param window the Gaussian; {@linkcode motionWindow} unless given
 * @returns (height, width, channels)
 * @throws {RangeError} if it is not one whole frame, or a side is too small to
 *   be reflected
 */
export function lowFrequencies(
  frame: ArrayLike<number>,
  layout: ImageLayout,
  window: GaussianWindow = motionWindow(layout),
): Float64Array {
  if (countImages(frame, layout) !== 1) {
    throw new RangeError(
      `Cannot blur ${countImages(frame, layout)} frames at once: needed one`,
    );
  }
  const { height, width, channels } = layout;
  const taps = tapsOf(layout, window);
  const row = width * channels;
  const line = new Float64Array(Math.max(height, width) + 2 * window.radius);
  const all = Float64Array.from(frame);
  const across = new Float64Array(all.length);
  const low = new Float64Array(all.length);
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      blurLine(all, across, y * row + c, channels, width, taps, line);
    }
    for (let x = 0; x < width; x++) {
      blurLine(across, low, x * channels + c, row, height, taps, line);
    }
  }
  return low;
}

/**
 * Change between consecutive frames below and above a frequency: with
 * low = G * frame and high = frame - low, the mean over pairs of the root mean
 * square, over pixels and channels, of low(t + 1) - low(t), of high likewise,
 * and of the frames themselves. G is that of {@linkcode lowFrequencies}.
 *
 * Source: published code, `motion_fidelity`; the total: `motion_eval`.
 *
 * @param frames (T, height, width, channels) of one window, at least two
 * @param layout sizes
 * @param window the Gaussian; {@linkcode motionWindow} unless given
 * @returns in units of the frames
 * @throws {RangeError} if there are fewer than two whole frames, a side is too
 *   small to be reflected, or a value is not finite
 */
export function frequencyChange(
  frames: ArrayLike<number>,
  layout: ImageLayout,
  window: GaussianWindow = motionWindow(layout),
): FrequencyChange {
  const n = countImages(frames, layout);
  if (n < 2) {
    throw new RangeError("Cannot find changes in 1 frame: needed at least 2");
  }
  const size = frames.length / n;
  const change = new Float64Array(size);
  let [lows, highs, totals] = [0, 0, 0];
  for (let pair = 0; pair + 1 < n; pair++) {
    for (let k = 0; k < size; k++) {
      change[k] = frames[(pair + 1) * size + k]! - frames[pair * size + k]!;
    }
    const low = lowFrequencies(change, layout, window);
    let [l, h, t] = [0, 0, 0];
    for (let k = 0; k < size; k++) {
      l += low[k]! ** 2;
      h += (change[k]! - low[k]!) ** 2;
      t += change[k]! ** 2;
    }
    lows += Math.sqrt(l / size);
    highs += Math.sqrt(h / size);
    totals += Math.sqrt(t / size);
  }
  if (!Number.isFinite(lows + highs + totals)) {
    throw new RangeError(
      `Cannot find changes in ${n} frames: a value is not finite`,
    );
  }
  const pairs = n - 1;
  return { low: lows / pairs, high: highs / pairs, total: totals / pairs };
}

/** Where two frames differ: absolute changes of grey, (height, width). */
export interface ChangeMaps {
  /** Of what the blur keeps. */
  readonly low: Float64Array;
  /** Of what it takes away. */
  readonly high: Float64Array;
}

/**
 * Shows where two frames differ, below and above a frequency: |G * (b - a)| and
 * |(b - a) - G * (b - a)| of grey, the mean of the channels.
 *
 * Source: published code, Figure 7. Differs: G is the Gaussian of the metric,
 * which is cut nearer than at four deviations.
 *
 * @param a (height, width, channels)
 * @param b same shape
 * @param layout sizes
 * @returns in units of the frames
 * @throws {RangeError} if they are not one whole frame each, or a side is too
 *   small to be reflected
 */
export function changeMaps(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  layout: ImageLayout,
): ChangeMaps {
  if (countImages(a, layout) !== 1 || a.length !== b.length) {
    throw new RangeError(
      `Cannot compare frames of ${a.length} and ${b.length} values: needed one frame each`,
    );
  }
  const { height, width, channels } = layout;
  const grey = new Float64Array(height * width);
  for (let i = 0; i < grey.length; i++) {
    for (let c = 0; c < channels; c++) {
      grey[i]! += (b[i * channels + c]! - a[i * channels + c]!) / channels;
    }
  }
  const low = lowFrequencies(grey, { height, width, channels: 1 });
  return {
    low: low.map(Math.abs),
    high: grey.map((value, i) => Math.abs(value - low[i]!)),
  };
}

function checkRatios(
  values: ArrayLike<number>,
  reference: ArrayLike<number>,
): void {
  if (values.length === reference.length && values.length > 0) return;
  throw new RangeError(
    `Cannot find the ratio of ${values.length} to ${reference.length} values: needed equally many, and at least 1`,
  );
}

/**
 * Ratio of means: sum of the values over the sum of the reference, such as the
 * low-frequency change of predictions over that of the truth. Scenes that move
 * much weigh much.
 *
 * Source: published code, `motion_fidelity` (Figure 6).
 *
 * @param values one per window
 * @param reference of the same windows
 * @returns no unit; NaN or Infinity if the reference sums to 0
 * @throws {RangeError} if they are not equally many, or there is none
 */
export function ratioOfMeans(
  values: ArrayLike<number>,
  reference: ArrayLike<number>,
): number {
  checkRatios(values, reference);
  let [over, under] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    over += values[i]!;
    under += reference[i]!;
  }
  return over / under;
}

/**
 * Mean of ratios: mean of value / (reference + 1e-9). A window that hardly
 * moves can weigh more than all others.
 *
 * Source: published code, the jump model's protocol.
 *
 * @param values one per window
 * @param reference of the same windows
 * @returns no unit
 * @throws {RangeError} if they are not equally many, or there is none
 */
export function meanOfRatios(
  values: ArrayLike<number>,
  reference: ArrayLike<number>,
): number {
  checkRatios(values, reference);
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    sum += values[i]! / (reference[i]! + 1e-9);
  }
  return sum / values.length;
}
