import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  directionCorrelation,
  type Displacement,
  displacementMagnitude,
  displacements,
  integerShift,
  profiles,
  subpixelShift,
} from "../../core/metrics/shift.ts";
import { key } from "../../core/tensor/philox.ts";
import { Fixture64 } from "../support/fixture64.ts";

// NumPy's correlate and argmax, and SciPy's pearsonr with NumPy's polyfit, by
// fixtures/torch/measures.py.
const fixture = await Fixture64.read("measures");

const LAYOUT = { height: 20, width: 28, channels: 3 };

Deno.test("displacements agrees with NumPy's full cross-correlation", () => {
  const list = displacements(fixture.get("frames").data, LAYOUT);
  fixture.assertClose(list.map(({ dx }) => dx), "dx", 0);
  fixture.assertClose(list.map(({ dy }) => dy), "dy", 0);
  assert(list.some(({ dx, dy }) => dx !== 0 && dy !== 0));
});

Deno.test("displacements in parts of pixels are those of the profiles", () => {
  const { data } = fixture.get("frames");
  const list = displacements(data, LAYOUT, subpixelShift);
  for (const [axis, d] of [["horizontal", "dx"], ["vertical", "dy"]] as const) {
    const own = profiles(data, LAYOUT, axis);
    assertEquals(
      list.map((one) => one[d]),
      own.slice(1).map((to, i) => subpixelShift(own[i]!, to)),
    );
  }
});

Deno.test("integerShift agrees with NumPy where many sums are equal", () => {
  const rows = fixture.rows("ties");
  const shifts = rows.slice(1).map((row, i) => integerShift(rows[i]!, row));
  fixture.assertClose(shifts, "ties.shift", 0);
});

Deno.test("integerShift of a shifted, a single and a flat profile", () => {
  assertEquals(integerShift([0, 9, 0, 0, 0, 0], [0, 0, 0, 9, 0, 0]), 2);
  assertEquals(integerShift([0, 0, 0, 9, 0, 0], [0, 9, 0, 0, 0, 0]), -2);
  const same = [1, 5, 2, 8, 3];
  assertEquals(integerShift(same, same), 0);
  // As numpy.argmax of zeros, for 0.1 too, whose mean is rounded.
  assertEquals(integerShift(same, new Array<number>(5).fill(0.1)), -4);
  // Equal sums at -1 and 1: the first wins.
  assertEquals(integerShift([0, 0, 1, 0, 0], [0, 1, 0, 1, 0]), -1);
});

Deno.test("subpixelShift agrees with SciPy's correlation and NumPy's parabola", () => {
  const { data } = fixture.get("frames");
  for (
    const [axis, name] of [["horizontal", "dx"], ["vertical", "dy"]] as const
  ) {
    const list = profiles(data, LAYOUT, axis);
    const most = axis === "horizontal" ? 14 : 7;
    const shifts = list.slice(1)
      .map((profile, i) => subpixelShift(list[i]!, profile, { most }));
    fixture.assertClose(shifts, `${name}.subpixel`, 1e-10);
  }
});

Deno.test("subpixelShift sees parts of pixels and large shifts of a smooth profile", () => {
  const stream = key("profile", 0);
  const at = (x: number) =>
    Array.from(
      { length: 12 },
      (_, k) => stream.normal(k) * Math.sin((0.05 + 0.03 * k) * x + k),
    )
      .reduce((sum, value) => sum + value, 0);
  const profile = (offset: number) =>
    Float64Array.from({ length: 64 }, (_, x) => at(x - offset));
  for (const wanted of [0, 0.25, -0.5, 3.3, -7.75, 15.5]) {
    const got = subpixelShift(profile(0), profile(wanted));
    assert(Math.abs(got - wanted) < 0.05, `${wanted}: got ${got}`);
    // Brightness and contrast do not matter.
    const other = profile(wanted).map((value) => 3 * value + 9);
    const same = subpixelShift(profile(0), other);
    assert(Math.abs(same - got) < 1e-9);
  }
});

Deno.test("subpixelShift takes the smallest of equal shifts, and 0 without structure", () => {
  const flat = new Float64Array(8).fill(0.1);
  assertEquals(subpixelShift(flat, flat), 0);
  assertEquals(subpixelShift([1, 2, 3, 4, 5, 6, 7, 8], flat), 0);
  // A ramp fits at any shift.
  const ramp = Float64Array.from({ length: 8 }, (_, i) => i);
  assert(Math.abs(subpixelShift(ramp, ramp)) < 1);
  // Ever better towards the edge of the search is no peak.
  const from = [0, 0, 1, 4, 9, 7, 0, 0, 0, 0, 0, 0];
  const to = [0, 0, 0, 0, 0, 0, 0, 1, 4, 9, 7, 0];
  assertEquals(subpixelShift(from, to), 0);
  assert(Math.abs(subpixelShift(from, to, { most: 5 }) - 5) < 0.1);
});

Deno.test("directionCorrelation and displacementMagnitude are the definitions", () => {
  const list = (...pairs: [number, number][]): Displacement[] =>
    pairs.map(([dx, dy]) => ({ dx, dy }));
  assertEquals(displacementMagnitude(list([3, 4], [0, 1])), 3);
  // Cosines 1, 0 and -1; the pair with a zero does not count.
  const real = list([2, 0], [0, 5], [1, 1], [1, 1]);
  const predicted = list([7, 0], [3, 0], [-2, -2], [0, 0]);
  assert(Math.abs(directionCorrelation(real, predicted)) < 1e-15);
  assertEquals(
    directionCorrelation(real.slice(0, 1), predicted.slice(0, 1)),
    1,
  );
  assertEquals(directionCorrelation(list([0, 0]), list([1, 1])), 0);
});

Deno.test("shifts refuse other lengths, one value, one frame and NaN", () => {
  assertThrows(
    () => integerShift([1, 2], [1]),
    RangeError,
    "2 against one of 1",
  );
  assertThrows(() => integerShift([1], [1]), RangeError, "at least 2");
  assertThrows(
    () => integerShift([1, NaN], [1, 2]),
    RangeError,
    "value 1 is NaN",
  );
  assertThrows(
    () => subpixelShift([1, 2, 3, 4], [1, 2, 3, 4], { most: 2 }),
    RangeError,
    "from 0 to 1",
  );
  assertThrows(
    () => displacements(new Float64Array(20 * 28 * 3), LAYOUT),
    RangeError,
    "1 frame",
  );
  assertThrows(() => displacementMagnitude([]), RangeError, "none");
  assertThrows(
    () => directionCorrelation([], [{ dx: 1, dy: 0 }]),
    RangeError,
    "0 with 1",
  );
});
