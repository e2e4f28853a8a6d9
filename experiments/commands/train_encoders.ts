/**
 * Trains a small stand-in for one of the encoders that are compared.
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
import { writeSafetensors } from "../../core/formats/safetensors.ts";
import { drawnSceneFrames } from "../../core/lab/drawn_scenes.ts";
import {
  STAND_IN_FAMILIES,
  standIn,
  trainStandIn,
} from "../../core/training/stand_ins/train.ts";

const HELP =
  `train:encoders: trains a small stand-in of exp:encoders on the embedded world

  --family NAME     ${STAND_IN_FAMILIES.join(", ")}
  --out FILE        safetensors; new
  --scenes N        training scenes (150)
  --steps N         optimizer steps (1000)
  --batch N         frames or clips of a step (32)
  --lr X            peak learning rate of AdamW (0.001)
  --seed S          of weights and draws (0)
  --cache DIR       checkpoints (data)

Interrupted, the same command goes on from the last checkpoint.`;

const Options = z.strictObject({
  _: z.tuple([], "options begin with --"),
  family: z.enum(
    STAND_IN_FAMILIES,
    `it must be one of ${STAND_IN_FAMILIES.join(", ")}`,
  ),
  out: z.string("it needs a file").regex(
    /\.safetensors$/,
    "its name must end in .safetensors",
  ),
  scenes: positiveInteger.default(150),
  steps: positiveInteger.default(1000),
  batch: positiveInteger.min(2, "it needs at least 2").default(32),
  lr: positiveNumber.default(1e-3),
  seed: seedNumber.default(0),
  cache: z.string().default("data"),
});

async function train(args: readonly string[]): Promise<void> {
  const { cache, out, ...options } = parseCommand(Options, [], args);
  const { family, scenes, steps, batch, lr, seed } = options;
  await checkOutput(out, "--out");
  await checkFolder(cache, "--cache");
  using gpu = await openDevice();
  using interrupt = await Interrupt.open();
  const { side, frames: length } = standIn(family).config;
  const drawing = new ProgressLine("draw", () => gpu.memory().bytes);
  const frames = await drawnSceneFrames(gpu, scenes, {
    side,
    sweeps: length > 1,
    progress: (done, total) => {
      drawing.update({ done, total });
      interrupt.check();
    },
  });
  drawing.end();
  const digest = await digestText(JSON.stringify(options));
  const folder = join(cache, "train-encoders", digest.slice(0, 16));
  await Deno.mkdir(folder, { recursive: true });
  const line = new ProgressLine(family, () => gpu.memory().bytes);
  const settings = { steps, batch, lr, warmup: 50, seed };
  using trained = await trainStandIn(gpu, family, frames, settings, {
    checkpoint: join(folder, "checkpoint.safetensors"),
    digest,
    progress: ({ step, steps, ...loss }) =>
      line.update({ done: step, total: steps, ...loss }),
    shouldStop: () => interrupt.requested,
  });
  line.end();
  if (trained === undefined) return interrupt.check();
  const { encoder, curve: { loss } } = trained;
  await writeSafetensors(out, await encoder.stateDict(), {
    trained_by: `./run train:encoders ${
      Object.entries(options).filter(([name]) => name !== "_")
        .map(([name, value]) => `--${name} ${value}`).join(" ")
    }`,
    loss: `${loss[0]?.toFixed(4)} to ${loss.at(-1)?.toFixed(4)}`,
    parameters: String(encoder.parameterCount),
    adapter: gpu.adapter,
  });
  await Deno.remove(folder, { recursive: true });
  console.log(
    `${family}: loss ${loss[0]?.toFixed(3)} to ${
      loss.at(-1)?.toFixed(3)
    } in ${steps} steps, ${encoder.parameterCount} parameters; ${out}`,
  );
}

if (import.meta.main) await runCommand(HELP, train, Deno.args);
