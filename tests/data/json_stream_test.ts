import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import {
  type JsonArrayOptions,
  readJsonArray,
} from "../../core/data/json_stream.ts";
import { heldBytes } from "../support/memory.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

async function readText(
  text: string | Uint8Array,
  options?: JsonArrayOptions,
): Promise<{ values: unknown[]; offsets: number[] }> {
  using folder = tinyFolder();
  const path = join(folder.path, "rows.json");
  await Deno.writeFile(
    path,
    typeof text === "string" ? new TextEncoder().encode(text) : text,
  );
  const values: unknown[] = [];
  const offsets: number[] = [];
  const stats = await readJsonArray(path, (value, { row, offset }) => {
    assert(row >= values.length);
    values.push(value);
    offsets.push(offset);
  }, options);
  assertEquals(stats.parsed, values.length);
  return { values, offsets };
}

Deno.test("readJsonArray parses what JSON.parse does, wherever pieces end", async () => {
  // Pieces of 256 KiB end at every kind of byte of these rows.
  const rows = Array.from({ length: 9_000 }, (_, i) => ({
    name: `"{[\\ é 😀 ${"x".repeat(i % 97)}`,
    nested: { list: [{ a: [] }, "]}"], i },
  }));
  for (const indent of [0, 1]) {
    const text = JSON.stringify(rows, null, indent);
    assert(text.length > 3 * 2 ** 18);
    const { values, offsets } = await readText(text);
    assertEquals(values, rows);
    const bytes = new TextEncoder().encode(text);
    for (const offset of offsets) assertEquals(bytes[offset], 0x7b);
  }
});

Deno.test("readJsonArray accepts an empty array and a byte order mark", async () => {
  assertEquals((await readText(" [\n] ")).values, []);
  assertEquals((await readText("\ufeff[{}]")).values, [{}]);
});

Deno.test("readJsonArray grows for an object longer than a piece", async () => {
  const long = { text: "y".repeat(2 ** 20) };
  assertEquals((await readText(JSON.stringify([{}, long, {}]))).values, [
    {},
    long,
    {},
  ]);
});

Deno.test("readJsonArray parses only what the filter lets through", async () => {
  const { values } = await readText('[{"a":1},{"a":nonsense},{"a":3}]', {
    filter: (text) => !text.includes("nonsense"),
  });
  assertEquals(values, [{ a: 1 }, { a: 3 }]);
});

Deno.test("readJsonArray reads NaN and infinities as null if told to", async () => {
  const text = '[{"a":NaN,"b":[-Infinity,Infinity],"NaN":"NaN, \\"NaN"}]';
  assertEquals((await readText(text, { nonFiniteAsNull: true })).values, [
    { a: null, b: [null, null], NaN: 'NaN, "NaN' },
  ]);
  await assertRejects(() => readText(text), SyntaxError, "row 0 is no JSON");
});

const FAULTS: Record<string, [text: string | Uint8Array, message: string]> = {
  "an empty file": ["", "at byte 0, the file is empty"],
  "a file without array": [
    '{"a":1}',
    'at byte 0, got "{", needed "[", the begin of an array of objects',
  ],
  "a web page": ["<html>", 'at byte 0, got "<"'],
  "an array of numbers": ["[1, 2]", 'at byte 1, got "1", needed "{" or "]"'],
  "a missing comma": ['[{"a":1} {"a":2}]', 'at byte 9, got "{"'],
  "a comma too many": ['[{"a":1},]', 'at byte 9, got "]"'],
  "an object with a fault": [
    '[{"é":1},{"b" 2}]',
    "at byte 15, row 1 is no JSON: Expected ':' after property name",
  ],
  "an end inside a row": [
    '[{"a":1},{"b":"',
    "at byte 15, the file ends inside row 1, which begins at byte 9; it may be truncated",
  ],
  "an end between rows": ['[{"a":1},', "at byte 9, the file ends"],
  "text behind the array": ["[{}]x", 'at byte 4, got "x", needed the end'],
  "bytes that are not UTF-8": [
    new Uint8Array([0x5b, 0x7b, 0x22, 0xff, 0x22, 0x7d, 0x5d]),
    "at byte 1, row 0 holds bytes that are not UTF-8",
  ],
  "zeros": [new Uint8Array(9), "at byte 0, got the byte 0x00"],
};

for (const [name, [text, message]] of Object.entries(FAULTS)) {
  Deno.test(`readJsonArray names file, byte and reason for ${name}`, async () => {
    const error = await assertRejects(() => readText(text), SyntaxError);
    assert(/^Cannot read ".*rows\.json": at byte /.test(error.message));
    assert(error.message.includes(message), error.message);
  });
}

Deno.test("readJsonArray refuses an object that never ends", async () => {
  const text = "[{" + " ".repeat(2 ** 24 + 2 ** 20);
  await assertRejects(
    () => readText(text),
    SyntaxError,
    "an object is longer than 16777216 bytes",
  );
});

Deno.test("readJsonArray names a file that is not there", async () => {
  await assertRejects(
    () => readJsonArray(".test/none.json", () => {}),
    Error,
    'Cannot read ".test/none.json": there is no such file',
  );
});

Deno.test("readJsonArray keeps memory bounded over 50 MB of sample_data", async () => {
  using folder = tinyFolder();
  const path = join(folder.path, "sample_data.json");
  const token = "0123456789abcdef0123456789abcdef";
  const perPiece = 2_000;
  const rows = (first: number) =>
    Array.from(
      { length: perPiece },
      (_, i) =>
        `{"token":"${token}","sample_token":"${token}","ego_pose_token":"${token}",` +
        `"calibrated_sensor_token":"${(first + i) % 70}","timestamp":${
          1_530_000_000_000_000 + first + i
        },"fileformat":"jpg","is_key_frame":true,"height":900,"width":1600,` +
        `"filename":"samples/CAM_FRONT/n015-2018-07-18-11-07-57__${
          first + i
        }.jpg",` +
        `"prev":"${token}","next":"${token}"}`,
    ).join(",\n");
  const pieces = 60;
  {
    using file = await Deno.open(path, { write: true, create: true });
    const encoder = new TextEncoder();
    for (let piece = 0; piece < pieces; piece++) {
      const text = (piece === 0 ? "[" : ",\n") + rows(piece * perPiece) +
        (piece === pieces - 1 ? "]" : "");
      const bytes = encoder.encode(text);
      for (let at = 0; at < bytes.length;) {
        at += await file.write(bytes.subarray(at));
      }
    }
  }
  const before = heldBytes();
  let peak = 0;
  let calls = 0;
  let kept = 0;
  const stats = await readJsonArray(path, () => kept++, {
    filter: (text) => text.includes('"calibrated_sensor_token":"7"'),
    progress: (bytes, total) => {
      calls++;
      assert(bytes <= total);
      peak = Math.max(peak, heldBytes() - before);
    },
  });
  assert(stats.bytes > 50e6, `${stats.bytes}`);
  assertEquals(stats.rows, pieces * perPiece);
  assertEquals(kept, Math.ceil((stats.rows - 7) / 70));
  assert(calls > 150);
  // Measured 1.8 to 15 MB, as garbage is collected sooner or later; text that
  // was kept would be all 50 MB.
  assert(peak < 25e6, `${(peak / 1e6).toFixed(1)} MB`);
});
