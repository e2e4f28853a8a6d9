/**
 * Embeds images or clips by a frozen encoder.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import { z } from "zod";
import { encodeImages } from "../../core/data/encoded_images.ts";
import { openImages } from "../../core/data/image_source.ts";
import type { Encoder } from "../../core/encoders/encoder.ts";
import { InceptionV3 } from "../../core/encoders/inception_v3.ts";
import { encoders } from "../../core/encoders/mod.ts";
import { OrthogonalProjection } from "../../core/encoders/projection.ts";
import {
  parseCommand,
  positiveInteger,
  runCommand,
  seedNumber,
} from "../../core/experiment/command.ts";
import { openDevice } from "../../core/experiment/device.ts";
import { nearest, UsageError } from "../../core/experiment/flags.ts";
import { Interrupt } from "../../core/experiment/interrupt.ts";
import {
  checkLost,
  checkOutput,
  counted,
  writeRows,
} from "../../core/experiment/output.ts";
import { ProgressLine } from "../../core/experiment/progress.ts";
import {
  checkFolder,
  digestText,
} from "../../core/experiment/run_directory.ts";
import { digestFile } from "../../core/formats/digest.ts";
import { readWeights } from "../../core/formats/weights.ts";
import type { Gpu } from "../../core/gpu/gpu.ts";
import { noGrad } from "../../core/tensor/autograd.ts";
import { zeros } from "../../core/tensor/create.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";

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
  --cache DIR           working folder (runs/embed)
  --allow-missing       write even if more than 1 % cannot be read

Interrupted, the same command goes on. Unreadable images are named and left
out; the file lists them as left_out.`;

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
  clip: positiveInteger.multipleOf(2, "it needs an even number").optional(),
  tokens: z.boolean().default(false),
  project: seedNumber.optional(),
  half: z.boolean().default(false),
  batch: positiveInteger.default(8),
  cache: z.string().default(join("runs", "embed")),
  allowMissing: z.boolean().default(false),
});

/** Images between two writes to disk. */
const SHARD = 64;

const SHIPPED = fromFileUrl(
  new URL("../../fixtures/weights/demo_features.safetensors", import.meta.url),
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

async function embed(args: readonly string[]): Promise<void> {
  const options = parseCommand(
    Options,
    ["tokens", "half", "allowMissing"],
    args,
  );
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
  await checkFolder(options.cache, "--cache");
  const path = await weightsOf(name, options.weights);
  using source = await openImages(input, {
    size: [side, side],
    crop,
    filter,
  }, clip);
  using gpu = await openDevice();
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
  const folder = join(options.cache, key.slice(0, 16));

  using interrupt = await Interrupt.open();
  const line = new ProgressLine(name, () => gpu.memory().bytes);
  // Inception truncates to levels: a quarter of one keeps them.
  const lift = network instanceof InceptionV3 ? 0.25 : 0;
  const result = await encodeImages({
    gpu,
    source,
    network: `${name} (${path})`,
    side,
    folder,
    digest: key,
    shard: clip === undefined ? SHARD : SHARD / 8,
    batch: clip === undefined ? batch : 1,
    size,
    input: (level) => Math.min(1, (level + lift) / 255),
    apply,
    progress: (done, total) => line.update({ done, total }),
    shouldStop: () => interrupt.requested,
  });
  line.end();
  if (result === undefined) return interrupt.check();
  const { data, names, lost, rate } = result;
  checkLost(
    `embed ${input}`,
    lost,
    source.names.length,
    options.allowMissing,
  );
  for (const item of source.rest) {
    console.error(`Left out ${item}: it fills no clip of ${clip}`);
  }
  const used = new Set(names);
  await writeRows(output, {
    name: "embeddings",
    shape: [names.length, ...rowShape],
    data,
    names,
    leftOut: [
      ...source.names.filter((item) => !used.has(item)),
      ...source.rest,
    ],
    about: {
      encoder: name,
      weights: digest,
      preprocessing: options.preprocessing,
      ...(project === undefined ? {} : { projection: String(project) }),
    },
  });
  await Deno.remove(folder, { recursive: true });
  const noun = clip === undefined ? "images" : `clips of ${clip}`;
  const speed = rate > 0
    ? `, ${rate.toFixed(1)} a second on ${gpu.adapter}`
    : "";
  console.log(
    `${counted(names.length, lost.length, noun)} to (${
      rowShape.join(", ")
    })${speed}; ${output}`,
  );
}

/** Shape of the tokens of a frame. */
function gridOf(gpu: Gpu, side: number, apply: Apply): readonly number[] {
  using _ = gpu.scope();
  return noGrad(() => apply(zeros(gpu, [1, side, side, 3]))).shape.slice(1);
}

if (import.meta.main) await runCommand(HELP, embed, Deno.args);
