/**
 * Hands the rows of a sweep to Slurm: arrays of tasks, then the job that
 * writes the report.
 *
 * @module
 */

import { writeAtomic } from "../experiment/run_directory.ts";
import { quoted } from "../experiment/permissions.ts";
import type { Submission, SweepFolder, SweepPlan } from "./folder.ts";
import { type Call, type Limits, submitJob } from "./slurm.ts";
import { GRACE } from "./states.ts";

/** What is asked of Slurm. */
export interface SlurmOptions {
  /** Most tasks at a time; no bound if absent. */
  readonly throttle?: number;
  /** Limit of a task, as `--time` takes it. */
  readonly time?: string;
  /** Memory of a task, as `--mem` takes it. */
  readonly memory?: string;
  /** Partition. */
  readonly partition?: string;
  /** Generic resources, such as `gpu:1`. */
  readonly gres?: string;
  /** Seconds before the limit at which a task is told. */
  readonly signal: number;
}

/** Rows that one array runs: task i is row `offset` + i. */
export interface Chunk {
  /** Row of task 0. */
  readonly offset: number;
  /** Rows, rising. */
  readonly rows: readonly number[];
}

/**
 * Splits rows into arrays: MaxArraySize bounds the index of a task, not their
 * number, so an array spans at most that many rows of the grid.
 *
 * @param rows numbers of rows, rising
 * @param limits of the cluster
 */
export function splitRows(rows: readonly number[], limits: Limits): Chunk[] {
  const { maxArraySize, maxJobCount } = limits;
  const chunks: { offset: number; rows: number[] }[] = [];
  for (const row of rows) {
    const last = chunks.at(-1);
    const fits = last !== undefined && row - last.offset < maxArraySize &&
      // The report's job counts, too.
      last.rows.length < maxJobCount - 1;
    if (fits) last.rows.push(row);
    else chunks.push({ offset: row, rows: [row] });
  }
  return chunks;
}

/** Writes numbers as Slurm takes them, `0-3,7`. */
export function rangesText(numbers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const i of numbers) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === i - 1) last[1] = i;
    else ranges.push([i, i]);
  }
  return ranges.map(([a, b]) => a === b ? `${a}` : `${a}-${b}`).join();
}

/** What a script is made from. */
interface ScriptParts {
  /** Folder of the project. */
  readonly root: string;
  /** Folder of runs. */
  readonly out: string;
  /** The sweep. */
  readonly plan: SweepPlan;
  /** What is asked of Slurm. */
  readonly options: SlurmOptions;
}

function script(
  { root, options }: ScriptParts,
  own: readonly string[],
  command: string,
): string {
  const { time, memory, partition, gres } = options;
  const asked = [
    ...own,
    ...(time === undefined ? [] : [`--time=${time}`]),
    ...(memory === undefined ? [] : [`--mem=${memory}`]),
    ...(partition === undefined ? [] : [`--partition=${partition}`]),
    ...(gres === undefined ? [] : [`--gres=${gres}`]),
  ];
  return [
    "#!/bin/sh",
    ...asked.map((line) => `#SBATCH ${line}`),
    `cd -- ${quoted(root)} || exit 1`,
    // Replaces the shell, so that a signal reaches what computes.
    `exec ${command}`,
    "",
  ].join("\n");
}

/** Words that make `./run` grant the paths that rows read and write. */
function granted({ plan, out }: ScriptParts): string[] {
  return [
    ...["--out", out, "--cache", plan.cache],
    ...(plan.shared.length === 0 ? [] : ["--", ...plan.shared]),
  ];
}

/**
 * Writes the script of an array.
 *
 * @param parts sweep and options
 * @param chunk its rows
 * @param jobName name of the job
 * @param logs folder of logs
 */
export function arrayScript(
  parts: ScriptParts,
  chunk: Chunk,
  jobName: string,
  logs: string,
): string {
  const { throttle, signal } = parts.options;
  const tasks = rangesText(chunk.rows.map((row) => row - chunk.offset));
  const row = chunk.offset === 0
    ? '"$SLURM_ARRAY_TASK_ID"'
    : `"$((SLURM_ARRAY_TASK_ID + ${chunk.offset}))"`;
  return script(
    parts,
    [
      `--job-name=${jobName}`,
      `--array=${tasks}${throttle === undefined ? "" : `%${throttle}`}`,
      `--output=${logs}/%A_%a.log`,
      "--open-mode=append",
      "--requeue",
      `--signal=B:TERM@${signal}`,
    ],
    [
      ...["./run", "sweep", "task", quoted(parts.plan.name)],
      ...["--row", row],
      ...["--job", '"${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"'],
      ...["--node", '"${SLURMD_NODENAME:-unnamed}"'],
      ...granted(parts).map(quoted),
    ].join(" "),
  );
}

/**
 * Writes the script of the job that writes the report.
 *
 * @param parts sweep and options
 * @param jobName name of the job
 * @param logs folder of logs
 */
