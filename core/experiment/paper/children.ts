/**
 * Experiments as child processes of one run: each with the permissions of its
 * own task, one after the other, under one line of progress.
 *
 * @module
 */

import { wordsOfTask } from "../tasks.ts";

/** Variables of the environment that tasks of deno.json name. */
const VARIABLES = ["WORLD_ACTION_READ", "WORLD_ACTION_WRITE"];

/** How a process ended. */
export interface Ended {
  /** Its exit status. */
  readonly code: number;
  /** What it printed. */
  readonly stdout: string;
  /** The last line of its progress and faults that says something. */
  readonly last: string;
  /** How long it took. */
  readonly seconds: number;
}

/** How to listen to a process. */
export interface Listening {
  /** Hears each line of progress. */
  readonly line?: (text: string) => void;
  /** Asked a few times a second; true ends the process. */
  readonly isStopped?: () => boolean;
  /** Folder it starts in. */
  readonly cwd: string;
}

async function eachLine(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  hear: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split(/\r?\n|\r/);
    rest = lines.pop() ?? "";
    lines.forEach(hear);
  }
  hear(rest);
}

/**
 * Runs a task of deno.json to its end, by the `deno` that is first on PATH.
 *
 * @param command of the task
 * @param args behind it
 * @param listening who hears of it
 * @throws {Error} if the command is no single command of deno
 */
export async function runTask(
  command: string,
  args: readonly string[],
  { line = () => {}, isStopped = () => false, cwd }: Listening,
): Promise<Ended> {
  const variables = Object.fromEntries(
    VARIABLES.map((name) => [name, Deno.env.get(name) ?? ""]),
  );
  const started = performance.now();
  const child = new Deno.Command("deno", {
    args: [...wordsOfTask(command, variables), ...args],
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    // Ctrl-C would reach it twice: by the terminal, and from here.
    detached: true,
  }).spawn();
  const watch = setInterval(() => {
    if (!isStopped()) return;
    clearInterval(watch);
    child.kill("SIGTERM");
  }, 200);
  child.status.then(() => clearInterval(watch));
  let last = "";
  try {
    const [stdout, , { code }] = await Promise.all([
      new Response(child.stdout).text(),
      eachLine(child.stderr, (text) => {
        const plain = text.replaceAll("\x1b[2K", "").trim();
        if (plain === "") return;
        // What stands before that says what is wrong.
        if (plain !== "See --help") last = plain;
        line(plain);
      }),
      child.status,
    ]);
    const seconds = (performance.now() - started) / 1000;
    return { code, stdout, last, seconds };
  } finally {
    clearInterval(watch);
  }
}

/** What a finished experiment said of its report. */
export interface ReportedRun {
  /** Path of the report, as it was printed. */
  readonly report: string;
  /** Whether it was there before. */
  readonly wasThere: boolean;
}

/**
 * Reads where an experiment left its report.
 *
 * @param stdout what it printed
 * @returns undefined if it left none
 */
export function reportedRun(stdout: string): ReportedRun | undefined {
  const match = /^(The|Finished before; the) report is (.+)$/m.exec(stdout);
  if (match === null) return undefined;
  return { report: match[2] ?? "", wasThere: match[1] !== "The" };
}

/**
 * Names of the flags that an experiment has, from its help.
 *
 * @param help what `--help` printed
 */
export function flagsOf(help: string): string[] {
  return [...help.matchAll(/^ {2}--([\w-]+)/gm)].map(([, name = ""]) => name);
}

/** Seconds that experiments need; those without a plan as the mean of others. */
export class TimeLeft {
  readonly #planned: ReadonlyMap<string, number>;
  readonly #isPlanned: boolean;
  readonly #done = new Map<string, number>();

  /**
   * Creates it; nothing has run.
   *
   * @param planned seconds by experiment, as far as they are known
   * @param names of all experiments
   */
  constructor(
    planned: Readonly<Record<string, number>>,
    names: readonly string[],
  ) {
    const known = Object.values(planned);
    this.#isPlanned = known.length > 0;
    const mean = known.length === 0
      ? 1
      : known.reduce((a, b) => a + b) / known.length;
    this.#planned = new Map(names.map((name) => [name, planned[name] ?? mean]));
  }

  /**
   * Notes that one has ended.
   *
   * @param name of the experiment
   * @param seconds it took; undefined if that says nothing of the others, as
   *   of one that was finished before
   */
  end(name: string, seconds: number | undefined): void {
    this.#done.set(name, seconds ?? NaN);
  }

  /**
   * Seconds that are left, by the ratio of real to planned times so far;
   * undefined while nothing is known.
   *
   * @param current the experiment that runs
   * @param elapsed seconds it has run
   */
  left(current: string, elapsed: number): number | undefined {
    const timed = [...this.#done].filter(([, seconds]) => seconds >= 0);
    if (timed.length === 0 && !this.#isPlanned) return undefined;
    const plan = (name: string) => this.#planned.get(name) ?? 0;
    const real = timed.reduce((sum, [, seconds]) => sum + seconds, 0);
    const ratio = timed.length === 0
      ? 1
      : real / timed.reduce((sum, [name]) => sum + plan(name), 0);
    const waiting = [...this.#planned.keys()]
      .filter((name) => name !== current && !this.#done.has(name))
      .reduce((sum, name) => sum + ratio * plan(name), 0);
    return waiting + Math.max(0, ratio * plan(current) - elapsed);
  }
}
