/**
 * Digests of the files that a dataset is read from.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "@std/path";
import { openToRead } from "./json_stream.ts";

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

const PIECE = 1 << 20; // bytes read at once

/**
 * Computes the SHA-256 of a file, 1 MiB in memory at a time.
 *
 * @param path the file
 * @param progress called after each piece with the bytes read so far
 * @returns length in bytes, and 64 hexadecimal digits
 * @throws {Error} if there is no such file
 */
export async function digestFile(
  path: string,
  progress?: (bytes: number) => void,
): Promise<{ bytes: number; sha256: string }> {
  using file = await openToRead(path);
  const hash = createHash("sha256");
  const buffer = new Uint8Array(PIECE);
  let bytes = 0;
  while (true) {
    const read = await file.read(buffer);
    if (read === null) break;
    hash.update(buffer.subarray(0, read));
    bytes += read;
    progress?.(bytes);
  }
  return { bytes, sha256: hash.digest("hex") };
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
    const { bytes, sha256 } = await digestFile(
      join(root, path),
      (read) => progress?.(before + read, total),
    );
    before += bytes;
    files.push({ path, bytes, sha256 });
    all.update(`${path}\t${bytes}\t${sha256}\n`);
  }
  return { digest: all.digest("hex"), files };
}
