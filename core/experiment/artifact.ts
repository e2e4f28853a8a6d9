/**
 * What is costly is made once, and found by the digest of what decides it.
 *
 * `ROOT/KIND/DIGEST/` holds the files of an artifact and its record,
 * `artifact.json`; `DIGEST.uses.jsonl` beside it says which runs need it. While
 * it is made, its folder is `DIGEST.partial/` and `DIGEST.lock` is held; a stop,
 * a kill or a full disk leaves that folder, and the next one who wants the
 * artifact goes on there. The adapter is not in the digest, but in the record.
 *
 * @module
 */

import { basename, dirname, join } from "@std/path";
import {
  type ArtifactRecord,
  type ArtifactSpec,
  canonicalJson,
  CorruptedArtifact,
  digestFolder,
  digestJson,
  isThere,
  readRecord,
  RECORD,
  SCRATCH,
  sealRecord,
  syncToDisk,
} from "./artifact_files.ts";
import { type ArtifactUser, noteUse } from "./artifact_list.ts";
import type { InterruptState } from "./interrupt.ts";
import { Lock } from "./lock.ts";
import { readJson } from "./run_directory.ts";

export { type ArtifactRecord, type ArtifactSpec, CorruptedArtifact };

/** An artifact that is there, and whole. */
export class Artifact<T = unknown> {
  /** Its folder. */
  readonly path: string;
  /** What is known of it. */
  readonly record: ArtifactRecord<T>;

  /**
   * Holds what was found.
   *
   * @param path its folder
   * @param record what is known of it
   */
  constructor(path: string, record: ArtifactRecord<T>) {
    this.path = path;
    this.record = record;
  }

  /** Its digest, which others name in `from`. */
  get digest(): string {
    return this.record.digest;
  }

  /** What its maker gave, as JSON keeps it. */
  get facts(): T {
    return this.record.facts;
  }

  /** A path inside its folder. */
  file(...parts: string[]): string {
    return join(this.path, ...parts);
  }
}

/** Where an artifact is made. */
export interface ArtifactFolder {
  /** The folder, with all that an interrupted maker left. */
  readonly path: string;
  /** A path inside it; names that begin with a dot are not kept. */
  file(...parts: string[]): string;
  /** A path for checkpoints: there to go on, gone when it is finished. */
  scratch(...parts: string[]): string;
}

/** How to make an artifact. */
export interface MakeOptions {
  /** Asked while it waits for another process. */
  readonly interrupt?: InterruptState;
  /** Gets a line when it waits, or makes something again. */
  readonly log?: (line: string) => void;
  /** Whether to make one that is corrupted again, instead of throwing. */
  readonly remake?: boolean;
}

/** Who makes artifacts, and where. */
export interface ArtifactsOptions {
  /** Folder of artifacts. Default `data/artifacts`. */
  readonly root?: string;
  /** Digest of the sources, see {@linkcode digestMakers}. */
  readonly sources: string;
  /** The command, as it can be typed again. */
  readonly command: string;
  /** Adapter and driver, as soon as a device is open. */
  readonly adapter?: () => string | undefined;
  /** The run that needs what is opened or made. */
  readonly user?: ArtifactUser;
}

/**
 * Sources that measure, show or wire what others made. By correlations a probe
 * is measured while it is trained: those count.
 */
const ONLY_LOOKS =
  /^core\/(report|metrics\/(?!spearman)|experiment|lab\/(metrics|scores|energy_fit|columns|pair|pair_scores|pair_results|gaps|sizes|sweep|sweep_results|sweep_run|sweep_pictures|recipes|recipe_run|recipe_results|plan|params|pictures|figures|notes|tables|experiment)\.ts)/;

/** Sources that decide measured numbers, of what is made. */
const MEASURES =
  /^core\/(metrics\/|lab\/(metrics|scores|energy_fit|columns|pair_scores|recipes)\.ts)/;

