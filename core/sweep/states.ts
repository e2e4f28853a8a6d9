/**
 * What became of each row: its own file first, then what Slurm says.
 *
 * @module
 */

import type {
  RowStatus,
  Submission,
  SweepFolder,
  SweepPlan,
} from "./folder.ts";
import type { Row } from "./grid.ts";
import {
  askAccounting,
  askControl,
  askQueue,
  type Call,
  type Source,
  type TaskFact,
} from "./slurm.ts";

/**
 * State of a row. Unknown is a row that was handed to Slurm a moment ago, or
 * that Slurm cannot be asked about; missing is one that nobody works on.
 */
export type State =
  | "finished"
  | "running"
  | "pending"
  | "failed"
  | "timeout"
  | "cancelled"
  | "preempted"
  | "refused"
  | "missing"
  | "unknown";

/** A row with its state. */
export interface RowState {
  /** The row. */
  readonly row: Row;
  /** What became of it. */
  readonly state: State;
  /** Why, in a few words; empty where there is nothing to say. */
  readonly reason: string;
  /** Exit status of the command or `CODE:SIGNAL` of Slurm; empty if none. */
  readonly exit: string;
  /** Job and task; empty where Slurm has none. */
  readonly job: string;
  /** What its task wrote. */
  readonly own?: RowStatus;
}

/** Milliseconds after a submission in which Slurm may not know it yet. */
export const GRACE = 60_000;

/** What is known of a row. */
export interface Evidence {
  /** What its task wrote. */
  readonly own?: RowStatus | undefined;
  /** Whether a process holds its lock. */
  readonly isHeld: boolean;
  /** Its task of Slurm, `12_3`; none if it was never handed over. */
  readonly job?: string | undefined;
  /** When that was, in milliseconds since 1970. */
  readonly submitted?: number | undefined;
  /** Whether its id is not known, as sbatch has not answered. */
  readonly isOnTheWay: boolean;
  /** `squeue`. */
  readonly queue: Source;
  /** `sacct`. */
  readonly accounting: Source;
  /** `scontrol`. */
  readonly control: Source;
}

const NOW = new Set([
  "RUNNING",
  "COMPLETING",
  "CONFIGURING",
  "STAGE_OUT",
  "SIGNALING",
  "STOPPED",
  "SUSPENDED",
]);
const LATER = new Set([
  "PENDING",
  "REQUEUED",
  "REQUEUE_HOLD",
  "REQUEUE_FED",
  "SPECIAL_EXIT",
  "RESIZING",
]);
const ENDS: Readonly<Record<string, State>> = {
  TIMEOUT: "timeout",
  DEADLINE: "timeout",
  CANCELLED: "cancelled",
  REVOKED: "cancelled",
  PREEMPTED: "preempted",
};

function lookUp(source: Source, task: string): TaskFact | undefined {
  return source.facts.get(task) ?? source.cut.get(task.replace(/_.*/, ""));
}

type Verdict = Omit<RowState, "row" | "own" | "job">;

/** Which task wrote a state: that of this submission, or an earlier one. */
function isOf({ job }: RowStatus, task: string | undefined): boolean {
  return task === undefined || job === task;
}

function ownVerdict(own: RowStatus): Verdict {
  const said = {
    reason: own.reason ?? "",
    exit: own.exit === undefined ? "" : String(own.exit),
  };
  switch (own.state) {
    case "finished":
    case "failed":
    case "refused":
    case "timeout":
    case "cancelled":
      return { state: own.state, ...said };
    default:
      return {
        state: "missing",
        reason: `${own.state} when it was last heard of`,
        exit: said.exit,
      };
  }
}

/**
 * Decides what became of a row.
 *
 * A result on disk counts, whatever Slurm says: it forgets jobs, and accounting
 * keeps PREEMPTED of a task that was put back and finished.
 *
 * @param evidence what is known of it
 * @param now milliseconds since 1970
 */
