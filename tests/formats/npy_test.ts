import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type NpyArray,
  type NpyInput,
  type NpyStream,
  readNpy,
  readNpz,
  writeNpz,
} from "../../core/formats/npy.ts";
import { type Expected, formatUrl, readExpected } from "../support/formats.ts";
import { join, type Member, zip } from "../support/zip.ts";

const EXPECTED = readExpected().arrays;

/** Both sides as texts: integers of 64 bits pass what JSON holds. */
function check(array: NpyArray, expected: Expected | undefined, name: string) {
  assert(expected !== undefined, name);
  assertEquals(array.dtype, expected.dtype, name);
  assertEquals([...array.shape], [...expected.shape], name);
  const values = expected.values.map((value) =>
    typeof value === "boolean" ? Number(value) : value
  );
  assertEquals([...array.data].map(String), values.map(String), name);
}

for (const name of ["arrays.npz", "arrays_packed.npz"]) {
  Deno.test(`readNpz reads ${name} exactly`, async () => {
    using file = await readNpz(formatUrl(name));
    assertEquals([...file.names], Object.keys(EXPECTED));
    for (const key of file.names) {
      const array = await file.read(key);
      check(array, EXPECTED[key], key);
      const info = file.info(key);
      assertEquals(info, { dtype: array.dtype, shape: array.shape });
    }
  });

  Deno.test(`readNpz reads rows of ${name}`, async () => {
    using file = await readNpz(formatUrl(name));
    for (const key of ["f4", "fortran_f8", "big_f2", "text", "fortran_text"]) {
      const whole = await file.read(key);
      const [rows = 0, ...rest] = whole.shape;
      const inner = rest.reduce((n, m) => n * m, 1);
      const part = await file.readRows(key, 1, rows - 1);
      assertEquals(part.shape, [rows - 1, ...rest]);
      assertEquals([...part.data], [...whole.data].slice(inner), key);
    }
    await assertRejects(() => file.readRows("f4", 1, 2), RangeError, "2 rows");
    await assertRejects(() => file.readRows("scalar", 0, 1), RangeError);
    await assertRejects(() => file.read("nothing"), TypeError, "it has f2");
  });
}

Deno.test("readNpy reads every version, order and rank", async () => {
  for (
    const [file, key] of [
      ["version1", "f4"],
      ["version2", "f4"],
      ["version3", "f4"],
      ["fortran", "fortran_f8"],
      ["scalar", "scalar"],
      ["text", "text"],
    ] as const
  ) {
    const url = formatUrl(`${file}.npy`);
    check(await readNpy(url), EXPECTED[key], file);
    check(await readNpy(await Deno.readFile(url)), EXPECTED[key], file);
  }
});

Deno.test("readNpy refuses objects, records and complex numbers", async () => {
  for (
    const [file, reason] of [
      ["objects", "Python objects, which are never read"],
      ["records", "records, which are not read"],
      ["complex", '"<c8", which is not read'],
    ] as const
  ) {
    const error = await assertRejects(
      () => readNpy(formatUrl(`${file}.npy`)),
      SyntaxError,
      reason,
    );
    assert(error.message.includes(`${file}.npy`));
  }
});

/** An npy file from its header and data. */
function encode(
  header: string,
  data = 8,
  version = 1,
  length = header.length,
): Uint8Array<ArrayBuffer> {
  const from = version === 1 ? 10 : 12;
  const bytes = new Uint8Array(from + header.length + data);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  const view = new DataView(bytes.buffer);
  if (version === 1) view.setUint16(8, length, true);
  else view.setUint32(8, length, true);
  bytes.set(new TextEncoder().encode(header), from);
  return bytes;
}

const dict = (descr: string, shape: string) =>
  `{'descr': ${descr}, 'fortran_order': False, 'shape': ${shape}, }\n`;

const DAMAGED: Record<string, [Uint8Array<ArrayBuffer>, string]> = {
  "an empty file": [new Uint8Array(0), "does not begin as an npy file"],
  "another file": [new Uint8Array(99), "does not begin as an npy file"],
  "an unknown version": [encode(dict("'<f4'", "(2,)"), 8, 4), "version is 4.0"],
  "a huge header": [
    encode(dict("'<f4'", "(2,)"), 8, 2, 2 ** 31),
    "its header claims 2147483648 bytes",
  ],
  "a header that is cut off": [
    encode(dict("'<f4'", "(2,)"), 0, 1, 500),
    "it is cut off",
  ],
  "a header that is no dict": [encode("[1]"), "its header is no dict"],
  "code in a header": [
    encode("{'descr': __import__('os'), }"),
    "cannot be parsed",
  ],
  "a key twice": [encode("{'a': True, 'a': True}"), 'has "a" twice'],
  "a missing key": [encode("{'shape': (2,)}"), "needs descr"],
  "text after the dict": [encode(dict("'<f4'", "(2,)") + "x"), "more than"],
  "a negative shape": [encode(dict("'<f4'", "(-2,)")), "cannot be parsed"],
  "a shape that is no number": [
    encode(dict("'<f4'", "(nan,)")),
    "cannot be parsed",
  ],
  "a shape that overflows": [
    encode(dict("'<f4'", "(4294967296, 4294967296, 0)")),
    "is too large",
  ],
  "a shape of terabytes": [
    encode(dict("'<f4'", "(1099511627776,)")),
    "needs 4398046511104 bytes, it has 8",
  ],
  "too few numbers": [encode(dict("'<f4'", "(3,)")), "needs 12 bytes"],
  "too many numbers": [encode(dict("'<f4'", "(1,)")), "needs 4 bytes"],
  "texts without end": [
    encode(dict("'<U0'", "(1099511627776,)"), 0),
    "empty texts",
  ],
  "a header that is no UTF-8": [
    encode(dict("'<f4'", "(2,)") + "?", 8, 3)
      .map((byte) => byte === 0x3f ? 0xe9 : byte),
    "its header is no UTF-8",
  ],
  "dates": [encode(dict("'<M8[ns]'", "(1,)")), '"<M8[ns]", which is not read'],
};

