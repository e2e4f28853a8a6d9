import { fromFileUrl, join, relative } from "@std/path";
import { z } from "zod";
import type { Gpu } from "../gpu/gpu.ts";
import { Artifacts } from "./artifact.ts";
import { usedArtifacts } from "./artifact_list.ts";
import { openDevice } from "./device.ts";
import type { Facts, Finding } from "./findings.ts";
import { writeFindings } from "./findings_report.ts";
import {
  type CommonFlags,
  helpText,
  type ParamsSchema,
  parseFlags,
  type PresetName,
  UsageError,
} from "./flags.ts";
import { Interrupt, Interrupted, type InterruptState } from "./interrupt.ts";
import { laneCount, serveLane } from "./lanes.ts";
import { messageOf, quoted } from "./permissions.ts";
import { type Progress, ProgressLine } from "./progress.ts";
import {
  checkFolder,
  readJson,
  RunDirectory,
  writeAtomic,
} from "./run_directory.ts";
import { type CaseOptions, LaneTeam } from "./lane_team.ts";
import { readSources } from "./sources.ts";

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
  /** What is made once, for all runs. */
  readonly artifacts: Artifacts;
  /** Asked to stop? */
  readonly interrupt: InterruptState;
  /** The command, as it can be typed again. */
  readonly command: string;
  /** The other threads, where this is the one that has them. */
  readonly lanes?: LaneTeam;
  /** Begins the line of a stage. */
  progress(label: string): Progress;
  /** Prints a line. */
  log(line: string): void;
}

/** What an experiment is given to run with. */
export interface ExperimentContext<P> extends StageContext<P> {
  /** Hears of a stop first. */
  readonly interrupt: Interrupt;
  /** The other threads. */
  readonly lanes: LaneTeam;
}

/** What a run would do. */
export interface Plan {
  /** Printed for `--dry-run`. */
  readonly text: string;
  /** Seconds of training and sampling on this adapter, where they are known. */
  readonly seconds?: number;
  /** Lines that a run begins with. */
  readonly notes: readonly string[];
  /** Gives what changes the result beside the parameters, such as digests. */
  readonly inputs: () => Promise<Readonly<Record<string, string>>>;
}

/**
 * The stages of an experiment by name: plain JSON in, plain JSON out. They run
 * on any thread, with a bench of that thread.
 */
export type Stages<Bench> = Readonly<
  Record<string, (bench: Bench, input: never) => Promise<unknown>>
>;

/** Does a stage for several cases, see {@linkcode RunContext.each}. */
export type Each<Bench, S extends Stages<Bench>> = <Name extends keyof S>(
  stage: Name & string,
  cases: readonly Parameters<S[Name]>[1][],
  options?: CaseOptions<Parameters<S[Name]>[1]>,
) => Promise<Awaited<ReturnType<S[Name]>>[]>;

/** What an experiment runs with. */
export interface RunContext<P, Bench, S extends Stages<Bench>> {
  /** Validated parameters. */
  readonly params: P;
  /** That of the first thread. */
  readonly bench: Bench;
  /**
   * Does a stage for every case, on all lanes at once, and keeps every result:
   * a run that goes on does what is missing.
   */
  readonly each: Each<Bench, S>;
}

/** What an experiment gives back. */
export type Result = Finding & Partial<Pick<Facts, "dataset">>;

/** A result of the paper as an executable module. */
export interface Experiment<
  Schema extends ParamsSchema,
  Bench extends Disposable,
  S extends Stages<Bench>,
> {
  /** Name of the task and of the run folder. */
  readonly name: string;
  /** Place in the paper. */
  readonly source: string;
  /** First line of the help, and heading of the report. */
  readonly title: string;
  /** Strict schema; every field is described. */
  readonly params: Schema;
  /** Values by preset. */
  readonly presets: Readonly<Record<PresetName, z.infer<Schema>>>;
  /** Flags that take files of weights, with their descriptions. */
  readonly files: Readonly<Record<string, string>>;
  /** Plans a run; refuses, before any work, what cannot work. */
  readonly plan: (
    params: z.infer<Schema>,
    flags: CommonFlags,
    gpu: Gpu,
  ) => Promise<Plan>;
  /** Opens what the stages of one thread share. */
  readonly open: (context: StageContext<z.infer<Schema>>) => Bench;
  /** What lanes can do. */
  readonly stages: S;
  /** Runs it: wires stages, and says what was found. */
  readonly run: (
    context: RunContext<z.infer<Schema>, Bench, S>,
  ) => Promise<Result>;
}

/** Gives an experiment its type. */
export function defineExperiment<
  Schema extends ParamsSchema,
  Bench extends Disposable,
  S extends Stages<Bench>,
>(experiment: Experiment<Schema, Bench, S>): Experiment<Schema, Bench, S> {
  return experiment;
}

/** An experiment, whatever its parameters and stages. */
// deno-lint-ignore no-explicit-any -- parameters stand on both sides of arrows
export type AnyExperiment = Experiment<any, any, any>;

const PROJECT = fromFileUrl(new URL("../..", import.meta.url));

type OwnContext = Omit<ExperimentContext<Record<string, unknown>>, "lanes">;

