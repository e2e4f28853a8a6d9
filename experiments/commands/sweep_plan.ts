/**
 * From the command line of a sweep to its grid.
 *
 * @module
 */

import { joinValues } from "../../core/experiment/arguments.ts";
import { openDevice } from "../../core/experiment/device.ts";
import type { AnyExperiment } from "../../core/experiment/experiment.ts";
import { parseFlags, UsageError } from "../../core/experiment/flags.ts";
import { quoted } from "../../core/experiment/permissions.ts";
import { digestFile } from "../../core/formats/digest.ts";
import { SweepFolder, type SweepPlan } from "../../core/sweep/folder.ts";
import * as grid from "../../core/sweep/grid.ts";
import { callSlurm, readLimits } from "../../core/sweep/slurm.ts";
import * as submit from "../../core/sweep/submit.ts";

/** What a plan takes from the flags of a sweep. */
export interface PlanOptions {
  /** Name of the sweep; made from experiment, preset and grid if absent. */
  readonly name?: string | undefined;
  /** Folder of what is made once for all runs. */
  readonly cache: string;
  /** Whether a software adapter may compute. */
  readonly allowSoftware: boolean;
  /** How often a row may be put back. */
  readonly requeues: number;
}

/**
 * Divides a command line into words of the sweep and of the experiment.
 *
 * @param args command line
 * @param valued flags of a sweep that take a value, without dashes
 * @param switches flags of a sweep that take none
 */
export function divide(
  args: readonly string[],
  valued: readonly string[],
  switches: readonly string[],
) {
  const own: string[] = [];
  const over: string[] = [];
  const experiment: string[] = [];
  for (const word of joinValues(args, valued)) {
    const flag = /^--([^=]+)/.exec(word)?.[1];
    if (flag === "over") over.push(word.replace(/^--over=?/, ""));
    else if (
      flag !== undefined &&
      [...valued, ...switches].includes(flag)
    ) own.push(word);
    else experiment.push(word);
  }
  const [task = "", ...words] = experiment;
  return { own, over, task, words };
}

/**
 * Imports an experiment.
 *
 * @param task its name, such as exp:frontier
 * @throws {UsageError} if there is none of that name
 */
export async function loadExperiment(task: string): Promise<AnyExperiment> {
  const [, name] = /^exp:([a-z][a-z0-9_-]*)$/.exec(task) ?? [];
  const url = new URL(`../${name}.ts`, import.meta.url);
  const isThere = name !== undefined &&
    await Deno.stat(url).then(() => true, () => false);
  if (!isThere) {
    throw new UsageError(
      `Cannot sweep over "${task}": it needs an experiment first, such as exp:frontier`,
    );
  }
  const module: Record<string, AnyExperiment> = await import(url.href);
  const found = Object.values(module).find((one) => one?.name === name);
  if (found !== undefined) return found;
  throw new UsageError(`Cannot sweep over ${task}: ${url.pathname} has none`);
}

/** Reads the command line of an experiment. */
const parse = (experiment: AnyExperiment, args: readonly string[]) =>
  parseFlags<Record<string, unknown>>(
    experiment.params,
    experiment.presets,
    experiment.files,
    args,
  );

/**
 * Makes the plan of a sweep from its command line.
 *
 * @param experiment that its rows run
 * @param divided the command line
 * @param options of the sweep
 * @throws {UsageError} if a row cannot run, or two compute the same
 */
export async function planOf(
  experiment: AnyExperiment,
  { over, task, words }: ReturnType<typeof divide>,
  options: PlanOptions,
): Promise<SweepPlan> {
  const axes = over.map(grid.parseAxis);
  const { flags } = parse(experiment, words);
  if (flags.fresh || flags.help) {
    throw new UsageError(
      "Cannot sweep with --fresh or --help: choose another --name to start over, and see the help of the experiment by itself",
    );
  }
  const digests: Record<string, string> = {};
  const rows = grid.crossAxes(axes, words, (args) => {
    const { params, flags: { preset, data = "", files } } = parse(
      experiment,
      args,
    );
    for (const path of Object.values(files)) digests[path] = "";
    return { task, preset, params, data, files };
  });
  // Refuses, before any row waits for hours, a file that is not there.
  for (const path of Object.keys(digests)) await digestFile(path);
  const digest = grid.digestGrid(task, rows);
  const command = [
    ...["./run", "sweep", task],
    ...over.map((axis) => `--over ${quoted(axis)}`),
    ...words.map(quoted),
  ].join(" ");
  return {
    name: options.name ??
      `${experiment.name}-${flags.preset}-${digest.slice(0, 8)}`,
    task,
    preset: flags.preset,
    command,
    axes: axes.map(({ name, values }) => ({ name, values: [...values] })),
    shared: words,
    cache: options.cache,
    allowSoftware: options.allowSoftware,
    requeues: options.requeues,
    rows: rows.map((row) => ({
      ...row,
      values: { ...row.values },
      args: [...row.args],
    })),
  };
}

/** What a script needs beside the plan. */
export function partsOf(
  plan: SweepPlan,
  out: string,
  options: submit.SlurmOptions,
) {
  return { root: Deno.cwd(), out, plan, options };
}

/**
 * Prints what a sweep would do: grid, scripts, limits, hours.
 *
 * @param experiment that its rows run
 * @param plan the sweep
 * @param out folder of runs
 * @param options what is asked of Slurm; absent without it
 * @throws {Error} if Slurm is asked for and does not answer
 */
export async function dryRun(
  experiment: AnyExperiment,
  plan: SweepPlan,
  out: string,
  options?: submit.SlurmOptions,
): Promise<void> {
  console.log(`Sweep ${plan.name}: ${plan.rows.length} rows\n`);
  console.log(grid.gridText(plan.axes, plan.rows));
  if (options !== undefined) {
    const limits = await readLimits(callSlurm);
    console.log(
      `\nSlurm: MaxArraySize ${limits.maxArraySize}, MaxJobCount ${limits.maxJobCount}`,
    );
    const parts = partsOf(plan, out, options);
    const logs = new SweepFolder(out, plan.name).file("logs");
    const chunks = submit.splitRows(plan.rows.map(({ row }) => row), limits);
    for (const chunk of chunks) {
      console.log("\n" + submit.arrayScript(parts, chunk, plan.name, logs));
    }
    console.log(submit.reportScript(parts, plan.name, logs));
  }
  using gpu = await openDevice();
  let seconds: number | undefined = 0;
  let shown = "";
  for (const { args } of plan.rows) {
    const { params, flags } = parse(experiment, [...args, "--dry-run"]);
    const planned = await experiment.plan(params, flags, gpu);
    shown ||= planned.text;
    if (planned.seconds === undefined) seconds = undefined;
    else if (seconds !== undefined) seconds += planned.seconds;
  }
  console.log(`\nThe first row alone: ${shown}`);
  if (seconds !== undefined) {
    console.log(
      `\nAll rows: about ${
        (seconds / 3600).toFixed(2)
      } h of training and sampling on this adapter, one after the other; what rows share is made once`,
    );
  }
}
