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

/** A row whose lock is held, and its state on disk. */
class HeldRow {
  readonly folder: SweepFolder;
  readonly plan: SweepPlan;
  readonly row: Row;
  readonly options: TaskOptions;
  /** State before this try. */
  readonly before: RowStatus | undefined;
  status: RowStatus;
  readonly #started = performance.now();

  constructor(
    folder: SweepFolder,
    plan: SweepPlan,
    row: Row,
    options: TaskOptions,
    before: RowStatus | undefined,
  ) {
    this.folder = folder;
    this.plan = plan;
    this.row = row;
    this.options = options;
    this.before = before;
    const { job, node } = options;
    this.status = {
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
  }

  /** Writes a line into the log. */
  say(line: string): void {
    this.options.write(new TextEncoder().encode(line + "\n"));
  }

  /** Writes the state, with what changed. */
  async keep(change: Partial<RowStatus>): Promise<void> {
    const spent = Math.round(performance.now() - this.#started) / 1000;
    this.status = {
      ...this.status,
      ...change,
      written: new Date().toISOString(),
      seconds: (this.before?.seconds ?? 0) + spent,
    };
    await this.folder.setStatus(this.row, this.status);
  }

  /** Writes that the row was refused, and why. */
  async refuse(reason: string, facts: Partial<RowStatus> = {}) {
    this.say(reason);
    await this.keep({ ...facts, state: "refused", reason });
    return REFUSED;
  }
}

/** Runs the ordinary command of a row; gives the exit status of its task. */
async function compute(held: HeldRow): Promise<number> {
  const { folder, plan, row, options, before } = held;
  const { write, interrupt, launch } = options;
  await waitForRuns(await folder.runsOf(row, plan.task), interrupt);
  const isCancelled = () => folder.isCancelled();
  const { code, last } = await runOrdinary(
    plan.task,
    [
      ...row.args,
      ...["--out", folder.rowFolder(row), "--cache", plan.cache],
      // Sources may have been mended since; what was made stays in the cache.
      ...(before?.state === "failed" ? ["--fresh"] : []),
    ],
    { launch, write, interrupt, isCancelled },
  );
  const isThere = await folder.finishedRun(row, plan.task) !== undefined;
  if (code === 0 && isThere) {
    await held.keep({ state: "finished", exit: 0 });
    return 0;
  }
  if (await isCancelled()) {
    const reason = "the sweep was cancelled";
    await held.keep({ state: "cancelled", exit: code, reason });
    return STOPPED;
  }
  if (interrupt.requested) {
    await putBack(held, code);
    return STOPPED;
  }
  const reason = code === 0 ? "it left no report" : last;
  await held.keep({ state: "failed", exit: code, reason });
  return 1;
}

/** Puts a task that was told to stop back into the queue, if it may go on. */
async function putBack(held: HeldRow, exit: number): Promise<void> {
  const { plan, row, options: { job, call }, status: { requeues } } = held;
  if (job === undefined || !await isAllowed(call, job)) {
    await held.keep({ state: "interrupted", exit });
    return;
  }
  if (requeues >= plan.requeues) {
    const reason =
      `put back ${requeues} times, the most that --requeues allows`;
    await held.keep({ state: "timeout", exit, reason });
    return;
  }
  // Written before: Slurm ends this process when it puts the task back.
  await held.keep({ state: "requeued", exit, requeues: requeues + 1 });
  held.say(`Row ${row.row} goes on later: ${job} is put back`);
  const refusal = await requeue(call, job);
  if (refusal === undefined) return;
  const reason = `could not be put back: ${refusal}`;
  await held.keep({ state: "timeout", requeues, reason });
}

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
  const { interrupt, write } = options;
  const say = (line: string) => write(new TextEncoder().encode(line + "\n"));
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
  const held = new HeldRow(folder, plan, row, options, before);
  if (await folder.isCancelled()) {
    const reason = "the sweep was cancelled";
    await held.keep({ state: "cancelled", reason });
    return STOPPED;
  }
  await held.keep({});
  let node: Node;
  try {
    node = await options.look();
  } catch (error) {
    return await held.refuse((error as Error).message);
  }
  const { isSoftware, ...facts } = node;
  if (isSoftware && !plan.allowSoftware) {
    return await held.refuse(
      `Cannot run row ${row.row} on ${node.adapter}, a software adapter: it would take days where a GPU takes hours; mend the node's driver, or allow it by --allow-software`,
      facts,
    );
  }
  await held.keep(facts);
  try {
    return await compute(held);
  } catch (error) {
    const reason = (error as Error).message;
    await held.keep(
      error instanceof Interrupted
        ? { state: "interrupted" }
        : { state: "failed", exit: 1, reason },
    );
    throw error;
  }
}
