import { join } from "@std/path";
import { costLine } from "../experiment/cost.ts";
import type { Plan } from "../experiment/experiment.ts";
import { type CommonFlags, UsageError } from "../experiment/flags.ts";
import { digestFile } from "../formats/digest.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { matmul } from "../ops/matmul.ts";
import { zeros } from "../tensor/create.ts";
import { readWindows } from "./data.ts";
import { checkGiven } from "./given.ts";
import { checkNetworks } from "./networks.ts";
import type { LabParams } from "./params.ts";

/** Latent channels and pixels of a latent's side, of both autoencoders. */
const LATENT = { channels: 4, factor: 8 };

/** Operations of one forward pass of the transformer on one window. */
export function forwardFlops(params: LabParams): number {
  const { dim, blocks, horizon, patch, size } = params;
  const tokens = horizon * (size / LATENT.factor / patch) ** 2;
  const patchDim = LATENT.channels * patch * patch;
  const ends = tokens * (4 * patchDim * dim + 4 * dim * dim);
  const block = tokens * (24 * dim * dim + 4 * tokens * dim) +
    12 * horizon * dim * dim;
  return ends + blocks * block + 6 * horizon * dim * dim;
}

/** Operations a second of products on this adapter, measured. */
async function measureSpeed(gpu: Gpu): Promise<number> {
  const n = 512;
  using _ = gpu.scope();
  const a = zeros(gpu, [n, n]);
  await matmul(a, a).read();
  const start = performance.now();
  for (let i = 0; i < 8; i++) matmul(a, a);
  await gpu.sync();
  return 8 * 2 * n ** 3 / ((performance.now() - start) / 1000);
}

/** Bytes of a pixel in a file of the embedded world: 9.6 kB by frame of 64 x 64. */
const PIXEL_BYTES = 2.4;

/** About what a run leaves on disk: frames, latents, weights and futures. */
function diskOf(
  params: LabParams,
  windows: { readonly train: number; readonly test: number },
  made: {
    readonly models: number;
    readonly sampled: number;
    readonly isDrawn: boolean;
  },
): number {
  const { size, dim, blocks, horizon, trainScenes, testScenes } = params;
  const latent = LATENT.channels * (size / LATENT.factor) ** 2;
  const frames = made.isDrawn
    ? (trainScenes + testScenes) * WORLD_KEYFRAMES
    : windows.train + windows.test;
  const weights = 18 * dim * dim * (blocks + 1);
  return (made.isDrawn ? frames * PIXEL_BYTES * size * size : 0) +
    2 * frames * latent + // f16
    2 * 4 * made.models * weights + // last and averaged
    4 * (made.sampled + windows.test) * horizon * latent;
}

async function digestsOf(
  files: CommonFlags["files"],
): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for (const [name, path] of Object.entries(files)) {
    digests[name] = await digestFile(path);
  }
  return digests;
}

/** What an experiment computes. */
export interface Work {
  /** Which transformers it trains, as they are called in a sentence. */
  readonly trained: string;
  /** How many these are. */
  readonly trainings: number;
  /** Windows that are sampled by diffusion; guided ones count twice. */
  readonly sampled: number;
  /** How often all this is done, such as once for each seed. */
  readonly times: number;
}

/** Keyframes of a scene of the embedded world. */
const WORLD_KEYFRAMES = 40;

/** What a plan says of the windows, and what the run's identity needs. */
interface PlannedData {
  /** Which scenes there are. */
  readonly scenes: string;
  /** Windows to train on, and windows that are scored. */
  readonly windows: { readonly train: number; readonly test: number };
  /** SHA-256 of what was read. */
  readonly digest: string;
}

async function planData(
  params: LabParams,
  { data, cache }: CommonFlags,
): Promise<PlannedData> {
  if (data !== undefined) {
    const read = await readWindows(data, join(cache, "index"), params);
    const windows = {
      train: read.train.windows.length,
      test: read.test.windows.length,
    };
    return { scenes: read.scenes, windows, digest: read.digest };
  }
  const { trainScenes, testScenes, testWindows, windowsPerScene } = params;
  const perScene = WORLD_KEYFRAMES - params.horizon;
  if (perScene < 1) {
    throw new UsageError(
      `Cannot use --horizon ${params.horizon}: scenes of the embedded world have ${WORLD_KEYFRAMES} keyframes, it needs at most ${
        WORLD_KEYFRAMES - 1
      }`,
    );
  }
  const wanted = Math.max(windowsPerScene, Math.ceil(testWindows / testScenes));
  return {
    scenes: `${trainScenes} training and ${testScenes} test scenes`,
    windows: {
      train: trainScenes * perScene,
      test: testScenes * Math.min(wanted, perScene),
    },
    digest: "embedded world",
  };
}

