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

const folder = ".test/steering";

const place = { task: "exp:steering", folder, cache: SMOKE_CACHE } as const;

const run = (...args: string[]) => finish(startExperiment(place, ...args));

Deno.test("steering runs in its sandbox and leaves findings that the report is built from", async () => {
  await emptyFolder(folder);
  const whole = await run();
  assertEquals(whole.code, 0, whole.stderr);
  assertMatch((await run()).stdout, /Finished before/);

  const path = await runFolder(place);
  const at = (...parts: string[]) => join(path, ...parts);
  const findings = await readFindings(at(""));
  assertEquals(
    findings.claims.map(({ id, verdict }) => `${id} ${verdict}`),
    [
      "probe-steer",
      "probe-accel",
      "raw-steer",
      "direct-steer",
      "raw-accel",
      "direct-accel",
      "raw-path",
      "direct-path",
      "guidance",
    ].map((id) => `${id} not tested`),
  );
  const table = async (file = "") =>
    tableSchema.parse(JSON.parse(await Deno.readTextFile(at(file))));
  const { rows } = await table(findings.tables.steering);
  assertEquals(rows.map((row) => row.name), [
    "recorded",
    "driven",
    "direct",
    "raw",
    "guided",
    "mlp",
    "copy",
  ]);
  // A copy knows nothing of what is commanded.
  assertEquals(
    [rows[0]!.cells.slope, (rows[6]!.cells.slope as { value: number }).value],
    [undefined, 0],
  );
  assertEquals((await table(findings.tables.differences)).rows.length, 6);
  assert(findings.notes.some((note) => /explains with correlation/.test(note)));
  assertEquals(
    await reportOf(at("")),
    await Deno.readTextFile(at("report.html")),
  );
});

Deno.test("steering refuses factors without 1", async () => {
  const { code, stderr } = await run("--steer-factors=0,2");
  assertEquals(code, 2, stderr);
  assertMatch(stderr, /--steer-factors .*it needs 1, for what was recorded/);
});
