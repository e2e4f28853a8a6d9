import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { tableSchema } from "../../core/experiment/findings.ts";
import { readFindings } from "../../core/experiment/findings_report.ts";
import {
  emptyFolder,
  finish,
  reportElsewhere,
  runFolder,
  startExperiment,
} from "../support/experiment_process.ts";
import { SMOKE_CACHE } from "../support/smoke_cache.ts";

const folder = ".test/rollout";

const place = { task: "exp:rollout", folder, cache: SMOKE_CACHE } as const;

const run = (...args: string[]) => finish(startExperiment(place, ...args));

Deno.test("rollout runs in its sandbox to three chunks, and leaves findings that the report is built from", async () => {
  await emptyFolder(folder);
  const whole = await run();
  assertEquals(whole.code, 0, whole.stderr);
  assertMatch(whole.stdout, /The report is .*report\.html/);
  assertMatch((await run()).stdout, /Finished before/);

  const path = await runFolder(place);
  const at = (...parts: string[]) => join(path, ...parts);
  const findings = await readFindings(at());
  assertEquals(
    findings.claims.map(({ id, verdict }) => `${id} ${verdict}`),
    [
      "drift-direct",
      "drift-raw",
      "drift-calibrated",
      "cossim-direct",
      "cossim-raw",
      "reproject-direct",
      "reproject-raw",
      "augmented",
      "manifold",
      "end",
      "end-cossim",
      "recovery-direct",
      "recovery-calibrated",
      "recovery-augmentedCalibrated",
    ].map((id) => `${id} not tested`),
  );
  const { cosSim = "", chunk1 = "", recovery = "" } = findings.tables;
  const table = async (file: string) =>
    tableSchema.parse(JSON.parse(await Deno.readTextFile(at(file))));
  const steps = (await table(cosSim)).columns.map(({ name }) => name);
  assertEquals(steps, ["t4", "t8", "t12"]);
  assertEquals((await table(chunk1)).rows.length, 9);
  assertEquals((await table(recovery)).rows.length, 3);
  assert(Object.keys(findings.tables).includes("chunk3"));
  const gif = await Deno.readFile(at("rollouts.gif"));
  assertEquals(new TextDecoder().decode(gif.subarray(0, 6)), "GIF89a");

  assertEquals(
    await reportElsewhere(path, `${folder}/copy`),
    await Deno.readTextFile(at("report.html")),
  );
});

Deno.test("rollout refuses sampling steps that do not divide, and a single chunk", async () => {
  const cases = [
    ["--rollout-steps=7", /--rollout-steps .*divisor of 1000/],
    ["--chunks=1", /--chunks /],
  ] as const;
  for (const [flag, message] of cases) {
    const { code, stderr } = await run(flag);
    assertEquals(code, 2, stderr);
    assertMatch(stderr, message);
  }
});
