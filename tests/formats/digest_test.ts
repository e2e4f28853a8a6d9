import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { digestFile } from "../../core/formats/digest.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

Deno.test("digestFile gives the SHA-256 of the FIPS 180 examples", async () => {
  using folder = tinyFolder();
  const path = join(folder.path, "file");
  await Deno.writeTextFile(path, "abc");
  assertEquals(
    await digestFile(path),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  await Deno.writeTextFile(path, "a".repeat(1_000_000));
  const seen: number[] = [];
  const sha256 = await digestFile(path, (bytes) => seen.push(bytes));
  assertEquals(
    sha256,
    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
  );
  assertEquals(seen.at(-1), 1_000_000);
});

Deno.test("digestFile names what it cannot read", async () => {
  using folder = tinyFolder();
  const path = join(folder.path, "none");
  await assertRejects(() => digestFile(path), Error, `"${path}": there is no`);
  await assertRejects(() => digestFile(folder.path), Error, "it is a folder");
});
