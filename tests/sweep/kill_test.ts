import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { sweepOf } from "../support/sweep.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));
const SEEDS = { name: "seeds", values: ["0", "1", "2"] };

const start = (path: string) =>
  new Deno.Command("deno", {
    cwd: root,
    args: [
      ...["run", "--no-prompt", "--allow-read=.", "--allow-write=.test"],
      ...["--allow-run=deno", "tests/support/sweep_process.ts", path],
    ],
    ...{ stdout: "piped", stderr: "null" },
  }).spawn();

const sleep = (milliseconds: number) =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

Deno.test("a sweep whose process is killed twice loses nothing, and does nothing twice", async () => {
  const path = ".test/sweep-killed";
  const { folder, plan } = await sweepOf(path, [SEEDS], "--pause=150");
  const first = start(path);
  while ((await folder.status(plan.rows[0]!))?.state !== "running") {
    await sleep(50);
  }
  first.kill("SIGKILL");
  await first.output();
  const second = start(path);
  while ((await folder.status(plan.rows[1]!))?.state !== "finished") {
    await sleep(50);
  }
  second.kill("SIGKILL");
  await second.output();
  const { code } = await start(path).output();
  assertEquals(code, 0);
  for (const row of plan.rows) {
    const { state, attempts } = (await folder.status(row))!;
    // The tasks of a killed sweep go on; whoever comes next waits for them.
    assertEquals([state, attempts], ["finished", 1]);
    assertEquals((await folder.runsOf(row, plan.task)).length, 1);
  }
  const whole = await sweepOf(".test/sweep-whole", [SEEDS]);
  assertEquals((await start(".test/sweep-whole").output()).code, 0);
  const claims = async (file: string) =>
    JSON.parse(await Deno.readTextFile(file)).claims;
  const wanted = await claims(whole.folder.file("findings.json"));
  assert(wanted.length > 0);
  assertEquals(await claims(folder.file("findings.json")), wanted);
});
