/**
 * The part of `@std/csv` that this project uses.
 *
 * @module
 */
export * from "./parse.ts";
export * from "./stringify.ts";
