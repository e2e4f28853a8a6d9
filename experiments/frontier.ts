/**
 * Section 5.3, Table 2, Figures 4 and 5: the perception-distortion frontier of
 * direct regression and latent diffusion.
 *
 * @module
 */

import { basename, join } from "@std/path";
import { blend } from "../core/diffusion/blend.ts";
import {
  calibrate,
  type ChannelStatistics,
  channelStatistics,
} from "../core/diffusion/calibration.ts";
import { CosineNoiseSchedule } from "../core/diffusion/noise_schedule.ts";
import {
  defineExperiment,
  type ExperimentContext,
  main,
} from "../core/experiment/experiment.ts";
import type { CommonFlags } from "../core/experiment/flags.ts";
import { digestText } from "../core/experiment/run_directory.ts";
import { digestFile } from "../core/formats/digest.ts";
import {
  readSafetensors,
  toFloat32,
  writeSafetensors,
} from "../core/formats/safetensors.ts";
import { mean } from "../core/metrics/statistics.ts";
import { key } from "../core/tensor/philox.ts";
import { normal } from "../core/tensor/random.ts";
import {
  type FrameLatents,
  WindowTokens,
} from "../core/training/window_tokens.ts";
import type { LossCurve } from "../core/training/loop.ts";
import {
  type Mode,
  type TrainingSettings,
  trainWorldModel,
  WorldModel,
} from "../core/training/world_model.ts";
import {
  embeddedWorld,
  encodePart,
  readFrames,
  readWindows,
  spacedFrames,
  type WindowedData,
} from "./frontier/data.ts";
import {
  type FrozenNetworks,
  loadNetworks,
  SHIPPED_VAE,
} from "./frontier/networks.ts";
import {
  type FrontierParams,
  frontierParams,
  frontierPresets,
} from "./frontier/params.ts";
import { tuneVae } from "./frontier/tune_vae.ts";
import { planFrontier } from "./frontier/plan.ts";
import { type SeedResult, writeReport } from "./frontier/report.ts";
import {
  type PointScores,
  type Reference,
  scorePoint,
  TRAINED_FRAMES,
  windowCosines,
} from "./frontier/scores.ts";

type Context = ExperimentContext<FrontierParams>;

function range(start: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start + i);
}

/** The folder of the dataset: the one given, or the embedded world. */
async function datasetFolder(context: Context): Promise<string> {
  const { params, flags, gpu, interrupt } = context;
  if (flags.data !== undefined) return flags.data;
  const line = context.progress("draw the embedded world");
  const folder = await embeddedWorld(gpu, flags.cache, params, {
    progress: (done, total) => {
      line.update({ done, total });
      interrupt.check();
    },
  });
  line.end();
  return folder;
}

/** Frames that the autoencoder is fine-tuned on, and measured on. */
const TUNING_FRAMES = { train: 4000, test: 100 };

/**
 * Weights of the autoencoder: those given, or the shipped ones, fine-tuned on
 * the training frames where the frames are not the embedded world's.
 */
async function autoencoderFiles(
  context: Context,
  data: WindowedData,
): Promise<Readonly<Record<string, string>>> {
  const { gpu, params, flags, run, interrupt } = context;
  const { data: root, files } = flags;
  if (root === undefined || files.vae !== undefined || params.tuneSteps === 0) {
    return files;
  }
  const out = run.file("vae.safetensors");
  const framesOf = (part: "train" | "test") =>
    spacedFrames(root, data[part].paths, params.size, TUNING_FRAMES[part]);
  await run.stage("fine-tune-vae", async (folder) => {
    const line = context.progress("fine-tune the VAE");
    const result = await tuneVae(gpu, {
      weights: SHIPPED_VAE,
      out,
      checkpoint: join(folder, "checkpoint.safetensors"),
      digest: "fine-tune-vae",
      frames: await framesOf("train"),
      held: await framesOf("test"),
      settings: {
        steps: params.tuneSteps,
        batch: 16,
        lr: 1e-3,
        warmup: params.tuneSteps / 20,
        seed: 0,
      },
      metadata: {
        trained_by: "exp:frontier",
        title:
          `the demo's VAE, fine-tuned in ${params.tuneSteps} steps on the training frames of ${
            basename(root)
          }`,
      },
      progress: ({ step, loss }) =>
        line.update({ done: step, total: params.tuneSteps, loss }),
      shouldStop: () => interrupt.requested,
    });
    if (result === undefined) {
      interrupt.check();
      throw new Error("Stopped while fine-tuning");
    }
    line.end();
    context.log(
      `  ${result.before.toFixed(2)} dB before, ${
        result.after.toFixed(2)
      } dB after, on ${result.held} test frames`,
    );
    await Deno.remove(join(folder, "checkpoint.safetensors")).catch(() => {});
    return result;
  });
  return { ...files, vae: out };
}

