import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
} from "@std/assert";
import { join } from "@std/path";
import { latentStatistics } from "../../core/lab/latent_bench.ts";
import type { LatentFutureSpec } from "../../core/models/latent_future.ts";
import { key } from "../../core/tensor/philox.ts";
import { trainLatentFuture } from "../../core/training/latent_future.ts";
import { testGpu } from "../support/gpu.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

const sizes = { horizon: 2, tokens: 1, dim: 16, blocks: 1, heads: 2 };
const draws = key("latent frames", 0);
const frames = {
  rows: Float32Array.from({ length: 20 * 16 }, (_, i) => draws.normal(i)),
  actions: Float32Array.from({ length: 40 }, (_, i) => draws.normal(i) / 9),
};
const starts = Array.from({ length: 18 }, (_, i) => i);
const settings = {
  ...{ epochs: 3, batch: 8, lr: 1e-2, clip: 1, decay: 0.9, seed: 1 },
};

Deno.test("trainLatentFuture resumes to equal bits, and lowers the loss of every kind", async () => {
  using folder = tinyFolder();
  const gpu = await testGpu();
  const run = (
    spec: LatentFutureSpec,
    name: string,
    shouldStop = () => false,
  ) =>
    trainLatentFuture(gpu, spec, sizes, frames, starts, settings, {
      checkpoint: join(folder.path, `${name}.safetensors`),
      digest: name,
      progress: () => {},
      shouldStop,
    });
  const x0 = { network: "dit", objective: "x0", actions: "single" } as const;
  const whole = await run(x0, "whole");
  let steps = 0;
  const stopped = await run(x0, "stopped", () => ++steps === 4);
  assertEquals(stopped, undefined);
  const resumed = await run(x0, "stopped");
  for (const kind of ["last", "average"] as const) {
    for (const [name, { data }] of Object.entries(whole![kind])) {
      assertEquals(resumed![kind][name]!.data, data, name);
    }
  }
  assert(
    whole!.average["network.final_linear.weight"]!.data.some((value, i) =>
      value !== whole!.last["network.final_linear.weight"]!.data[i]
    ),
  );
  const kinds: LatentFutureSpec[] = [
    { network: "dit-direct", objective: "direct", actions: "none" },
    {
      ...{ network: "mlp", objective: "direct", actions: "sequence" },
      ...{ residual: true, hidden: 24 },
    } as LatentFutureSpec,
    { network: "anchored", objective: "direct", actions: "sequence" },
    {
      ...{ network: "token-mlp", objective: "direct", hidden: 24 },
      actions: "single",
    } as LatentFutureSpec,
  ];
  for (const [i, spec] of kinds.entries()) {
    const { loss } = (await run(spec, `kind ${i}`))!.curve;
    assert(loss.at(-1)! < loss[0]!, `${spec.network}: ${loss}`);
  }
});

Deno.test("trainLatentFuture refuses no windows, and one without its future", async () => {
  const gpu = await testGpu();
  const spec: LatentFutureSpec = {
    ...{ network: "mlp", objective: "direct", actions: "single" } as const,
  };
  const run = (own: number[]) =>
    trainLatentFuture(gpu, spec, sizes, frames, own, settings, {
      ...{ checkpoint: "absent", digest: "", progress: () => {} },
    });
  await assertRejects(() => run([]), RangeError, "more than 2 keyframes");
  await assertRejects(() => run([18]), RangeError, "needed 2 rows after it");
});

Deno.test("latentStatistics counts rows as often as windows do, unbiased", () => {
  // Row 0 once, row 1 twice: 1, 3, 3 and 2, 6, 6.
  const rows = Float32Array.of(1, 2, 3, 6, 100, 100);
  const { mean, std } = latentStatistics(rows, 2, [1, 2, 0]);
  assertAlmostEquals(mean[0]!, 7 / 3);
  assertAlmostEquals(std[0]!, Math.sqrt(4 / 3));
  assertAlmostEquals(std[1]!, 2 * Math.sqrt(4 / 3));
  // Grids: all places of a row together.
  const grid = latentStatistics(Float32Array.of(1, 3), 1, [1]);
  assertAlmostEquals(grid.mean[0]!, 2);
  assertAlmostEquals(grid.std[0]!, Math.SQRT2);
});
