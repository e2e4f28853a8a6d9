/**
 * Measures how the resident set of the process grows with dispatches of every
 * kernel: `deno task resident [--short]`.
 *
 * Live buffers say nothing of what a driver keeps: Mesa's software driver
 * leaks for some kernels. Every compiled kernel that the operations' checks
 * and a sweep of awkward products use is dispatched again and again, alone,
 * and the growth of the resident set is printed where it passes the bound.
 * `--short` leaves it at the shapes that leaked.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import type { Gpu } from "../core/gpu/gpu.ts";
import type { Grid } from "../core/gpu/grid.ts";
import type { Dispatch } from "../core/gpu/recorder.ts";
import { attention } from "../core/ops/attention.ts";
import { conv2d } from "../core/ops/conv2d.ts";
import { linear } from "../core/ops/linear.ts";
import { matmul } from "../core/ops/matmul.ts";
import { sum } from "../core/ops/reduce.ts";
import { backward } from "../core/tensor/autograd.ts";
import { key } from "../core/tensor/philox.ts";
import { normal } from "../core/tensor/random.ts";
import type { Tensor } from "../core/tensor/tensor.ts";
import "./support/all_operations.ts";
import { compareOp, registered } from "./support/check_op.ts";
import { testGpu } from "./support/gpu.ts";

/** Bytes a dispatch may add to the resident set. */
const BOUND = 10 * 1024;

/** Dispatches over which growth is measured. */
const DISPATCHES = 200;

/** Dispatches before the measurement, in which the driver fills its caches. */
const WARM_UP = 20;

/** A kernel whose dispatches grew the resident set. */
interface Growth {
  readonly label: string;
  readonly grid: Grid;
  readonly where: string;
  readonly bytes: number;
}

/** Kernels that were measured. */
const measured = new Map<Gpu, Map<GPUComputePipeline, Growth>>();

/** Dispatches of kernels that are new, while `work` runs. */
async function capture(
  gpu: Gpu,
  work: () => Promise<void> | void,
): Promise<Dispatch[]> {
  const known = measured.get(gpu) ?? new Map();
  measured.set(gpu, known);
  const found = new Map<GPUComputePipeline, Dispatch>();
  const { recorder } = gpu;
  const prototype = Object.getPrototypeOf(recorder);
  recorder.dispatch = (dispatch) => {
    if (!known.has(dispatch.pipeline)) {
      found.set(dispatch.pipeline, dispatch);
    }
    prototype.dispatch.call(recorder, dispatch);
  };
  try {
    await work();
  } finally {
    recorder.dispatch = prototype.dispatch;
  }
  return [...found.values()];
}

/** Bytes of the resident set that one dispatch adds. */
async function growth(gpu: Gpu, dispatch: Dispatch): Promise<number> {
  const run = async (times: number) => {
    for (let i = 0; i < times; i++) gpu.recorder.dispatch(dispatch);
    await gpu.sync();
  };
  let least = Infinity;
  // What is kept once, such as a grown heap, shows in one measurement only.
  for (let round = 0; round < 3 && least > BOUND; round++) {
    await run(WARM_UP);
    const before = Deno.memoryUsage().rss;
    await run(DISPATCHES);
    const added = (Deno.memoryUsage().rss - before) / DISPATCHES;
    least = Math.min(least, added);
  }
  return least;
}

/** Measures every kernel that `work` is the first to use. */
async function check(
  gpu: Gpu,
  where: string,
  work: () => Promise<void> | void,
): Promise<void> {
  // What a dispatch binds stays allocated: freed buffers wait in the pool.
  const dispatches = await capture(gpu, work);
  for (const dispatch of dispatches) {
    const { label, grid } = dispatch;
    const bytes = await growth(gpu, dispatch);
    measured.get(gpu)!.set(dispatch.pipeline, { label, grid, where, bytes });
    if (bytes > BOUND) {
      console.log(
        `${(bytes / 1024).toFixed(0)} KiB a dispatch: ${label} (${
          grid.join(", ")
        }) of ${where}`,
      );
    }
  }
}

