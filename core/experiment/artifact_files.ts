/**
 * An artifact on disk: what decides it as canonical JSON, its record, and
 * whether its bytes are those that were written.
 *
 * @module
 */

import { basename, join } from "@std/path";
import { digestBytes, digestFile } from "../formats/digest.ts";
import { severalAtOnce } from "../formats/several.ts";
import { readJson, writeAtomic } from "./run_directory.ts";

/** Name of an artifact's record, in its folder. */
export const RECORD = "artifact.json";

/** Name of the folder of checkpoints, in the same folder. */
export const SCRATCH = "scratch";

/** Name of the list of files that were digested before, in the same folder. */
const VERIFIED = "verified.json";

/** Size and SHA-256 of a file. */
export interface FileFacts {
  /** Size. */
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** What decides an artifact. */
export interface ArtifactSpec {
  /** What it is, such as "model": lower case, digits and dashes. */
  readonly kind: string;
  /** Everything that changes its bytes, as plain JSON. */
  readonly spec: unknown;
  /** Digests of the artifacts that it is made from, in a fixed order. */
  readonly from?: readonly string[];
  /** URLs of the modules that make it, whose sources decide its bytes too. */
  readonly by?: readonly string[];
}

/** What is known of an artifact. */
export interface ArtifactRecord<T = unknown>
  extends Required<Omit<ArtifactSpec, "by">> {
  /** Digest of kind, spec, from and sources. */
  readonly digest: string;
  /** Digest of the sources that made it. */
  readonly sources: string;
  /** Command that made it; the last one, if it was interrupted. */
  readonly command: string;
  /** Adapters that made it: several, if it was interrupted. */
  readonly adapters: readonly string[];
  /** Seconds spent on it in all. */
  readonly seconds: number;
  /** When it was finished, in ISO 8601. */
  readonly date: string;
  /** What its maker gave. */
  readonly facts: T;
  /** Its files by their names in its folder. */
  readonly files: Readonly<Record<string, FileFacts>>;
}

/** Thrown when an artifact is not what was written. */
export class CorruptedArtifact extends Error {
  /**
   * Says what is wrong, and what to do.
   *
   * @param folder of the artifact
   * @param fault what is wrong
   */
  constructor(folder: string, fault: string) {
    super(
      `Cannot use ${folder}: ${fault}; remove that folder, and the same command makes it again`,
    );
  }
}

/**
 * Writes a value as JSON with sorted keys and without blanks: equal values give
 * equal texts. Fields that are undefined are left out.
 *
 * @param value numbers, texts, booleans, null, lists, plain objects
 * @param place its name, for messages
 * @throws {TypeError} naming the first place that holds anything else, such as
 *   NaN, which JSON would turn into null
 */
export function canonicalJson(value: unknown, place: string): string {
  if (Array.isArray(value)) {
    // Array.from gives holes as undefined.
    const items = Array.from(
      value,
      (item, i) => canonicalJson(item, `${place}.${i}`),
    );
    return `[${items}]`;
  }
  const isPlain = typeof value === "object" && value !== null &&
    [Object.prototype, null].includes(Object.getPrototypeOf(value));
  if (isPlain) {
    const fields = Object.entries(value as Record<string, unknown>)
      .filter(([, field]) => field !== undefined)
      .sort(([a], [b]) => a < b ? -1 : 1)
      .map(([key, field]) =>
        `${JSON.stringify(key)}:${canonicalJson(field, `${place}.${key}`)}`
      );
    return `{${fields}}`;
  }
  if (
    value === null || typeof value === "string" ||
    typeof value === "boolean" || Number.isFinite(value)
  ) return JSON.stringify(value);
  const got = typeof value === "object"
    ? `a ${value.constructor.name}`
    : String(value);
  throw new TypeError(
    `Cannot keep ${place} as JSON: got ${got}; it needs finite numbers, texts, booleans, null, lists or plain objects`,
  );
}

/**
 * Digests a value by its canonical JSON.
 *
 * @param value as {@linkcode canonicalJson} takes it
 * @param place its name, for messages
 * @returns SHA-256, hexadecimal
 */
export function digestJson(value: unknown, place: string): string {
  return digestBytes(new TextEncoder().encode(canonicalJson(value, place)));
}

/** The files of an artifact, by their names from its folder, sorted. */
async function namesIn(folder: string): Promise<string[]> {
  const names: string[] = [];
  const visit = async (below: string) => {
    for await (const entry of Deno.readDir(join(folder, below))) {
      const name = `${below}${entry.name}`;
      if (entry.isDirectory) await visit(`${name}/`);
      // Files that a system leaves, such as .nfs0001 and .DS_Store, begin so.
      else if (!entry.name.startsWith(".")) names.push(name);
    }
  };
  await visit("");
  return names.filter((name) =>
    name !== RECORD && name !== VERIFIED && !name.startsWith(`${SCRATCH}/`)
  ).sort();
}

/** Waits until a file, or the names in a folder, are on the disk. */
export async function syncToDisk(path: string): Promise<void> {
  using file = await Deno.open(path);
  await file.sync();
}

/**
 * Digests all files of a folder but the artifact's record, after they reached
 * the disk. What a kill left of unfinished writing, `*.partial`, is removed.
 *
 * @param folder of the artifact
 * @returns facts of each file by its name
 */
export async function digestFolder(
  folder: string,
): Promise<Record<string, FileFacts>> {
  const files = new Map<string, FileFacts>();
  const names = await namesIn(folder);
  await severalAtOnce(names, async (name) => {
    const path = join(folder, name);
    if (name.endsWith(".partial")) return await Deno.remove(path);
    await syncToDisk(path);
    const { size } = await Deno.stat(path);
    files.set(name, { bytes: size, sha256: await digestFile(path) });
  });
  return Object.fromEntries(
    names.flatMap((name) => files.has(name) ? [[name, files.get(name)!]] : []),
  );
}

/**
 * Writes the record of a finished artifact, with a digest of its own.
 *
 * @param folder it is made in
 * @param record what is known of it
 */
export async function sealRecord(
  folder: string,
  record: ArtifactRecord,
): Promise<void> {
  const path = join(folder, RECORD);
  const sealed = { ...record, check: digestJson(record, "record") };
  await writeAtomic(path, JSON.stringify(sealed, null, 2) + "\n");
  await syncToDisk(path);
}

/**
 * Reads the record of an artifact, and compares all of it with what was written.
 *
 * @param folder of the artifact
 * @returns undefined if there is no such folder
 * @throws {CorruptedArtifact} if it is not what was written
 */
export async function readRecord<T>(
  folder: string,
): Promise<ArtifactRecord<T> | undefined> {
  if (!await isThere(folder)) return undefined;
  const fail = (fault: string) => {
    throw new CorruptedArtifact(folder, fault);
  };
  const stored = await readJson(join(folder, RECORD))
    .catch(() => fail(`${RECORD} cannot be read`)) ??
    fail(`${RECORD} is missing`);
  const { check, ...record } = stored as
    & ArtifactRecord<T>
    & { check: string };
  if (digestJson(record, "record") !== check) {
    fail(`${RECORD} has other bytes than were written`);
  }
  if (record.digest !== basename(folder)) {
    fail(`it holds ${record.kind} ${record.digest}`);
  }
  const fault = await faultsIn(folder, record.files);
  if (fault !== undefined) fail(fault);
  return record;
}

/** Whether there is something of this name. */
export async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, (error) => {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  });
}

