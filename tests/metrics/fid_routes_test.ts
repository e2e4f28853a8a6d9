import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { Features } from "../../core/metrics/features.ts";
import { fid } from "../../core/metrics/fid.ts";
import { key } from "../../core/tensor/philox.ts";

/** Rows mean + deviation * (+-unit vectors): exact diagonal moments. */
function diagonal(means: number[], deviations: number[]): Features {
  const width = means.length;
  const n = 2 * width;
  // Coordinate k is nonzero in two of n rows: its variance is 2 x^2 / (n - 1).
  const data = Float64Array.from({ length: n * width }, (_, at) => {
    const [row, k] = [Math.floor(at / width), at % width];
    const sign = row === 2 * k ? 1 : row === 2 * k + 1 ? -1 : 0;
    return means[k]! + sign * deviations[k]! * Math.sqrt((n - 1) / 2);
  });
  return { data, width };
}

function draw(name: string, n: number, width: number): Features {
  const stream = key(name, 0);
  const data = Float64Array.from(
    { length: n * width },
    (_, i) => Math.max(0, 0.3 + stream.normal(i)),
  );
  return { data, width };
}

Deno.test("fid of diagonal Gaussians with exact moments has its closed form", () => {
  const [m1, s1] = [[0, 1, -2, 5], [1, 2, 0.5, 0]];
  const [m2, s2] = [[1, 1, 3, 5], [3, 0.25, 0.5, 2]];
  const wanted = m1.reduce(
    (sum, m, k) => sum + (m - m2[k]!) ** 2 + (s1[k]! - s2[k]!) ** 2,
    0,
  );
  for (const route of ["gram", "full"] as const) {
    const { value } = fid(diagonal(m1, s1), diagonal(m2, s2), { route });
    assertAlmostEquals(value, wanted, 1e-12 * wanted);
  }
});

Deno.test("fid of unequal numbers of images is the same by both routes", () => {
  for (
    const [n, m, width] of [
      [8, 90, 32],
      [90, 8, 32],
      [33, 32, 32],
      [2100, 30, 4], // some blocks
    ] as const
  ) {
    const [a, b] = [draw("a", n, width), draw("b", m, width)];
    const gram = fid(a, b, { route: "gram" }).value;
    const full = fid(a, b, { route: "full" }).value;
    assertAlmostEquals(gram / full, 1, 1e-12); // measured 1.8e-15
  }
});

Deno.test("fid of equal sets is below 1e-6 by both routes, in any order", () => {
  for (const [n, width] of [[30, 128], [200, 16]] as const) {
    const a = draw("same", n, width);
    const order = key("order", 0).permutation(n);
    const data = new Float64Array(a.data.length);
    order.forEach((from, to) =>
      data.set(a.data.subarray(from * width, (from + 1) * width), to * width)
    );
    for (const route of ["gram", "full"] as const) {
      assert(fid(a, a, { route }).value < 1e-6);
      assert(fid(a, { data, width }, { route }).value < 1e-6);
    }
  }
});

Deno.test("fid is symmetric, does not see a common shift and grows as the square", () => {
  const [a, b] = [draw("a", 20, 24), draw("b", 26, 24)];
  const change = (x: Features, scale: number, shift: number) => ({
    data: Float64Array.from(x.data, (value) => scale * value + shift),
    width: x.width,
  });
  const { value } = fid(a, b);
  assertAlmostEquals(fid(b, a).value / value, 1, 1e-12);
  assertAlmostEquals(
    fid(change(a, 1, 9), change(b, 1, 9)).value / value,
    1,
    1e-12,
  );
  assertAlmostEquals(
    fid(change(a, 3, 0), change(b, 3, 0)).value / value,
    9,
    1e-11,
  );
});

Deno.test("fid takes the gram route for few images and the full one for many", () => {
  assertEquals(fid(draw("a", 5, 40), draw("b", 6, 40)).route, "gram");
  assertEquals(fid(draw("a", 90, 8), draw("b", 80, 8)).route, "full");
  const auto = fid(draw("a", 90, 8), draw("b", 80, 8), { route: "auto" });
  assertEquals([auto.route, ...auto.n], ["full", 90, 80]);
});
