import {
  avgPool2d,
  globalAvgPool2d,
  maxPool2d,
} from "../../core/ops/pool2d.ts";
import { type Array64, at, build64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";

interface Pool {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly countIncludePad?: boolean;
}

function pooled(
  { kernel, stride, padding }: Pool,
  take: (values: number[]) => number,
) {
  return (x: Array64): Float64Array => {
    const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
    const size = (n: number) =>
      Math.floor((n + 2 * padding - kernel) / stride) + 1;
    return build64(
      [batch, size(height), size(width), channels],
      ([b = 0, oy = 0, ox = 0, c = 0]) => {
        const values: number[] = [];
        for (let ky = 0; ky < kernel; ky++) {
          for (let kx = 0; kx < kernel; kx++) {
            const y = oy * stride - padding + ky;
            const z = ox * stride - padding + kx;
            if (y < 0 || z < 0 || y >= height || z >= width) continue;
            values.push(at(x, [b, y, z, c]));
          }
        }
        return take(values);
      },
    ).data;
  };
}

const POOLS: Record<string, Pool> = {
  "of 2 by 2": { kernel: 2, stride: 2, padding: 0 },
  "of 3 by 2, padded,": { kernel: 3, stride: 2, padding: 1 },
  "of 3 by 1, padded,": { kernel: 3, stride: 1, padding: 1 },
};

for (const [what, pool] of Object.entries(POOLS)) {
  const cases = {
    "accepts odd sizes": { shapes: [[2, 7, 5, 3]] },
    "accepts whole texels": { shapes: [[2, 6, 7, 8]] },
  };
  checkOp(`maxPool2d ${what}`, {
    run: (x) => maxPool2d(x, pool),
    oracle: pooled(pool, (values) => Math.max(...values)),
    cases,
    tolerance: 2e-6,
  });
  for (const countIncludePad of [true, false]) {
    checkOp(
      `avgPool2d ${what} ${countIncludePad ? "with" : "without"} padding`,
      {
        run: (x) => avgPool2d(x, { ...pool, countIncludePad }),
        oracle: pooled(
          pool,
          (values) =>
            values.reduce((a, b) => a + b, 0) /
            (countIncludePad ? pool.kernel ** 2 : values.length),
        ),
        cases,
        tolerance: 2e-6,
      },
    );
  }
}

checkOp("globalAvgPool2d", {
  run: globalAvgPool2d,
  oracle: (x) => {
    const [b = 0, h = 0, w = 0, channels = 0] = x.shape;
    return build64([b, channels], ([b = 0, c = 0]) => {
      let total = 0;
      for (let i = 0; i < h * w; i++) {
        total += x.data[(b * h * w + i) * channels + c]!;
      }
      return total / (h * w);
    }).data;
  },
  cases: { "averages pixels": { shapes: [[2, 3, 5, 7]] } },
  tolerance: 2e-6,
});
