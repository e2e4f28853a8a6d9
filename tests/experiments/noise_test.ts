import { assertEquals, assertNotEquals } from "@std/assert";
import { windowNoise } from "../../experiments/frontier/sample.ts";
import { normal } from "../../core/tensor/random.ts";
import { testGpu } from "../support/gpu.ts";

/** Windows of scenes: so many of each, in the order of the scenes. */
function part(scenes: readonly string[], each: number) {
  return {
    scenes: scenes.flatMap((scene) => Array<string>(each).fill(scene)),
    starts: scenes.flatMap(() => Array.from({ length: each }, (_, i) => i)),
  };
}

Deno.test("windowNoise depends on scene, frame, sample and seed, not on other windows, scenes or the batch", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const few = part(["scene-0003", "scene-0012"], 1);
  const many = part(["scene-0001", "scene-0003", "scene-0012"], 4);
  const keysOf = (of: typeof few) =>
    of.scenes.map((_, i) => windowNoise("test sampling", 0, of, i));
  const size = 2 * 16;
  const drawn = async (of: typeof few) =>
    await normal(gpu, [of.scenes.length, size], keysOf(of)).read();
  const small = await drawn(few);
  const large = await drawn(many);
  const row = (values: ArrayLike<number>, i: number) =>
    Array.from(values).slice(i * size, (i + 1) * size);
  assertEquals(row(small, 0), row(large, 4));
  assertEquals(row(small, 1), row(large, 8));
  const all = many.scenes.map((_, i) => row(large, i).join());
  assertEquals(new Set(all).size, all.length);
  const first = windowNoise("test sampling", 0, few, 0).normal(0);
  for (
    const other of [
      windowNoise("test sampling", 1, few, 0),
      windowNoise("further sampling", 0, few, 0),
      windowNoise("test sampling", 0, few, 0, 1),
    ]
  ) assertNotEquals(other.normal(0), first);
});
