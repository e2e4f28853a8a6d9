/**
 * The part of `@std/path` that this project uses, over `node:path`.
 *
 * @module
 */
import * as path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/**
 * Gets the last part of a path.
 *
 * @param file the path
 * @param suffix removed from the end of the result, if it ends so
 * @returns the last part, without its folder
 */
export function basename(file: string, suffix = ""): string {
  return path.basename(file, suffix);
}

/**
 * Gets the folder of a path.
 *
 * @param file the path
 * @returns everything before the last part; "." if there is nothing
 */
export function dirname(file: string): string {
  return path.dirname(file);
}

/**
 * Gets the extension of a path.
 *
 * @param file the path
 * @returns the extension with its dot, or an empty string
 */
export function extname(file: string): string {
  return path.extname(file);
}

/**
 * Joins parts to a path and normalizes it.
 *
 * @param parts parts of the path, in order
 * @returns the path; "." if there are no parts
 */
export function join(...parts: string[]): string {
  return path.join(...parts);
}

/**
 * Tells whether a path starts at the root.
 *
 * @param file the path
 * @returns whether it does
 */
export function isAbsolute(file: string): boolean {
  return path.isAbsolute(file);
}

/**
 * Finds the way from one path to another.
 *
 * @param from the path to start at, a folder
 * @param to the path to arrive at
 * @returns a relative path, empty if both are the same
 */
export function relative(from: string, to: string): string {
  return path.relative(from, to);
}

/**
 * Resolves parts to an absolute path, from the last to the first absolute one.
 *
 * @param parts parts of the path; the working folder stands before them
 * @returns the absolute path
 */
export function resolve(...parts: string[]): string {
  return path.resolve(...parts);
}

/**
 * Converts a file URL to a path.
 *
 * @param url the URL, with scheme `file:`
 * @returns the path, its percent codes decoded
 * @throws {TypeError} if the scheme is another
 */
export function fromFileUrl(url: string | URL): string {
  return fileURLToPath(url);
}

/**
 * Converts an absolute path to a file URL.
 *
 * @param file the path
 * @returns the URL, with percent codes where needed
 * @throws {TypeError} if the path is not absolute
 */
export function toFileUrl(file: string): URL {
  if (!path.isAbsolute(file)) {
    throw new TypeError(
      `Cannot convert "${file}" to a file URL: it needs an absolute path`,
    );
  }
  return pathToFileURL(file);
}
