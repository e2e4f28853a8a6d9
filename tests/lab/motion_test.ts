import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Interrupted } from "../../core/experiment/interrupt.ts";
import type { LabWindow } from "../../core/lab/data.ts";
import {
  type FrameMotion,
  leapFrames,
  linkFrames,
  motion,
  type WindowMotion,
  windowMotion,
} from "../../core/lab/motion.ts";
import {
  missed,
  motionGap,
  motionMean,
  motionMeanGap,
  motionNumbers,
  motionRatio,
  type MotionRow,
  motionSets,
} from "../../core/lab/motion_results.ts";
import { motionFutures } from "../../core/lab/motion_sources.ts";
import { motionFile, motionTable } from "../../core/lab/motion_tables.ts";
import { pairMotion } from "../../core/lab/motion_run.ts";
import { pairFuture } from "../../core/lab/pair.ts";
import { frequencyChange } from "../../core/metrics/motion.ts";
import { displacements, subpixelShift } from "../../core/metrics/shift.ts";
import { generatedImages } from "../support/generated_weights.ts";
import { tinyLab, writeTinyData } from "../support/lab.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

Deno.test("linkFrames and leapFrames are the published ones of 16, and fewer of short horizons", () => {
  assertEquals(linkFrames(16), [0, 4, 8, 12, 16]);
  assertEquals(leapFrames(16), [1, 5, 9, 13, 16]); // steps 0, 4, 8, 12, 15
  assertEquals(linkFrames(4), [0, 1, 2, 3, 4]);
  assertEquals(leapFrames(4), [1, 2, 3, 4]);
  assertEquals(linkFrames(2), [0, 1, 2]);
});

Deno.test("windowMotion looks at steps without the present, and at links from it", () => {
  const layout = { height: 16, width: 16, channels: 3 };
  const size = 16 * 16 * 3;
  const horizon = 8;
  const frames = generatedImages("window motion", (1 + horizon) * size);
  const { steps, links, leaps } = windowMotion(frames, layout);
  const pick = (list: readonly number[]) =>
    Float32Array.from(
      list.flatMap((k) => [...frames.subarray(k * size, (k + 1) * size)]),
    );
  const later = pick([1, 2, 3, 4, 5, 6, 7, 8]);
  const linked = pick([0, 2, 4, 6, 8]);
  for (const [got, wanted] of [[steps, later], [links, linked]] as const) {
    const { low, high, total } = frequencyChange(wanted, layout);
    const numbers = [got.low - low, got.high - high, got.total - total];
    for (const error of numbers) assert(Math.abs(error) < 1e-12);
    assertEquals(got.shifts, displacements(wanted, layout));
    assertEquals(got.subpixel, displacements(wanted, layout, subpixelShift));
  }
  const { total } = frequencyChange(pick([1, 3, 5, 7, 8]), layout);
  assert(Math.abs(leaps - total) < 1e-12);
});

function windowsOf(...scenes: string[]): LabWindow[] {
  return scenes.map((scene, i) => ({
    id: `${scene}:${i}`,
    scene,
    start: i,
    row: i,
  }));
}

function moving(low: number, dx = 1): WindowMotion {
  const frames: FrameMotion = {
    low,
    high: 2 * low,
    total: 3 * low,
    shifts: [{ dx, dy: 0 }, { dx: 0, dy: 0 }],
    subpixel: [{ dx: dx / 2, dy: 0 }],
  };
  return { steps: frames, links: frames, leaps: low, residual: low };
}

Deno.test("motionSets names the published sets, and takes the quarter that moves most", () => {
  const test = windowsOf("a", "a", "b", "b", "c", "c", "d", "d");
  const real = [1, 9, 3, 8, 2, 7, 6, 5].map((low) => moving(low));
  const sets = motionSets(test, windowsOf("a", "a", "b"), real);
  assertEquals(sets.map(({ name, windows }) => [name, ...windows]), [
    ["first40", 0, 2, 4, 6],
    ["fast40", 6],
    ["all", 0, 1, 2, 3, 4, 5, 6, 7],
    ["fast", 1, 3],
    ["first30", 0, 2, 4, 6],
    ["consecutive30", 0, 1, 2],
  ]);
  assert(sets[1]!.title.endsWith("1 window of 1 scene"));
  assert(sets[5]!.title.endsWith("3 windows of 2 scenes"));
});

/** A row of numbers that are all the same measure. */
function rowOf(own: number[], real: number[]): MotionRow {
  const all = (list: readonly number[]) =>
    new Proxy({}, { get: () => list }) as MotionRow["own"];
  return {
    name: "x",
    title: "X",
    scenes: own.map((_, i) => `scene-${i % 3}`),
    own: all(own),
    real: all(real),
  };
}

Deno.test("motionRatio averages by either protocol, and leaves still windows out of one", () => {
  const row = rowOf([1, 1, 3, 0], [2, 4, 2, 0]);
  const means = motionRatio(row, "low", "ratio of means", 0);
  assertEquals([means.value, means.n], [5 / 8, 4]);
  const ratios = motionRatio(row, "low", "mean of ratios", 0);
  assert(Math.abs(ratios.value! - (0.5 + 0.25 + 1.5) / 3) < 1e-8);
  assertEquals(ratios.n, 3);
  assert(means.low! <= means.value! && means.value! <= means.high!);
  const still = motionRatio(rowOf([1], [0]), "low", "ratio of means", 0);
  assertEquals(still, { value: null, n: 1, of: "windows", decimals: 3 });
  assertEquals(motionMean(row, "residual", 0).value, 5 / 4);
});