async function encode(
  context: Context,
  data: WindowedData,
  networks: FrozenNetworks,
  part: "train" | "test",
): Promise<FrameLatents> {
  const { params, flags, interrupt } = context;
  const line = context.progress(`encode ${part} frames`);
  const digest = await digestText(
    `${data.digest} ${networks.vaeDigest} ${params.size}`,
  );
  const rows = data[part].paths.length;
  const folder = join(
    flags.cache,
    "latents",
    `${digest.slice(0, 12)}-${part}-${rows}`,
  );
  const frames = await encodePart(
    data,
    data[part],
    networks,
    params.size,
    folder,
    (done, total) => line.update({ done, total }),
    () => interrupt.requested,
  );
  if (frames === undefined) interrupt.check();
  line.end();
  if (frames === undefined) throw new Error("Stopped while encoding");
  return frames;
}

/** Settings of one model's training. */
function settingsOf(
  params: FrontierParams,
  mode: Mode,
  seed: number,
): TrainingSettings {
  const isMlp = mode === "mlp";
  const lr = {
    direct: params.lrDirect,
    diffusion: params.lrDiffusion,
    mlp: params.lrMlp,
  };
  return {
    samples: isMlp ? params.mlpSamples : params.samples,
    batch: params.batch,
    lr: lr[mode],
    warmup: params.warmup,
    lrEnd: params.lrEnd,
    ema: isMlp ? 0 : params.ema,
    emaWarmup: params.emaWarmup,
    clip: isMlp ? 0 : params.clip,
    actionDropout: params.actionDropout,
    objective: params.objective,
    seed,
  };
}

interface Trained {
  readonly curve: LossCurve;
  readonly parameters: number;
}

/** Trains a model, or loads the one that was trained. */
async function trained(
  context: Context,
  data: WindowTokens,
  rows: readonly number[],
  mode: Mode,
  seed: number,
  anchorVisible: boolean,
  name: string,
): Promise<{ model: WorldModel; facts: Trained }> {
  const { gpu, params, run, interrupt } = context;
  const model = new WorldModel(gpu, mode, {
    horizon: params.horizon,
    tokens: data.tokensPerFrame,
    patchDim: data.patchDim,
    dim: params.dim,
    blocks: params.blocks,
    heads: params.heads,
    anchorVisible,
  }, {
    frequencies: params.frequencies,
    learnedFrequencies: params.learnedFrequencies,
    hidden: params.hidden,
    objective: params.objective,
    seed,
  });
  const weightsPath = run.file("stages", name, "weights.safetensors");
  let isNew = false;
  const facts = await run.stage(name, async (folder): Promise<Trained> => {
    isNew = true;
    const line = context.progress(name);
    const curve = await trainWorldModel(
      gpu,
      model,
      data,
      rows,
      new CosineNoiseSchedule(),
      settingsOf(params, mode, seed),
      {
        checkpoint: join(folder, "checkpoint.safetensors"),
        digest: name,
        progress: ({ step, steps, loss }) =>
          line.update({ done: step, total: steps, loss }),
        shouldStop: () => interrupt.requested,
      },
    );
    line.end();
    if (curve === undefined) {
      interrupt.check();
      throw new Error("Stopped while training");
    }
    const values: Record<
      string,
      { shape: readonly number[]; data: Float32Array<ArrayBuffer> }
    > = {};
    for (
      const [prefix, module] of [["dit", model.network], [
        "fourier",
        model.fourier,
      ]] as const
    ) {
      for (const [field, entry] of Object.entries(await module.stateDict())) {
        values[`${prefix}.${field}`] = entry;
      }
    }
    await writeSafetensors(weightsPath, values, { stage: name });
    await Deno.remove(join(folder, "checkpoint.safetensors")).catch(() => {});
    return { curve, parameters: model.parameterCount };
  });
  if (!isNew) {
    using file = await readSafetensors(weightsPath);
    for (
      const [prefix, module] of [["dit", model.network], [
        "fourier",
        model.fourier,
      ]] as const
    ) {
      const dict: Record<
        string,
        { shape: readonly number[]; data: Float32Array<ArrayBuffer> }
      > = {};
      for (
        const field of file.names.filter((each) =>
          each.startsWith(`${prefix}.`)
        )
      ) {
        const value = await file.read(field);
        dict[field.slice(prefix.length + 1)] = {
          shape: value.shape,
          data: toFloat32(value),
        };
      }
      module.loadStateDict(dict, weightsPath);
    }
  }
  return { model, facts };
}

