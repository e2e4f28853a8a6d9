import { parseArgs } from "@std/cli";
import type { z } from "zod";
import { joinValues, unknownOption } from "./arguments.ts";

/** A strict schema of parameters. */
export type ParamsSchema = z.ZodObject;

/** Names of the presets. */
export type PresetName = "smoke" | "demo" | "paper";

/** Flags that every experiment has beside its parameters. */
export interface CommonFlags {
  /** Which preset the parameters start from. */
  readonly preset: PresetName;
  /** Folder of a dataset in nuScenes layout; the embedded world if absent. */
  readonly data?: string;
  /** Folder of runs. */
  readonly out: string;
  /** Folder of what is made once for all runs: worlds, latents, models. */
  readonly cache: string;
  /** Whether to start over. */
  readonly fresh: boolean;
  /** Whether to print the plan and stop. */
  readonly dryRun: boolean;
  /** Whether to print the help and stop. */
  readonly help: boolean;
  /** Files of weights by the name of their flag. */
  readonly files: Readonly<Record<string, string>>;
}

const COMMON: Readonly<Record<string, string>> = {
  preset: "smoke (seconds; numbers mean nothing), demo or paper",
  data: "folder of a dataset in nuScenes layout",
  out: "folder of runs (runs)",
  cache: "folder of what is made once for all runs: worlds, models, ... (data)",
  fresh: "start over instead of going on; what the cache holds is used",
  "dry-run": "print the plan and stop",
  help: "print this and stop",
};

/** Common flags that take no value. */
const SWITCHES = ["fresh", "dry-run", "help"] as const;

/** A wrong command line; the message says what to write instead. */
export class UsageError extends Error {}

/** Spells a field as a flag: `evalBatch` as `eval-batch`. */
export function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Number of single-letter changes between two words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(
        (row[j] ?? 0) + 1,
        (next[j - 1] ?? 0) + 1,
        (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
      ));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/**
 * The word of a list that is spelled most alike.
 *
 * @param word what was written
 * @param words what could have been meant
 */
export function nearest(word: string, words: readonly string[]): string {
  return words.toSorted((a, b) => distance(word, a) - distance(word, b))[0] ??
    "";
}

/** A number, or a text that is none, for the schema to refuse. */
function numberOf(text: string): number | string {
  const value = Number(text);
  return text.trim() === "" || Number.isNaN(value) ? text : value;
}

/** The value of a flag as the schema wants it, before it is checked. */
function valueOf(text: unknown, current: unknown): unknown {
  if (Array.isArray(current)) return String(text).split(",").map(numberOf);
  if (typeof current === "number") return numberOf(String(text));
  if (typeof current === "boolean" && typeof text === "string") {
    return text === "true" ? true : text === "false" ? false : text;
  }
  return text;
}

/**
 * Reads a command line: a preset, then one flag for each parameter that
 * differs.
 *
 * @param schema parameters
 * @param presets their values by preset
 * @param files names of flags that take files, with their descriptions
 * @param args command line
 * @throws {UsageError} naming the flag, what was got and what was needed
 */
export function parseFlags<P>(
  schema: ParamsSchema,
  presets: Readonly<Record<PresetName, P>>,
  files: Readonly<Record<string, string>>,
  args: readonly string[],
): { flags: CommonFlags; params: P } {
  const fields = Object.keys(schema.shape);
  const known = [
    ...Object.keys(COMMON),
    ...Object.keys(files),
    ...fields.map(kebab),
  ];
  const demo = presets.demo as Record<string, unknown>;
  const isFlag = (field: string) => typeof demo[field] === "boolean";
  const valueFlags = [
    "preset",
    "data",
    "out",
    "cache",
    ...Object.keys(files),
    ...fields.filter((field) => !isFlag(field)).map(kebab),
  ];
  const words = joinValues(args, valueFlags);
  const unknown = unknownOption(words, known);
  if (unknown !== undefined) {
    const name = unknown.replace(/^-+/, "");
    throw new UsageError(
      `Cannot understand ${unknown}: did you mean --${nearest(name, known)}?`,
    );
  }
  const parsed = parseArgs(words, {
    string: ["_", ...valueFlags],
    boolean: SWITCHES,
  }) as Record<string, unknown> & { _: string[] };
  if (parsed._.length > 0) {
    throw new UsageError(
      `Cannot understand "${
        parsed._[0]
      }": options begin with --, and a list has commas but no blanks, 0,1,2`,
    );
  }
  const valued = words.find((word) =>
    SWITCHES.some((name) => word.startsWith(`--${name}=`)) &&
    !/=(true|false)$/.test(word)
  );
  if (valued !== undefined) {
    throw new UsageError(`Cannot use ${valued}: it takes no value`);
  }
  for (const name of valueFlags) {
    const value = parsed[name];
    if (typeof value !== "string" || value.trim() !== "") continue;
    const got = value === "" ? "" : ` "${value}"`;
    throw new UsageError(`Cannot use --${name}${got}: it needs a value`);
  }
  const text = (name: string) => parsed[name] as string | undefined;
  const preset = text("preset") ?? "demo";
  if (!Object.hasOwn(presets, preset)) {
    throw new UsageError(
      `Cannot use --preset ${preset}: it must be smoke, demo or paper`,
    );
  }
  const given: Record<string, unknown> = {
    ...presets[preset as PresetName] as Record<string, unknown>,
  };
  for (const field of fields) {
    const value = parsed[kebab(field)];
    if (value !== undefined) given[field] = valueOf(value, demo[field]);
  }
  const result = schema.safeParse(given);
  if (!result.success) {
    const issue = result.error.issues[0];
    const field = String(issue?.path[0] ?? "");
    throw new UsageError(
      `Cannot use --${kebab(field)} ${
        String(parsed[kebab(field)] ?? given[field])
      }: ${issue?.message}`,
    );
  }
  const data = text("data");
  const paths: Record<string, string> = {};
  for (const name of Object.keys(files)) {
    const path = text(name);
    if (path !== undefined) paths[name] = path;
  }
  return {
    params: result.data as P,
    flags: {
      preset: preset as PresetName,
      ...(data === undefined ? {} : { data }),
      out: text("out") ?? "runs",
      cache: text("cache") ?? "data",
      fresh: parsed.fresh === true,
      dryRun: parsed["dry-run"] === true,
      help: parsed.help === true,
      files: paths,
    },
  };
}

/**
 * Writes the help: every flag with its meaning and its value in each preset.
 *
 * @param title first line
 * @param schema parameters
 * @param presets their values by preset
 * @param files names of flags that take files, with their descriptions
 */
export function helpText<P>(
  title: string,
  schema: ParamsSchema,
  presets: Readonly<Record<PresetName, P>>,
  files: Readonly<Record<string, string>>,
): string {
  const lines = [title, ""];
  for (const [name, meaning] of Object.entries({ ...COMMON, ...files })) {
    lines.push(`  --${name.padEnd(22)} ${meaning}`);
  }
  lines.push("", "Parameters, with their values in smoke, demo and paper:", "");
  for (const [field, type] of Object.entries(schema.shape)) {
    const values = (["smoke", "demo", "paper"] as const).map((preset) =>
      String((presets[preset] as Record<string, unknown>)[field])
    );
    const meaning = (type as z.ZodType).description ?? "";
    lines.push(
      `  --${kebab(field).padEnd(22)} ${meaning} (${values.join("; ")})`,
    );
  }
  return lines.join("\n");
}