/**
 * Says what a run would do and cost, and refuses what cannot work: reads the
 * dataset's tables, looks at its images and loads the files of weights.
 *
 * @param params validated
 * @param flags with the files given
 * @param gpu device, whose speed is measured
 * @param work what is computed on so many windows
 * @param check looks at further files; gives a line for each
 * @throws {Error} if the paper preset lacks its data or weights, unless only
 *   the plan is asked for; if the dataset cannot be used or a file of weights
 *   is of another network
 */
export async function planLab(
  params: LabParams,
  flags: CommonFlags,
  gpu: Gpu,
  work: (windows: PlannedData["windows"]) => Work,
  check: () => Promise<string[]> = () => Promise.resolve([]),
): Promise<Plan> {
  const missing: string[] = [];
  if (flags.preset === "paper") {
    if (flags.data === undefined) {
      missing.push(
        "--data DIR: nuScenes v1.0-trainval with its CAN-bus expansion, from nuscenes.org",
      );
    }
    if (flags.files.vae === undefined) {
      missing.push(
        "--vae FILE: diffusion_pytorch_model.safetensors of stabilityai/sd-vae-ft-mse",
      );
    }
    if (flags.files.inception === undefined) {
      missing.push(
        "--inception FILE: weights-inception-2015-12-05-6726825d.pth of torch-fidelity",
      );
    }
  }
  if (missing.length > 0 && !flags.dryRun) {
    throw new Error(
      `Cannot run the paper preset: it needs ${missing.join("; ")}`,
    );
  }
  const { scenes, windows, digest } = await planData(params, flags);
  const isIncomplete = flags.preset === "paper" &&
    flags.files.inception === undefined;
  await checkNetworks(gpu, isIncomplete ? 64 : params.size, flags.files);
  const given = [
    ...await checkGiven(gpu, params, flags.files),
    ...await check(),
  ];
  const { trained, trainings, sampled, times } = work(windows);
  const one = forwardFlops(params);
  const tests = windows.test;
  const training = 3 * one * params.samples * trainings * times;
  const sampling = one * params.ddimSteps * sampled * times;
  const speed = await measureSpeed(gpu);
  const tokens = params.horizon *
    (params.size / LATENT.factor / params.patch) ** 2;
  // Activations kept for the gradient: about 40 values of width D a token.
  const bytes = 4 * 40 * params.batch * tokens * params.dim * params.blocks;
  const hours = (flops: number) => {
    const seconds = flops / (0.4 * speed);
    return seconds < 7200
      ? `${(seconds / 60).toFixed(1)} min`
      : `${(seconds / 3600).toFixed(0)} h`;
  };
  const tera = (flops: number) => `${(flops / 1e12).toFixed(1)} TFLOP`;
  const notes = tests < params.kidSubsetSize
    ? [
      `KID takes subsets of ${tests} images, not of ${params.kidSubsetSize}: there are ${tests} test windows`,
    ]
    : [];
  const text = [
    `Preset ${flags.preset} on ${gpu.adapter}`,
    `  products run at ${
      (speed / 1e9).toFixed(0)
    } GFLOP/s here; times assume 40 % of that`,
    "",
    `  data      ${flags.data ?? "embedded world"}: ${scenes}`,
    `  windows   horizon ${params.horizon} at 2 Hz, ${windows.train} to train on, ${tests} to score`,
    ...notes.map((note) => `            ${note}`),
    `  tokens    ${tokens} of ${LATENT.channels * params.patch ** 2} values`,
    `  train     ${trained}, ${params.samples} windows each, ${times} times: ${
      tera(training)
    }, ${hours(training)}`,
    ...given.map((line) => `  given     ${line}`),
    `  sample    ${sampled} windows in ${params.ddimSteps} steps, ${times} times: ${
      tera(sampling)
    }, ${hours(sampling)}`,
    `  memory    about ${
      (bytes / 2 ** 20).toFixed(0)
    } MiB for a training step of ${params.batch} windows`,
    costLine({
      seconds: (training + sampling) / (0.4 * speed),
      memoryBytes: bytes,
      diskBytes: diskOf(params, windows, {
        models: trainings * times,
        sampled: sampled * times,
        isDrawn: flags.data === undefined,
      }),
    }),
    ...(missing.length > 0
      ? ["", "Missing:", ...missing.map((line) => `  ${line}`)]
      : []),
  ].join("\n");
  return {
    text,
    seconds: (training + sampling) / (0.4 * speed),
    notes: flags.data === undefined ? notes : [scenes, ...notes],
    inputs: async () => ({ ...await digestsOf(flags.files), data: digest }),
  };
}
