/**
 * The sources of the project: what they hold, and which of them a module uses.
 *
 * @module
 */

import { dirname, fromFileUrl, join, relative } from "@std/path";
import { digestBytes } from "../formats/digest.ts";
import { digestJson } from "./artifact_files.ts";

/** Sources of a project, as plain JSON. */
export interface Sources {
  /** Folder of the project. */
  readonly root: string;
  /** SHA-256 of each file by its path from there. */
  readonly digests: Readonly<Record<string, string>>;
  /** Files that each file uses, but for their types. */
  readonly uses: Readonly<Record<string, readonly string[]>>;
}

/** What an import, an export or a worker names beside types. */
const USED =
  /^\s*(?:import|export)\s+(?!type\b)(?:[^;"]*?\bfrom\s+)?"(\.[^"]+)"|\bimport\(\s*"(\.[^"]+)"|new URL\(\s*"(\.[^"]+)"/gm;

/** Sources that wire and show what others make. */
const SHOWS = /^core\/(experiment|report)\//;

/**
 * Reads the sources of core and kernels, and some files more.
 *
 * @param root folder of the project
 * @param files paths from there, such as that of an experiment
 */
export async function readSources(
  root: string,
  files: readonly string[] = [],
): Promise<Sources> {
  const digests: Record<string, string> = {};
  const uses: Record<string, string[]> = {};
  const read = async (path: string) => {
    const bytes = await Deno.readFile(join(root, path));
    digests[path] = digestBytes(bytes);
    if (!path.endsWith(".ts")) return;
    const text = new TextDecoder().decode(bytes);
    uses[path] = [...text.matchAll(USED)].map(([, ...names]) =>
      join(dirname(path), names.find((name) => name)!)
    );
  };
  const visit = async (folder: string) => {
    for await (const entry of Deno.readDir(join(root, folder))) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory) await visit(path);
      else if (/\.(ts|wgsl|json)$/.test(entry.name)) await read(path);
    }
  };
  for (const folder of ["core", "kernels"]) await visit(folder);
  for (const file of ["deno.json", "deno.lock", ...files]) await read(file);
  const sorted = Object.fromEntries(Object.entries(digests).sort());
  return { root, digests: sorted, uses };
}

/**
 * Lists the sources that a module is made of: itself and what it uses, directly
 * or not, but for what wires and shows.
 *
 * @param sources of the project
 * @param modules URLs of modules
 * @returns paths from the project's folder, sorted
 * @throws {TypeError} if a module is not among the sources
 */
export function sourcesOf(
  sources: Sources,
  modules: readonly string[],
): string[] {
  const found = new Set<string>();
  for (const module of modules) {
    const path = relative(sources.root, fromFileUrl(module));
    if (!(path in sources.digests)) {
      throw new TypeError(
        `Cannot digest the sources of ${path}: it needs a module of core or kernels`,
      );
    }
    found.add(path);
  }
  // A set also visits what is added meanwhile.
  for (const path of found) {
    for (const used of sources.uses[path] ?? []) {
      if (used in sources.digests) found.add(used);
    }
  }
  return [...found].filter((path) => !SHOWS.test(path)).sort();
}

/**
 * Digests the sources that modules are made of: what decides their results
 * beside their inputs.
 *
 * @param sources of the project
 * @param modules URLs of modules
 * @returns SHA-256, hexadecimal
 * @throws {TypeError} if a module is not among the sources
 */
export function digestModules(
  sources: Sources,
  modules: readonly string[],
): string {
  const digests = sourcesOf(sources, modules)
    .map((path) => [path, sources.digests[path]!]);
  return digestJson(Object.fromEntries(digests), "sources");
}
