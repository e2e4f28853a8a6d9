import { countImages, type ImageLayout } from "./sharpness.ts";

/** Axis along which content moves. */
export type ShiftAxis = "horizontal" | "vertical";

/** How far content moved, in pixels: right and down are positive. */
export interface Displacement {
  /** To the right. */
  readonly dx: number;
  /** Downwards. */
  readonly dy: number;
}

/** Options of {@linkcode subpixelShift}. */
export interface SubpixelOptions {
  /** Largest shift looked for, in pixels. Default a quarter of the profile. */
  readonly most?: number;
}

function checkProfiles(from: ArrayLike<number>, to: ArrayLike<number>): void {
  if (from.length !== to.length || from.length < 2) {
    throw new RangeError(
      `Cannot shift a profile of ${from.length} against one of ${to.length} values: they must be equally long, and at least 2`,
    );
  }
  for (const profile of [from, to]) {
    for (let i = 0; i < profile.length; i++) {
      if (Number.isFinite(profile[i])) continue;
      throw new RangeError(
        `Cannot shift a profile: value ${i} is ${profile[i]}`,
      );
    }
  }
}

/**
 * Profiles of images: means over the channels and over the pixels across the
 * axis.
 *
 * @param images (n, height, width, channels)
 * @param layout sizes
 * @param axis along which the profile runs
 * @returns (n) profiles, of `width` values if horizontal, else `height`
 * @throws {RangeError} if the values are not whole images
 */
export function profiles(
  images: ArrayLike<number>,
  layout: ImageLayout,
  axis: ShiftAxis,
): Float64Array[] {
  const n = countImages(images, layout);
  const { height, width, channels } = layout;
  const isHorizontal = axis === "horizontal";
  const across = channels * (isHorizontal ? height : width);
  return Array.from({ length: n }, (_, image) => {
    const sums = new Float64Array(isHorizontal ? width : height);
    let at = image * height * width * channels;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        for (let c = 0; c < channels; c++) {
          sums[isHorizontal ? x : y]! += images[at++]!;
        }
      }
    }
    return sums.map((sum) => sum / across);
  });
}

/** Differences from the mean, exactly zero for a flat profile. */
function centred(profile: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(profile);
  if (values.every((value) => value === values[0])) return values.fill(0);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.map((value) => value - mean);
}

/**
 * The shift in whole pixels as the published code finds it: the largest of
 * c(m) = sum over i of to(i + m) from(i), m from -(n - 1) to n - 1, where both
 * profiles are less their means and zero outside. The terms that do not overlap
 * are not made up for, so small shifts are favoured; of equal sums the most
 * negative m wins, and two profiles of which one is flat give -(n - 1).
 *
 * Source: published code, `controllability` and `motion_fidelity`.
 *
 * @param from (n) profile before
 * @param to (n) profile after
 * @returns pixels by which the content moved towards higher indices
 * @throws {RangeError} if lengths differ or are below 2, or a value is not
 *   finite
 */
export function integerShift(
  from: ArrayLike<number>,
  to: ArrayLike<number>,
): number {
  checkProfiles(from, to);
  const [a, b] = [centred(from), centred(to)];
  const n = a.length;
  let [best, shift] = [-Infinity, 0];
  for (let m = 1 - n; m < n; m++) {
    let sum = 0;
    for (let i = Math.max(0, -m); i < Math.min(n, n - m); i++) {
      sum += b[i + m]! * a[i]!;
    }
    if (sum > best) [best, shift] = [sum, m];
  }
  return shift;
}

/** Correlation of from(i) with to(i + m) where both are; 0 if one is flat. */
function overlapCorrelation(
  from: ArrayLike<number>,
  to: ArrayLike<number>,
  m: number,
): number {
  const start = Math.max(0, -m);
  const end = Math.min(from.length, from.length - m);
  const part = (values: ArrayLike<number>, offset: number) =>
    centred(
      Float64Array.from({ length: end - start }, (_, k) =>
        values[start + offset + k]!),
    );
  const [a, b] = [part(from, 0), part(to, m)];
  let [aa, bb, ab] = [0, 0, 0];
  for (let k = 0; k < a.length; k++) {
    aa += a[k]! * a[k]!;
    bb += b[k]! * b[k]!;
    ab += a[k]! * b[k]!;
  }
  return aa > 0 && bb > 0 ? ab / (Math.sqrt(aa) * Math.sqrt(bb)) : 0;
}

