/**
 * The commands of Slurm, and what they print.
 *
 * @module
 */

/** What a command printed, and how it ended. */
export interface Answer {
  /** Exit status. */
  readonly code: number;
  /** What it wrote. */
  readonly stdout: string;
  /** What it complained about. */
  readonly stderr: string;
}

/** Runs a command of Slurm. */
export type Call = (
  command: "sbatch" | "squeue" | "sacct" | "scontrol" | "scancel",
  args: readonly string[],
) => Promise<Answer>;

/** What Slurm says of one task. */
export interface TaskFact {
  /** State in Slurm's words: PENDING, RUNNING, COMPLETED, TIMEOUT, ... */
  readonly state: string;
  /** Why it waits or ended; empty where nothing is said. */
  readonly reason: string;
  /** `CODE:SIGNAL`; empty while it has not ended. */
  readonly exit: string;
}

/** Facts by task, `JOB_INDEX`, or by job where it is no array. */
export type Facts = ReadonlyMap<string, TaskFact>;

/** What was asked of one source. */
export interface Source {
  /** Whether it answered. */
  readonly isKnown: boolean;
  /** What it said. */
  readonly facts: Facts;
  /** Jobs whose list of waiting tasks Slurm cut short: the others wait too. */
  readonly cut: ReadonlyMap<string, TaskFact>;
}

const decoder = new TextDecoder();

/**
 * Runs a command of Slurm as a process.
 *
 * @throws {Error} if this machine has no such command
 */
export const callSlurm: Call = async (command, args) => {
  try {
    const { code, stdout, stderr } = await new Deno.Command(command, {
      args: [...args],
      // Lists of waiting tasks are not cut short then.
      env: { SLURM_BITSTR_LEN: "0" },
      stdin: "null",
    }).output();
    return {
      code,
      stdout: decoder.decode(stdout),
      stderr: decoder.decode(stderr),
    };
  } catch (error) {
    if (
      error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotCapable
    ) {
      throw new Error(
        `Cannot find ${command}: this machine has no Slurm; start on a login node, or sweep here by --local K`,
      );
    }
    throw error;
  }
};

/**
 * Lists the tasks of an id: `12_3` is one, `12_[0-8:4,11%2]` are four, `12` is
 * a job that is no array.
 *
 * @param id as Slurm prints it
 * @returns the tasks' ids, and whether the list was cut short
 */
export function expandId(id: string): { ids: string[]; isCut: boolean } {
  const [, job, list] = /^(\d+)_\[([^\]]*)\]?$/.exec(id) ?? [];
  if (job === undefined || list === undefined) {
    return { ids: [id], isCut: false };
  }
  const ids: string[] = [];
  for (const part of list.replace(/%.*$/, "").split(",")) {
    const [, first, last = first, step = "1"] =
      /^(\d+)(?:-(\d+))?(?::(\d+))?$/.exec(part) ?? [];
    if (first === undefined) continue;
    for (let i = Number(first); i <= Number(last); i += Number(step)) {
      ids.push(`${job}_${i}`);
    }
  }
  return { ids, isCut: list.includes("...") };
}

function gather(
  lines: readonly (readonly [id: string, fact: TaskFact])[],
): Pick<Source, "facts" | "cut"> {
  const facts = new Map<string, TaskFact>();
  const cut = new Map<string, TaskFact>();
  for (const [id, fact] of lines) {
    const { ids, isCut } = expandId(id);
    // The last line of a task is about its last start.
    for (const one of ids) facts.set(one, fact);
    if (isCut) cut.set(id.replace(/_.*/, ""), fact);
  }
  return { facts, cut };
}

const NOTHING: Source = { isKnown: false, facts: new Map(), cut: new Map() };

/** Format that {@linkcode parseQueue} reads. */
const QUEUE_FORMAT = "%i|%T|%r";

/** Reads what `squeue` printed. */
export function parseQueue(stdout: string): Pick<Source, "facts" | "cut"> {
  return gather(
    stdout.split("\n").filter((line) => line.includes("|")).map((line) => {
      const [id = "", state = "", reason = ""] = line.trim().split("|");
      return [id, { state, reason: wordOf(reason), exit: "" }] as const;
    }),
  );
}

function wordOf(reason: string): string {
  return /^(None|\(null\)|)$/.test(reason) ? "" : reason;
}

/** Reads what `sacct` printed, with duplicates: the last line of a task holds. */
export function parseAccounting(stdout: string): Pick<Source, "facts" | "cut"> {
  return gather(
    stdout.split("\n").filter((line) => line.includes("|")).map((line) => {
      const [id = "", state = "", exit = "", reason = ""] = line.trim()
        .split("|");
      // "CANCELLED by 1000".
      const [word = ""] = state.split(" ");
      return [id, { state: word, reason: wordOf(reason), exit }] as const;
    }),
  );
}

