/**
 * Runs an experiment over a grid of parameters, on this machine or on Slurm.
 *
 * @module
 */

import { z } from "zod";
import { parseCommand, runCommand } from "../../core/experiment/command.ts";
import { UsageError } from "../../core/experiment/flags.ts";
import { Interrupt } from "../../core/experiment/interrupt.ts";
import { SweepFolder, type SweepPlan } from "../../core/sweep/folder.ts";
import * as grid from "../../core/sweep/grid.ts";
import { runLocal } from "../../core/sweep/local.ts";
import { launchTask } from "../../core/sweep/ordinary.ts";
import { writeSweepReport } from "../../core/sweep/report.ts";
import { callSlurm, readLimits } from "../../core/sweep/slurm.ts";
import { RETRIED, type RowState, rowStates } from "../../core/sweep/states.ts";
import * as submit from "../../core/sweep/submit.ts";
import { lookAtNode, runRow } from "../../core/sweep/task.ts";
import {
  divide,
  dryRun,
  loadExperiment,
  partsOf,
  planOf,
} from "./sweep_plan.ts";

const HELP = `sweep: an experiment over a grid of parameters, here or on Slurm

  sweep exp:NAME --over seeds=0,1,2 --over recipe=paper,visible [EXPERIMENT'S FLAGS]
  sweep status NAME                         what became of each row
  sweep retry NAME failed|timeout|missing   rows of that kind once more
  sweep cancel NAME                         stop what runs or waits
  sweep report NAME                         write the report of what is there

  --over NAME=A,B   a parameter and its values, a row each; several are crossed
  --name NAME       name of the sweep (made from experiment, preset and grid)
  --local K         here, K rows at a time (1)
  --slurm           as job arrays, then a job that writes the report
  --throttle N      on Slurm: most rows at a time
  --time T          on Slurm: limit of a row, as sbatch takes it
  --memory M        on Slurm: memory of a row, as sbatch takes it
  --partition P     on Slurm: partition
  --gres G          on Slurm: generic resources, such as gpu:1
  --signal S        on Slurm: seconds before the limit at which a row keeps a
                    checkpoint and is put back (120)
  --requeues N      on Slurm: how often a row may be put back (10)
  --allow-software  compute on a software adapter, where a node has no other
  --out DIR         folder of runs; the sweep's is DIR/sweeps/NAME (runs)
  --cache DIR       folder of what is made once for all runs (data)
  --dry-run         print grid, script, limits and hours; touch nothing

The same command goes on where it stopped. It ends with 1 if a row is missing.`;

const text = z.string().min(1);
const count = z.coerce.number("it needs an integer").int("it needs an integer");
const name = z.string().regex(
  /^[A-Za-z0-9][\w.-]*$/,
  "it needs letters, digits, _, . and -",
);

const shared = {
  out: text.default("runs"),
  cache: text.default("data"),
};
const slurm = {
  throttle: count.min(1, "it needs at least 1").optional(),
  time: text.optional(),
  memory: text.optional(),
  partition: text.optional(),
  gres: text.optional(),
  signal: count.min(1, "it needs at least 1").default(120),
};

const SweepOptions = z.strictObject({
  _: z.tuple(
    [text],
    "it needs the name of an experiment, such as exp:frontier",
  ),
  ...shared,
  ...slurm,
  name: name.optional(),
  local: count.min(1, "it needs at least 1").optional(),
  slurm: z.boolean().default(false),
  requeues: count.min(0, "it needs at least 0").default(10),
  allowSoftware: z.boolean().default(false),
  dryRun: z.boolean().default(false),
});
type SweepOptions = z.infer<typeof SweepOptions>;
const SWITCHES = ["slurm", "allowSoftware", "dryRun"];

const VERBS = ["status", "retry", "cancel", "report", "task"] as const;

/** Flags of a sweep that take a value, without dashes. */
const VALUED = [
  ...Object.keys(SweepOptions.shape).filter((field) =>
    field !== "_" && !SWITCHES.includes(field)
  ),
  "over",
];

/** The options of Slurm that were given. */
function slurmOptions(
  { throttle, time, memory, partition, gres, signal }: z.infer<
    z.ZodObject<typeof slurm>
  >,
): submit.SlurmOptions {
  return {
    signal,
    ...(throttle === undefined ? {} : { throttle }),
    ...(time === undefined ? {} : { time }),
    ...(memory === undefined ? {} : { memory }),
    ...(partition === undefined ? {} : { partition }),
    ...(gres === undefined ? {} : { gres }),
  };
}

