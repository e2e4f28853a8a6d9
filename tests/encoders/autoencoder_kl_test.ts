import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  AutoencoderKL,
  DEMO_VAE,
  SD_VAE,
} from "../../core/encoders/autoencoder_kl.ts";
import type { WeightSource } from "../../core/encoders/frozen.ts";
import { readSafetensors } from "../../core/formats/safetensors.ts";
import { noGrad } from "../../core/tensor/autograd.ts";
import { tensor, zeros } from "../../core/tensor/create.ts";
import { worstError } from "../support/array64.ts";
import { readFixture } from "../support/fixture.ts";
import {
  generatedImages,
  generatedWeights,
} from "../support/generated_weights.ts";
import { testGpu } from "../support/gpu.ts";

Deno.test("AutoencoderKL has the published counts and names", () => {
  const full = new AutoencoderKL(SD_VAE);
  assertEquals(full.parameterCount, 83_653_863);
  assertEquals(full.encoder.parameterCount, 34_163_592);
  assertEquals(full.decoder.parameterCount, 49_490_179);
  assertEquals(full.quantConv.parameterCount, 72);
  assertEquals(new AutoencoderKL(DEMO_VAE).parameterCount, 815_699);
  const names = new Map(
    [...full.namedParameters()].map(([name, { shape }]) => [name, shape]),
  );
  assertEquals(names.size, 248);
  const wanted: Record<string, number[]> = {
    "encoder.conv_in.weight": [128, 3, 3, 3],
    "encoder.down_blocks.1.resnets.0.conv_shortcut.weight": [256, 128, 1, 1],
    "encoder.down_blocks.2.downsamplers.0.conv.weight": [512, 512, 3, 3],
    "encoder.mid_block.attentions.0.to_out.0.weight": [512, 512],
    "decoder.up_blocks.2.resnets.0.conv1.weight": [256, 512, 3, 3],
    "decoder.up_blocks.3.resnets.2.norm2.bias": [128],
    "decoder.up_blocks.0.upsamplers.0.conv.bias": [512],
    "post_quant_conv.weight": [4, 4, 1, 1],
  };
  for (const [name, shape] of Object.entries(wanted)) {
    assertEquals(names.get(name), shape, name);
  }
});

Deno.test("AutoencoderKL with the demo's weights agrees with PyTorch at a size that is no square", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const fixture = await readFixture("demo_vae");
  const url = new URL(
    "../../fixtures/weights/demo_vae.safetensors",
    import.meta.url,
  );
  using file = await readSafetensors(url);
  const vae = new AutoencoderKL(DEMO_VAE);
  using weights = await vae.load(gpu, file);
  void weights;
  const { shape, data } = fixture.images!;
  const images = tensor(gpu, data).reshape(shape);
  const { mean, logvar } = noGrad(() => vae.posterior(images));
  const back = noGrad(() => vae.reconstruct(mean));
  // float32 through some 40 convolutions and norms.
  for (
    const [name, got] of Object.entries({ mean, logvar, reconstruction: back })
  ) {
    const wanted = fixture[name]!;
    assertEquals(got.shape, wanted.shape);
    const worst = worstError(await got.read(), wanted.data);
    assert(worst < 5e-5, `${name}: error ${worst}`);
  }
  const scaled = await noGrad(() => vae.encode(images)).read();
  const raw = await mean.read();
  assert(Math.abs(scaled[7]! - raw[7]! * DEMO_VAE.scalingFactor) < 1e-6);
});

Deno.test("AutoencoderKL refuses images whose sides its factor does not divide", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const vae = new AutoencoderKL(DEMO_VAE);
  assertThrows(
    () => vae.posterior(zeros(gpu, [1, 60, 64, 3])),
    RangeError,
    "multiples of 8",
  );
});