for (const [what, [bytes, reason]] of Object.entries(DAMAGED)) {
  Deno.test(`readNpy refuses ${what}`, async () => {
    const error = await assertRejects(() => readNpy(bytes), SyntaxError);
    assert(error.message.startsWith('Cannot read npy file "bytes": '));
    assert(error.message.includes(reason), error.message);
    const file = zip([["x.npy", { bytes, isPacked: true }]]);
    await assertRejects(async () => {
      using archive = await readNpz(file);
      await archive.read("x");
    }, SyntaxError);
  });
}

Deno.test("readNpz reads an array beside anything else", async () => {
  const good = encode(dict("'|u1'", "(8,)"));
  const objects = await Deno.readFile(formatUrl("objects.npy"));
  const bytes = new Uint8Array(8);
  const name = Uint8Array.of(0xff, 0xfe, 0x2e, 0x6e, 0x70, 0x79);
  const others: Record<string, [string, Member | Uint8Array, string]> = {
    "objects": ["o.npy", objects, "Python objects, which are never read"],
    "records": [
      "r.npy",
      await Deno.readFile(formatUrl("records.npy")),
      "records, which are not read",
    ],
    "dates": ["d.npy", DAMAGED["dates"]![0], "which is not read"],
    "an array that is cut off": ["c.npy", good.slice(0, 20), "cut off"],
    "what is no array": ["n.npy", bytes, "does not begin as an npy file"],
    "an encrypted array": ["e.npy", { bytes, flags: 1 }, "is encrypted"],
    "a method of packing": ["m.npy", { bytes, method: 93 }, "by method 93"],
    "a name that leaves": ["../x.npy", good, "is no plain path"],
    "a name of Windows": ["a\\b.npy", good, "is no plain path"],
    "an absolute name": ["/x.npy", good, "is no plain path"],
    "a name that is no UTF-8": [
      "\ufffd\ufffd.npy",
      { bytes: good, label: name, flags: 0x800 },
      "has a name that is no UTF-8",
    ],
    "another name in the header": [
      "h.npy",
      { bytes: good, localName: "i.npy" },
      "another name in its header",
    ],
    "a damaged field": [
      "f.npy",
      { bytes: good, extra: Uint8Array.of(1, 0, 99, 0) },
      "has a damaged field",
    ],
    "a missing length of zip64": [
      "z.npy",
      { bytes: good, size: 2 ** 32 - 1, extra: Uint8Array.of(1, 0, 0, 0) },
      "has a damaged field",
    ],
    "a bomb": [
      "b.npy",
      { bytes, isPacked: true, size: 2 ** 31 },
      "claims 2147483648 bytes",
    ],
    "a place beyond": ["p.npy", { bytes: good, offset: 2 ** 31 }, "overlaps"],
  };
  for (const [what, [entry, member, reason]] of Object.entries(others)) {
    using file = await readNpz(zip([
      ["x.npy", good],
      ["README.txt", { bytes, flags: 1 }],
      ["folder/", new Uint8Array(0)],
      [entry, member],
    ]));
    const key = entry.replace(/\.npy$/, "");
    assertEquals(file.names, ["x", key], what);
    assertEquals((await file.read("x")).data, bytes, what);
    assertEquals((await file.readRows("x", 1, 2)).data.length, 2, what);
    assertEquals(file.info(key), undefined, what);
    for (const read of [file.read(key), file.readRows(key, 0, 1)]) {
      const error = await assertRejects(() => read, SyntaxError, reason);
      assert(error.message.includes(JSON.stringify(key)), error.message);
    }
  }
  // Code page 437 without the flag for UTF-8, as PKWARE's appendix D says.
  using old = await readNpz(zip([
    ["", {
      bytes: good,
      label: Uint8Array.of(0x81, 0xe1, 0x2e, ...[110, 112, 121]),
    }],
  ]));
  assertEquals(old.names, ["üß"]);
  assertEquals((await old.read("üß")).data, bytes);
  using utf8 = await readNpz(zip([["üß.npy", { bytes: good, flags: 0x800 }]]));
  assertEquals(utf8.names, ["üß"]);
});

