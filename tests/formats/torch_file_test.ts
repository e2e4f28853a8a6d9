import { assert, assertEquals, assertRejects } from "@std/assert";
import { readTorchFile } from "../../core/formats/torch_file.ts";
import { heldBytes } from "../support/memory.ts";
import {
  contents,
  formatUrl,
  readExpected,
  wanted,
} from "../support/formats.ts";
import { join, type Member, zip } from "../support/zip.ts";

const EXPECTED = readExpected();

const SAME = [
  "zip.pt",
  "zip_protocol4.pt",
  "zip_packed.pt",
  "zip_big.pt",
  "zip64.pt",
  "cuda.pt",
  "cuda_legacy.pt",
  "legacy.pt",
  "nested.ckpt",
  "nested_legacy.ckpt",
];

for (const name of SAME) {
  Deno.test(`readTorchFile reads ${name} exactly`, async () => {
    using file = await readTorchFile(formatUrl(name));
    assertEquals(await contents(file), wanted(EXPECTED.state));
    for (const [key, { shape }] of Object.entries(EXPECTED.state)) {
      assertEquals(file.info(key)?.shape, shape);
    }
  });
}

Deno.test("readTorchFile reads a state dict of a module", async () => {
  using file = await readTorchFile(formatUrl("module.pth"));
  assertEquals(await contents(file), wanted(EXPECTED.script));
});

Deno.test("readTorchFile reads the parameters of TorchScript", async () => {
  using script = await readTorchFile(formatUrl("script.pt"));
  assertEquals(await contents(script), wanted(EXPECTED.script));
  using traced = await readTorchFile(formatUrl("traced.pt"));
  assertEquals(await contents(traced), wanted(EXPECTED.traced));
});

Deno.test("readTorchFile takes bytes, and reads at the same time", async () => {
  const bytes = await Deno.readFile(formatUrl("zip.pt"));
  for (const source of [bytes, formatUrl("zip.pt")]) {
    using file = await readTorchFile(source);
    const all = await Promise.all(file.names.map((name) => file.read(name)));
    const state = wanted(EXPECTED.state);
    all.forEach((tensor, i) => {
      const name = file.names[i] ?? "";
      assertEquals(tensor.shape, state[name]?.shape);
    });
    const [first] = file.names;
    assertEquals(first, "strided");
    assertEquals(
      [...new Float32Array(all[0]!.bytes.slice().buffer)],
      state["strided"]?.values,
    );
  }
});

Deno.test("readTorchFile keeps values that are no tensors as metadata", async () => {
  using file = await readTorchFile(formatUrl("nested.ckpt"));
  assertEquals(file.metadata, {
    epoch: "3",
    loss: "0.25",
    big: String(2n ** 80n),
    is_best: "true",
    "names.0": "a",
    "names.1": "b",
    "hyper.opts.0": "1",
    "hyper.opts.1": "2",
    "hyper.text": "naïve",
    "optimizer_states.0.lr": "0.001",
  });
});

Deno.test("readTorchFile reads another dict when told to", async () => {
  const url = formatUrl("nested.ckpt");
  using all = await readTorchFile(url, { root: "" });
  assert(all.names.includes("state_dict.strided"));
  assert(all.names.includes("optimizer_states.0.m.0"));
  using file = await readTorchFile(url, { root: "state_dict" });
  assertEquals(file.names, Object.keys(EXPECTED.state));
  await assertRejects(
    () => readTorchFile(url, { root: "state_dct" }),
    TypeError,
    'no "state_dct"',
  );
  await assertRejects(() => file.read("nothing"), TypeError, "it has strided");
});

