import { assert, assertEquals, assertThrows } from "@std/assert";
import { bracketPlot, type GroupedBar } from "../../core/report/plot.ts";

const bars: GroupedBar[] = ["first one", "second"].flatMap((label, i) =>
  ["Steering", "Acceleration"].map((series) => ({
    label,
    series,
    value: 0.1 + 0.1 * i,
    low: 0.08,
    high: 0.25,
    published: 0.12,
  }))
);

const options = { label: "RMSE", title: "Errors" };

Deno.test("bracketPlot draws each bar with its interval, and brackets with their words", () => {
  const plain = bracketPlot(bars, options);
  const svg = bracketPlot(bars, {
    ...options,
    brackets: [{ from: "first one", to: "second", text: "*** (d_z = 0.7)" }],
  });
  assertEquals(svg.match(/<rect /g)?.length, 4);
  assert(svg.includes("*** (d_z = 0.7)"));
  assert(svg.includes("Steering") && svg.includes("Acceleration"));
  assert(!plain.includes("d_z"));
  assertEquals(
    svg.match(/<path /g)!.length,
    plain.match(/<path /g)!.length + 1,
  );
});

Deno.test("bracketPlot refuses no bar, no number, and a bracket to nowhere", () => {
  assertThrows(() => bracketPlot([], options), RangeError, "at least one");
  assertThrows(
    () => bracketPlot([{ ...bars[0]!, high: NaN }], options),
    RangeError,
    "finite numbers",
  );
  assertThrows(
    () =>
      bracketPlot(bars, {
        ...options,
        brackets: [{ from: "second", to: "third", text: "" }],
      }),
    RangeError,
    'bracket to "third": the bars are first one, second',
  );
});
