import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import {
  rowProducts,
  singularValues,
  symmetricEigenvalues,
  triangularFactor,
} from "../../core/metrics/linalg.ts";
import { key } from "../../core/tensor/philox.ts";

function draw(name: string, rows: number, columns: number): Float64Array {
  const stream = key(name, 0);
  return Float64Array.from(
    { length: rows * columns },
    (_, i) => stream.normal(i),
  );
}

Deno.test("symmetricEigenvalues of the second difference has its closed form", () => {
  const n = 60;
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    matrix[i * n + i] = 2;
    if (i > 0) matrix[i * n + i - 1] = matrix[(i - 1) * n + i] = -1;
  }
  symmetricEigenvalues(matrix, n).forEach((value, k) =>
    assertAlmostEquals(
      value,
      2 - 2 * Math.cos((k + 1) * Math.PI / (n + 1)),
      1e-13,
    )
  );
});

Deno.test("symmetricEigenvalues finds equal, negative, tiny and huge values", () => {
  const values = [-3, -3, 0, 0, 2, 2];
  for (const scale of [1, 1e-200, 1e200]) {
    // A reflection I - 2 v v^T with |v| = 1 turns the diagonal.
    const v = [0.5, 0.1, 0.7, 0.1, 0.3, Math.sqrt(0.15)];
    const h = v.map((x, i) => v.map((y, j) => Number(i === j) - 2 * x * y));
    const matrix = Float64Array.from({ length: 36 }, (_, at) => {
      const [i, j] = [Math.floor(at / 6), at % 6];
      // Summed in an order that does not depend on which index is first.
      return values.reduce(
        (sum, x, k) => sum + x * (h[i]![k]! * h[j]![k]!),
        0,
      ) *
        scale;
    });
    symmetricEigenvalues(matrix, 6).forEach((value, i) =>
      assertAlmostEquals(value / scale, values[i]!, 1e-14)
    );
  }
});

Deno.test("symmetricEigenvalues refuses what is not symmetric, square or finite", () => {
  assertThrows(
    () => symmetricEigenvalues(Float64Array.of(1, 2, 3, 4), 2),
    RangeError,
    "not symmetric, (1, 0) is 3 and (0, 1) is 2",
  );
  assertThrows(
    () => symmetricEigenvalues(new Float64Array(5), 2),
    RangeError,
    "got 5 values",
  );
  assertThrows(
    () => symmetricEigenvalues(Float64Array.of(1, 0, 0, NaN), 2),
    RangeError,
    "row 1, column 1 is NaN",
  );
});

Deno.test("singularValues keeps the norm and is that of the transpose", () => {
  for (const [rows, columns] of [[1, 1], [1, 5], [7, 1], [2, 2], [33, 20]]) {
    const matrix = draw("matrix", rows!, columns!);
    const values = singularValues(matrix, rows!, columns!);
    assertEquals(values.length, Math.min(rows!, columns!));
    const squares = matrix.reduce((sum, x) => sum + x * x, 0);
    const own = values.reduce((sum, x) => sum + x * x, 0);
    assertAlmostEquals(own / squares, 1, 1e-14);
    assert(values.every((x, i) => x >= 0 && x <= (values[i - 1] ?? Infinity)));
  }
});

Deno.test("singularValues of zeros, of one row and of scaled reflections are exact", () => {
  assertEquals([...singularValues(new Float64Array(6), 2, 3)], [0, 0]);
  assertAlmostEquals(
    singularValues(Float64Array.of(3, 0, 4), 1, 3)[0]!,
    5,
    1e-14,
  );
  const swap = Float64Array.of(0, -2e180, 2e180, 0);
  for (const value of singularValues(swap, 2, 2)) {
    assertAlmostEquals(value / 2e180, 1, 1e-15);
  }
  assertThrows(
    () => singularValues(Float64Array.of(1, Infinity), 1, 2),
    RangeError,
    "column 1 is Infinity",
  );
});

Deno.test("triangularFactor has the products of the matrix and zeros below", () => {
  for (const [rows, columns] of [[12, 5], [4, 9], [6, 6]]) {
    const matrix = draw("factor", rows!, columns!);
    const r = triangularFactor(matrix, rows!, columns!);
    const height = r.length / columns!;
    assertEquals(height, Math.min(rows!, columns!));
    const gram = (a: Float64Array, i: number, j: number) => {
      let sum = 0;
      for (let k = 0; k < a.length; k += columns!) sum += a[k + i]! * a[k + j]!;
      return sum;
    };
    for (let i = 0; i < columns!; i++) {
      for (let j = 0; j < columns!; j++) {
        assertAlmostEquals(gram(r, i, j), gram(matrix, i, j), 1e-13);
        if (i < height && j < i) assertEquals(r[i * columns! + j], 0);
      }
    }
  }
});

Deno.test("rowProducts is the definition, also of a matrix with itself", () => {
  for (const [n, m] of [[1, 1], [3, 6], [7, 5]]) {
    const [a, b] = [draw("a", n!, 4), draw("b", m!, 4)];
    const wanted = (x: Float64Array, y: Float64Array) =>
      Float64Array.from({ length: x.length * y.length / 16 }, (_, at) => {
        const [i, j] = [Math.floor(at * 4 / y.length), at % (y.length / 4)];
        let sum = 0;
        for (let k = 0; k < 4; k++) sum += x[i * 4 + k]! * y[j * 4 + k]!;
        return sum;
      });
    assertEquals(rowProducts(a, b, 4), wanted(a, b));
    assertEquals(rowProducts(a, a, 4), wanted(a, a));
  }
});