Deno.test("readTorchFile reads of a large file only what is used", async () => {
  // 2 GB of zeros that take no room on the disk, beside two numbers.
  const path = `.test/formats-${crypto.randomUUID()}.pt`;
  const pickled = pickle(tensor({ key: "0", count: "J\x02\0\0\0" }));
  const small = zip([
    ["a/data.pkl", pickled],
    ["a/data/0", new Uint8Array(8)],
    ["a/data/1", new Uint8Array(0)],
  ]);
  const end = small.length - 22;
  const start = new DataView(small.buffer).getUint32(end + 16, true);
  const hole = 2 ** 31;
  await Deno.mkdir(".test", { recursive: true });
  try {
    {
      using file = await Deno.open(path, { write: true, create: true });
      await file.write(small.subarray(0, start));
      await file.seek(start + hole, Deno.SeekMode.Start);
      const tail = small.slice(start);
      const view = new DataView(tail.buffer);
      view.setUint32(tail.length - 22 + 16, start + hole, true);
      // The last entry's lengths are those of the hole.
      const last = tail.length - 22 - 46 - "a/data/1".length;
      view.setUint32(last + 20, hole, true);
      view.setUint32(last + 24, hole, true);
      await file.write(tail);
    }
    const before = heldBytes();
    using file = await readTorchFile(path);
    assertEquals((await file.read("w")).bytes.length, 8);
    assert(heldBytes() - before < 2 ** 27);
  } finally {
    await Deno.remove(path).catch(() => {});
  }
});

/** Bytes of a pickle, protocol 2, from its operations as Latin-1 text. */
function pickle(operations: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    `\x80\x02${operations}.`,
    (letter) => letter.charCodeAt(0),
  );
}

const text = (value: string) =>
  `X${String.fromCharCode(value.length & 255, value.length >> 8)}\0\0${value}`;

/** A dict with one tensor "w", of which some part is unusual. */
function tensor(
  {
    rebuild = "torch._utils\n_rebuild_tensor_v2",
    type = "torch\nFloatStorage",
    key = "0",
    count = "K\x02",
    offset = "K\0",
    shape = "K\x02\x85",
    strides = "K\x01\x85",
    rest = "",
  },
): string {
  return `}${text("w")}c${rebuild}\n((${text("storage")}c${type}\n` +
    `${text(key)}${text("cuda:0")}${count}tQ${offset}${shape}${strides}` +
    `\x89N${rest}tRs`;
}

function archive(
  operations: string,
  storage: Member | Uint8Array = new Uint8Array(8),
): Uint8Array<ArrayBuffer> {
  return zip([["a/data.pkl", pickle(operations)], ["a/data/0", storage]]);
}

Deno.test("readTorchFile reads classes of CUDA storages and untyped ones", async () => {
  const bytes = new Uint8Array(Float32Array.of(1.5, -2).buffer);
  const untyped = {
    rebuild: "torch._utils\n_rebuild_tensor_v3",
    type: "torch.storage\nUntypedStorage",
    count: "K\x08",
  };
  const cases: [string, string, number[]][] = [
    [tensor({ type: "torch.cuda\nFloatStorage" }), "F32", [1.5, -2]],
    [tensor({ ...untyped, rest: "ctorch\nfloat32\n" }), "F32", [1.5, -2]],
    [
      tensor({
        ...untyped,
        shape: "K\x01\x85",
        offset: "K\x01",
        rest: "ctorch\nuint32\n",
      }),
      "U32",
      [0xc0000000],
    ],
  ];
  for (const [operations, dtype, values] of cases) {
    using file = await readTorchFile(archive(operations, bytes));
    const { w } = await contents(file);
    assertEquals(w, { dtype, shape: [values.length], values });
  }
});

const huge = "\x8a\x07" + "\xff".repeat(6) + "\x0f"; // 2^52 - 1
const eight = new Uint8Array(8);
const good = tensor({});
/** The tensor without the dict around it. */
const alone = good.slice(1 + text("w").length, -1);

