import { fromFileUrl } from "@std/path";
import type { Gpu } from "../gpu/gpu.ts";
import { openDevice } from "./device.ts";
import {
  type CommonFlags,
  helpText,
  type ParamsSchema,
  parseFlags,
  type PresetName,
  UsageError,
} from "./flags.ts";
import { Interrupt, Interrupted, type InterruptState } from "./interrupt.ts";
import { messageOf, quoted } from "./permissions.ts";
import { type Progress, ProgressLine } from "./progress.ts";
import {
  checkFolder,
  digestSources,
  readJson,
  RunDirectory,
  writeAtomic,
} from "./run_directory.ts";

/** What the stages of an experiment work with, on whichever thread. */
export interface StageContext<P> {
  /** Device. */
  readonly gpu: Gpu;
  /** Validated parameters. */
  readonly params: P;
  /** Other flags. */
  readonly flags: CommonFlags;
  /** Folder of the run. */
  readonly run: RunDirectory;
  /** Asked to stop? */
  readonly interrupt: InterruptState;
  /** The command, as it can be typed again. */
  readonly command: string;
  /** Begins the line of a stage. */
  progress(label: string): Progress;
  /** Prints a line. */
  log(line: string): void;
}

/** What an experiment is given to run with. */
export interface ExperimentContext<P> extends StageContext<P> {
  /** Hears of a stop first. */
  readonly interrupt: Interrupt;
}

/** What a run would do. */
export interface Plan {
  /** Printed for `--dry-run`. */
  readonly text: string;
  /** Lines that a run begins with. */
  readonly notes: readonly string[];
  /** Gives what changes the result beside the parameters, such as digests. */
  readonly inputs: () => Promise<Readonly<Record<string, string>>>;
}

/** A result of the paper as an executable module. */
export interface Experiment<P> {
  /** Name of the task and of the run folder. */
  readonly name: string;
  /** Place in the paper. */
  readonly source: string;
  /** First line of the help. */
  readonly title: string;
  /** Strict schema; every field is described. */
  readonly params: ParamsSchema;
  /** Values by preset. */
  readonly presets: Readonly<Record<PresetName, P>>;
  /** Flags that take files of weights, with their descriptions. */
  readonly files: Readonly<Record<string, string>>;
  /** Plans a run; refuses, before any work, what cannot work. */
  readonly plan: (
    params: P,
    flags: CommonFlags,
    gpu: Gpu,
  ) => Promise<Plan>;
  /** Runs it, up to the report in the run folder. */
  readonly run: (context: ExperimentContext<P>) => Promise<void>;
}

/** Gives an experiment its type. */
export function defineExperiment<P>(experiment: Experiment<P>): Experiment<P> {
  return experiment;
}

const PROJECT = fromFileUrl(new URL("../..", import.meta.url));

async function execute<P>(
  experiment: Experiment<P>,
  args: readonly string[],
): Promise<number> {
  const { params, flags } = parseFlags<P>(
    experiment.params,
    experiment.presets,
    experiment.files,
    args,
  );
  const name = `exp:${experiment.name}`;
  if (flags.help) {
    console.log(
      helpText(
        `${name}: ${experiment.title} (${experiment.source})`,
        experiment.params,
        experiment.presets,
        experiment.files,
      ),
    );
    return 0;
  }
  await checkFolder(flags.out, "--out");
  await checkFolder(flags.cache, "--cache");
  using gpu = await openDevice();
  const plan = await experiment.plan(params, flags, gpu);
  if (flags.dryRun) {
    console.log(plan.text);
    return 0;
  }
  const inputs = await plan.inputs();
  const sources = await digestSources(PROJECT);
  const identity = { experiment: experiment.name, params, inputs };
  using run = await RunDirectory.open(
    flags.out,
    experiment.name,
    flags.preset,
    identity,
    sources,
    flags.fresh,
  );
  const report = run.file("report.html");
  if (await readJson(run.file("finished.json")) !== undefined) {
    console.log(`Finished before; the report is ${report}`);
    return 0;
  }
  const words = ["./run", name, ...args.map(quoted)];
  const command = words.filter((word) => word !== "--fresh").join(" ");
  const started = new Date().toISOString();
  using interrupt = await Interrupt.open();
  const keep = (line: string) =>
    Deno.writeTextFileSync(
      run.file("log.txt"),
      `${new Date().toISOString()}  ${line}\n`,
      { append: true },
    );
  keep(command);
  const log = (line: string) => {
    keep(line);
    console.error(line);
  };
  plan.notes.forEach(log);
  try {
    await experiment.run({
      gpu,
      params,
      flags,
      run,
      interrupt,
      command,
      progress: (label) =>
        new ProgressLine(label, () => gpu.memory().bytes, keep),
      log,
    });
  } catch (error) {
    keep(`Stopped: ${(error as Error).message}`);
    if (!(error instanceof Interrupted)) throw error;
    console.error(`Stopped. To go on: ${command}`);
    return error.status;
  }
  await writeAtomic(
    run.file("provenance.json"),
    JSON.stringify(
      {
        command,
        deno: Deno.version.deno,
        adapter: gpu.adapter,
        backend: gpu.backend,
        started,
        finished: new Date().toISOString(),
        stages: run.stageTimes,
        ...identity,
      },
      null,
      2,
    ) + "\n",
  );
  await writeAtomic(run.file("finished.json"), "true\n");
  console.log(`The report is ${report}`);
  return 0;
}

/**
 * Runs an experiment from the command line and ends the process: 0 when done,
 * 1 for an error, 2 for a wrong command line, 130 or 143 when interrupted.
 *
 * @param experiment to run
 * @param args command line
 */
export async function main<P>(
  experiment: Experiment<P>,
  args: readonly string[],
): Promise<never> {
  let status: number;
  try {
    status = await execute(experiment, args.filter((arg) => arg !== "--debug"));
  } catch (error) {
    if (args.includes("--debug")) throw error;
    status = error instanceof UsageError ? 2 : 1;
    console.error(messageOf(error, `exp:${experiment.name}`, args));
    if (status === 2) console.error("See --help");
  }
  Deno.exit(status);
}
