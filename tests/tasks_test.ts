import { assert, assertEquals } from "@std/assert";
import { z } from "zod";

const config = z.object({
  tasks: z.record(
    z.string(),
    z.union([z.string(), z.object({ command: z.string() })]),
  ),
}).parse(
  JSON.parse(await Deno.readTextFile(new URL("../deno.json", import.meta.url))),
);

const commands = Object.entries(config.tasks).map(([name, task]) => ({
  name,
  command: typeof task === "string" ? task : task.command,
}));

/** The flags of a command that grant more than a named part of one kind. */
function unscoped(command: string): string[] {
  return command.replaceAll('"', "").split(/\s+/).filter((word) =>
    word === "--allow-all" || /^--allow-[a-z-]+=?$/.test(word) ||
    /^-[A-Za-z]*[ARWNESI][A-Za-z]*$/.test(word)
  );
}

Deno.test("tasks grant only permissions with a value", () => {
  assert(commands.length > 0);
  const bad = commands.flatMap(({ name, command }) =>
    unscoped(command).map((flag) => `${name}: ${flag}`)
  );
  assertEquals(bad, []);
});

Deno.test("tasks that run code never prompt", () => {
  const bad = commands.filter(({ command }) =>
    command.split(/&&|\|\||;|\|/).some((part) =>
      /\bdeno\s+(run|test|bench|serve|eval|repl)\b/.test(part) &&
      !/\s--no-prompt\b/.test(part)
    )
  ).map(({ name }) => name);
  assertEquals(bad, []);
});

Deno.test("tasks evaluate no code from their own text", () => {
  // "deno eval" has every permission.
  const bad = commands.filter(({ command }) => /\bdeno\s+eval\b/.test(command))
    .map(({ name }) => name);
  assertEquals(bad, []);
});

Deno.test("unscoped permissions are found in every spelling", () => {
  assertEquals(
    unscoped(
      'deno run -A --allow-all "--allow-read" --allow-net= -qR=. x.ts',
    ),
    ["-A", "--allow-all", "--allow-read", "--allow-net="],
  );
  assertEquals(unscoped("deno test --no-prompt --allow-read=."), []);
});
