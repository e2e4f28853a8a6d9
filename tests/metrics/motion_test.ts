import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  frequencyChange,
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
