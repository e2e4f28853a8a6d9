import { assert, assertEquals, assertThrows } from "@std/assert";
import { cool, hot, overlay } from "../../core/report/overlay.ts";

Deno.test("hot and cool agree with Matplotlib at their corners and between", () => {
  // The segments of Matplotlib's maps, and points on the lines between.
  const close = (got: readonly number[], wanted: readonly number[]) =>
    got.forEach((x, i) => assert(Math.abs(x - wanted[i]!) < 5e-3));
  close(hot(0), [0.0416, 0, 0]);
  close(hot(0.365079), [1, 0, 0]);
  close(hot(0.555556), [1, 0.5, 0]);
  close(hot(0.746032), [1, 1, 0]);
  close(hot(1), [1, 1, 1]);
  close(cool(0), [0, 1, 1]);
  close(cool(0.25), [0.25, 0.75, 1]);
  close(cool(2), [1, 0, 1]);
});

Deno.test("overlay covers six tenths, and has one colour from the largest value on", () => {
  const image = {
    width: 2,
    height: 1,
    data: Uint8Array.of(100, 100, 100, 200, 200, 200),
  };
  const { data } = overlay(image, [0, 5], 2, cool);
  const mixed = [40, 193, 193, 80 + 153, 80, 80 + 153];
  assertEquals([...data], mixed);
  assertEquals(image.data[0], 100);
  assertThrows(() => overlay(image, [1], 1, hot), RangeError, "1 values");
  assertThrows(() => overlay(image, [1, 2], 0, hot), RangeError, "up to 0");
});
