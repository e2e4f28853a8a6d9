/**
 * The ordinary command of an experiment as a process, as a reader would type
 * it.
 *
 * @module
 */

import type { InterruptState } from "../experiment/interrupt.ts";

/** Starts the ordinary command: `./run TASK ARGS`. */
export type Launch = (
  task: string,
  args: readonly string[],
) => Deno.Command;

/** Starts a task of deno.json, with what the environment grants. */
export const launchTask: Launch = (task, args) =>
  new Deno.Command("deno", {
    args: ["task", "--quiet", task, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });

/** How a command ended. */
export interface Ending {
  /** Exit status. */
  readonly code: number;
  /** The last line that it wrote; empty if none. */
  readonly last: string;
}

/** What a command is run with. */
export interface OrdinaryOptions {
  /** Starts it. */
  readonly launch: Launch;
  /** Gets all that it writes. */
  readonly write: (bytes: Uint8Array) => void;
  /** Asked to stop? It is told so then, once. */
  readonly interrupt: InterruptState;
  /** Looked at every second: whether to stop for another reason. */
  readonly isCancelled?: () => Promise<boolean>;
}

/** Milliseconds between two looks at whether to stop. */
const LOOK = 100;

/** Looks between two questions to the disk. */
const SELDOM = 10;

/**
 * Runs the ordinary command to its end. Asked to stop, it finishes its batch
 * and keeps a checkpoint.
 *
 * @param task name of the task
 * @param args words after it
 * @param options how
 */
export async function runOrdinary(
  task: string,
  args: readonly string[],
  { launch, write, interrupt, isCancelled }: OrdinaryOptions,
): Promise<Ending> {
  const child = launch(task, args).spawn();
  let last = "";
  const follow = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of stream) {
      write(chunk);
      const lines = (rest + decoder.decode(chunk, { stream: true }))
        .split(/[\r\n]+/);
      rest = lines.pop() ?? "";
      last = lines.findLast((line) => line.trim() !== "")?.trim() ?? last;
    }
    if (rest.trim() !== "") last = rest.trim();
  };
  let isTold = false;
  let looks = 0;
  const timer = setInterval(async () => {
    if (isTold) return;
    const isDue = looks++ % SELDOM === 0;
    if (
      interrupt.requested || isDue && await isCancelled?.().catch(() => false)
    ) {
      if (isTold) return;
      isTold = true;
      try {
        child.kill("SIGTERM");
      } catch {
        // It ended by itself a moment ago.
      }
    }
  }, LOOK);
  try {
    await Promise.all([follow(child.stdout), follow(child.stderr)]);
    const { code } = await child.status;
    return { code, last };
  } finally {
    clearInterval(timer);
  }
}
