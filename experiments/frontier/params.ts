import { z } from "zod";
import type { StageContext } from "../../core/experiment/experiment.ts";

/** Widest attention head of the kernels. */
const MAX_HEAD = 64;

/** Diffusion steps, which sampling steps divide. */
const DIFFUSION_STEPS = 1000;

/** Every parameter of the frontier experiment, with its unit. */
export const frontierParams = z.strictObject({
  recipe: z.enum(["visible", "paper", "both"]).describe(
    "visible: the network sees the present token by token; paper: as published, it does not; both: one after the other",
  ),
  seeds: z.array(z.int().min(0)).min(1).refine(
    (seeds) => new Set(seeds).size === seeds.length,
    "it needs each seed once",
  ).describe(
    "seeds of weights, order and noise, one training each",
  ),
  size: z.int().min(16).multipleOf(8, "it needs a multiple of 8")
    .describe("side of a frame in pixels"),
  trainScenes: z.int().min(1).describe(
    "scenes of the embedded world to train on",
  ),
  testScenes: z.int().min(2).describe(
    "scenes of the embedded world to test on",
  ),
  horizon: z.int().min(2).describe("frames predicted at 2 Hz"),
  patch: z.int().min(1).describe("side of a token in latent pixels"),
  dim: z.int().min(16).multipleOf(2, "it needs an even number").describe(
    "width of the transformer",
  ),
  blocks: z.int().min(1).describe("blocks of the transformer"),
  heads: z.int().min(1).describe("attention heads"),
  hidden: z.int().min(16).describe("hidden width of the MLP baseline"),
  frequencies: z.int().min(1).describe(
    "Fourier frequencies of an action component",
  ),
  learnedFrequencies: z.boolean().describe(
    "whether frequencies are trained, as the paper writes, or fixed, as its code",
  ),
  samples: z.int().min(1).describe(
    "windows seen in training, by direct and by diffusion alike",
  ),
  mlpSamples: z.int().min(1).describe(
    "windows seen in the training of the MLP baseline",
  ),
  batch: z.int().min(1).describe("windows of a training step"),
  lrDirect: z.number().positive().describe("peak learning rate, direct"),
  lrDiffusion: z.number().positive().describe("peak learning rate, diffusion"),
  lrMlp: z.number().positive().describe("peak learning rate, MLP"),
  warmup: z.int().min(0).describe("steps until the peak learning rate"),
  lrEnd: z.number().min(0).max(1).describe(
    "learning rate at the end as a share of the peak; 1 for a constant rate",
  ),
  ema: z.number().min(0).max(0.99999).describe(
    "decay of the average of the weights",
  ),
  emaWarmup: z.boolean().describe("whether the decay grows from 0.1"),
  clip: z.number().min(0).describe(
    "largest norm of the network's gradient; 0 for no clip",
  ),
  actionDropout: z.number().min(0).max(1).describe(
    "chance that a training sample's actions are hidden",
  ),
  objective: z.enum(["x0", "epsilon", "v"]).describe(
    "what the diffusion network predicts",
  ),
  actionOffset: z.int().min(0).max(1).describe(
    "frames from the present to the first action: 0 as the code, 1 as the paper writes",
  ),
  ddimSteps: z.int().min(1).describe("sampling steps, a divisor of 1000"),
  guidance: z.number().positive().describe(
    "scale of the guided operating point",
  ),
  tuneSteps: z.int().min(0).describe(
    "steps in which the demo's VAE is fine-tuned on the frames of --data; 0 for none",
  ),
  tuneFeatureSteps: z.int().min(0).describe(
    "steps in which the demo's feature network is fine-tuned on the training frames of --data; 0 for none",
  ),
  diversitySamples: z.int().min(2).describe(
    "samples of a window whose mean distance is the diversity",
  ),
  diversityWindows: z.int().min(1).describe(
    "test windows, evenly spaced, that diversity is measured on",
  ),
  calibrationWindows: z.int().min(2).describe(
    "training windows that the deployable calibration is measured on",
  ),
  windowsPerScene: z.int().min(1).describe(
    "first test windows of a scene; more where there are few scenes",
  ),
  testWindows: z.int().min(2).describe(
    "test windows that are aimed at: more are taken of each scene until there are as many",
  ),
  evalBatch: z.int().min(1).describe("windows of a forward pass"),
  kidSubsets: z.int().min(1).describe("subsets of a KID"),
  kidSubsetSize: z.int().min(2).describe("images of a KID subset"),
}).superRefine(({ size, patch, dim, heads, ddimSteps }, context) => {
  const refuse = (field: string, message: string) =>
    context.addIssue({ code: "custom", path: [field], message });
  const side = size / 8;
  if (side % patch !== 0) {
    refuse("patch", `it needs a divisor of ${side}, the latents' side`);
  }
  if (dim % heads !== 0 || dim / heads > MAX_HEAD) {
    refuse(
      "heads",
      `it needs a divisor of --dim ${dim} with heads of at most ${MAX_HEAD}`,
    );
  }
  if (DIFFUSION_STEPS % ddimSteps !== 0) {
    refuse("ddimSteps", `it needs a divisor of ${DIFFUSION_STEPS}`);
  }
});

