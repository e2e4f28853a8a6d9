import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { answerPage } from "../../core/experiment/serve_page.ts";

const body = (text: string) => new TextEncoder().encode(text);
const files = {
  "index.html": { body: body("<p>page</p>"), type: "text/html" },
  "play.js": { body: body("1"), type: "text/javascript" },
};

/** What a page server on port 8710 answers. */
function ask(
  path: string,
  headers: Record<string, string> = {},
  method = "GET",
): Response {
  return answerPage(
    files,
    8710,
    new Request(`http://127.0.0.1:8710${path}`, {
      method,
      headers: { host: "127.0.0.1:8710", ...headers },
    }),
  );
}

Deno.test("answerPage serves the page and its files, with a policy", async () => {
  const page = ask("/");
  assertEquals(page.status, 200);
  assertEquals(await page.text(), "<p>page</p>");
  const policy = page.headers.get("content-security-policy") ?? "";
  assertStringIncludes(policy, "default-src 'none'");
  assert(!/https?:|unsafe|\*/.test(policy), policy);
  assertEquals(page.headers.get("x-content-type-options"), "nosniff");
  assertEquals(await ask("/play.js?v=1").text(), "1");
  const head = ask("/play.js", {}, "HEAD");
  assertEquals([head.status, await head.text()], [200, ""]);
});

Deno.test("answerPage serves nothing but the files", () => {
  const paths = [
    "/deno.json",
    "/../deno.json",
    "/%2e%2e/deno.json",
    "/..%2fdeno.json",
    "//etc/passwd",
    "/constructor",
    "/__proto__",
    "/index.html/",
  ];
  assertEquals(paths.map((path) => ask(path).status), paths.map(() => 404));
});

Deno.test("answerPage refuses other hosts, origins, sites and methods", () => {
  const hosts = ["evil.example", "evil.example:8710", "127.0.0.1", ""];
  assertEquals(
    hosts.map((host) => ask("/", { host }).status),
    hosts.map(() => 403),
  );
  const origins = ["http://evil.example", "null", "http://127.0.0.1:8711"];
  assertEquals(
    origins.map((origin) => ask("/", { origin }).status),
    origins.map(() => 403),
  );
  assertEquals(ask("/", { origin: "http://127.0.0.1:8710" }).status, 200);
  assertEquals(ask("/", { host: "localhost:8710" }).status, 200);
  const fetched = {
    "sec-fetch-site": "cross-site",
    "sec-fetch-mode": "no-cors",
  };
  assertEquals(ask("/model.safetensors", fetched).status, 403);
  const followed = { ...fetched, "sec-fetch-mode": "navigate" };
  assertEquals(ask("/", followed).status, 200);
  assertEquals(
    ["POST", "PUT", "DELETE"].map((method) => ask("/", {}, method).status),
    [405, 405, 405],
  );
});
