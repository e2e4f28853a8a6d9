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

// Written by PyTorch 1.13, by fixtures/torch/jump.py.
const GIVEN = "fixtures/torch/published/smoke_jump.pt";

const CASES = {
  jump: {
    claims: [
      "motion",
      "direction",
      "single",
      "gap",
      "scenes",
      "mined",
      "diffusion",
      "scheduled",
    ],
    table: "motion-consecutive",
    rows: [
      "jump",
      "forced",
      "jumpLast",
      "scheduled",
      "sampled",
      "noised",
      "direct",
      "directLast",
      "raw",
      "copy",
    ],
    gif: "chain.gif",
    artifact: /^chains\//,
  },
  inverse: {
    claims: [
      "recovers",
      "direct",
      "common",
      "all",
      "recorded",
      "recorded-shift",
      "follows",
    ],
    table: "recorded",
    rows: [
      "direct",
      "diffusion-1",
      "diffusion-2",
      "direct-swapped",
      "diffusion-1-swapped",
      "real",
      "copy",
    ],
    gif: "told.gif",
    artifact: /^probe\//,
  },
} as const;

type Name = keyof typeof CASES;

const placeOf = (name: Name) => ({
  task: `exp:${name}` as const,
  folder: `.test/${name}`,
  cache: SMOKE_CACHE,
});

const run = (name: Name, ...args: string[]) =>
  finish(startExperiment(placeOf(name), ...args));

for (const name of ["jump", "inverse"] as const) {
  Deno.test(`${name} runs in its sandbox, and leaves findings that the report is built from`, async () => {
    await emptyFolder(placeOf(name).folder);
    const whole = await run(name);
    assertEquals(whole.code, 0, whole.stderr);
    assertMatch(whole.stdout, /The report is .*report\.html/);
    const path = await runFolder(placeOf(name));
    const at = (...parts: string[]) => join(path, ...parts);
    const findings = await readFindings(at());
    const { claims, table, rows, gif, artifact } = CASES[name];
    assertEquals(
      findings.claims.map(({ id, verdict }) => `${id} ${verdict}`),
      claims.map((id) => `${id} not tested`),
    );
    assert(findings.artifacts.some((path) => artifact.test(path)));
    const file = await Deno.readTextFile(at(findings.tables[table]!));
    assertEquals(
      tableSchema.parse(JSON.parse(file)).rows.map(({ name }) => name),
      [...rows],
    );
    const bytes = await Deno.readFile(at(gif));
    assertEquals(new TextDecoder().decode(bytes.subarray(0, 6)), "GIF89a");
    assertEquals(
      await reportOf(at()),
      await Deno.readTextFile(at("report.html")),
    );
  });
}

Deno.test("jump takes a model of a file in the authors' layout, and says in one line what does not fit", async () => {
  const planned = await run("jump", "--jump", GIVEN, "--dry-run");
  assertEquals(planned.code, 0, planned.stderr);
  assertMatch(
    planned.stdout,
    /jump model of fixtures\S+smoke_jump.pt, width 8, 1 blocks: not trained/,
  );
  const cases = [
    [["--horizon", "8"], /its jumps are of 1 frames, needed 2$/m],
    [["--jump-heads", "5"], /--jump-heads .*divisor of --jump-dim 32/],
    [["--jump-links", "3"], /--jump-links .*divisor of --horizon 4/],
  ] as const;
  for (const [flags, message] of cases) {
    const { code, stderr } = await run(
      "jump",
      ...["--jump", GIVEN, "--dry-run"],
      ...flags,
    );
    assert(code !== 0);
    assertMatch(stderr, message);
  }
});
