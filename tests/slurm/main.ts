/**
 * A sweep on real Slurm daemons: one task is told to stop ahead of its limit,
 * one fails and its retry is cancelled, one is preempted, one is killed;
 * status, retry and report say so, and in the end the report is, bit for bit,
 * that of the same sweep without Slurm.
 *
 * `./run test:slurm` starts it inside `daemons.sh`, whose arrays end at index
 * 2, so that four rows are two arrays.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { SweepFolder } from "../../core/sweep/folder.ts";
import { callSlurm } from "../../core/sweep/slurm.ts";

const NAME = "equal";
const PLACES = { local: ".test/slurm-local", slurm: ".test/slurm-cluster" };
const GRID = [
  ...["exp:frontier", "--preset", "smoke", "--name", NAME],
  ...["--over", "seeds=0,1", "--over", "recipe=paper,visible"],
  "--allow-software",
];

const placed = (place: string) => [
  ...["--out", `${place}/runs`, "--cache", `${place}/data`],
];

async function sweep(...args: string[]) {
  const child = new Deno.Command("deno", {
    args: ["task", "--quiet", "sweep", ...args],
    env: { WORLD_ACTION_WRITE: ",.test" },
  });
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

/** State of each row as `sweep status` prints it, and the text. */
async function states(): Promise<{ states: string[]; text: string }> {
  const { code, stdout, stderr } = await sweep(
    ...["status", NAME],
    ...placed(PLACES.slurm),
  );
  assertEquals(code, 0, stderr);
  const lines = stdout.split("\n").filter((line) => /^\d/.test(line));
  const rows = lines.slice(0, 4).map((line) => line.split(/\s+/)[4] ?? "");
  return { states: rows, text: stdout };
}

const began = performance.now();
const minutes = () => ((performance.now() - began) / 60_000).toFixed(1);

/** Waits until something is so. */
async function until(
  what: string,
  isSo: () => Promise<boolean>,
  seconds = 1200,
): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!await isSo()) {
    if (performance.now() > end) {
      throw new Error(
        `Waited ${seconds} s for: ${what}\n${(await states()).text}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  console.log(`${minutes()} min  ${what}`);
}

for (const place of Object.values(PLACES)) {
  await Deno.remove(place, { recursive: true }).catch(() => {});
}
const folder = new SweepFolder(`${PLACES.slurm}/runs`, NAME);

const dry = await sweep(
  ...GRID,
  ...placed(PLACES.slurm),
  "--slurm",
  "--dry-run",
);
assertEquals(dry.code, 0, dry.stderr);
assertMatch(dry.stdout, /MaxArraySize 3/);
assertMatch(dry.stdout, /#SBATCH --array=0-2\n/);
assertMatch(dry.stdout, /SLURM_ARRAY_TASK_ID \+ 3/);
assert(await folder.find() === undefined, "a dry run touches nothing");

const handed = await sweep(...GRID, ...placed(PLACES.slurm), "--slurm");
assertEquals(handed.code, 0, handed.stderr);
const plan = await folder.read();
const jobs = (await folder.submissions()).map(({ job }) => job ?? "");
assertEquals(jobs.length, 3, "two arrays and the report");
const [array = "", rest = ""] = jobs;

// A row whose folder of runs cannot be made fails.
const blocked = `${folder.rowFolder(plan.rows[1]!)}/frontier`;
await Deno.mkdir(folder.rowFolder(plan.rows[1]!), { recursive: true });
await Deno.writeTextFile(blocked, "");

/** Whether the command of a row computes. */
async function computes(row: number): Promise<boolean> {
  const status = await folder.status(plan.rows[row]!);
  if (status?.state !== "running") return false;
  const runs = await folder.runsOf(plan.rows[row]!, plan.task)
    .catch(() => []);
  for (const run of runs) {
    const log = await Deno.readTextFile(`${run}/log.txt`).catch(() => "");
    if (/\n.*(train|tune|encode|draw)/.test(log)) return true;
  }
  return false;
}

async function call(...[command, ...args]: string[]) {
  const answer = await callSlurm(command as "scancel", args);
  assertEquals(
    answer.code,
    0,
    `${command} ${args.join(" ")}: ${answer.stderr}`,
  );
}

await until("row 0 computes", () => computes(0));
// What --signal=B:TERM does ahead of a limit.
await call("scancel", "--signal=TERM", "--batch", `${array}_0`);
await until(
  "row 0 put itself back",
  async () => (await folder.status(plan.rows[0]!))?.requeues === 1,
);
await until("row 2 computes", () => computes(2));
// What a preemption does.
await call("scontrol", "requeue", `${array}_2`);
await until("row 3 computes", () => computes(3));
await call("scancel", "--signal=KILL", "--batch", `${rest}_0`);

const page = folder.file("report.html");
const isThere = (path: string) => Deno.stat(path).then(() => true, () => false);
await until("the first report", () => isThere(page));
const first = await states();
console.log(first.text);
assertEquals(first.states.slice(0, 3), ["finished", "failed", "finished"]);
// Slurm kills the script; whether what it started ends depends on its set-up,
// and a result on disk counts, whatever Slurm says.
assertMatch(first.states[3]!, /finished|running|failed|missing/);
assertMatch(first.text, /Not a directory/);
const told = (await folder.status(plan.rows[0]!))!;
assertEquals([told.attempts, told.requeues], [2, 1]);
assertEquals((await folder.status(plan.rows[2]!))!.attempts, 2);
const partial = await Deno.readTextFile(page);
assertMatch(partial, /row 1 \(seeds=0 recipe=visible\): failed/);

await Deno.remove(blocked);
const again = await sweep("retry", NAME, "failed", ...placed(PLACES.slurm));
assertEquals(again.code, 0, again.stderr);
await until("row 1 computes", () => computes(1));
const cancelled = await sweep("cancel", NAME, ...placed(PLACES.slurm));
assertEquals(cancelled.code, 0, cancelled.stderr);
await until(
  "nothing runs",
  async () =>
    !(await states()).states.some((one) => /running|pending/.test(one)),
);
const second = await states();
console.log(second.text);
assertEquals(second.states[1], "cancelled");
assertEquals([second.states[0], second.states[2]], ["finished", "finished"]);
const before = await Deno.stat(
  (await folder.finishedRun(plan.rows[0]!, plan.task))!,
);

await Deno.remove(page);
await sweep("retry", NAME, "missing", ...placed(PLACES.slurm));
await until("the last report", () => isThere(page));
const last = await states();
console.log(last.text);
assertEquals(last.states, Array(4).fill("finished"));
const after = await Deno.stat(
  (await folder.finishedRun(plan.rows[0]!, plan.task))!,
);
assertEquals(after.mtime, before.mtime, "a finished row is left alone");

const local = await sweep(...GRID, ...placed(PLACES.local), "--local", "2");
assertEquals(local.code, 0, local.stderr);
console.log(`${minutes()} min  the same without Slurm`);
const here = new SweepFolder(`${PLACES.local}/runs`, NAME);
for (const file of ["report.html", "findings.json", "sweep-rows.csv"]) {
  assertEquals(
    await Deno.readTextFile(folder.file(file)),
    await Deno.readTextFile(here.file(file)),
    file,
  );
}
console.log(`${minutes()} min  ok: equal reports, bit for bit`);