/**
 * Digests the sources that artifacts depend on: those of core and kernels, but
 * for what only measures, shows or wires. So a new metric trains nothing again.
 *
 * @param sources digest of each source file by its path
 */
export function digestMakers(
  sources: Readonly<Record<string, string>>,
): string {
  const makers = Object.entries(sources)
    .filter(([path]) =>
      /^(core|kernels)\//.test(path) && !ONLY_LOOKS.test(path)
    );
  return digestJson(Object.fromEntries(makers), "sources");
}

/**
 * Digests the sources that decide what is measured, beside those that
 * {@linkcode digestMakers} digests.
 *
 * @param sources digest of each source file by its path
 */
export function digestScoring(
  sources: Readonly<Record<string, string>>,
): string {
  const measures = Object.entries(sources)
    .filter(([path]) => MEASURES.test(path));
  return digestJson(Object.fromEntries(measures), "sources");
}

/** Opens what was made, and makes what was not. */
export class Artifacts {
  readonly #options: ArtifactsOptions;
  readonly #making = new Map<string, Promise<Artifact>>();

  /**
   * Touches nothing yet.
   *
   * @param options who makes artifacts, and where
   */
  constructor(options: ArtifactsOptions) {
    this.#options = options;
  }

  /**
   * Digests what decides an artifact.
   *
   * @param of which
   * @returns SHA-256, hexadecimal
   * @throws {TypeError} if its kind is no name, or its spec is not plain JSON
   */
  digestOf({ kind, spec, from = [] }: ArtifactSpec): string {
    if (!/^[a-z][a-z0-9-]*$/.test(kind)) {
      throw new TypeError(
        `Cannot make an artifact of kind "${kind}": it needs lower case, digits and dashes`,
      );
    }
    const { sources } = this.#options;
    return digestJson({ kind, spec, from, sources }, kind);
  }

