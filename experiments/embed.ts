/**
 * Embeds images or clips by a frozen encoder.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import { z } from "zod";
import { type ImageSource, openImages } from "../core/data/image_source.ts";
import { cacheLatents } from "../core/data/latents.ts";
import type { Encoder } from "../core/encoders/encoder.ts";
import { InceptionV3 } from "../core/encoders/inception_v3.ts";
import { encoders } from "../core/encoders/mod.ts";
import { OrthogonalProjection } from "../core/encoders/projection.ts";
import { parseCommand, runCommand } from "../core/experiment/command.ts";
import { nearest, UsageError } from "../core/experiment/flags.ts";
import { Interrupt } from "../core/experiment/interrupt.ts";
import { checkOutput, writeRows } from "../core/experiment/output.ts";
import { ProgressLine } from "../core/experiment/progress.ts";
import { digestText } from "../core/experiment/run_directory.ts";
import { digestFile } from "../core/formats/digest.ts";
import { readWeights } from "../core/formats/weights.ts";
import { Gpu } from "../core/gpu/gpu.ts";
import { noGrad } from "../core/tensor/autograd.ts";
import { tensor, zeros } from "../core/tensor/create.ts";
import type { Tensor } from "../core/tensor/tensor.ts";

const LIST = Object.entries(encoders)
  .map(([name, { title }]) => `    ${name.padEnd(15)} ${title}`).join("\n");

const HELP = `embed ENCODER: embeds images or clips by a frozen network

${LIST}

  --input DIR|FILE.npz  JPEG and PNG images, or levels as uint8
                        (n, height, width, 3), for clips (n, T, height, width, 3)
  --output FILE         .npz (embeddings, names) or .safetensors; new
  --weights FILE        safetensors, .pth, .pt, .ckpt or .npz under any public
                        naming (weights/, see ./run weights)
  --preprocessing HOW   authors: as the paper's code; recommended: as the
                        publisher of the weights says (authors)
  --clip T              embed clips of T images in the order of their names
                        (vjepa2; T even)
  --tokens              tokens of a grid instead of one row an image
  --project SEED        project to 384 by the frozen orthogonal map of a seed
  --half                keep matrices as 16-bit floats
  --batch N             images at once (8; a clip counts as one)

Interrupted, the same command goes on. Unreadable images are named and left
out.`;

const positive = z.coerce.number("it needs a positive integer")
  .int("it needs a positive integer").min(1, "it needs a positive integer");

const Options = z.strictObject({
  _: z.tuple(
    [z.string()],
    `name one encoder: ${Object.keys(encoders).join(", ")}`,
  ),
  input: z.string("it needs a folder or an npz file").min(1),
  output: z.string("it needs a file").min(1),
  weights: z.string().min(1).optional(),
  preprocessing: z.enum(
    ["authors", "recommended"],
    "it must be authors or recommended",
  )
    .default("authors"),
  clip: positive.multipleOf(2, "it needs an even number").optional(),
  tokens: z.boolean().default(false),
  project: z.coerce.number("it needs a seed").int().min(0).optional(),
  half: z.boolean().default(false),
  batch: positive.default(8),
});

/** Images between two writes to disk. */
const SHARD = 64;

const SHIPPED = fromFileUrl(
  new URL("../fixtures/weights/demo_features.safetensors", import.meta.url),
);

/** The file of an encoder's weights. */
async function weightsOf(name: string, given?: string): Promise<string> {
  const entry = encoders[name]!;
  const path = given ??
    (name === "demo_features" ? SHIPPED : join("weights", entry.weights.file));
  try {
    await Deno.stat(path);
    return path;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(
      `Cannot find weights of ${name}: there is no ${path}; get ${entry.weights.from}, and put it there or name it by --weights`,
    );
  }
}

type Apply = (frames: Tensor) => Tensor;

/** Rows of items `[start, end)`; those that cannot be read are NaN. */
async function rowsOf(
  gpu: Gpu,
  source: ImageSource,
  [start, end]: readonly [number, number],
  frame: { readonly side: number; readonly lift: number },
  batch: number,
  size: number,
  apply: Apply,
  report: (index: number, error?: string) => void,
): Promise<Float32Array> {
  const rows = new Float32Array((end - start) * size).fill(NaN);
  let waiting: { index: number; levels: Uint8Array }[] = [];
  const { side, lift } = frame;
  const flush = async () => {
    if (waiting.length === 0) return;
    using _ = gpu.scope();
    const own = source.frames * side * side * 3;
    const values = new Float32Array(waiting.length * own);
    waiting.forEach(({ levels }, i) => {
      for (let k = 0; k < own; k++) {
        values[i * own + k] = Math.min(1, (levels[k]! + lift) / 255);
      }
    });
    const shape = source.frames === 1
      ? [waiting.length, side, side, 3]
      : [waiting.length, source.frames, side, side, 3];
    const x = tensor(gpu, values).reshape(shape);
    const y = await noGrad(() => apply(x)).read() as Float32Array;
    waiting.forEach(({ index }, i) => {
      rows.set(y.subarray(i * size, (i + 1) * size), (index - start) * size);
      report(index);
    });
    waiting = [];
  };
  for await (const { index, levels, error } of source.load(start, end)) {
    if (levels === undefined) report(index, error);
    else waiting.push({ index, levels });
    if (waiting.length === batch) await flush();
  }
  await flush();
  return rows;
}

