/**
 * Runs every experiment of the paper and says what became of each of its
 * claims.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";
import { runCommand } from "../../core/experiment/command.ts";
import { kebab, nearest, UsageError } from "../../core/experiment/flags.ts";
import { Interrupt } from "../../core/experiment/interrupt.ts";
import { inOrderOfPaper } from "../../core/experiment/paper/catalogue.ts";
import { comparePapers } from "../../core/experiment/paper/compare.ts";
import { costTable } from "../../core/experiment/paper/costs.ts";
import {
  costsOf,
  flagsByExperiment,
  type Planned,
  runPaper,
} from "../../core/experiment/paper/run.ts";
import { quoted } from "../../core/experiment/permissions.ts";
import {
  checkFolder,
  RunDirectory,
} from "../../core/experiment/run_directory.ts";
import { readExperiments } from "../../core/experiment/tasks.ts";
import { CATALOGUE } from "../catalogue/mod.ts";

const HELP = `paper: every experiment, then every claim of the paper on one page

  --preset NAME     smoke (minutes; numbers mean nothing), demo or paper (demo)
  --only A,B        these experiments alone
  --skip A,B        all but these
  --out DIR         folder of runs (runs)
  --cache DIR       folder of what is made once for all runs (data)
  --fresh           start every experiment over
  --dry-run         time, memory and disk of each, at every preset or at --preset
  --compare A B     two runs of this command side by side

Every other flag, such as --data or --vae, goes to the experiments that have it.
The same command goes on where it stopped. The exit status is 1 if an experiment
failed; the others run all the same.`;

const PROJECT = fromFileUrl(new URL("../..", import.meta.url));
const PRESETS = ["smoke", "demo", "paper"] as const;
const VALUES = ["preset", "only", "skip", "out", "cache"];
const SWITCHES = ["fresh", "dryRun"];

interface CommandLine {
  /** Own flags. */
  readonly own: Readonly<Record<string, string>>;
  /** Words of the flags that experiments are given, by flag. */
  readonly passed: ReadonlyMap<string, string>;
  /** Runs to compare. */
  readonly compared: readonly string[] | undefined;
}

/** Splits a command line into own flags and those of experiments. */
function split(args: readonly string[]): CommandLine {
  const own: Record<string, string> = {};
  const passed = new Map<string, string>();
  let compared: string[] | undefined;
  const words = [...args];
  while (words.length > 0) {
    const word = words.shift() ?? "";
    const [, name = "", given] = /^--([\w-]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === "") {
      throw new UsageError(
        `Cannot understand "${word}": options begin with --, and a list has commas but no blanks`,
      );
    }
    const next = () => words[0]?.startsWith("--") ? undefined : words.shift();
    if (name === "compare") {
      compared = [given, next(), given === undefined ? next() : undefined]
        .filter((path) => path !== undefined);
      continue;
    }
    const field = [...VALUES, ...SWITCHES].find((one) => kebab(one) === name);
    if (field !== undefined && SWITCHES.includes(field)) {
      if (given !== undefined) {
        throw new UsageError(`Cannot use ${word}: it takes no value`);
      }
      own[field] = "true";
      continue;
    }
    const value = given ?? next();
    if (field === undefined) {
      passed.set(name, value === undefined ? word : `--${name}=${value}`);
      continue;
    }
    if (value === undefined || value.trim() === "") {
      throw new UsageError(`Cannot use --${name}: it needs a value`);
    }
    own[field] = value;
  }
  if (compared !== undefined && compared.length !== 2) {
    throw new UsageError(
      `Cannot use --compare ${compared.join(" ")}: it needs two runs`,
    );
  }
  return { own, passed, compared };
}

/** Experiments of a list by commas. */
function chosen(
  flag: string,
  list: string | undefined,
  names: readonly string[],
): string[] | undefined {
  return list?.split(",").map((word) => {
    const name = word.trim().replace(/^exp:/, "");
    if (names.includes(name)) return name;
    throw new UsageError(
      `Cannot use --${flag} ${word}: did you mean ${
        nearest(name, names)
      }? There are ${names.join(", ")}`,
    );
  });
}

async function command(args: readonly string[]): Promise<number> {
  const { own, passed, compared } = split(args);
  const { out = "runs", cache = "data" } = own;
  if (compared !== undefined) {
    const [a = "", b = ""] = compared;
    const { page, markdown } = await comparePapers(a, b, out);
    console.log(markdown);
    console.log(`The report is ${page}`);
    return 0;
  }
  const preset = own.preset ?? "demo";
  if (!PRESETS.some((one) => one === preset)) {
    throw new UsageError(
      `Cannot use --preset ${preset}: it must be ${PRESETS.join(", ")}`,
    );
  }
  const tasks = readExperiments(
    await Deno.readTextFile(new URL("../../deno.json", import.meta.url)),
  );
  const names = inOrderOfPaper(CATALOGUE, [...tasks.keys()]);
  const only = chosen("only", own.only, names);
  const skip = chosen("skip", own.skip, names) ?? [];
  const asked = names.filter((name) =>
    (only?.includes(name) ?? true) && !skip.includes(name)
  );
  if (asked.length === 0) {
    throw new UsageError("Cannot run the paper: no experiment is left to run");
  }
  const commands = new Map(asked.map((name) => [name, tasks.get(name)!]));
  const flags = passed.size === 0
    ? new Map<string, readonly string[]>()
    : await flagsByExperiment(commands, PROJECT);
  const known = [...new Set([...flags.values()].flat())];
  for (const name of passed.keys()) {
    if (known.includes(name)) continue;
    throw new UsageError(
      `Cannot understand --${name}: no experiment has it; did you mean --${
        nearest(name, [...known, ...[...VALUES, ...SWITCHES].map(kebab)])
      }?`,
    );
  }
  const planned = (preset: string): Planned[] =>
    [...commands].map(([name, command]) => ({
      name,
      command,
      args: [
        ...["--preset", preset, "--out", out, "--cache", cache],
        ...(own.fresh === undefined ? [] : ["--fresh"]),
        ...[...passed].filter(([flag]) => flags.get(name)?.includes(flag))
          .map(([, words]) => words),
      ],
    }));
  using interrupt = await Interrupt.open();
  if (own.dryRun !== undefined) {
    const presets = own.preset === undefined ? PRESETS : [preset];
    for (const one of presets) {
      const costs = await costsOf(planned(one), PROJECT, interrupt);
      console.log(costTable(one, costs));
    }
    return 0;
  }
  await checkFolder(out, "--out");
  await checkFolder(cache, "--cache");
  const identity = { experiments: asked, passed: [...passed.values()] };
  using run = await RunDirectory.open(
    out,
    "paper",
    preset,
    identity,
    {},
    false,
  );
  const words = ["./run", "paper", ...args.map(quoted)];
  const { outcomes, page } = await runPaper({
    run,
    catalogue: CATALOGUE,
    experiments: planned(preset),
    preset,
    command: words.filter((word) => word !== "--fresh").join(" "),
    cwd: PROJECT,
    interrupt,
  });
  const failed = outcomes.filter(({ state }) => state === "failed");
  for (const { name, message } of failed) {
    console.error(`exp:${name} failed: ${message}`);
  }
  console.log(`The report is ${page}`);
  return failed.length === 0 ? 0 : 1;
}

if (import.meta.main) await runCommand(HELP, command, Deno.args);
