import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import {
  cosineSimilarity,
  deltaCosineSimilarity,
} from "../../core/metrics/cosine.ts";
import { sharpness } from "../../core/metrics/sharpness.ts";
import { ssim, ssimPerImage } from "../../core/metrics/ssim.ts";
import {
  bootstrapInterval,
  mean,
  percentile,
  sceneMeans,
  standardDeviation,
} from "../../core/metrics/statistics.ts";
import { key } from "../../core/tensor/philox.ts";

Deno.test("cosineSimilarity is the mean cosine of rows, not centred", () => {
  assertAlmostEquals(
    cosineSimilarity([1, 0, 3, 4], [1, 1, 6, 8], 2),
    (Math.SQRT1_2 + 1) / 2,
    1e-12,
  );
  assertEquals(cosineSimilarity([0, 0], [1, 1], 2), 0);
  assertThrows(() => cosineSimilarity([1, 2], [1], 2), RangeError);
});

Deno.test("deltaCosineSimilarity compares changes from the present", () => {
  const present = [1, 1];
  assertAlmostEquals(
    deltaCosineSimilarity([2, 1], [1, 2], present, 2),
    0,
    1e-12,
  );
  assertAlmostEquals(
    deltaCosineSimilarity([2, 2], [3, 3], present, 2),
    1,
    1e-12,
  );
});

const LAYOUT = { height: 16, width: 12, channels: 3 };
const AREA = 16 * 12 * 3;

Deno.test("ssim of constant images has its closed form", () => {
  const [p, q] = [0.3, 0.7];
  const c1 = 0.01 ** 2;
  const wanted = (2 * p * q + c1) / (p * p + q * q + c1);
  const value = ssim(
    new Float64Array(AREA).fill(p),
    new Float64Array(AREA).fill(q),
    { ...LAYOUT, dataRange: 1 },
  );
  assertAlmostEquals(value, wanted, 1e-9);
});

Deno.test("ssim is 1 for equal images and falls with noise", () => {
  const stream = key("image", 0);
  const a = Float64Array.from(
    { length: 2 * AREA },
    (_, i) => stream.uniform(i),
  );
  const b = a.map((x, i) => i < AREA ? x : x + 0.2 * stream.normal(i));
  const [same, noisy] = ssimPerImage(a, b, { ...LAYOUT, dataRange: 1 });
  assertAlmostEquals(same!, 1, 1e-12);
  assert(noisy! < 0.95);
  const small = { height: 10, width: 20, channels: 1 };
  const tiny = new Float64Array(200);
  assertThrows(() => ssim(tiny, tiny, small), RangeError, "at least 11 pixels");
});

Deno.test("sharpness is the variance of the Laplacian by definition", () => {
  // One bright pixel in the middle of 5x5: -4 there, 1 at four neighbours.
  const image = new Float64Array(25);
  image[12] = 1;
  const [value] = sharpness(image, { height: 5, width: 5, channels: 1 });
  assertAlmostEquals(value!, 20 / 24, 1e-12);
});

Deno.test("statistics agree with their definitions", () => {
  assertEquals(mean([1, 2, 6]), 3);
  assertAlmostEquals(standardDeviation([1, 2, 6]), Math.sqrt(7), 1e-12);
  assertEquals(percentile([4, 1, 3, 2], 25), 1.75);
  assertEquals([...sceneMeans([1, 3, 5], ["a", "a", "b"])], [["a", 2], [
    "b",
    5,
  ]]);
  assertThrows(() => mean([1, NaN]), RangeError, "value 1 is NaN");
});

Deno.test("bootstrapInterval has the width of the normal approximation, wider for scenes", () => {
  const stream = key("values", 1);
  const values = Array.from({ length: 400 }, (_, i) => stream.normal(i));
  const { low, high } = bootstrapInterval(values);
  const wanted = 2 * 1.96 * standardDeviation(values) / 20;
  assert(Math.abs((high - low) / wanted - 1) < 0.1, `${high - low} ${wanted}`);
  // Windows of a scene are copies: a tenth of the information is left.
  const copies = values.map((_, i) => values[Math.floor(i / 10)]!);
  const groups = copies.map((_, i) => String(Math.floor(i / 10)));
  const wide = bootstrapInterval(copies, { groups });
  assert(wide.high - wide.low > 2.5 * (high - low));
});
