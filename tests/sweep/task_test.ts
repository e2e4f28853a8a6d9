import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { join } from "@std/path";
import { isThere } from "../../core/experiment/artifact_files.ts";
import { StopFlag } from "../../core/experiment/interrupt.ts";
import { readJson } from "../../core/experiment/run_directory.ts";
import { runLocal } from "../../core/sweep/local.ts";
import type { Answer, Call } from "../../core/sweep/slurm.ts";
import { runRow } from "../../core/sweep/task.ts";
import { launchStandIn, NODE, ON, sweepOf, TASK } from "../support/sweep.ts";

const SEEDS = { name: "seeds", values: ["0", "1"] };
const folderOf = (name: string) => `.test/sweep-task-${name}`;

const controller =
  (state: string, calls: string[][]): Call => (command, args) => {
    calls.push([command, ...args]);
    const stdout =
      `JobId=8 ArrayJobId=7 ArrayTaskId=0 JobState=${state} Reason=None ExitCode=0:0\n`;
    return Promise.resolve({ code: 0, stdout, stderr: "" } satisfies Answer);
  };

/** Asked to stop as soon as the command took some steps. */
function stopAt(step: string) {
  const flag = new StopFlag();
  const write = (bytes: Uint8Array) => {
    if (!new TextDecoder().decode(bytes).includes(step)) return;
    Atomics.store(new Int32Array(flag.buffer), 0, 143);
  };
  return { interrupt: flag, write };
}

Deno.test("runRow keeps what a row was computed with, and does a finished one no more", async () => {
  const { folder, plan } = await sweepOf(folderOf("once"), [SEEDS]);
  const row = plan.rows[0]!;
  assertEquals(await runRow(folder, plan, row, TASK), 0);
  const status = (await folder.status(row))!;
  assertEquals(
    [status.state, status.exit, status.adapter, status.selfTest, status.digest],
    ["finished", 0, NODE.adapter, NODE.selfTest, row.digest],
  );
  assertEquals(status.deno, Deno.version.deno);
  let said = "";
  const write = (bytes: Uint8Array) => {
    said += new TextDecoder().decode(bytes);
  };
  const never = () => {
    throw new Error("a finished row is not started");
  };
  const again = { ...TASK, write, launch: never };
  assertEquals(await runRow(folder, plan, row, again), 0);
  assertStringIncludes(said, "was finished before");
});

Deno.test("runRow says why a row failed, and refuses a software adapter unless allowed", async () => {
  const { folder, plan } = await sweepOf(folderOf("fail"), [SEEDS], "--fail");
  const row = plan.rows[0]!;
  assertEquals(await runRow(folder, plan, row, TASK), 1);
  const { state, exit, reason } = (await folder.status(row))!;
  assertEquals([state, exit, reason], [
    ...["failed", 1, "Cannot go on: told to fail"],
  ]);
  const look = () =>
    Promise.resolve({ ...NODE, adapter: "llvmpipe", isSoftware: true });
  const software = { ...TASK, look };
  assertEquals(await runRow(folder, plan, plan.rows[1]!, software), 3);
  const refused = (await folder.status(plan.rows[1]!))!;
  assertEquals(refused.state, "refused");
  assertStringIncludes(refused.reason!, "--allow-software");
  const allowed = { ...plan, allowSoftware: true };
  assertEquals(await runRow(folder, allowed, plan.rows[1]!, software), 1);
});

Deno.test("runRow told ahead of its limit puts back that task alone, goes on, and at most so often", async () => {
  const { folder, plan } = await sweepOf(
    ...[folderOf("requeue"), [SEEDS], "--pause=100"] as const,
  );
  const row = plan.rows[0]!;
  const calls: string[][] = [];
  const call = controller("RUNNING", calls);
  const task = { ...TASK, job: "7_0", call };
  assertEquals(
    await runRow(folder, plan, row, { ...task, ...stopAt("step 2") }),
    143,
  );
  assertEquals(calls.at(-1), ["scontrol", "requeue", "7_0"]);
  const put = (await folder.status(row))!;
  assertEquals([put.state, put.requeues, put.attempts], ["requeued", 1, 1]);
  let said = "";
  const write = (bytes: Uint8Array) => {
    said += new TextDecoder().decode(bytes);
  };
  assertEquals(await runRow(folder, plan, row, { ...task, write }), 0);
  assert(!said.includes("step 1"), "what was done is not done again");
  assertStringIncludes(said, "step 9");
  assertEquals((await folder.status(row))!.attempts, 2);

  const often = { ...plan, requeues: 0 };
  const other = plan.rows[1]!;
  await runRow(folder, often, other, { ...task, ...stopAt("step 2") });
  const timeout = (await folder.status(other))!;
  assertEquals(timeout.state, "timeout");
  assertStringIncludes(timeout.reason!, "--requeues");
});