/** A file whose tensors have other names or shapes. */
function respelled(
  file: WeightSource,
  spell: (name: string) => string,
  isConvolution = false,
): WeightSource {
  const names = new Map(file.names.map((name) => [spell(name), name]));
  const shapeOf = (name: string) => {
    const { shape } = file.info(names.get(name) ?? "")!;
    const isAttention = name.includes("attn_1") && shape.length === 2;
    return isConvolution && isAttention ? [...shape, 1, 1] : shape;
  };
  return {
    names: [...names.keys()],
    info: (name) =>
      names.has(name) ? { dtype: "F32", shape: shapeOf(name) } : undefined,
    async read(name) {
      const tensor = await file.read(names.get(name) ?? "");
      return { ...tensor, shape: shapeOf(name) };
    },
  };
}

Deno.test("AutoencoderKL gives equal bits from all public namings", async () => {
  const gpu = await testGpu();
  const url = new URL(
    "../../fixtures/weights/demo_vae.safetensors",
    import.meta.url,
  );
  using file = await readSafetensors(url);
  const old = (name: string) =>
    name.replace(".to_q.", ".query.").replace(".to_k.", ".key.")
      .replace(".to_v.", ".value.").replace(".to_out.0.", ".proj_attn.");
  const latentDiffusion = (name: string) =>
    "first_stage_model." + name
      .replace(/up_blocks\.(\d)/, (_, i) => `up.${3 - Number(i)}`)
      .replace("down_blocks", "down").replace(".resnets.", ".block.")
      .replace("mid_block.block.0", "mid.block_1")
      .replace("mid_block.block.1", "mid.block_2")
      .replace("mid_block.attentions.0", "mid.attn_1")
      .replace("group_norm", "norm").replace(/to_([qkv])/, "$1")
      .replace("to_out.0", "proj_out").replace("conv_shortcut", "nin_shortcut")
      .replace("downsamplers.0", "downsample")
      .replace("upsamplers.0", "upsample").replace("conv_norm_out", "norm_out");
  const results: Float32Array[] = [];
  for (
    const source of [
      file,
      respelled(file, old),
      respelled(file, latentDiffusion, true),
    ]
  ) {
    using _ = gpu.scope();
    const vae = new AutoencoderKL(DEMO_VAE);
    using weights = await vae.load(gpu, source);
    void weights;
    const images = tensor(gpu, generatedImages("namings", 16 * 16 * 3))
      .reshape([1, 16, 16, 3]);
    const back = noGrad(() => vae.decode(vae.encode(images)));
    results.push(Float32Array.from(await back.read()));
  }
  assert(results[0]!.some((value) => value !== results[0]![0]));
  assertEquals(results[1], results[0]);
  assertEquals(results[2], results[0]);
});

Deno.test("AutoencoderKL agrees with PyTorch at full width, at a size that is no square", async () => {
  const gpu = await testGpu();
  const fixture = await readFixture("autoencoder_full");
  const before = gpu.memory().live;
  {
    const vae = new AutoencoderKL();
    using weights = await vae.load(gpu, generatedWeights(vae));
    void weights;
    using _ = gpu.scope();
    const data = generatedImages("autoencoder frames", 2 * 48 * 40 * 3)
      .map((value) => 2 * value - 1);
    const images = tensor(gpu, data).reshape([2, 48, 40, 3]);
    const { mean, logvar } = noGrad(() => vae.posterior(images));
    const reconstruction = noGrad(() => vae.reconstruct(mean));
    for (
      const [name, got] of Object.entries({ mean, logvar, reconstruction })
    ) {
      const wanted = fixture[name]!;
      assertEquals(got.shape, wanted.shape);
      const error = worstError(await got.read(), wanted.data);
      // Measured 1.8e-6, 2.7e-6 and 8.4e-6.
      assert(error < 3e-5, `${name} is off by ${error.toExponential(1)}`);
    }
  }
  assertEquals(gpu.memory().live, before);
});

Deno.test("AutoencoderKL says which network a wrong file looks like", () => {
  const vae = new AutoencoderKL(DEMO_VAE);
  assertThrows(
    () =>
      vae.check({
        names: ["encoder.layer.0.attention.query.weight"],
        info: () => undefined,
        read: () => Promise.reject(),
      }),
    TypeError,
    "their names look like V-JEPA 2",
  );
});
