/**
 * Which artifacts there are, which runs need them, and how they go.
 *
 * @module
 */

import { join } from "@std/path";
import {
  type ArtifactRecord,
  isThere,
  RECORD,
  whereAllowed,
} from "./artifact_files.ts";
import { Lock } from "./lock.ts";
import { readJson } from "./run_directory.ts";

/** A run that needs an artifact. */
export interface ArtifactUser {
  /** Name of the experiment. */
  readonly experiment: string;
  /** Folder of the run. */
  readonly run: string;
  /** When it was begun, in ISO 8601: a run that starts over is another one. */
  readonly begun: string;
}

/** Since when a run needs an artifact. */
export interface ArtifactUse extends ArtifactUser {
  /** When it first did, in ISO 8601. */
  readonly date: string;
}

/**
 * Notes once, beside an artifact, that a run needs it.
 *
 * @param folder of the artifact, which need not be made yet
 * @param user the run; nothing is noted without one
 */
export async function noteUse(
  folder: string,
  user?: ArtifactUser,
): Promise<void> {
  if (user === undefined) return;
  const known = await readUses(folder);
  if (known.some((use) => isOf(use, user))) return;
  const use: ArtifactUse = { ...user, date: new Date().toISOString() };
  // One write at the end of the file, since others may write at this moment. It
  // begins a line of its own, in case a kill cut the last one.
  const line = `\n${JSON.stringify(use)}\n`;
  await whereAllowed(
    Deno.writeTextFile(usesPath(folder), line, { append: true }),
  );
}

function usesPath(folder: string): string {
  return `${folder}.uses.jsonl`;
}

function isOf(use: ArtifactUse, { run, begun }: ArtifactUser): boolean {
  return use.run === run && use.begun === begun;
}

/** Reads which runs need an artifact: of each folder the last one. */
async function readUses(folder: string): Promise<ArtifactUse[]> {
  const text = await Deno.readTextFile(usesPath(folder)).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  const uses = new Map<string, ArtifactUse>();
  for (const line of text.split("\n")) {
    try {
      const use = JSON.parse(line) as ArtifactUse;
      uses.set(use.run, use);
    } catch {
      // blank, or cut by a kill
    }
  }
  return [...uses.values()];
}

/** One of the artifacts of a folder. */
export interface ListedArtifact {
  /** What it is. */
  readonly kind: string;
  /** Digest of what decides it. */
  readonly digest: string;
  /**
   * Whether it is whole, is being made, waits for its maker to go on, has no
   * record that can be read, or was not removed to the end.
   */
  readonly state: "whole" | "being made" | "partial" | "damaged" | "removed";
  /** Its folder. */
  readonly path: string;
  /** Size of all its files. */
  readonly bytes: number;
  /** When it was finished, or last worked on, in ISO 8601. */
  readonly date: string;
  /** What is known of it, as far as that can be read. */
  readonly record: Partial<ArtifactRecord>;
  /** Runs that need it. */
  readonly uses: readonly ArtifactUse[];
  /**
   * Whether the folder of such a run is still there, or something that is
   * needed is made from it.
   */
  readonly isNeeded: boolean;
}

/** Size of the files in a folder, and the last change of one of them. */
async function sizeOf(folder: string): Promise<[number, number]> {
  let [bytes, changed] = [0, 0];
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    const { size, mtime } = await Deno.stat(path);
    const [own, last] = entry.isDirectory
      ? await sizeOf(path)
      : [size, Number(mtime)];
    bytes += own;
    changed = Math.max(changed, last);
  }
  return [bytes, changed];
}

/** Whether the folder of a run is there, or lies where this may not look. */
async function isKept({ run }: ArtifactUse): Promise<boolean> {
  return await isThere(run).catch(() => true);
}

/** Waits for a look at what another process may rename or remove meanwhile. */
async function whileThere<T>(looking: Promise<T>): Promise<T | undefined> {
  return await looking.catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
}

/** What is known of the artifact in a folder, as far as that can be read. */
async function recordIn(folder: string): Promise<Partial<ArtifactRecord>> {
  const read = await readJson(join(folder, RECORD)).catch(() => undefined);
  return (read ?? {}) as Partial<ArtifactRecord>;
}

