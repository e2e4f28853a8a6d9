import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import {
  readFindings,
  reportOf,
} from "../../core/experiment/findings_report.ts";
import { taskFlags, type TaskName } from "../support/task_flags.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));
const folder = ".test/capacity";

/** Runs a smoke preset as the task does, in its sandbox. */
async function run(task: TaskName, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    cwd: root,
    args: [
      ...taskFlags(task, { writeOnly: folder }),
      ...["--preset", "smoke"],
      ...["--out", `${folder}/runs`, "--cache", `${folder}/data`],
      ...args,
    ],
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Digests of all artifacts of a kind. */
async function digests(kind: string): Promise<string[]> {
  const list = Deno.readDir(join(root, folder, "data/artifacts", kind));
  return (await Array.fromAsync(list))
    .filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
}

Deno.test("capacity finds the frontier's models at its size, trains two at another, and reports from JSON alone", async () => {
  await Deno.remove(join(root, folder), { recursive: true }).catch(() => {});
  await Deno.mkdir(join(root, folder), { recursive: true });
  const frontier = await run("exp:frontier");
  assertEquals(frontier.code, 0, frontier.stderr);
  const before = {
    model: await digests("model"),
    columns: await digests("columns"),
  };
  const capacity = await run("exp:capacity");
  assertEquals(capacity.code, 0, capacity.stderr);
  // Direct and diffusion; the MLP has no blocks. Two steps are scored.
  const after = {
    model: await digests("model"),
    columns: await digests("columns"),
  };
  assertEquals(after.model.length, before.model.length + 2);
  assertEquals(after.columns.length, before.columns.length + 2);

  const runs = join(root, folder, "runs/capacity");
  const [{ name } = { name: "" }] = await Array.fromAsync(Deno.readDir(runs));
  const found = await readFindings(join(runs, name));
  for (const digest of before.model) {
    assert(found.artifacts.includes(`model/${digest}`), `${digest} is used`);
  }
  assertEquals(found.claims.map(({ id }) => id), [
    "larger-is-better",
    "kid-raw",
    "kid-guided",
    "kid-calibrated",
    "cosSim-raw",
    "cosSim-guided",
    "cosSim-calibrated",
  ]);
  const table = await Deno.readTextFile(join(runs, name, "capacity.csv"));
  assertEquals(table.trim().split("\n").length, 1 + 2 * 5);
  const report = await Deno.readTextFile(join(runs, name, "report.html"));
  assertEquals(await reportOf(join(runs, name)), report);
});

Deno.test("capacity refuses sizes that do not grow", async () => {
  const { code, stderr } = await run("exp:capacity", "--capacities", "2,1");
  assertEquals(code, 2);
  assertMatch(stderr, /--capacities.*grow/);
});
