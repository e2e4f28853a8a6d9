import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  copies,
  nearestRows,
  shareLess,
  wilsonInterval,
} from "../../core/metrics/memorization.ts";
import { key } from "../../core/tensor/philox.ts";

const values = (name: string, count: number) =>
  Float32Array.from({ length: count }, (_, i) => key(name, 0).normal(i));

Deno.test("nearestRows finds what a search through all distances finds, among those allowed", () => {
  const [n, m, width] = [7, 11, 130]; // rows longer than a block
  const samples = values("samples", n * width);
  const references = values("references", m * width);
  const isAllowed = (i: number, j: number) => (i + j) % 3 !== 0;
  for (const allowed of [undefined, isAllowed]) {
    const found = nearestRows(samples, references, width, allowed);
    for (let i = 0; i < n; i++) {
      const all = Array.from({ length: m }, (_, j) => {
        let sum = 0;
        for (let k = 0; k < width; k++) {
          sum += (samples[i * width + k]! - references[j * width + k]!) ** 2;
        }
        return allowed?.(i, j) === false ? Infinity : Math.sqrt(sum);
      });
      const least = Math.min(...all);
      assertEquals(found.rows[i], all.indexOf(least));
      assertAlmostEquals(found.distances[i]!, least, 1e-12);
    }
  }
  assertThrows(
    () => nearestRows(samples, references, width, () => false),
    RangeError,
    "Cannot find the neighbour of sample 0: none of 11 references is allowed",
  );
  assertThrows(
    () => nearestRows(samples, references, 129),
    RangeError,
    "910 and 1430 values are not whole rows of 129",
  );
});

Deno.test("shareLess counts all pairs, ties by half", () => {
  const [a, b] = [[3, 1, 2, 2, 5], [2, 4, 0, 2]];
  let wanted = 0;
  for (const x of a) {
    for (const y of b) wanted += x < y ? 1 : x === y ? 0.5 : 0;
  }
  assertEquals(shareLess(a, b), wanted / 20);
  assertEquals(shareLess([1, 2], [3]), 1);
  assertEquals(shareLess([1, 2], [1, 2]), 0.5);
  assertThrows(() => shareLess([], [1]), RangeError, "compare 0 with 1 values");
});

Deno.test("copies marks what is below a percentile of the held-out distances", () => {
  const held = Array.from({ length: 101 }, (_, i) => i);
  assertEquals(copies([0, 9.9, 10, 50], held, 10), [1, 1, 0, 0]);
});

Deno.test("wilsonInterval has the ends at which the score test is at its limit", () => {
  for (const [count, n] of [[0, 10], [3, 40], [40, 40], [75, 150]] as const) {
    const { low, high } = wilsonInterval(count, n);
    // (p - x)^2 = z^2 x (1 - x) / n, the equation that the ends solve.
    for (const x of [low, high]) {
      if (x === 0 || x === 1) continue;
      assertAlmostEquals(
        (count / n - x) ** 2,
        1.959963984540054 ** 2 * x * (1 - x) / n,
        1e-12,
      );
    }
  }
  assertAlmostEquals(wilsonInterval(0, 10).low, 0, 1e-12);
  assertAlmostEquals(wilsonInterval(40, 40).high, 1, 1e-12);
  assertThrows(() => wilsonInterval(2, 1), RangeError, "interval of 2 of 1");
});