/** Starts the task of a row here, as a process of its own. */
function startHere(folder: SweepFolder, plan: SweepPlan, out: string) {
  return ({ row }: grid.Row) =>
    new Deno.Command("deno", {
      args: [
        ...["task", "--quiet", "sweep", "task", plan.name],
        ...["--row", String(row), "--out", out],
        ...["--log", folder.file("logs", `local_${row}.log`)],
      ],
      ...{ stdin: "null", stdout: "null", stderr: "null" },
    }).spawn();
}

/** Runs rows here, then writes the report. */
async function goLocal(
  folder: SweepFolder,
  plan: SweepPlan,
  rows: readonly grid.Row[],
  out: string,
  count: number,
): Promise<number> {
  using interrupt = await Interrupt.open();
  await runLocal(folder, rows, {
    count,
    start: startHere(folder, plan, out),
    interrupt,
    say: (line) => console.error(line),
  });
  return await report(folder, plan, interrupt);
}

/** Hands rows to Slurm. */
async function goSlurm(
  folder: SweepFolder,
  plan: SweepPlan,
  rows: readonly grid.Row[],
  out: string,
  options: submit.SlurmOptions,
): Promise<number> {
  const digest = grid.digestGrid(plan.task, plan.rows);
  const { jobs, left, refusal } = await submit.submitRows(
    folder,
    partsOf(plan, out, options),
    rows.map(({ row }) => row),
    await readLimits(callSlurm),
    digest,
    callSlurm,
  );
  for (const { job, rows, jobName } of jobs) {
    console.log(
      `job ${job} (${jobName}): ${
        rows.length === 0 ? "the report" : `rows ${submit.rangesText(rows)}`
      }`,
    );
  }
  console.log(`See ./run sweep status ${plan.name}`);
  if (refusal === undefined) return 0;
  console.error(
    `Cannot hand over ${
      left.length === 0 ? "the report's job" : `rows ${submit.rangesText(left)}`
    }: ${refusal}; the same command hands over what is not in`,
  );
  return 1;
}

/** Writes the report from what is there. */
async function report(
  folder: SweepFolder,
  plan: SweepPlan,
  interrupt: Interrupt,
): Promise<number> {
  const states = await rowStates(folder, plan, callSlurm);
  const missing = await writeSweepReport(folder, plan, states, {
    launch: launchTask,
    write: (bytes) => Deno.stderr.writeSync(bytes),
    interrupt,
  });
  console.log(`The report is ${folder.file("report.html")}`);
  if (missing.length === 0) return 0;
  console.error(`Missing in it: rows ${missing.join(", ")}`);
  return 1;
}

/** `sweep exp:NAME ...`. */
async function sweep(args: readonly string[]): Promise<number> {
  const divided = divide(args, VALUED, ["slurm", "allow-software", "dry-run"]);
  const options = parseCommand(SweepOptions, SWITCHES, [
    divided.task,
    ...divided.own,
  ]);
  if (options.slurm && options.local !== undefined) {
    throw new UsageError(
      "Cannot sweep by --slurm and --local at once: it needs one of them",
    );
  }
  const experiment = await loadExperiment(divided.task);
  const plan = await planOf(experiment, divided, options);
  if (options.dryRun) {
    const asked = options.slurm ? [slurmOptions(options)] : [];
    await dryRun(experiment, plan, options.out, ...asked);
    return 0;
  }
  const folder = new SweepFolder(options.out, plan.name);
  if (options.slurm) await readLimits(callSlurm);
  await folder.write(plan);
  if (options.slurm) await submit.adoptSubmissions(folder, callSlurm);
  await folder.setCancelled(false);
  const states = await rowStates(folder, plan, callSlurm);
  // Here a task waits for whoever works on its row; Slurm's are in the queue.
  const isOpen = ({ state }: RowState) =>
    state !== "finished" &&
    !(options.slurm && ["running", "pending", "unknown"].includes(state));
  const open = states.filter(isOpen).map(({ row }) => row);
  console.error(
    `Sweep ${plan.name}: ${open.length} of ${plan.rows.length} rows to run, in ${folder.path}`,
  );
  if (!options.slurm) {
    return await goLocal(folder, plan, open, options.out, options.local ?? 1);
  }
  if (open.length === 0) {
    console.log(`See ./run sweep status ${plan.name}`);
    return 0;
  }
  return await goSlurm(folder, plan, open, options.out, slurmOptions(options));
}

const Named = z.strictObject({
  _: z.tuple([name], "it needs the name of a sweep"),
  ...shared,
});

/** `sweep status NAME`. */
async function status(args: readonly string[]): Promise<number> {
  const { _: [name], out } = parseCommand(Named, [], args);
  const folder = new SweepFolder(out, name);
  const plan = await folder.read();
  const states = await rowStates(folder, plan, callSlurm);
  console.log(grid.gridText(plan.axes, plan.rows, {
    state: states.map(({ state }) => state),
    job: states.map(({ job }) => job),
    exit: states.map(({ exit }) => exit),
    seconds: states.map(({ own }) => own?.seconds.toFixed(0) ?? ""),
    reason: states.map(({ reason }) => reason),
  }));
  const counts = Map.groupBy(states, ({ state }) => state);
  console.log(
    [...counts].map(([state, { length }]) => `${length} ${state}`).join(", "),
  );
  return 0;
}

