import { createHash } from "node:crypto";
import { openToRead } from "./byte_source.ts";

/** Bytes that are read at once: little, for folders of many small files. */
const CHUNK = 1 << 17;

/**
 * Computes the SHA-256 of a file in bounded memory.
 *
 * @param path the file
 * @param progress called after each piece with the bytes read so far
 * @returns 64 hexadecimal digits
 * @throws {Error} if there is no such file, or it is a folder
 */
export async function digestFile(
  path: string,
  progress?: (bytes: number) => void,
): Promise<string> {
  using file = await openToRead(path);
  const hash = createHash("sha256");
  const chunk = new Uint8Array(CHUNK);
  let bytes = 0;
  while (true) {
    const count = await file.read(chunk);
    if (count === null) return hash.digest("hex");
    hash.update(chunk.subarray(0, count));
    bytes += count;
    progress?.(bytes);
  }
}

/**
 * Computes the SHA-256 of bytes.
 *
 * @param bytes any number
 * @returns 64 hexadecimal digits
 */
export function digestBytes(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
