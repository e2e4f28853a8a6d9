import { key } from "../tensor/philox.ts";
import { checkPair, type Features } from "./features.ts";
import { rowProducts } from "./linalg.ts";
import { type Interval, percentileInterval } from "./statistics.ts";

/** A kernel distance with what it rests on. */
export interface Kid {
  /** Mean over subsets. */
  readonly value: number;
  /** Population deviation over subsets; not an error bar. */
  readonly subsetSpread: number;
  /** Images of each set. */
  readonly n: readonly [real: number, fake: number];
  /** Number of subsets. */
  readonly subsets: number;
  /** Images of a subset. */
  readonly subsetSize: number;
  /** Seed of the draw. */
  readonly seed: number;
}

/** Kernels between all images, (x.y / width + 1)^3. */
interface Kernels {
  readonly real: Float64Array;
  readonly fake: Float64Array;
  readonly cross: Float64Array;
  readonly n: number;
  readonly m: number;
}

function kernel(a: Float64Array, b: Float64Array, width: number): Float64Array {
  const values = rowProducts(a, b, width);
  for (let i = 0; i < values.length; i++) {
    values[i] = (values[i]! / width + 1) ** 3;
  }
  return values;
}

/** Kernels of images: of all, or of the chosen rows. */
function kernels(
  real: Features,
  fake: Features,
  chosen?: { readonly real: Uint32Array; readonly fake: Uint32Array },
): Kernels {
  const { width } = real;
  const rowsOf = ({ data }: Features, rows?: Uint32Array) => {
    if (rows === undefined) return Float64Array.from(data);
    const result = new Float64Array(rows.length * width);
    rows.forEach((row, i) =>
      result.set(data.subarray(row * width, (row + 1) * width), i * width)
    );
    return result;
  };
  const x = rowsOf(real, chosen?.real);
  const y = rowsOf(fake, chosen?.fake);
  return {
    real: kernel(x, x, width),
    fake: kernel(y, y, width),
    cross: kernel(x, y, width),
    n: x.length / width,
    m: y.length / width,
  };
}

/** Values of the kernels of all images that may be kept: 128 MB. */
const MOST_KEPT = 1 << 24;

/** Unbiased squared discrepancy of chosen images, each chosen once. */
function discrepancy(
  { real, fake, cross, n, m }: Kernels,
  x: ArrayLike<number>,
  y: ArrayLike<number>,
): number {
  const within = (k: Float64Array, order: number, list: ArrayLike<number>) => {
    let sum = 0;
    for (let i = 0; i < list.length; i++) {
      const row = (list[i] ?? 0) * order;
      for (let j = 0; j < list.length; j++) {
        if (i !== j) sum += k[row + (list[j] ?? 0)] ?? 0;
      }
    }
    return sum / (list.length * (list.length - 1));
  };
  let between = 0;
  for (let i = 0; i < x.length; i++) {
    const row = (x[i] ?? 0) * m;
    for (let j = 0; j < y.length; j++) between += cross[row + (y[j] ?? 0)] ?? 0;
  }
  return within(real, n, x) + within(fake, m, y) -
    2 * between / (x.length * y.length);
}

/**
 * Kernel inception distance: the mean, over random subsets, of the unbiased
 * squared maximum mean discrepancy with the kernel (x.y / width + 1)^3.
 *
 * Kernels are computed for each subset, or for all images at once where that
 * is less work and takes at most 128 MB; the result is the same.
 *
 * Source: Bińkowski et al. 2018; torchmetrics for the subsets.
 *
 * @param real features of real images
 * @param fake features of generated images
 * @param options subsets (100), images of each (50, or n if fewer), seed (0)
 * @returns the mean and spread over subsets, and what they rest on
 * @throws {RangeError} as `checkPair`, or if a subset is larger than a set
 */
