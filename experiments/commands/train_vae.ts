/**
 * Trains the demo's autoencoder, or goes on training it on other frames.
 *
 * @module
 */

import { basename, fromFileUrl, join } from "@std/path";
import { z } from "zod";
import type { Scene } from "../../core/data/scene.ts";
import { checkPart, readSplit, splitScenes } from "../../core/data/splits.ts";
import { readNuscenes } from "../../core/data/nuscenes.ts";
import {
  parseCommand,
  positiveInteger,
  positiveNumber,
  runCommand,
  seedNumber,
} from "../../core/experiment/command.ts";
import { Artifacts } from "../../core/experiment/artifact.ts";
import { openDevice } from "../../core/experiment/device.ts";
import { Interrupt } from "../../core/experiment/interrupt.ts";
import { checkOutput } from "../../core/experiment/output.ts";
import { ProgressLine } from "../../core/experiment/progress.ts";
import {
  checkFolder,
  digestText,
} from "../../core/experiment/run_directory.ts";
import { readSources } from "../../core/experiment/sources.ts";
import { digestBytes, digestFile } from "../../core/formats/digest.ts";
import { spacedFrames } from "../../core/lab/data.ts";
import { labPresets } from "../../core/lab/params.ts";
import { SHIPPED_VAE, tuneVae } from "../../core/lab/tune_vae.ts";
import { drawnWorld, drawScenes } from "../../core/lab/world.ts";

const HELP = `train:vae: trains the small autoencoder of the demo

  --out FILE        safetensors, to be given as --vae or --weights; new
  --data DIR        dataset in nuScenes' layout (the embedded world)
  --weights FILE    weights to go on from; absent to begin from random ones.
                    "shipped" names those of this project
  --steps N         optimizer steps (8000; 400 with --weights)
  --batch N         frames of a step (16)
  --lr X            peak learning rate of AdamW (0.002; 0.0005 with --weights)
  --frames N        training frames, evenly spaced over the training scenes
                    (8000)
  --seed S          of weights, order, flips and noise (0)
  --size N          side of a frame in pixels, a multiple of 8 (64)
  --cache DIR       drawn worlds, indexes and checkpoints (data)

A step takes about a second on two cores. Interrupted, the same command goes
on from the last checkpoint.`;

const PROJECT = fromFileUrl(new URL("../..", import.meta.url));

const Options = z.strictObject({
  _: z.tuple([], "options begin with --"),
  out: z.string("it needs a file").regex(
    /\.safetensors$/,
    "its name must end in .safetensors",
  ),
  data: z.string().min(1).optional(),
  weights: z.string().min(1).optional(),
  steps: positiveInteger.optional(),
  batch: positiveInteger.default(16),
  lr: positiveNumber.optional(),
  frames: positiveInteger.default(8000),
  seed: seedNumber.default(0),
  size: positiveInteger.multipleOf(8, "it needs a multiple of 8").default(64),
  cache: z.string().default("data"),
});

async function train(args: readonly string[]): Promise<void> {
  const { cache, ...options } = parseCommand(Options, [], args);
  const { out, data, batch, seed, size } = options;
  await checkOutput(out, "--out");
  await checkFolder(cache, "--cache");
  const weights = options.weights === "shipped" ? SHIPPED_VAE : options.weights;
  const steps = options.steps ?? (weights === undefined ? 8000 : 400);
  const lr = options.lr ?? (weights === undefined ? 2e-3 : 5e-4);
  using gpu = await openDevice();
  using interrupt = await Interrupt.open();
  const params = { ...labPresets.demo, size };
  const log = (line: string) => console.error(line);
  const drawAll = async (folder: string) => {
    const drawing = new ProgressLine("draw", () => gpu.memory().bytes);
    await drawScenes(gpu, folder, params, {
      progress: (done, total) => drawing.update({ done, total }),
      check: () => interrupt.check(),
    });
    drawing.end();
  };
  const artifacts = new Artifacts({
    root: join(cache, "artifacts"),
    sources: await readSources(PROJECT),
    command: "./run train:vae",
    adapter: () => gpu.adapter,
  });
  const root = data ??
    await drawnWorld({ gpu, params, artifacts, interrupt, log }, drawAll);
  const dataset = await readNuscenes(root, { cache: join(cache, "index") });
  const split = splitScenes(dataset, await readSplit(root));
  const heldPart = split.val.length > 0 ? "val" : "test";
  checkPart(root, dataset, split, "train");
  checkPart(root, dataset, split, heldPart);
  const reading = new ProgressLine("read frames", () => gpu.memory().bytes);
  const framesOf = (scenes: readonly Scene[], most: number) => {
    const keyframes = scenes.flatMap((scene) => scene.keyframes);
    const paths = keyframes.map((keyframe) => keyframe.imagePath);
    return spacedFrames(root, paths, size, most, (done, total) => {
      reading.update({ done, total, waitsFor: "reading" });
      interrupt.check();
    });
  };
  const frames = await framesOf(split.train, options.frames);
  const held = await framesOf(split[heldPart], 100);
  reading.end();
  const from = weights === undefined
    ? "random weights"
    : await digestFile(weights);
  const key = await digestText(
    JSON.stringify([digestBytes(frames.levels), from, {
      ...options,
      steps,
      lr,
    }]),
  );
  const folder = join(cache, "train-vae", key.slice(0, 16));
  await Deno.mkdir(folder, { recursive: true });
  const line = new ProgressLine("train", () => gpu.memory().bytes);
  const result = await tuneVae(gpu, {
    ...(weights === undefined ? {} : { weights }),
    out,
    checkpoint: join(folder, "checkpoint.safetensors"),
    digest: key,
    frames,
    held,
    settings: {
      steps,
      batch,
      lr,
      warmup: weights === undefined ? Math.min(200, steps / 10) : steps / 20,
      seed,
    },
    metadata: {
      trained_by: "./run train:vae",
      frames: data === undefined ? "embedded world" : basename(data),
      title: data === undefined
        ? "the demo's VAE, trained here"
        : `the demo's VAE, trained on frames of ${basename(data)}`,
    },
    progress: ({ step, steps, ...loss }) =>
      line.update({ done: step, total: steps, ...loss }),
    check: () => interrupt.check(),
    shouldStop: () => interrupt.requested,
  });
  line.end();
  if (result === undefined) return interrupt.check();
  await Deno.remove(folder, { recursive: true });
  console.log(
    `${result.before.toFixed(2)} dB before, ${
      result.after.toFixed(2)
    } dB after ${steps} steps, on ${result.held} held-out frames; ${out}`,
  );
}

if (import.meta.main) await runCommand(HELP, train, Deno.args);
