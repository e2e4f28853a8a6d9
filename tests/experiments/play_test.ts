import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { taskFlags } from "../support/task_flags.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));

/** Most bytes of the page as a folder. */
const MOST_BYTES = 25e6;

/** Runs the task in its sandbox. */
async function play(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    cwd: root,
    args: [...taskFlags("play", { write: ".test" }), ...args],
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("play --export writes a page that asks no other server for anything", async () => {
  const folder = ".test/play-export";
  await Deno.remove(join(root, folder), { recursive: true }).catch(() => {});
  const { code, stdout, stderr } = await play("--export", folder);
  assertEquals(code, 0, stderr);
  assertStringIncludes(stdout, "serve it by any web server");
  const names = [];
  let bytes = 0;
  for await (const { name } of Deno.readDir(join(root, folder))) {
    names.push(name);
    bytes += (await Deno.stat(join(root, folder, name))).size;
  }
  assertEquals(names.sort(), [
    "index.html",
    "model.safetensors",
    "play.js",
    "recorded.json",
    "recorded.png",
    "style.css",
    "vae.safetensors",
  ]);
  assert(bytes < MOST_BYTES, `${bytes} bytes`);
  const html = await Deno.readTextFile(join(root, folder, "index.html"));
  assertStringIncludes(html, "default-src 'none'");
  const style = await Deno.readTextFile(join(root, folder, "style.css"));
  assertEquals(
    /(src|href)="(?!data:|#)[^"]*\/|https?:|url\(/.test(html + style),
    false,
  );
  const script = await Deno.readTextFile(join(root, folder, "play.js"));
  // Node's modules are in no browser.
  assertEquals(/from "(node|npm|jsr):/.test(script), false);
});

Deno.test("play refuses what it cannot play with in one line", async () => {
  const cases: [string[], string][] = [
    [
      ["--bench", "--export", ".test/x"],
      "Cannot do --bench and --export at once: give one of them",
    ],
    [
      ["--export", ".test/x", "--model", "nothing.safetensors"],
      'Cannot play with "nothing.safetensors": there is no such file or folder',
    ],
    [
      ["--export", ".test/x", "--model", "fixtures/play"],
      'Cannot play with the folder "fixtures/play": it has no average.safetensors',
    ],
    [["--port", "99999"], "Cannot use --port 99999"],
  ];
  for (const [args, message] of cases) {
    const { code, stderr } = await play(...args);
    assert(code !== 0, args.join(" "));
    assertStringIncludes(stderr, message);
    const lines = stderr.trim().split("\n")
      .filter((line) => line !== "See --help");
    assertEquals(lines.length, 1, stderr);
  }
});
