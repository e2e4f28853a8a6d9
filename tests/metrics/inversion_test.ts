import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import { guessError, invertSweep } from "../../core/metrics/inversion.ts";
import { key } from "../../core/tensor/philox.ts";

const VALUES = [-0.2853, -0.1604, -0.0355, 0.0895, 0.2144];

/** numpy.polyfit of degree 1, by the normal equations in two unknowns. */
function line(x: readonly number[], y: readonly number[]) {
  const sum = (of: (i: number) => number) =>
    x.reduce((total, _, i) => total + of(i), 0);
  const [n, sx, sy] = [x.length, sum((i) => x[i]!), sum((i) => y[i]!)];
  const [sxx, sxy] = [sum((i) => x[i]! ** 2), sum((i) => x[i]! * y[i]!)];
  const slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
  return { slope, intercept: (sy - slope * sx) / n };
}

Deno.test("invertSweep tells values by the least-squares line, within the range of the sweep", () => {
  const random = key("inversion", 0);
  const responses = VALUES.map((x, i) => 20 * x + 1 + random.normal(i));
  const observed = [-100, -2, 0.5, 3, 100];
  const { slope, intercept, r2, rho, told } = invertSweep(
    VALUES,
    responses,
    observed,
  )!;
  const wanted = line(VALUES, responses);
  assertAlmostEquals(slope, wanted.slope, 1e-9);
  assertAlmostEquals(intercept, wanted.intercept, 1e-9);
  const mean = responses.reduce((a, b) => a + b) / 5;
  let [left, all] = [0, 0];
  for (const [i, y] of responses.entries()) {
    left += (y - wanted.slope * VALUES[i]! - wanted.intercept) ** 2;
    all += (y - mean) ** 2;
  }
  assertAlmostEquals(r2, 1 - left / all, 1e-9);
  assert(rho > 0);
  assertEquals([told[0], told[4]], [-0.2853, 0.2144]);
  for (const k of [1, 2, 3]) {
    const free = (observed[k]! - wanted.intercept) / wanted.slope;
    assertAlmostEquals(
      told[k]!,
      Math.max(-0.2853, Math.min(0.2144, free)),
      1e-9,
    );
  }
});

Deno.test("invertSweep has nothing to tell of no response, and refuses what does not fit", () => {
  assertEquals(invertSweep([0, 1, 2], [3, 3, 3], [3]), undefined);
  assertEquals(invertSweep([0, 1, 2], [1, 0, 1], [3]), undefined);
  assertEquals(invertSweep([0, 1, 2], [0, 1e-3, 2e-3], [3], 0.01), undefined);
  assertThrows(() => invertSweep([0, 1], [1], [0]), RangeError);
});

Deno.test("guessError is the mean distance to a uniform guess: 0.328125 of the range for the midpoints of five", () => {
  const [low, high] = [-0.2853, 0.2144];
  const middles = VALUES.slice(1).map((x, i) => (x + VALUES[i]!) / 2);
  const closed = middles.map((x) => guessError(low, high, x));
  const mean = closed.reduce((a, b) => a + b) / 4;
  assertAlmostEquals(mean, 0.328125 * (high - low), 2e-5);
  // The published estimate by 4,000 draws.
  assertAlmostEquals(mean, 0.1628, 3e-3);
  for (const [k, x] of middles.entries()) {
    let sum = 0;
    const n = 20_000;
    for (let i = 0; i < n; i++) {
      sum += Math.abs(low + (i + 0.5) / n * (high - low) - x) / n;
    }
    assertAlmostEquals(closed[k]!, sum, 1e-6);
  }
  assertThrows(() => guessError(0, 1, 2), RangeError, "Cannot guess 2");
  assertThrows(() => guessError(1, 1, 1), RangeError);
});
