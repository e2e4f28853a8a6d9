import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  AutoencoderKL,
  DEMO_VAE,
  SD_VAE,
} from "../../core/encoders/autoencoder_kl.ts";
import { readSafetensors } from "../../core/formats/safetensors.ts";
import { noGrad } from "../../core/tensor/autograd.ts";
import { tensor, zeros } from "../../core/tensor/create.ts";
import { readFixture } from "../support/fixture.ts";
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
    const values = await got.read();
    let worst = 0;
    for (const [i, value] of values.entries()) {
      const error = Math.abs(value - wanted.data[i]!) /
        (1 + Math.abs(wanted.data[i]!));
      worst = Math.max(worst, error);
    }
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
