import { assertEquals, assertThrows } from "@std/assert";
import {
  above,
  below,
  between,
  type Bound,
  claim,
  evidenceOf,
  judge,
  named,
  type Quantity,
} from "../../core/experiment/claims.ts";

function verdict(measured: Quantity, bound: Bound, isTested?: boolean) {
  return judge(claim("id", "text", measured, bound), isTested);
}

function evidence(measured: Quantity, bound: Bound) {
  const stated = claim("id", "text", measured, bound);
  return evidenceOf({ ...stated, ...judge(stated) });
}

Deno.test("judge decides by the number, without equality", () => {
  const cases: [number, Bound, boolean][] = [
    [0.3, above(0.25), true],
    [0.25, above(0.25), false],
    [0.2, below(0.25), true],
    [0.25, below(0.25), false],
    [0.5, between(0, 1), true],
    [0, between(0, 1), false],
    [1, between(0, 1), false],
    [-0, above(0), false],
    [0, above(-1e-300), true],
  ];
  for (const [value, bound, holds] of cases) {
    assertEquals(
      verdict({ value }, bound),
      { verdict: holds ? "holds" : "does not hold" },
      `${value} ${JSON.stringify(bound)}`,
    );
  }
});

Deno.test("judge tests nothing where a number is missing or means nothing", () => {
  const open = { verdict: "not tested" } as const;
  for (const value of [NaN, Infinity, -Infinity, null]) {
    assertEquals(verdict({ value }, above(0)), open);
    assertEquals(verdict({ value: 1 }, above(named("x", { value }))), open);
    assertEquals(
      verdict({ value: 1 }, between(0, named("x", { value }))),
      open,
    );
    // As an experiment may write it by hand.
    const given = { measured: value, bound: above(0) };
    assertEquals(judge(given), open);
  }
  assertEquals(verdict({ value: 1, low: 0.5, high: 2 }, above(0), false), open);
});

Deno.test("judge bounds relative to another number by its value", () => {
  const direct = named("direct", { value: 0.7, low: 0.1, high: 0.9 });
  assertEquals(verdict({ value: 0.6 }, below(direct)).verdict, "holds");
  assertEquals(verdict({ value: 0.7 }, below(direct)).verdict, "does not hold");
  assertEquals(verdict({ value: 0.8 }, above(direct)).verdict, "holds");
  const raw = named("raw", { value: 0.2 });
  assertEquals(verdict({ value: 0.5 }, between(raw, direct)).verdict, "holds");
  // Ends in the other order leave nothing between them, whatever the interval.
  assertEquals(
    verdict({ value: 0.5, low: 0, high: 1 }, between(direct, raw)),
    { verdict: "does not hold", crossesBound: false },
  );
});

Deno.test("judge says whether the interval crosses the bound, on both sides", () => {
  const cases: [[number, number, number], Bound, boolean][] = [
    [[0.51, 0.62, 0.71], above(0.25), false],
    [[0.2, 0.62, 0.71], above(0.25), true],
    [[0.25, 0.62, 0.71], above(0.25), true],
    [[0.1, 0.2, 0.3], above(0.25), true],
    [[0.1, 0.2, 0.25], above(0.25), false],
    [[0.1, 0.2, 0.3], below(0.25), true],
    [[0.1, 0.2, 0.24], below(0.25), false],
    [[0.4, 0.5, 0.6], between(0, 1), false],
    [[0.4, 0.5, 1.6], between(0, 1), true],
    [[-1, 2, 3], between(0, 1), true],
    [[1, 2, 3], between(0, 1), false],
  ];
  for (const [[low, value, high], bound, crosses] of cases) {
    assertEquals(
      verdict({ low, value, high }, bound).crossesBound,
      crosses,
      `${value} [${low}, ${high}] ${JSON.stringify(bound)}`,
    );
  }
  for (const low of [NaN, -Infinity, null]) {
    assertEquals(verdict({ value: 1, low, high: 2 }, above(0)), {
      verdict: "holds",
    });
  }
});

Deno.test("above, below and between refuse constants that bound nothing", () => {
  for (const make of [above, below]) {
    assertThrows(
      () => make(NaN),
      RangeError,
      "Cannot bound a claim by NaN: it needs a finite number",
    );
  }
  assertThrows(() => between(0, Infinity), RangeError, "by Infinity");
  assertThrows(() => between(1, 1), RangeError, "between 1 and 1: the first");
});

Deno.test("evidenceOf writes number, interval, n, bound and the paper's", () => {
  const measured = {
    value: 0.62,
    low: 0.51,
    high: 0.71,
    n: 1200,
    of: "scenes",
  };
  const bound = between(
    named("raw", { value: -0.2, n: 3 }),
    named("direct", { value: NaN }),
  );
  const stated = claim("id", "text", { ...measured, unit: "px" }, bound, {
    value: 0.29662000000000005,
    where: "Section 5.5",
  }, "a note");
  assertEquals(evidenceOf({ ...stated, ...judge(stated) }), {
    Measured: "0.62 px [0.51, 0.71], n = 1,200 scenes",
    Needed: "between \u22120.20 px, n = 3 (raw) and no finite number (direct)",
    Paper: "0.29662 px (Section 5.5)",
    Note: "a note",
  });
  assertEquals(evidence({ value: NaN, low: 1, high: 2, n: 3 }, above(-0.25)), {
    Measured: "no finite number",
    Needed: "above \u22120.25",
    Paper: "no number",
  });
});

Deno.test("evidenceOf shows as many digits as the verdict needs", () => {
  const seen = (measured: Quantity, bound: Bound) => {
    const { Measured, Needed } = evidence(measured, bound);
    return `${Measured} ${Needed}`;
  };
  assertEquals(seen({ value: 0.2504 }, above(0.25)), "0.2504 above 0.25");
  assertEquals(
    seen({ value: 0.04, decimals: 1 }, above(0.04)),
    "0.04 above 0.04",
  );
  assertEquals(
    seen({ value: 0.71, decimals: 1 }, below(named("x", { value: 0.7101 }))),
    "0.7100 below 0.7101 (x)",
  );
  assertEquals(
    seen({ value: 0.62, low: 0.24996, high: 1, decimals: 2 }, above(0.25)),
    "0.62000 [0.24996, 1.00000] above 0.25",
  );
  assertEquals(
    seen({ value: 3e-20, low: 1e-20, high: 5e-20 }, above(0)),
    "3.00e\u221220 [1.00e\u221220, 5.00e\u221220] above 0",
  );
  assertEquals(
    seen({ value: 1234567 }, above(1234566)),
    "1,234,567 above 1234566",
  );
});
