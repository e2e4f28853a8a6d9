import { assert, assertEquals } from "@std/assert";
import { readNpy, readNpz } from "../../core/formats/npy.ts";
import { openBytes } from "../../core/formats/byte_source.ts";
import { readWeights } from "../../core/formats/weights.ts";
import { readZipDirectory, readZipEntry } from "../../core/formats/zip.ts";
import { philox4x32 } from "../../core/tensor/philox.ts";
import { heldBytes } from "../support/memory.ts";
import { formatUrl } from "../support/formats.ts";
import { join, zip } from "../support/zip.ts";

/** Damages of each fixture. */
const ROUNDS = 400;

/** Milliseconds that one file may take; most take under one. */
const SLOWEST = 2000;

/** Bytes that all damaged files together may add to the process. */
const MOST = 2 ** 29;

type Bytes = Uint8Array<ArrayBuffer>;

/** Numbers that readers trip over. */
const EXTREMES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 2 ** 31, 2 ** 32 - 1];

/** A damaged copy, a function of the round and the stream alone. */
function damage(bytes: Bytes, stream: number, round: number): Bytes {
  const draw = (i: number) => philox4x32([i, round, 0, 0], [stream, 20260101]);
  const [kind, count] = draw(0);
  let result: Bytes = bytes.slice();
  for (let i = 1; i <= 1 + count % 3; i++) {
    const [a, b, c] = draw(i);
    const at = a % Math.max(1, result.length);
    const room = result.length - at;
    switch ((kind + i) % 7) {
      case 0: // one bit
        result[at] = (result[at] ?? 0) ^ 1 << b % 8;
        break;
      case 1: // one byte
        result[at] = b;
        break;
      case 2: { // a number that is extreme
        const value = EXTREMES[b % EXTREMES.length] ?? 0;
        const view = new DataView(result.buffer);
        if (room >= 4) view.setUint32(at, value, true);
        if (room >= 8 && c % 2 === 0) view.setUint32(at + 4, value, true);
        break;
      }
      case 3: // the end is missing
        result = result.slice(0, at);
        break;
      case 4: // a piece is missing
        result = join([result.slice(0, at), result.slice(at + b % 16)]);
        break;
      case 5: // a piece comes twice
        result = join([result.slice(0, at + c % 64), result.slice(at)]);
        break;
      default: { // a piece is copied elsewhere
        const from = b % result.length;
        const piece = result.slice(from, from + c % 32).slice(0, room);
        result.set(piece, at);
      }
    }
    if (result.length === 0) break;
  }
  return result;
}

/** Opens a file and reads all of it. */
async function readAll(name: string, bytes: Bytes): Promise<void> {
  if (name.endsWith(".npy")) {
    await readNpy(bytes);
  } else if (name.endsWith(".npz")) {
    using file = await readNpz(bytes);
    for (const key of file.names) await file.read(key);
  } else {
    using file = await readWeights(bytes);
    for (const key of file.names) await file.read(key);
  }
}

/** The same archive, with its first pickle or npy damaged, checksums right. */
async function damageInside(
  bytes: Bytes,
  stream: number,
): Promise<(round: number) => Bytes> {
  using source = await openBytes(bytes);
  const fail = (reason: string): never => {
    throw new Error(reason);
  };
  const members: [string, Bytes][] = [];
  for (const [name, entry] of await readZipDirectory(source, fail)) {
    members.push([name, await readZipEntry(source, entry, fail)]);
  }
  const aims = members.map(([name], i) => ({ name, i })).filter(({ name }) =>
    /\.(pkl|npy)$/.test(name)
  );
  return (round) => {
    const aim = aims[round % aims.length]?.i;
    return zip(
      members.map(([name, data], i) =>
        [name, i === aim ? damage(data, stream, round) : data] as const
      ),
    );
  };
}

const fixtures: [string, Bytes][] = [];
for (const { name } of Deno.readDirSync(formatUrl("."))) {
  if (name.endsWith(".json")) continue;
  fixtures.push([name, Deno.readFileSync(formatUrl(name))]);
}
fixtures.push([
  "mlp.safetensors",
  Deno.readFileSync(formatUrl("../mlp.safetensors")),
]);
fixtures.sort(([a], [b]) => a < b ? -1 : 1);

