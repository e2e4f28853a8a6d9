/** Options of {@linkcode parseArgs}. */
export interface ParseOptions {
  /** Names whose values stay text, `_` among them for positional arguments. */
  string?: string | readonly string[];
  /** Names that take no value and are `false` unless given. */
  boolean?: string | readonly string[];
  /** Names that `--no-NAME` sets to `false`. */
  negatable?: string | readonly string[];
  /** Names whose values are collected into an array. */
  collect?: string | readonly string[];
  /** Other names of a name, each set together with it. */
  alias?: Record<string, string | readonly string[]>;
  /** Values of names that are not given. */
  default?: Record<string, unknown>;
  /** Whether what follows `--` is kept under that name instead of `_`. */
  "--"?: boolean;
}

/** What {@linkcode parseArgs} returns: options by name, the rest under `_`. */
export type Args = {
  [name: string]: unknown;
  /** Positional arguments, as numbers where they look like one. */
  _: (string | number)[];
};

type Nested = Record<string, unknown>;

const NUMBER = /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?\s*$/i;
const HEXADECIMAL = /^\s*0x[0-9a-f]+$/i;

function isNumber(text: string): boolean {
  return NUMBER.test(text) || HEXADECIMAL.test(text);
}

function isBooleanText(text: string): boolean {
  return text === "true" || text === "false";
}

function names(list: string | readonly string[] | undefined): string[] {
  return typeof list === "string" ? [list] : [...list ?? []];
}

function isRecord(value: unknown): value is Nested {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Finds the record that holds the last part of a dotted name. */
function holder(root: Nested, path: readonly string[]): Nested {
  let record = root;
  for (const part of path.slice(0, -1)) {
    const next = Object.hasOwn(record, part) ? record[part] : undefined;
    if (isRecord(next)) {
      record = next;
    } else {
      const made: Nested = {};
      define(record, part, made);
      record = made;
    }
  }
  return record;
}

// A plain assignment to "__proto__" would change the record's prototype.
function define(record: Nested, name: string, value: unknown): void {
  Object.defineProperty(record, name, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

/**
 * Parses command-line arguments.
 *
 * `--name value` and `--name=value` set a name, `--name` alone sets it to
 * `true`, `-abc` sets three, a dotted name nests, and a name given twice has
 * its last value unless it is collected. Values that look like numbers become
 * numbers unless the name is listed under `string`.
 *
 * @param args the arguments, without the program's name
 * @param options which names are text, boolean, negatable, collected
 * @returns options by name; positional arguments under `_`
 */
export function parseArgs(args: string[], options: ParseOptions = {}): Args {
  const aliases = new Map<string, Set<string>>();
  for (const [name, others] of Object.entries(options.alias ?? {})) {
    const group = [name, ...names(others)];
    for (const member of group) {
      aliases.set(member, new Set(group.filter((other) => other !== member)));
    }
  }
  const withAliases = (list: string | readonly string[] | undefined) =>
    new Set(names(list).flatMap((name) => [name, ...aliases.get(name) ?? []]));
  const texts = withAliases(options.string);
  const booleans = withAliases(options.boolean);
  const negatables = withAliases(options.negatable);
  const collected = withAliases(options.collect);

  const end = args.indexOf("--");
  const before = end < 0 ? args : args.slice(0, end);
  const after = end < 0 ? [] : args.slice(end + 1);

  const result: Args = { _: [] };

  function set(name: string, value: unknown): void {
    const path = name.split(".");
    const record = holder(result, path);
    const last = path.at(-1) ?? name;
    if (!collected.has(name)) {
      define(record, last, value);
      return;
    }
    const earlier = Object.hasOwn(record, last) ? record[last] : undefined;
    define(record, last, [...Array.isArray(earlier) ? earlier : [], value]);
  }

  function setArgument(name: string, value: string | boolean): void {
    const converted =
      typeof value === "string" && !texts.has(name) && isNumber(value)
        ? Number(value)
        : value;
    set(name, converted);
    for (const other of aliases.get(name) ?? []) set(other, converted);
  }

  /** Sets `name` from the argument after it; true if that was its value. */
  function setFromNext(name: string, next: string | undefined): boolean {
    if (next !== undefined && next !== "") {
      if (!booleans.has(name) && !next.startsWith("-")) {
        setArgument(name, next);
        return true;
      }
      if (isBooleanText(next)) {
        setArgument(name, next === "true");
        return true;
      }
    }
    setArgument(name, texts.has(name) ? "" : true);
    return false;
  }

  function positional(text: string): void {
    result._.push(!texts.has("_") && isNumber(text) ? Number(text) : text);
  }

  for (let i = 0; i < before.length; i++) {
    const arg = before[i] ?? "";
    const next = before[i + 1];

    const long = /^--([^=]+)(?:=(.*))?$/s.exec(arg);
    if (long !== null) {
      const [, name = "", value] = long;
      if (value !== undefined && value !== "") {
        setArgument(name, booleans.has(name) ? value !== "false" : value);
      } else if (
        value === undefined && name.startsWith("no-") &&
        negatables.has(name.slice(3))
      ) {
        setArgument(name.slice(3), false);
      } else if (value === "") {
        setArgument(name, "");
      } else if (setFromNext(name, next)) {
        i++;
      }
      continue;
    }

    if (!/^-[^-]/.test(arg)) {
      positional(arg);
      continue;
    }

    const letters = arg.slice(1);
    for (let j = 0; j < letters.length; j++) {
      const letter = letters.charAt(j);
      const rest = letters.slice(j + 1);
      if (rest === "") {
        if (setFromNext(letter, next)) i++;
      } else if (/^[A-Za-z]$/.test(letter) && /^=./s.test(rest)) {
        const value = rest.slice(1);
        setArgument(letter, booleans.has(letter) ? value !== "false" : value);
        break;
      } else if (
        /^[A-Za-z]$/.test(letter) && /^-?\d+(\.\d*)?(e-?\d+)?$/.test(rest) ||
        /^\W/.test(rest)
      ) {
        setArgument(letter, rest);
        break;
      } else {
        setArgument(letter, texts.has(letter) ? "" : true);
      }
    }
  }

  const setMissing = (name: string, value: unknown): void => {
    for (const each of [name, ...aliases.get(name) ?? []]) {
      const path = each.split(".");
      const record = holder(result, path);
      const last = path.at(-1) ?? each;
      if (!Object.hasOwn(record, last)) define(record, last, value);
    }
  };
  for (const [name, value] of Object.entries(options.default ?? {})) {
    setMissing(name, value);
  }
  for (const name of booleans) setMissing(name, false);
  for (const name of collected) setMissing(name, []);

  if (options["--"]) {
    result["--"] = after;
  } else {
    for (const text of after) positional(text);
  }
  return result;
}
