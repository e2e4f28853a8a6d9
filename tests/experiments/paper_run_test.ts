import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { paperClaimsSchema } from "../../core/experiment/paper/catalogue.ts";
import { readExperiments } from "../../core/experiment/tasks.ts";
import { CATALOGUE } from "../../experiments/catalogue/mod.ts";
import {
  emptyFolder,
  type Ended,
  finish,
} from "../support/experiment_process.ts";
import { SMOKE_CACHE } from "../support/smoke_cache.ts";
import { taskFlags } from "../support/task_flags.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));
const FOLDER = ".test/paper";

/** `./run paper` as its task starts it. */
function paper(...args: string[]): Promise<Ended> {
  const writeOnly = `${FOLDER},${SMOKE_CACHE}`;
  return finish(
    new Deno.Command("deno", {
      cwd: root,
      args: [...taskFlags("paper", { writeOnly }), ...args],
      // What children may write beside their own folders.
      env: { WORLD_ACTION_READ: "", WORLD_ACTION_WRITE: `,${writeOnly}` },
      stdout: "piped",
      stderr: "piped",
    }).spawn(),
  );
}

const PLACES = ["--out", `${FOLDER}/runs`, "--cache", SMOKE_CACHE];
// A value that steering alone has a flag for, and refuses.
const TWO = [
  ...["--preset", "smoke", "--only", "steering,frontier"],
  ...["--steer-factors", "x"],
];

/** The claims and the page of the only run of the paper. */
async function left() {
  const runs = join(root, FOLDER, "runs", "paper");
  const [run] = await Array.fromAsync(Deno.readDir(runs));
  const folder = join(runs, run?.name ?? "");
  const read = (name: string) => Deno.readTextFile(join(folder, name));
  return {
    folder,
    claims: paperClaimsSchema.parse(JSON.parse(await read("claims.json"))),
    page: await read("report.html"),
    csv: await read("claims.csv"),
    markdown: await read("report.md"),
  };
}

Deno.test("paper runs what it can, names what failed, and goes on where it was", async () => {
  await emptyFolder(FOLDER);
  await Deno.mkdir(join(root, SMOKE_CACHE), { recursive: true });
  const { code, stdout, stderr } = await paper(...TWO, ...PLACES);
  assertEquals(code, 1, stderr);
  assertMatch(stderr, /exp:steering failed: Cannot use --steer-factors x/);
  assertMatch(stderr, /paper {2}1\/2 {2}exp:frontier/);
  assertMatch(stdout, /The report is .*report\.html/);

  const { folder, claims, page, csv, markdown } = await left();
  const states = claims.experiments.map(({ name, state }) => [name, state]);
  assertEquals(states, [["frontier", "finished"], ["steering", "failed"]]);
  const ids = CATALOGUE.sections.flatMap(({ claims }) =>
    claims.map(({ id }) => id)
  );
  assertEquals(claims.claims.map(({ id }) => id), ids);
  for (const id of ids) {
    assert(page.includes(`id="claim-${id}"`), id);
    assert(csv.includes(`${id},`), id);
  }
  assertMatch(markdown, /### 5\.3 .*\n\n\| Claim \|/);
  assertMatch(page, /exp:steering failed: Cannot use --steer-factors x/);
  // Smoke decides nothing.
  const verdicts = new Set(claims.claims.map(({ verdict }) => verdict));
  assertEquals([...verdicts].sort(), ["not testable here", "not tested"]);
  const kid = claims.claims.find(({ id }) => id === "frontier-kid")!;
  assertEquals(typeof kid.measured, "number");
  const [path, anchor] = kid.report!.split("#");
  const report = await Deno.readTextFile(join(folder, path!));
  assert(report.includes(`id="${anchor}"`), kid.report);
  assert(page.length < 15e6, `${page.length} bytes`);

  const again = await paper(...TWO, ...PLACES);
  assertEquals(again.code, 1, again.stderr);
  assertMatch(again.stderr, /exp:frontier: finished before/);
  const second = await left();
  assertEquals(second.claims.claims, claims.claims);

  const compared = await paper("--compare", folder, folder, ...PLACES);
  assertEquals(compared.code, 0, compared.stderr);
  assertMatch(compared.stdout, /0 have another verdict/);
});

Deno.test("paper refuses what it cannot do before any work", async () => {
  await Deno.mkdir(join(root, FOLDER), { recursive: true });
  const expect = async (code: number, message: RegExp, ...args: string[]) => {
    const got = await paper(...args, ...PLACES);
    assertMatch(got.stderr, message);
    assertEquals(got.code, code);
  };
  await expect(2, /did you mean frontier\?/, "--only", "fronteir");
  await expect(2, /it must be smoke, demo, paper/, "--preset", "big");
  await expect(2, /it needs two runs/, "--compare", "one");
  await expect(1, /there is no .*claims\.json/, "--compare", "core", "mod.ts");
  const names = [
    ...readExperiments(
      await Deno.readTextFile(join(root, "deno.json")),
    ).keys(),
  ];
  await expect(2, /no experiment is left/, "--skip", names.join());
  await expect(
    2,
    /no experiment has it; did you mean --steer-factors\?/,
    ...["--only", "steering", "--steer-factor", "1"],
  );
});
