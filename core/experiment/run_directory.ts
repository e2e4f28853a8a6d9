import { join } from "@std/path";

/** Writes a file under another name and renames it, so that it is whole. */
export async function writeAtomic(
  path: string,
  content: string | Uint8Array,
): Promise<void> {
  const partial = `${path}.partial`;
  if (typeof content === "string") await Deno.writeTextFile(partial, content);
  else await Deno.writeFile(partial, content);
  await Deno.rename(partial, path);
}

/** Reads JSON, or gives undefined if there is no file. */
export async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Makes sure, before any work, that a folder can be written into.
 *
 * @param path the folder; made if it is missing
 * @param flag that names another one, for messages
 * @throws {Error} if it is a file, or closed
 */
export async function checkFolder(path: string, flag: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
    const trial = join(path, `${crypto.randomUUID()}.partial`);
    await Deno.writeFile(trial, new Uint8Array());
    await Deno.remove(trial);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new Error(
      `Cannot write into ${path}: ${
        (error as Error).message
      }; name another folder by ${flag}`,
    );
  }
}

/** SHA-256 of a text, hexadecimal. */
export async function digestText(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return new Uint8Array(hash).toHex();
}

/** How long a stage took. */
export interface StageTime {
  /** Its name. */
  readonly stage: string;
  /** Seconds, over all the runs that it took. */
  readonly seconds: number;
  /** What they were spent on. */
  readonly note?: string;
}

/** What a stage left. */
interface StageRecord {
  readonly seconds: number;
  readonly result: unknown;
}

/** The folder of one run: parameters, stages, results. */
export class RunDirectory implements Disposable {
  /** The folder. */
  readonly path: string;
  /** When it was begun, in ISO 8601; empty on other threads. */
  readonly begun: string;
  /** Seconds of each finished stage, in order. */
  readonly stageTimes: StageTime[] = [];
  readonly #lock: Deno.FsFile | undefined;

  private constructor(path: string, begun: string, lock?: Deno.FsFile) {
    this.path = path;
    this.begun = begun;
    this.#lock = lock;
  }

  /**
   * The folder of a run that this process has open: for its other threads.
   *
   * @param path the folder
   */
  static inside(path: string): RunDirectory {
    return new RunDirectory(path, "");
  }

  /**
   * Opens the folder of a run, or makes it.
   *
   * @param root folder of runs
   * @param name of the experiment
   * @param preset of the parameters
   * @param identity all that changes the result; its digest names the folder
   * @param sources digest of each source file
   * @param fresh whether to remove what is there
   * @throws {Error} if another process has it open, or the sources changed
   *   since the run was begun; the message names the files
   */
  static async open(
    root: string,
    name: string,
    preset: string,
    identity: unknown,
    sources: Readonly<Record<string, string>>,
    fresh: boolean,
  ): Promise<RunDirectory> {
    const text = JSON.stringify(identity, null, 2);
    const suffix = (await digestText(text)).slice(0, 8);
    const path = join(root, name, `${preset}-${suffix}`);
    await Deno.mkdir(path, { recursive: true });
    const lock = await Deno.open(join(path, "lock"), {
      create: true,
      write: true,
    });
    if (!await lock.tryLock(true)) {
      lock.close();
      throw new Error(
        `Cannot run in ${path}: another process is running there; wait for it, or choose another --out`,
      );
    }
    if (fresh) {
      for await (const entry of Deno.readDir(path)) {
        if (entry.name === "lock") continue;
        await Deno.remove(join(path, entry.name), { recursive: true });
      }
    }
    const known = await readJson(join(path, "sources.json")) as
      | Record<string, string>
      | undefined;
    if (known !== undefined) {
      const changed = [
        ...new Set([...Object.keys(known), ...Object.keys(sources)]),
      ]
        .filter((file) => known[file] !== sources[file]).sort();
      if (changed.length > 0) {
        lock.close();
        const named = changed.slice(0, 5).join(", ");
        throw new Error(
          `Cannot go on in ${path}: ${named}${
            changed.length > 5 ? ` and ${changed.length - 5} more` : ""
          } changed since the run was begun; start over with --fresh`,
        );
      }
    } else {
      await writeAtomic(join(path, "params.json"), text + "\n");
      const begun = new Date().toISOString();
      await writeAtomic(join(path, "begun.json"), JSON.stringify(begun));
      // The last one: with it the folder is that of a run.
      await writeAtomic(join(path, "sources.json"), JSON.stringify(sources));
    }
    const begun = String(await readJson(join(path, "begun.json")));
    return new RunDirectory(path, begun, lock);
  }

  /** A path inside the folder. */
  file(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  /**
   * Runs a stage once: its result is stored, and given back next time.
   *
   * @param name of the stage, unique in the run
   * @param work does it, with the stage's own folder
   * @param title of the stage, for readers; its name if absent
   * @returns the result, as JSON keeps it
   */
  async stage<T>(
    name: string,
    work: (directory: string) => Promise<T>,
    title = name,
  ): Promise<T> {
    const directory = this.file("stages", name);
    const path = join(directory, "result.json");
    let record = await readJson(path) as StageRecord | undefined;
    if (record === undefined) {
      await Deno.mkdir(directory, { recursive: true });
      const timer = join(directory, "seconds.json");
      const before = Number(await readJson(timer) ?? 0);
      const start = performance.now();
      const spent = () => before + Math.round(performance.now() - start) / 1000;
      let result: T;
      try {
        result = await work(directory);
      } catch (error) {
        await writeAtomic(timer, String(spent()));
        throw error;
      }
      record = { seconds: spent(), result };
      await writeAtomic(path, JSON.stringify(record));
      // As it will be read next time.
      record = await readJson(path) as StageRecord;
    }
    this.stageTimes.push({ stage: title, seconds: record.seconds });
    return record.result as T;
  }

  /**
   * Whether a stage is finished.
   *
   * @param name of the stage
   */
  async has(name: string): Promise<boolean> {
    const path = this.file("stages", name, "result.json");
    return await readJson(path) !== undefined;
  }

  /** Lets other processes use the folder. */
  [Symbol.dispose](): void {
    this.#lock?.close();
  }
}