/** Writes all that was found, with what it was made from. */
async function report(
  experiment: AnyExperiment,
  { run, gpu, params, flags, command, progress, artifacts }: OwnContext,
  found: Result,
  seconds: number,
): Promise<void> {
  const line = progress("write the report");
  const used = await usedArtifacts(artifacts.root, {
    experiment: experiment.name,
    run: run.path,
    begun: run.begun,
  });
  await writeFindings(run.path, {
    experiment: experiment.name,
    source: experiment.source,
    title: experiment.title,
    preset: flags.preset,
    isTested: flags.preset !== "smoke",
    seeds: z.array(z.int()).catch([]).parse(params.seeds),
    params: z.record(z.string(), z.json()).parse(params),
    artifacts: used.map(({ kind, digest }) => `${kind}/${digest}`).sort(),
    adapters: [
      ...new Set([
        gpu.adapter,
        ...used.flatMap(({ record }) => record.adapters ?? []),
      ]),
    ],
    command,
    stages: run.stageTimes,
    seconds,
    ...found,
  });
  line.end();
}

async function keepProvenance(
  run: RunDirectory,
  gpu: Gpu,
  about: Record<string, unknown>,
): Promise<void> {
  const content = {
    ...about,
    deno: Deno.version.deno,
    adapter: gpu.adapter,
    backend: gpu.backend,
    stages: run.stageTimes,
  };
  await writeAtomic(
    run.file("provenance.json"),
    JSON.stringify(content, null, 2) + "\n",
  );
}

async function execute(
  experiment: AnyExperiment,
  args: readonly string[],
  module: string,
): Promise<number> {
  const { params, flags } = parseFlags<Record<string, unknown>>(
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
  const own = relative(PROJECT, fromFileUrl(module));
  const sources = await readSources(PROJECT, [own]);
  const identity = { experiment: experiment.name, params, inputs };
  using run = await RunDirectory.open(
    flags.out,
    experiment.name,
    flags.preset,
    identity,
    sources.digests,
    flags.fresh,
  );
  const page = run.file("report.html");
  if (await readJson(run.file("finished.json")) !== undefined) {
    console.log(`Finished before; the report is ${page}`);
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
  const making = {
    root: join(flags.cache, "artifacts"),
    sources,
    command,
    user: {
      experiment: experiment.name,
      run: run.path,
      begun: run.begun,
    },
  };
  const timer = run.file("seconds.json");
  const before = Number(await readJson(timer) ?? 0);
  const seconds = () => before + Math.round(performance.now()) / 1000;
  const context: OwnContext = {
    gpu,
    params,
    flags,
    run,
    artifacts: new Artifacts({ ...making, adapter: () => gpu.adapter }),
    interrupt,
    command,
    progress: (label) =>
      new ProgressLine(label, () => gpu.memory().bytes, keep),
    log,
  };
  using team = new LaneTeam(new URL(module), laneCount(gpu), context, making);
  try {
    using bench = experiment.open({ ...context, lanes: team });
    const found = await experiment.run({
      params,
      bench,
      each: (stage, cases, options) => team.each(stage, cases, options),
    });
    await report(experiment, context, found, seconds());
  } catch (error) {
    keep(`Stopped: ${(error as Error).message}`);
    // A full disk has its own message.
    await writeAtomic(timer, String(seconds())).catch(() => {});
    if (!(error instanceof Interrupted)) throw error;
    console.error(`Stopped. To go on: ${command}`);
    return error.status;
  }
  const finished = new Date().toISOString();
  const about = { command, started, finished, ...identity };
  await keepProvenance(run, gpu, about);
  await writeAtomic(run.file("finished.json"), "true\n");
  console.log(`The report is ${page}`);
  return 0;
}

/**
 * Runs an experiment from the command line and ends the process: 0 when done,
 * 1 for an error, 2 for a wrong command line, 130 or 143 when interrupted.
 */
async function main(
  experiment: AnyExperiment,
  args: readonly string[],
  module: string,
): Promise<never> {
  let status: number;
  try {
    const words = args.filter((arg) => arg !== "--debug");
    status = await execute(experiment, words, module);
  } catch (error) {
    if (args.includes("--debug")) throw error;
    status = error instanceof UsageError ? 2 : 1;
    console.error(messageOf(error, `exp:${experiment.name}`, args));
    if (status === 2) console.error("See --help");
  }
  Deno.exit(status);
}

/** Does the stages of an experiment on this thread, when it is asked to. */
function serve(experiment: AnyExperiment): void {
  let bench: Disposable | undefined;
  const stages = Object.entries(experiment.stages as Stages<unknown>);
  serveLane(Object.fromEntries(
    stages.map(([stage, work]) => [
      stage,
      (context: StageContext<unknown>, input: unknown) => {
        bench ??= experiment.open(context);
        return work(bench, input as never);
      },
    ]),
  ));
}

/**
 * Ends the module of an experiment. Started by Deno it runs the command line
 * and ends the process; started as a worker it is a lane of such a run;
 * imported it does nothing.
 *
 * @param experiment to run
 * @param meta `import.meta` of its module
 */
export async function start(
  experiment: AnyExperiment,
  meta: ImportMeta,
): Promise<void> {
  if (!meta.main) return;
  // Deno calls a worker's module the main one, too.
  if ("WorkerGlobalScope" in globalThis) serve(experiment);
  else await main(experiment, Deno.args, meta.url);
}