export function reportScript(
  parts: ScriptParts,
  jobName: string,
  logs: string,
): string {
  return script(
    parts,
    [
      `--job-name=${jobName}`,
      `--output=${logs}/%j_report.log`,
      "--open-mode=append",
      "--requeue",
    ],
    ["./run", "sweep", "report", parts.plan.name, ...granted(parts)]
      .map(quoted).join(" "),
  );
}

/** Letters of the grid's digest in the names of jobs. */
const NAMED = 8;

/**
 * Names a job so that no other sweep's has that name.
 *
 * @param plan the sweep
 * @param digest of the grid and its folder
 * @param number of the submission
 */
function jobNameOf(plan: SweepPlan, digest: string, number: number): string {
  return `${plan.name}-${digest.slice(0, NAMED)}-${number}`;
}

/**
 * Finds the ids of jobs that were handed over by a process that was killed
 * before it wrote them down.
 *
 * @param folder of the sweep
 * @param call asks Slurm
 * @param now milliseconds since 1970
 * @throws {Error} if Slurm may not know such a job yet
 */
export async function adoptSubmissions(
  folder: SweepFolder,
  call: Call,
  now: number = Date.now(),
): Promise<void> {
  for (const one of await folder.submissions()) {
    if (one.job !== undefined) continue;
    const names = [`--name=${one.jobName}`];
    const queue = await call("squeue", [
      ...["--noheader", "--states=all", "--format=%A|%F", ...names],
    ]);
    const past = await call("sacct", [
      ...["-X", "-n", "-P", "-S", one.begun.slice(0, 10)],
      ...["--format=JobID", ...names],
    ]).catch(() => undefined);
    const found = /^(?:\d+\|)?(\d+)/m.exec(queue.stdout.trim()) ??
      /^(\d+)/m.exec(past?.stdout.trim() ?? "");
    if (found?.[1] !== undefined) {
      await folder.keepSubmission({ ...one, job: found[1] });
      continue;
    }
    if (queue.code !== 0) {
      throw new Error(
        `Cannot tell whether ${one.jobName} was handed over: squeue ended with ${queue.code}: ${queue.stderr.trim()}`,
      );
    }
    const age = now - Date.parse(one.begun);
    if (age < GRACE) {
      throw new Error(
        `Cannot tell yet whether ${one.jobName} was handed over ${
          Math.round(age / 1000)
        } s ago: repeat the command in ${Math.ceil((GRACE - age) / 1000)} s`,
      );
    }
    await folder.dropSubmission(one);
  }
}

/** What was handed over, and what was not. */
export interface Submitted {
  /** Jobs that are in. */
  readonly jobs: readonly Submission[];
  /** Rows that are in no job. */
  readonly left: readonly number[];
  /** Why. */
  readonly refusal?: string;
}

/**
 * Hands rows over, and the job that writes the report after them. Each job is
 * written down before and after, so that one is neither lost nor doubled.
 *
 * Arrays under a throttle follow each other: together they never run more.
 *
 * @param folder of the sweep
 * @param parts sweep and options
 * @param rows numbers of rows, rising
 * @param limits of the cluster
 * @param digest tells the names of its jobs from other sweeps'
 * @param call runs commands
 */
export async function submitRows(
  folder: SweepFolder,
  parts: ScriptParts,
  rows: readonly number[],
  limits: Limits,
  digest: string,
  call: Call,
): Promise<Submitted> {
  let number = 1 + ((await folder.submissions()).at(-1)?.number ?? -1);
  const logs = `${parts.root}/${folder.file("logs")}`;
  const place = folder.path.startsWith("/") ? folder.file("logs") : logs;
  const jobs: Submission[] = [];
  const hand = async (
    chunk: Chunk,
    after: readonly string[],
    textOf: (jobName: string) => string,
  ) => {
    const jobName = jobNameOf(parts.plan, digest, number);
    const path = folder.file(`${number}.sbatch`);
    await writeAtomic(path, textOf(jobName));
    const begun = new Date().toISOString();
    const intent = { number, jobName, ...chunk, rows: [...chunk.rows], begun };
    await folder.keepSubmission(intent);
    try {
      const job = await submitJob(call, [
        ...(after.length === 0
          ? []
          : [`--dependency=afterany:${after.join(":")}`]),
        path,
      ]);
      jobs.push({ ...intent, job });
      await folder.keepSubmission({ ...intent, job });
      number++;
      return job;
    } catch (error) {
      await folder.dropSubmission(intent);
      throw error;
    }
  };
  const chunks = splitRows(rows, limits);
  const isChained = parts.options.throttle !== undefined;
  const left = new Set(rows);
  const ids: string[] = [];
  let refusal: string | undefined;
  try {
    for (const chunk of chunks) {
      const after = isChained ? ids.slice(-1) : [];
      ids.push(
        await hand(
          chunk,
          after,
          (name) => arrayScript(parts, chunk, name, place),
        ),
      );
      for (const row of chunk.rows) left.delete(row);
    }
    await hand(
      { offset: 0, rows: [] },
      ids,
      (name) => reportScript(parts, name, place),
    );
  } catch (error) {
    refusal = (error as Error).message;
  }
  return {
    jobs,
    left: [...left],
    ...(refusal === undefined ? {} : { refusal }),
  };
}
