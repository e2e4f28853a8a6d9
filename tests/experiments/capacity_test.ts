import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import {
  readFindings,
  reportOf,
} from "../../core/experiment/findings_report.ts";
import {
  copyArtifacts,
  emptyFolder,
  endAt,
  finish,
  outcomeOf,
  runFolder,
  startExperiment,
} from "../support/experiment_process.ts";
import { SMOKE_CACHE } from "../support/smoke_cache.ts";

const place = {
  task: "exp:capacity",
  folder: ".test/capacity",
  cache: SMOKE_CACHE,
} as const;

const frontier = { ...place, task: "exp:frontier" } as const;

Deno.test("capacity finds the frontier's models at its size, trains two at another, and reports from JSON alone", async () => {
  await emptyFolder(place.folder);
  for (const experiment of [frontier, place]) {
    const { code, stderr } = await finish(startExperiment(experiment));
    assertEquals(code, 0, stderr);
  }
  const used = async (of: typeof place | typeof frontier, kind: string) =>
    (await readFindings(await runFolder(of))).artifacts
      .filter((name) => name.startsWith(`${kind}/`));
  // Direct and diffusion; the MLP has no blocks. Two steps are scored.
  for (const kind of ["model", "columns"]) {
    const before = await used(frontier, kind);
    const after = await used(place, kind);
    assertEquals(before.filter((name) => !after.includes(name)), []);
    assertEquals(after.length, before.length + 2, kind);
  }

  const run = await runFolder(place);
  const found = await readFindings(run);
  assertEquals(found.claims.map(({ id }) => id), [
    "larger-is-better",
    "kid-raw",
    "kid-guided",
    "kid-calibrated",
    "cosSim-raw",
    "cosSim-guided",
    "cosSim-calibrated",
  ]);
  const table = await Deno.readTextFile(join(run, "capacity.csv"));
  assertEquals(table.trim().split("\n").length, 1 + 2 * 5);
  const report = await Deno.readTextFile(join(run, "report.html"));
  assertEquals(await reportOf(run), report);
});

Deno.test("two experiments that need the same models at once, killed again and again, end as those that ran alone", async () => {
  const folder = await emptyFolder(".test/together");
  const cache = `${folder}/data`;
  await copyArtifacts(SMOKE_CACHE, cache, ["world", "latents"]);
  const capacity = { ...place, folder, cache };
  const other = { ...frontier, folder, cache };
  // Whoever is killed in training holds the lock of a model.
  const first = endAt(startExperiment(capacity), /train {2}[1-9]/, "SIGKILL");
  const second = finish(startExperiment(other));
  await first;
  const { code, stderr } = await second;
  assertEquals(code, 0, stderr);
  assertEquals(await outcomeOf(other), await outcomeOf(frontier));
  for (const sign of [/train {2}[1-9]/, /sample {2}[1-9]/, /score {2}[1-9]/]) {
    await endAt(startExperiment(capacity), sign, "SIGKILL");
  }
  const resumed = await finish(startExperiment(capacity));
  assertEquals(resumed.code, 0, resumed.stderr);
  assertEquals(await outcomeOf(capacity), await outcomeOf(place));
  const left = Array.from(
    await Array.fromAsync(Deno.readDir(`${cache}/artifacts/model`)),
  )
    .filter(({ name }) => name.endsWith(".partial"));
  assertEquals(left, []);
});

Deno.test("capacity refuses sizes that do not grow", async () => {
  const process = startExperiment(place, "--capacities", "2,1");
  const { code, stderr } = await finish(process);
  assertEquals(code, 2);
  assertMatch(stderr, /--capacities.*grow/);
});
