import { assertEquals } from "@std/assert";
import {
  avgPool2d,
  globalAvgPool2d,
  maxPool2d,
} from "../../core/ops/pool2d.ts";
import { sum } from "../../core/ops/reduce.ts";
import { backward } from "../../core/tensor/autograd.ts";
import { tensor } from "../../core/tensor/create.ts";
import { type Array64, at, build64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";
import { testGpu } from "../support/gpu.ts";

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

// By PyTorch 1.13: the last NaN of a window, else its first largest value.
const N = NaN;
const I = Infinity;
const WINDOWS = [
  { x: [1, 5, N, 2], y: N, dx: [0, 0, 1, 0] },
  { x: [N, N, 3, 4], y: N, dx: [0, 1, 0, 0] },
  { x: [-I, -I, -I, -I], y: -I, dx: [1, 0, 0, 0] },
  { x: [I, 1, 1, I], y: I, dx: [1, 0, 0, 0] },
  { x: [N, I, -I, 0], y: N, dx: [1, 0, 0, 0] },
];
for (const channels of [1, 4]) {
  for (const operandSource of ["texels", "buffer"] as const) {
    Deno.test(`maxPool2d takes NaN from ${channels} channels as PyTorch, reading ${operandSource}`, async () => {
      const gpu = await testGpu({ operandSource });
      using _ = gpu.scope();
      const spread = (values: number[]) =>
        values.flatMap((value) => new Array<number>(channels).fill(value));
      const x = tensor(
        gpu,
        spread(WINDOWS.flatMap(({ x }) => x)),
        [WINDOWS.length, 2, 2, channels],
      );
      x.requiresGrad = true;
      const y = maxPool2d(x, { kernel: 2 });
      backward(sum(y));
      assertEquals([...await y.read()], spread(WINDOWS.map(({ y }) => y)));
      assertEquals(
        [...await x.grad!.read()],
        spread(WINDOWS.flatMap(({ dx }) => dx)),
      );
    });
  }
}
