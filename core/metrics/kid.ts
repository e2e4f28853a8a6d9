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

function kernels(real: Features, fake: Features): Kernels {
  const [n, m] = checkPair(real, fake);
  const { width } = real;
  const [x, y] = [Float64Array.from(real.data), Float64Array.from(fake.data)];
  const kernel = (a: Float64Array, b: Float64Array) =>
    rowProducts(a, b, width).map((dot) => (dot / width + 1) ** 3);
  return {
    real: kernel(x, x),
    fake: kernel(y, y),
    cross: kernel(x, y),
    n,
    m,
  };
}

/**
 * Unbiased squared discrepancy of chosen images. A pair of one image with
 * itself, which drawing with replacement may make, is left out.
 */
function discrepancy(
  { real, fake, cross, n, m }: Kernels,
  x: ArrayLike<number>,
  y: ArrayLike<number>,
): number {
  const within = (k: Float64Array, order: number, list: ArrayLike<number>) => {
    let sum = 0;
    let pairs = 0;
    for (let i = 0; i < list.length; i++) {
      const row = (list[i] ?? 0) * order;
      for (let j = 0; j < list.length; j++) {
        if (list[i] === list[j]) continue;
        sum += k[row + (list[j] ?? 0)] ?? 0;
        pairs++;
      }
    }
    return sum / pairs;
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
  const all = kernels(real, fake);
  const { n, m } = all;
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
  const values: number[] = [];
  for (let i = 0; i < subsets; i++) {
    const draw = (set: string, count: number) =>
      key(`kid ${set}`, seed, i).permutation(count).subarray(0, subsetSize);
    values.push(discrepancy(all, draw("real", n), draw("fake", m)));
  }
  const value = values.reduce((sum, x) => sum + x, 0) / subsets;
  const squares = values.reduce((sum, x) => sum + (x - value) ** 2, 0);
  const subsetSpread = Math.sqrt(squares / subsets);
  return { value, subsetSpread, n: [n, m], subsets, subsetSize, seed };
}

/**
 * Bootstrap interval of KID over scenes: whole scenes are drawn with
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
 * @param real features of real images
 * @param fake features of generated images
 * @param groups scene of each image of both sets
 * @param options resamples (200), level (0.95), seed (0)
 * @returns the ends of the interval; they are equal if there is one scene only
 * @throws {RangeError} as `checkPair`, if scenes and images differ in number,
 *   or an option is out of range
 */
export function kidInterval(
  real: Features,
  fake: Features,
  groups: {
    readonly real: readonly (string | number)[];
    readonly fake: readonly (string | number)[];
  },
  options: {
    readonly resamples?: number;
    readonly level?: number;
    readonly seed?: number;
  } = {},
): Interval {
  const { resamples = 200, level = 0.95, seed = 0 } = options;
  const all = kernels(real, fake);
  if (groups.real.length !== all.n || groups.fake.length !== all.m) {
    throw new RangeError(
      `Cannot resample ${all.n} real and ${all.m} generated images: scenes are given for ${groups.real.length} and ${groups.fake.length}`,
    );
  }
  const members = (list: readonly (string | number)[]) =>
    Map.groupBy(list.keys(), (i) => list[i]!);
  const [inReal, inFake] = [members(groups.real), members(groups.fake)];
  const shared = [...inReal.keys()].filter((name) => inFake.has(name));
  const parts = [
    shared,
    [...inReal.keys()].filter((name) => !inFake.has(name)),
    [...inFake.keys()].filter((name) => !inReal.has(name)),
  ];
  const values: number[] = [];
  for (let r = 0; r < resamples; r++) {
    const stream = key("kid interval", seed, r);
    let next = 0;
    const drawn = parts.flatMap((names) =>
      names.map(() => names[stream.integer(next++, names.length)]!)
    );
    const x = drawn.flatMap((name) => inReal.get(name) ?? []);
    const y = drawn.flatMap((name) => inFake.get(name) ?? []);
    const value = discrepancy(all, x, y);
    // One image alone, drawn again and again, has no pair to compare.
    if (Number.isFinite(value)) values.push(value);
  }
  // Repeated scenes meet their own counterparts more often than the data do,
  // which shifts every resample; the spread is kept and the middle put back.
  const whole = discrepancy(all, [...Array(all.n).keys()], [
    ...Array(all.m).keys(),
  ]);
  const middle = values.reduce((sum, value) => sum + value, 0) / values.length;
  return percentileInterval(
    values.map((value) => value - middle + whole),
    level,
  );
}
