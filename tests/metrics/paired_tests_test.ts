import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  logGamma,
  normalTwoSided,
  regularizedBeta,
  studentTwoSided,
} from "../../core/metrics/distributions.ts";
import {
  bonferroni,
  median,
  pairedTTest,
  wilcoxonSignedRank,
} from "../../core/metrics/paired_tests.ts";
import expected from "../../fixtures/torch/paired_statistics.json" with {
  type: "json",
};

/** Asserts equality to a relative error: tails span 200 powers of ten. */
function near(got: number, wanted: number, what: string, tolerance = 1e-11) {
  const error = Math.abs(got - wanted) / Math.max(Math.abs(wanted), 1e-300);
  assert(error < tolerance, `${what}: ${got}, needed ${wanted}`);
}

Deno.test("distributions agree with SciPy far into the tails", () => {
  const { gamma, beta, t, normal } = expected.tails;
  for (const [x, y] of gamma as [number, number][]) {
    near(logGamma(x), y, `log gamma of ${x}`);
  }
  for (const [x, a, b, y] of beta as [number, number, number, number][]) {
    near(regularizedBeta(x, a, b), y, `beta of ${x}, ${a}, ${b}`);
  }
  for (const [x, df, y] of t as [number, number, number][]) {
    near(studentTwoSided(x, df), y, `t of ${x}, ${df}`);
  }
  for (const [z, y] of normal as [number, number][]) {
    near(normalTwoSided(z), y, `normal of ${z}`);
    near(normalTwoSided(-z), y, `normal of ${-z}`);
  }
});

Deno.test("pairedTTest and wilcoxonSignedRank agree with SciPy", () => {
  for (const { kind, a, b, ...wanted } of expected.tests) {
    const test = pairedTTest(a, b);
    near(test.t, wanted.t, `${kind}: t`);
    near(test.p, wanted.p, `${kind}: p`);
    near(test.cohensDz, wanted.dz, `${kind}: d_z`);
    const { statistic, p } = wilcoxonSignedRank(a, b);
    near(statistic, wanted.w, `${kind}: W`);
    near(p, wanted.pw, `${kind}: p of W`);
    near(median(a), wanted.median, `${kind}: median`);
  }
});

Deno.test("paired tests of equal values find nothing, of constant differences all", () => {
  const a = [1, 2, 3];
  assertEquals(pairedTTest(a, a).p, 1);
  assertEquals(pairedTTest(a, a).cohensDz, 0);
  assertEquals(wilcoxonSignedRank(a, a).p, 1);
  assertEquals(pairedTTest(a, [0, 1, 2]).p, 0);
});

Deno.test("bonferroni multiplies by the tests and stops at 1", () => {
  assertEquals(bonferroni([0.01, 0.5, 0.2]), [0.03, 1, 0.6000000000000001]);
});

Deno.test("paired tests say what they need", () => {
  assertThrows(() => pairedTTest([1], [2]), RangeError, "at least 2");
  assertThrows(
    () => pairedTTest([1, NaN], [2, 3]),
    RangeError,
    "pair 1 is NaN",
  );
  assertThrows(
    () => wilcoxonSignedRank([1, 2], [1]),
    RangeError,
    "Cannot compare 2 with 1 values",
  );
});
