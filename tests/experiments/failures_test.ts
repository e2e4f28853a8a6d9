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

const folder = ".test/failures";

const place = { task: "exp:failures", folder, cache: SMOKE_CACHE } as const;

const run = (...args: string[]) => finish(startExperiment(place, ...args));

Deno.test("failures runs in its sandbox, measures weights on the way of the trainings, and leaves findings that the report is built from", async () => {
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
      "blur",
      "grain",
      "dispersion",
      "repaired",
      "tint",
      "diversity",
      "best",
      "best-direct",
      "closer-latents",
      "seen-latents",
      "copied-latents",
      "control-latents",
      "closer-features",
      "seen-features",
      "copied-features",
      "control-features",
      "fit-diffusion",
      "falling-diffusion",
      "fit-direct",
      "falling-direct",
      "seeds",
    ].map((id) => `${id} not tested`),
  );
  const { fit = "", memory = "", seeds = "" } = findings.tables;
  const table = async (file: string) =>
    tableSchema.parse(JSON.parse(await Deno.readTextFile(at(file))));
  // Four steps: the eighth and the quarter are after the first, a row.
  assertEquals(
    (await table(fit)).rows.map((row) => row.name).slice(0, 4),
    ["diffusion-1", "diffusion-2", "diffusion-4", "direct-1"],
  );
  assertEquals((await table(memory)).rows.map((row) => row.name), [
    "calibrated",
    "raw",
    "direct",
    "real",
    "control",
  ]);
  assertMatch((await table(seeds)).title, /n = 1 seed$/);
  assert("neighbours" in findings.media);

  assertEquals(
    await reportElsewhere(path, `${folder}/copy`),
    await Deno.readTextFile(at("report.html")),
  );
});

Deno.test("failures refuses sampling steps that do not divide, and the best of one", async () => {
  const cases = [
    ["--fit-steps=7", /--fit-steps .*divisor of 1000/],
    ["--best-of=1", /--best-of /],
  ] as const;
  for (const [flag, message] of cases) {
    const { code, stderr } = await run(flag);
    assertEquals(code, 2, stderr);
    assertMatch(stderr, message);
  }
});
