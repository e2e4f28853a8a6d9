import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  deltaCosineSimilarity,
  rowCosines,
} from "../../core/metrics/cosine.ts";

Deno.test("rowCosines does not depend on lengths down to 1e-8, and fades below", () => {
  for (const length of [1e150, 1, 1e-3, 1e-7]) {
    const row = [0.6 * length, 0.8 * length];
    assertAlmostEquals(rowCosines(row, row, 2)[0]!, 1, 1e-14);
  }
  // Lengths of 1e-10 count as 1e-8 each.
  const tiny = [0.6e-10, 0.8e-10];
  assertAlmostEquals(rowCosines(tiny, tiny, 2)[0]!, 1e-4, 1e-16);
});

Deno.test("deltaCosineSimilarity of an unchanged prediction is zero", () => {
  assertEquals(deltaCosineSimilarity([1, 2], [3, 4], [1, 2], 2), 0);
  assertThrows(
    () => deltaCosineSimilarity([1, 2], [3, 4], [1], 2),
    RangeError,
    "2 with 1 values",
  );
});