const DAMAGED: Record<string, [Uint8Array<ArrayBuffer>, string]> = {
  "an empty file": [new Uint8Array(0), "it has 0 bytes"],
  "another file": [new TextEncoder().encode("no pickle"), "opcode 0x6e"],
  "an unknown global": [
    archive("cos\nsystem\n(X\x04\0\0\0exittR"),
    'it asks for "os.system"',
  ],
  "a global by its stack": [
    archive(`${text("builtins")}${text("eval")}\x93`),
    'it asks for "builtins.eval"',
  ],
  "a global with a dotted name": [
    archive(`${text("torch")}${text("os.system")}\x93`),
    'it asks for "torch.os.system"',
  ],
  "a global that is no text": [archive("]]\x93"), "a name that is no text"],
  "an instance": [archive("(ios\nsystem\n"), "opcode 0x69"],
  "an extension code": [archive("\x82\x01"), "opcode 0x82"],
  "an offset beyond": [archive(tensor({ offset: "K\x01" })), "passes the 2"],
  "a negative offset": [
    archive(tensor({ offset: "J\xff\xff\xff\xff" })),
    "no valid shape",
  ],
  "a stride beyond": [
    archive(tensor({ strides: "K\x02\x85" })),
    "passes the 2",
  ],
  "a missing stride": [archive(tensor({ strides: ")" })), "lacks strides"],
  "a shape that is no number": [
    archive(tensor({ shape: "G\x7f\xf8\0\0\0\0\0\0\x85" })),
    "no valid shape",
  ],
  "a shape that overflows to nothing": [
    archive(tensor({
      shape: `(${huge.repeat(20)}K\0t`,
      strides: `(${"K\x01".repeat(21)}t`,
    })),
    "passes the 2",
  ],
  "a view that repeats without end": [
    archive(tensor({ shape: `${huge}\x85`, strides: "K\0\x85" })),
    "passes the 2",
  ],
  "a storage that is short": [archive(good, new Uint8Array(7)), "has 7 bytes"],
  "a storage that is long": [archive(good, new Uint8Array(12)), "has 12 bytes"],
  "a missing storage": [
    archive(tensor({ key: "9" })),
    'storage "9" is missing',
  ],
  "a storage outside": [
    archive(tensor({ key: "../../x" })),
    'storage "../../x" is missing',
  ],
  "an unknown storage": [
    archive(tensor({ type: "torch\nQInt8Storage" })),
    'tensor "w" is qint8, which is not read',
  ],
  "a storage of an unknown class": [
    archive(tensor({ type: "torch\nOddStorage" })),
    'has type "torch.OddStorage"',
  ],
  "a negated view": [
    archive(tensor({ rest: `}${text("neg")}\x88s` })),
    'tensor "w" is a negated view',
  ],
  "floats of 8 bits": [
    archive(tensor({
      rebuild: "torch._utils\n_rebuild_tensor_v3",
      type: "torch.storage\nUntypedStorage",
      count: "K\x08",
      rest: "ctorch\nfloat8_e4m3fn\n",
    })),
    'tensor "w" is float8_e4m3fn, which is not read',
  ],
  "a text that is no UTF-8": [
    archive("X\x02\0\0\0\xc3("),
    "a text at 7 that is no UTF-8",
  ],
  "a global that is no UTF-8": [archive("c\xc3(\nx\n"), "no UTF-8"],
  "an untyped storage without a type": [
    archive(tensor({ type: "torch.storage\nUntypedStorage", count: "K\x08" })),
    "no single type",
  ],
  "a storage of two types": [
    archive(good + "0" + tensor({ type: "torch\nIntStorage" })),
    "described in two ways",
  ],
  "a pickle that is cut off": [
    zip([["a/data.pkl", pickle(good).slice(0, -9)], ["a/data/0", eight]]),
    "its pickle is cut off",
  ],
  "a text of terabytes": [archive("\x8d\0\0\0\0\0\x10\0\0"), "is cut off"],
  "an integer of gigabytes": [
    archive("\x8b\xff\xff\xff\x7f"),
    "an integer of 2147483647 bytes",
  ],
  "an empty stack": [archive("0"), "pops nothing"],
  "a mark for a value": [archive("(a"), "takes a mark"],
  "an unknown memo": [archive("h\x07"), "memo"],
  "a list of itself": [archive("]q\0h\0a"), "nested more than 64 deep"],
  "a list that doubles": [
    archive("]" + "q\0]h\0ah\0a".repeat(40)),
    "more than 1048576 values",
  ],
  "a list nested deeply": [
    archive("]".repeat(100_000) + "a".repeat(99_999)),
    "nested more than 64 deep",
  ],
  "more lists than are read": [
    archive("]".repeat(2 ** 20 + 1)),
    "more than 1048576 lists",
  ],
  "more operations than are read": [
    archive("N0".repeat(2 ** 21)),
    "more than 4194304 operations",
  ],
  "two tensors of one name": [
    archive(
      `}${text("a.w")}${alone}s${text("a")}}${text("w")}${alone}ss`,
    ),
    'two tensors have the name "a.w"',
  ],
  "two pickles": [
    zip([["a/data.pkl", pickle(good)], ["b/data.pkl", pickle(good)]]),
    'it has 2 records "data.pkl"',
  ],
  "an unknown byte order": [
    zip([
      ["a/data.pkl", pickle(good)],
      ["a/data/0", eight],
      ["a/byteorder", new TextEncoder().encode("middle")],
    ]),
    'byte order is "middle"',
  ],
  "a name that leaves the archive": [
    zip([["../data.pkl", pickle(good)]]),
    "is no plain path",
  ],
  "an absolute name": [zip([["/a/data.pkl", pickle(good)]]), "no plain path"],
  "a name twice": [
    zip([["a/data.pkl", pickle(good)], ["a/data.pkl", pickle(good)]]),
    "appears twice",
  ],
  "another name in the header": [
    zip([["a/data.pkl", { bytes: pickle(good), localName: "a/data.pkx" }]]),
    "another name in its header",
  ],
  "entries that overlap": [
    zip([
      ["a/data.pkl", pickle(good)],
      ["a/data/0", { bytes: eight, offset: 4 }],
    ]),
    "overlaps what follows",
  ],
  "an entry beyond the end": [
    archive(good, { bytes: eight, offset: 2 ** 31 }),
    "overlaps what follows",
  ],
  "an entry longer than the file": [
    archive(good, { bytes: eight, size: 2 ** 31, packed: 2 ** 31 }),
    "overlaps what follows",
  ],
  "a bomb that claims more than deflate can": [
    archive(good, { bytes: eight, isPacked: true, size: 2 ** 31 }),
    "claims 2147483648 bytes",
  ],
  "a bomb that tells the truth": [
    archive(
      tensor({ count: "J\0\0\0\x05" }),
      { bytes: new Uint8Array(5 * 2 ** 26), isPacked: true },
    ),
    "store it unpacked",
  ],
  "a bomb that hides its size": [
    zip([["a/data.pkl", {
      bytes: new Uint8Array(2 ** 20),
      isPacked: true,
      size: 100,
    }]]),
    "does not unpack to 100 bytes",
  ],
  "a wrong checksum": [
    archive(good, { bytes: eight, crc: 1 }),
    "its checksum differs",
  ],
  "an encrypted entry": [
    archive(good, { bytes: eight, flags: 1 }),
    "is encrypted",
  ],
  "an archive that is cut off": [
    archive(good).slice(0, -1),
    "it has no zip directory",
  ],
  "an archive without a pickle": [
    zip([["a/b", eight]]),
    'it has 0 records "data.pkl"',
  ],
  "bytes after the last storage": [
    join([Deno.readFileSync(formatUrl("legacy.pt")), new Uint8Array(1)]),
    "it has 1 bytes too many",
  ],
  "a last storage that is cut off": [
    Deno.readFileSync(formatUrl("legacy.pt")).slice(0, -1),
    "it ends at",
  ],
  "a legacy file that is cut off early": [
    Deno.readFileSync(formatUrl("legacy.pt")).slice(0, 500),
    "it is cut off",
  ],
};

