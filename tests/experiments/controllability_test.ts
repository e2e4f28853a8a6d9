import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { tableSchema } from "../../core/experiment/findings.ts";
import { readFindings } from "../../core/experiment/findings_report.ts";
import {
  copyArtifacts,
  emptyFolder,
  endAt,
  finish,
  outcomeOf,
  reportElsewhere,
  runFolder,
  startExperiment,
} from "../support/experiment_process.ts";
import { SMOKE_CACHE } from "../support/smoke_cache.ts";

const folder = ".test/controllability";
const place = {
  task: "exp:controllability",
  folder,
  cache: SMOKE_CACHE,
} as const;

const run = (...args: string[]) => finish(startExperiment(place, ...args));

Deno.test("controllability runs in its sandbox, says how good the probe is, and leaves findings that the report is built from", async () => {
  await emptyFolder(folder);
  const whole = await run();
  assertEquals(whole.code, 0, whole.stderr);
  assertMatch(whole.stdout, /The report is .*report\.html/);
  assertMatch(whole.stderr, /The probe was trained on 234 pairs/);
  assertMatch((await run()).stdout, /Finished before/);

  const path = await runFolder(place);
  const at = (...parts: string[]) => join(path, ...parts);
  const findings = await readFindings(at());
  assertEquals(
    findings.claims.map(({ id, verdict }) => `${id} ${verdict}`),
    [
      "steers",
      "steers-probe",
      "strength",
      "sign",
      "direct",
      "direct-probe",
      "guidance",
      "guidance-probe",
    ].map((id) => `${id} not tested`),
  );
  assert(findings.artifacts.some((path) => path.startsWith("probe/")));
  const { sweeps = "", actions = "" } = findings.tables;
  const table = async (file: string) =>
    tableSchema.parse(JSON.parse(await Deno.readTextFile(at(file))));
  assertEquals((await table(sweeps)).rows.map((row) => row.name), [
    "direct",
    "diffusion-1",
    "diffusion-2",
    "direct-raw",
    "diffusion-1-raw",
  ]);
  assertEquals((await table(actions)).columns.length, 4);
  const gif = await Deno.readFile(at("sweep.gif"));
  assertEquals(new TextDecoder().decode(gif.subarray(0, 6)), "GIF89a");

  assertEquals(
    await reportElsewhere(path, `${folder}/copy`),
    await Deno.readTextFile(at("report.html")),
  );
});

Deno.test("controllability goes on after kills in sampling and measuring to equal findings", async () => {
  const killed = { ...place, folder: await emptyFolder(`${folder}-killed`) };
  const alone = { ...killed, cache: `${killed.folder}/data` };
  await copyArtifacts(SMOKE_CACHE, alone.cache, ["world", "latents"]);
  for (const sign of [/sample {2}[1-9]/, /measure {2}[1-9]/]) {
    await endAt(startExperiment(alone), sign, "SIGKILL");
  }
  const resumed = await finish(startExperiment(alone));
  assertEquals(resumed.code, 0, resumed.stderr);
  assertEquals(await outcomeOf(alone), await outcomeOf(place));
});

Deno.test("controllability refuses a sweep that does not rise, and guidance without none", async () => {
  const cases = [
    ["--values=0.1,0,0.2", /--values .*rising values/],
    ["--guidances=2,3", /--guidances .*it needs 1, for none/],
    ["--sweep-steps=7", /--sweep-steps .*divisor of 1000/],
  ] as const;
  for (const [flag, message] of cases) {
    const { code, stderr } = await run(flag);
    assertEquals(code, 2, stderr);
    assertMatch(stderr, message);
  }
});
