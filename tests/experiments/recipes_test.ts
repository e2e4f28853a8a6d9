import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { tableSchema } from "../../core/experiment/findings.ts";
import {
  readFindings,
  reportOf,
} from "../../core/experiment/findings_report.ts";
import {
  emptyFolder,
  finish,
  runFolder,
  startExperiment,
} from "../support/experiment_process.ts";
import { SMOKE_CACHE } from "../support/smoke_cache.ts";

const folder = ".test/recipes";

const place = { task: "exp:recipes", folder, cache: SMOKE_CACHE } as const;

const run = (...args: string[]) => finish(startExperiment(place, ...args));

Deno.test("recipes runs in its sandbox and leaves findings that the report is built from", async () => {
  await emptyFolder(folder);
  const whole = await run();
  assertEquals(whole.code, 0, whole.stderr);
  assertMatch(whole.stdout, /The report is .*report\.html/);
  assertMatch((await run()).stdout, /Finished before/);

  const path = await runFolder(place);
  const at = (...parts: string[]) => join(path, ...parts);
  const findings = await readFindings(at());
  assertEquals(findings.claims.length, 14);
  assert(findings.claims.every(({ verdict }) => verdict === "not tested"));
  const names = Object.keys(findings.tables);
  assertEquals(names, ["arms-fresh", "arms-test", "costs"]);
  const [fresh, test, costs] = await Promise.all(
    Object.values(findings.tables).map(async (file) =>
      tableSchema.parse(JSON.parse(await Deno.readTextFile(at(file))))
    ),
  );
  const arms = fresh!.rows.map((row) => row.name);
  assertEquals(arms, test!.rows.map((row) => row.name));
  assertEquals(arms.slice(-2), ["copy", "ceiling"]);
  assertEquals(arms.slice(0, -2), costs!.rows.map((row) => row.name));
  // Equal training cost, as far as whole samples go.
  const teraflops = costs!.rows.map(({ cells }) => cells.training as number);
  for (const value of teraflops) {
    assert(Math.abs(value / teraflops[0]! - 1) < 0.02, `${teraflops}`);
  }
  assertEquals(
    await reportOf(at()),
    await Deno.readTextFile(at("report.html")),
  );
});

Deno.test("recipes refuses steps that no grid has", async () => {
  for (
    const [flag, message] of [
      ["--frame-steps=7", /--frame-steps .*divisor of 1000/],
      ["--quick-steps=100", /--quick-steps .*50/],
      ["--frame-dim=18", /--heads .*divisor of --frame-dim 18/],
    ] as const
  ) {
    const { code, stderr } = await run(flag);
    assertEquals(code, 2, stderr);
    assertMatch(stderr, message);
  }
});