for (const [what, [bytes, reason]] of Object.entries(DAMAGED)) {
  Deno.test(`readTorchFile refuses ${what}`, async () => {
    const error = await assertRejects(async () => {
      using file = await readTorchFile(bytes);
      for (const name of file.names) await file.read(name);
    }, SyntaxError);
    assert(
      error.message.startsWith('Cannot read PyTorch file "bytes": '),
      error.message,
    );
    assert(error.message.includes(reason), error.message);
    assert(error.message.length < 500 && !error.message.includes("\n"));
  });
}

/** What `beside.pt` has as its state dict. */
const STATE = {
  "conv.weight": { dtype: "F32", shape: [2, 3], values: [0, 1, 2, 3, 4, 5] },
  "conv.bias": { dtype: "F32", shape: [2], values: [1.5, -2] },
};

for (const name of ["beside.pt", "beside_legacy.pt"]) {
  Deno.test(`readTorchFile finds the state dict of ${name} beside all that PyTorch saves`, async () => {
    using file = await readTorchFile(formatUrl(name));
    assertEquals(await contents(file), STATE);
    assertEquals(file.metadata["nested.model.epoch"], "3");
    assertEquals(file.metadata["scheduler.milestones.60"], "2");
    using all = await readTorchFile(formatUrl(name), { root: "" });
    assertEquals((await all.read("loss")).shape, []);
    assertEquals((await all.read("parameter")).shape, [2, 3]);
    const kinds = [
      ["quantized", "quantized", [2, 3]],
      ["channels", "quantized", [2, 3]],
      ["sparse", "sparse", [2, 2]],
      ["rows", "sparse", [2, 2]],
      ["complex", "C64", [2, 3]],
      ...(name === "beside.pt" ? [["meta", "without values", [2, 3]]] : []),
    ] as const;
    for (const [key, what, shape] of kinds) {
      assertEquals(all.info(key as string)?.shape, shape as readonly number[]);
      await assertRejects(
        () => all.read(key as string),
        SyntaxError,
        `tensor "${key}" is ${what}, which is not read`,
      );
    }
  });
}

