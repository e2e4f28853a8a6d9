/**
 * Trains the demo's feature network for FID and KID.
 *
 * @module
 */

import { basename, join } from "@std/path";
import { z } from "zod";
import { drive } from "../../core/data/driveworld/driver.ts";
import { FrameLoader } from "../../core/data/frames.ts";
import { frameScene } from "../../core/data/driveworld/frame.ts";
import { renderFrames } from "../../core/data/driveworld/render.ts";
import { makeWorld } from "../../core/data/driveworld/world.ts";
import { readNuscenes } from "../../core/data/nuscenes.ts";
import { checkPart, readSplit, splitScenes } from "../../core/data/splits.ts";
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
import { digestBytes } from "../../core/formats/digest.ts";
import type { Gpu } from "../../core/gpu/gpu.ts";
import type {
  FrameTargets,
  LabelledFrames,
} from "../../core/training/scene_features.ts";
import { readFrames } from "../../core/lab/data.ts";
import { tuneFeatures } from "../../core/lab/tune_features.ts";

const HELP = `train:features: trains the small feature network of FID and KID

  --out FILE        safetensors, to be given as --inception or --weights; new
  --data DIR        dataset in nuScenes' layout, whose training scenes are told
                    apart (the embedded world, where lanes, weather, curvature
                    and vehicles are learned too)
  --scenes N        scenes of the embedded world (400)
  --steps N         optimizer steps (6000)
  --batch N         frames of a step, a multiple of 8 (64)
  --lr X            peak learning rate of AdamW (0.003)
  --seed S          of weights, order, damage and dropout (0)
  --cache DIR       indexes and checkpoints (data)

Its numbers are not those of Inception-v3: the report names the network that
scored. Interrupted, the same command goes on from the last checkpoint.`;

const Options = z.strictObject({
  _: z.tuple([], "options begin with --"),
  out: z.string("it needs a file").regex(
    /\.safetensors$/,
    "its name must end in .safetensors",
  ),
  data: z.string().min(1).optional(),
  scenes: positiveInteger.min(2, "it needs at least 2").default(400),
  steps: positiveInteger.default(6000),
  batch: positiveInteger.multipleOf(8, "it needs a multiple of 8").default(64),
  lr: positiveNumber.default(3e-3),
  seed: seedNumber.default(0),
  cache: z.string().default("data"),
});

/** Side of the frames, in pixels. */
const SIZE = 64;

type Report = (done: number, total: number) => void;

/** Scenes of the embedded world with all that is known of them. */
async function drawnFrames(
  gpu: Gpu,
  count: number,
  report: Report,
): Promise<LabelledFrames> {
  const parts: Uint8Array[] = [];
  const scenes: number[] = [];
  const targets: FrameTargets[] = [];
  for (let seed = 0; seed < count; seed++) {
    report(seed, count);
    const world = makeWorld(seed);
    const seen = drive(world).filter((_, i) => i % 10 === 0)
      .map((state) => frameScene(world, state));
    parts.push(await renderFrames(gpu, seen, [SIZE, SIZE]));
    for (const { facts } of seen) {
      scenes.push(seed);
      targets.push({
        style: world.style,
        attributes: [
          Number(world.night),
          Number(world.rain),
          Number(world.fog),
          world.ownLanes - 1,
          world.otherLanes - 1,
        ],
        // Scaled to be near one.
        geometry: [
          60 * facts.curvatureAhead,
          5 * facts.heading,
          facts.lateral / 3,
          facts.vehicles / 3,
          Math.log(facts.nearest) - 2.5,
          3 * facts.headingAhead,
        ],
      });
    }
  }
  const levels = new Uint8Array(
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const part of parts) {
    levels.set(part, at);
    at += part.length;
  }
  return { levels, scenes, nScenes: count, targets };
}

/** Training scenes of a recorded dataset. */
async function recordedFrames(
  root: string,
  cache: string,
  report: Report,
): Promise<LabelledFrames> {
  const dataset = await readNuscenes(root, { cache: join(cache, "index") });
  const split = splitScenes(dataset, await readSplit(root));
  checkPart(root, dataset, split, "train");
  const { train } = split;
  const frames = train.flatMap(({ keyframes }, scene) =>
    keyframes.map(({ imagePath }) => ({ scene, imagePath }))
  );
  const paths = frames.map(({ imagePath }) => imagePath);
  using loader = new FrameLoader();
  return {
    levels: await readFrames(loader, root, paths, SIZE, "bicubic", report),
    scenes: frames.map(({ scene }) => scene),
    nScenes: train.length,
  };
}

async function train(args: readonly string[]): Promise<void> {
  const { cache, ...options } = parseCommand(Options, [], args);
  const { out, data, steps, batch, lr, seed } = options;
  await checkOutput(out, "--out");
  await checkFolder(cache, "--cache");
  using gpu = await openDevice();
  using interrupt = await Interrupt.open();
  const reading = new ProgressLine("frames", () => gpu.memory().bytes);
  const report: Report = (done, total) => {
    const waitsFor = data === undefined ? {} : { waitsFor: "reading" };
    reading.update({ done, total, ...waitsFor });
    interrupt.check();
  };
  const frames = data === undefined
    ? await drawnFrames(gpu, options.scenes, report)
    : await recordedFrames(data, cache, report);
  reading.end();
  const { scenes, targets } = frames;
  const levels = digestBytes(frames.levels);
  const key = await digestText(
    JSON.stringify([options, levels, scenes, targets]),
  );
  const folder = join(cache, "train-features", key.slice(0, 16));
  await Deno.mkdir(folder, { recursive: true });
  const line = new ProgressLine("train", () => gpu.memory().bytes);
  const named = data === undefined ? "the embedded world" : basename(data);
  const result = await tuneFeatures(gpu, {
    out,
    checkpoint: join(folder, "checkpoint.safetensors"),
    digest: key,
    frames,
    settings: { steps, batch, lr, warmup: 100, seed },
    metadata: {
      trained_by: "./run train:features",
      title:
        `the demo's feature network, trained on ${named} (192 features, not Inception)`,
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
    `loss ${result.loss[0].toFixed(3)} to ${
      result.loss[1].toFixed(3)
    } in ${steps} steps on ${result.frames} frames of ${result.scenes} scenes; ${out}`,
  );
}

if (import.meta.main) await runCommand(HELP, train, Deno.args);