/**
 * The shift in parts of pixels. r(m) is the correlation of the overlapping parts
 * of two profiles, each less its own mean and divided by its own deviation
 * there. The highest peak, r(m) not below r(m - 1) and r(m + 1), is refined by
 * the top of the parabola through the three. Of equal peaks the smallest shift
 * wins; without a peak no shift is to be seen, and the result is 0.
 *
 * Source: this project; unlike {@linkcode integerShift} it favours no shift,
 * and sees movements below a pixel.
 *
 * @param from (n) profile before
 * @param to (n) profile after
 * @param options the largest shift looked for
 * @returns pixels by which the content moved towards higher indices
 * @throws {RangeError} as {@linkcode integerShift}, or if fewer than two pixels
 *   overlap beside the largest shift
 */
export function subpixelShift(
  from: ArrayLike<number>,
  to: ArrayLike<number>,
  options: SubpixelOptions = {},
): number {
  checkProfiles(from, to);
  const n = from.length;
  const { most = Math.floor(n / 4) } = options;
  if (!Number.isInteger(most) || most < 0 || most > n - 3) {
    throw new RangeError(
      `Cannot look for shifts up to ${most}: profiles of ${n} values allow whole numbers from 0 to ${
        n - 3
      }`,
    );
  }
  const r = Float64Array.from(
    { length: 2 * most + 3 },
    (_, k) => overlapCorrelation(from, to, k - most - 1),
  );
  let [best, shift] = [-Infinity, 0];
  for (let size = 0; size <= most; size++) {
    for (const m of [-size, size]) {
      const [left, top, right] = r.subarray(m + most, m + most + 3);
      if (top! <= best || top! < left! || top! < right!) continue;
      const curvature = left! - 2 * top! + right!;
      best = top!;
      shift = curvature < 0 ? m + (left! - right!) / (2 * curvature) : m;
    }
  }
  return shift;
}

/**
 * Displacements between consecutive frames, by the shifts of the horizontal and
 * of the vertical profiles.
 *
 * Source: published code, `motion_fidelity`.
 *
 * @param frames (T, height, width, channels) of one window
 * @param layout sizes
 * @param shift of two profiles: {@linkcode integerShift}, as published, or
 *   {@linkcode subpixelShift}
 * @returns (T - 1)
 * @throws {RangeError} if there are fewer than two whole frames, a side is
 *   below 2 pixels, or a value is not finite
 */
export function displacements(
  frames: ArrayLike<number>,
  layout: ImageLayout,
  shift: (from: ArrayLike<number>, to: ArrayLike<number>) => number =
    integerShift,
): Displacement[] {
  const columns = profiles(frames, layout, "horizontal");
  const rows = profiles(frames, layout, "vertical");
  if (columns.length < 2) {
    throw new RangeError(
      "Cannot find displacements in 1 frame: needed at least 2",
    );
  }
  return columns.slice(1).map((column, i) => ({
    dx: shift(columns[i]!, column),
    dy: shift(rows[i]!, rows[i + 1]!),
  }));
}

/**
 * Mean length of displacements.
 *
 * @param list of one window, at least one
 * @returns pixels a frame
 * @throws {RangeError} if there is none
 */
export function displacementMagnitude(list: readonly Displacement[]): number {
  if (list.length === 0) {
    throw new RangeError("Cannot average displacements: got none");
  }
  return list.reduce((sum, { dx, dy }) => sum + Math.hypot(dx, dy), 0) /
    list.length;
}

/**
 * How well the directions of displacements agree: the mean cosine of the angle
 * between the two of a pair, over pairs of which both are not zero; 0 if there
 * is no such pair.
 *
 * Source: published code, `motion_fidelity`, one window; windows are averaged.
 *
 * @param real displacements of the true frames
 * @param predicted those of the predicted frames, equally many
 * @returns from -1 to 1
 * @throws {RangeError} if they are not equally many
 */
export function directionCorrelation(
  real: readonly Displacement[],
  predicted: readonly Displacement[],
): number {
  if (real.length !== predicted.length) {
    throw new RangeError(
      `Cannot compare ${real.length} with ${predicted.length} displacements: needed equally many`,
    );
  }
  let [sum, count] = [0, 0];
  for (const [i, { dx, dy }] of real.entries()) {
    const other = predicted[i]!;
    const lengths = Math.hypot(dx, dy) * Math.hypot(other.dx, other.dy);
    if (lengths === 0) continue;
    sum += (dx * other.dx + dy * other.dy) / lengths;
    count++;
  }
  return count === 0 ? 0 : sum / count;
}
