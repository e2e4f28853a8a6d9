import source from "../../kernels/rope.wgsl" with { type: "text" };
import { ceilDiv, flatGrid } from "../gpu/grid.ts";
import { defineShader } from "../gpu/shader.ts";
import { record } from "../tensor/autograd.ts";
import { emptyLike, tensor } from "../tensor/create.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

const shader = defineShader("rope", [source]);

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
  /** Pairs: neighbours (2j, 2j + 1), or (j, j + d / 2). */
  readonly pairing?: "neighbours" | "halves";
}

/**
 * Turns pairs of features by their token's position, so that products of
 * queries and keys depend on distances.
 *
 * Pair `j` of an axis with `f` features turns by position * base^(-2 j / f).
 * Angles are computed on the host in float64 and reach the device as cosines
 * and sines, since WGSL promises nothing for large arguments.
 *
 * Source: Su et al. 2021, equation 34.
 *
 * @param x (B, T, heads, d)
 * @param options positions, features per axis, base, pairing
 * @returns same shape
 * @throws {RangeError} if positions or features do not fit
 */
export function rope(x: Tensor, options: RopeOptions): Tensor {
  const [, tokens = 0, heads = 0, width = 0] = x.shape;
  const { positions, base = 10_000, pairing = "neighbours" } = options;
  const axes = positions.length;
  const features = options.features ??
    positions.map(() => 2 * Math.floor(width / 2 / axes));
  const total = features.reduce((a, b) => a + b, 0);
  const isFine = x.shape.length === 4 && width % 2 === 0 && axes >= 1 &&
    axes <= 3 && features.length === axes && total <= width &&
    features.every((f) => f >= 0 && f % 2 === 0) &&
    positions.every((axis) => axis.length === tokens);
  if (!isFine) {
    throw new RangeError(
      `Cannot apply rope: input ${
        showShape(x.shape)
      } must be (B, T, heads, d) with even d, ${axes} axes of ${
        positions.map((axis) => axis.length).join(", ")
      } positions must be 1 to 3 of ${tokens}, features ${
        features.join(", ")
      } even and at most d together`,
    );
  }
  const pairs = width / 2;
  const table = new Float32Array(tokens * width);
  for (let token = 0; token < tokens; token++) {
    let pair = 0;
    features.forEach((count, axis) => {
      for (let j = 0; j < count / 2; j++, pair++) {
        const angle = positions[axis]![token]! * base ** (-2 * j / count);
        table[2 * (token * pairs + pair)] = Math.cos(angle);
        table[2 * (token * pairs + pair) + 1] = Math.sin(angle);
      }
    });
    for (; pair < pairs; pair++) table[2 * (token * pairs + pair)] = 1;
  }
  const turns = tensor(x.gpu, table);
  const count = x.size / 2;
  const grid = flatGrid(ceilDiv(count, 64));
  const run = (x: Tensor, sign: number) => {
    const y = emptyLike(x);
    const params = { count, tokens, heads, pairs, sign };
    shader.run("turn", { x, turns, y }, params, grid, {
      knobs: { HALVES: pairing === "halves" },
    });
    return y;
  };
  return record(run(x, 1), [x], (dy) => [run(dy, -1)]);
}
