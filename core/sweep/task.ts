/**
 * The task of one row: the ordinary command, with its state on disk.
 *
 * @module
 */

import { join } from "@std/path";
import { openDevice } from "../experiment/device.ts";
import { Interrupted, type InterruptState } from "../experiment/interrupt.ts";
import { Lock } from "../experiment/lock.ts";
import type { RowStatus, SweepFolder, SweepPlan } from "./folder.ts";
import { nameOf, type Row } from "./grid.ts";
import { type Launch, runOrdinary } from "./ordinary.ts";
import { selfTestDigest } from "./self_test.ts";
import { type Call, parseControl } from "./slurm.ts";

/** What a node computes with. */
export interface Node {
  /** Adapter and driver. */
  readonly adapter: string;
  /** What drives it. */
  readonly driver: string;
  /** Whether it is a software adapter. */
  readonly isSoftware: boolean;
  /** SHA-256 of a fixed computation. */
  readonly selfTest: string;
}

/** Opens this node's adapter, and computes something fixed on it. */
export async function lookAtNode(): Promise<Node> {
  using gpu = await openDevice();
  return {
    adapter: gpu.adapter,
    driver: gpu.backend ?? "unknown",
    isSoftware: gpu.isSoftware,
    selfTest: await selfTestDigest(gpu),
  };
}

/** What the task of a row is run with. */
export interface TaskOptions {
  /** Job and task of Slurm, `12_3`; absent without Slurm. */
  readonly job?: string;
  /** Name of the node, where Slurm gave one. */
  readonly node?: string;
  /** Gets all that the command writes, and lines of the task itself. */
  readonly write: (bytes: Uint8Array) => void;
  /** Asked to stop? */
  readonly interrupt: InterruptState;
  /** Runs commands of Slurm. */
  readonly call: Call;
  /** Starts the ordinary command. */
  readonly launch: Launch;
  /** Looks at the adapter. */
  readonly look: () => Promise<Node>;
}

/** Milliseconds between two looks at a run that another process has open. */
const POLL = 500;

/** Waits until no process has a run open: one whose task was killed goes on. */
async function waitForRuns(
  runs: readonly string[],
  interrupt: InterruptState,
): Promise<void> {
  for (const run of runs) {
    for (;;) {
      interrupt.check();
      using file = await Deno.open(join(run, "lock"), {
        create: true,
        write: true,
      });
      if (await file.tryLock(true).catch(() => true)) break;
      await new Promise((resolve) => setTimeout(resolve, POLL));
    }
  }
}

/** Puts this task, and no other of its array, back into the queue. */
async function requeue(call: Call, job: string): Promise<string | undefined> {
  const answer = await call("scontrol", ["requeue", job]);
  return answer.code === 0 ? undefined : answer.stderr.trim();
}

/** Whether Slurm lets a task run, and did not stop it by itself. */
async function isAllowed(call: Call, job: string): Promise<boolean> {
  const answer = await call("scontrol", ["-o", "show", "job", job]);
  return parseControl(answer.stdout).facts.get(job)?.state === "RUNNING";
}

/** Exit statuses beside those of the command. */
const REFUSED = 3;
const STOPPED = 143;

/**
 * Runs the task of a row, unless it is finished. A second task of the same row
 * waits for the first. Told to stop ahead of its limit, a task of Slurm lets
 * the command keep a checkpoint and puts itself back.
 *
 * @param folder of the sweep
 * @param plan the sweep
 * @param row which
 * @param options where and how
 * @returns exit status: 0 finished, 1 failed, 3 refused, 143 stopped
 * @throws {Interrupted} if it was asked to stop while it waited
 */
