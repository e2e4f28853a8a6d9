import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  agreementOf,
  pairSums,
  pooled,
  sumsWithin,
} from "../../core/metrics/agreement.ts";
import { key } from "../../core/tensor/philox.ts";

const mean = (list: number[]) => list.reduce((a, b) => a + b, 0) / list.length;

/** The definitions, means first. */
function oracle(x: number[], y: number[]) {
  const [mx, my] = [mean(x), mean(y)];
  const sxx = mean(x.map((a) => (a - mx) ** 2));
  const syy = mean(y.map((b) => (b - my) ** 2));
  const sxy = mean(x.map((a, i) => (a - mx) * (y[i]! - my)));
  return {
    correlation: sxy / Math.sqrt(sxx * syy),
    slope: sxy / sxx,
    rmse: Math.sqrt(mean(x.map((a, i) => (a - y[i]!) ** 2))),
  };
}

function draws(seed: number, count: number): [number[], number[]] {
  const stream = key("agreement", seed);
  const x = Array.from(
    { length: count },
    (_, i) => stream.uniform(2 * i) - 0.3,
  );
  return [x, x.map((a, i) => 0.4 * a + 0.2 * stream.uniform(2 * i + 1))];
}

function assertNear(
  found: Readonly<Record<string, number>>,
  wanted: Readonly<Record<string, number>>,
) {
  for (const [name, value] of Object.entries(wanted)) {
    assert(Math.abs(found[name]! - value) < 1e-12, `${name} ${found[name]}`);
  }
}

Deno.test("agreementOf has correlation, slope and error of pairs, also of pooled parts", () => {
  const [x, y] = draws(1, 40);
  assertNear({ ...agreementOf(pairSums(x, y)) }, oracle(x, y));
  const parts = [0, 13, 30].map((start, i, all) =>
    pairSums(x.slice(start, all[i + 1]), y.slice(start, all[i + 1]))
  );
  assertNear({ ...agreementOf(pooled(parts)) }, oracle(x, y));
});

Deno.test("sumsWithin leaves out what differs between groups", () => {
  const groups = [0, 1, 2].map((g) => {
    const [x, y] = draws(2 + g, 7);
    return [x.map((a) => a + 10 * g), y.map((b) => b - 50 * g)] as const;
  });
  const centred = groups.map((pair) =>
    pair.map((list) => list.map((value) => value - mean(list)))
  );
  const [x, y] = [0, 1].map((k) => centred.flatMap((pair) => pair[k]!));
  const { correlation, slope } = oracle(x!, y!);
  const found = agreementOf(sumsWithin(groups));
  assertNear({ ...found }, { correlation, slope });
  assert(found.slope > 0);
});

Deno.test("agreementOf counts a constant reading as no agreement, and refuses what does not fit", () => {
  const flat = agreementOf(pairSums([1, 2, 3], [0.1, 0.1, 0.1]));
  assertEquals([flat.correlation, flat.slope], [0, 0]);
  const held = agreementOf(pairSums([0.1, 0.1, 0.1], [1, 2, 3]));
  assertEquals([held.correlation, held.slope], [NaN, NaN]);
  assertThrows(() => pairSums([1], [1, 2]), RangeError, "1 with 2 values");
  assertThrows(() => pairSums([NaN], [1]), RangeError, "pair 0 is NaN and 1");
});