export function judgeRow(evidence: Evidence, now: number): Verdict {
  const { own, isHeld, job, submitted, queue, accounting, control } = evidence;
  if (own?.state === "finished") return ownVerdict(own);
  if (isHeld) return { state: "running", reason: "", exit: "" };
  const isRecent = submitted !== undefined && now - submitted < GRACE;
  if (job === undefined) {
    if (evidence.isOnTheWay && isRecent) {
      return { state: "unknown", reason: "sbatch has not answered", exit: "" };
    }
    return own === undefined
      ? { state: "missing", reason: "never begun", exit: "" }
      : ownVerdict(own);
  }
  // The controller says the same to both; scontrol adds the exit code.
  const fact = lookUp(control, job) ?? lookUp(queue, job);
  for (const live of [fact, lookUp(accounting, job)]) {
    if (live === undefined) continue;
    const { reason } = live;
    if (NOW.has(live.state)) return { state: "running", reason, exit: "" };
    // Accounting also knows what was put back, and has no word of it since.
    if (LATER.has(live.state) && live === fact) {
      return { state: "pending", reason, exit: "" };
    }
  }
  // What its own task wrote says more than a word of Slurm's.
  if (own !== undefined && isOf(own, job)) {
    const verdict = ownVerdict(own);
    if (verdict.state !== "missing") return verdict;
  }
  const end = fact ?? lookUp(accounting, job);
  if (end !== undefined) {
    const { state, reason, exit } = end;
    if (state === "COMPLETED") {
      return {
        state: "missing",
        reason: "Slurm says COMPLETED, but there is no result",
        exit,
      };
    }
    if (LATER.has(state)) {
      return { state: "pending", reason, exit: "" };
    }
    const known = ENDS[state];
    const words = [known === undefined ? state : "", reason]
      .filter((word) => word !== "").join(", ");
    return { state: known ?? "failed", reason: words, exit };
  }
  if (isRecent) {
    return { state: "unknown", reason: "handed over a moment ago", exit: "" };
  }
  if (!queue.isKnown) {
    return { state: "unknown", reason: "squeue does not answer", exit: "" };
  }
  return own === undefined
    ? { state: "missing", reason: "Slurm has forgotten it", exit: "" }
    : ownVerdict(own);
}

/** Task of a row in an array: `12_3`. */
export function taskOf({ job, offset }: Submission, row: number): string {
  return `${job}_${row - offset}`;
}

/** Where a row was last handed over. */
function lastOf(
  submissions: readonly Submission[],
  row: Row,
): Submission | undefined {
  return submissions.findLast(({ rows }) => rows.includes(row.row));
}

const UNASKED: Source = { isKnown: false, facts: new Map(), cut: new Map() };

/**
 * Finds out what became of every row.
 *
 * @param folder of the sweep
 * @param plan the sweep
 * @param call asks Slurm, which is asked only if something was handed to it
 * @param now milliseconds since 1970
 */
export async function rowStates(
  folder: SweepFolder,
  plan: SweepPlan,
  call: Call,
  now: number = Date.now(),
): Promise<RowState[]> {
  const submissions = await folder.submissions();
  const rows = [];
  for (const row of plan.rows) {
    const own = await folder.status(row);
    const isHeld = own?.state !== "finished" && await folder.isHeld(row);
    rows.push({ row, own, isHeld, last: lastOf(submissions, row) });
  }
  const asked = new Set(
    rows.filter(({ own }) => own?.state !== "finished")
      .flatMap(({ last }) => last?.job ?? []),
  );
  const jobs = [...asked];
  const [queue, accounting, control] = jobs.length === 0
    ? [UNASKED, UNASKED, UNASKED]
    : [
      await askQueue(call, jobs),
      await askAccounting(call, jobs),
      await askControl(call, jobs),
    ];
  return rows.map(({ row, own, isHeld, last }) => {
    const job = last?.job === undefined ? undefined : taskOf(last, row.row);
    const evidence = {
      ...{ own, isHeld, job, queue, accounting, control },
      submitted: last === undefined ? undefined : Date.parse(last.begun),
      isOnTheWay: last !== undefined && last.job === undefined,
    };
    return {
      row,
      ...judgeRow(evidence, now),
      job: job ?? own?.job ?? "",
      ...(own === undefined ? {} : { own }),
    };
  });
}

/** States that a retry of some kind takes up. */
export const RETRIED: Readonly<Record<string, readonly State[]>> = {
  failed: ["failed", "refused"],
  timeout: ["timeout"],
  missing: ["missing", "cancelled", "preempted"],
};
