import { createHash } from "node:crypto";

/** Bytes that are read at once. */
const CHUNK = 1 << 20;

/**
 * Computes the SHA-256 of a file in bounded memory.
 *
 * @param path the file
 * @returns hexadecimal
 * @throws {Deno.errors.NotFound} if there is no such file
 */
export async function digestFile(path: string): Promise<string> {
  using file = await Deno.open(path);
  const hash = createHash("sha256");
  const chunk = new Uint8Array(CHUNK);
  while (true) {
    const count = await file.read(chunk);
    if (count === null) return hash.digest("hex");
    hash.update(chunk.subarray(0, count));
  }
}

/**
 * Computes the SHA-256 of bytes.
 *
 * @param bytes any number
 * @returns hexadecimal
 */
export function digestBytes(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
