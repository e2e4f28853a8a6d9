import { parseArgs } from "@std/cli";
import { z } from "zod";
import { joinValues, unknownOption } from "./arguments.ts";
import { kebab, nearest, UsageError } from "./flags.ts";
import { Interrupted } from "./interrupt.ts";
import { messageOf } from "./permissions.ts";

/** A flag that takes a positive integer. */
export const positiveInteger: z.ZodCoercedNumber<unknown> = z.coerce
  .number("it needs a positive integer")
  .int("it needs a positive integer")
  .min(1, "it needs a positive integer");

/** A flag that takes a seed: an integer from 0. */
export const seedNumber: z.ZodCoercedNumber<unknown> = z.coerce
  .number("it needs an integer from 0")
  .int("it needs an integer from 0")
  .min(0, "it needs an integer from 0");

/** A flag that takes a number above 0. */
export const positiveNumber: z.ZodCoercedNumber<unknown> = z.coerce
  .number("it needs a number above 0")
  .positive("it needs a number above 0");

/**
 * Reads the command line of a command. The schema's fields are the flags, `_`
 * the words beside them; a typo is answered with the nearest name.
 *
 * @param schema strict, all texts but the booleans
 * @param booleans fields that are flags without a value
 * @param args command line
 * @throws {UsageError} naming the flag, what was got and what was needed
 */
export function parseCommand<S extends z.ZodObject>(
  schema: S,
  booleans: readonly string[],
  args: readonly string[],
): z.output<S> {
  const fields = Object.keys(schema.shape);
  const flags = fields.filter((field) => field !== "_").map(kebab);
  const switches = booleans.map(kebab);
  const valueFlags = flags.filter((flag) => !switches.includes(flag));
  const words = joinValues(args, valueFlags);
  const typo = unknownOption(words, flags);
  if (typo !== undefined) {
    const name = typo.replace(/^-+/, "");
    throw new UsageError(
      `Cannot understand ${typo}: did you mean --${nearest(name, flags)}?`,
    );
  }
  const parsed = parseArgs(words, {
    string: ["_", ...valueFlags],
    boolean: switches,
  }) as Record<string, unknown>;
  const given: Record<string, unknown> = {};
  for (const field of fields) {
    const value = parsed[kebab(field)];
    if (value === undefined) continue;
    // Blanks would pass as the number 0.
    if (typeof value === "string" && value.trim() === "") {
      throw new UsageError(
        `Cannot use --${kebab(field)} "${value}": it needs a value`,
      );
    }
    given[field] = value;
  }
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const field = String(issue?.path[0] ?? "");
  const got = given[field] === undefined ? "" : ` ${String(given[field])}`;
  throw new UsageError(
    field === "_"
      ? `Cannot understand the command: ${issue?.message}`
      : `Cannot use --${kebab(field)}${got}: ${issue?.message}`,
  );
}

/**
 * Runs a command and ends the process: 0 when done, 1 for an error, 2 for a
 * wrong command line, 130 or 143 when interrupted.
 *
 * @param help printed for `--help`; begins with the task's name
 * @param work the command; its number is the status
 * @param args command line
 */
export async function runCommand(
  help: string,
  work: (args: readonly string[]) => Promise<number | void>,
  args: readonly string[],
): Promise<never> {
  if (args.includes("--help")) {
    console.log(help);
    Deno.exit(0);
  }
  let status = 0;
  try {
    status = await work(args) ?? 0;
  } catch (error) {
    if (error instanceof Interrupted) {
      console.error("Stopped. The same command goes on from here.");
      Deno.exit(error.status);
    }
    status = error instanceof UsageError ? 2 : 1;
    const task = /^[\w:]+\w/.exec(help)?.[0] ?? "TASK";
    console.error(messageOf(error, task, args));
    if (status === 2) console.error("See --help");
  }
  Deno.exit(status);
}
