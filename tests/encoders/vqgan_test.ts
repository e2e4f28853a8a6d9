import { assert, assertEquals, assertThrows } from "@std/assert";
import { type VqganConfig, VqganEncoder } from "../../core/encoders/vqgan.ts";
import { slice } from "../../core/ops/concat.ts";
import { tensor } from "../../core/tensor/create.ts";
import { worstError } from "../support/array64.ts";
import { readFixture, withPrefix } from "../support/fixture.ts";
import {
  generatedImages,
  generatedWeights,
  weightsOf,
} from "../support/generated_weights.ts";
import { testGpu } from "../support/gpu.ts";

const SMALL: VqganConfig = {
  channels: 8,
  multipliers: [1, 2, 2],
  blocks: 2,
  latent: 12,
  groups: 4,
  crop: 32,
  inputSize: 28,
};

/** The fixtures are computed in float64. */
const TOLERANCE = 2e-5; // measured 2.7e-6, at full width

for (const batch of [3, 1]) {
  Deno.test(`VqganEncoder agrees with PyTorch on ${batch} frames`, async () => {
    const gpu = await testGpu();
    const fixture = await readFixture("vqgan_small");
    const before = gpu.memory().live;
    {
      using model = new VqganEncoder(SMALL);
      const state = Object.entries(withPrefix(fixture, "state."));
      // As in the published checkpoint, beside other networks.
      const dict = Object.fromEntries([
        ...state.map(([name, value]) => [`encoder.${name}`, value]),
        ["quantize.embedding.weight", fixture["y"]!],
      ]);
      await model.load(gpu, weightsOf(dict));
      using _ = gpu.scope();
      const data = generatedImages("vqgan frames", 3 * 28 * 28 * 3);
      const frames = tensor(gpu, data, [3, 28, 28, 3]);
      const y = model.encode(slice(frames, 0, 0, batch));
      assertEquals(y.shape, [batch, 12]);
      const wanted = fixture["y"]!.data.slice(0, 12 * batch);
      const error = worstError(await y.read(), wanted);
      assert(error <= TOLERANCE, `off by ${error.toExponential(1)}`);
    }
    assertEquals(gpu.memory().live, before);
  });
}

Deno.test("VqganEncoder agrees with PyTorch at full width on 64 x 64 pixels", async () => {
  const gpu = await testGpu();
  const fixture = await readFixture("vqgan_full");
  using model = new VqganEncoder();
  await model.load(gpu, generatedWeights(model));
  using _ = gpu.scope();
  const data = generatedImages("vqgan image", 64 * 64 * 3)
    .map((value) => 2 * value - 1);
  const map = model.forward(tensor(gpu, data, [1, 64, 64, 3]));
  assertEquals(map.shape, [1, 4, 4, 256]);
  const error = worstError(await map.read(), fixture["y"]!.data);
  assert(error <= TOLERANCE, `off by ${error.toExponential(1)}`);
});

Deno.test("VqganEncoder has the published names and 29,298,176 parameters", () => {
  const model = new VqganEncoder();
  assertEquals(model.parameterCount, 29_298_176);
  const names = new Map(
    [...model.namedParameters("encoder.")].map((
      [name, { shape }],
    ) => [name, shape]),
  );
  for (
    const [name, shape] of [
      ["conv_in.weight", [128, 3, 3, 3]],
      ["down.0.downsample.conv.weight", [128, 128, 3, 3]],
      ["down.2.block.0.nin_shortcut.weight", [256, 128, 1, 1]],
      ["down.4.attn.1.proj_out.weight", [512, 512, 1, 1]],
      ["mid.block_1.norm1.weight", [512]],
      ["mid.attn_1.q.weight", [512, 512, 1, 1]],
      ["mid.block_2.conv2.bias", [512]],
      ["norm_out.bias", [512]],
      ["conv_out.weight", [256, 512, 3, 3]],
    ] as const
  ) assertEquals(names.get(`encoder.${name}`), shape, name);
});

Deno.test("VqganEncoder refuses frames of another size", async () => {
  const gpu = await testGpu();
  using model = new VqganEncoder(SMALL);
  using _ = gpu.scope();
  const frames = tensor(gpu, new Float32Array(32 * 32 * 3), [1, 32, 32, 3]);
  assertThrows(() => model.encode(frames), RangeError, "(B, 28, 28, 3)");
});
