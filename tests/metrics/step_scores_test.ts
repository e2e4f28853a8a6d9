import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import {
  meanScore,
  quartiles,
  stepScores,
} from "../../core/metrics/step_scores.ts";

Deno.test("stepScores and meanScore are means over windows, paired in differences", () => {
  const scenes = ["a", "a", "b"];
  const one = stepScores([[1, 2, 6], [0, 0, 3]], scenes);
  assertEquals(one.counts, [2, 1]);
  assertEquals(one.sums, [[3, 6], [0, 3]]);
  assertAlmostEquals(meanScore([one], { steps: [0] }).value, 3);
  assertAlmostEquals(meanScore([one]).value, 2);
  const two = stepScores([[3, 2, 6], [0, 0, 3]], scenes);
  // Of two seeds: their mean.
  assertAlmostEquals(meanScore([one, two], { steps: [0] }).value, 10 / 3);
  const less = meanScore([two], { less: [one] });
  assertAlmostEquals(less.value, 1 / 3);
  // Only scene "a" differs: by 2 in 2 windows, halved over the steps.
  assert(less.low >= 0 && less.high <= 0.5 + 1e-12);
});

Deno.test("meanScore refuses scores of different windows", () => {
  const one = stepScores([[1, 2]], ["a", "b"]);
  const two = stepScores([[1, 2]], ["a", "c"]);
  assertThrows(() => meanScore([one], { less: [two] }), RangeError, "equal");
  assertThrows(() => meanScore([]), RangeError, "there is none");
});

Deno.test("quartiles cut as pandas.qcut: linear edges, closed on the right", () => {
  // pandas.qcut(range(1, 6), 4).codes: edges 2, 3, 4.
  assertEquals(quartiles([1, 2, 3, 4, 5]), [0, 0, 1, 2, 3]);
  assertEquals(quartiles([4, 3, 2, 1]), [3, 2, 1, 0]);
  assertEquals(quartiles([7]), [0]);
});
