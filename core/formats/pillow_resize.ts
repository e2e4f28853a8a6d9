import type { Image } from "./image.ts";

/** Filters of Pillow's `resize`. */
export type PillowFilter = "bilinear" | "bicubic" | "lanczos";

/** Bits of the integer weights. */
const PRECISION = 22;

interface Kernel {
  readonly support: number;
  readonly at: (x: number) => number;
}

function sinc(x: number): number {
  if (x === 0) return 1;
  return Math.sin(x * Math.PI) / (x * Math.PI);
}

const KERNELS: Readonly<Record<PillowFilter, Kernel>> = {
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    support: 2,
    at: (x) => {
      const a = -0.5;
      const t = Math.abs(x);
      if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
      if (t < 2) return (((t - 5) * t + 8) * t - 4) * a;
      return 0;
    },
  },
  lanczos: {
    support: 3,
    at: (x) => x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0,
  },
};

/** Weights of one axis. */
interface Weights {
  /** (outputs): first input of each */
  readonly first: Int32Array;
  /** (outputs): number of inputs of each */
  readonly count: Int32Array;
  /** (outputs, most): integer weights */
  readonly weights: Int32Array;
  /** Length of a row of `weights`. */
  readonly most: number;
}

const tables = new Map<string, Weights>();

function weightsOf(
  input: number,
  output: number,
  filter: PillowFilter,
): Weights {
  const name = `${input} ${output} ${filter}`;
  const known = tables.get(name);
  if (known) return known;
  const kernel = KERNELS[filter];
  const scale = input / output;
  const stretch = Math.max(scale, 1);
  const support = kernel.support * stretch;
  const most = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(output);
  const count = new Int32Array(output);
  const weights = new Int32Array(output * most);
  for (let i = 0; i < output; i++) {
    const centre = (i + 0.5) * scale;
    const low = Math.max(0, Math.trunc(centre - support + 0.5));
    const high = Math.min(input, Math.trunc(centre + support + 0.5));
    const values = Array.from(
      { length: high - low },
      (_, k) => kernel.at((k + low - centre + 0.5) * (1 / stretch)),
    );
    const sum = values.reduce((total, value) => total + value, 0);
    first[i] = low;
    count[i] = high - low;
    for (const [k, value] of values.entries()) {
      const scaled = (sum === 0 ? value : value * (1 / sum)) * 2 ** PRECISION;
      weights[i * most + k] = Math.trunc(scaled + (scaled < 0 ? -0.5 : 0.5));
    }
  }
  const table = { first, count, weights, most };
  tables.set(name, table);
  return table;
}

/**
 * Resizes a picture to the same bytes as Pillow: an antialiased filter with
 * integer weights, across and then down, rounded to bytes between.
 *
 * @param image picture
 * @param width of the result, in pixels
 * @param height of the result, in pixels
 * @param filter as Pillow names it
 * @throws {RangeError} if a side is not a positive integer
 */
export function resizePillow(
  image: Image,
  width: number,
  height: number,
  filter: PillowFilter,
): Image {
  for (const side of [width, height]) {
    if (!Number.isInteger(side) || side < 1) {
      throw new RangeError(
        `Cannot resize a picture to ${width}x${height}: sides must be positive integers`,
      );
    }
  }
  let { data } = image;
  if (width !== image.width) {
    data = pass(data, image.height, 3, image.width, width, filter, true);
  }
  if (height !== image.height) {
    data = pass(data, 1, 3 * width, image.height, height, filter, false);
  }
  return { width, height, data };
}

/**
 * Resizes one axis: of each of `lines` lines, elements `run` values wide.
 * Across, a line is a row of pixels; down, the whole picture is one line whose
 * elements are rows.
 */
function pass(
  data: Uint8Array,
  lines: number,
  run: number,
  input: number,
  output: number,
  filter: PillowFilter,
  isAcross: boolean,
): Uint8Array {
  const { first, count, weights, most } = weightsOf(input, output, filter);
  const result = new Uint8ClampedArray(lines * output * run);
  const half = 1 << (PRECISION - 1);
  if (isAcross) {
    for (let line = 0; line < lines; line++) {
      for (let i = 0; i < output; i++) {
        let [r, g, b] = [half, half, half];
        let from = (line * input + first[i]!) * 3;
        const end = i * most + count[i]!;
        for (let k = i * most; k < end; k++, from += 3) {
          const w = weights[k]!;
          r += w * data[from]!;
          g += w * data[from + 1]!;
          b += w * data[from + 2]!;
        }
        const to = (line * output + i) * 3;
        result[to] = r >> PRECISION;
        result[to + 1] = g >> PRECISION;
        result[to + 2] = b >> PRECISION;
      }
    }
  } else {
    const sums = new Int32Array(run);
    for (let i = 0; i < output; i++) {
      sums.fill(half);
      for (let k = 0; k < count[i]!; k++) {
        const w = weights[i * most + k]!;
        const from = (first[i]! + k) * run;
        for (let x = 0; x < run; x++) sums[x]! += w * data[from + x]!;
      }
      for (let x = 0; x < run; x++) result[i * run + x] = sums[x]! >> PRECISION;
    }
  }
  return new Uint8Array(result.buffer);
}