Deno.test("readNpz reads what Python's zipfile writes as a stream", async () => {
  // Lengths and checksum stand behind the data and in the directory only.
  const bytes = zip([["x.npy", encode(dict("'|u1'", "(8,)"))]]);
  const view = new DataView(bytes.buffer);
  const end = bytes.length - 22;
  const start = view.getUint32(end + 16, true);
  const descriptor = new Uint8Array(16);
  descriptor.set([0x50, 0x4b, 7, 8]);
  descriptor.set(bytes.slice(start + 16, start + 28), 4);
  view.setUint16(6, 8, true);
  bytes.fill(0, 14, 26);
  view.setUint16(start + 8, 8, true);
  view.setUint32(end + 16, start + 16, true);
  using file = await readNpz(
    join([bytes.slice(0, start), descriptor, bytes.slice(start)]),
  );
  assertEquals((await file.read("x")).data, new Uint8Array(8));
});

async function folder<T>(use: (path: string) => Promise<T>): Promise<T> {
  const path = `.test/npy-${crypto.randomUUID()}`;
  await Deno.mkdir(path, { recursive: true });
  try {
    return await use(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

Deno.test("writeNpz writes what readNpz reads, of every type", async () => {
  await folder(async (path) => {
    using file = await readNpz(formatUrl("arrays.npz"));
    const arrays: Record<string, NpyInput> = {};
    for (const name of file.names) arrays[name] = await file.read(name);
    await writeNpz(`${path}/a.npz`, arrays);
    await writeNpz(`${path}/b.npz`, arrays);
    using copy = await readNpz(`${path}/a.npz`);
    assertEquals(copy.names, file.names);
    for (const name of copy.names) {
      check(await copy.read(name), EXPECTED[name], name);
    }
    const a = await Deno.readFile(`${path}/a.npz`);
    assertEquals(a, await Deno.readFile(`${path}/b.npz`));
  });
});

Deno.test("writeNpz equals the bytes that numpy writes", async () => {
  await folder(async (path) => {
    using file = await readNpz(formatUrl("arrays.npz"));
    const f4 = await file.read("f4");
    await writeNpz(`${path}/a.npz`, { f4 });
    const bytes = await Deno.readFile(`${path}/a.npz`);
    const npy = await Deno.readFile(formatUrl("version1.npy"));
    const start = 30 + "f4.npy".length;
    const part = bytes.slice(start, start + npy.length);
    // numpy may pad its header to another multiple of 64.
    assertEquals(part.slice(-96), npy.slice(-96));
    assertEquals((await readNpy(part)).data, f4.data);
  });
});

Deno.test("writeNpz takes arrays that come in parts", async () => {
  await folder(async (path) => {
    async function* chunks() {
      for (let i = 0; i < 100; i++) {
        await Promise.resolve();
        yield new Float32Array(1000).fill(i);
      }
    }
    async function* arrays() {
      yield [
        "x",
        { dtype: "f4", shape: [100, 1000], chunks: chunks() },
      ] as const;
      await Promise.resolve();
      yield ["y/z", { shape: [], data: ["end"] }] as const;
    }
    const target = `${path}/a.npz`;
    await writeNpz(target, arrays());
    using file = await readNpz(target);
    assertEquals(file.names, ["x", "y/z"]);
    const { data } = await file.read("x");
    assertEquals(
      data,
      Float32Array.from({ length: 1e5 }, (_, i) => i / 1e3 | 0),
    );
    const row = await file.readRows("x", 70, 1);
    assertEquals(row.data, new Float32Array(1000).fill(70));
    assertEquals((await file.read("y/z")).data, ["end"]);
  });
});

Deno.test("writeNpz refuses what does not fit and leaves no file", async () => {
  await folder(async (path) => {
    const target = `${path}/a.npz`;
    const data = new Float32Array(4);
    const write = (
      name: string,
      array: NpyInput | NpyStream,
    ) => writeNpz(target, { [name]: array });
    await assertRejects(
      () => write("x", { shape: [3], data }),
      RangeError,
      "shape (3) needs 3 elements, got 4",
    );
    await assertRejects(
      () => write("x", { shape: [NaN], data }),
      RangeError,
      "its shape is (NaN)",
    );
    for (const name of ["", "../x", "/x", "a\\b", "C:x"]) {
      await assertRejects(
        () => write(name, { shape: [4], data }),
        TypeError,
        "no plain path",
      );
    }
    for (const count of [1, 3]) {
      await assertRejects(
        () =>
          write("x", {
            dtype: "f4",
            shape: [2, 4],
            chunks: Array.from({ length: count }, () => data),
          }),
        RangeError,
        `needs 8 elements, got ${4 * count}`,
      );
    }
    await assertRejects(
      () => write("x", { dtype: "f8", shape: [4], chunks: [data] }),
      TypeError,
      "a part is f4, needed f8",
    );
    assertEquals([...Deno.readDirSync(path)], []);
  });
});
