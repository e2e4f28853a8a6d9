import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { digestFiles } from "../../core/data/manifest.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

Deno.test("digestFiles depends on names and content, not on order or root", async () => {
  using one = tinyFolder();
  using two = tinyFolder();
  for (const { path } of [one, two]) {
    await Deno.writeTextFile(join(path, "a.json"), "[]");
    await Deno.writeTextFile(join(path, "b.json"), "[{}]");
  }
  const first = await digestFiles(one.path, ["a.json", "b.json"]);
  const second = await digestFiles(two.path, ["b.json", "a.json", "a.json"]);
  assertEquals(first, second);
  assertEquals(first.files.map((file) => file.bytes), [2, 4]);

  await Deno.writeTextFile(join(two.path, "b.json"), "[[]]");
  const changed = await digestFiles(two.path, ["a.json", "b.json"]);
  assert(changed.digest !== first.digest);
  await Deno.writeTextFile(join(two.path, "a.json"), "[{}]");
  await Deno.writeTextFile(join(two.path, "b.json"), "[]");
  const swapped = await digestFiles(two.path, ["a.json", "b.json"]);
  assert(swapped.digest !== first.digest);
  await Deno.rename(join(one.path, "b.json"), join(one.path, "z.json"));
  const renamed = await digestFiles(one.path, ["a.json", "z.json"]);
  assert(renamed.digest !== first.digest);
  await assertRejects(
    () => digestFiles(one.path, ["a.json", "c.json"]),
    Error,
    "c.json",
  );
});
