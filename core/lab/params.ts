import { z } from "zod";

/** Widest attention head of the kernels. */
const MAX_HEAD = 64;

/** Diffusion steps, which sampling steps divide. */
const DIFFUSION_STEPS = 1000;

/** Every parameter of an experiment about world models, with its unit. */
export const labParams = z.strictObject({
  recipe: z.enum(["visible", "paper", "both", "frame"]).describe(
    "visible: the network sees the present token by token; paper: as published, it does not; both: one after the other; frame: one frame at a time, see --frame-dim",
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
  freshScenes: z.int().min(0).describe(
    "further scenes of the embedded world, of seeds that no choice was made on; 0 for none, as with --data",
  ),
  horizon: z.int().min(2).describe("frames predicted at 2 Hz"),
  patch: z.int().min(1).describe("side of a token in latent pixels"),
  dim: z.int().min(16).multipleOf(2, "it needs an even number").describe(
    "width of the transformer",
  ),
  blocks: z.int().min(1).describe("blocks of the transformer"),
  heads: z.int().min(1).describe("attention heads"),
  hidden: z.int().min(16).describe("hidden width of the MLP baseline"),
  frameDim: z.int().min(16).multipleOf(2, "it needs an even number").describe(
    "width of the frame-by-frame transformer",
  ),
  frameChannels: z.int().min(4).multipleOf(4, "it needs a multiple of 4")
    .describe("channels of the convolutions around it"),
  frameBatch: z.int().min(1).describe(
    "pairs of frames of its training step; it sees as many as the operations of --samples windows pay for",
  ),
  lrFrame: z.number().positive().describe("its peak learning rate"),
  frameSteps: z.int().min(1).max(50).refine(
    (steps) => DIFFUSION_STEPS % steps === 0,
    `it needs a divisor of ${DIFFUSION_STEPS}`,
  ).describe("its sampling steps for each frame, evenly spaced"),
  frameGuidance: z.number().positive().describe(
    "scale of its guidance where it is compared with other recipes",
  ),
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
  givenWeights: z.enum(["average", "last"]).describe(
    "weights of the models of --direct and --diffusion: averaged, or those after the last step",
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
}).superRefine(({ size, patch, heads, ddimSteps, ...rest }, context) => {
  const refuse = (field: string, message: string) =>
    context.addIssue({ code: "custom", path: [field], message });
  const side = size / 8;
  if (side % patch !== 0) {
    refuse("patch", `it needs a divisor of ${side}, the latents' side`);
  }
  for (
    const [flag, dim] of [
      ["dim", rest.dim],
      ["frame-dim", rest.frameDim],
    ] as const
  ) {
    if (dim % heads === 0 && dim / heads <= MAX_HEAD) continue;
    refuse(
      "heads",
      `it needs a divisor of --${flag} ${dim} with heads of at most ${MAX_HEAD}`,
    );
  }
  if (DIFFUSION_STEPS % ddimSteps !== 0) {
    refuse("ddimSteps", `it needs a divisor of ${DIFFUSION_STEPS}`);
  }
});

/** Validated parameters. */
export type LabParams = z.infer<typeof labParams>;

/** Parameters by preset. */
export const labPresets: Readonly<
  Record<"smoke" | "demo" | "paper", LabParams>
> = {
  smoke: {
    recipe: "visible",
    seeds: [0],
    size: 64,
    trainScenes: 6,
    testScenes: 4,
    freshScenes: 0,
    horizon: 4,
    windowsPerScene: 1,
    testWindows: 4,
    tuneSteps: 4,
    tuneFeatureSteps: 4,
    patch: 2,
    dim: 32,
    blocks: 1,
    heads: 4,
    hidden: 32,
    frameDim: 16,
    frameChannels: 8,
    frameBatch: 16,
    lrFrame: 5e-3,
    frameSteps: 4,
    frameGuidance: 1.5,
    frequencies: 64,
    learnedFrequencies: false,
    givenWeights: "average",
    actionOffset: 0,
    objective: "x0",
    samples: 64,
    mlpSamples: 64,
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
    ddimSteps: 5,
    guidance: 2,
    calibrationWindows: 8,
    diversitySamples: 2,
    diversityWindows: 2,
    evalBatch: 50,
    kidSubsets: 10,
    kidSubsetSize: 4,
  },
  demo: {
    recipe: "visible",
    seeds: [0],
    size: 64,
    trainScenes: 160,
    testScenes: 150,
    freshScenes: 0,
    horizon: 4,
    windowsPerScene: 1,
    testWindows: 150,
    tuneSteps: 120,
    tuneFeatureSteps: 60,
    patch: 2,
    dim: 64,
    blocks: 2,
    heads: 4,
    hidden: 256,
    frameDim: 48,
    frameChannels: 40,
    frameBatch: 32,
    lrFrame: 5e-3,
    frameSteps: 20,
    frameGuidance: 1.5,
    frequencies: 64,
    learnedFrequencies: false,
    givenWeights: "average",
    actionOffset: 0,
    objective: "x0",
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
    ddimSteps: 50,
    guidance: 2,
    calibrationWindows: 100,
    diversitySamples: 3,
    diversityWindows: 20,
    evalBatch: 50,
    kidSubsets: 100,
    kidSubsetSize: 50,
  },
  paper: {
    recipe: "paper",
    seeds: [0, 1, 2],
    size: 256,
    trainScenes: 620,
    testScenes: 150,
    freshScenes: 0,
    horizon: 16, // Table 2 caption
    windowsPerScene: 1, // published code: one of each test scene
    testWindows: 150, // Table 2: 150 windows
    tuneSteps: 120, // none where --vae is given, as it must be
    tuneFeatureSteps: 60, // none where --inception is given
    patch: 4,
    dim: 256,
    blocks: 4,
    heads: 4,
    hidden: 1024,
    frameDim: 240, // not in the paper, nor the rest; as large as its network
    frameChannels: 64,
    frameBatch: 128,
    lrFrame: 5e-4,
    frameSteps: 20,
    frameGuidance: 1.5,
    frequencies: 64,
    learnedFrequencies: false,
    givenWeights: "average",
    actionOffset: 0,
    objective: "x0",
    samples: 1_501_000, // published code: 100 epochs of 15,010 windows
    mlpSamples: 750_500, // published code: 50 epochs
    batch: 64,
    lrDirect: 1e-4,
    lrDiffusion: 1e-4,
    lrMlp: 1e-3,
    warmup: 0,
    lrEnd: 1,
    ema: 0.999,
    emaWarmup: false,
    clip: 1,
    actionDropout: 0.1,
    ddimSteps: 50,
    guidance: 2, // in the published data only
    calibrationWindows: 200,
    diversitySamples: 8, // published code: 8 samples of 48 windows
    diversityWindows: 48,
    evalBatch: 8,
    kidSubsets: 100, // Table 2
    kidSubsetSize: 50, // Table 2
  },
};
