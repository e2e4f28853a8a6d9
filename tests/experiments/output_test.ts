import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import {
  checkLost,
  checkWritable,
  claimFolder,
  counted,
} from "../../core/experiment/output.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

Deno.test("counted says of how many only where some are left out", () => {
  assertEquals(counted(5, 0, "images"), "5 images");
  assertEquals(counted(5, 1, "images"), "5 of 6 images (1 left out)");
  assertEquals(counted(5, 0), "5");
  assertEquals(counted(0, 3), "0 of 3 (3 left out)");
});

Deno.test("checkLost allows one image or 1 %, and any number if it is allowed", () => {
  const lost = (count: number) =>
    new Array<string>(count).fill("a.png: broken");
  const check = (count: number, total: number, isAllowed = false) =>
    checkLost("score A", lost(count), total, isAllowed);
  check(0, 2);
  check(1, 2);
  check(10, 1000);
  check(3, 4, true);
  for (const [count, total] of [[2, 3], [2, 199], [11, 1000]] as const) {
    assertThrows(
      () => check(count, total),
      Error,
      `Cannot score A: ${count} of ${total} are left out, more than 1 %`,
    );
  }
});

Deno.test("claimFolder lets the same input go on, and refuses all else", async () => {
  using folder = tinyFolder();
  const out = join(folder.path, "new", "out");
  const facts = { input: "a.npz", inputDigest: "1", weights: "2" };
  const claim = (path: string, changed: Partial<typeof facts> = {}) =>
    claimFolder(path, "decoded.json", { ...facts, ...changed });
  await claim(out);
  await Deno.writeTextFile(join(out, "0.png"), "");
  await claim(out);
  await claim(out, { input: "elsewhere/a.npz" });
  const refused: [Partial<typeof facts>, string][] = [
    [{ input: "b.npz", inputDigest: "3" }, "it holds results of a.npz;"],
    [{ inputDigest: "3" }, "it holds results of what a.npz was before;"],
    [{ weights: "3" }, "it holds results of other weights;"],
  ];
  for (const [changed, message] of refused) {
    await assertRejects(() => claim(out, changed), Error, message);
  }
  await Deno.writeTextFile(join(out, "decoded.json"), "{");
  await assertRejects(() => claim(out), Error, "that cannot be read");
  await Deno.remove(join(out, "decoded.json"));
  await assertRejects(() => claim(out), Error, "it holds 0.png and no decoded");
});

Deno.test("checkWritable refuses folders and missing folders, and leaves files alone", async () => {
  using folder = tinyFolder();
  const path = join(folder.path, "a.json");
  await checkWritable(path);
  await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
  await Deno.writeTextFile(path, "1");
  await checkWritable(path);
  assertEquals(await Deno.readTextFile(path), "1");
  await assertRejects(() => checkWritable(folder.path), Error, "is a folder");
  const missing = join(folder.path, "missing", "a.json");
  await assertRejects(() => checkWritable(missing), Error, "Cannot write");
});
