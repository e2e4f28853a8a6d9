import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  diversity,
  manifoldDistance,
  nearestDistances,
} from "../../core/metrics/neighbors.ts";
import { key } from "../../core/tensor/philox.ts";

Deno.test("manifoldDistance is the mean distance to the nearest reference", () => {
  const references = [0, 0, 10, 0];
  const samples = [3, 4, 10, 1];
  assertEquals([...nearestDistances(samples, references, 2)], [5, 1]);
  assertEquals(manifoldDistance(samples, references, 2), 3);
});

Deno.test("nearestDistances of rows longer than a block is the definition", () => {
  const width = 150;
  const stream = key("rows", 0);
  const values = Float64Array.from(
    { length: 25 * width },
    (_, i) => stream.normal(i),
  );
  const samples = values.subarray(0, 5 * width);
  const references = values.subarray(5 * width);
  nearestDistances(samples, references, width).forEach((got, i) => {
    const all = Array.from({ length: 20 }, (_, j) => {
      const squares = Array.from(
        { length: width },
        (_, k) => (samples[i * width + k]! - references[j * width + k]!) ** 2,
      );
      return Math.sqrt(squares.reduce((sum, x) => sum + x, 0));
    });
    assertAlmostEquals(got, Math.min(...all), 1e-13);
  });
  // A row that is among the references has no distance.
  assertEquals(
    nearestDistances(values.subarray(0, width), values, width)[0],
    0,
  );
});

Deno.test("nearestDistances refuses no rows, parts of rows and what is not finite", () => {
  assertThrows(() => nearestDistances([], [1, 2], 2), RangeError, "samples");
  assertThrows(
    () => nearestDistances([1, 2], [1], 2),
    RangeError,
    "references",
  );
  assertThrows(
    () => nearestDistances([1, 2], [1, 2, NaN, 3], 2),
    RangeError,
    "value 0 of row 1 of the references is NaN",
  );
});

Deno.test("diversity is the mean over pairs and then over windows", () => {
  // Distances 3, 4 and 5; then 1.
  const first = [[0, 0], [3, 0], [0, 4]];
  const second = [[0, 0], [0, 1]];
  assertEquals(diversity([first]), 4);
  assertEquals(diversity([first, second]), 2.5);
  assertEquals(diversity([[[1, 2], [1, 2]]]), 0);
});

Deno.test("diversity refuses one sample, none, other lengths and NaN", () => {
  assertThrows(() => diversity([]), RangeError, "0 windows");
  assertThrows(() => diversity([[[1]]]), RangeError, "has 1 samples");
  assertThrows(() => diversity([[[1], [1, 2]]]), RangeError, "sample 1");
  assertThrows(() => diversity([[[1], [NaN]]]), RangeError, "finite");
});