/** Predictions of windows at every step: (windows, H, channels, h, w). */
async function rollout(
  context: Context,
  model: WorldModel,
  data: WindowTokens,
  rows: readonly number[],
  seed: number,
  guidance: number,
  stream: string,
  label: string,
): Promise<Float32Array<ArrayBuffer>> {
  const { gpu, params, interrupt } = context;
  const schedule = new CosineNoiseSchedule();
  const size = data.tokensPerFrame * data.patchDim * params.horizon;
  const all = new Float32Array(rows.length * size);
  const line = context.progress(label);
  for (let i = 0; i < rows.length; i += params.evalBatch) {
    interrupt.check();
    using _ = gpu.scope();
    const some = rows.slice(i, i + params.evalBatch);
    const batch = data.batch(gpu, some);
    const tokens = model.mode === "diffusion"
      ? model.sample(
        batch,
        schedule,
        normal(
          gpu,
          batch.future.shape,
          some.map((row) => key(stream, seed, row)),
        ),
        { steps: params.ddimSteps, guidance },
      )
      : model.predict(batch);
    all.set(data.latents(await tokens.read() as Float32Array), i * size);
    line.update({ done: i + some.length, total: rows.length });
  }
  line.end();
  return all;
}

/** One step of rollouts: (windows, channels, h, w). */
function stepOf(
  all: Float32Array,
  step: number,
  horizon: number,
  size: number,
) {
  const count = all.length / (horizon * size);
  const result = new Float32Array(count * size);
  for (let i = 0; i < count; i++) {
    const start = (i * horizon + step) * size;
    result.set(all.subarray(start, start + size), i * size);
  }
  return result;
}

/** Real latents of windows at every step. */
function truth(frames: FrameLatents, rows: readonly number[], horizon: number) {
  const size = frames.shape[0] * frames.shape[1] * frames.shape[2];
  const all = new Float32Array(rows.length * horizon * size);
  for (const [i, row] of rows.entries()) {
    const start = (row + 1) * size;
    all.set(
      frames.latents.subarray(start, start + horizon * size),
      i * horizon * size,
    );
  }
  return all;
}

/** The present latents of windows, repeated at every step. */
function copies(
  frames: FrameLatents,
  rows: readonly number[],
  horizon: number,
) {
  const size = frames.shape[0] * frames.shape[1] * frames.shape[2];
  const all = new Float32Array(rows.length * horizon * size);
  for (const [i, row] of rows.entries()) {
    const present = frames.latents.subarray(row * size, (row + 1) * size);
    for (let h = 0; h < horizon; h++) {
      all.set(present, (i * horizon + h) * size);
    }
  }
  return all;
}

/** At most so many rows of a matrix, evenly spaced. */
function spacedRows(
  data: Float32Array,
  width: number,
  most: number,
): Float32Array {
  const rows = spread(range(0, data.length / width), most);
  const result = new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    result.set(data.subarray(row * width, (row + 1) * width), i * width);
  });
  return result;
}

/** Evenly spaced windows of a list, without repeats. */
function spread(rows: readonly number[], count: number): number[] {
  const taken = Math.min(count, rows.length);
  return range(0, taken).map((i) =>
    rows[Math.floor(i * rows.length / taken)] ?? 0
  );
}

