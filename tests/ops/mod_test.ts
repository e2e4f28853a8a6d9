import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import * as ops from "../../core/ops/mod.ts";

Deno.test("every operation has a definition by checkOp, which also tests NaN", async () => {
  const folder = fromFileUrl(new URL(".", import.meta.url));
  let checks = "";
  for await (const { name } of Deno.readDir(folder)) {
    const text = await Deno.readTextFile(`${folder}/${name}`);
    if (text.includes("checkOp(")) checks += text;
  }
  const isRun = (name: string) =>
    new RegExp(`(ops\\.|run: |=> *)${name}\\b|\\b${name}\\(`).test(checks);
  assertEquals(Object.keys(ops).filter((name) => !isRun(name)), []);
});
