/**
 * A run of a whole paper: every experiment in its order, then what became of
 * every claim.
 *
 * @module
 */

import { dirname, join, relative } from "@std/path";
import { z } from "zod";
import { type Cost, readCost } from "../cost.ts";
import type { FindingTable } from "../findings.ts";
import { readFindings, readFindingTable } from "../findings_report.ts";
import type { Interrupt } from "../interrupt.ts";
import { duration } from "../progress.ts";
import { readJson, type RunDirectory, writeAtomic } from "../run_directory.ts";
import {
  type Catalogue,
  type Outcome,
  PAPER_SCHEMA,
  type PaperClaims,
} from "./catalogue.ts";
import { flagsOf, reportedRun, runTask, TimeLeft } from "./children.ts";
import { judgePaper, type Left } from "./judging.ts";
import { writePaper } from "./page.ts";

/** An experiment as the run starts it. */
export interface Planned {
  /** Its name. */
  readonly name: string;
  /** Command of its task. */
  readonly command: string;
  /** Behind the command. */
  readonly args: readonly string[];
}

/** Milliseconds between two lines where the output is no terminal. */
const PLAIN_EVERY = 10_000;

/** Characters of the line of an experiment that are shown. */
const SHOWN = 90;

/** The line of the whole: rewritten in a terminal, else every few seconds. */
class WholeLine {
  #last = -Infinity;

  show(text: string, isLast = false): void {
    const isTerminal = Deno.stderr.isTerminal();
    const now = performance.now();
    const due = isTerminal ? 200 : PLAIN_EVERY;
    if (!isLast && now - this.#last < due) return;
    this.#last = now;
    const end = isLast || !isTerminal ? "\n" : "";
    const begin = isTerminal ? "\r\x1b[2K" : "";
    Deno.stderr.writeSync(new TextEncoder().encode(begin + text + end));
  }
}

/**
 * Does something for each item, two at a time: most machines have two cores.
 *
 * @param items in order
 * @param work for one
 * @returns results in the order of the items
 */
async function byTwos<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async () => {
    for (let i = next++; i < items.length; i = next++) {
      results[i] = await work(items[i]!);
    }
  };
  await Promise.all([lane(), lane()]);
  return results;
}

/**
 * Names of the flags that each experiment has.
 *
 * @param experiments commands by name
 * @param cwd folder of the project
 * @throws {Error} if one has no help
 */
export async function flagsByExperiment(
  experiments: ReadonlyMap<string, string>,
  cwd: string,
): Promise<Map<string, readonly string[]>> {
  const list = await byTwos([...experiments], async ([name, command]) => {
    const { code, stdout, last } = await runTask(command, ["--help"], { cwd });
    if (code !== 0) {
      throw new Error(`Cannot ask exp:${name} for its flags: ${last}`);
    }
    return [name, flagsOf(stdout)] as const;
  });
  return new Map(list);
}

/** What an experiment would cost, or why that is not known. */
export interface PlannedCost {
  /** Its name. */
  readonly name: string;
  /** Its cost; none if its plan has none. */
  readonly cost?: Cost;
  /** Last words of a plan that failed. */
  readonly message?: string;
}

/**
 * Asks experiments what they would cost.
 *
 * @param experiments to ask
 * @param cwd folder of the project
 * @param interrupt stops them
 */
export function costsOf(
  experiments: readonly Planned[],
  cwd: string,
  interrupt: Interrupt,
): Promise<PlannedCost[]> {
  return byTwos(experiments, async ({ name, command, args }) => {
    const isStopped = () => interrupt.requested;
    const words = [...args, "--dry-run"];
    const { code, stdout, last } = await runTask(command, words, {
      cwd,
      isStopped,
    });
    interrupt.check();
    const cost = readCost(stdout);
    return {
      name,
      ...(cost === undefined ? {} : { cost }),
      ...(code === 0 ? {} : { message: last }),
    };
  });
}

async function tablesOf(
  folder: string,
  found: NonNullable<Left["found"]>,
): Promise<Record<string, FindingTable>> {
  const tables: Record<string, FindingTable> = {};
  for (const name of Object.keys(found.tables)) {
    tables[name] = await readFindingTable(folder, found, name);
  }
  return tables;
}

/** Reads what an experiment left, from the folder of the paper's run. */
async function readLeft(root: string, outcome: Outcome): Promise<Left> {
  if (outcome.state !== "finished" || outcome.folder === undefined) {
    return { outcome, tables: {} };
  }
  const folder = join(root, outcome.folder);
  const found = await readFindings(folder);
  return { outcome, found, tables: await tablesOf(folder, found) };
}

const text = z.string();

