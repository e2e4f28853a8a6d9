/**
 * Runs the operation tests in Debian's Chromium, on SwiftShader: a second
 * WebGPU stack beside Deno's. `deno task test:browser`.
 *
 * @module
 */

const CHROMIUM = "/usr/bin/chromium";
const FOLDER = ".test/browser";
const LIMIT_MS = 240_000;

/** Posts what a script could not catch, then starts the page's own. */
const PAGE = `<script>
const post = (message) =>
  fetch("/report", {
    method: "POST",
    body: JSON.stringify({
      adapter: "",
      results: [{ name: "page", error: null, tolerance: 0, message }],
    }),
  });
addEventListener("error", (event) => post(event.message));
addEventListener("unhandledrejection", (event) => post(String(event.reason)));
</script>
<script type="module" src="/page.js"></script>`;

interface Report {
  readonly adapter: string;
  readonly results: readonly {
    readonly name: string;
    readonly error: number | null;
    readonly tolerance: number;
    readonly message: string;
  }[];
}

/** What the page needs of Node's modules, which the assertions import. */
const SHIMS: Readonly<Record<string, string>> = {
  "node:assert/strict": `export function deepStrictEqual(a, b) {
  const [x, y] = [a, b].map((value) => JSON.stringify(value));
  if (x !== y) throw new Error(x + " and " + y);
}`,
  "node:util": "export const inspect = String;",
};

/** Bundles the page into one script. */
async function bundle(): Promise<string> {
  await Deno.mkdir(FOLDER, { recursive: true });
  const output = `${FOLDER}/page.js`;
  const { success, stderr } = await new Deno.Command("deno", {
    args: [
      "bundle",
      "--platform",
      "browser",
      "--output",
      output,
      "tests/browser/page.ts",
    ],
    stderr: "piped",
    stdout: "null",
  }).output();
  if (!success) {
    throw new Error(
      `Cannot bundle the page: ${new TextDecoder().decode(stderr)}`,
    );
  }
  let text = await Deno.readTextFile(output);
  for (const [name, shim] of Object.entries(SHIMS)) {
    const url = `data:text/javascript,${encodeURIComponent(shim)}`;
    text = text.replaceAll(`"${name}"`, JSON.stringify(url));
  }
  return text;
}

const script = await bundle();
const { promise: reported, resolve } = Promise.withResolvers<Report>();
const server = Deno.serve(
  { hostname: "127.0.0.1", port: 0, onListen() {} },
  async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/report") {
      resolve(await request.json());
      return new Response();
    }
    if (pathname === "/page.js") {
      return new Response(script, {
        headers: { "content-type": "text/javascript" },
      });
    }
    return new Response(PAGE, { headers: { "content-type": "text/html" } });
  },
);

const browser = new Deno.Command(CHROMIUM, {
  args: [
    "--headless",
    "--no-sandbox",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    `--user-data-dir=${FOLDER}/profile`,
    `http://127.0.0.1:${server.addr.port}/`,
  ],
  stdout: "null",
  stderr: "null",
}).spawn();

const timer = setTimeout(
  () => resolve({ adapter: "no answer in time", results: [] }),
  LIMIT_MS,
);
const { adapter, results } = await reported;
clearTimeout(timer);
browser.kill("SIGTERM");
await browser.status;
await server.shutdown();

const isFine = (result: Report["results"][number]) =>
  result.error !== null && result.error <= result.tolerance;
for (const result of results) {
  if (isFine(result)) continue;
  console.log(
    `FAILED ${result.name}: ${
      result.message || `error ${result.error}, tolerance ${result.tolerance}`
    }`,
  );
}
const failed = results.filter((result) => !isFine(result)).length;
console.log(
  `Chromium on ${adapter || "no adapter"}: ${
    results.length - failed
  } passed, ${failed} failed`,
);
if (failed > 0 || results.length === 0) Deno.exit(1);