Deno.test("readTorchFile finds a state dict at any depth", async () => {
  const dict = (entries: Record<string, string>): string =>
    "}" + Object.entries(entries).map(([key, value]) => `${text(key)}${value}s`)
      .join("");
  const state = dict({ "a.w": alone, "a.b": alone });
  const average = dict({ "a.w": alone });
  const optimizer = dict({ state: dict({ exp_avg: alone }) });
  const flat = ["a.w", "a.b"];
  const cases: [string, string[]][] = [
    [dict({ state_dict: state, loss: alone }), flat],
    [dict({ loss: alone, optimizer, model_state_dict: state }), flat],
    [dict({ model: dict({ module: dict({ net: state }) }), optimizer }), flat],
    [dict({ other: dict({ deep: state, epoch: "K\x01" }), optimizer }), flat],
    [dict({ ema: average, model: state }), flat],
    [dict({ ema: average, optimizer, loss: alone }), ["a.w"]],
    [dict({ "a.w": alone, "a.b": alone, optimizer, ema: average }), flat],
    [dict({ model: dict({ one: state, two: average }), loss: alone }), [
      "one.a.w",
      "one.a.b",
      "two.a.w",
    ]],
    [dict({ w: alone, b: alone }), ["w", "b"]],
    [dict({ w: alone, blocks: dict({ w: alone }) }), ["w", "blocks.w"]],
    [dict({ model: dict({ w: alone }), optimizer }), ["w"]],
    [`cx.y\nSettings\n)R}${text("m")}${state}sb0${state}`, flat],
  ];
  for (const [operations, names] of cases) {
    using file = await readTorchFile(archive(operations));
    assertEquals(file.names, names, operations);
    for (const name of names) await file.read(name);
  }
});

