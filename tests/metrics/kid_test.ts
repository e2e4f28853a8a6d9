import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import { kid, kidInterval } from "../../core/metrics/kid.ts";
import { key } from "../../core/tensor/philox.ts";

function draw(name: string, n: number, width: number, shift = 0) {
  const stream = key(name, 0);
  return {
    data: Float64Array.from(
      { length: n * width },
      (_, i) => shift + stream.normal(i),
    ),
    width,
  };
}

Deno.test("kid with one subset of all images is the unbiased discrepancy by definition", () => {
  const [n, width] = [6, 3];
  const [a, b] = [draw("a", n, width), draw("b", n, width, 0.5)];
  const k = (x: Float64Array, i: number, y: Float64Array, j: number) => {
    let dot = 0;
    for (let d = 0; d < width; d++) {
      dot += x[i * width + d]! * y[j * width + d]!;
    }
    return (dot / width + 1) ** 3;
  };
  let wanted = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      if (i !== j) {
        wanted += (k(a.data, i, a.data, j) + k(b.data, i, b.data, j)) /
          (n * (n - 1));
      }
      wanted -= 2 * k(a.data, i, b.data, j) / (n * n);
    }
  }
  const { value, subsetSpread } = kid(a, b, { subsets: 3, subsetSize: n });
  assertAlmostEquals(value, wanted, 1e-12);
  assertAlmostEquals(subsetSpread, 0, 1e-12);
});

Deno.test("kid is near zero for sets of one distribution and grows with their distance", () => {
  const a = draw("a", 120, 8);
  const near = kid(a, draw("b", 120, 8));
  const far = kid(a, draw("b", 120, 8, 0.8));
  assert(Math.abs(near.value) < 0.1 && far.value > 10 * Math.abs(near.value));
  assertEquals([near.subsetSize, near.subsets, ...near.n], [50, 100, 120, 120]);
});

Deno.test("kid refuses a subset larger than a set", () => {
  const a = draw("a", 10, 2);
  assertThrows(
    () => kid(a, a, { subsetSize: 11 }),
    RangeError,
    "subsets of 11",
  );
  assertThrows(() => kid(draw("a", 1, 2), a), RangeError, "at least 2");
});

Deno.test("kidInterval holds the value of a clear difference and excludes zero", () => {
  const [a, b] = [draw("a", 60, 6), draw("b", 60, 6, 1)];
  const scenes = Array.from({ length: 60 }, (_, i) => `scene ${i % 20}`);
  const { low, high } = kidInterval(a, b, { real: scenes, fake: scenes });
  const { value } = kid(a, b, { subsetSize: 60, subsets: 1 });
  assert(low > 0 && low < value && value < high, `${low} ${value} ${high}`);
});

/** KID by its definition, over the subsets that are drawn. */
function drawnKid(
  a: ReturnType<typeof draw>,
  b: ReturnType<typeof draw>,
  { subsets, subsetSize }: { subsets: number; subsetSize: number },
): number {
  const row = ({ data, width }: typeof a, i: number) =>
    data.subarray(i * width, (i + 1) * width);
  const k = (x: Float64Array, y: Float64Array) =>
    (x.reduce((sum, v, d) => sum + v * y[d]!, 0) / x.length + 1) ** 3;
  let total = 0;
  for (let s = 0; s < subsets; s++) {
    const rowsOf = (name: string, set: typeof a) =>
      [
        ...key(name, 0, s).permutation(set.data.length / set.width)
          .subarray(0, subsetSize),
      ].map((i) => row(set, i));
    const [x, y] = [rowsOf("kid real", a), rowsOf("kid fake", b)];
    const mean = (p: Float64Array[], q: Float64Array[]) => {
      const values = p.flatMap((u) =>
        q.filter((v) => u !== v).map((v) => k(u, v))
      );
      return values.reduce((sum, v) => sum + v, 0) / values.length;
    };
    total += mean(x, x) + mean(y, y) - 2 * mean(x, y);
  }
  return total / subsets;
}

Deno.test("kid is that of the drawn subsets, whether few or many are drawn", () => {
  const [a, b] = [draw("a", 40, 5), draw("b", 30, 5, 0.3)];
  // 3 kernels of 10x10 for each subset, against 3,700 for all images.
  for (const subsets of [2, 30]) {
    const options = { subsets, subsetSize: 10 };
    const wanted = drawnKid(a, b, options);
    assertAlmostEquals(kid(a, b, options).value, wanted, 1e-12);
  }
});

Deno.test("kid of many images needs no memory for pairs that are not drawn", () => {
  // The kernels of all pairs would take 24 GB.
  const set = (name: string) => {
    const values = draw(name, 100, 3).data;
    const data = Float64Array.from(
      { length: 32_000 * 3 },
      (_, i) => values[i % values.length]!,
    );
    return { data, width: 3 };
  };
  const options = { subsets: 2, subsetSize: 8 };
  const [a, b] = [set("a"), set("b")];
  const wanted = drawnKid(a, b, options);
  assertAlmostEquals(kid(a, b, options).value, wanted, 1e-12);
});

Deno.test("kidInterval of unequal sets in few scenes holds the value of all images", () => {
  const [a, b] = [draw("a", 2000, 2), draw("b", 1500, 2, 1)];
  const scenes = {
    real: Array.from({ length: 2000 }, (_, i) => i % 7),
    fake: Array.from({ length: 1500 }, (_, i) => i % 5),
  };
  const { low, high } = kidInterval(a, b, scenes, { resamples: 50 });
  const { value } = kid(a, b, { subsets: 1, subsetSize: 1500 });
  assert(low > 0 && low < value && value < high, `${low} ${value} ${high}`);
});
