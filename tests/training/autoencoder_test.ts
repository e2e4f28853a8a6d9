import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { AutoencoderKL, DEMO_VAE } from "../../core/encoders/autoencoder_kl.ts";
import { parameters } from "../../core/nn/parameters.ts";
import { noGrad } from "../../core/tensor/autograd.ts";
import { tensor } from "../../core/tensor/create.ts";
import { key } from "../../core/tensor/philox.ts";
import {
  autoencoderLoss,
  measureAutoencoder,
  trainAutoencoder,
} from "../../core/training/autoencoder.ts";
import type { TrainingHooks } from "../../core/training/loop.ts";
import { testGpu } from "../support/gpu.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

const SIZE = 16;

/** Four frames of slopes. */
const frames = {
  size: SIZE,
  levels: Uint8Array.from({ length: 4 * SIZE * SIZE * 3 }, (_, i) => {
    const x = Math.floor(i / 3) % SIZE;
    const y = Math.floor(i / 3 / SIZE) % SIZE;
    const n = Math.floor(i / 3 / SIZE / SIZE);
    return 8 * x + (4 + n) * y + 20 * (i % 3);
  }),
};

const settings = { steps: 12, batch: 2, lr: 2e-3, warmup: 2, seed: 3 };

const hooks = (path: string, more: Partial<TrainingHooks> = {}) => ({
  checkpoint: path,
  digest: "test",
  progress: () => {},
  stepsAtOnce: 2,
  ...more,
});

Deno.test("autoencoderLoss is its definition", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const vae = new AutoencoderKL(DEMO_VAE);
  using store = parameters(gpu, vae, { seed: 1 });
  void store;
  const [B, H, W] = [2, 8, 16];
  const values = Float32Array.from(
    { length: B * H * W * 3 },
    (_, i) => Math.sin(i * 0.7) * 0.9,
  );
  const images = tensor(gpu, values).reshape([B, H, W, 3]);
  const streams = [key("a", 1), key("a", 2)];
  const got = await noGrad(() => autoencoderLoss(vae, images, streams)).item();

  const posterior = noGrad(() => vae.posterior(images));
  const z = noGrad(() => vae.sample(posterior, streams));
  const back = await noGrad(() => vae.reconstruct(z)).read();
  const [centre, logvar] = [
    await posterior.mean.read(),
    await posterior.logvar.read(),
  ];
  const error = (b: number, y: number, x: number, c: number) => {
    const i = ((b * H + y) * W + x) * 3 + c;
    return back[i]! - values[i]!;
  };
  const sums = { size: 0, square: 0, across: 0, down: 0 };
  for (let b = 0; b < B; b++) {
    for (let y = 0; y < H; y++) {
      for (let x = 0; x < W; x++) {
        for (let c = 0; c < 3; c++) {
          const e = error(b, y, x, c);
          sums.size += Math.abs(e);
          sums.square += e * e;
          if (x > 0) sums.across += Math.abs(e - error(b, y, x - 1, c));
          if (y > 0) sums.down += Math.abs(e - error(b, y - 1, x, c));
        }
      }
    }
  }
  const n = B * H * W * 3;
  let divergence = 0;
  for (const [i, m] of centre.entries()) {
    divergence += m * m + Math.exp(logvar[i]!) - 1 - logvar[i]!;
  }
  const wanted = sums.size / n + 0.5 * sums.square / n +
    0.6 * (sums.across / (B * H * (W - 1) * 3) +
        sums.down / (B * (H - 1) * W * 3)) +
    2e-3 * 0.5 * divergence / n;
  assert(Math.abs(got - wanted) < 1e-5 * (1 + wanted), `${got}, ${wanted}`);
});

Deno.test("trainAutoencoder learns, and goes on from a checkpoint to equal bits", async () => {
  const gpu = await testGpu();
  using folder = tinyFolder();
  const run = async (path: string, stopAfter?: number) => {
    const vae = new AutoencoderKL(DEMO_VAE);
    using store = parameters(gpu, vae, { seed: 1 });
    const before = await measureAutoencoder(gpu, vae, frames);
    let looks = 0;
    const curve = await trainAutoencoder(
      gpu,
      vae,
      store,
      frames,
      settings,
      hooks(path, {
        ...(stopAfter === undefined
          ? {}
          : { shouldStop: () => ++looks === stopAfter }),
      }),
    );
    const after = await measureAutoencoder(gpu, vae, frames);
    return { curve, before, after, values: await store.values.read() };
  };
  const whole = await run(join(folder.path, "whole.safetensors"));
  const losses = whole.curve?.loss ?? [];
  assertEquals(whole.curve?.step, [2, 4, 6, 8, 10, 12]);
  assert(losses.at(-1)! < 0.9 * losses[0]!, losses.join());
  assert(whole.after.psnr > whole.before.psnr, `${whole.after.psnr} dB`);
  assert(whole.after.latentSpread > 0);

  const path = join(folder.path, "stopped.safetensors");
  assertEquals((await run(path, 3)).curve, undefined);
  const resumed = await run(path);
  assertEquals(resumed.curve, whole.curve);
  assertEquals(resumed.values, whole.values);
});