/** Reads damaged copies; each is read or refused by an error of our own. */
async function check(
  name: string,
  make: (round: number) => Bytes,
): Promise<{ read: number; refused: number }> {
  let read = 0;
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = make(round);
    const start = performance.now();
    try {
      await readAll(name, bytes);
      read++;
    } catch (error) {
      const where = `${name}, round ${round}: ${error}`;
      assert(
        error instanceof SyntaxError && /^Cannot read .*"bytes"/.test(
          error.message,
        ),
        error instanceof Error ? `${where}\n${error.stack}` : where,
      );
      assert(error.message.length < 500, where);
      refused++;
    }
    const elapsed = performance.now() - start;
    assert(elapsed < SLOWEST, `${name}, round ${round}: ${elapsed} ms`);
  }
  return { read, refused };
}

Deno.test("readNpz and readWeights read a tensor whatever is damaged beside it", async () => {
  const npy = await Deno.readFile(formatUrl("version1.npy"));
  const wanted = (await readNpy(npy)).data;
  using state = await readWeights(formatUrl("beside.pt"));
  const weight = (await state.read("conv.weight")).bytes;
  using source = await openBytes(await Deno.readFile(formatUrl("beside.pt")));
  const fail = (reason: string): never => {
    throw new Error(reason);
  };
  const members: [string, Bytes][] = [];
  for (const [name, entry] of await readZipDirectory(source, fail)) {
    members.push([name, await readZipEntry(source, entry, fail)]);
  }
  for (let round = 0; round < ROUNDS; round++) {
    const [draw, flags] = philox4x32([round, 0, 0, 0], [9, 9]);
    const bytes = damage(npy, 2000, round);
    const odd = {
      bytes,
      isPacked: draw % 2 === 0,
      crc: flags,
      flags: flags & 0xffff,
      ...(draw % 3 === 0 && { method: draw % 100 }),
      extra: damage(Uint8Array.of(1, 0, 8, 0, 0, 0, 0, 0, 0, 0), 2002, round),
    };
    const label = damage(new TextEncoder().encode("odd.npy"), 2001, round);
    using file = await readNpz(
      zip([["x.npy", npy], ["odd.npy", { ...odd, label }]]),
    );
    assertEquals((await file.read("x")).data, wanted);
    // All storages but that of the weight, which is the second one.
    using torch = await readWeights(zip(members.map(([name, data]) => {
      const isBeside = /\/data\/\d+$/.test(name) && !name.endsWith("/data/1");
      return [
        name,
        isBeside
          ? { ...odd, bytes: damage(data, 2003, round) }
          : { bytes: data },
      ] as const;
    })));
    assertEquals((await torch.read("conv.weight")).bytes, weight);
  }
});

Deno.test("readWeights, readNpz and readNpy survive damaged files", async () => {
  const before = heldBytes();
  let files = 0;
  let refused = 0;
  for (const [stream, [name, bytes]] of fixtures.entries()) {
    const result = await check(name, (round) => damage(bytes, stream, round));
    files += result.read + result.refused;
    refused += result.refused;
  }
  assertEquals(files, ROUNDS * fixtures.length);
  assert(refused > files / 4 && refused < files, `${refused} of ${files}`);
  assert(heldBytes() - before < MOST);
});

Deno.test("readWeights and readNpz survive damage under valid checksums", async () => {
  const before = heldBytes();
  let files = 0;
  let refused = 0;
  for (const [stream, [name, bytes]] of fixtures.entries()) {
    if (bytes[0] !== 0x50 || bytes[1] !== 0x4b) continue;
    const make = await damageInside(bytes, 1000 + stream);
    const result = await check(name, make);
    files += result.read + result.refused;
    refused += result.refused;
  }
  assert(files > 2000, `${files}`);
  assert(refused > files / 4 && refused < files, `${refused} of ${files}`);
  assert(heldBytes() - before < MOST);
});
