import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  STAND_IN_CLIPS,
  STAND_IN_FRAMES,
  StandIn,
} from "../../core/encoders/stand_in.ts";
import { readWeights } from "../../core/formats/weights.ts";
import { encoderEntries } from "../../core/lab/encoder_entries.ts";
import { parameters } from "../../core/nn/parameters.ts";
import { concat, slice } from "../../core/ops/concat.ts";
import { tensor } from "../../core/tensor/create.ts";
import { uniform } from "../../core/tensor/random.ts";
import { key } from "../../core/tensor/philox.ts";
import { testGpu } from "../support/gpu.ts";

Deno.test("StandIn embeds each frame of a batch as alone, and a frame as a tubelet of it", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const network = new StandIn("small", { ...STAND_IN_CLIPS, blocks: 1 });
  using _store = parameters(gpu, network, { seed: 1 });
  const frames = uniform(gpu, [3, 64, 64, 3], key("frames", 0));
  const all = await network.encode(frames).read();
  const one = await network.encode(slice(frames, 0, 1, 2)).read();
  assertEquals(one.length, 64);
  for (const [i, value] of one.entries()) {
    assert(Math.abs(Number(value) - Number(all[64 + i])) < 1e-5);
  }
  const single = slice(frames, 0, 1, 2).reshape([1, 1, 64, 64, 3]);
  const twice = await network.encode(concat([single, single], 1)).read();
  assertEquals(twice, one);
  assertEquals(network.spatialTokens(frames).shape, [3, 16, 64]);
});

Deno.test("StandIn cuts patches row by row: a change in one patch changes one token before the blocks", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const network = new StandIn("small", STAND_IN_FRAMES);
  using _store = parameters(gpu, network, { seed: 2 });
  const plain = new Float32Array(64 * 64 * 3).fill(0.5);
  const other = plain.slice();
  // Row 17 and column 42 lie in patch (2, 5) of the 8 x 8 grid.
  other[(17 * 64 + 42) * 3 + 1] = 1;
  const tokens = async (values: Float32Array<ArrayBuffer>) => {
    const x = tensor(gpu, values, [1, 64, 64, 3]);
    return await network.embed(x).read() as Float32Array;
  };
  const [a, b] = [await tokens(plain), await tokens(other)];
  const changed = new Set<number>();
  for (const [i, value] of a.entries()) {
    if (value !== b[i]) changed.add(Math.floor(i / 64));
  }
  assertEquals([...changed], [2 * 8 + 5]);
});

Deno.test("StandIn says which shapes it takes", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const network = new StandIn("small_supervised");
  using _store = parameters(gpu, network);
  const clip = uniform(gpu, [1, 2, 64, 64, 3], key("frames", 0));
  assertThrows(
    () => network.encode(clip),
    RangeError,
    "Cannot encode (1, 2, 64, 64, 3) with small_supervised: needed (B, 64, 64, 3)",
  );
});

Deno.test("encoderEntries lists six encoders and two controls whose shipped weights fit", async () => {
  const entries = await encoderEntries();
  assertEquals(entries.map(({ name, clip }) => [name, clip]), [
    ["small_predictive_16", "sweeps"],
    ["small_predictive_1", undefined],
    ["small_distilled", undefined],
    ["small_contrastive", undefined],
    ["small_supervised", undefined],
    ["small_reconstruction", undefined],
    ["small_predictive_16_stutter", "keyframes"],
    ["small_predictive_16_still", "still"],
  ]);
  for (const entry of entries) {
    assert((await Deno.stat(entry.weights)).size < 2 ** 20, entry.name);
    using file = await readWeights(entry.weights);
    using network = entry.create();
    network.check(file);
    assert(entry.title.includes("ours") || entry.role === undefined);
  }
});
