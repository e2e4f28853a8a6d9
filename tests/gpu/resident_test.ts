import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { taskFlags, type TaskName } from "../support/task_flags.ts";

/** Runs a task in a process of its own, whose resident set no test changes. */
async function assertEnds(task: TaskName, ...args: string[]): Promise<void> {
  const { code, stdout } = await new Deno.Command("deno", {
    cwd: fromFileUrl(new URL("../..", import.meta.url)),
    args: [...taskFlags(task), ...args],
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stdout));
}

Deno.test("kernels do not grow the resident set with dispatches", () =>
  assertEnds("resident", "--short"));

Deno.test("training and sampling the demo's model do not grow the resident set", () =>
  assertEnds("soak", "--steps", "200", "--windows", "500"));