export function kid(
  real: Features,
  fake: Features,
  options: {
    readonly subsets?: number;
    readonly subsetSize?: number;
    readonly seed?: number;
  } = {},
): Kid {
  const [n, m] = checkPair(real, fake);
  const { subsets = 100, subsetSize = Math.min(50, n, m), seed = 0 } = options;
  const isCount = (x: number, least: number) =>
    Number.isInteger(x) && x >= least;
  if (
    !isCount(subsets, 1) || !isCount(subsetSize, 2) ||
    subsetSize > Math.min(n, m)
  ) {
    throw new RangeError(
      `Cannot compute KID with ${subsets} subsets of ${subsetSize} images: there are ${n} real and ${m} generated ones, and a subset needs from 2 to as many`,
    );
  }
  const kept = n * n + m * m + n * m;
  const all = kept <= Math.min(MOST_KEPT, 3 * subsets * subsetSize ** 2)
    ? kernels(real, fake)
    : undefined;
  const order = Uint32Array.from({ length: subsetSize }, (_, i) => i);
  const values: number[] = [];
  for (let i = 0; i < subsets; i++) {
    const draw = (set: string, count: number) =>
      key(`kid ${set}`, seed, i).permutation(count).slice(0, subsetSize);
    const chosen = { real: draw("real", n), fake: draw("fake", m) };
    values.push(
      all === undefined
        ? discrepancy(kernels(real, fake, chosen), order, order)
        : discrepancy(all, chosen.real, chosen.fake),
    );
  }
  const value = values.reduce((sum, x) => sum + x, 0) / subsets;
  const squares = values.reduce((sum, x) => sum + (x - value) ** 2, 0);
  const subsetSpread = Math.sqrt(squares / subsets);
  return { value, subsetSpread, n: [n, m], subsets, subsetSize, seed };
}

/** Images whose kernels are computed at once. */
const BLOCK = 256;

/**
 * Sums of kernels between scenes. Pairs of one image with itself are left out.
 *
 * @param x (n, width)
 * @param y (m, width); the same array as `x` for pairs within one set
 * @param width length of a row
 * @param of number of the scene of each image of both sets
 * @param count scenes
 * @returns (count, count)
 */
function sceneSums(
  x: Float64Array,
  y: Float64Array,
  width: number,
  of: { readonly x: ArrayLike<number>; readonly y: ArrayLike<number> },
  count: number,
): Float64Array {
  const sums = new Float64Array(count * count);
  const isWithin = x === y;
  const n = x.length / width;
  for (let start = 0; start < n; start += BLOCK) {
    const end = Math.min(start + BLOCK, n);
    const rows = x.subarray(start * width, end * width);
    // Within a set, earlier images have met these rows already.
    const first = isWithin ? start : 0;
    const others = y.subarray(first * width);
    const m = others.length / width;
    const values = kernel(rows, others, width);
    for (let i = start; i < end; i++) {
      const a = of.x[i]!;
      for (let j = first; j < first + m; j++) {
        if (isWithin && i === j) continue;
        const b = of.y[j]!;
        const value = values[(i - start) * m + j - first]!;
        sums[a * count + b]! += value;
        if (isWithin && j >= end) sums[b * count + a]! += value;
      }
    }
  }
  return sums;
}

/** Options of {@linkcode kidResamples}. */
export interface KidResampling {
  /** How many; default 200. */
  readonly resamples?: number;
  /** Seed of the draw; default 0. */
  readonly seed?: number;
}

/** KID of all images, and of resamples. */
export interface KidResamples {
  /** The unbiased discrepancy of all images. */
  readonly value: number;
  /** That of each resample, centred on `value`. */
  readonly values: readonly number[];
}

/**
 * Bootstrap resamples of KID over scenes: whole scenes are drawn with
 * replacement, and the unbiased discrepancy of all images of the draw is
 * taken. Both sets draw the scenes they share together, and the others each on
 * its own.
 *
 * A scene drawn twice pairs each of its images with a copy of itself. The
 * kernel of such a pair is as large as on the diagonal, which the unbiased
 * estimate leaves out; kept, they would shift every resample upward. They are
 * left out too. A real image of a scene drawn twice also meets its own
 * prediction more often; what shift is left is taken off, so that resamples
 * centre on the estimate of the sets themselves.
 *
 * Sets with equal scenes, in an equal order, and an equal seed have equal draws:
 * the difference of their values, one by one, resamples a paired difference.
 *
 * @param real features of real images
 * @param fake features of generated images
 * @param groups scene of each image of both sets
 * @param options how many, and the seed
 * @throws {RangeError} as `checkPair`, or if scenes and images differ in number
 */
