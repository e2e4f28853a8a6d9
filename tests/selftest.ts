/**
 * Checks every operation and gradient on this machine's adapter against
 * float64 definitions: `deno task selftest [--json FILE] [--guard]`.
 *
 * Prints the worst error of each operation beside its tolerance and exits with
 * 1 if one is exceeded. Errors are |got - wanted| / (1 + |wanted|).
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { Gpu } from "../mod.ts";
import "./nn/optimizer_test.ts";
import "./ops/attention_test.ts";
import "./ops/concat_test.ts";
import "./ops/conv2d_test.ts";
import "./ops/dropout_test.ts";
import "./ops/gather_test.ts";
import "./ops/group_norm_test.ts";
import "./ops/layer_norm_test.ts";
import "./ops/linear_test.ts";
import "./ops/matmul_test.ts";
import "./ops/modulate_test.ts";
import "./ops/mse_test.ts";
import "./ops/patchify_test.ts";
import "./ops/permute_test.ts";
import "./ops/pointwise_test.ts";
import "./ops/pool2d_test.ts";
import "./ops/reduce_test.ts";
import "./ops/resize2d_test.ts";
import "./ops/rope_test.ts";
import "./ops/softmax_test.ts";
import "./tensor/random_test.ts";
import { compareOp, registered } from "./support/check_op.ts";
import { writeJson } from "./support/write_json.ts";

/** Worst errors of one operation. */
interface Result {
  name: string;
  cases: number;
  forward: number;
  backward: number;
  tolerance: number;
  passed: boolean;
  message: string;
}

const args = parseArgs(Deno.args, {
  string: ["json"],
  boolean: ["guard"],
});
const started = performance.now();
using gpu = await Gpu.open({ guard: args["guard"] === true });
console.log(
  `${gpu.adapter}, subgroup size ${gpu.subgroupSize}, features ${
    [...gpu.features].join(", ") || "none"
  }`,
);

const results = new Map<string, Result>();
for (const { name, check } of registered) {
  if (check.gpu !== undefined) {
    // Variants that this adapter does not choose are for the test suite.
    if (/ by | without subgroups/.test(name)) continue;
  }
  for (const [what, shapes] of Object.entries(check.cases)) {
    const tolerance = shapes.tolerance ?? check.tolerance;
    const key = `${name} ${tolerance}`;
    const result = results.get(key) ?? {
      name,
      cases: 0,
      forward: 0,
      backward: 0,
      tolerance,
      passed: true,
      message: "",
    };
    results.set(key, result);
    result.cases++;
    try {
      const { forward, backward } = await compareOp(gpu, check, shapes);
      result.forward = worse(result.forward, forward);
      result.backward = worse(result.backward, backward);
      if (!(forward <= tolerance && backward <= tolerance)) {
        result.passed = false;
        result.message = what;
      }
    } catch (error) {
      result.passed = false;
      result.message = error instanceof Error ? error.message : String(error);
    }
  }
}

/** The larger error; NaN counts as the largest. */
function worse(a: number, b: number): number {
  return a >= b ? a : b;
}

console.log(
  `${"operation".padEnd(40)} cases   forward  gradient  tolerance`,
);
const rows = [...results.values()];
for (const row of rows) {
  console.log(
    [
      row.name.padEnd(40),
      String(row.cases).padStart(5),
      row.forward.toExponential(1).padStart(9),
      row.backward.toExponential(1).padStart(9),
      row.tolerance.toExponential(1).padStart(10),
      row.passed ? "" : `  FAILED ${row.message}`,
    ].join(" "),
  );
}
const failed = rows.filter((row) => !row.passed).length;
const seconds = (performance.now() - started) / 1000;
console.log(
  `${rows.length - failed} passed, ${failed} failed in ${
    seconds.toFixed(0)
  } s on ${gpu.adapter}`,
);
const file = args["json"];
if (typeof file === "string" && file !== "") {
  const report = {
    date: new Date().toISOString(),
    adapter: gpu.adapter,
    subgroupSize: gpu.subgroupSize,
    features: [...gpu.features],
    seconds,
    rows,
  };
  await writeJson(file, report);
}
if (failed > 0) Deno.exit(1);
