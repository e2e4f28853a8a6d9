import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import {
  cacheLatents,
  encodeLatents,
  type LatentJob,
  LatentStore,
  takeRows,
} from "../../core/data/latents.ts";
import { heldBytes } from "../support/memory.ts";
import { writeEmptyShards } from "../support/empty_shards.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

/** Seven frames of two values in shards of three. */
function job(directory: string, asked: number[]): LatentJob {
  return {
    directory,
    digest: "a",
    frames: 7,
    size: 2,
    shard: 3,
    encode: async function* (start, end) {
      asked.push(start);
      for (let row = start; row < end; row++) {
        yield await Promise.resolve(Float32Array.of(2 * row, 2 * row + 1));
      }
    },
  };
}

/** The bytes of every file of a folder, by name. */
async function filesOf(folder: string): Promise<Record<string, Uint8Array>> {
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  const files: Record<string, Uint8Array> = {};
  for (const name of names.sort()) {
    files[name] = await Deno.readFile(join(folder, name));
  }
  return files;
}

Deno.test("cacheLatents encodes once, and goes on where it was stopped", async () => {
  using folder = tinyFolder();
  const asked: number[] = [];
  const own = job(join(folder.path, "latents"), asked);
  let looks = 0;
  // Before rows 0 to 4, and then no more.
  const stopped = await cacheLatents({ ...own, shouldStop: () => ++looks > 5 });
  assertEquals(stopped, undefined);
  assertEquals(asked, [0, 3]);
  const progress: number[] = [];
  const first = await cacheLatents({
    ...own,
    progress: (done) => progress.push(done),
  });
  assertEquals(asked, [0, 3, 5, 6]);
  assertEquals(progress, [3, 5, 6, 7]);
  assertEquals(first?.encoded, 2);
  using latents = first?.latents;
  const values = Float32Array.from({ length: 14 }, (_, i) => i);
  assertEquals(latents?.read(0, 7), values);
  const second = await cacheLatents(own);
  using again = second?.latents;
  assertEquals(second?.encoded, 0);
  assertEquals(again?.read(0, 7), values);
  assertEquals(asked, [0, 3, 5, 6]);
});

Deno.test("encodeLatents cuts off what a kill tore, at any byte, and leaves equal files", async () => {
  using folder = tinyFolder();
  const whole = { ...job(join(folder.path, "whole"), []), frames: 3 };
  await encodeLatents(whole);
  const wanted = await filesOf(whole.directory);
  assertEquals(Object.keys(wanted), ["latents-00000.safetensors"]);

  const asked: number[] = [];
  const own = { ...job(join(folder.path, "torn"), asked), frames: 3 };
  const path = join(own.directory, "latents-00000.safetensors.begun");
  let looks = 0;
  await encodeLatents({ ...own, shouldStop: () => ++looks > 2 });
  const begun = await Deno.readFile(path);
  const record = 4 + 32 + 8;
  assertEquals(begun.length, 2 * record);
  const resume = async (bytes: Uint8Array, rows: number) => {
    await Deno.remove(own.directory, { recursive: true });
    await Deno.mkdir(own.directory);
    await Deno.writeFile(path, bytes);
    asked.length = 0;
    assertEquals(await encodeLatents(own), 3 - rows);
    assertEquals(asked, [rows]);
    assertEquals(await filesOf(own.directory), wanted);
  };
  for (let length = 0; length <= begun.length; length++) {
    await resume(begun.subarray(0, length), Math.floor(length / record));
  }
  // Blocks that were allocated but not written before the power went.
  for (const at of [0, 4, 36, record, record + 40]) {
    const damaged = Uint8Array.from(begun);
    damaged.fill(0xff, at, at + 4);
    await resume(damaged, Math.floor(at / record));
  }
  // Batches of other frames are not taken for these.
  asked.length = 0;
  await Deno.remove(own.directory, { recursive: true });
  looks = 0;
  const other = { ...own, digest: "b", shouldStop: () => ++looks > 2 };
  await encodeLatents(other);
  await encodeLatents(own);
  assertEquals(asked, [0, 0]);
  assertEquals(await filesOf(own.directory), wanted);
});

