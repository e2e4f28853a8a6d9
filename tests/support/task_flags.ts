import config from "../../deno.json" with { type: "json" };

/** Names of the tasks of deno.json. */
export type TaskName = keyof typeof config.tasks;

/** What a task may touch beside what its own text names. */
export interface Grants {
  /** What it may write beside its own folders, by commas. */
  readonly write?: string;
  /** What it may write instead of its own folders. */
  readonly writeOnly?: string;
}

/**
 * The words behind `deno` of a task, as `run` has it started: permissions and
 * module.
 *
 * @param name of the task
 * @param grants what it may touch
 */
export function taskFlags(name: TaskName, grants: Grants = {}): string[] {
  const command = config.tasks[name].command
    .replace("$WORLD_ACTION_READ", "")
    .replace("$WORLD_ACTION_WRITE", grants.write ? `,${grants.write}` : "");
  const words = command.replaceAll('"', "").split(" ").slice(1);
  const { writeOnly } = grants;
  return writeOnly === undefined
    ? words
    : words.map((word) =>
      word.startsWith("--allow-write=") ? `--allow-write=${writeOnly}` : word
    );
}