async function run(context: Context): Promise<void> {
  const { gpu, params, flags } = context;
  const folder = await datasetFolder(context);
  const data = await readWindows(folder, join(flags.cache, "index"), params);
  const files = await autoencoderFiles(context, data);
  using networks = await loadNetworks(gpu, params.size, files);
  const recipes = params.recipe === "both"
    ? (["visible", "paper"] as const)
    : [params.recipe];
  const times = context.run.stageTimes;
  const timed = async <T>(
    stage: string,
    work: () => Promise<T>,
  ): Promise<T> => {
    const start = performance.now();
    const result = await work();
    const seconds = Math.round(performance.now() - start) / 1000;
    times.push({ stage, seconds });
    return result;
  };
  const trainFrames = await timed(
    "encode train",
    () => encode(context, data, networks, "train"),
  );
  const testFrames = await timed(
    "encode test",
    () => encode(context, data, networks, "test"),
  );
  const common = {
    patch: params.patch,
    horizon: params.horizon,
    frequencies: params.frequencies,
    plainActions: params.learnedFrequencies,
    actionOffset: params.actionOffset,
  };
  const train = new WindowTokens(trainFrames, {
    ...common,
    statistics: data.train.rows,
  });
  const test = new WindowTokens(testFrames, {
    ...common,
    statistics: train.statistics,
  });
  const results: SeedResult[] = [];
  for (const recipe of recipes) {
    for (const seed of params.seeds) {
      results.push(
        await runSeed(context, recipe, seed, {
          data,
          networks,
          train,
          test,
          trainFrames,
          testFrames,
        }),
      );
    }
  }
  await writeReport(context, data, networks, results);
}

interface Prepared {
  readonly data: WindowedData;
  readonly networks: FrozenNetworks;
  readonly train: WindowTokens;
  readonly test: WindowTokens;
  readonly trainFrames: FrameLatents;
  readonly testFrames: FrameLatents;
}