Deno.test("encodeLatents makes one share of the shards, and the shares are all", async () => {
  using folder = tinyFolder();
  const asked: number[] = [];
  const own = job(join(folder.path, "latents"), asked);
  const second = await encodeLatents({ ...own, share: { index: 1, of: 2 } });
  assertEquals([second, asked], [3, [3]]);
  await assertRejects(
    () => LatentStore.open(own),
    Error,
    "there is no such file",
  );
  const first = await encodeLatents({ ...own, share: { index: 0, of: 2 } });
  assertEquals([first, asked], [4, [3, 0, 6]]);
  using store = await LatentStore.open(own);
  assertEquals(store.read(0, 7).length, 14);
});

Deno.test("LatentStore reads ranges within and across shards, and single rows", async () => {
  using folder = tinyFolder();
  const own = job(join(folder.path, "latents"), []);
  (await cacheLatents(own))?.latents[Symbol.dispose]();
  using store = await LatentStore.open(own);
  assertEquals([store.frames, store.size], [7, 2]);
  for (let start = 0; start <= 7; start++) {
    for (let end = start; end <= 7; end++) {
      const wanted = Float32Array.from(
        { length: 2 * (end - start) },
        (_, i) => 2 * start + i,
      );
      assertEquals(store.read(start, end), wanted, `${start} to ${end}`);
    }
  }
  assertEquals([...takeRows(store, [6, 0, 3])], [12, 13, 0, 1, 6, 7]);
  assertThrows(() => store.read(5, 8), RangeError, "5 to 8: there are 7");
  assertThrows(() => store.read(-1, 2), RangeError, "-1 to 2: there are 7");
});

Deno.test("LatentStore reads from more shards than files that may be open", async () => {
  using folder = tinyFolder();
  const own = job(join(folder.path, "latents"), []);
  const many = { ...own, frames: 200, shard: 1 };
  const cached = await cacheLatents(many);
  using store = cached?.latents;
  for (let round = 0; round < 2; round++) {
    for (let row = 0; row < 200; row++) {
      assertEquals(
        store?.read(row, row + 1),
        Float32Array.of(2 * row, 2 * row + 1),
      );
    }
  }
});

Deno.test("LatentStore names a shard that is missing or was cut", async () => {
  using folder = tinyFolder();
  const own = job(join(folder.path, "latents"), []);
  await assertRejects(
    () => LatentStore.open(own),
    Error,
    "latents-00000.safetensors: there is no such file",
  );
  const cached = await cacheLatents(own);
  using store = cached?.latents;
  const path = join(own.directory, "latents-00001.safetensors");
  const { size } = await Deno.stat(path);
  await Deno.truncate(path, size - 4);
  assertThrows(() => store?.read(3, 6), Error, "it became shorter");
  await assertRejects(() => LatentStore.open(own), SyntaxError, path);
});

Deno.test("LatentStore holds little while it reads a gigabyte", async () => {
  using folder = tinyFolder();
  const shards = {
    directory: folder.path,
    digest: "a",
    frames: 65_536,
    size: 4096,
    shard: 8192,
  };
  await writeEmptyShards(shards);
  using store = await LatentStore.open(shards);
  const before = heldBytes();
  let peak = 0;
  for (let row = 0; row < shards.frames; row += 128) {
    store.read(row, row + 128);
    peak = Math.max(peak, heldBytes() - before);
  }
  // Measured 120 to 126 MB, all of it garbage; what is read is 1,074 MB.
  assert(peak < 300e6, `${(peak / 1e6).toFixed(1)} MB`);
});

Deno.test("cacheLatents refuses shards of other frames and wrong lengths", async () => {
  using folder = tinyFolder();
  const directory = join(folder.path, "latents");
  const own = job(directory, []);
  (await cacheLatents(own))?.latents[Symbol.dispose]();
  await assertRejects(
    () => cacheLatents({ ...own, digest: "b" }),
    Error,
    "they belong to other frames or another encoder",
  );
  await assertRejects(
    () =>
      cacheLatents({
        ...own,
        directory: join(folder.path, "other"),
        encode: async function* () {
          yield await Promise.resolve(new Float32Array(5));
        },
      }),
    Error,
    "the encoder gave 5 values, needed 6",
  );
  await assertRejects(
    () =>
      cacheLatents({
        ...own,
        directory: join(folder.path, "short"),
        encode: async function* () {
          yield await Promise.resolve(new Float32Array(4));
        },
      }),
    Error,
    "the encoder gave 4 values, needed 6",
  );
});
