import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import type { LabWindow } from "../../core/lab/data.ts";
import {
  consecutiveWindows,
  type JumpMotion,
  jumpSets,
  minedWindows,
} from "../../core/lab/jump_motion.ts";
import {
  jumpGap,
  jumpMeasure,
  type JumpRow,
  windowGap,
} from "../../core/lab/jump_results.ts";
import { equalCostSamples } from "../../core/lab/jump_run.ts";
import {
  jumpBars,
  jumpFile,
  jumpTable,
  linkFigure,
  linkTable,
  setTitle,
} from "../../core/lab/jump_tables.ts";

function window(scene: string, start: number, row: number): LabWindow {
  return { id: `${scene}:${start}`, scene, start, row };
}

/** Motion with a given low-frequency change and displacements. */
function motion(low: number, ...dx: number[]): JumpMotion {
  return {
    low,
    high: 2 * low,
    innerLow: 3 * low,
    innerHigh: 4 * low,
    shifts: dx.map((dx) => ({ dx, dy: 0 })),
  };
}

const scenes = ["a", "a", "b"];
const real = [motion(1, 2, 2), motion(4, 1, -1), motion(2, 0, 0)];
const row: JumpRow = {
  ...{ name: "jump", title: "Jumps", scenes, real },
  own: [motion(0.5, 1, 1), motion(1, -1, 0), motion(2, 3, 0)],
};

Deno.test("consecutiveWindows are 24 of the first scene and 6 of the second; minedWindows change most", () => {
  const windows = ["a", "b", "c"].flatMap((scene, s) =>
    Array.from({ length: 36 }, (_, i) => window(scene, i, 40 * s + i))
  );
  const some = consecutiveWindows(windows);
  assertEquals(some.map(({ row }) => row), [
    ...Array.from({ length: 24 }, (_, i) => i),
    ...Array.from({ length: 6 }, (_, i) => 40 + i),
  ]);
  // The latent of a row is its square: later rows change more.
  const latents = {
    frames: 120,
    size: 1,
    read: (start: number) => Float32Array.of((start % 40) ** 2),
  };
  const mined = minedWindows({ windows, latents } as never, 4);
  assertEquals(mined.length, 30);
  assert(
    mined.every(({ start }) => start >= 26),
    mined.map((w) => w.id).join(),
  );

  const sets = jumpSets(windows, [...some, ...mined], 30);
  assertEquals(sets.map(({ windows }) => windows.length), [30, 30, 3, 108]);
  assertEquals(sets[1]!.windows[0], 30);
});

Deno.test("jumpMeasure follows both protocols by hand", () => {
  const value = (measure: Parameters<typeof jumpMeasure>[1]) =>
    jumpMeasure(row, measure, 0).value!;
  assertAlmostEquals(value("low"), (0.5 + 0.25 + 1) / 3, 1e-6);
  assertAlmostEquals(value("innerLow"), 3.5 / 7, 1e-9);
  assertAlmostEquals(value("innerHigh"), 3.5 / 7, 1e-9);
  // Cosines: 1; -1 of the one pair that moves; none.
  assertAlmostEquals(value("direction"), 0, 1e-9);
  // The window without real displacement is left out: 1/2, 0.5/1.
  assertAlmostEquals(value("displacement"), 0.5, 1e-6);
  const still = { ...row, real: real.map(() => motion(1, 0, 0)) };
  assertEquals(jumpMeasure(still, "displacement", 0).value, null);
  const { low, high, n } = jumpMeasure(row, "low", 0);
  assert(low! <= value("low") && value("low") <= high!);
  assertEquals(n, 3);
});

Deno.test("jumpGap and windowGap are paired, and refuse what is not", () => {
  const gap = jumpGap(row, row, "low", 0, 0.95);
  assertEquals([gap.value, gap.low, gap.high], [0, 0, 0]);
  const other = { ...row, scenes: ["a", "b", "b"] };
  assertThrows(() => jumpGap(row, other, "low", 0, 0.95), RangeError, "pair");
  const windows = windowGap([3, 4, 5], [1, 2, 3], scenes, 0, 0.99);
  assertEquals([windows.value, windows.low, windows.high], [2, 2, 2]);
  assertThrows(
    () => windowGap([1], [1, 2], ["a"], 0, 0.95),
    RangeError,
    "Cannot pair 1 with 2 values of 1 scenes",
  );
});

Deno.test("equalCostSamples counts forward passes: three of a step, one for each jump before the anchor", () => {
  const samples = equalCostSamples({ jumpSamples: 64_000, jumpLinks: 4 });
  assertEquals(samples * (3 + 3), 64_000 * 3);
});

Deno.test("tables, figures and files of jumps are made of plain numbers", () => {
  const published = { low: { published: { jump: 1.02 }, where: "Abstract" } };
  const table = jumpTable("All", [row], published, 0);
  assertEquals(table.columns[0]!.published, { jump: 1.02 });
  assertEquals(
    Object.keys(table.rows[0]!.cells),
    table.columns.map(({ name }) => name),
  );
  assertEquals(
    setTitle("consecutive", scenes),
    "The published 30 windows: 3 of 2 scenes",
  );
  const { svg } = jumpBars({ All: [row] }, "low", { All: { jump: 1.02 } }, 0);
  assert(svg.includes("Jumps"));
  const score = (value: number) => ({ value, n: 3 });
  const links = [1, 2].map((k) => [{
    jump: { kid: score(0.1 * k), fid: { ...score(9), low: 8, high: 10 } },
  }]);
  const chain = linkTable({ jump: "Jumps" }, links, [3, 7], { kid: "KID" });
  assertEquals(chain.columns.map(({ name }) => name), ["kid-4", "kid-8"]);
  assertEquals(chain.rows[0]!.cells["kid-8"], { value: 0.2, n: 3 });
  const figure = linkFigure({ jump: "Jumps" }, links, [3, 7], "fid", "FID");
  assert(figure.svg.includes("FID"));
  const list = [window("a", 0, 0), window("a", 1, 1), window("b", 0, 2)];
  const csv = new TextDecoder().decode(jumpFile([row], list).bytes);
  assertEquals(csv.trim().split(/\r?\n/).length, 4);
});
