import { assert, assertEquals, assertRejects } from "@std/assert";
import { writeSafetensors } from "../../core/formats/safetensors.ts";
import { readWeights } from "../../core/formats/weights.ts";
import { writeNpz } from "../../core/formats/npy.ts";
import {
  contents,
  formatUrl,
  readExpected,
  wanted,
} from "../support/formats.ts";
import { zip } from "../support/zip.ts";

const EXPECTED = readExpected();

Deno.test("readWeights reads every kind of PyTorch file", async () => {
  for (const name of ["zip.pt", "legacy.pt", "nested.ckpt"]) {
    using file = await readWeights(formatUrl(name));
    assertEquals(await contents(file), wanted(EXPECTED.state), name);
  }
  using script = await readWeights(formatUrl("script.pt"));
  assertEquals(await contents(script), wanted(EXPECTED.script));
  using all = await readWeights(formatUrl("nested.ckpt"), { root: "" });
  assert(all.names.includes("state_dict.scalar"));
});

Deno.test("readWeights reads safetensors and npz alike", async () => {
  const path = `.test/weights-${crypto.randomUUID()}`;
  await Deno.mkdir(path, { recursive: true });
  try {
    const arrays = {
      "a.weight": { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
      "b": { shape: [1], data: BigUint64Array.of(5n) },
      "c": { shape: [2], data: Uint16Array.of(6, 65535) },
    };
    // Without a telling name: only the content decides.
    await writeSafetensors(`${path}/one`, arrays);
    const note = { shape: [], data: ["free text"] };
    await writeNpz(`${path}/two`, { ...arrays, note });
    using one = await readWeights(`${path}/one`);
    using two = await readWeights(`${path}/two`);
    const entries = await contents(one);
    assertEquals(entries["a.weight"]?.values, [1, 2, 3, 4]);
    assertEquals(entries["b"], { dtype: "U64", shape: [1], values: [5] });
    assertEquals(entries["c"]?.values, [6, 65535]);
    assertEquals(await contents(two), entries);
    assertEquals(two.metadata, { note: "free text" });
    assertEquals(two.info("note"), undefined);
    await assertRejects(() => two.read("note"), TypeError, "it has a.weight");
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("readWeights reads npz beside what it does not read", async () => {
  const data = Float32Array.of(1, 2);
  const path = `.test/weights-${crypto.randomUUID()}.npz`;
  await Deno.mkdir(".test", { recursive: true });
  await writeNpz(path, { w: { shape: [2], data } });
  const header = await Deno.readFile(path);
  await Deno.remove(path);
  const w = header.slice(30 + 5, 30 + 5 + 128 + 8);
  using file = await readWeights(zip([
    ["w.npy", w],
    ["objects.npy", await Deno.readFile(formatUrl("objects.npy"))],
    ["text.npy", { bytes: new Uint8Array(9), flags: 1 }],
    ["README.txt", new Uint8Array(3)],
  ]));
  assertEquals(file.names, ["w"]);
  assertEquals((await contents(file))["w"]?.values, [1, 2]);
  await assertRejects(() => file.read("objects"), SyntaxError, '"objects"');
  await assertRejects(() => file.read("text"), SyntaxError, "is encrypted");
  await assertRejects(() => file.read("none"), TypeError, "it has w");
});

const text = (value: string) =>
  Uint8Array.from(value.padEnd(600, " "), (letter) => letter.charCodeAt(0));

const STRANGERS: Record<string, [Uint8Array<ArrayBuffer>, string]> = {
  "an empty file": [new Uint8Array(0), "it is empty"],
  "a git-lfs pointer": [
    text("version https://git-lfs.github.com/spec/v1\noid"),
    "git-lfs pointer",
  ],
  "a web page": [text("<!DOCTYPE html>"), "web page"],
  "a gzip file": [text("\x1f\x8b\x08"), "gzip"],
  "an HDF5 file": [text("\x89HDF\r\n"), "HDF5"],
  "a tar archive": [text("a".padEnd(257, "\0") + "ustar"), "tar archive"],
  "an npy file": [
    await Deno.readFile(formatUrl("scalar.npy")),
    "one npy array",
  ],
  "another zip": [zip([["a.txt", text("")]]), "neither data.pkl"],
  "noise": [text("noise"), "no safetensors, PyTorch or npz"],
};

for (const [what, [bytes, reason]] of Object.entries(STRANGERS)) {
  Deno.test(`readWeights names ${what}`, async () => {
    await assertRejects(() => readWeights(bytes), SyntaxError, reason);
  });
}

Deno.test("readWeights refuses a folder and a missing file", async () => {
  await assertRejects(() => readWeights("tests"), TypeError, '"tests"');
  const error = await assertRejects(() => readWeights("tests/none.pt"));
  assert(error instanceof Deno.errors.NotFound);
  assert(error.message.includes("none.pt"));
});