  /**
   * Opens an artifact.
   *
   * @param of which
   * @returns undefined if it was not made, or not finished
   * @throws {CorruptedArtifact} if it is not what was written
   */
  async open<T = unknown>(of: ArtifactSpec): Promise<Artifact<T> | undefined> {
    const folder = this.#folder(of);
    const record = await readRecord<T>(folder);
    if (record === undefined) return undefined;
    await noteUse(folder, this.#options.user);
    return new Artifact(folder, record);
  }

  /**
   * Opens an artifact, or makes it. Asked twice at a time, in one process or in
   * several, it is made once: the others wait.
   *
   * @param of which
   * @param work writes its files, or goes on where an interrupted one stopped,
   *   and gives facts about them, as plain JSON
   * @param options what to ask and tell meanwhile
   * @throws {CorruptedArtifact} if it is not what was written
   * @throws {Interrupted} if it was asked to stop
   */
  async make<T>(
    of: ArtifactSpec,
    work: (folder: ArtifactFolder) => Promise<T>,
    options: MakeOptions = {},
  ): Promise<Artifact<T>> {
    const folder = this.#folder(of);
    const begun = this.#making.get(folder) as Promise<Artifact<T>> | undefined;
    const making = begun ?? this.#openOrMake(folder, of, work, options)
      .finally(() => this.#making.delete(folder));
    this.#making.set(folder, making);
    return await making;
  }

  /** Folder of all artifacts. */
  get root(): string {
    return this.#options.root ?? "data/artifacts";
  }

  #folder(of: ArtifactSpec): string {
    return join(this.root, of.kind, this.digestOf(of));
  }

  async #openOrMake<T>(
    folder: string,
    of: ArtifactSpec,
    work: (folder: ArtifactFolder) => Promise<T>,
    { interrupt, log, remake = false }: MakeOptions,
  ): Promise<Artifact<T>> {
    const name = `${of.kind} ${basename(folder).slice(0, 8)}`;
    /** Opens it; gives its fault if it shall be made again. */
    const find = async () => {
      try {
        const record = await readRecord<T>(folder);
        return record && new Artifact(folder, record);
      } catch (error) {
        if (remake && error instanceof CorruptedArtifact) return error;
        throw error;
      }
    };
    let found = await find();
    if (!(found instanceof Artifact)) {
      await Deno.mkdir(dirname(folder), { recursive: true });
    }
    await noteUse(folder, this.#options.user);
    while (!(found instanceof Artifact)) {
      using lock = await Lock.take(`${folder}.lock`, {
        ...(interrupt === undefined ? {} : { interrupt }),
        busy: (isAlive) =>
          log?.(
            isAlive
              ? `waits for another process that makes ${name}`
              : `looks whether another process still makes ${name}`,
          ),
      });
      // Another process may have made it while this one waited.
      found = await find();
      if (found instanceof Artifact) break;
      if (found !== undefined) {
        log?.(`makes ${name} again: ${found.message}`);
        await Deno.remove(folder, { recursive: true });
      }
      try {
        const partial = `${folder}.partial`;
        const record = await this.#fill(partial, of, work, lock);
        const isOwn = lock.isHeld && await publish(partial, folder);
        if (isOwn && record !== undefined) return new Artifact(folder, record);
      } catch (error) {
        // Taken over by another machine, which goes on in the folder.
        if (lock.isHeld) throw error;
      }
      found = await find();
    }
    return found;
  }

  /**
   * Does the work in a folder, up to its record.
   *
   * @returns undefined if it was done before, but for the folder's name
   */
  async #fill<T>(
    folder: string,
    of: ArtifactSpec,
    work: (folder: ArtifactFolder) => Promise<T>,
    lock: Lock,
  ): Promise<ArtifactRecord<T> | undefined> {
    const { sources, command, adapter } = this.#options;
    const { kind, spec, from = [] } = of;
    const digest = this.digestOf(of);
    const scratch = join(folder, SCRATCH);
    await Deno.mkdir(scratch, { recursive: true });
    const path = join(folder, RECORD);
    // One that cannot be read is no reason to stop: only its seconds are lost.
    const known = await readJson(path).catch(() => undefined) ?? {};
    const earlier = known as Partial<ArtifactRecord<T>>;
    let record: ArtifactRecord<T> | undefined;
    if (earlier.files === undefined) {
      const adapters = new Set(earlier.adapters);
      const start = performance.now();
      const draft = () => {
        const own = adapter?.();
        if (own !== undefined) adapters.add(own);
        const now = Math.round(performance.now() - start) / 1000;
        const seconds = (earlier.seconds ?? 0) + now;
        const made = { command, adapters: [...adapters], seconds };
        return { kind, spec, from, sources, digest, ...made };
      };
      const keep = () => {
        try {
          if (!lock.isHeld) return;
          Deno.writeTextFileSync(`${path}.partial`, JSON.stringify(draft()));
          Deno.renameSync(`${path}.partial`, path);
        } catch {
          // The time spent is no reason to stop; a full disk shows in the work.
        }
      };
      keep();
      const timer = setInterval(keep, 5000);
      try {
        const facts = await work({
          path: folder,
          file: (...parts) => join(folder, ...parts),
          scratch: (...parts) => join(scratch, ...parts),
        }) ?? null;
        if (!lock.isHeld) return undefined;
        const files = await digestFolder(folder);
        const date = new Date().toISOString();
        // As it will be read next time.
        const all = { ...draft(), date, facts, files };
        record = JSON.parse(canonicalJson(all, kind)) as ArtifactRecord<T>;
      } finally {
        clearInterval(timer);
        if (record === undefined) keep();
      }
      await sealRecord(folder, record);
    }
    await Deno.remove(scratch, { recursive: true });
    await syncToDisk(folder);
    return record;
  }
}

/** Gives a finished folder its name, unless one is there: that one stays. */
async function publish(partial: string, folder: string): Promise<boolean> {
  try {
    await Deno.rename(partial, folder);
  } catch (error) {
    if (!await isThere(folder)) throw error;
    await Deno.remove(partial, { recursive: true });
    return false;
  }
  await syncToDisk(dirname(folder));
  return true;
}
