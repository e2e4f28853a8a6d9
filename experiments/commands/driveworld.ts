/**
 * Draws scenes of the embedded world into a folder in nuScenes' layout.
 *
 * @module
 */

import { z } from "zod";
import { writeDriveworld } from "../../core/data/driveworld/write.ts";
import {
  parseCommand,
  positiveInteger,
  runCommand,
  seedNumber,
} from "../../core/experiment/command.ts";
import { openDevice } from "../../core/experiment/device.ts";
import { Interrupt } from "../../core/experiment/interrupt.ts";
import { ProgressLine } from "../../core/experiment/progress.ts";
import { checkFolder } from "../../core/experiment/run_directory.ts";

const HELP = `data:driveworld: draws the embedded world in nuScenes' layout

  --out DIR       folder to write (needed)
  --scenes N      number of scenes, at least 3 (10)
  --seed S        seed of the first scene; the others follow it (0)
  --size WxH      pixels of a frame (64x64)

The first 80 % of the scenes are for training, 10 % for validation, the rest
for testing. Interrupted, the same command goes on.`;

const Options = z.strictObject({
  _: z.tuple([], "options begin with --"),
  out: z.string("it needs a folder"),
  scenes: positiveInteger.min(3, "it needs at least 3").default(10),
  seed: seedNumber.max(74_000_000, "it needs at most 74,000,000").default(0),
  size: z.string().regex(/^\d+x\d+$/, "it needs WIDTHxHEIGHT").default("64x64"),
});

async function draw(args: readonly string[]): Promise<void> {
  const { out, scenes, seed, size } = parseCommand(Options, [], args);
  const [width = 0, height = 0] = size.split("x").map(Number);
  const seeds = Array.from({ length: scenes }, (_, i) => seed + i);
  const train = Math.min(scenes - 2, Math.round(0.8 * scenes));
  const val = Math.max(1, Math.round(0.1 * scenes));
  await checkFolder(out, "--out");
  using gpu = await openDevice();
  using interrupt = await Interrupt.open();
  const line = new ProgressLine("draw", () => gpu.memory().bytes);
  await writeDriveworld(gpu, out, {
    train: seeds.slice(0, train),
    val: seeds.slice(train, Math.min(scenes - 1, train + val)),
    test: seeds.slice(Math.min(scenes - 1, train + val)),
    size: [width, height],
    progress: (done, total) => line.update({ done, total }),
    check: () => interrupt.check(),
  });
  line.end();
  console.log(`${scenes} scenes of 40 frames are in ${out}`);
}

if (import.meta.main) await runCommand(HELP, draw, Deno.args);
