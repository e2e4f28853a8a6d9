import { assertEquals, assertThrows } from "@std/assert";
import { rope, ropeTurns } from "../../core/ops/rope.ts";
import { tensor } from "../../core/tensor/create.ts";
import { at, build64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";
import { testGpu } from "../support/gpu.ts";

for (const pairing of ["neighbours", "halves"] as const) {
  const positions = [[0, 1, 2, 5, 7], [3, 0, 1, 1, 9]];
  checkOp(`rope over ${pairing}`, {
    run: (x) => rope(x, { positions, features: [4, 2], pairing }),
    oracle: (x) => {
      const d = x.shape[3]!;
      const angles = (t: number) => [
        positions[0]![t]!,
        positions[0]![t]! * 10_000 ** (-2 / 4),
        positions[1]![t]!,
        0,
      ];
      return build64(x.shape, ([b = 0, t = 0, h = 0, i = 0]) => {
        const pair = pairing === "halves" ? i % (d / 2) : Math.floor(i / 2);
        const first = pairing === "halves" ? pair : 2 * pair;
        const second = pairing === "halves" ? pair + d / 2 : first + 1;
        const angle = angles(t)[pair]!;
        const a = at(x, [b, t, h, first]);
        const c = at(x, [b, t, h, second]);
        return i === first
          ? a * Math.cos(angle) - c * Math.sin(angle)
          : c * Math.cos(angle) + a * Math.sin(angle);
      }).data;
    },
    cases: { "turns pairs of two axes": { shapes: [[2, 5, 3, 8]] } },
    tolerance: 5e-6,
  });
}

const TILED = {
  positions: [[0, 1, 7], [3, 0, 2]],
  features: [6, 4],
  frequencies: "tiled",
} as const;

checkOp("rope with tiled frequencies", {
  run: (x) => rope(x, TILED),
  oracle: (x) =>
    build64(x.shape, ([b = 0, t = 0, h = 0, i = 0]) => {
      // V-JEPA 2's own words: tile the angles, turn neighbours by a quarter.
      const [start, f, axis] = i < 6 ? [0, 6, 0] : [6, 4, 1];
      if (i >= 10) return at(x, [b, t, h, i]);
      const frequency = 10_000 ** (-2 * ((i - start) % (f / 2)) / f);
      const angle = TILED.positions[axis]![t]! * frequency;
      const quarter = i % 2 === 0
        ? -at(x, [b, t, h, i + 1])
        : at(x, [b, t, h, i - 1]);
      return at(x, [b, t, h, i]) * Math.cos(angle) + quarter * Math.sin(angle);
    }).data,
  cases: { "turns a pair by two angles": { shapes: [[2, 3, 2, 14]] } },
  tolerance: 5e-6,
  special: "spreads", // a pair that is left as it is turns by 0
});

Deno.test("rope takes turns that were made before, and refuses others", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const values = Float32Array.from({ length: 84 }, (_, i) => Math.sin(i));
  const x = tensor(gpu, values, [1, 3, 2, 14]);
  const turns = ropeTurns(gpu, 3, 14, TILED);
  assertEquals(await rope(x, turns).read(), await rope(x, TILED).read());
  assertThrows(
    () => rope(x, ropeTurns(gpu, 3, 12, TILED)),
    RangeError,
    "(3, 6, 4)",
  );
  assertThrows(
    () => rope(x, { ...TILED, pairing: "halves" }),
    RangeError,
    "tiled",
  );
});
