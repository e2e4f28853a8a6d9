/**
 * The part of `@std/path` that this project uses, over `node:path`.
 *
 * @module
 */
export { basename, dirname, extname, join, relative, resolve } from "node:path";
export {
  fileURLToPath as fromFileUrl,
  pathToFileURL as toFileUrl,
} from "node:url";
