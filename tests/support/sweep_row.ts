/**
 * Stands for an experiment in tests of sweeps: takes ten steps, keeps each,
 * stops when it is asked to, and leaves a run with findings. It needs no
 * device.
 *
 *   sweep_row.ts --out DIR --seeds N --recipe NAME [--fail] [--pause MS]
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { above, claim, named } from "../../core/experiment/claims.ts";
import { writeFindings } from "../../core/experiment/findings_report.ts";
import { Interrupt, Interrupted } from "../../core/experiment/interrupt.ts";
import {
  RunDirectory,
  writeAtomic,
} from "../../core/experiment/run_directory.ts";

const { out, seeds, recipe, fail, pause } = parseArgs(Deno.args, {
  string: ["out", "seeds", "recipe", "pause", "cache"],
  boolean: ["fail"],
});
const identity = { seeds, recipe };
using run = await RunDirectory.open(
  ...[String(out), "frontier", "smoke", identity, {}, false] as const,
);
using interrupt = await Interrupt.open();
try {
  for (let step = 0; step < 10; step++) {
    await run.stage(`step-${step}`, async () => {
      await new Promise((resolve) => setTimeout(resolve, Number(pause ?? 0)));
      console.error(`step ${step}`);
      return step;
    });
    interrupt.check();
  }
} catch (error) {
  if (!(error instanceof Interrupted)) throw error;
  Deno.exit(error.status);
}
if (fail) {
  console.error("Cannot go on: told to fail");
  Deno.exit(1);
}
const all = String(seeds).split(",").map(Number);
const value = all.reduce((a, b) => a + b, 0) / all.length +
  (recipe === "paper" ? 10 : 0);
await writeFindings(run.path, {
  ...{ experiment: "frontier", source: "Table 2", title: "Frontier" },
  ...{ preset: "smoke", isTested: true, seeds: all },
  command: `./run exp:frontier --seeds ${seeds} --recipe ${recipe}`,
  seconds: performance.now() / 1000,
  adapters: ["none"],
  claims: [
    claim("size", "It is large", {
      ...{ value, low: value - 1, high: value + 1, n: 4, of: "scenes" },
    }, above(0.5)),
    claim(
      "order",
      "It is larger",
      { value },
      above(named("half", {
        value: value / 2,
      })),
    ),
  ],
  tables: {
    table2: {
      ...{ title: "Table 2", head: "Model" },
      columns: [{ name: "kid", title: "KID" }, { name: "word", title: "Word" }],
      rows: [{ name: "direct", cells: { kid: { value }, word: "same" } }],
    },
  },
});
await writeAtomic(run.file("finished.json"), "true\n");