Deno.test("readTorchFile reads what old and new PyTorch write of tensors", async () => {
  const bytes = new Uint8Array(Float32Array.of(1.5, -2, 3).buffer);
  const storage = (view: string) =>
    `(${text("storage")}ctorch\nFloatStorage\n${text("0")}${text("cpu")}` +
    `K\x03${view}tQ`;
  const rest = "K\0K\x02\x85K\x01\x85";
  const rebuild = `ctorch._utils\n_rebuild_tensor\n(${storage("")}${rest}tR`;
  const put = (value: string) => `}${text("w")}${value}s`;
  const cases: [string, number[]][] = [
    [put(rebuild), [1.5, -2]],
    // A view of a storage, as before PyTorch 0.4.
    [put(rebuild.replace(storage(""), storage(`(${text("v")}K\x01K\x02t`))), [
      -2,
      3,
    ]],
    // A tensor that is filled by BUILD.
    [put(`ctorch\nFloatTensor\n)\x81(${storage("")}${rest}tb`), [1.5, -2]],
    [put(`ctorch.nn.parameter\nParameter\n${rebuild}\x88\x86\x81`), [1.5, -2]],
    [
      put(
        `ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor\n` +
          `ctorch\nTensor\n(${storage("")}${rest}t}tR`,
      ),
      [1.5, -2],
    ],
  ];
  for (const [operations, values] of cases) {
    using file = await readTorchFile(archive(operations, bytes));
    const { w } = await contents(file);
    assertEquals(w, { dtype: "F32", shape: [2], values });
  }
  await assertRejects(
    () =>
      readTorchFile(
        archive(
          put(
            rebuild.replace(storage(""), storage(`(${text("v")}K\x02K\x02t`)),
          ),
          bytes,
        ),
      ),
    SyntaxError,
    "a view passes the 3 elements",
  );
});

Deno.test("readTorchFile leaves out what nobody asked for, whatever it is", async () => {
  const lost = alone.replace(text("0"), text("9"));
  const odd = [
    "capex.optimizers\nFused\n)\x81}X\x01\0\0\0aK\x01sb", // an instance
    "cx\ny\n)R]a", // what is extended
    "cx\ny\n)R(K\x01K\x02u", // what is filled
    "cx\ny\n)R}\x92", // created by keywords
    "cbuiltins\ngetattr\ncx\ny\nX\x01\0\0\0z\x86R",
    "cx\ny\n", // a class itself
    `(${text("module")}cx\ny\nNNtQ`, // another identity than a storage's
    "U\x02\xff\xfe", // bytes of Python 2
    "X\x03\0\0\0\xed\xb2\x80", // half of a surrogate pair
    "\x96\x01\0\0\0\0\0\0\0a", // a bytearray of protocol 5
    lost, // a tensor whose storage is missing
  ];
  odd[3] = "cx\ny\n)}\x92";
  for (const value of odd) {
    const operations = `}${text("x")}${value}s${text("model")}${good}s`;
    using file = await readTorchFile(archive(operations));
    assertEquals(file.names, ["w"], value);
    await file.read("w");
  }
  using bad = await readTorchFile(
    archive(`}${text("x.lost")}${lost}s${text("x.w")}${alone}s`),
  );
  await bad.read("x.w");
  await assertRejects(() => bad.read("x.lost"), SyntaxError, '"9" is missing');
  // Members of the archive that are no part of the model.
  using other = await readTorchFile(zip([
    ["a/data.pkl", pickle(good)],
    ["a/data/0", eight],
    ["a/../notes", eight],
    ["a/data/1", { bytes: eight, flags: 1 }],
    ["a/code/x", { bytes: eight, method: 12 }],
  ]));
  await other.read("w");
});

Deno.test("readTorchFile refuses code that PyTorch would run", async () => {
  for (
    const [name, asked] of [
      ["evil.pt", "posix.system"],
      ["whole_module.pt", "__main__.Outer"],
    ] as const
  ) {
    const error = await assertRejects(
      () => readTorchFile(formatUrl(name)),
      SyntaxError,
      `it asks for "${asked}", which is not allowed`,
    );
    assert(error.message.includes(name));
  }
});