Deno.test("motionGap pairs windows: none where both are equal, whatever scenes are drawn", () => {
  const real = [2, 4, 2, 1, 5, 3];
  const [one, other] = [rowOf([1, 2, 1, 3, 2, 2], real), rowOf(real, real)];
  const low = [one, "low", "ratio of means"] as const;
  const same = motionGap(low, low, 0, 0.95);
  assertEquals([same.value, same.low, same.high], [0, 0, 0]);
  const gap = motionGap(low, [other, "low", "ratio of means"], 0, 0.95);
  assert(Math.abs(gap.value! - (11 / 17 - 1)) < 1e-12);
  const nearer = motionGap(
    [other, "low", "ratio of means"],
    low,
    0,
    0.95,
    missed,
  );
  assert(Math.abs(nearer.value! - (0 - (1 - 11 / 17))) < 1e-12);
  const wide = motionGap(low, [other, "low", "ratio of means"], 0, 0.99);
  assert(wide.low! <= gap.low! && wide.high! >= gap.high!);
  const means = motionMeanGap(one, other, "low", 0, 0.95);
  assert(Math.abs(means.value! + 1) < 1e-12);
  assertThrows(
    () =>
      motionGap(
        low,
        [rowOf([1], [1]), ...["low", "ratio of means"] as const],
        0,
        0.95,
      ),
    RangeError,
    "6 with 1 windows",
  );
});

Deno.test("motionTable and motionFile hold every point, with the paper's numbers", () => {
  const [real, own] = [moving(2), moving(1, -1)];
  const numbers = motionNumbers(own, real);
  assertEquals(numbers.low, 1);
  assertEquals([numbers.shift, numbers.direction], [0.5, -1]);
  const windows = windowsOf("a", "b");
  const row: MotionRow = {
    ...rowOf([1, 1], [2, 2]),
    name: "direct",
  };
  const set = {
    name: "all",
    title: "All",
    part: "test",
    windows: [0, 1],
  } as const;
  const published = {
    low: { published: { direct: 0.564 }, where: "Figure 6" },
  };
  const table = motionTable(set, [row], published, 0);
  assertEquals(table.columns[0]!.published, { direct: 0.564 });
  assertEquals(table.rows[0]!.cells.low, {
    value: 0.5,
    low: 0.5,
    high: 0.5,
    n: 2,
  });
  const { bytes } = motionFile([{
    part: "test",
    windows,
    real: [real, real],
    points: { real: [[real, real]], direct: [[own, own]] },
  }]);
  const lines = new TextDecoder().decode(bytes).trim().split("\n");
  assertEquals(lines.length, 1 + 2 * 2);
  assert(lines[3]!.startsWith("test,direct,0,a:0,a,1,2,3,1,0.5,0.5,-1,-1,1,"));
});

Deno.test("motion of known points and of models is measured once, after an interruption, too", async () => {
  using folder = tinyFolder();
  await writeTinyData(folder.path);
  using opened = await tinyLab(folder.path);
  const { lab, begun } = opened;
  const { interrupt } = lab.context as unknown as {
    interrupt: { buffer: SharedArrayBuffer };
  };
  await lab.part("test");
  const state = new Int32Array(interrupt.buffer);
  Atomics.store(state, 0, 130);
  await assertRejects(() => motion(lab, { kind: "real" }, "test"), Interrupted);
  Atomics.store(state, 0, 0);
  const real = await motion(lab, { kind: "real" }, "test");
  begun.length = 0;
  assertEquals(await motion(lab, { kind: "real" }, "test"), real);
  assertEquals(begun, []);

  const copy = await motion(lab, { kind: "copy" }, "test");
  for (const { steps, links, leaps, residual } of copy) {
    assertEquals([steps.low, steps.high, links.total], [0, 0, 0]);
    assertEquals([leaps, residual], [0, 0]);
  }
  const camera = await motion(lab, { kind: "camera" }, "consecutive");
  // Two scenes of nine keyframes, horizon 4: five windows each.
  assertEquals(camera.length, 10);
  assert(camera.every(({ steps }) => Number.isFinite(steps.low)));

  const of = { recipe: "visible", seed: 0 } as const;
  const points = pairMotion([of], 2);
  const source = (name: string) =>
    points.find((one) => one.name === name)!.sources[0]!;
  begun.length = 0;
  using raw = await motionFutures(lab, source("raw"), "test");
  assert(begun.includes("train diffusion"));
  begun.length = 0;
  using pair = await pairFuture(lab, of, "raw");
  assertEquals(begun, [], "the frontier's samples are the same ones");
  assertEquals(raw.of(1), pair.whole(1));
  using calibrated = await motionFutures(lab, source("calibrated"), "test");
  assert(calibrated.of(1).some((x, i) => x !== raw.of(1)[i]));
  const measured = await motion(lab, source("direct"), "consecutive");
  assert(measured.every(({ residual }) => residual > 0));
});
