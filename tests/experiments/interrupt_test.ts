import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";

const SCRIPT = fromFileUrl(new URL("../support/busy.ts", import.meta.url));

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Starts the script; resolves when it listens. */
async function start(...args: string[]) {
  const process = new Deno.Command("deno", {
    args: ["run", "--no-prompt", "--allow-read=.", SCRIPT, ...args],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = process.stdout.getReader();
  const decoder = new TextDecoder();
  let text = decoder.decode((await reader.read()).value);
  const end = async () => {
    while (true) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value);
    }
    return { text, code: (await process.status).code };
  };
  return { process, end };
}

Deno.test("Interrupt is seen by code that never pauses, and takes one press of Ctrl-C for one", async () => {
  const { process, end } = await start();
  // The terminal signals the whole group, and the task runner passes it on.
  process.kill("SIGINT");
  await wait(30);
  process.kill("SIGINT");
  assertEquals(await end(), { text: "ready\nkept what was done\n", code: 130 });
});

Deno.test("Interrupt lets the second signal end the process inside a batch", async () => {
  for (
    const [first, second, code] of [
      ["SIGINT", "SIGINT", 130],
      ["SIGTERM", "SIGINT", 130],
      ["SIGTERM", "SIGTERM", 143],
    ] as const
  ) {
    const { process, end } = await start("deaf");
    process.kill(first);
    await wait(1500);
    const asked = performance.now();
    process.kill(second);
    assertEquals(await end(), { text: "ready\n", code });
    // Measured 0.04 to 0.14 s; the batch would take a minute.
    assert(performance.now() - asked < 5000);
  }
});
