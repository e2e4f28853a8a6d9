/**
 * The folder of a sweep, `runs/sweeps/NAME/`: the grid, written once; the state
 * and the run of each row; what was handed to Slurm.
 *
 * @module
 */

import { join } from "@std/path";
import { z } from "zod";
import { isThere } from "../experiment/artifact_files.ts";
import { Lock } from "../experiment/lock.ts";
import { readJson, writeAtomic } from "../experiment/run_directory.ts";
import { type Axis, gridText, isSameGrid, type Row } from "./grid.ts";

const text = z.string();

/** A sweep as it stands in `sweep.json`. */
const planSchema = z.strictObject({
  /** Name of the folder. */
  name: text,
  /** Name of the ordinary task. */
  task: text,
  /** Name of the preset. */
  preset: text,
  /** The command without what says where it runs. */
  command: text,
  /** Axes in order. */
  axes: z.array(z.strictObject({ name: text, values: z.array(text) })),
  /** Words that all rows have. */
  shared: z.array(text),
  /** Folder of what is made once for all runs. */
  cache: text,
  /** Whether a software adapter may compute. */
  allowSoftware: z.boolean(),
  /** How often a row may be put back before its limit. */
  requeues: z.int().min(0),
  /** Rows in order. */
  rows: z.array(z.strictObject({
    row: z.int(),
    digest: text,
    values: z.record(text, text),
    args: z.array(text),
  })),
});

/** A sweep: its grid and how rows are run. */
export type SweepPlan = z.infer<typeof planSchema>;

/** What the task of a row last wrote of itself. */
const statusSchema = z.strictObject({
  /** Place in the grid. */
  row: z.int(),
  /** Digest of the row. */
  digest: text,
  /** How far it is. */
  state: z.enum([
    "running",
    "finished",
    "failed",
    "refused",
    "requeued",
    "timeout",
    "cancelled",
    "interrupted",
  ]),
  /** Exit status of the ordinary command. */
  exit: z.int().exactOptional(),
  /** The last that it said, where it did not finish. */
  reason: text.exactOptional(),
  /** Adapter and driver. */
  adapter: text.exactOptional(),
  /** What drives it: Vulkan, Metal, ... */
  driver: text.exactOptional(),
  /** SHA-256 of a fixed computation on the adapter. */
  selfTest: text.exactOptional(),
  /** Version of Deno. */
  deno: text,
  /** Name of the node, where Slurm gave one. */
  node: text.exactOptional(),
  /** Job and task of Slurm, `12_3`. */
  job: text.exactOptional(),
  /** How often the task was begun. */
  attempts: z.int(),
  /** How often it put itself back before a limit. */
  requeues: z.int(),
  /** When it was first begun, in ISO 8601. */
  begun: text,
  /** When this was written, in ISO 8601. */
  written: text,
  /** Seconds that all its attempts took. */
  seconds: z.number(),
});

/** What the task of a row last wrote of itself. */
export type RowStatus = z.infer<typeof statusSchema>;

/** An array of tasks, or the report, handed to Slurm. */
const submissionSchema = z.strictObject({
  /** Number among the sweep's submissions. */
  number: z.int(),
  /** Name of the job: tells it where its id was not kept. */
  jobName: text,
  /** Rows; none for the job that writes the report. */
  rows: z.array(z.int()),
  /** Row of task 0. */
  offset: z.int(),
  /** When it was about to be handed over, in ISO 8601. */
  begun: text,
  /** Id of the job; absent until `sbatch` answered. */
  job: text.exactOptional(),
});

/** An array of tasks, or the report, handed to Slurm. */
export type Submission = z.infer<typeof submissionSchema>;

/** The folder of a sweep. */
export class SweepFolder {
  /** The folder. */
  readonly path: string;

  /**
   * Touches nothing.
   *
   * @param out folder of runs
   * @param name of the sweep
   */
  constructor(out: string, name: string) {
    this.path = join(out, "sweeps", name);
  }

