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
});

/** SSIM by its definition: weights of whole windows, summed one by one. */
function windowed(
  a: Float64Array,
  b: Float64Array,
  [height, width]: readonly [number, number],
  margin: number,
): number {
  const mirror = (i: number, size: number) =>
    i < 0 ? -i : i >= size ? 2 * size - 2 - i : i;
  let [total, count] = [0, 0];
  for (let y = margin; y < height - margin; y++) {
    for (let x = margin; x < width - margin; x++) {
      const window: [weight: number, p: number, q: number][] = [];
      for (let dy = -5; dy <= 5; dy++) {
        for (let dx = -5; dx <= 5; dx++) {
          const at = mirror(y + dy, height) * width + mirror(x + dx, width);
          const weight = Math.exp(-(dx * dx + dy * dy) / (2 * 1.5 ** 2));
          window.push([weight, a[at]!, b[at]!]);
        }
      }
      const mass = window.reduce((sum, [weight]) => sum + weight, 0);
      const average = (f: (p: number, q: number) => number) =>
        window.reduce((sum, [weight, p, q]) => sum + weight * f(p, q), 0) /
        mass;
      const [mp, mq] = [average((p) => p), average((_, q) => q)];
      const vp = average((p) => (p - mp) ** 2);
      const vq = average((_, q) => (q - mq) ** 2);
      const cov = average((p, q) => (p - mp) * (q - mq));
      total += (2 * mp * mq + 1e-4) * (2 * cov + 9e-4) /
        ((mp ** 2 + mq ** 2 + 1e-4) * (vp + vq + 9e-4));
      count++;
    }
  }
  return total / count;
}

Deno.test("ssim counts all positions, and only whole windows with crop", () => {
  const layout = { height: 16, width: 16, channels: 1, dataRange: 1 };
  const flat = new Float64Array(256);
  const corner = flat.with(0, 1);
  // As torchmetrics 1.4.2 and 1.4.1.
  assertAlmostEquals(ssim(flat, corner, layout), 0.9203757, 5e-8);
  const cropped = ssim(flat, corner, { ...layout, crop: true });
  assertAlmostEquals(cropped, 0.9999674, 5e-8);

  const stream = key("windows", 0);
  for (const [height, width] of [[6, 6], [6, 13], [11, 7], [14, 11]] as const) {
    const a = Float64Array.from(
      { length: height * width },
      (_, i) => stream.uniform(i),
    );
    const b = a.map((value, i) => value + 0.3 * stream.normal(i));
    const options = { height, width, channels: 1, dataRange: 1 };
    const size = [height, width] as const;
    assertAlmostEquals(ssim(a, b, options), windowed(a, b, size, 0), 1e-12);
    if (Math.min(...size) < 11) continue;
    const inside = ssim(a, b, { ...options, crop: true });
    assertAlmostEquals(inside, windowed(a, b, size, 5), 1e-12);
  }
});

Deno.test("ssim refuses images that are smaller than half a window, or a window with crop", () => {
  const small = { height: 5, width: 20, channels: 2, dataRange: 1 };
  const tiny = new Float64Array(200);
  assertThrows(() => ssim(tiny, tiny, small), RangeError, "at least 6 pixels");
  assertThrows(
    () => ssim(tiny, tiny, { ...small, height: 10, channels: 1, crop: true }),
    RangeError,
    "SSIM of 10x20 images: both sides must be at least 11 pixels",
  );
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