export async function runRow(
  folder: SweepFolder,
  plan: SweepPlan,
  row: Row,
  options: TaskOptions,
): Promise<number> {
  const { job, node, interrupt, call, launch } = options;
  const say = (line: string) =>
    options.write(new TextEncoder().encode(line + "\n"));
  await Deno.mkdir(folder.rowFolder(row), { recursive: true });
  using _ = await Lock.take(folder.lockOf(row), {
    interrupt,
    busy: () => say(`waits for another task of row ${row.row}`),
  });
  const before = await folder.status(row);
  if (before?.state === "finished") {
    say(`Row ${row.row} (${nameOf(row)}) was finished before`);
    return 0;
  }
  const started = performance.now();
  let status: RowStatus = {
    row: row.row,
    digest: row.digest,
    state: "running",
    deno: Deno.version.deno,
    ...(node === undefined ? {} : { node }),
    ...(job === undefined ? {} : { job }),
    attempts: 1 + (before?.attempts ?? 0),
    requeues: before?.job === job ? before?.requeues ?? 0 : 0,
    begun: before?.begun ?? new Date().toISOString(),
    written: "",
    seconds: 0,
  };
  const keep = async (change: Partial<RowStatus>) => {
    const spent = Math.round(performance.now() - started) / 1000;
    status = {
      ...status,
      ...change,
      written: new Date().toISOString(),
      seconds: (before?.seconds ?? 0) + spent,
    };
    await folder.setStatus(row, status);
  };
  const isCancelled = () => folder.isCancelled();
  if (await isCancelled()) {
    await keep({ state: "cancelled", reason: "the sweep was cancelled" });
    return STOPPED;
  }
  await keep({});
  let here: Node;
  try {
    here = await options.look();
  } catch (error) {
    const reason = (error as Error).message;
    say(reason);
    await keep({ state: "refused", reason });
    return REFUSED;
  }
  try {
    return await compute(here);
  } catch (error) {
    const isStopped = error instanceof Interrupted;
    await keep(
      isStopped
        ? { state: "interrupted" }
        : { state: "failed", exit: 1, reason: (error as Error).message },
    );
    throw error;
  }

  async function compute(here: Node) {
    const { isSoftware, ...facts } = here;
    if (isSoftware && !plan.allowSoftware) {
      const reason =
        `Cannot run row ${row.row} on ${here.adapter}, a software adapter: it would take days where a GPU takes hours; mend the node's driver, or allow it by --allow-software`;
      say(reason);
      await keep({ ...facts, state: "refused", reason });
      return REFUSED;
    }
    await keep(facts);
    await waitForRuns(await folder.runsOf(row, plan.task), interrupt);
    const { code, last } = await runOrdinary(
      plan.task,
      [
        ...row.args,
        ...["--out", folder.rowFolder(row), "--cache", plan.cache],
        // Sources may have been mended since; what was made stays in the cache.
        ...(before?.state === "failed" ? ["--fresh"] : []),
      ],
      { launch, write: options.write, interrupt, isCancelled },
    );
    const isThere = await folder.finishedRun(row, plan.task) !== undefined;
    if (code === 0 && isThere) {
      await keep({ state: "finished", exit: 0 });
      return 0;
    }
    if (await isCancelled()) {
      await keep({
        state: "cancelled",
        exit: code,
        reason: "the sweep was cancelled",
      });
      return STOPPED;
    }
    if (!interrupt.requested) {
      await keep({
        state: "failed",
        exit: code,
        reason: code === 0 ? "it left no report" : last,
      });
      return 1;
    }
    if (job === undefined || !await isAllowed(call, job)) {
      await keep({ state: "interrupted", exit: code });
      return STOPPED;
    }
    if (status.requeues >= plan.requeues) {
      await keep({
        state: "timeout",
        exit: code,
        reason:
          `put back ${status.requeues} times, the most that --requeues allows`,
      });
      return STOPPED;
    }
    await keep({
      state: "requeued",
      exit: code,
      requeues: status.requeues + 1,
    });
    say(`Row ${row.row} goes on later: ${job} is put back`);
    const refusal = await requeue(call, job);
    if (refusal !== undefined) {
      await keep({
        state: "timeout",
        requeues: status.requeues - 1,
        reason: `could not be put back: ${refusal}`,
      });
    }
    return STOPPED;
  }
}
