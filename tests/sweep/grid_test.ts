import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UsageError } from "../../core/experiment/flags.ts";
import {
  crossAxes,
  digestGrid,
  gridText,
  nameOf,
  parseAxis,
} from "../../core/sweep/grid.ts";

const axes = [parseAxis("seeds=0,1"), parseAxis("recipe=paper,visible")];
const words = (args: readonly string[]) => args.toSorted();

Deno.test("crossAxes makes one row, one task, one digest of each combination", () => {
  const rows = crossAxes(axes, ["--preset", "smoke"], words);
  assertEquals(rows.map(nameOf), [
    "seeds=0 recipe=paper",
    "seeds=0 recipe=visible",
    "seeds=1 recipe=paper",
    "seeds=1 recipe=visible",
  ]);
  assertEquals(rows[1]!.args, [
    ...["--preset", "smoke"],
    ...["--seeds=0", "--recipe=visible"],
  ]);
  assertEquals(new Set(rows.map(({ digest }) => digest)).size, 4);
  const lines = gridText(axes, rows, { state: ["a", "b", "c", "d"] })
    .split("\n");
  assertEquals(lines.length, 5);
  assertStringIncludes(lines[4]!, `3    ${rows[3]!.digest.slice(0, 12)}`);
});

Deno.test("digestGrid tells grids apart, and knows an equal one", () => {
  const rows = crossAxes(axes, [], words);
  const others = crossAxes(axes.toReversed(), [], words);
  assertEquals(digestGrid("exp:a", rows), digestGrid("exp:a", [...rows]));
  const digests = [
    digestGrid("exp:a", rows),
    digestGrid("exp:b", rows),
    digestGrid("exp:a", others),
  ];
  assertEquals(new Set(digests).size, 3);
});

Deno.test("crossAxes and parseAxis refuse what is no grid", () => {
  const cases: [() => unknown, string][] = [
    [() => parseAxis("seeds"), "it needs a parameter and its values"],
    [() => parseAxis("seeds=0,,1"), "it needs a parameter and its values"],
    [() => parseAxis("seeds=0,1,0"), "names 0 twice"],
    [() => crossAxes([], [], words), "needs --over"],
    [() => crossAxes([axes[0]!, axes[0]!], [], words), "over seeds twice"],
    [() => crossAxes(axes, [], () => 0), "rows 0 (seeds=0 recipe=paper) and 1"],
    [
      () =>
        crossAxes(
          ["a", "b"].map((name) => ({
            name,
            values: Array.from({ length: 400 }, (_, i) => `${i}`),
          })),
          [],
          words,
        ),
      "160000 rows",
    ],
  ];
  for (const [work, message] of cases) assertThrows(work, UsageError, message);
});