async function look(
  root: string,
  kind: string,
  name: string,
): Promise<ListedArtifact | undefined> {
  const [, digest, ending] =
    /^([0-9a-f]{64})(\.partial|\.removed)?$/.exec(name) ?? [];
  if (digest === undefined) return undefined;
  const path = join(root, kind, name);
  const folder = join(root, kind, digest);
  const record = await recordIn(path);
  const size = await whileThere(sizeOf(path));
  if (size === undefined) return undefined;
  const [bytes, changed] = size;
  const state = ending === ".removed"
    ? "removed"
    : ending === undefined
    ? record.files === undefined ? "damaged" : "whole"
    : await Lock.isTaken(`${folder}.lock`)
    ? "being made"
    : "partial";
  const uses = await readUses(folder);
  const date = record.date ?? new Date(changed).toISOString();
  const isUsed = (await Promise.all(uses.map(isKept))).includes(true);
  const isNeeded = state !== "removed" && isUsed;
  return { kind, digest, state, path, bytes, date, record, uses, isNeeded };
}

/**
 * Lists artifacts by kind, the oldest first; also those that are not finished.
 *
 * @param root folder of artifacts, which need not exist
 */
export async function listArtifacts(root: string): Promise<ListedArtifact[]> {
  const list: ListedArtifact[] = [];
  for (const kind of await foldersIn(root)) {
    for (const name of await foldersIn(join(root, kind))) {
      const artifact = await look(root, kind, name);
      if (artifact !== undefined) list.push(artifact);
    }
  }
  const needed = new Set<string>();
  const need = ({ digest, record }: ListedArtifact) => {
    if (needed.has(digest)) return;
    needed.add(digest);
    for (const origin of list) {
      if (record.from?.includes(origin.digest)) need(origin);
    }
  };
  for (const artifact of list) if (artifact.isNeeded) need(artifact);
  return list
    .map((artifact) => ({
      ...artifact,
      isNeeded: artifact.state !== "removed" && needed.has(artifact.digest),
    }))
    .sort((a, b) =>
      a.kind === b.kind ? a.date < b.date ? -1 : 1 : a.kind < b.kind ? -1 : 1
    );
}

/** An artifact that a run needs. */
export type UsedArtifact = Pick<ListedArtifact, "kind" | "digest" | "record">;

/**
 * Lists what a run needs, of what is finished: what it opened or made, and what
 * that was made from.
 *
 * @param root folder of artifacts
 * @param user the run
 */
export async function usedArtifacts(
  root: string,
  user: ArtifactUser,
): Promise<UsedArtifact[]> {
  const list: UsedArtifact[] = [];
  const used = new Set<UsedArtifact>();
  for (const kind of await foldersIn(root)) {
    for (const digest of await foldersIn(join(root, kind))) {
      if (!/^[0-9a-f]{64}$/.test(digest)) continue;
      const folder = join(root, kind, digest);
      const record = await recordIn(folder);
      if (record.files === undefined) continue;
      const artifact = { kind, digest, record };
      list.push(artifact);
      const uses = await readUses(folder);
      if (uses.some((use) => isOf(use, user))) used.add(artifact);
    }
  }
  // A set also visits what is added meanwhile.
  for (const { record } of used) {
    for (const one of list) {
      if (record.from?.includes(one.digest)) used.add(one);
    }
  }
  return [...used];
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await whileThere(Array.fromAsync(Deno.readDir(folder)));
  return (entries ?? []).filter((entry) => entry.isDirectory)
    .map(({ name }) => name);
}

/**
 * Removes an artifact, unless a process makes it at this moment. A kill
 * meanwhile leaves nothing that could be taken for a whole one.
 *
 * @param artifact which
 * @returns whether it is gone
 */
export async function removeArtifact(
  { path }: ListedArtifact,
): Promise<boolean> {
  const folder = path.replace(/\.(partial|removed)$/, "");
  if (await Lock.isTaken(`${folder}.lock`)) return false;
  using _ = await Lock.take(`${folder}.lock`);
  const removed = `${folder}.removed`;
  if (path !== removed) {
    await Deno.remove(removed, { recursive: true }).catch(() => {});
    await Deno.rename(path, removed);
  }
  await Deno.remove(removed, { recursive: true });
  for (const other of [folder, `${folder}.partial`]) {
    if (await isThere(other)) return true;
  }
  await Deno.remove(usesPath(folder)).catch(() => {});
  return true;
}