/**
 * Compares the files of a folder with what was written.
 *
 * A file is digested again unless its size, inode and both times are those at
 * its last digest: a change of a byte changes a time, even if a program sets
 * the other one back, and a hundred gigabytes that nobody touched cost as many
 * looks as there are files. Files younger than 2 seconds are not
 * remembered, since a second change could have the same time. That a disk
 * itself turned a bit, only a copy of the folder would show.
 *
 * @param folder of the artifact
 * @param files what was written, by name
 * @returns what is wrong, or undefined
 */
async function faultsIn(
  folder: string,
  files: Readonly<Record<string, FileFacts>>,
): Promise<string | undefined> {
  const path = join(folder, VERIFIED);
  const known = await readJson(path).catch(() => undefined) ?? {};
  const before = known as Record<string, string>;
  const present = new Set(await namesIn(folder));
  const faults: string[] = [];
  const stamps = await severalAtOnce(
    Object.entries(files),
    async ([name, { bytes, sha256 }]) => {
      const fault = (what: string) => {
        faults.push(`${name} ${what}`);
        return undefined;
      };
      if (!present.delete(name)) return fault("is missing");
      const { size, ino, mtime, ctime } = await Deno.stat(join(folder, name));
      if (size !== bytes) {
        return fault(`has ${size} bytes, ${bytes} were written`);
      }
      const stamp = [size, ino, Number(mtime), Number(ctime)].join(" ");
      const isKnown = before[name] === stamp;
      if (!isKnown && await digestFile(join(folder, name)) !== sha256) {
        return fault("has other bytes than were written");
      }
      const changed = Math.max(Number(mtime), Number(ctime));
      return Date.now() - changed > 2000 ? [name, stamp] as const : undefined;
    },
  );
  const after = Object.fromEntries(
    stamps.filter((stamp) => stamp !== undefined),
  );
  for (const name of present) faults.push(`${name} does not belong to it`);
  faults.sort();
  if (faults.length > 0) {
    const more = faults.length > 5 ? [`${faults.length - 5} more`] : [];
    return [...faults.slice(0, 5), ...more].join(", ");
  }
  if (JSON.stringify(after) !== JSON.stringify(before)) {
    await whereAllowed(Deno.writeTextFile(path, JSON.stringify(after)));
  }
  return undefined;
}

/**
 * Waits for a note to be written that a folder of somebody else, which may only
 * be read, can do without.
 *
 * @param writing of the note
 */
export async function whereAllowed(writing: Promise<void>): Promise<void> {
  try {
    await writing;
  } catch (error) {
    const isReadOnly = error instanceof Deno.errors.PermissionDenied ||
      error instanceof Deno.errors.NotCapable ||
      (error as { code?: string }).code === "EROFS";
    if (!isReadOnly) throw error;
  }
}
