import minimist from "minimist";

/** Options of {@linkcode parseArgs}. */
export interface ParseOptions {
  /** Names whose values stay text. */
  readonly string?: readonly string[];
  /** Names that take no value. */
  readonly boolean?: readonly string[];
  /** Short names by long name. */
  readonly alias?: Record<string, string | readonly string[]>;
  /** Values of names that are not given. */
  readonly default?: Record<string, unknown>;
}

/** What {@linkcode parseArgs} returns: options by name, the rest under `_`. */
export type Args = { [name: string]: unknown; _: (string | number)[] };

/**
 * Parses command-line arguments by minimist's rules.
 *
 * @param args the arguments, without the program's name
 * @param options which names are text or boolean
 * @returns options by name; positional arguments under `_`
 */
export function parseArgs(
  args: readonly string[],
  options: ParseOptions = {},
): Args {
  return minimist([...args], {
    string: [...options.string ?? []],
    boolean: [...options.boolean ?? []],
    alias: { ...options.alias } as Record<string, string | string[]>,
    default: { ...options.default },
  }) as Args;
}
