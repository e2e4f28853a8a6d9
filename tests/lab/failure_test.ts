import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { FAILURE_METRICS } from "../../core/lab/failure_metrics.ts";
import { extreme, sampleGaps } from "../../core/lab/failure_results.ts";
import { neighbourWindows } from "../../core/lab/failure_samples.ts";
import {
  failureScores,
  joinSeeds,
  memoryScores,
} from "../../core/lab/failure_tables.ts";
import type { ScoredBatch } from "../../core/lab/metrics.ts";
import { key } from "../../core/tensor/philox.ts";

const SCENES = ["a", "a", "b", "c"];

Deno.test("neighbourWindows orders windows of other scenes by cosine, whatever their length", () => {
  const pooled = [[1, 0], [2, 0.1], [5, 5], [0.1, 0.05]]
    .map((list) => Float32Array.from(list));
  assertEquals(neighbourWindows(pooled, SCENES, 8)[0], [3, 2]);
  assertEquals(neighbourWindows(pooled, SCENES, 1)[2], [3]);
  assertEquals(neighbourWindows(pooled, ["a", "b", "c", "d"], 1)[0], [1]);
});

/** Moments of windows of one channel, and what else is measured. */
function moments(scale: number, shift: number) {
  const mean = [1, 2, 3, 4].map((x) => scale * x + shift);
  // The deviation within a window is `scale`.
  const square = mean.map((x) => x * x + scale * scale);
  const flat = (x: number) => SCENES.map(() => x);
  return {
    scenes: SCENES,
    numbers: {
      mean0: mean,
      square0: square,
      red: flat(10 * scale),
      green: flat(0),
      blue: flat(shift),
      sharpness: flat(scale),
      highFrequency: flat(scale * scale),
      energy: flat(scale),
    },
  };
}

Deno.test("failureScores gives offset, spread and ratios against what happened", () => {
  const points = joinSeeds([{ real: moments(1, 0), raw: moments(2, 3) }]);
  const scores = failureScores(points, "raw", 0);
  // Of what happened the mean is 2.5, the variance 1.25 between windows and 1.
  assertAlmostEquals(scores.offset0!.value!, 5.5 / Math.sqrt(2.25), 1e-12);
  assertAlmostEquals(scores.spread0!.value!, 2, 1e-12);
  assertEquals(scores.red!.value, 10);
  assertEquals(scores.blue!.value, 3);
  assertEquals(scores.highFrequency!.value, 4);
  assertEquals(scores.highFrequency!.n, 3);
  // The spread of a scaled copy is the scale in every resample.
  assertAlmostEquals(scores.spread0!.low!, 2, 1e-12);
  assertAlmostEquals(scores.spread0!.high!, 2, 1e-12);
  const some = { a: { value: -3, low: -4, high: -1 }, b: { value: 2 } };
  const largest = extreme(some, /./, "max");
  assertEquals(largest, { value: 3, low: 1, high: 4 });
  assertEquals(extreme(some, /./, "min"), { value: 2 });
});

Deno.test("memoryScores tells copies from held-out frames", () => {
  const scenes = Array.from({ length: 60 }, (_, i) => `scene-${i}`);
  const draw = (name: string, shift: number) =>
    scenes.map((_, i) => shift + key(name, 0).uniform(i));
  const point = (shift: number) => ({
    scenes,
    numbers: {
      latents: draw(`at ${shift}`, shift),
      latentsSeen: draw(`seen ${shift}`, shift),
      latentsUnseen: draw("unseen", 1),
    },
  });
  const points = { real: point(1), raw: point(1.5), control: point(0) };
  const held = memoryScores(points, "real", "latents", 0);
  assertEquals(held.closer!.value, 0.5);
  assertAlmostEquals(held.copied!.value!, 1 / 60, 1e-12);
  const control = memoryScores(points, "control", "latents", 0);
  assertEquals([control.closer!.value, control.copied!.value], [1, 1]);
  assertEquals(control.seen!.value, 1);
  const raw = memoryScores(points, "raw", "latents", 0);
  assert(raw.closer!.value! < 0.3);
  assert(raw.copied!.low === 0 && raw.copied!.high! > 0.01);
});

Deno.test("sampleGaps are of equal windows", () => {
  const of = (numbers: Record<string, number[]>) => ({
    scenes: SCENES,
    numbers,
  });
  const gaps = sampleGaps({
    raw: of({ cosSim: [0, 1, 2, 3], bestCosSim: [1, 2, 3, 4] }),
    calibrated: of({ diversity: [1, 2, 1, 2] }),
    direct: of({ cosSim: [3, 4, 5, 6] }),
    real: of({ diversity: [2, 4, 2, 4] }),
  }, 0);
  assertEquals(gaps.best.value, 1);
  assertAlmostEquals(gaps.direct.low!, 2, 1e-12);
  assertAlmostEquals(gaps.direct.high!, 2, 1e-12);
  assertEquals(gaps.diversity.value, 0.5);
});

Deno.test("FAILURE_METRICS measures colours in levels and no high frequency in a flat image", async () => {
  const side = 64; // where the blur has deviation 2
  const flat = Float32Array.from(
    { length: side * side * 3 },
    (_, i) => [0.2, 0.4, 0.6][i % 3]!,
  );
  const striped = flat.map((x, i) => Math.floor(i / 3) % 2 === 0 ? x : x + 0.2);
  const batch = {
    images: Float32Array.from([...flat, ...striped]),
    layout: { height: side, width: side, channels: 3 },
  } as unknown as ScoredBatch;
  const of = (name: string) =>
    FAILURE_METRICS.find((metric) => metric.name === name)!.of(batch);
  const [red, blue] = [await of("red"), await of("blue")];
  assertAlmostEquals(red[0]!, 51, 1e-3);
  assertAlmostEquals(red[1]!, 51 + 25.5, 1e-3);
  assertAlmostEquals(blue[0]!, 153, 1e-3);
  const high = await of("highFrequency");
  assertAlmostEquals(high[0]!, 0, 1e-10);
  // Stripes of one pixel, 0.1 to either side: all but nothing is left of them
  // by the blur, away from it they are 0.01.
  assert(high[1]! > 0.005 && high[1]! < 0.0101, `${high[1]}`);
});