  /** A path inside the folder. */
  file(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  /** Folder of a row: its state and its run. */
  rowFolder(row: Pick<Row, "digest">): string {
    return this.file("rows", row.digest.slice(0, 16));
  }

  /**
   * Writes the grid, once. Asked again with the same grid it keeps what is
   * there.
   *
   * @param plan of the sweep
   * @throws {Error} if the folder holds another grid
   */
  async write(plan: SweepPlan): Promise<void> {
    await Deno.mkdir(this.file("logs"), { recursive: true });
    const known = await this.find();
    if (known !== undefined) {
      if (known.task !== plan.task || !isSameGrid(known.rows, plan.rows)) {
        throw new Error(
          `Cannot sweep in ${this.path}: it holds another grid, that of ${known.command}; choose another --name`,
        );
      }
      return;
    }
    await writeAtomic(
      this.file("grid.txt"),
      gridText(plan.axes as Axis[], plan.rows) + "\n",
    );
    await writeAtomic(
      this.file("sweep.json"),
      JSON.stringify(plan, null, 2) + "\n",
    );
  }

  /** Reads the sweep; undefined if there is none. */
  async find(): Promise<SweepPlan | undefined> {
    const read = await readJson(this.file("sweep.json"));
    return read === undefined ? undefined : planSchema.parse(read);
  }

  /**
   * Reads the sweep.
   *
   * @throws {Error} if there is none
   */
  async read(): Promise<SweepPlan> {
    const plan = await this.find();
    if (plan !== undefined) return plan;
    throw new Error(
      `Cannot find a sweep in ${this.path}: name one of the folders beside it, or its --out`,
    );
  }

  /** What the task of a row last wrote; undefined if it never began. */
  async status(row: Row): Promise<RowStatus | undefined> {
    const read = await readJson(join(this.rowFolder(row), "status.json"));
    return read === undefined ? undefined : statusSchema.parse(read);
  }

  /**
   * Writes the state of a row, whole or not at all.
   *
   * @param row which, whose lock is held
   * @param status its state
   */
  async setStatus(row: Row, status: RowStatus): Promise<void> {
    const path = join(this.rowFolder(row), "status.json");
    await writeAtomic(path, JSON.stringify(status, null, 2) + "\n");
  }

  /** Path of the lock that the task of a row holds. */
  lockOf(row: Row): string {
    return join(this.rowFolder(row), "lock");
  }

  /** Whether a process works on a row now. */
  async isHeld(row: Row): Promise<boolean> {
    return await Lock.isTaken(this.lockOf(row));
  }

  /** Folders of runs that a row began, each with its `finished.json` or not. */
  async runsOf(row: Row, task: string): Promise<string[]> {
    const runs = join(this.rowFolder(row), task.replace("exp:", ""));
    if (!await isThere(runs)) return [];
    const entries = await Array.fromAsync(Deno.readDir(runs));
    return entries.map(({ name }) => join(runs, name)).sort();
  }

  /** The finished run of a row, the one begun last; undefined if none is. */
  async finishedRun(row: Row, task: string): Promise<string | undefined> {
    const found: [begun: string, path: string][] = [];
    for (const path of await this.runsOf(row, task)) {
      if (!await isThere(join(path, "finished.json"))) continue;
      found.push([String(await readJson(join(path, "begun.json"))), path]);
    }
    return found.sort().at(-1)?.[1];
  }

  /** Everything that was handed to Slurm, in order. */
  async submissions(): Promise<Submission[]> {
    const folder = this.file("submissions");
    if (!await isThere(folder)) return [];
    const names = (await Array.fromAsync(Deno.readDir(folder)))
      .map(({ name }) => name).filter((name) => name.endsWith(".json"));
    const all = [];
    for (const name of names) {
      all.push(submissionSchema.parse(await readJson(join(folder, name))));
    }
    return all.sort((a, b) => a.number - b.number);
  }

  /** Keeps what is, or was, handed to Slurm. */
  async keepSubmission(submission: Submission): Promise<void> {
    await Deno.mkdir(this.file("submissions"), { recursive: true });
    await writeAtomic(
      this.file("submissions", `${submission.number}.json`),
      JSON.stringify(submission, null, 2) + "\n",
    );
  }

  /** Forgets what Slurm refused. */
  async dropSubmission({ number }: Submission): Promise<void> {
    await Deno.remove(this.file("submissions", `${number}.json`));
  }

  /** Whether somebody cancelled the sweep. */
  async isCancelled(): Promise<boolean> {
    return await isThere(this.file("cancelled"));
  }

  /** Marks the sweep as cancelled, or as no longer so. */
  async setCancelled(isCancelled: boolean): Promise<void> {
    const path = this.file("cancelled");
    if (isCancelled) await Deno.writeTextFile(path, "");
    else if (await isThere(path)) await Deno.remove(path);
  }
}
