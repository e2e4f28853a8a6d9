import { assert, assertEquals, assertRejects } from "@std/assert";
import { key, readSafetensors, toFloat32 } from "../../mod.ts";

/** A file from a header and data, with any damage a test wants. */
function encode(
  header: unknown,
  data: Uint8Array = new Uint8Array(0),
): Uint8Array<ArrayBuffer> {
  const text = typeof header === "string" ? header : JSON.stringify(header);
  const json = new TextEncoder().encode(text);
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

Deno.test("readSafetensors converts every element type", async () => {
  const values = [0, 1, 2, 3];
  const arrays: Record<string, ArrayBufferView> = {
    F64: Float64Array.from(values),
    F32: Float32Array.from(values),
    F16: Float16Array.from(values),
    BF16: Uint16Array.from([0, 0x3f80, 0x4000, 0x4040]),
    I64: BigInt64Array.from(values.map(BigInt)),
    I32: Int32Array.from(values),
    U32: Uint32Array.from(values),
    I16: Int16Array.from(values),
    I8: Int8Array.from(values),
    U8: Uint8Array.from(values),
    BOOL: Uint8Array.from(values),
  };
  for (const [dtype, array] of Object.entries(arrays)) {
    const bytes = new Uint8Array(array.buffer as ArrayBuffer);
    const offsets = [0, bytes.length];
    const file = await readSafetensors(
      encode({ x: { dtype, shape: [2, 2], data_offsets: offsets } }, bytes),
    );
    assertEquals([...toFloat32(await file.read("x"))], values, dtype);
  }
});

const FLOAT = { dtype: "F32", shape: [1], data_offsets: [0, 4] };
const four = new Uint8Array(4);

const DAMAGED: Record<string, [Uint8Array<ArrayBuffer>, string]> = {
  "an empty file": [new Uint8Array(0), "it has 0 bytes"],
  "a huge header": [
    new Uint8Array(16).fill(255),
    "its header claims 18446744073709551615 bytes",
  ],
  "text that is no JSON": [encode("{"), "its header is no JSON"],
  "a header that is no object": [encode([1]), "no JSON object"],
  "a type that is no name": [
    encode({ x: { ...FLOAT, dtype: "f 32" } }, four),
    'unknown type "f 32"',
  ],
  "an unknown type that ends before it starts": [
    encode({ x: { ...FLOAT, dtype: "F8", data_offsets: [4, 0] } }, four),
    "ends at 0, before its start 4",
  ],
  "a header that is no UTF-8": [
    encode({ "n?me": FLOAT }, four).map((byte) => byte === 0x3f ? 0xe9 : byte),
    "its header is no UTF-8",
  ],
  "a header that begins with a byte order mark": [
    encode("\ufeff{}"),
    "its header is no JSON",
  ],
  "a type from the prototype": [
    encode({ x: { ...FLOAT, dtype: "toString" } }, four),
    "unknown type",
  ],
  "a negative length": [
    encode({ x: { ...FLOAT, shape: [-1] } }, four),
    "has shape [-1]",
  ],
  "a shape with null": [
    encode({ x: { ...FLOAT, shape: [null] } }, four),
    "has shape [null]",
  ],
  "offsets that do not fit the shape": [
    encode({ x: { ...FLOAT, shape: [2] } }, four),
    "has 4 bytes, its shape needs 8",
  ],
  "overlapping tensors": [
    encode({ x: FLOAT, y: FLOAT }, four),
    'tensor "y" starts at 0, expected 4',
  ],
  "a hole": [
    encode({ x: { ...FLOAT, data_offsets: [4, 8] } }, new Uint8Array(8)),
    "starts at 4, expected 0",
  ],
  "truncated data": [
    encode({ x: FLOAT }, new Uint8Array(3)),
    "take 4 bytes, the file holds 3",
  ],
};

for (const [what, [bytes, reason]] of Object.entries(DAMAGED)) {
  Deno.test(`readSafetensors refuses ${what}`, async () => {
    await assertRejects(() => readSafetensors(bytes), SyntaxError, reason);
  });
}

Deno.test("readSafetensors lists tensors of every type and refuses those it does not read by name", async () => {
  const types = ["F8_E4M3", "F8_E5M2", "F8_E8M0", "F4", "F6_E2M3", "C64", "X9"];
  const entries = types.map((dtype, i) => [
    `scale ${dtype}`,
    { dtype, shape: [2, 4], data_offsets: [4 + 3 * i, 7 + 3 * i] },
  ]);
  const file = await readSafetensors(
    encode(
      { x: FLOAT, ...Object.fromEntries(entries) },
      new Uint8Array(4 + 3 * types.length),
    ),
  );
  assertEquals([...toFloat32(await file.read("x"))], [0]);
  for (const dtype of types) {
    const name = `scale ${dtype}`;
    assertEquals(file.info(name)?.dtype, dtype);
    assertEquals(file.info(name)?.shape, [2, 4]);
    await assertRejects(
      () => file.read(name),
      SyntaxError,
      `tensor "${name}" is ${dtype}, which is not read`,
    );
  }
});

Deno.test("readSafetensors reads names beyond ASCII", async () => {
  const file = await readSafetensors(encode({ "naïve 😀": FLOAT }, four));
  assertEquals(file.names, ["naïve 😀"]);
});

Deno.test("readSafetensors reads or refuses every mutation of a file", async () => {
  const data = new Uint8Array(24);
  const whole = encode({
    __metadata__: { step: "1" },
    a: { dtype: "F32", shape: [2, 2], data_offsets: [0, 16] },
    b: { dtype: "F16", shape: [4], data_offsets: [16, 24] },
  }, data);
  const stream = key("fuzz", 0);
  let refused = 0;
  for (let i = 0; i < 3000; i++) {
    const bytes = whole.slice();
    for (let j = 0; j <= i % 3; j++) {
      const at = stream.integer(8 * i + 2 * j, bytes.length);
      bytes[at] = stream.integer(8 * i + 2 * j + 1, 256);
    }
    try {
      const file = await readSafetensors(bytes);
      for (const name of file.names) toFloat32(await file.read(name));
    } catch (error) {
      assert(error instanceof SyntaxError, `${error}`);
      refused++;
    }
  }
  assert(refused > 1000 && refused < 3000, `${refused} refused`);
});