export function kidResamples(
  real: Features,
  fake: Features,
  groups: {
    readonly real: readonly (string | number)[];
    readonly fake: readonly (string | number)[];
  },
  { resamples = 200, seed = 0 }: KidResampling = {},
): KidResamples {
  const [n, m] = checkPair(real, fake);
  if (groups.real.length !== n || groups.fake.length !== m) {
    throw new RangeError(
      `Cannot resample ${n} real and ${m} generated images: scenes are given for ${groups.real.length} and ${groups.fake.length}`,
    );
  }
  const names = [...new Set([...groups.real, ...groups.fake])];
  const numbers = new Map(names.map((name, i) => [name, i]));
  const scenes = {
    real: groups.real.map((name) => numbers.get(name)!),
    fake: groups.fake.map((name) => numbers.get(name)!),
  };
  const sizesOf = (list: readonly number[]) => {
    const sizes = new Float64Array(names.length);
    for (const scene of list) sizes[scene]!++;
    return sizes;
  };
  const sizes = { real: sizesOf(scenes.real), fake: sizesOf(scenes.fake) };
  const { width } = real;
  const x = Float64Array.from(real.data);
  const y = Float64Array.from(fake.data);
  const sums = (p: "real" | "fake", q: "real" | "fake") =>
    sceneSums(
      p === "real" ? x : y,
      q === "real" ? x : y,
      width,
      { x: scenes[p], y: scenes[q] },
      names.length,
    );
  const all = {
    real: sums("real", "real"),
    fake: sums("fake", "fake"),
    cross: sums("real", "fake"),
  };
  /** Discrepancy of all images of scenes that are drawn so many times. */
  const estimate = (times: Float64Array) => {
    const drawn = [...times.keys()].filter((scene) => times[scene]! > 0);
    const total = (values: Float64Array) => {
      let sum = 0;
      for (const a of drawn) {
        for (const b of drawn) {
          sum += times[a]! * times[b]! * values[a * names.length + b]!;
        }
      }
      return sum;
    };
    const images = (of: Float64Array) =>
      drawn.reduce((sum, scene) => sum + times[scene]! * of[scene]!, 0);
    const alike = (of: Float64Array) =>
      drawn.reduce((sum, scene) => sum + times[scene]! ** 2 * of[scene]!, 0);
    const [p, q] = [images(sizes.real), images(sizes.fake)];
    return total(all.real) / (p * p - alike(sizes.real)) +
      total(all.fake) / (q * q - alike(sizes.fake)) -
      2 * total(all.cross) / (p * q);
  };
  const has = (of: Float64Array, i: number) => of[i]! > 0;
  const isShared = (i: number) => has(sizes.real, i) && has(sizes.fake, i);
  const list = [...names.keys()];
  const parts = [
    list.filter(isShared),
    list.filter((i) => !isShared(i) && has(sizes.real, i)),
    list.filter((i) => !isShared(i) && has(sizes.fake, i)),
  ];
  const values: number[] = [];
  for (let r = 0; r < resamples; r++) {
    const stream = key("kid interval", seed, r);
    const times = new Float64Array(names.length);
    let next = 0;
    for (const part of parts) {
      for (let i = 0; i < part.length; i++) {
        times[part[stream.integer(next++, part.length)]!]!++;
      }
    }
    const value = estimate(times);
    // One image alone, drawn again and again, has no pair to compare.
    if (Number.isFinite(value)) values.push(value);
  }
  // Repeated scenes meet their own counterparts more often than the data do,
  // which shifts every resample; the spread is kept and the middle put back.
  const whole = estimate(new Float64Array(names.length).fill(1));
  const middle = values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    value: whole,
    values: values.map((value) => value - middle + whole),
  };
}

/**
 * Bootstrap interval of KID over scenes, see {@linkcode kidResamples}.
 *
 * @param real features of real images
 * @param fake features of generated images
 * @param groups scene of each image of both sets
 * @param options resamples (200), level (0.95), seed (0)
 * @returns the ends of the interval; they are equal if there is one scene only
 * @throws {RangeError} as `kidResamples`, or if an option is out of range
 */
export function kidInterval(
  real: Features,
  fake: Features,
  groups: Parameters<typeof kidResamples>[2],
  { level = 0.95, ...options }: KidResampling & { readonly level?: number } =
    {},
): Interval {
  const { values } = kidResamples(real, fake, groups, options);
  return percentileInterval(values, level);
}
