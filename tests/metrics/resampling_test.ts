import { assert, assertEquals, assertThrows } from "@std/assert";
import { kid, kidInterval } from "../../core/metrics/kid.ts";
import { ssim } from "../../core/metrics/ssim.ts";
import {
  bootstrapInterval,
  mean,
  percentile,
  percentileInterval,
  sceneMeans,
} from "../../core/metrics/statistics.ts";
import { key } from "../../core/tensor/philox.ts";

function draw(name: string, n: number, width: number) {
  const stream = key(name, 0);
  const data = Float64Array.from(
    { length: n * width },
    (_, i) => stream.normal(i),
  );
  return { data, width };
}

const middle = ({ low, high }: { low: number; high: number }) =>
  (low + high) / 2;

Deno.test("kidInterval is not shifted by images that are drawn twice", () => {
  // In few dimensions the diagonal of the kernel is far above the rest.
  const n = 40;
  const [a, b] = [draw("a", n, 4), draw("b", n, 4)];
  const scenes = Array.from({ length: n }, (_, i) => i);
  const interval = kidInterval(a, b, { real: scenes, fake: scenes });
  const { value } = kid(a, b, { subsets: 1, subsetSize: n });
  // With the copies kept, each set gains about (mean of diagonal - rest) / n.
  const diagonal = ({ data, width }: typeof a) =>
    mean(Array.from({ length: n }, (_, i) => {
      const row = data.subarray(i * width, (i + 1) * width);
      return (row.reduce((sum, x) => sum + x * x, 0) / width + 1) ** 3;
    }));
  const shift = (diagonal(a) + diagonal(b)) / n;
  assert(shift > 0.3, `${shift}`);
  assert(
    Math.abs(middle(interval) - value) < shift / 2,
    `${middle(interval)} ${value} ${shift}`,
  );
});

Deno.test("kidInterval draws sets without common scenes each on its own", () => {
  const [a, b] = [draw("a", 12, 3), draw("b", 9, 3)];
  const real = Array.from({ length: 12 }, (_, i) => `real ${i % 6}`);
  const fake = Array.from({ length: 9 }, (_, i) => `fake ${i % 3}`);
  const whole = kidInterval(a, b, { real, fake: fake.map(() => "one") });
  const { low, high } = kidInterval(a, b, { real, fake });
  assert(low < high && whole.low < whole.high);
  assertEquals(kidInterval(a, b, { real, fake }), { low, high, level: 0.95 });
  assertThrows(() => kidInterval(a, b, { real, fake: real }), RangeError);
});

Deno.test("kid depends on its seed alone and refuses subsets that are not counts", () => {
  const [a, b] = [draw("a", 30, 5), draw("b", 30, 5)];
  const options = { subsets: 4, subsetSize: 10 };
  assertEquals(kid(a, b, options), kid(a, b, { ...options, seed: 0 }));
  assert(kid(a, b, options).value !== kid(a, b, { ...options, seed: 1 }).value);
  for (const bad of [{ subsets: 0 }, { subsets: 1.5 }, { subsetSize: 1 }]) {
    assertThrows(() => kid(a, b, bad), RangeError, "Cannot compute KID");
  }
});

Deno.test("kid of float32 features is that of the same numbers in float64", () => {
  const [a, b] = [draw("a", 8, 5), draw("b", 8, 5)];
  const single = (x: typeof a) => ({ ...x, data: Float32Array.from(x.data) });
  const double = (x: typeof a) => ({
    ...x,
    data: Float64Array.from(single(x).data),
  });
  assertEquals(kid(single(a), single(b)), kid(double(a), double(b)));
});

Deno.test("bootstrapInterval takes any statistic of the values of whole groups", () => {
  const values = [1, 2, 30, 40, 500, 600];
  const groups = [7, 7, 8, 8, 9, 9];
  const seen = new Set<string>();
  const options = {
    groups,
    resamples: 300,
    statistic: (drawn: readonly number[]) => {
      seen.add([...drawn].sort((a, b) => a - b).join(" "));
      return Math.max(...drawn);
    },
  };
  const ends = (level: number) => {
    const { low, high } = bootstrapInterval(values, { ...options, level });
    return [low, high];
  };
  // The largest value is 2 in 1 of 27 draws, and at most 40 in 8 of 27.
  assertEquals(ends(0.98), [2, 600]);
  assertEquals(ends(0.8), [40, 600]);
  // Three draws of three groups, in any order: 10 outcomes.
  assertEquals(seen.size, 10);
  assert(seen.has("1 1 1 2 2 2"));
  const median = (drawn: readonly number[]) => percentile(drawn, 50);
  const flat = bootstrapInterval([5, 5, 5], { statistic: median });
  assertEquals([flat.low, flat.high], [5, 5]);
});

Deno.test("bootstrapInterval refuses other lengths, levels and no resamples", () => {
  assertThrows(() => bootstrapInterval([1, 2], { groups: [1] }), RangeError);
  assertThrows(
    () => bootstrapInterval([1, 2], { level: 1 }),
    RangeError,
    "level 1",
  );
  assertThrows(() => bootstrapInterval([1, 2], { resamples: 0 }), RangeError);
  assertThrows(() => bootstrapInterval([1, NaN]), RangeError, "value 1 is NaN");
  assertThrows(() => percentile([1], 101), RangeError, "from 0 to 100");
  assertThrows(() => sceneMeans([1, 2], ["a"]), RangeError, "given for 1");
});

Deno.test("percentileInterval cuts equal tails", () => {
  const values = Array.from({ length: 101 }, (_, i) => i);
  assertEquals(percentileInterval(values, 0.5), {
    low: 25,
    high: 75,
    level: 0.5,
  });
});

Deno.test("ssim refuses a data range of zero and values that are not finite", () => {
  const size = { height: 11, width: 11, channels: 1 };
  const flat = new Float64Array(121).fill(0.5);
  assertThrows(() => ssim(flat, flat, size), RangeError, "data range of 0");
  assertEquals(ssim(flat, flat, { ...size, dataRange: 1 }), 1);
  const broken = flat.with(60, NaN);
  assertThrows(
    () => ssim(flat, broken, { ...size, dataRange: 1 }),
    RangeError,
    "value 60 is NaN",
  );
});
