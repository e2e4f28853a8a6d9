/**
 * Trains the model that `./run play` drives, on the embedded world.
 *
 * @module
 */

import { join } from "@std/path";
import { z } from "zod";
import {
  parseCommand,
  positiveInteger,
  positiveNumber,
  runCommand,
  seedNumber,
} from "../../core/experiment/command.ts";
import { openDevice } from "../../core/experiment/device.ts";
import { Interrupt } from "../../core/experiment/interrupt.ts";
import { checkOutput } from "../../core/experiment/output.ts";
import { ProgressLine } from "../../core/experiment/progress.ts";
import {
  checkFolder,
  digestText,
} from "../../core/experiment/run_directory.ts";
import { digestFile } from "../../core/formats/digest.ts";
import { writeSafetensors } from "../../core/formats/safetensors.ts";
import { SHIPPED_VAE } from "../../core/lab/tune_vae.ts";
import { drivenLatents } from "../../core/play/frame_set.ts";
import { PLAYED_SIZES, trainPlayed } from "../../core/play/train.ts";
import { openPlayedVae, playedTensors } from "../../core/play/weights.ts";

const HELP = `train:play: trains the world model that ./run play drives

  --out FILE        safetensors, to be given as --model; new
  --vae FILE        the demo's autoencoder (the shipped one)
  --scenes N        scenes of the embedded world (240): drives as recorded in
                    those of even seeds, a wandering wheel in the others
  --steps N         optimizer steps (5000)
  --batch N         pairs of frames of a step (32)
  --lr X            peak learning rate of Adam (0.005)
  --probe-steps N   steps of the probe that reads the steering back (1500)
  --seed S          of weights, order and noise (0)
  --cache DIR       checkpoints (data)

Interrupted, the same command draws the scenes again and goes on from the last
checkpoint.`;

const Options = z.strictObject({
  _: z.tuple([], "options begin with --"),
  out: z.string("it needs a file").regex(
    /\.safetensors$/,
    "its name must end in .safetensors",
  ),
  vae: z.string().min(1).default(SHIPPED_VAE),
  scenes: positiveInteger.min(2, "it needs at least 2").default(240),
  steps: positiveInteger.default(5000),
  batch: positiveInteger.default(32),
  lr: positiveNumber.default(5e-3),
  probeSteps: positiveInteger.default(1500),
  seed: seedNumber.default(0),
  cache: z.string().default("data"),
});

/** First seed of the scenes that the probe is measured on, and how many. */
const HELD = { first: 8000, count: 20 };

async function train(args: readonly string[]): Promise<void> {
  const { cache, out, vae: path, ...settings } = parseCommand(
    Options,
    [],
    args,
  );
  const { scenes, steps, batch, lr, probeSteps, seed } = settings;
  await checkOutput(out, "--out");
  await checkFolder(cache, "--cache");
  using gpu = await openDevice();
  using interrupt = await Interrupt.open();
  using autoencoder = await openPlayedVae(gpu, await Deno.readFile(path));
  const { vae } = autoencoder;
  const vaeDigest = await digestFile(path);
  const key = await digestText(JSON.stringify([settings, vaeDigest]));
  const folder = join(cache, "train-play", key.slice(0, 16));
  await Deno.mkdir(folder, { recursive: true });
  const line = new ProgressLine("drive", () => gpu.memory().bytes);
  const drawn = (first: number, count: number) =>
    drivenLatents(
      gpu,
      vae,
      Array.from({ length: count }, (_, i) => first + i),
      (done, total) => {
        line.update({ done, total });
        interrupt.check();
      },
    );
  const frames = await drawn(0, scenes);
  const held = await drawn(HELD.first, Math.min(HELD.count, scenes));
  line.end();
  const lines = new Map<string, ProgressLine>();
  const lineOf = (part: string) => {
    const own = lines.get(part) ??
      new ProgressLine(`train ${part}`, () => gpu.memory().bytes);
    lines.set(part, own);
    return own;
  };
  const trained = await trainPlayed(
    gpu,
    { frames, held, steps, batch, lr, probeSteps, seed },
    (part) => ({
      checkpoint: join(folder, `${part}.safetensors`),
      digest: key,
      progress: ({ step, steps, ...loss }) =>
        lineOf(part).update({ done: step, total: steps, ...loss }),
      shouldStop: () => interrupt.requested,
    }),
  );
  for (const each of lines.values()) each.end();
  if (trained === undefined) return interrupt.check();
  const { model, statistics, probe, curve, quality } = trained;
  const { correlation, slope } = quality.steering;
  const last = curve.loss.slice(-20);
  const loss = last.reduce((a, b) => a + b, 0) / last.length;
  await writeSafetensors(out, playedTensors(model, statistics, probe), {
    trained_by:
      `./run train:play --scenes ${scenes} --steps ${steps} --batch ${batch} --lr ${lr} --probe-steps ${probeSteps} --seed ${seed}`,
    title: "frame by frame, trained on the embedded world",
    frames: String(frames.latents.frames),
    loss: loss.toFixed(4),
    heads: String(PLAYED_SIZES.heads),
    objective: "v",
    vae: vaeDigest,
    probe_steering_correlation: correlation.toFixed(3),
    probe_steering_slope: slope.toFixed(3),
  });
  await Deno.remove(folder, { recursive: true });
  console.log(
    `loss ${
      loss.toFixed(4)
    } after ${steps} steps on ${frames.latents.frames} frames of ${scenes} scenes; the probe reads steering with correlation ${
      correlation.toFixed(3)
    }, slope ${slope.toFixed(3)} on ${quality.n} held-out pairs; ${out}`,
  );
}

if (import.meta.main) await runCommand(HELP, train, Deno.args);
