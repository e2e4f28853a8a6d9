import {
  Adam,
  AdamW,
  AutoencoderKL,
  backward,
  clipGradNorm,
  ClipVitB32,
  createWorldModel,
  DEMO_VAE,
  Ema,
  type Gpu,
  InceptionV3,
  key,
  noGrad,
  normal,
  parameters,
  type Tensor,
  VitS16,
} from "../../mod.ts";
import { loadFrozen } from "../../core/encoders/frozen.ts";
import {
  VJEPA2_VIT_L,
  VJepa2Layer,
  vjepa2Turns,
} from "../../core/encoders/vjepa2.ts";
import { autoencoderLoss } from "../../core/training/autoencoder.ts";
import { generatedWeights } from "../support/generated_weights.ts";
import type { BenchCase } from "./cases.ts";

const draw = (gpu: Gpu, shape: number[], index: number) =>
  normal(gpu, shape, key("bench", 2, index));

/** A repetition of a frozen network on one input. */
function frozen(
  shape: number[],
  load: (gpu: Gpu) => Promise<(x: Tensor) => Tensor>,
): BenchCase["prepare"] {
  return async (gpu) => {
    const apply = await load(gpu);
    const x = draw(gpu, shape, 0);
    return () => {
      using _ = gpu.scope();
      noGrad(() => apply(x));
    };
  };
}

/** Horizon, tokens, values of a token, width, blocks. */
type Sizes = readonly [number, number, number, number, number];

const PAPER: Sizes = [16, 64, 64, 256, 4];
const DEMO: Sizes = [4, 16, 16, 64, 2];

function worldModel(gpu: Gpu, sizes: Sizes, batch: number) {
  const [horizon, tokens, patchDim, dim, blocks] = sizes;
  const model = createWorldModel(gpu, {
    network: "dit",
    objective: "x0",
    horizon,
    tokens,
    patchDim,
    dim,
    blocks,
    heads: 4,
  });
  const windows = {
    present: draw(gpu, [batch, tokens, patchDim], 1),
    future: draw(gpu, [batch, horizon * tokens, patchDim], 2),
    features: draw(gpu, [batch, horizon, 256], 3),
  };
  return { model, windows };
}

function ditStep(sizes: Sizes, batch: number): BenchCase["prepare"] {
  return (gpu) => {
    const { model, windows } = worldModel(gpu, sizes, batch);
    const optimizer = new Adam(model.weights, { lr: 1e-4 });
    const ema = new Ema(model.weights, 0.999);
    const samples = Array.from({ length: batch }, (_, i) => i);
    return () => {
      using _ = gpu.scope();
      backward(model.loss(windows, { seed: 0, samples, actionDropout: 0.1 }));
      clipGradNorm(model.weights, 1, "dit");
      optimizer.step();
      ema.update();
    };
  };
}

function ditSample(sizes: Sizes, batch: number): BenchCase["prepare"] {
  return (gpu) => {
    const { model, windows } = worldModel(gpu, sizes, batch);
    const noise = draw(gpu, windows.future.shape.slice(), 4);
    return () => {
      using _ = gpu.scope();
      model.sample(windows, noise, { steps: 2, guidance: 2 });
    };
  };
}

/** Whole networks beside PyTorch's; see torch_networks.py. */
export const networkCases: readonly BenchCase[] = [
  {
    name: "inception 299 B8",
    atLeast: 0.4,
    aim: 1,
    flops: 8 * 11.4e9,
    prepare: frozen([8, 299, 299, 3], async (gpu) => {
      const model = new InceptionV3();
      await model.load(gpu, generatedWeights(model));
      return (x) => model.forward(x);
    }),
  },
  {
    name: "sd-vae encode 256",
    atLeast: 0.4,
    aim: 1,
    prepare: frozen([1, 256, 256, 3], async (gpu) => {
      const model = new AutoencoderKL();
      await model.load(gpu, generatedWeights(model));
      return (x) => model.encode(x);
    }),
  },
  {
    name: "sd-vae decode 256",
    atLeast: 0.4,
    aim: 1,
    prepare: frozen([1, 32, 32, 4], async (gpu) => {
      const model = new AutoencoderKL();
      await model.load(gpu, generatedWeights(model));
      return (z) => model.decode(z);
    }),
  },
  {
    name: "vit-s16 B8",
    atLeast: 0.4,
    aim: 1,
    flops: 8 * 9.2e9,
    prepare: frozen([8, 224, 224, 3], async (gpu) => {
      const model = new VitS16();
      await model.load(gpu, generatedWeights(model));
      return (x) => model.encode(x);
    }),
  },
  {
    name: "clip-b32 B8",
    atLeast: 0.4,
    aim: 1,
    flops: 8 * 8.7e9,
    prepare: frozen([8, 224, 224, 3], async (gpu) => {
      const model = new ClipVitB32();
      const own = generatedWeights(model);
      await loadFrozen(gpu, model, own, "");
      return (x) => model.encode(x);
    }),
  },
  {
    name: "vjepa2 layer 2048",
    atLeast: 0.4,
    aim: 1,
    flops: 2048 * (24 * 1024 ** 2 + 4 * 2048 * 1024),
    prepare: frozen([1, 2048, 1024], async (gpu) => {
      const layer = new VJepa2Layer(VJEPA2_VIT_L);
      await loadFrozen(gpu, layer, generatedWeights(layer), "");
      const turns = vjepa2Turns(gpu, 8, VJEPA2_VIT_L);
      return (x) => layer.forward(x, turns);
    }),
  },
  {
    name: "dit paper step B4",
    atLeast: 0.5,
    aim: 1,
    prepare: ditStep(PAPER, 4),
  },
  {
    name: "dit paper ddim B4",
    atLeast: 0.5,
    aim: 1,
    prepare: ditSample(PAPER, 4),
  },
  {
    name: "dit demo step B16",
    atLeast: 0,
    aim: 1,
    prepare: ditStep(DEMO, 16),
  },
  {
    name: "dit demo ddim B50",
    atLeast: 0,
    aim: 1,
    prepare: ditSample(DEMO, 50),
  },
  {
    name: "demo vae decode B16",
    atLeast: 0,
    aim: 1,
    prepare: frozen([16, 8, 8, 4], async (gpu) => {
      const model = new AutoencoderKL(DEMO_VAE);
      await model.load(gpu, generatedWeights(model));
      return (z) => model.decode(z);
    }),
  },
  {
    name: "demo vae encode B16",
    atLeast: 0,
    aim: 1,
    prepare: frozen([16, 64, 64, 3], async (gpu) => {
      const model = new AutoencoderKL(DEMO_VAE);
      await model.load(gpu, generatedWeights(model));
      return (x) => model.encode(x);
    }),
  },
  {
    name: "demo vae step B16",
    atLeast: 0,
    aim: 1,
    prepare: (gpu) => {
      const model = new AutoencoderKL(DEMO_VAE);
      const weights = parameters(gpu, model, { seed: 0 });
      const optimizer = new AdamW(weights, { lr: 1e-4 });
      const ema = new Ema(weights, 0.998);
      const images = draw(gpu, [16, 64, 64, 3], 0);
      const noise = Array.from({ length: 16 }, (_, i) => key("noise", i));
      return () => {
        using _ = gpu.scope();
        backward(autoencoderLoss(model, images, noise));
        clipGradNorm(weights, 1);
        optimizer.step();
        ema.update();
      };
    },
  },
];
