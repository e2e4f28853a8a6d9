import { assert, assertAlmostEquals, assertThrows } from "@std/assert";
import { fid } from "../../core/metrics/fid.ts";
import { singularValues, symmetricEigen } from "../../core/metrics/linalg.ts";
import { key } from "../../core/tensor/philox.ts";

function draw(name: string, n: number, width: number, shift = 0, scale = 1) {
  const stream = key(name, 0);
  const data = Float64Array.from(
    { length: n * width },
    (_, i) => shift + scale * stream.normal(i),
  );
  return { data, width };
}

Deno.test("fid of one feature is the difference of means and of deviations, squared", () => {
  // Two values m - s, m + s have mean m and unbiased variance 2 s^2.
  const pair = (m: number, s: number) => ({
    data: Float64Array.of(m - s, m + s),
    width: 1,
  });
  for (const route of ["gram", "full"] as const) {
    const { value } = fid(pair(1, 2), pair(4, 0.5), { route });
    assertAlmostEquals(value, 9 + 2 * (2 - 0.5) ** 2, 1e-9);
  }
});

Deno.test("fid is the same by both routes, with fewer and with more images than features", () => {
  for (const [n, m, width] of [[5, 7, 12], [30, 24, 6]] as const) {
    const [a, b] = [draw("a", n, width), draw("b", m, width, 0.4, 1.5)];
    const gram = fid(a, b, { route: "gram" }).value;
    const full = fid(a, b, { route: "full" }).value;
    assertAlmostEquals(gram, full, 1e-6 * gram);
  }
});

Deno.test("fid of a set with itself is below 1e-6", () => {
  for (const [n, width] of [[40, 192], [60, 8]] as const) {
    const a = draw("same", n, width);
    assert(fid(a, a).value < 1e-6);
  }
});

Deno.test("fid refuses too few images, values that are not finite, and other widths", () => {
  const a = draw("a", 4, 3);
  assertThrows(() => fid(a, draw("b", 1, 3)), RangeError, "at least 2");
  assertThrows(
    () => fid(a, draw("b", 4, 2)),
    RangeError,
    "width 3 with width 2",
  );
  const bad = draw("c", 4, 3);
  bad.data[7] = NaN;
  assertThrows(() => fid(a, bad), RangeError, "value 1 of image 2 is NaN");
});

Deno.test("singularValues and symmetricEigen agree with norm, trace and definition", () => {
  const { data } = draw("matrix", 9, 6);
  const values = singularValues(data, 9, 6);
  const squares = data.reduce((sum, x) => sum + x * x, 0);
  assertAlmostEquals(values.reduce((sum, s) => sum + s * s, 0), squares, 1e-9);
  const gram = new Float64Array(36);
  for (let i = 0; i < 36; i++) {
    for (let k = 0; k < 9; k++) {
      gram[i]! += data[k * 6 + Math.floor(i / 6)]! * data[k * 6 + i % 6]!;
    }
  }
  const { values: eigen, vectors } = symmetricEigen(gram, 6);
  const sorted = Float64Array.from(eigen).sort().reverse();
  sorted.forEach((x, i) => assertAlmostEquals(Math.sqrt(x), values[i]!, 1e-9));
  vectors.forEach((v, i) => {
    for (let p = 0; p < 6; p++) {
      let y = 0;
      for (let q = 0; q < 6; q++) y += gram[p * 6 + q]! * v[q]!;
      assertAlmostEquals(y, eigen[i]! * v[p]!, 1e-9);
    }
  });
});
