import { assert, assertEquals } from "@std/assert";

Deno.test("the README's example runs as printed", async () => {
  const readme = await Deno.readTextFile("README.md");
  const code = /```ts\n([\s\S]*?)```/.exec(readme)?.[1];
  const file = await Deno.readTextFile("tests/support/readme_example.ts");
  assertEquals(code, file.replace('"../../mod.ts"', '"./mod.ts"'));
  const lines: unknown[][] = [];
  const log = console.log;
  console.log = (...line: unknown[]) => lines.push(line);
  try {
    await import("./support/readme_example.ts");
  } finally {
    console.log = log;
  }
  const losses = lines.map(([, loss]) => Number(loss));
  assertEquals(losses.length, 6);
  assert(losses[5]! < 0.1 * losses[0]!, `losses ${losses}`);
});

Deno.test("the README names every task", async () => {
  const readme = await Deno.readTextFile("README.md");
  const { tasks } = JSON.parse(await Deno.readTextFile("deno.json"));
  const missing = Object.keys(tasks).filter((task) =>
    !readme.includes(`\`${task}`)
  );
  assertEquals(missing, []);
});