/** Runs a function and its gradients on normal values of some shapes. */
async function both(
  gpu: Gpu,
  shapes: readonly (readonly number[])[],
  run: (...inputs: Tensor[]) => Tensor,
): Promise<void> {
  using _ = gpu.scope();
  const inputs = shapes.map((shape, i) => {
    const x = normal(gpu, shape, key("resident", i));
    x.requiresGrad = true;
    return x;
  });
  backward(sum(run(...inputs)));
  await gpu.sync();
}

/** Rows, depth and columns of products that leaked. */
const PRODUCTS = [
  [256, 64, 1],
  [256, 64, 2],
  [256, 64, 3],
  [256, 64, 5],
  [64, 1024, 16],
  [7, 5, 9],
];
const LENGTHS = [1, 2, 3, 5, 8, 13, 17, 31, 32, 33, 63, 64, 65, 130, 257];
/** Side of the image, of the kernel, and stride. */
const CONVOLUTIONS = [[9, 3, 1], [16, 3, 2], [7, 1, 1]] as const;
const { short } = parseArgs(Deno.args, { boolean: ["short"] });
const products = short ? PRODUCTS : [
  ...PRODUCTS,
  ...LENGTHS.flatMap((rows) =>
    LENGTHS.map((columns) => [
      rows,
      LENGTHS[(rows + columns) % LENGTHS.length]!,
      columns,
    ])
  ),
];
const CHANNELS = short ? [3, 64] : [1, 2, 3, 5, 8, 12, 24, 33, 64];
const TOKENS = short ? [5] : [1, 3, 5, 17, 64];
const HEADS = short ? [7] : [3, 7, 8, 17, 32, 64];
const gpu = await testGpu();
if (!short) {
  for (const { name, check: operation } of registered) {
    const device = await (operation.gpu ?? testGpu)();
    for (const [what, shapes] of Object.entries(operation.cases)) {
      await check(device, `${name} ${what}`, async () => {
        await compareOp(device, operation, shapes);
      });
    }
  }
}
for (const [rows = 0, depth = 0, columns = 0] of products) {
  await check(
    gpu,
    `matmul ${rows} x ${depth} x ${columns}`,
    () => both(gpu, [[rows, depth], [depth, columns]], (a, b) => matmul(a, b)),
  );
  await check(
    gpu,
    `linear ${depth} to ${columns} of ${rows} rows`,
    () =>
      both(
        gpu,
        [[rows, depth], [columns, depth], [columns]],
        (x, weight, bias) => linear(x, weight, bias),
      ),
  );
}
for (const channels of CHANNELS) {
  for (const outputs of CHANNELS) {
    for (const [side, kernel, stride] of CONVOLUTIONS) {
      const options = { stride, padding: (kernel - 1) / 2 };
      const image = [2, side, side, channels];
      await check(
        gpu,
        `conv2d ${channels} to ${outputs}, ${side} by ${kernel}, ${stride}`,
        () =>
          both(
            gpu,
            [image, [outputs, channels, kernel, kernel]],
            (x, w) => conv2d(x, w, undefined, options),
          ),
      );
    }
  }
}
for (const tokens of TOKENS) {
  for (const d of HEADS) {
    const shape = [2, tokens, 2, d];
    await check(
      gpu,
      `attention of ${tokens} tokens of ${d}`,
      () => both(gpu, [shape, shape, shape], (q, k, v) => attention(q, k, v)),
    );
  }
}

const all = [...measured.values()].flatMap((kernels) => [...kernels.values()]);
const leaking = all.filter(({ bytes }) => bytes > BOUND);
console.log(
  `${all.length} kernels, ${leaking.length} grow the resident set by more than ${
    BOUND / 1024
  } KiB a dispatch on ${gpu.adapter}`,
);
Deno.exit(leaking.length > 0 ? 1 : 0);
