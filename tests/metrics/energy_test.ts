import { assert, assertEquals, assertThrows } from "@std/assert";
import type { LatentRows } from "../../core/data/latents.ts";
import { energies, energyRatio, fitEnergy } from "../../core/metrics/energy.ts";
import { choleskyFactor } from "../../core/metrics/linalg.ts";
import { key } from "../../core/tensor/philox.ts";
import { Fixture64 } from "../support/fixture64.ts";

// NumPy's cov and solve, by fixtures/torch/measures.py.
const fixture = await Fixture64.read("measures");

/** Rows of an array; remembers how many were asked for at once. */
class Rows implements LatentRows {
  readonly frames: number;
  most = 0;

  constructor(readonly values: ArrayLike<number>, readonly size: number) {
    this.frames = values.length / size;
  }

  read(start: number, end: number): Float32Array<ArrayBuffer> {
    this.most = Math.max(this.most, end - start);
    const { size, values } = this;
    return Float32Array.from(
      { length: (end - start) * size },
      (_, i) => values[start * size + i]!,
    );
  }
}

const train = new Rows(fixture.get("energy.train").data, 32);
const samples = fixture.get("energy.samples").data;

Deno.test("energies agree with NumPy, normalized by tokens and by value", () => {
  const byToken = fitEnergy(train, {
    tokens: { shape: [2, 4, 4], patch: 2 },
  });
  fixture.assertClose(energies(byToken, samples), "energy.token", 1e-11);
  // A value is the same in all rows: only the ridge holds it.
  fixture.assertClose(energies(fitEnergy(train), samples), "energy.own", 1e-11);
});

Deno.test("energyRatio is 1 for the truth, above it for a patchwork, below it for fog", () => {
  // Neighbours of a row are alike; a patchwork's are not.
  const size = 64;
  const draw = (seed: number, rows: number, isPatchy = false) => {
    const values = new Float32Array(rows * size);
    for (let i = 0; i < rows; i++) {
      const stream = key("energy", seed, i);
      for (let k = 0; k < size; k++) {
        const place = isPatchy ? 8 * (k % 8) + Math.floor(k / 8) : k;
        const smooth = stream.normal(place >> 3) + 0.2 * stream.normal(100 + k);
        values[i * size + k] = 5 + smooth;
      }
    }
    return values;
  };
  const fit = fitEnergy(new Rows(draw(0, 2000), size));
  const truth = draw(1, 300);
  assertEquals(energyRatio(fit, truth, truth), 1);
  const other = energyRatio(fit, draw(2, 300), truth);
  assert(Math.abs(other - 1) < 0.05, `${other}`);
  const patchwork = energyRatio(fit, draw(2, 300, true), truth);
  assert(patchwork > 5, `${patchwork}`);
  const fog = energyRatio(fit, truth.map((x) => 5 + (x - 5) / 2), truth);
  assert(Math.abs(fog - 0.25) < 0.01, `${fog}`);
});

Deno.test("fitEnergy reads blocks, and gives the same by any block", () => {
  const size = 4096 / 8;
  const stream = key("rows", 1);
  const rows = new Rows(
    Float32Array.from(
      { length: 1200 * size },
      (_, i) => 100 + stream.normal(i),
    ),
    size,
  );
  const fit = fitEnergy(rows, { ridge: 0.5 });
  assertEquals(rows.most, 512);
  // Of a value far from zero: the moments by two passes.
  const column = Array.from(
    { length: 1200 },
    (_, i) => rows.values[i * size + 7]!,
  );
  const mean = column.reduce((a, b) => a + b) / 1200;
  const variance = column.reduce((a, b) => a + (b - mean) ** 2, 0) / 1199;
  assert(Math.abs(fit.mean[7]! - mean) < 1e-10);
  const row = fit.factor.subarray(7 * size, 8 * size);
  const diagonal = row.reduce((sum, x) => sum + x * x, 0);
  assert(Math.abs(diagonal / (1.5 * variance) - 1) < 1e-10);
});

Deno.test("fitEnergy needs fewer rows than values, thanks to the ridge", () => {
  const few = new Rows(fixture.get("energy.train").data.slice(0, 160), 32);
  assert(energies(fitEnergy(few), samples).every((x) => x > 32));
});

Deno.test("choleskyFactor refuses what is not positive definite", () => {
  const factor = choleskyFactor(Float64Array.of(4, 99, 2, 10), 2);
  assertEquals([...factor], [2, 0, 1, 3]);
  assertThrows(
    () => choleskyFactor(Float64Array.of(1, 2, 2, 4), 2),
    RangeError,
    "pivot 1 is 0",
  );
});

Deno.test("energy refuses one row, other sizes, other patches and NaN", () => {
  assertThrows(() => fitEnergy(new Rows([1, 2], 2)), RangeError, "1 rows of 2");
  assertThrows(
    () => fitEnergy(train, { ridge: 0 }),
    RangeError,
    "a ridge of 0",
  );
  assertThrows(
    () => fitEnergy(new Rows([1, 2, 3, NaN], 2)),
    RangeError,
    "value 1 of row 1 is NaN",
  );
  for (
    const tokens of [
      { shape: [2, 4, 5], patch: 2 },
      { shape: [2, 4, 4], patch: 3 },
    ] as const
  ) {
    assertThrows(() => fitEnergy(train, { tokens }), RangeError, "patch");
  }
  const fit = fitEnergy(train);
  assertThrows(() => energies(fit, [1, 2]), RangeError, "whole rows of 32");
  assertThrows(() => energies(fit, []), RangeError, "0 values");
  const bad = samples.slice().fill(NaN, 40, 41);
  assertThrows(() => energies(fit, bad), RangeError, "row 1");
  assertThrows(() => energyRatio(fit, samples, fit.mean), RangeError, "is 0");
});
