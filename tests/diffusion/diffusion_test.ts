import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import { blend } from "../../core/diffusion/blend.ts";
import {
  calibrate,
  channelStatistics,
} from "../../core/diffusion/calibration.ts";
import { ddimSample } from "../../core/diffusion/ddim.ts";
import { guide } from "../../core/diffusion/guidance.ts";
import { CosineNoiseSchedule } from "../../core/diffusion/noise_schedule.ts";
import {
  cleanOf,
  diffuse,
  noiseLevel,
  trainingTarget,
} from "../../core/diffusion/objective.ts";
import { mul } from "../../core/ops/pointwise.ts";
import { key } from "../../core/tensor/philox.ts";
import { normal } from "../../core/tensor/random.ts";
import { testGpu } from "../support/gpu.ts";

Deno.test("CosineNoiseSchedule has the published values", () => {
  const { alphaBar } = new CosineNoiseSchedule();
  assertEquals(alphaBar[0], 1);
  const wanted: [number, number, number][] = [
    [20, 0.9982525, 1e-7],
    [100, 0.9720928, 1e-7],
    [250, 0.8470122, 1e-7],
    [500, 0.4938436, 1e-7],
    [750, 0.1442721, 1e-7],
    [900, 0.0240917, 1e-7],
    [960, 0.0038810, 1e-7],
    [980, 0.000971193, 1e-9],
    [999, 2.4288e-6, 1e-10],
  ];
  for (const [t, value, tolerance] of wanted) {
    assertAlmostEquals(alphaBar[t]!, value, tolerance);
  }
});

Deno.test("CosineNoiseSchedule visits multiples of the stride, 0 last, and refuses other counts", () => {
  const schedule = new CosineNoiseSchedule();
  const steps = schedule.timesteps(50);
  assertEquals([steps[0], steps[1], steps.at(-1), steps.length], [
    980,
    960,
    0,
    50,
  ]);
  assertEquals(schedule.timesteps(4, "even"), [990, 750, 500, 250]);
  const even = schedule.timesteps(20, "even");
  assertEquals([even[0], even[1], even.at(-1)], [990, 950, 50]);
  assertEquals(schedule.timesteps(1, "even"), [990]);
  assertThrows(() => schedule.timesteps(100, "even"), RangeError, "below 100");
  assertThrows(() => schedule.timesteps(30), RangeError, "a divisor of 1000");
  assertThrows(() => schedule.factors(1000), RangeError, "from 0 to 999");
});

Deno.test("ddimSample follows the float64 recursion of its definition", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const schedule = new CosineNoiseSchedule();
  for (const steps of [10, 50]) {
    const noise = normal(gpu, [2, 3, 4], key("noise", steps));
    const start = await noise.read();
    // A predictor that shrinks towards the answer, differently at each step.
    const rate = (t: number) => 0.9 - t / 2000;
    const y = await ddimSample(noise, (x, t) => mul(x, rate(t)), schedule, {
      steps,
    }).read();
    const times = schedule.timesteps(steps);
    start.forEach((value, i) => {
      let x = value;
      times.forEach((t, k) => {
        const now = schedule.alphaBar[t]!;
        const then = k + 1 < times.length
          ? schedule.alphaBar[times[k + 1]!]!
          : 1;
        const clean = x * rate(t);
        const e = (x - Math.sqrt(now) * clean) / Math.sqrt(1 - now + 1e-8);
        x = Math.sqrt(then) * clean + Math.sqrt(1 - then) * e;
      });
      assertAlmostEquals(y[i]!, x, 2e-5 * (1 + Math.abs(x)));
    });
  }
});

Deno.test("ddimSample with a predictor that knows the answer gives it", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const answer = normal(gpu, [1, 4, 4], key("answer", 0));
  const noise = normal(gpu, [1, 4, 4], key("noise", 0));
  const before = gpu.memory().live;
  const y = ddimSample(noise, () => mul(answer, 1), new CosineNoiseSchedule());
  assertEquals(gpu.memory().live, before + 1, "only the sample is kept");
  assertEquals([...await y.read()], [...await answer.read()]);
});

Deno.test("guide is linear in its scale: 1 gives the conditional, 0 the other", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const [a, b] = [normal(gpu, [8], key("a", 0)), normal(gpu, [8], key("b", 0))];
  const [x, y] = [await a.read(), await b.read()];
  for (const scale of [0, 1, 2]) {
    const out = await guide(a, b, scale).read();
    out.forEach((value, i) =>
      assertAlmostEquals(value, y[i]! + scale * (x[i]! - y[i]!), 1e-5)
    );
  }
});

Deno.test("cleanOf undoes trainingTarget for every objective", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const schedule = new CosineNoiseSchedule();
  const [x0, eps] = [
    normal(gpu, [2, 3, 4], key("x0", 0)),
    normal(gpu, [2, 3, 4], key("eps", 0)),
  ];
  const wanted = await x0.read();
  for (const t of [20, 500, 900]) {
    const level = noiseLevel(x0, schedule, [t, t]);
    const x = diffuse(x0, eps, level);
    const { signal, noise } = schedule.factors(t);
    for (const objective of ["x0", "epsilon", "v"] as const) {
      const target = trainingTarget(objective, x0, eps, level);
      const clean = await cleanOf(objective, target, x, signal, noise).read();
      clean.forEach((value, i) => assertAlmostEquals(value, wanted[i]!, 2e-5));
    }
  }
});

Deno.test("calibrate gives samples the target's channel statistics", () => {
  const stream = key("latents", 0);
  const draw = (offset: number, scale: number) =>
    Float32Array.from(
      { length: 6 * 4 * 9 },
      (_, i) => offset + scale * (1 + i % 4) * stream.normal(i),
    );
  const [samples, real] = [draw(0.5, 2), draw(-0.2, 0.8)];
  const [p, t] = [samples, real].map((x) => channelStatistics([x], 4, 9)) as [
    ReturnType<typeof channelStatistics>,
    ReturnType<typeof channelStatistics>,
  ];
  const after = channelStatistics([calibrate(samples, p, t, 9)], 4, 9);
  for (let c = 0; c < 4; c++) {
    assertAlmostEquals(after.mean[c]!, t.mean[c]!, 1e-5);
    assertAlmostEquals(after.std[c]!, t.std[c]!, 1e-5);
  }
  samples[5] = NaN;
  assertThrows(
    () => channelStatistics([samples], 4, 9),
    RangeError,
    "not finite",
  );
});

Deno.test("channelStatistics of batches are those of the whole, bit for bit", () => {
  const stream = key("latents", 1);
  const whole = Float32Array.from(
    { length: 7 * 4 * 9 },
    (_, i) => 3 + stream.normal(i),
  );
  const cut = [0, 2, 3, 7].map((n) => n * 36);
  const batches = cut.slice(1).map((end, i) => whole.subarray(cut[i], end));
  assertEquals(
    channelStatistics(batches, 4, 9),
    channelStatistics([whole], 4, 9),
  );
  assertThrows(() => channelStatistics([], 4, 9), RangeError, "at least 2");
  assertThrows(
    () => channelStatistics([whole.subarray(1)], 4, 9),
    RangeError,
    "whole samples of 4 channels",
  );
});

Deno.test("blend mixes by its share and refuses other lengths", () => {
  assertEquals([...blend(Float32Array.of(1, 3), Float32Array.of(3, 5))], [
    2,
    4,
  ]);
  assert(blend(Float32Array.of(1), Float32Array.of(3), 1)[0] === 1);
  assertThrows(
    () => blend(new Float32Array(2), new Float32Array(3)),
    RangeError,
  );
});
