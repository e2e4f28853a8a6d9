import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  changeMaps,
  frequencyChange,
  lowFrequencies,
  meanOfRatios,
  motionWindow,
  ratioOfMeans,
} from "../../core/metrics/motion.ts";
import { Fixture64 } from "../support/fixture64.ts";
import { generatedImages } from "../support/generated_weights.ts";

// PyTorch's padding and convolutions, by fixtures/torch/measures.py.
const fixture = await Fixture64.read("measures");

Deno.test("motionWindow is the published one at 256 pixels, and in proportion", () => {
  const at = (height: number, width: number) =>
    motionWindow({ height, width, channels: 3 });
  assertEquals(at(256, 256), { sigma: 8, radius: 15 });
  assertEquals(at(64, 64), { sigma: 2, radius: 4 });
  assertEquals(at(128, 300), { sigma: 4, radius: 8 });
  assertEquals(at(4, 4), { sigma: 0.125, radius: 1 });
});

for (
  const [name, n, height, width, channels] of [
    ["256", 3, 256, 256, 3],
    ["64", 3, 64, 64, 3],
    ["wide", 2, 40, 72, 1],
  ] as const
) {
  Deno.test(`frequencyChange agrees with PyTorch on ${height}x${width} frames`, () => {
    const size = n * height * width * channels;
    const frames = generatedImages(`motion ${name}`, size);
    const { low, high } = frequencyChange(frames, { height, width, channels });
    fixture.assertClose([low, high], `change.${name}`, 1e-12);
  });
}

Deno.test("frequencyChange gives a change of brightness to the low part alone", () => {
  const layout = { height: 8, width: 8, channels: 2 };
  const frames = Float64Array.from(
    { length: 3 * 128 },
    (_, i) => Math.sin(i % 128) + 0.25 * Math.floor(i / 128),
  );
  const { low, high } = frequencyChange(frames, layout);
  assert(Math.abs(low - 0.25) < 1e-14);
  assert(high < 1e-14);
});

/** The blur pixel by pixel, over both axes at once. */
function blurred(
  frame: ArrayLike<number>,
  [height, width, channels]: readonly [number, number, number],
  { sigma, radius }: { sigma: number; radius: number },
): Float64Array {
  const inside = (i: number, count: number) =>
    i < 0 ? -i : i < count ? i : 2 * (count - 1) - i;
  return Float64Array.from({ length: height * width * channels }, (_, k) => {
    const [c, x, y] = [
      k % channels,
      Math.floor(k / channels) % width,
      Math.floor(k / channels / width),
    ];
    let [sum, total] = [0, 0];
    for (let dy = -radius; dy <= radius; dy++) {
      for (let dx = -radius; dx <= radius; dx++) {
        const weight = Math.exp(-(dx ** 2 + dy ** 2) / (2 * sigma ** 2));
        const at = inside(y + dy, height) * width + inside(x + dx, width);
        sum += weight * frame[at * channels + c]!;
        total += weight;
      }
    }
    return sum / total;
  });
}

function assertClose(got: ArrayLike<number>, wanted: ArrayLike<number>) {
  assertEquals(got.length, wanted.length);
  for (let i = 0; i < wanted.length; i++) {
    assert(Math.abs(got[i]! - wanted[i]!) < 1e-12, `value ${i}`);
  }
}

Deno.test("lowFrequencies agrees with its definition, and frequencyChange's total with its", () => {
  const layout = { height: 9, width: 12, channels: 2 };
  const window = { sigma: 1.5, radius: 3 };
  const frames = generatedImages("motion definition", 2 * 9 * 12 * 2);
  const [a, b] = [frames.subarray(0, 216), frames.subarray(216)];
  const low = (frame: ArrayLike<number>) => blurred(frame, [9, 12, 2], window);
  assertClose(lowFrequencies(a, layout, window), low(a));
  const total = Math.sqrt(
    b.reduce((sum, x, i) => sum + (x - a[i]!) ** 2, 0) / 216,
  );
  const change = frequencyChange(frames, layout, window);
  assertClose([change.total], [total]);
  assertThrows(() => lowFrequencies(frames, layout), RangeError, "2 frames");
});

Deno.test("changeMaps parts the change of grey as the blur does", () => {
  const layout = { height: 16, width: 20, channels: 3 };
  const frames = generatedImages("motion maps", 2 * 960);
  const [a, b] = [frames.subarray(0, 960), frames.subarray(960)];
  const grey = (of: ArrayLike<number>) =>
    Float64Array.from(
      { length: 320 },
      (_, i) => (of[3 * i]! + of[3 * i + 1]! + of[3 * i + 2]!) / 3,
    );
  const window = motionWindow({ ...layout, channels: 1 });
  const [from, to] = [a, b].map(grey) as [Float64Array, Float64Array];
  const [lowA, lowB] = [from, to]
    .map((of) => blurred(of, [16, 20, 1], window)) as [
      Float64Array,
      Float64Array,
    ];
  const { low, high } = changeMaps(a, b, layout);
  assertClose(low, lowB.map((x, i) => Math.abs(x - lowA[i]!)));
  assertClose(
    high,
    to.map((x, i) => Math.abs(x - lowB[i]! - (from[i]! - lowA[i]!))),
  );
  assertThrows(
    () => changeMaps(a, frames, layout),
    RangeError,
    "frames of 960 and 1920",
  );
});

Deno.test("ratioOfMeans and meanOfRatios differ as the two protocols do", () => {
  const [values, truth] = [[1, 1], [0.5, 4]];
  assertEquals(ratioOfMeans(values, truth), 2 / 4.5);
  assert(Math.abs(meanOfRatios(values, truth) - 1.125) < 1e-8);
  assert(Math.abs(meanOfRatios([1], [0]) / 1e9 - 1) < 1e-12);
});

Deno.test("motion refuses one frame, small sides, NaN and other lengths", () => {
  const layout = { height: 6, width: 6, channels: 1 };
  assertThrows(
    () => frequencyChange(new Float64Array(36), layout),
    RangeError,
    "1 frame",
  );
  assertThrows(
    () =>
      frequencyChange(new Float64Array(72), layout, { sigma: 2, radius: 6 }),
    RangeError,
    "6x6 frames by 6 pixels",
  );
  assertThrows(
    () => frequencyChange(new Float64Array(72).fill(NaN, 3, 4), layout),
    RangeError,
    "not finite",
  );
  assertThrows(() => ratioOfMeans([1], []), RangeError, "1 to 0 values");
  assertThrows(() => meanOfRatios([], []), RangeError, "at least 1");
});
