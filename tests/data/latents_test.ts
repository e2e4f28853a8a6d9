import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { cacheLatents, type LatentJob } from "../../core/data/latents.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

/** Seven frames of two values in shards of three. */
function job(directory: string, asked: number[]): LatentJob {
  return {
    directory,
    digest: "a",
    frames: 7,
    size: 2,
    shard: 3,
    encode: (start, end) => {
      asked.push(start);
      const count = 2 * (end - start);
      return Promise.resolve(
        Float32Array.from({ length: count }, (_, i) => 2 * start + i),
      );
    },
  };
}

Deno.test("cacheLatents encodes once, and goes on where it was stopped", async () => {
  using folder = tinyFolder();
  const asked: number[] = [];
  const own = job(join(folder.path, "latents"), asked);
  let looks = 0;
  const stopped = await cacheLatents({ ...own, shouldStop: () => ++looks > 2 });
  assertEquals(stopped, undefined);
  assertEquals(asked, [0, 3]);
  const progress: number[] = [];
  const first = await cacheLatents({
    ...own,
    progress: (done) => progress.push(done),
  });
  assertEquals(asked, [0, 3, 6]);
  assertEquals(progress, [3, 6, 7]);
  assertEquals(first?.encoded, 1);
  assertEquals(first?.latents, Float32Array.from({ length: 14 }, (_, i) => i));
  const second = await cacheLatents(own);
  assertEquals(second?.encoded, 0);
  assertEquals(second?.latents, first?.latents);
});

Deno.test("cacheLatents refuses shards of other frames and wrong lengths", async () => {
  using folder = tinyFolder();
  const directory = join(folder.path, "latents");
  const own = job(directory, []);
  await cacheLatents(own);
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
        encode: () => Promise.resolve(new Float32Array(5)),
      }),
    Error,
    "the encoder gave 5 values, needed 6",
  );
});
