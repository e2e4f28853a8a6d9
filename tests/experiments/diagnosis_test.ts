import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import {
  readFindings,
  reportOf,
} from "../../core/experiment/findings_report.ts";
import { taskFlags } from "../support/task_flags.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));
const folder = ".test/diagnosis";

function start(...args: string[]): Deno.ChildProcess {
  return new Deno.Command("deno", {
    cwd: root,
    args: [
      ...taskFlags("exp:diagnosis", { writeOnly: folder }),
      ...["--out", folder, "--cache", `${folder}/data`, ...args],
    ],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

Deno.test("diagnosis goes on after a kill in a training, and scores every model", async () => {
  await Deno.remove(join(root, folder), { recursive: true }).catch(() => {});
  await Deno.mkdir(join(root, folder), { recursive: true });
  const killed = start("--preset", "smoke");
  let seen = "";
  let isKilled = false;
  const decoder = new TextDecoder();
  for await (const chunk of killed.stderr) {
    seen += decoder.decode(chunk, { stream: true });
    if (isKilled || !/train and score the models {2}[1-9]/.test(seen)) continue;
    isKilled = true;
    killed.kill("SIGKILL");
  }
  await killed.status;
  await killed.stdout.cancel();
  assert(isKilled, seen);
  const { code, stderr } = await start("--preset", "smoke").output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));

  const runs = join(root, folder, "diagnosis");
  const [own] = await Array.fromAsync(Deno.readDir(runs));
  const run = join(runs, own!.name);
  const { claims, notes, tables } = await readFindings(run);
  assertEquals(
    new Set(claims.map(({ verdict }) => verdict)),
    new Set(["not tested"]),
  );
  assertMatch(notes.join(" "), /small stand-ins of this project/);
  assertEquals(Object.keys(tables).length, 10);
  const chain = JSON.parse(await Deno.readTextFile(join(run, "chain.json")));
  // Seven models, the copy and six controls.
  assertEquals(chain.rows.length, 14);
  for (const { cells, name } of chain.rows) {
    assert(Math.abs(cells.distilled.value) <= 1, name);
  }
  const samplers = JSON.parse(
    await Deno.readTextFile(join(run, "samplers.json")),
  );
  const at = Object.fromEntries(
    samplers.rows.map((
      row: { name: string; cells: { distilled: { value: number } } },
    ) => [row.name, row.cells.distilled.value]),
  );
  // A start at 0 has no noise and leaves the present as it is.
  const copy = chain.rows.find((row: { name: string }) => row.name === "copy");
  assert(Math.abs(at["start-0"] - copy.cells.distilled.value) < 1e-5);
  assertEquals(
    await reportOf(run),
    await Deno.readTextFile(join(run, "report.html")),
  );
});
