/**
 * The page of the browser test: runs the operation tests in the browser and
 * posts what it found to its server.
 *
 * @module
 */

import { Gpu } from "../../core/gpu/gpu.ts";
import { compareOp, registered } from "../support/check_op.ts";

// The test files register their operations; their own runner is not here.
Object.assign(globalThis, { Deno: { test() {} } });
await import("../ops/attention_test.ts");
await import("../ops/concat_test.ts");
await import("../ops/conv2d_test.ts");
await import("../ops/gather_test.ts");
await import("../ops/group_norm_test.ts");
await import("../ops/layer_norm_test.ts");
await import("../ops/linear_test.ts");
await import("../ops/matmul_test.ts");
await import("../ops/patchify_test.ts");
await import("../ops/pointwise_test.ts");
await import("../ops/pool2d_test.ts");
await import("../ops/reduce_test.ts");
await import("../ops/resize2d_test.ts");
await import("../ops/rope_test.ts");
await import("../ops/softmax_test.ts");

/** What one case gave. */
interface Result {
  readonly name: string;
  readonly error: number;
  readonly tolerance: number;
  readonly message: string;
}

async function run(): Promise<{ adapter: string; results: Result[] }> {
  const gpu = await Gpu.open();
  const results: Result[] = [];
  for (const { name, check } of registered) {
    if (check.gpu !== undefined && / by /.test(name)) continue;
    for (const [what, shapes] of Object.entries(check.cases)) {
      const tolerance = shapes.tolerance ?? check.tolerance;
      let error = Infinity;
      let message = "";
      try {
        const { forward, backward } = await compareOp(gpu, check, shapes);
        error = Math.max(forward, backward);
      } catch (reason) {
        message = String(reason);
      }
      results.push({ name: `${name} ${what}`, error, tolerance, message });
    }
  }
  return { adapter: gpu.adapter, results };
}

const report = await run().catch((error) => ({
  adapter: "",
  results: [{
    name: "start",
    error: Infinity,
    tolerance: 0,
    message: `${error}`,
  }],
}));
await fetch("/report", { method: "POST", body: JSON.stringify(report) });