/** `sweep cancel NAME`. */
async function cancel(args: readonly string[]): Promise<number> {
  const { _: [name], out } = parseCommand(Named, [], args);
  const folder = new SweepFolder(out, name);
  await folder.read();
  await folder.setCancelled(true);
  const jobs = (await folder.submissions()).flatMap(({ job }) => job ?? []);
  if (jobs.length > 0) {
    const { code, stderr } = await callSlurm("scancel", jobs);
    // Those that ended long ago are forgotten.
    if (code !== 0 && !/Invalid job id/i.test(stderr)) {
      throw new Error(
        `Cannot cancel jobs ${jobs.join(", ")}: ${stderr.trim()}`,
      );
    }
  }
  console.log(`Cancelled ${name}: rows that run stop after their batch`);
  return 0;
}

const Retry = z.strictObject({
  _: z.tuple(
    [
      name,
      z.enum(["failed", "timeout", "missing"], {
        error: "it needs the name of a sweep, then failed, timeout or missing",
      }),
    ],
    "it needs the name of a sweep, then failed, timeout or missing",
  ),
  ...shared,
  ...slurm,
  local: count.min(1, "it needs at least 1").optional(),
});

/** `sweep retry NAME KIND`: where the rows ran before, unless told. */
async function retry(args: readonly string[]): Promise<number> {
  const { _: [name, kind], out, local, ...given } = parseCommand(
    Retry,
    [],
    args,
  );
  const folder = new SweepFolder(out, name);
  const plan = await folder.read();
  const isSlurm = local === undefined &&
    (await folder.submissions()).length > 0;
  if (isSlurm) await submit.adoptSubmissions(folder, callSlurm);
  const states = await rowStates(folder, plan, callSlurm);
  const rows = states.filter(({ state }) => RETRIED[kind]?.includes(state))
    .map(({ row }) => row);
  if (rows.length === 0) {
    console.log(`No row of ${name} is ${kind}`);
    return 0;
  }
  await folder.setCancelled(false);
  console.error(
    `Once more: rows ${submit.rangesText(rows.map(({ row }) => row))}`,
  );
  return isSlurm
    ? await goSlurm(folder, plan, rows, out, slurmOptions(given))
    : await goLocal(folder, plan, rows, out, local ?? 1);
}

/** `sweep report NAME`. */
async function reportOf(args: readonly string[]): Promise<number> {
  const { _: [name], out } = parseCommand(Named, [], args);
  const folder = new SweepFolder(out, name);
  using interrupt = await Interrupt.open();
  return await report(folder, await folder.read(), interrupt);
}

const Task = z.strictObject({
  _: z.tuple([name], "it needs the name of a sweep"),
  ...shared,
  row: count.min(0, "it needs at least 0"),
  job: text.optional(),
  node: text.optional(),
  log: text.optional(),
});

/** `sweep task NAME --row N`: what an array or a local sweep starts. */
async function task(args: readonly string[]): Promise<number> {
  const { _: [name], out, row, job, node, log } = parseCommand(Task, [], args);
  const folder = new SweepFolder(out, name);
  const plan = await folder.read();
  const found = plan.rows[row];
  if (found === undefined) {
    throw new RangeError(
      `Cannot run row ${row} of ${name}: it has ${plan.rows.length} rows`,
    );
  }
  using interrupt = await Interrupt.open();
  return await runRow(folder, plan, found, {
    ...(job === undefined ? {} : { job }),
    ...(node === undefined ? {} : { node }),
    write: (bytes) =>
      log === undefined
        ? void Deno.stderr.writeSync(bytes)
        : Deno.writeFileSync(log, bytes, { append: true }),
    interrupt,
    call: callSlurm,
    launch: launchTask,
    look: lookAtNode,
  });
}

async function main(args: readonly string[]): Promise<number> {
  const [verb, ...words] = args;
  // Words after -- are there for ./run, which grants the paths they name.
  const end = words.indexOf("--");
  const own = end < 0 ? words : words.slice(0, end);
  switch (verb as typeof VERBS[number]) {
    case "status":
      return await status(own);
    case "retry":
      return await retry(own);
    case "cancel":
      return await cancel(own);
    case "report":
      return await reportOf(own);
    case "task":
      return await task(own);
    default:
      return await sweep(args);
  }
}

await runCommand(HELP, main, Deno.args);
