/**
 * Experiments as their tasks start them: as processes, in their sandbox.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import type { FindingsFile } from "../../core/experiment/findings.ts";
import {
  readFindings,
  reportOf,
} from "../../core/experiment/findings_report.ts";
import { taskFlags, type TaskName } from "./task_flags.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));

/** Which experiment, and where it writes. */
export interface ExperimentPlace {
  /** Name of its task. */
  readonly task: TaskName;
  /** Folder of its runs, from the project's. */
  readonly folder: string;
  /** Folder of artifacts, from the project's. Default one in `folder`. */
  readonly cache?: string;
}

const cacheOf = ({ folder, cache = `${folder}/data` }: ExperimentPlace) =>
  cache;

/**
 * Starts the smoke preset of an experiment.
 *
 * @param place which, and where it writes
 * @param args after those of the place
 */
export function startExperiment(
  place: ExperimentPlace,
  ...args: string[]
): Deno.ChildProcess {
  const { task, folder } = place;
  const cache = cacheOf(place);
  for (const path of [folder, cache]) {
    Deno.mkdirSync(join(root, path), { recursive: true });
  }
  return new Deno.Command("deno", {
    cwd: root,
    args: [
      ...taskFlags(task, { writeOnly: `${folder},${cache}` }),
      ...["--preset", "smoke"],
      ...["--out", `${folder}/runs`, "--cache", cache],
      ...args,
    ],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** How a process ended. */
export interface Ended {
  /** Its exit status. */
  readonly code: number;
  /** What it wrote. */
  readonly stdout: string;
  /** What it wrote of its progress and faults. */
  readonly stderr: string;
}

/**
 * Waits for a process to end.
 *
 * @param process that is running
 */
export async function finish(process: Deno.ChildProcess): Promise<Ended> {
  const { code, stdout, stderr } = await process.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/**
 * Ends a process as soon as it wrote something of some form.
 *
 * @param process that is running
 * @param sign of the moment
 * @param signal to send
 * @returns its status, what it wrote of its progress, and how long it took to
 *   stop, which is NaN if the sign did not come
 */
export async function endAt(
  process: Deno.ChildProcess,
  sign: RegExp,
  signal: "SIGINT" | "SIGTERM" | "SIGKILL",
): Promise<{ code: number; seen: string; seconds: number }> {
  let seen = "";
  let asked = NaN;
  const decoder = new TextDecoder();
  for await (const chunk of process.stderr) {
    seen += decoder.decode(chunk, { stream: true });
    if (!Number.isNaN(asked) || !sign.test(seen)) continue;
    asked = performance.now();
    process.kill(signal);
  }
  const { code } = await process.status;
  await process.stdout.cancel();
  return { code, seen, seconds: (performance.now() - asked) / 1000 };
}

/**
 * Folder of the only run of an experiment.
 *
 * @param place which, and where it wrote
 */
export async function runFolder(
  { task, folder }: ExperimentPlace,
): Promise<string> {
  const runs = join(root, folder, "runs", task.replace("exp:", ""));
  const [run] = await Array.fromAsync(Deno.readDir(runs));
  return join(runs, run?.name ?? "");
}

/** What a run found, without what two equal runs differ in. */
export interface Outcome {
  /** `findings.json` without times, adapters and the command. */
  readonly findings: Omit<
    FindingsFile,
    "stages" | "seconds" | "adapters" | "command"
  >;
  /** Tables as they are on disk, by their files. */
  readonly tables: Readonly<Record<string, string>>;
}

/**
 * Reads what a run found.
 *
 * @param place which experiment, and where it wrote
 */
export async function outcomeOf(place: ExperimentPlace): Promise<Outcome> {
  const folder = await runFolder(place);
  const { stages: _, seconds: __, adapters: ___, command: ____, ...findings } =
    await readFindings(folder);
  const tables: Record<string, string> = {};
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.endsWith(".csv")) continue;
    tables[name] = await Deno.readTextFile(join(folder, name));
  }
  return { findings, tables };
}

/**
 * Builds the report of a run elsewhere, from its findings and the files that
 * these name.
 *
 * @param run its folder
 * @param to an empty folder, from the project's
 */
export async function reportElsewhere(
  run: string,
  to: string,
): Promise<string> {
  const copy = join(root, await emptyFolder(to));
  const { tables, figures, media } = await readFindings(run);
  const files = [
    "findings.json",
    ...Object.values(tables),
    ...Object.values(figures).map(({ svg }) => svg),
    ...Object.values(media).map(({ file }) => file),
  ];
  for (const file of files) {
    await Deno.copyFile(join(run, file), join(copy, file));
  }
  return await reportOf(copy);
}

/**
 * Names of all files below a folder.
 *
 * @param folder from the project's
 */
export async function filesBelow(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(root, folder))) {
    if (isDirectory) names.push(...await filesBelow(join(folder, name)));
    else names.push(name);
  }
  return names;
}

/**
 * Makes a folder empty.
 *
 * @param folder from the project's
 * @returns `folder`
 */
export async function emptyFolder(folder: string): Promise<string> {
  await Deno.remove(join(root, folder), { recursive: true }).catch(() => {});
  await Deno.mkdir(join(root, folder), { recursive: true });
  return folder;
}

/**
 * Copies what experiments made from one cache to another, so that a test need
 * not make it again.
 *
 * @param from folder of a cache, from the project's
 * @param to another one
 * @param kinds of the artifacts
 */
export async function copyArtifacts(
  from: string,
  to: string,
  kinds: readonly string[],
): Promise<void> {
  const copy = async (source: string, target: string) => {
    await Deno.mkdir(target, { recursive: true });
    for await (const { name, isDirectory } of Deno.readDir(source)) {
      const paths = [join(source, name), join(target, name)] as const;
      await (isDirectory ? copy(...paths) : Deno.copyFile(...paths));
    }
  };
  for (const kind of kinds) {
    await copy(
      join(root, from, "artifacts", kind),
      join(root, to, "artifacts", kind),
    );
  }
}
