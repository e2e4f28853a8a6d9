import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  emptyFolder,
  endAt,
  type ExperimentPlace,
  filesBelow,
  finish,
  outcomeOf,
  startExperiment,
} from "../support/experiment_process.ts";
import { SMOKE_CACHE } from "../support/smoke_cache.ts";

async function placeOf(name: string): Promise<ExperimentPlace> {
  return {
    task: "exp:frontier",
    folder: await emptyFolder(`.test/${name}`),
    cache: SMOKE_CACHE,
  };
}

Deno.test("frontier runs in its sandbox, goes on after a kill to equal tables, and is not computed twice", async () => {
  const place = await placeOf("frontier");
  const whole = await finish(startExperiment(place));
  assertEquals(whole.code, 0, whole.stderr);
  assertMatch(whole.stdout, /The report is .*report\.html/);
  const wanted = await outcomeOf(place);
  const rows = wanted.tables["table2.csv"]?.split("\n") ?? [];
  assert(rows.length > 9, "a row for every operating point");

  const again = await finish(startExperiment(place));
  assertMatch(again.stdout, /Finished before/);
  // Another run of equal models trains and scores nothing.
  const elsewhere = { ...place, folder: `${place.folder}/elsewhere` };
  const other = await finish(startExperiment(elsewhere));
  assertEquals(other.code, 0, other.stderr);
  assert(!/(draw|encode|train|sample|score).* \d+\/\d/.test(other.stderr));
  assertEquals(await outcomeOf(elsewhere), wanted);

  // Stopped within the only shard, then killed in training and in sampling.
  const { cache: _, ...killed } = await placeOf("frontier-killed");
  const encoding = /encode train frames {2}(32|64|96|128|160|192)\//;
  const stopped = await endAt(startExperiment(killed), encoding, "SIGTERM");
  assertEquals(stopped.code, 143, stopped.seen);
  // One batch; 1.2 s on two busy cores.
  assert(stopped.seconds < 10, `${stopped.seconds} s`);
  const cached = await filesBelow(`${killed.folder}/data/artifacts/latents`);
  assertEquals(
    cached.filter((name) => !/json/.test(name)),
    ["latents-00000.safetensors.begun"],
  );
  for (const sign of [/train {2}[1-9]/, /sample {2}[1-9]/, /score {2}[1-9]/]) {
    await endAt(startExperiment(killed), sign, "SIGKILL");
  }
  const resumed = await finish(startExperiment(killed));
  assertEquals(resumed.code, 0, resumed.stderr);
  assertEquals(await outcomeOf(killed), wanted);
});

Deno.test("frontier stops at SIGTERM with 143 and says how to go on", async () => {
  const place = await placeOf("frontier-stopped");
  const process = startExperiment(place, "--samples", "4000");
  const { code, seen } = await endAt(process, /train {2}[1-9]/, "SIGTERM");
  assertEquals(code, 143, seen);
  assertMatch(seen, /To go on: .\/run exp:frontier --preset smoke/);
});

Deno.test("frontier prints its parameters and refuses a typo with the nearest name", async () => {
  const place = await placeOf("frontier-usage");
  const help = await finish(startExperiment(place, "--help"));
  assertEquals(help.code, 0);
  assertMatch(
    help.stdout,
    /--ddim-steps +sampling steps, a divisor of 1000 \(5; 50; 50\)/,
  );
  const typo = await finish(startExperiment(place, "--horizn", "8"));
  assertEquals(typo.code, 2);
  assertMatch(typo.stderr, /--horizn: did you mean --horizon\?/);
  const wrong = await finish(startExperiment(place, "--horizon", "many"));
  assertEquals(wrong.code, 2);
  assertMatch(wrong.stderr, /Cannot use --horizon many/);
});

Deno.test("frontier --preset paper --dry-run prints the plan and what is missing", async () => {
  const place = await placeOf("frontier-plan");
  const plan = await finish(
    startExperiment(place, "--preset", "paper", "--dry-run"),
  );
  assertEquals(plan.code, 0, plan.stderr);
  assertMatch(plan.stdout, /1024 of 64 values/);
  assertMatch(plan.stdout, /--vae FILE/);
  const refused = await finish(startExperiment(place, "--preset", "paper"));
  assertEquals(refused.code, 1);
  assertMatch(refused.stderr, /Cannot run the paper preset: it needs/);
});
