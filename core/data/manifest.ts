/**
 * Digests of the files that a dataset is read from.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "@std/path";
import { digestFile } from "../formats/digest.ts";

/** One file and what is in it. */
export interface FileDigest {
  /** From the root, with forward slashes. */
  readonly path: string;
  /** Length in bytes. */
  readonly bytes: number;
  /** SHA-256 of the content, 64 hexadecimal digits. */
  readonly sha256: string;
}

/** Files and the digest of them all. */
export interface Manifest {
  /** SHA-256 over path, length and SHA-256 of each file, sorted by path. */
  readonly digest: string;
  /** Sorted by path. */
  readonly files: readonly FileDigest[];
}

/**
 * Computes the digest of a set of files; the order of `paths` is irrelevant.
 *
 * @param root folder that the paths start from; not part of the digest
 * @param paths with forward slashes
 * @param progress called with bytes read so far and bytes of all files
 * @returns the digest with its parts
 * @throws {Error} if a file is missing
 */
export async function digestFiles(
  root: string,
  paths: readonly string[],
  progress?: (bytes: number, total: number) => void,
): Promise<Manifest> {
  const sorted = [...new Set(paths)].sort();
  let total = 0;
  if (progress !== undefined) {
    for (const path of sorted) {
      total += (await Deno.stat(join(root, path))).size;
    }
  }
  const files: FileDigest[] = [];
  const all = createHash("sha256");
  let before = 0;
  for (const path of sorted) {
    let bytes = 0;
    const sha256 = await digestFile(join(root, path), (read) => {
      bytes = read;
      progress?.(before + read, total);
    });
    before += bytes;
    files.push({ path, bytes, sha256 });
    all.update(`${path}\t${bytes}\t${sha256}\n`);
  }
  return { digest: all.digest("hex"), files };
}
