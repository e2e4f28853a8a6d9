import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { gapOver, ratioInterval } from "../../core/lab/gaps.ts";
import type { Columns } from "../../core/lab/columns.ts";
import { WINDOW_METRICS } from "../../core/lab/metrics.ts";
import { kid } from "../../core/metrics/kid.ts";
import { standardDeviation } from "../../core/metrics/statistics.ts";
import { key } from "../../core/tensor/philox.ts";

const N = 40;
const WIDTH = 4;

function noise(name: string, count: number, scale = 1): Float32Array {
  const stream = key(name, 0);
  return Float32Array.from(
    { length: count },
    (_, i) => scale * stream.normal(i),
  );
}

/** Windows whose CosSim and features are of a size and a seed. */
function columnsOf(cosSim: Float32Array, shift: number): Columns {
  const features = (by: number) =>
    Float32Array.from(noise("features", N * WIDTH), (x) => x + by);
  return {
    windows: Array.from({ length: N }, (_, i) => ({
      id: `${i}`,
      scene: `scene ${i}`,
      start: 0,
      row: i,
    })),
    measured: {
      camera: { features: noise("camera", N * WIDTH) as never, numbers: {} },
      decoded: { features: features(0) as never, numbers: {} },
      raw: { features: features(shift) as never, numbers: { cosSim } },
    },
    metrics: WINDOW_METRICS,
    csv: "",
    safetensors: "",
    digest: "",
  };
}

Deno.test("gapOver pairs windows: what they share does not widen the interval", () => {
  const shared = noise("shared", N, 0.2);
  const own = noise("own", N, 0.01);
  const before = columnsOf(shared, 1);
  const after = columnsOf(shared.map((x, i) => x + 0.03 + own[i]!), 0.5);
  const gap = gapOver([before], [after], "raw", "cosSim");
  // The normal approximation of the paired difference.
  const half = 1.96 * standardDeviation(own) / Math.sqrt(N);
  assertAlmostEquals(gap.high - gap.low, 2 * half, 0.3 * half);
  assert(gap.low > 0 && gap.low < gap.value && gap.value < gap.high);
  assertEquals(gap.n, N);
  const back = gapOver([after], [before], "raw", "cosSim");
  assertAlmostEquals(back.value, -gap.value, 1e-12);
  assertAlmostEquals(back.low, -gap.high, 1e-12);
});

Deno.test("gapOver of KID is the difference of the estimates of all windows, above zero where KID falls", () => {
  const none = noise("none", N);
  const [far, near] = [columnsOf(none, 1), columnsOf(none, 0.5)];
  const whole = ({ measured }: Columns) =>
    kid(
      { data: measured.camera!.features, width: WIDTH },
      { data: measured.raw!.features, width: WIDTH },
      { subsets: 1, subsetSize: N },
    ).value;
  const gap = gapOver([far], [near], "raw", "kid");
  assertAlmostEquals(gap.value, whole(far) - whole(near), 1e-9);
  assert(gap.low > 0 && gap.low < gap.value && gap.value < gap.high);
});

Deno.test("gapOver widens where seeds differ, and averages them", () => {
  const shared = noise("shared", N, 0.2);
  const gains = [0.05, -0.03, 0.01];
  const before = gains.map(() => columnsOf(shared, 1));
  const after = gains
    .map((gain) => columnsOf(shared.map((x) => x + gain), 1));
  const gap = gapOver(before, after, "raw", "cosSim");
  assertAlmostEquals(gap.value, 0.01, 1e-6);
  gap.seeds.forEach((x, i) => assertAlmostEquals(x, gains[i]!, 1e-6));
  // All three resampled seeds are the first, or the second: 1 in 27 each.
  assertAlmostEquals(gap.low, -0.03, 1e-6);
  assertAlmostEquals(gap.high, 0.05, 1e-6);
  const one = gapOver(before.slice(1), after.slice(1), "raw", "kid");
  assertEquals([one.value, one.low, one.high], [0, 0, 0]);
});

Deno.test("gapOver compares fractions of real latents by their distance from 1, and widens with its level", () => {
  const real = noise("real", N, 0.1).map((x) => 1 + x);
  const energyOf = (scale: number): Columns => {
    const columns = columnsOf(noise("shared", N), 0);
    const { raw, decoded } = columns.measured;
    return {
      ...columns,
      measured: {
        ...columns.measured,
        raw: { ...raw!, numbers: { energy: real.map((x) => scale * x) } },
        decoded: { ...decoded!, numbers: { energy: real } },
      },
    };
  };
  // Of proportional windows every resample has the same fraction.
  const { value, low, high } = ratioInterval(energyOf(2), "raw", "energy");
  for (const number of [value, low!, high!]) {
    assertAlmostEquals(number, 2, 1e-6);
  }
  for (const [before, after, gain] of [[2, 1.25, 0.75], [0.5, 1.25, 0.25]]) {
    const gap = gapOver(
      [energyOf(before!)],
      [energyOf(after!)],
      "raw",
      "energy",
    );
    assertAlmostEquals(gap.value, gain!, 1e-6);
  }
  const [less, more] = [
    columnsOf(noise("a", N), 0),
    columnsOf(noise("b", N), 0),
  ];
  const at = (level: number) => gapOver([less], [more], "raw", "cosSim", level);
  assert(at(0.99).low < at(0.95).low && at(0.99).high > at(0.95).high);
});