/** What the numbers of several experiments rest on. */
function factsOf(left: readonly Left[]): Record<string, string[]> {
  const found = left.flatMap((one) => one.found ?? []);
  const collect = (pick: (one: typeof found[number]) => unknown) => [
    ...new Set(
      found.map(pick).filter((value) => value !== undefined).map(String),
    ),
  ];
  const notes = found.flatMap((one) => [...one.notes]);
  const isShared = (note: string) =>
    found.length === 1 || notes.filter((one) => one === note).length > 1;
  const facts = {
    Data: collect(({ dataset }) => {
      const folder = text.safeParse(dataset.folder ?? dataset.errors).data;
      if (folder === undefined) return undefined;
      const scenes = String(dataset.scenes ?? "unknown");
      return `${folder}, ${/^\w+$/.test(scenes) ? `${scenes} scenes` : scenes}`;
    }),
    Recipe: collect(({ params }) => params.recipe),
    Seeds: collect(({ seeds }) =>
      seeds.length === 0 ? undefined : seeds.join(", ")
    ),
    Protocol: [...new Set(notes.filter(isShared))],
  };
  return Object.fromEntries(
    Object.entries(facts).filter(([, values]) => values.length > 0),
  );
}

/** What a run of the paper is given. */
export interface PaperRun {
  /** Its folder. */
  readonly run: RunDirectory;
  /** The paper. */
  readonly catalogue: Catalogue;
  /** Experiments in the order of the paper. */
  readonly experiments: readonly Planned[];
  /** Preset of all. */
  readonly preset: string;
  /** The command, as it can be typed again. */
  readonly command: string;
  /** Folder of the project. */
  readonly cwd: string;
  /** Stops it. */
  readonly interrupt: Interrupt;
}

async function knownSeconds(run: RunDirectory): Promise<Map<string, number>> {
  const schema = z.record(z.string(), z.number());
  const known = schema.safeParse(await readJson(run.file("seconds.json")));
  return new Map(Object.entries(known.data ?? {}));
}

/**
 * Runs every experiment, one after the other, and writes the page after each. A
 * failing one does not stop the others.
 *
 * @param paper what to run
 * @returns how each ended, and the page
 * @throws {Interrupted} if it was asked to stop; the same call goes on
 */
export async function runPaper(
  { run, catalogue, experiments, preset, command, cwd, interrupt }: PaperRun,
): Promise<{ readonly outcomes: readonly Outcome[]; readonly page: string }> {
  const names = experiments.map(({ name }) => name);
  const costs = preset === "smoke"
    ? []
    : await costsOf(experiments, cwd, interrupt);
  const planned = Object.fromEntries(
    costs.flatMap(({ name, cost }) =>
      cost === undefined ? [] : [[name, cost.seconds]]
    ),
  );
  const time = new TimeLeft(planned, names);
  const line = new WholeLine();
  const seconds = await knownSeconds(run);
  const left = new Map<string, Left>(names.map((name) => [name, {
    outcome: { name, state: "waiting", seconds: 0 },
    tables: {},
  }]));
  const write = async () => {
    const all = [...left.values()];
    const byName = Object.fromEntries(left);
    const result: PaperClaims = {
      schema: PAPER_SCHEMA,
      preset,
      command,
      adapters: [...new Set(all.flatMap(({ found }) => found?.adapters ?? []))],
      facts: factsOf(all),
      experiments: all.map(({ outcome }) => outcome),
      claims: judgePaper(catalogue.sections, byName),
    };
    return await writePaper(run.path, result, catalogue, byName);
  };

  for (const [i, { name, command, args }] of experiments.entries()) {
    const started = performance.now();
    const place = `paper  ${i + 1}/${names.length}  exp:${name}`;
    const words: string[] = [];
    const ended = await runTask(command, args, {
      cwd,
      isStopped: () => interrupt.requested,
      line: (text) => {
        words.push(text);
        const rest = time.left(name, (performance.now() - started) / 1000);
        line.show(
          `${place}: ${text.slice(0, SHOWN)}${
            rest === undefined ? "" : `  ${duration(rest)} left in all`
          }`,
        );
      },
    });
    await writeAtomic(run.file(`${name}.log`), words.join("\n") + "\n");
    seconds.set(name, (seconds.get(name) ?? 0) + ended.seconds);
    await writeAtomic(
      run.file("seconds.json"),
      JSON.stringify(Object.fromEntries(seconds)),
    );
    if (interrupt.requested) await write();
    interrupt.check();
    const reported = ended.code === 0 ? reportedRun(ended.stdout) : undefined;
    const about = { name, seconds: seconds.get(name) ?? 0 };
    const outcome: Outcome = reported === undefined
      ? {
        ...about,
        state: "failed",
        message: ended.last || `it ended with status ${ended.code}`,
      }
      : {
        ...about,
        state: "finished",
        folder: relative(run.path, join(cwd, dirname(reported.report))),
      };
    left.set(name, await readLeft(run.path, outcome));
    time.end(name, reported?.wasThere === false ? ended.seconds : undefined);
    line.show(
      `${place}: ${
        reported === undefined
          ? `failed, ${outcome.message}`
          : reported.wasThere
          ? "finished before"
          : `done in ${duration(ended.seconds)}`
      }`,
      true,
    );
    await write();
  }
  const outcomes = [...left.values()].map(({ outcome }) => outcome);
  return { outcomes, page: await write() };
}
