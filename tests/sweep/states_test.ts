import { assertEquals } from "@std/assert";
import type { RowStatus } from "../../core/sweep/folder.ts";
import {
  parseAccounting,
  parseControl,
  parseQueue,
  type Source,
} from "../../core/sweep/slurm.ts";
import { type Evidence, GRACE, judgeRow } from "../../core/sweep/states.ts";

const NOTHING: Source = { isKnown: false, facts: new Map(), cut: new Map() };
const EMPTY: Source = { ...NOTHING, isKnown: true };
const NOW = Date.parse("2026-01-01T12:00:00Z");

const queue = (text: string): Source => ({
  isKnown: true,
  ...parseQueue(text),
});
const accounting = (text: string): Source => ({
  isKnown: true,
  ...parseAccounting(text),
});
const control = (state: string, exit = "0:0", reason = "None"): Source => ({
  isKnown: true,
  ...parseControl(
    `JobId=8 ArrayJobId=7 ArrayTaskId=0 JobState=${state} Reason=${reason} ExitCode=${exit}\n`,
  ),
});

const own = (state: RowStatus["state"], more: Partial<RowStatus> = {}) => ({
  ...{ row: 0, digest: "d", state, deno: "2", job: "7_0", attempts: 1 },
  ...{ requeues: 0, begun: "", written: "", seconds: 1 },
  ...more,
});

/** State of a row that was handed over an hour ago as task 7_0. */
function judge(evidence: Partial<Evidence>) {
  return judgeRow({
    ...{ isHeld: false, job: "7_0", submitted: NOW - 3_600_000 },
    ...{ isOnTheWay: false },
    ...{ queue: EMPTY, accounting: NOTHING, control: NOTHING },
    ...evidence,
  }, NOW);
}

Deno.test("judgeRow: empty accounting right after submission is unknown, not failed", () => {
  const just = { submitted: NOW - 5000, accounting: EMPTY };
  assertEquals(judge(just).state, "unknown");
  assertEquals(judge({ ...just, submitted: NOW - GRACE - 1 }).state, "missing");
  assertEquals(
    judge({ job: undefined, isOnTheWay: true, submitted: NOW - 5000 }).state,
    "unknown",
  );
});

Deno.test("judgeRow: a finished job that squeue and scontrol forgot keeps its state", () => {
  assertEquals(judge({ own: own("finished") }).state, "finished");
  const failed = judge({ own: own("failed", { exit: 2, reason: "Cannot" }) });
  assertEquals(failed, { state: "failed", reason: "Cannot", exit: "2" });
  // Killed in the middle, and forgotten since.
  assertEquals(judge({ own: own("running") }).state, "missing");
  assertEquals(judge({}).reason, "Slurm has forgotten it");
  assertEquals(
    judge({ accounting: accounting("7_0|OUT_OF_MEMORY|0:125|None\n") }),
    { state: "failed", reason: "OUT_OF_MEMORY", exit: "0:125" },
  );
});

Deno.test("judgeRow: a task that waits in a range is pending, not done", () => {
  const waits = queue("7_[0-3%1]|PENDING|JobArrayTaskLimit\n");
  assertEquals(judge({ queue: waits }), {
    state: "pending",
    reason: "JobArrayTaskLimit",
    exit: "",
  });
  const cut = queue("7_[2,4,...]|PENDING|Resources\n");
  assertEquals(judge({ queue: cut }).state, "pending");
});

Deno.test("judgeRow: PREEMPTED after a task was put back does not count", () => {
  const preempted = accounting("7_0|PREEMPTED|0:0|None\n");
  assertEquals(
    judge({ own: own("finished"), accounting: preempted }).state,
    "finished",
  );
  assertEquals(
    judge({
      own: own("requeued"),
      queue: queue("7_0|PENDING|BeginTime\n"),
      accounting: preempted,
    }).state,
    "pending",
  );
  assertEquals(
    judge({ accounting: preempted, own: own("running"), isHeld: true }).state,
    "running",
  );
  assertEquals(judge({ accounting: preempted }).state, "preempted");
});

Deno.test("judgeRow: what the task wrote says why, Slurm says how the others ended", () => {
  const killed = control("FAILED", "0:9", "NonZeroExitCode");
  assertEquals(judge({ own: own("running"), control: killed }), {
    state: "failed",
    reason: "FAILED, NonZeroExitCode",
    exit: "0:9",
  });
  const refused = own("refused", { reason: "Cannot run on llvmpipe" });
  assertEquals(judge({ own: refused, control: killed }).state, "refused");
  assertEquals(judge({ control: control("TIMEOUT", "0:15") }).state, "timeout");
  assertEquals(judge({ control: control("CANCELLED") }).state, "cancelled");
  assertEquals(
    judge({ control: control("COMPLETED") }).reason,
    "Slurm says COMPLETED, but there is no result",
  );
  // An older try's failure is not that of the task that waits now.
  const older = own("failed", { job: "3_0" });
  const waits = queue("7_0|PENDING|Priority\n");
  assertEquals(judge({ own: older, queue: waits }).state, "pending");
  assertEquals(judge({ own: older, control: killed }).exit, "0:9");
  assertEquals(judge({ queue: NOTHING }).reason, "squeue does not answer");
  assertEquals(
    judge({ job: undefined, submitted: undefined }).reason,
    "never begun",
  );
});