/** Validated parameters. */
export type FrontierParams = z.infer<typeof frontierParams>;

/** What the stages of this experiment work with. */
export type Context = StageContext<FrontierParams>;

const demo: FrontierParams = {
  recipe: "visible",
  seeds: [0],
  size: 64,
  trainScenes: 160,
  testScenes: 150,
  horizon: 4,
  patch: 2,
  dim: 64,
  blocks: 2,
  heads: 4,
  hidden: 256,
  frequencies: 64,
  learnedFrequencies: false,
  samples: 24_000,
  mlpSamples: 8_000,
  batch: 16,
  lrDirect: 1.5e-3,
  lrDiffusion: 2e-3,
  lrMlp: 2e-3,
  warmup: 50,
  lrEnd: 0.03,
  ema: 0.995,
  emaWarmup: true,
  clip: 1,
  actionDropout: 0.1,
  objective: "x0",
  actionOffset: 0,
  ddimSteps: 50,
  guidance: 2,
  tuneSteps: 120,
  tuneFeatureSteps: 60,
  diversitySamples: 3,
  diversityWindows: 20,
  calibrationWindows: 100,
  windowsPerScene: 1,
  testWindows: 150,
  evalBatch: 50,
  kidSubsets: 100,
  kidSubsetSize: 50,
};

/** Parameters by preset. */
export const frontierPresets: Readonly<
  Record<"smoke" | "demo" | "paper", FrontierParams>
> = {
  smoke: {
    ...demo,
    trainScenes: 6,
    testScenes: 4,
    dim: 32,
    blocks: 1,
    hidden: 32,
    samples: 64,
    mlpSamples: 64,
    ddimSteps: 5,
    tuneSteps: 4,
    tuneFeatureSteps: 4,
    diversitySamples: 2,
    diversityWindows: 2,
    calibrationWindows: 8,
    testWindows: 4,
    kidSubsets: 10,
    kidSubsetSize: 4,
  },
  demo,
  paper: {
    ...demo,
    recipe: "paper",
    seeds: [0, 1, 2],
    size: 256,
    trainScenes: 620,
    testScenes: 150,
    horizon: 16,
    patch: 4,
    dim: 256,
    blocks: 4,
    hidden: 1024,
    // 100 epochs of 15,010 windows; the MLP 50.
    samples: 1_501_000,
    mlpSamples: 750_500,
    batch: 64,
    lrDirect: 1e-4,
    lrDiffusion: 1e-4,
    lrMlp: 1e-3,
    warmup: 0,
    lrEnd: 1,
    ema: 0.999,
    emaWarmup: false,
    // Published code: 8 samples of 48 windows.
    diversitySamples: 8,
    diversityWindows: 48,
    calibrationWindows: 200,
    evalBatch: 8,
  },
};
