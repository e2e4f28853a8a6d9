import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  orthogonalMatrix,
  OrthogonalProjection,
  orthonormalize,
} from "../../core/encoders/projection.ts";
import { tensor } from "../../core/tensor/create.ts";
import { key } from "../../core/tensor/philox.ts";
import { worstError } from "../support/array64.ts";
import { readFixture } from "../support/fixture.ts";
import { generated } from "../support/generated_weights.ts";
import { testGpu } from "../support/gpu.ts";

/** Largest departure of vectors' products from the identity. */
function departure(
  vectors: readonly Float64Array[],
): number {
  let worst = 0;
  vectors.forEach((a, i) =>
    vectors.slice(i).forEach((b, j) => {
      let sum = 0;
      for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
      worst = Math.max(worst, Math.abs(sum - (j === 0 ? 1 : 0)));
    })
  );
  return worst;
}

Deno.test("orthonormalize agrees with PyTorch's orthogonal_, wide and tall", async () => {
  const fixture = await readFixture("orthogonal");
  for (const name of ["wide", "tall"]) {
    const { shape, data } = fixture[`${name} draws`]!;
    const [rows = 0, columns = 0] = shape;
    const got = orthonormalize(Float64Array.from(data), rows, columns);
    const error = worstError(got, fixture[`${name} result`]!.data);
    // The file holds both matrices in float32; measured 2.5e-8.
    assert(error < 1e-6, `${name} is off by ${error.toExponential(1)}`);
  }
});

for (const inputs of [512, 1024]) {
  Deno.test(`orthogonalMatrix from ${inputs} to 384 has orthonormal rows`, () => {
    const matrix = orthogonalMatrix(inputs, 384, key("test", 1));
    const rows = Array.from(
      { length: 384 },
      (_, i) => matrix.subarray(i * inputs, (i + 1) * inputs),
    );
    const error = departure(rows);
    // Measured 3.4e-15.
    assert(error < 2e-14, `off by ${error.toExponential(1)}`);
  });
}

Deno.test("orthogonalMatrix from 256 to 384 has orthonormal columns", () => {
  const matrix = orthogonalMatrix(256, 384, key("test", 1));
  const columns = Array.from(
    { length: 256 },
    (_, j) =>
      Float64Array.from({ length: 384 }, (_, i) => matrix[i * 256 + j]!),
  );
  const error = departure(columns);
  assert(error < 1e-14, `off by ${error.toExponential(1)}`);
});

Deno.test("orthogonalMatrix favours no direction", () => {
  // The entry of an invariant 8 x 8 matrix has mean 0 and variance 1 / 8. A
  // diagonal that is not made positive in R gives a mean near -0.28 here.
  const draws = 2000;
  let sum = 0;
  let squares = 0;
  for (let seed = 0; seed < draws; seed++) {
    const [value = 0] = orthogonalMatrix(8, 8, key("test", seed));
    sum += value;
    squares += value * value;
  }
  const spread = Math.sqrt(1 / 8 / draws); // of the mean
  assert(Math.abs(sum / draws) < 4 * spread, `mean ${sum / draws}`);
  assert(Math.abs(squares / draws - 1 / 8) < 0.016, `${squares / draws}`);
});

Deno.test("orthonormalize refuses sizes that do not fit and vectors that depend", () => {
  assertThrows(
    () => orthonormalize(new Float64Array(5), 2, 3),
    RangeError,
    "needs 6",
  );
  assertThrows(
    () => orthonormalize(Float64Array.of(1, 2, 2, 4), 2, 2),
    RangeError,
    "vector 1 depends",
  );
});

Deno.test("OrthogonalProjection repeats by seed, differs between seeds and projects", async () => {
  const gpu = await testGpu();
  const before = gpu.memory().live;
  {
    using first = new OrthogonalProjection(256, 3);
    using again = new OrthogonalProjection(256, 3);
    using other = new OrthogonalProjection(256, 4);
    assertEquals(first.matrix, again.matrix);
    assert(worstError(first.matrix, other.matrix) > 0.1);
    using _ = gpu.scope();
    const data = generated("embeddings", 4 * 256);
    const y = first.forward(tensor(gpu, data, [4, 256]));
    assertEquals(y.shape, [4, 384]);
    const got = await y.read();
    const wanted = Float64Array.from({ length: 4 * 384 }, (_, at) => {
      const [row, o] = [Math.floor(at / 384), at % 384];
      let sum = 0;
      for (let i = 0; i < 256; i++) {
        sum += first.matrix[o * 256 + i]! * data[row * 256 + i]!;
      }
      return sum;
    });
    const error = worstError(got, wanted);
    assert(error < 2e-6, `off by ${error.toExponential(1)}`);
    // 256 to 384 keeps lengths.
    for (let row = 0; row < 4; row++) {
      const norm = (v: ArrayLike<number>, width: number) =>
        Math.hypot(
          ...Array.from({ length: width }, (_, i) => v[row * width + i]!),
        );
      assert(Math.abs(norm(got, 384) / norm(data, 256) - 1) < 1e-6);
    }
    // The matrix outlives the scope it was first used in.
    using inner = gpu.scope();
    assertEquals(await first.forward(tensor(gpu, data, [4, 256])).read(), got);
    void inner;
  }
  assertEquals(gpu.memory().live, before);
});