async function embed(args: readonly string[]): Promise<void> {
  const options = parseCommand(Options, ["tokens", "half"], args);
  const [name] = options._;
  const entry = encoders[name];
  if (entry === undefined) {
    throw new UsageError(
      `Cannot embed by "${name}": did you mean ${
        nearest(name, Object.keys(encoders))
      }?`,
    );
  }
  const { input, output, clip, tokens, project, half, batch } = options;
  if (clip !== undefined && !entry.takesClips) {
    throw new UsageError(`Cannot use --clip ${clip}: ${name} takes no clips`);
  }
  const frames = options.preprocessing === "authors"
    ? entry.frames
    : entry.recommended ?? entry.frames;
  const { side, crop, filter } = frames;
  await checkOutput(output);
  const path = await weightsOf(name, options.weights);
  using source = await openImages(input, {
    size: [side, side],
    crop,
    filter,
  }, clip);
  using gpu = await Gpu.open();
  using network: Encoder = entry.create(side);
  if (tokens && network.spatialTokens === undefined) {
    throw new UsageError(`Cannot use --tokens: ${name} has no grid of tokens`);
  }
  {
    using file = await readWeights(path);
    await network.load(gpu, file, { half });
  }
  const digest = await digestFile(path);
  using projection = project === undefined
    ? undefined
    : new OrthogonalProjection(network.width, project);
  const apply: Apply = (x) => {
    const y = tokens ? network.spatialTokens!(x) : network.encode(x);
    return projection?.forward(y) ?? y;
  };
  const rowShape = tokens
    ? gridOf(gpu, side, apply)
    : [projection?.outputs ?? network.width];
  const size = rowShape.reduce((a, b) => a * b, 1);
  const key = await digestText(
    JSON.stringify([
      name,
      digest,
      source.digest,
      frames,
      clip,
      tokens,
      project,
      half,
    ]),
  );
  const folder = join("runs", "embed", key.slice(0, 16));

  using interrupt = new Interrupt();
  const line = new ProgressLine(name, () => gpu.memory().bytes);
  const total = source.names.length;
  const errors: string[] = [];
  let done = 0;
  let fresh = 0;
  let seconds = 0;
  const cached = await cacheLatents({
    directory: folder,
    digest: key,
    frames: total,
    size,
    shard: clip === undefined ? SHARD : 8,
    encode: async (start, end) => {
      const began = performance.now();
      done = start;
      // Inception truncates to levels: a quarter of one keeps them.
      const lift = network instanceof InceptionV3 ? 0.25 : 0;
      const rows = await rowsOf(
        gpu,
        source,
        [start, end],
        { side, lift },
        clip === undefined ? batch : 1,
        size,
        apply,
        (index, error) => {
          if (error === undefined) fresh++;
          else errors.push(`${source.names[index]}: ${error}`);
          line.update({ done: ++done, total });
        },
      );
      seconds += (performance.now() - began) / 1000;
      return rows;
    },
    shouldStop: () => interrupt.requested,
  });
  line.end();
  if (cached === undefined) return interrupt.check();
  const { latents } = cached;
  const kept = source.names.map((_, i) => i)
    .filter((i) => !Number.isNaN(latents[i * size]));
  for (const error of errors) console.error(`Left out ${error}`);
  if (kept.length === 0) {
    throw new Error(
      `Cannot embed ${input}: none of its ${total} images can be read`,
    );
  }
  const data = new Float32Array(kept.length * size);
  kept.forEach((row, i) => {
    data.set(latents.subarray(row * size, (row + 1) * size), i * size);
  });
  await writeRows(output, {
    name: "embeddings",
    shape: [kept.length, ...rowShape],
    data,
    names: kept.map((row) => source.names[row] ?? ""),
    about: {
      encoder: name,
      weights: digest,
      preprocessing: options.preprocessing,
      ...(project === undefined ? {} : { projection: String(project) }),
    },
  });
  await Deno.remove(folder, { recursive: true });
  const noun = clip === undefined ? "images" : `clips of ${clip}`;
  const speed = fresh > 0
    ? `, ${(fresh / seconds).toFixed(1)} a second on ${gpu.adapter}`
    : "";
  const lost = total - kept.length;
  console.log(
    `${kept.length} ${noun} to (${rowShape.join(", ")})${speed}; ${
      lost === 0 ? "" : `${lost} unreadable; `
    }${output}`,
  );
}

/** Shape of the tokens of a frame. */
function gridOf(gpu: Gpu, side: number, apply: Apply): readonly number[] {
  using _ = gpu.scope();
  return noGrad(() => apply(zeros(gpu, [1, side, side, 3]))).shape.slice(1);
}

if (import.meta.main) await runCommand(HELP, embed, Deno.args);
