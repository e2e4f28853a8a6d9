/**
 * The tasks of a sweep on this machine, some at a time.
 *
 * @module
 */

import { Interrupted, type InterruptState } from "../experiment/interrupt.ts";
import type { SweepFolder } from "./folder.ts";
import { nameOf, type Row } from "./grid.ts";

/** What local tasks are run with. */
export interface LocalOptions {
  /** Most tasks at a time. */
  readonly count: number;
  /** Starts the task of a row, as a process of its own. */
  readonly start: (row: Row) => Deno.ChildProcess;
  /** Asked to stop? */
  readonly interrupt: InterruptState;
  /** Gets a line for each row that ends. */
  readonly say: (line: string) => void;
}

/** Milliseconds between two looks at whether to stop. */
const LOOK = 100;

/**
 * Runs tasks in the order of rows. They are processes of their own: where this
 * one is killed they go on, and the same command waits for them.
 *
 * @param folder of the sweep
 * @param rows to run
 * @param options how
 * @throws {Interrupted} if it was asked to stop, when all tasks have ended
 */
export async function runLocal(
  folder: SweepFolder,
  rows: readonly Row[],
  { count, start, interrupt, say }: LocalOptions,
): Promise<void> {
  const waiting = [...rows];
  const alive = new Set<Deno.ChildProcess>();
  let isTold = false;
  const timer = setInterval(() => {
    if (!interrupt.requested || isTold) return;
    isTold = true;
    for (const child of alive) child.kill("SIGTERM");
  }, LOOK);
  const work = async () => {
    for (;;) {
      const isOver = interrupt.requested || await folder.isCancelled();
      const row = isOver ? undefined : waiting.shift();
      if (row === undefined) return;
      const child = start(row);
      alive.add(child);
      const { code } = await child.status;
      alive.delete(child);
      const status = await folder.status(row);
      const { state = `ended with ${code}`, seconds = 0, reason } = status ??
        {};
      say(
        `row ${row.row} ${nameOf(row)}: ${state} after ${seconds.toFixed(0)} s${
          reason === undefined ? "" : `, ${reason}`
        }`,
      );
    }
  };
  try {
    await Promise.all(Array.from({ length: count }, work));
  } finally {
    clearInterval(timer);
  }
  if (interrupt.requested) throw new Interrupted(143);
}
