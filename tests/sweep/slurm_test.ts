import { assertEquals, assertRejects } from "@std/assert";
import {
  askAccounting,
  askControl,
  askQueue,
  type Call,
  expandId,
  parseAccounting,
  parseControl,
  parseQueue,
  readLimits,
  submitJob,
} from "../../core/sweep/slurm.ts";

/** Recorded of Slurm 22.05, arrays 0-2%1. */
const QUEUE = `1_[1-2%1]|PENDING|JobArrayTaskLimit
1_0|RUNNING|None
`;
const CONTROL =
  `JobId=1 ArrayJobId=1 ArrayTaskId=1-2%1 ArrayTaskThrottle=1 JobName=a.sh UserId=root(0) Priority=4294901759 QOS=(null) JobState=PENDING Reason=JobArrayTaskLimit Dependency=(null) Requeue=1 Restarts=0 ExitCode=0:0 RunTime=00:00:00
JobId=2 ArrayJobId=1 ArrayTaskId=0 ArrayTaskThrottle=1 JobName=a.sh UserId=root(0) Priority=4294901759 QOS=(null) JobState=FAILED Reason=NonZeroExitCode Dependency=(null) Requeue=1 Restarts=0 ExitCode=1:0 RunTime=00:00:03
JobId=9 JobName=report UserId=root(0) QOS=(null) JobState=PENDING Reason=Dependency Dependency=afterany:1_*(unfulfilled) Requeue=1 Restarts=0 ExitCode=0:0 RunTime=00:00:00
`;
/** As `sacct -X -n -P -D` writes them: a task put back has two lines. */
const ACCOUNTING = `7_0|PREEMPTED|0:0|None
7_0|COMPLETED|0:0|None
7_1|CANCELLED by 1000|0:15|None
7_[2-4]|PENDING|0:0|Resources
`;

const answers =
  (known: Record<string, [number, string, string]>): Call => (command) => {
    const [code, stdout, stderr] = known[command] ?? [1, "", "unknown"];
    return Promise.resolve({ code, stdout, stderr });
  };

const pending = { state: "PENDING", reason: "JobArrayTaskLimit", exit: "" };

Deno.test("expandId lists ranges, steps and single tasks without the throttle", () => {
  const ids = (id: string) => expandId(id).ids;
  assertEquals(ids("1_[1-3%1]"), ["1_1", "1_2", "1_3"]);
  assertEquals(ids("12_[0-8:4,11%2]"), ["12_0", "12_4", "12_8", "12_11"]);
  assertEquals(ids("12_[7]"), ["12_7"]);
  assertEquals(ids("12_3"), ["12_3"]);
  assertEquals(ids("12"), ["12"]);
  assertEquals(expandId("12_[1,3,..."), { ids: ["12_1", "12_3"], isCut: true });
});

Deno.test("parseQueue and parseControl know tasks that wait in a range", () => {
  const queue = parseQueue(QUEUE).facts;
  assertEquals(queue.get("1_1"), pending);
  assertEquals(queue.get("1_2"), pending);
  assertEquals(queue.get("1_0")?.state, "RUNNING");
  const control = parseControl(CONTROL).facts;
  assertEquals(control.get("1_2")?.state, "PENDING");
  assertEquals(control.get("1_0"), {
    state: "FAILED",
    reason: "NonZeroExitCode",
    exit: "1:0",
  });
  assertEquals(control.get("9")?.reason, "Dependency");
  const cut = parseQueue("5_[0,2,4,...]|PENDING|Resources\n").cut;
  assertEquals(cut.get("5")?.state, "PENDING");
});

Deno.test("parseAccounting takes the last line of a task that was put back", () => {
  const { facts } = parseAccounting(ACCOUNTING);
  assertEquals(facts.get("7_0")?.state, "COMPLETED");
  assertEquals(facts.get("7_1"), {
    state: "CANCELLED",
    reason: "",
    exit: "0:15",
  });
  assertEquals(facts.get("7_4")?.state, "PENDING");
});

Deno.test("sources tell jobs that Slurm forgot from a Slurm that does not answer", async () => {
  const forgotten = answers({
    squeue: [1, "", "slurm_load_jobs error: Invalid job id specified\n"],
    sacct: [1, "", "Slurm accounting storage is disabled\n"],
    scontrol: [1, "", "slurm_load_jobs error: Invalid job id specified\n"],
  });
  assertEquals((await askQueue(forgotten, ["1"])).isKnown, true);
  assertEquals((await askAccounting(forgotten, ["1"])).isKnown, false);
  assertEquals((await askControl(forgotten, ["1"])).isKnown, false);
  const down = answers({
    squeue: [
      1,
      "",
      "slurm_load_jobs error: Unable to contact slurm controller",
    ],
  });
  assertEquals((await askQueue(down, ["1"])).isKnown, false);
  const absent: Call = () => Promise.reject(new Error("Cannot find sacct"));
  assertEquals((await askAccounting(absent, ["1"])).isKnown, false);
});

Deno.test("readLimits and submitJob read what Slurm allows, and its refusals", async () => {
  const call = answers({
    scontrol: [
      0,
      "MaxArraySize            = 1001\nMaxJobCount   = 10000\n",
      "",
    ],
    sbatch: [0, "77;cluster\n", ""],
  });
  assertEquals(await readLimits(call), {
    maxArraySize: 1001,
    maxJobCount: 10_000,
  });
  assertEquals(await submitJob(call, ["a.sbatch"]), "77");
  const refused = answers({
    sbatch: [
      1,
      "",
      "sbatch: error: Batch job submission failed: Invalid job array specification\n",
    ],
    scontrol: [1, "", "slurm_load_ctl_conf error: Unable to contact\n"],
  });
  await assertRejects(
    () => submitJob(refused, ["a.sbatch"]),
    Error,
    "ended with 1: sbatch: error: Batch job submission failed",
  );
  await assertRejects(() => readLimits(refused), Error, "Unable to contact");
});
