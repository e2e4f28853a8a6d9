import { createWorldModel } from "../models/world_model.ts";
import { Adam, clipGradNorm, Ema } from "../nn/optimizer.ts";
import { backward } from "../tensor/autograd.ts";
import { zeros } from "../tensor/create.ts";
import type { Lab } from "./lab.ts";
import { framesAtOnce } from "./latents.ts";
import { modelOptions } from "./model_plan.ts";
import type { Mode } from "./models.ts";
import { imagesAtOnce } from "./networks.ts";

/** Kernels that are compiled together. */
export const KERNEL_SETS = ["encode", "train", "score"] as const;

/** Name of kernels that are compiled together. */
export type KernelSet = typeof KERNEL_SETS[number];

const MODES: readonly Mode[] = ["diffusion", "direct", "mlp"];

/**
 * Compiles what stages will dispatch, by doing it once on zeros. A driver that
 * keeps what it compiled on disk hands it to the other threads, each of which
 * would compile the same.
 *
 * @param lab networks and sizes
 * @param work whose kernels
 */
export async function compileKernels(
  lab: Lab,
  { set }: { readonly set: KernelSet },
): Promise<void> {
  const { size } = lab.params;
  const networks = await lab.networks();
  const pixels = size ** 2 * 3;
  if (set === "encode") {
    await networks.encode(new Uint8Array(framesAtOnce(size) * pixels));
  } else if (set === "score") {
    const own = networks.latentShape.reduce((a, b) => a * b, 1);
    const count = imagesAtOnce(size);
    await networks.decode(new Float32Array(count * own));
    const images = new Float32Array(count * pixels);
    await networks.features(images);
    await networks.perceptual?.distances(images, images);
  } else {
    for (const mode of MODES) await trainOnce(lab, mode);
  }
}

/** A training step of a model, and a prediction. */
async function trainOnce(lab: Lab, mode: Mode): Promise<void> {
  const { gpu, params } = lab;
  const { horizon, patch, batch, evalBatch, guidance } = params;
  const [channels, height, width] = (await lab.networks()).latentShape;
  const tokensPerFrame = height * width / patch ** 2;
  const patchDim = channels * patch ** 2;
  const sizes = { horizon, tokensPerFrame, patchDim };
  const recipe = "visible";
  using model = createWorldModel(
    gpu,
    modelOptions(params, sizes, { mode, recipe, seed: 0 }),
  );
  const windows = (count: number) => ({
    present: zeros(gpu, [count, tokensPerFrame, patchDim]),
    future: zeros(gpu, [count, horizon * tokensPerFrame, patchDim]),
    features: zeros(gpu, [
      count,
      horizon,
      params.learnedFrequencies ? 2 : 4 * params.frequencies,
    ]),
  });
  using _ = gpu.scope();
  const samples = Array.from({ length: batch }, (_, i) => i);
  backward(model.loss(windows(batch), { seed: 0, samples, actionDropout: 0 }));
  if (params.clip > 0) clipGradNorm(model.weights, params.clip, "dit");
  new Adam(model.weights, { lr: 0 }).step();
  new Ema(model.weights, params.ema).update();
  const given = windows(evalBatch);
  const future = mode === "diffusion"
    ? model.sample(given, given.future, { steps: 2, guidance })
    : model.predict(given);
  await future.read();
}
