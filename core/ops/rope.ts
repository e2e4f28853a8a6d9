import quotient from "../../kernels/lib/quotient.wgsl" with { type: "text" };
import source from "../../kernels/rope.wgsl" with { type: "text" };
import { ceilDiv, flatGrid } from "../gpu/grid.ts";
import { defineShader } from "../gpu/shader.ts";
import { record } from "../tensor/autograd.ts";
import { emptyLike, tensor } from "../tensor/create.ts";
import { showShape } from "../tensor/shape.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { Tensor } from "../tensor/tensor.ts";

const shader = defineShader("rope", [quotient, source]);

/** Positions and frequencies of {@linkcode rope}. */
export interface RopeOptions {
  /**
   * Positions of the tokens along 1 to 3 axes, one array of T numbers per
   * axis, in cells of the token grid.
   */
  readonly positions: readonly (readonly number[])[];
  /**
   * Features that turn with each axis, even numbers that sum to at most d;
   * the rest does not turn. Default: d in equal parts.
   */
  readonly features?: readonly number[];
  /** Base of the frequencies. Default 10000. */
  readonly base?: number;
  /** Pairs: neighbours (2j, 2j + 1), or (j, j + d / 2). Default neighbours. */
  readonly pairing?: "neighbours" | "halves";
  /**
   * Which frequency a feature has. `paired`, the default: both features of
   * pair j of an axis have frequency j. `tiled`, for neighbours only: feature j
   * of an axis with f features has frequency j mod f / 2, so that a pair turns
   * by two angles; V-JEPA 2 was trained so.
   */
  readonly frequencies?: "paired" | "tiled";
}

/** Cosines and sines on the device, for several calls of {@linkcode rope}. */
export interface RopeTurns {
  /** (T, d / 2, 4): cosine and sine for each feature of a pair. */
  readonly turns: Tensor;
  /** Which features are a pair. */
  readonly pairing: "neighbours" | "halves";
}

/**
 * Prepares the turns of {@linkcode rope}, so that layers can share them.
 *
 * Angles are computed on the host in float64 and reach the device as cosines
 * and sines, since WGSL promises nothing for large arguments.
 *
 * @param gpu device
 * @param tokens number of tokens T
 * @param width features of a head d, an even number
 * @param options positions, features per axis, base, pairing, frequencies
 * @returns the turns, owned by the innermost scope
 * @throws {RangeError} if positions or features do not fit
 */
export function ropeTurns(
  gpu: Gpu,
  tokens: number,
  width: number,
  options: RopeOptions,
): RopeTurns {
  const { positions, base = 10_000, pairing = "neighbours" } = options;
  const isTiled = options.frequencies === "tiled";
  const axes = positions.length;
  const features = options.features ??
    positions.map(() => 2 * Math.floor(width / 2 / axes));
  const total = features.reduce((a, b) => a + b, 0);
  const isFine = width % 2 === 0 && axes >= 1 && axes <= 3 &&
    features.length === axes && total <= width &&
    features.every((f) => f >= 0 && f % 2 === 0) &&
    positions.every((axis) => axis.length === tokens);
  if (!isFine) {
    throw new RangeError(
      `Cannot apply rope: heads of ${width} features must be even, ${axes} axes of ${
        positions.map((axis) => axis.length).join(", ")
      } positions must be 1 to 3 of ${tokens}, features ${
        features.join(", ")
      } even and at most ${width} together`,
    );
  }
  if (isTiled && pairing === "halves") {
    throw new RangeError(
      'Cannot apply rope: frequencies "tiled" need the pairing "neighbours", got "halves"',
    );
  }
  const pairs = width / 2;
  const table = new Float32Array(4 * tokens * pairs);
  for (let token = 0; token < tokens; token++) {
    let at = 4 * token * pairs;
    features.forEach((count, axis) => {
      const position = positions[axis]![token]!;
      for (let j = 0; j < count / 2; j++) {
        for (const feature of [2 * j, 2 * j + 1]) {
          const frequency = isTiled ? feature % (count / 2) : j;
          const angle = position * base ** (-2 * frequency / count);
          table[at++] = Math.cos(angle);
          table[at++] = Math.sin(angle);
        }
      }
    });
    for (const end = 4 * (token + 1) * pairs; at < end; at += 2) table[at] = 1;
  }
  return { turns: tensor(gpu, table, [tokens, pairs, 4]), pairing };
}

/**
 * Turns pairs of features by their token's position, so that products of
 * queries and keys depend on distances.
 *
 * Pair `j` of an axis with `f` features turns by position * base^(-2 j / f).
 *
 * Source: Su et al. 2021, equation 34.
 *
 * @param x (B, T, heads, d)
 * @param options positions, features per axis, base, pairing, frequencies; or
 *   the turns that {@linkcode ropeTurns} made of them
 * @returns same shape
 * @throws {RangeError} if positions or features do not fit
 */
export function rope(x: Tensor, options: RopeOptions | RopeTurns): Tensor {
  const [, tokens = 0, heads = 0, width = 0] = x.shape;
  const pairs = width / 2;
  const { turns, pairing } = "turns" in options
    ? options
    : ropeTurns(x.gpu, tokens, width, options);
  const wanted = showShape([tokens, pairs, 4]);
  if (x.shape.length !== 4 || showShape(turns.shape) !== wanted) {
    throw new RangeError(
      `Cannot apply rope: input ${
        showShape(x.shape)
      } must be (B, T, heads, d) with turns (T, d / 2, 4), got ${
        showShape(turns.shape)
      }`,
    );
  }
  const count = x.size / 2;
  const grid = flatGrid(ceilDiv(count, 64));
  const run = (x: Tensor, isBackward: 0 | 1) => {
    const y = emptyLike(x);
    const params = { count, tokens, heads, pairs, isBackward };
    shader.run("turn", { x, turns, y }, params, grid, {
      knobs: { HALVES: pairing === "halves" },
    });
    return y;
  };
  return record(run(x, 0), [x], (dy) => [run(dy, 1)]);
}
