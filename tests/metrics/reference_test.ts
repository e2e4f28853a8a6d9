import { assertEquals } from "@std/assert";
import { rowCosines } from "../../core/metrics/cosine.ts";
import { fid } from "../../core/metrics/fid.ts";
import { kid, kidInterval } from "../../core/metrics/kid.ts";
import {
  singularValues,
  symmetricEigenvalues,
} from "../../core/metrics/linalg.ts";
import { diversity, nearestDistances } from "../../core/metrics/neighbors.ts";
import { sharpness } from "../../core/metrics/sharpness.ts";
import { ssimPerImage } from "../../core/metrics/ssim.ts";
import {
  mean,
  percentile,
  standardDeviation,
} from "../../core/metrics/statistics.ts";
import { Fixture64 } from "../support/fixture64.ts";

// Results of NumPy, SciPy and PyTorch in float64, by fixtures/torch/metrics.py.

const fixture = await Fixture64.read("metrics");

const assertClose = fixture.assertClose.bind(fixture);

function features(name: string) {
  const { shape, data } = fixture.get(name);
  return { data, width: shape[1]! };
}

function layout(name: string) {
  const [, height, width, channels] = fixture.get(name).shape;
  return { height: height!, width: width!, channels: channels! };
}

for (const set of ["tall", "wide"]) {
  const [real, fake] = [features(`${set}.real`), features(`${set}.fake`)];
  const n = real.data.length / real.width;

  Deno.test(`fid agrees with SciPy on ${set} features by both routes`, () => {
    for (const route of ["gram", "full"] as const) {
      const { value } = fid(real, fake, { route });
      assertClose([value], `${set}.fid_root`, 1e-12); // measured 9.3e-15
      // Without full rank, sqrtm itself is off by 3.5e-8.
      assertClose([value], `${set}.fid_sqrtm`, 1e-7);
    }
  });

  Deno.test(`kidInterval of one scene is NumPy's discrepancy of ${set} features`, () => {
    const groups = {
      real: new Array<string>(n).fill("one"),
      fake: new Array<string>(fake.data.length / fake.width).fill("one"),
    };
    const { low, high } = kidInterval(real, fake, groups, { resamples: 3 });
    assertClose([low], `${set}.mmd`, 1e-12); // measured 1.6e-14
    assertClose([high], `${set}.mmd`, 1e-12);
  });
}

Deno.test("kid of one subset of all images is NumPy's discrepancy", () => {
  const [real, fake] = [features("wide.real"), features("wide.fake")];
  const { value } = kid(real, fake, { subsets: 1, subsetSize: 30 });
  assertClose([value], "wide.mmd", 1e-12);
});

for (const set of ["rgb", "grey"]) {
  Deno.test(`ssimPerImage agrees with SciPy's filters on ${set} images, whole, cropped and small`, () => {
    const [a, b] = [fixture.get(`${set}.a`).data, fixture.get(`${set}.b`).data];
    const size = layout(`${set}.a`);
    const unit = { ...size, dataRange: 1 };
    assertClose(ssimPerImage(a, b, size), `${set}.ssim`, 1e-12); // measured 7.8e-16
    assertClose(ssimPerImage(a, b, unit), `${set}.ssim_unit`, 1e-12);
    const cropped = ssimPerImage(a, b, { ...unit, crop: true });
    assertClose(cropped, `${set}.ssim_crop`, 1e-12);
    const corner = (values: Float64Array) =>
      values.filter((_, i) => {
        const pixel = Math.floor(i / size.channels);
        const y = Math.floor(pixel / size.width) % size.height;
        return y < 6 && pixel % size.width < 9;
      });
    const small = { ...unit, height: 6, width: 9 };
    const values = ssimPerImage(corner(a), corner(b), small);
    assertClose(values, `${set}.ssim_small`, 1e-12);
  });

  Deno.test(`sharpness agrees with PyTorch's convolution on ${set} images`, () => {
    const { data } = fixture.get(`${set}.b`);
    assertClose(sharpness(data, layout(`${set}.b`)), `${set}.sharpness`, 1e-12);
  });
}

Deno.test("rowCosines agrees with PyTorch, a row of zeros included", () => {
  const [a, b] = [fixture.get("rows.a").data, fixture.get("rows.b").data];
  assertEquals(rowCosines(a, b, 7)[4], 0);
  assertClose(rowCosines(a, b, 7), "rows.cosine", 1e-14);
});

Deno.test("nearestDistances and diversity agree with SciPy's distances", () => {
  const { data } = fixture.get("rows.a");
  const references = fixture.get("rows.references").data;
  assertClose(nearestDistances(data, references, 7), "rows.nearest", 1e-14);
  const rows = Array.from(
    { length: 9 },
    (_, i) => data.subarray(7 * i).slice(0, 7),
  );
  assertClose([diversity([rows])], "rows.diversity", 1e-14);
});

Deno.test("percentile, mean and standardDeviation agree with NumPy", () => {
  const { data } = fixture.get("values");
  const percents = [0, 2.5, 33.3, 50, 97.5, 100];
  assertClose(percents.map((p) => percentile(data, p)), "percentiles", 1e-14);
  assertClose(
    [mean(data), standardDeviation(data, 0), standardDeviation(data)],
    "moments",
    1e-14,
  );
});

for (const name of ["random", "graded", "low"]) {
  Deno.test(`singularValues agrees with LAPACK on the ${name} matrix and its transpose`, () => {
    const { shape: [rows = 0, columns = 0], data } = fixture.get(
      `matrix.${name}`,
    );
    const transposed = Float64Array.from(
      data,
      (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!,
    );
    const tolerance = 1e-14; // measured 2e-15
    const wanted = `singular.${name}`;
    assertClose(singularValues(data, rows, columns), wanted, tolerance);
    assertClose(singularValues(transposed, columns, rows), wanted, tolerance);
  });
}

for (const name of ["random", "low"]) {
  Deno.test(`symmetricEigenvalues agrees with LAPACK on the ${name} matrix`, () => {
    const { shape: [n = 0], data } = fixture.get(`symmetric.${name}`);
    assertClose(symmetricEigenvalues(data, n), `eigen.${name}`, 1e-14);
  });
}
