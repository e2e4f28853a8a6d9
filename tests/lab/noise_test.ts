import { assertEquals, assertNotEquals } from "@std/assert";
import { windowNoise } from "../../core/lab/futures.ts";
import { key } from "../../core/tensor/philox.ts";
import { normal } from "../../core/tensor/random.ts";
import { testGpu } from "../support/gpu.ts";

/** Windows of scenes: so many of each, in the order of the scenes. */
function part(scenes: readonly string[], each: number) {
  return scenes.flatMap((scene) =>
    Array.from({ length: each }, (_, start) => ({ scene, start }))
  );
}

Deno.test("windowNoise depends on scene, frame, sample and seed, not on other windows, scenes or the batch", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const few = part(["scene-0003", "scene-0012"], 1);
  const many = part(["scene-0001", "scene-0003", "scene-0012"], 4);
  const keysOf = (of: typeof few) =>
    of.map((window) => key(...windowNoise("test sampling", 0, window)));
  const size = 2 * 16;
  const drawn = async (of: typeof few) =>
    await normal(gpu, [of.length, size], keysOf(of)).read();
  const small = await drawn(few);
  const large = await drawn(many);
  const row = (values: ArrayLike<number>, i: number) =>
    Array.from(values).slice(i * size, (i + 1) * size);
  assertEquals(row(small, 0), row(large, 4));
  assertEquals(row(small, 1), row(large, 8));
  const all = many.map((_, i) => row(large, i).join());
  assertEquals(new Set(all).size, all.length);
  const [window] = few;
  const first = windowNoise("test sampling", 0, window!);
  for (
    const other of [
      windowNoise("test sampling", 1, window!),
      windowNoise("further sampling", 0, window!),
      windowNoise("test sampling", 0, window!, 1),
    ]
  ) assertNotEquals(key(...other).normal(0), key(...first).normal(0));
});
