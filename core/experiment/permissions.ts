import { join } from "@std/path";

const REQUIRED = /Requires (read|write) access to "(.+?)", run again with/s;

/** Whether a command line names a path or a folder that it lies in. */
function isNamed(path: string, args: readonly string[]): boolean {
  return args.map((word) => word.replace(/^--[^=]*=?/s, ""))
    .some((word) => word !== "" && path.startsWith(join(word)));
}

/** Quotes a word of a command where a shell would split it. */
export function quoted(word: string): string {
  return /^[\w./:,=@+-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * Says what to do about an error, where Deno says only which of its own flags
 * was not given: `deno task` grants the project folder, `run` also what the
 * command line names.
 *
 * @param error of a command
 * @param task its name
 * @param args its command line
 * @returns the message to print
 */
export function messageOf(
  error: unknown,
  task: string,
  args: readonly string[],
): string {
  const message = error instanceof Error ? error.message : String(error);
  const [, access, refused = ""] = REQUIRED.exec(message) ?? [];
  if (access === undefined) return message;
  const path = refused.replace(/\.partial$/, "");
  const words = [task, ...args].map(quoted).join(" ");
  const remedy = path.includes(",")
    ? "rename what has a comma in its path, which no permission can name"
    : isNamed(path, args)
    ? `start the same by ./run ${words}, which adds what it names`
    : `a link leads there, so name the place itself and start by ./run ${words}`;
  const allowed = access === "read"
    ? "may read only the project folder"
    : "may write only its own folders";
  return `Cannot ${access} ${path}: a task ${allowed}; ${remedy}`;
}
