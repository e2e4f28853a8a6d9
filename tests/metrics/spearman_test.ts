import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  averageRanks,
  leastSquaresLine,
  pearson,
  spearman,
  sweepCorrelation,
} from "../../core/metrics/spearman.ts";
import { Fixture64 } from "../support/fixture64.ts";

// SciPy 1.10: spearmanr, pearsonr and linregress, by fixtures/torch/measures.py.
const fixture = await Fixture64.read("measures");
const [x, y] = [fixture.rows("rank.x"), fixture.rows("rank.y")];

Deno.test("spearman, pearson and leastSquaresLine agree with SciPy, ties included", () => {
  const over = (f: (a: Float64Array, b: Float64Array) => number) =>
    x.map((row, i) => f(row, y[i]!));
  fixture.assertClose(over(spearman), "rank.rho", 1e-14);
  fixture.assertClose(over(pearson), "rank.pearson", 1e-14);
  const lines = x.flatMap((row, i) => {
    const { slope, intercept } = leastSquaresLine(row, y[i]!);
    return [slope, intercept];
  });
  fixture.assertClose(lines, "rank.lines", 1e-14);
});

Deno.test("averageRanks gives equal values the mean of their ranks", () => {
  assertEquals([...averageRanks([5, 1, 5, -2, 5])], [4, 2, 4, 1, 4]);
  assertEquals([...averageRanks([0, -0])], [1.5, 1.5]);
  assertEquals([...averageRanks([])], []);
});

Deno.test("spearman is exactly 1 for equal orders and NaN for constants", () => {
  assertEquals(spearman([1, 2, 3, 4, 5], [0.1, 0.2, 9, 10, 1e9]), 1);
  assertEquals(spearman([1, 2, 3], [3, 2, 1]), -1);
  assertEquals(spearman([1, 2, 3], [0.1, 0.1, 0.1]), NaN);
  assertEquals(pearson([0.1, 0.1, 0.1], [1, 2, 3]), NaN);
  assertEquals(leastSquaresLine([0.1, 0.1], [1, 2]).slope, NaN);
  // One step at one end of a sweep of five, from the published protocol.
  const step = spearman([-2, -1, 0, 1, 2], [0, 0, 0, 0, 1]);
  assert(Math.abs(step - Math.SQRT1_2) < 1e-15);
});

Deno.test("sweepCorrelation averages valid scenes, and all with the others as 0", () => {
  const sweep = [-0.2853, -0.1604, -0.0355, 0.0895, 0.2144];
  const scenes = [
    [-2, -1, 0, 1, 3], // 1
    [2, 1, 0, -1, -3], // -1
    [0, 0, 0, 0, 0], // not valid
    [0, 0, 0, 0, 1], // 0.7071
  ];
  const got = sweepCorrelation(sweep, scenes);
  assertEquals([got.n, got.valid, got.positive], [4, 3, 2 / 3]);
  assertEquals(got.perScene[2], NaN);
  assert(Math.abs(got.rho - Math.SQRT1_2 / 3) < 1e-15);
  assert(Math.abs(got.rhoOfAll - Math.SQRT1_2 / 4) < 1e-15);

  const still = sweepCorrelation(sweep, [[0, 0, 0, 0, 0]]);
  assertEquals([still.valid, still.rho, still.rhoOfAll], [0, NaN, 0]);
  assertEquals(still.positive, NaN);
});

Deno.test("rank correlations refuse other lengths, one value, NaN and a constant sweep", () => {
  assertThrows(() => spearman([1, 2], [1]), RangeError, "2 with 1 values");
  assertThrows(() => spearman([1], [1]), RangeError, "at least 2");
  assertThrows(
    () => pearson([1, 2], [1, NaN]),
    RangeError,
    "pair 1 is 2 and NaN",
  );
  assertThrows(
    () => sweepCorrelation([1, 1], [[1, 2]]),
    RangeError,
    "two different",
  );
  assertThrows(() => sweepCorrelation([1, 2], []), RangeError, "over 0 scenes");
  assertThrows(() => sweepCorrelation([1, 2], [[1]]), RangeError, "2 with 1");
});
