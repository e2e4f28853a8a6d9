/**
 * The tasks of deno.json as processes: with the permissions that each names,
 * and no more.
 *
 * @module
 */

import { z } from "zod";

const config = z.object({
  tasks: z.record(
    z.string(),
    z.union([z.string(), z.object({ command: z.string() })]),
  ),
});

/**
 * Reads the experiments of deno.json.
 *
 * @param text of the file
 * @returns commands by name of the experiment, in their order
 * @throws {Error} if the file has no tasks
 */
export function readExperiments(text: string): Map<string, string> {
  const { tasks } = config.parse(JSON.parse(text));
  return new Map(
    Object.entries(tasks)
      .filter(([name]) => name.startsWith("exp:"))
      .map(([name, task]) => [
        name.slice("exp:".length),
        typeof task === "string" ? task : task.command,
      ]),
  );
}

/**
 * The words behind `deno` of a task.
 *
 * @param command of the task: `deno run FLAGS MODULE`
 * @param variables what stands for `$NAME` in it; nothing where absent
 * @throws {Error} if the command is another program, or more than one
 */
export function wordsOfTask(
  command: string,
  variables: Readonly<Record<string, string>>,
): string[] {
  // Quotes keep blanks of variables within one word.
  const words = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(
    ([, quoted, plain]) =>
      (quoted ?? plain ?? "").replace(
        /\$(\w+)/g,
        (_, name: string) => variables[name] ?? "",
      ),
  );
  if (words[0] !== "deno" || words.includes("&&")) {
    throw new Error(
      `Cannot start the task "${command}": needed one command of deno`,
    );
  }
  return words.slice(1);
}