/** Reads what `scontrol -o show job` printed. */
export function parseControl(stdout: string): Pick<Source, "facts" | "cut"> {
  return gather(
    stdout.split("\n").filter((line) => line.startsWith("JobId="))
      .map((line) => {
        const field = (name: string) =>
          new RegExp(`(?:^|\\s)${name}=(\\S*)`).exec(line)?.[1];
        const [array, task] = [field("ArrayJobId"), field("ArrayTaskId")];
        const list = task !== undefined && /[,%:-]/.test(task);
        const id = array === undefined || task === undefined
          ? field("JobId") ?? ""
          : `${array}_${list ? `[${task}]` : task}`;
        return [id, {
          state: field("JobState") ?? "",
          reason: wordOf(field("Reason") ?? ""),
          exit: field("ExitCode") ?? "",
        }] as const;
      }),
  );
}

/** Asks which tasks of jobs wait or run. */
export async function askQueue(
  call: Call,
  jobs: readonly string[],
): Promise<Source> {
  const args = ["--noheader", "--states=all", `--format=${QUEUE_FORMAT}`];
  const answer = await call("squeue", [...args, `--jobs=${jobs.join()}`]);
  if (answer.code === 0) {
    return { isKnown: true, ...parseQueue(answer.stdout) };
  }
  // All jobs ended so long ago that the controller forgot them.
  const isForgotten = /Invalid job id/i.test(answer.stderr);
  return { ...NOTHING, isKnown: isForgotten };
}

/** Asks the accounting of jobs, where a cluster has one. */
export async function askAccounting(
  call: Call,
  jobs: readonly string[],
): Promise<Source> {
  const answer = await call("sacct", [
    ...["-X", "-n", "-P", "-D"],
    ...["--format=JobID,State,ExitCode,Reason", `--jobs=${jobs.join()}`],
  ]).catch(() => undefined);
  return answer?.code === 0
    ? { isKnown: true, ...parseAccounting(answer.stdout) }
    : NOTHING;
}

/** Asks the controller, which knows jobs until some minutes after their end. */
export async function askControl(
  call: Call,
  jobs: readonly string[],
): Promise<Source> {
  const facts = new Map<string, TaskFact>();
  const cut = new Map<string, TaskFact>();
  let isKnown = false;
  for (const job of jobs) {
    const answer = await call("scontrol", ["-o", "show", "job", job]);
    if (answer.code !== 0) continue;
    isKnown = true;
    const read = parseControl(answer.stdout);
    for (const [id, fact] of read.facts) facts.set(id, fact);
    for (const [id, fact] of read.cut) cut.set(id, fact);
  }
  return { isKnown, facts, cut };
}

/** What a cluster allows. */
export interface Limits {
  /** Largest index of an array, plus one. */
  readonly maxArraySize: number;
  /** Most jobs that the controller holds at a time. */
  readonly maxJobCount: number;
}

/**
 * Reads the limits of a cluster.
 *
 * @param call runs commands
 * @throws {Error} if the controller does not answer
 */
export async function readLimits(call: Call): Promise<Limits> {
  const answer = await call("scontrol", ["show", "config"]);
  if (answer.code !== 0) {
    throw new Error(
      `Cannot read Slurm's limits: scontrol show config ended with ${answer.code}: ${
        answer.stderr.trim().replace(/\s+/g, " ")
      }`,
    );
  }
  const field = (name: string, otherwise: number) =>
    Number(
      new RegExp(`^${name}\\s*=\\s*(\\d+)`, "m").exec(answer.stdout)?.[1] ??
        otherwise,
    );
  // Slurm's own defaults.
  return {
    maxArraySize: field("MaxArraySize", 1001),
    maxJobCount: field("MaxJobCount", 10_000),
  };
}

/**
 * Hands a script over.
 *
 * @param call runs commands
 * @param args options and the path of the script
 * @returns the job's id
 * @throws {Error} if it is refused
 */
export async function submitJob(
  call: Call,
  args: readonly string[],
): Promise<string> {
  const answer = await call("sbatch", ["--parsable", ...args]);
  const [, job] = /^(\d+)(?:;\S+)?\s*$/m.exec(answer.stdout) ?? [];
  if (answer.code !== 0 || job === undefined) {
    const said = `${answer.stderr} ${answer.stdout}`.trim()
      .replace(/\s+/g, " ");
    throw new Error(`sbatch ended with ${answer.code}: ${said}`);
  }
  return job;
}
