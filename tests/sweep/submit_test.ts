import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import type { Call } from "../../core/sweep/slurm.ts";
import { GRACE, rowStates } from "../../core/sweep/states.ts";
import {
  adoptSubmissions,
  arrayScript,
  rangesText,
  splitRows,
  submitRows,
} from "../../core/sweep/submit.ts";
import { sweepOf } from "../support/sweep.ts";

const SEEDS = { name: "seeds", values: ["0", "1", "2", "3", "4", "5", "6"] };
const LIMITS = { maxArraySize: 3, maxJobCount: 10_000 };
const all = SEEDS.values.map(Number);

/** Slurm that takes some jobs, then refuses, in the words of Slurm 22.05. */
function taking(most: number, calls: string[][]): Call {
  let job = 100;
  return (command, args) => {
    calls.push([command, ...args]);
    const isTaken = command === "sbatch" && job < 100 + most;
    return Promise.resolve(
      isTaken ? { code: 0, stdout: `${++job}\n`, stderr: "" } : {
        code: 1,
        stdout: "",
        stderr:
          "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n",
      },
    );
  };
}

Deno.test("splitRows keeps every index below MaxArraySize, whatever rows are left", () => {
  assertEquals(
    splitRows(all, LIMITS).map(({ offset, rows }) => [offset, rows]),
    [
      [0, [0, 1, 2]],
      [3, [3, 4, 5]],
      [6, [6]],
    ],
  );
  // A retry's rows: their number is small, their indices are not.
  const chunks = splitRows([1, 1000, 1001, 2001], {
    ...LIMITS,
    maxArraySize: 1001,
  });
  assertEquals(chunks.map(({ offset, rows }) => [offset, rows]), [
    [1, [1, 1000, 1001]],
    [2001, [2001]],
  ]);
  assertEquals(
    splitRows(all, { maxArraySize: 1001, maxJobCount: 3 }).length,
    4,
  );
  assertEquals(rangesText([0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
});

Deno.test("submitRows chains arrays under one throttle, then the report", async () => {
  const { folder, plan } = await sweepOf(".test/sweep-submit", [SEEDS]);
  const calls: string[][] = [];
  const options = { signal: 90, throttle: 2, time: "2:00:00", gres: "gpu:1" };
  const parts = { root: "/project", out: ".test", plan, options };
  const done = await submitRows(
    ...[folder, parts, all, LIMITS, "ab12cd34ef", taking(9, calls)] as const,
  );
  assertEquals([done.left, done.refusal], [[], undefined]);
  assertEquals(calls.map((words) => words.slice(2)), [
    [folder.file("0.sbatch")],
    ["--dependency=afterany:101", folder.file("1.sbatch")],
    ["--dependency=afterany:102", folder.file("2.sbatch")],
    ["--dependency=afterany:101:102:103", folder.file("3.sbatch")],
  ]);
  const script = await Deno.readTextFile(folder.file("1.sbatch"));
  for (
    const line of [
      "--array=0-2%2",
      "--open-mode=append",
      "--requeue",
      "--signal=B:TERM@90",
      "--time=2:00:00",
      "--gres=gpu:1",
    ]
  ) assertStringIncludes(script, `#SBATCH ${line}\n`);
  assertMatch(
    script,
    /--output=\/project\/\.test\/sweep-submit\/sweeps\/test\/logs\/%A_%a/,
  );
  assertStringIncludes(script, '--row "$((SLURM_ARRAY_TASK_ID + 3))"');
  const report = await Deno.readTextFile(folder.file("3.sbatch"));
  assertMatch(report, /exec \.\/run sweep report test --out \.test /);
  const free = { ...parts, options: { signal: 90 } };
  const alone = arrayScript(free, { offset: 0, rows: [4] }, "job", "logs");
  assertStringIncludes(alone, "#SBATCH --array=4\n");
});

Deno.test("submitRows that is refused says what is in, and keeps that alone", async () => {
  const { folder, plan } = await sweepOf(".test/sweep-refused", [SEEDS]);
  const parts = { root: "/p", out: ".test", plan, options: { signal: 90 } };
  const done = await submitRows(
    ...[folder, parts, all, LIMITS, "ab12", taking(2, [])] as const,
  );
  assertEquals(done.jobs.map(({ job, rows }) => [job, rows]), [
    ["101", [0, 1, 2]],
    ["102", [3, 4, 5]],
  ]);
  assertEquals(done.left, [6]);
  assertStringIncludes(done.refusal!, "AssocMaxSubmitJobLimit");
  assertEquals((await folder.submissions()).map(({ job }) => job), [
    "101",
    "102",
  ]);
});

Deno.test("adoptSubmissions finds a job whose process was killed before it wrote its id down", async () => {
  const { folder, plan } = await sweepOf(".test/sweep-adopt", [SEEDS]);
  const begun = new Date().toISOString();
  const intent = { number: 0, jobName: "test-ab12-0", rows: all, offset: 0 };
  await folder.keepSubmission({ ...intent, begun });
  const silent: Call = () =>
    Promise.resolve({ code: 0, stdout: "", stderr: "" });
  assertEquals((await rowStates(folder, plan, silent))[0]!.state, "unknown");
  await assertRejects(
    () => adoptSubmissions(folder, silent),
    Error,
    "repeat the command in",
  );
  const calls: string[][] = [];
  const knowing: Call = (command, args) => {
    calls.push([command, ...args]);
    const stdout = command === "squeue" ? "55|55\n57|55\n" : "";
    return Promise.resolve({ code: 0, stdout, stderr: "" });
  };
  await adoptSubmissions(folder, knowing);
  assertStringIncludes(calls[0]!.join(" "), "--name=test-ab12-0");
  assertEquals((await folder.submissions())[0]!.job, "55");
  // One that Slurm never took is forgotten after the grace.
  await folder.keepSubmission({ ...intent, begun });
  await adoptSubmissions(folder, silent, Date.now() + GRACE + 1);
  assertEquals(await folder.submissions(), []);
});
