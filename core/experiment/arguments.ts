/**
 * Ties values to their flags, `--seed -3` as `--seed=-3`: `parseArgs` would
 * take a value that begins with a dash for a flag. A word that begins with two
 * dashes stays a flag, and what follows `--` stays as it is.
 *
 * @param args command line
 * @param valueFlags names, without dashes, of the flags that take a value
 */
export function joinValues(
  args: readonly string[],
  valueFlags: readonly string[],
): string[] {
  const joined: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i] ?? "";
    if (word === "--") return [...joined, ...args.slice(i)];
    const next = args[i + 1];
    const takesNext = word.startsWith("--") &&
      valueFlags.includes(word.slice(2)) && next !== undefined &&
      !next.startsWith("--");
    joined.push(takesNext ? `${word}=${next}` : word);
    if (takesNext) i++;
  }
  return joined;
}

/**
 * Finds the first option of a command line that is none of the known ones:
 * another name, or a single dash.
 *
 * @param args command line after {@linkcode joinValues}
 * @param flags names, without dashes, of all flags
 * @returns the option as it was written, without its value
 */
export function unknownOption(
  args: readonly string[],
  flags: readonly string[],
): string | undefined {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? args.length : end)
    .filter((word) => /^-./s.test(word))
    .map((word) => word.replace(/=.*$/s, ""))
    .find((name) => !name.startsWith("--") || !flags.includes(name.slice(2)));
}