Deno.test("runRow that Slurm stops by itself, or that is cancelled, puts nothing back", async () => {
  const { folder, plan } = await sweepOf(
    ...[folderOf("cancel"), [SEEDS], "--pause=200"] as const,
  );
  const calls: string[][] = [];
  const task = { ...TASK, job: "7_0", call: controller("CANCELLED", calls) };
  const [row, other] = plan.rows;
  await runRow(folder, plan, row!, { ...task, ...stopAt("step 1") });
  assertEquals(calls.filter(([, verb]) => verb === "requeue"), []);
  assertEquals((await folder.status(row!))!.state, "interrupted");
  const running = runRow(folder, plan, other!, {
    ...task,
    write: (bytes) => {
      if (new TextDecoder().decode(bytes).includes("step 1")) {
        folder.setCancelled(true);
      }
    },
  });
  assertEquals(await running, 143);
  assertEquals((await folder.status(other!))!.state, "cancelled");
  assertEquals(await runRow(folder, plan, row!, task), 143);
  await folder.setCancelled(false);
  assertEquals(await runRow(folder, plan, row!, task), 0);
});

Deno.test("two tasks of a row, and one whose predecessor's command lives on, make one result", async () => {
  const { folder, plan } = await sweepOf(
    ...[folderOf("twice"), [SEEDS], "--pause=50"] as const,
  );
  const [row, other] = plan.rows;
  const both = await Promise.all(
    [0, 1].map(() => runRow(folder, plan, row!, TASK)),
  );
  assertEquals(both, [0, 0]);
  assertEquals((await folder.status(row!))!.attempts, 1);
  // A task that was killed with SIGKILL leaves its command running.
  const orphan = launchStandIn(plan.task, [
    ...[...other!.args, "--out", folder.rowFolder(other!)],
    "--cache=none",
  ]).spawn();
  const finished = orphan.output();
  // Until it holds its run folder, which its first stage shows.
  const isBegun = async () => {
    const [run = ""] = await folder.runsOf(other!, plan.task);
    return await isThere(join(run, "stages"));
  };
  while (!await isBegun()) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assertEquals(await runRow(folder, plan, other!, TASK), 0);
  assertEquals((await finished).code, 0);
  assertEquals((await folder.runsOf(other!, plan.task)).length, 1);
});

Deno.test("runLocal runs some rows at a time and tells them to stop", async () => {
  const four = { name: "seeds", values: ["0", "1", "2", "3"] };
  const { folder, plan } = await sweepOf(folderOf("local"), [four]);
  let alive = 0;
  let most = 0;
  const lines: string[] = [];
  const start = ({ args }: { args: readonly string[] }) => {
    most = Math.max(most, ++alive);
    const child = launchStandIn(plan.task, [
      ...args,
      ...["--out", join(folder.path, "some")],
    ]).spawn();
    child.stdout.cancel();
    child.stderr.cancel();
    child.status.then(() => alive--);
    return child;
  };
  const say = (line: string) => lines.push(line);
  await runLocal(folder, plan.rows, { count: 2, start, interrupt: ON, say });
  assertEquals([most, lines.length], [2, 4]);
  const stop = stopAt("");
  stop.write(new Uint8Array());
  await assertRejects(() =>
    runLocal(folder, plan.rows, { count: 2, start, ...stop, say })
  );
  assertEquals(lines.length, 4);
});

Deno.test("SweepFolder keeps its grid, and refuses another one", async () => {
  const { folder, plan } = await sweepOf(folderOf("grid"), [SEEDS]);
  await folder.write(plan);
  assertStringIncludes(
    await Deno.readTextFile(folder.file("grid.txt")),
    plan.rows[1]!.digest.slice(0, 12),
  );
  const other = { ...plan, rows: plan.rows.slice(1) };
  await assertRejects(() => folder.write(other), Error, "another --name");
  assertEquals(
    ((await readJson(folder.file("sweep.json"))) as typeof plan).rows.length,
    2,
  );
});
