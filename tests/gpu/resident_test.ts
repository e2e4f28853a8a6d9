import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { taskFlags } from "../support/task_flags.ts";

// In a process of its own, whose resident set no other test changes.
Deno.test("kernels do not grow the resident set with dispatches", async () => {
  const { code, stdout } = await new Deno.Command("deno", {
    cwd: fromFileUrl(new URL("../..", import.meta.url)),
    args: [...taskFlags("resident"), "--short"],
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stdout));
});