/** Trains, samples and scores one recipe with one seed. */
async function runSeed(
  context: Context,
  recipe: "visible" | "paper",
  seed: number,
  prepared: Prepared,
): Promise<SeedResult> {
  const { params, interrupt } = context;
  const { data, networks, train, test, trainFrames, testFrames } = prepared;
  const { horizon, patch } = params;
  const label = (what: string) => `${recipe}-seed${seed}-${what}`;
  const models: Partial<Record<Mode, WorldModel>> = {};
  const curves: Record<string, LossCurve> = {};
  const parameterCounts: Record<string, number> = {};
  for (const mode of ["direct", "diffusion", "mlp"] as const) {
    const { model, facts } = await trained(
      context,
      train,
      data.train.rows,
      mode,
      seed,
      recipe === "visible",
      label(`train-${mode}`),
    );
    models[mode] = model;
    curves[mode] = facts.curve;
    parameterCounts[mode] = facts.parameters;
  }
  const { direct, diffusion, mlp } = models;
  if (!direct || !diffusion || !mlp) throw new Error("A model is missing");
  using _direct = direct;
  using _diffusion = diffusion;
  using _mlp = mlp;

  const size = testFrames.shape[0] * testFrames.shape[1] * testFrames.shape[2];
  const rows = data.test.rows;
  const samplesPath = context.run.file(
    "stages",
    label("sample"),
    "samples.safetensors",
  );
  await context.run.stage(label("sample"), async () => {
    const calibrationRows = spread(data.train.rows, params.calibrationWindows);
    const all = {
      direct: await rollout(
        context,
        direct,
        test,
        rows,
        seed,
        1,
        "",
        "predict, direct",
      ),
      mlp: await rollout(context, mlp, test, rows, seed, 1, "", "predict, MLP"),
      raw: await rollout(
        context,
        diffusion,
        test,
        rows,
        seed,
        1,
        "test sampling",
        "sample, diffusion",
      ),
      guided: await rollout(
        context,
        diffusion,
        test,
        rows,
        seed,
        params.guidance,
        "test sampling",
        "sample, guided",
      ),
      calibration: await rollout(
        context,
        diffusion,
        train,
        calibrationRows,
        seed,
        1,
        "calibration sampling",
        "sample, calibration",
      ),
      calibrationTruth: truth(trainFrames, calibrationRows, horizon),
    };
    await writeSafetensors(
      samplesPath,
      Object.fromEntries(
        Object.entries(all).map(([name, values]) => [name, {
          shape: [
            values.length / (horizon * size),
            horizon,
            ...testFrames.shape,
          ],
          data: values,
        }]),
      ),
    );
    return { windows: rows.length, calibrationWindows: calibrationRows.length };
  });
  using file = await readSafetensors(samplesPath);
  const sampled = async (name: string) => toFloat32(await file.read(name));
  const [directAll, mlpAll, raw, guided, calibration, calibrationTruth] = [
    await sampled("direct"),
    await sampled("mlp"),
    await sampled("raw"),
    await sampled("guided"),
    await sampled("calibration"),
    await sampled("calibrationTruth"),
  ];
  const real = truth(testFrames, rows, horizon);
  const copy = copies(testFrames, rows, horizon);
  const positions = testFrames.shape[1] * testFrames.shape[2];
  const steps = [Math.floor(horizon / 2) - 1, horizon - 1];

  const trainedLatents = spacedRows(trainFrames.latents, size, TRAINED_FRAMES);

  const scored = await context.run.stage(label("score"), async () => {
    const line = context.progress("decode and score");
    const points: Record<number, Record<string, PointScores>> = {};
    const statistics: Record<number, Record<string, ChannelStatistics>> = {};
    let done = 0;
    for (const step of steps) {
      const at = (all: Float32Array) => stepOf(all, step, horizon, size);
      const measure = (all: Float32Array) =>
        channelStatistics(at(all), testFrames.shape[0], positions);
      const target = measure(calibrationTruth);
      const deployed = measure(calibration);
      const own = { raw: measure(raw), real: measure(real) };
      statistics[step] = { target, deployed, ...own };
      const latents: Record<string, Float32Array> = {
        direct: at(directAll),
        raw: at(raw),
        guided: at(guided),
        interpolated: blend(at(directAll), at(raw)),
        calibrated: calibrate(at(raw), deployed, target, positions),
        oracle: calibrate(at(raw), own.raw, own.real, positions),
        copy: at(copy),
        mlp: at(mlpAll),
        ceiling: at(real),
      };
      const paths = rows.map((row) => data.test.paths[row + 1 + step] ?? "");
      const camera = await readFrames(data.root, paths, params.size, "bicubic");
      const decoded = await networks.decode(at(real));
      const reference: Reference = {
        size: params.size,
        present: at(copy),
        trained: trainedLatents,
        scenes: data.test.scenes,
        latents: at(real),
        decoded,
        decodedFeatures: await networks.features(decoded),
        // Half a level up, so that truncation to levels gives them back.
        realFeatures: await networks.features(
          Float32Array.from(
            camera,
            (level) => Math.min(1, (level + 0.5) / 255),
          ),
        ),
        patch,
        subsets: [
          params.kidSubsets,
          Math.min(params.kidSubsetSize, rows.length),
        ],
        seed,
      };
      const table: Record<string, PointScores> = {};
      for (const [name, values] of Object.entries(latents)) {
        interrupt.check();
        table[name] = (await scorePoint(networks, reference, values)).scores;
        line.update({ done: ++done, total: steps.length * 9 });
      }
      points[step] = table;
    }
    line.end();
    const perStep: Record<string, number[]> = {};
    for (
      const [name, all] of Object.entries({
        direct: directAll,
        mlp: mlpAll,
        raw,
        copy,
      })
    ) {
      perStep[name] = range(0, horizon).map((step) =>
        mean(windowCosines(
          stepOf(all, step, horizon, size),
          stepOf(real, step, horizon, size),
          testFrames.shape,
          patch,
        ))
      );
    }
    return { points, statistics, perStep };
  });
  return {
    recipe,
    seed,
    steps,
    curves,
    parameterCounts,
    ...scored,
    rollouts: {
      direct: directAll,
      raw,
      real,
      shape: testFrames.shape,
      rows,
    },
  };
}

async function inputs(
  params: FrontierParams,
  flags: CommonFlags,
): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for (const [name, path] of Object.entries(flags.files)) {
    digests[name] = await digestFile(path);
  }
  digests.data = flags.data === undefined
    ? "embedded world"
    : (await readWindows(flags.data, join(flags.cache, "index"), params))
      .digest;
  return digests;
}

/** `deno task exp:frontier`. */
export const frontier = defineExperiment<FrontierParams>({
  name: "frontier",
  source: "Section 5.3, Table 2, Figures 4 and 5",
  title: "the perception-distortion frontier",
  params: frontierParams,
  presets: frontierPresets,
  files: {
    vae:
      "weights of Stable Diffusion's VAE (safetensors, .pth, .ckpt; names of diffusers or latent diffusion)",
    inception:
      "weights of the FID Inception-v3 (.pth, safetensors), or of train:features",
  },
  plan: planFrontier,
  inputs,
  run,
});

if (import.meta.main) await main(frontier, Deno.args);
