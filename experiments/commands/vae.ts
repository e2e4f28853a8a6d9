/**
 * Encodes images to latents, and decodes latents to images.
 *
 * @module
 */

import { basename, fromFileUrl, join } from "@std/path";
import { z } from "zod";
import { encodeImages } from "../../core/data/encoded_images.ts";
import { openImages } from "../../core/data/image_source.ts";
import {
  type OpenAutoencoder,
  openAutoencoder,
} from "../../core/encoders/open_autoencoder.ts";
import {
  parseCommand,
  positiveInteger,
  runCommand,
} from "../../core/experiment/command.ts";
import { openDevice } from "../../core/experiment/device.ts";
import { UsageError } from "../../core/experiment/flags.ts";
import { Interrupt } from "../../core/experiment/interrupt.ts";
import {
  checkLost,
  checkOutput,
  claimFolder,
  counted,
  writeRows,
} from "../../core/experiment/output.ts";
import { ProgressLine } from "../../core/experiment/progress.ts";
import {
  checkFolder,
  digestText,
  writeAtomic,
} from "../../core/experiment/run_directory.ts";
import { digestFile } from "../../core/formats/digest.ts";
import { readNpz } from "../../core/formats/npy.ts";
import { encodePng } from "../../core/formats/png.ts";
import {
  findNotFinite,
  readSafetensors,
  toFloat32,
} from "../../core/formats/safetensors.ts";
import type { Gpu } from "../../core/gpu/gpu.ts";
import { permute } from "../../core/ops/permute.ts";
import { noGrad } from "../../core/tensor/autograd.ts";
import { tensor } from "../../core/tensor/create.ts";

const HELP = `vae encode|decode: images to latents and back

  vae encode --input DIR|FILE.npz --output FILE.npz|.safetensors
  vae decode --input FILE.npz|.safetensors --output DIR

  --weights FILE    Stable Diffusion's VAE, safetensors, .pth or .ckpt; without
                    it the demo's small one
  --size N          side the images are cropped and resized to, Lanczos
                    (256; 64 for the demo's)
  --batch N         images at once (1; 16 for the demo's)
  --cache DIR       working folder of encode (runs/vae)
  --allow-missing   encode even if more than 1 % of the images cannot be read

Latents are the posterior's mean, scaled, (n, 4, height, width). Interrupted,
the same command goes on; a folder of pictures of other latents or by other
weights is refused. Unreadable images are named and left out; the file lists
them as left_out.`;

const Options = z.strictObject({
  _: z.tuple(
    [z.enum(["encode", "decode"], "say encode or decode")],
    "say encode or decode",
  ),
  input: z.string("it needs a folder or file").min(1),
  output: z.string("it needs a folder or file").min(1),
  weights: z.string().min(1).optional(),
  size: positiveInteger.optional(),
  batch: positiveInteger.optional(),
  cache: z.string().default(join("runs", "vae")),
  allowMissing: z.boolean().default(false),
});

const SHIPPED = fromFileUrl(
  new URL("../../fixtures/weights/demo_vae.safetensors", import.meta.url),
);

/** Latent channels of both autoencoders. */
const CHANNELS = 4;

async function encode(
  gpu: Gpu,
  { vae, title }: OpenAutoencoder,
  isDemo: boolean,
  weights: string,
  options: z.output<typeof Options>,
): Promise<void> {
  const { input, output, batch = isDemo ? 16 : 1 } = options;
  const size = options.size ?? (isDemo ? 64 : 256);
  if (size % vae.factor !== 0) {
    throw new UsageError(
      `Cannot use --size ${size}: it needs a multiple of ${vae.factor}`,
    );
  }
  await checkOutput(output);
  await checkFolder(options.cache, "--cache");
  using source = await openImages(input, {
    size: [size, size],
    crop: "centre",
    filter: "lanczos",
  });
  const digest = await digestFile(weights);
  const key = await digestText(`${digest} ${source.digest} ${size}`);
  const folder = join(options.cache, key.slice(0, 16));
  const side = size / vae.factor;
  const own = CHANNELS * side * side;
  using interrupt = await Interrupt.open();
  const line = new ProgressLine("encode", () => gpu.memory().bytes);
  const result = await encodeImages({
    gpu,
    source,
    network: `${title} (${weights})`,
    side: size,
    folder,
    digest: key,
    shard: isDemo ? 256 : 32,
    batch,
    size: own,
    input: (level) => level / 127.5 - 1,
    apply: (x) => permute(vae.encode(x), [0, 3, 1, 2]),
    progress: (done, total) => line.update({ done, total }),
    shouldStop: () => interrupt.requested,
  });
  line.end();
  if (result === undefined) return interrupt.check();
  const { data, names, lost, rate } = result;
  checkLost(
    `encode ${input}`,
    lost,
    source.names.length,
    options.allowMissing,
  );
  const used = new Set(names);
  await writeRows(output, {
    name: "latents",
    shape: [names.length, CHANNELS, side, side],
    data,
    names,
    leftOut: source.names.filter((name) => !used.has(name)),
    about: { vae: title, weights: digest },
  });
  await Deno.remove(folder, { recursive: true });
  console.log(
    `${
      counted(names.length, lost.length, "images")
    } to (${CHANNELS}, ${side}, ${side}) by ${title}${
      rate > 0 ? `, ${rate.toFixed(1)} a second` : ""
    }; ${output}`,
  );
}

interface Latents {
  readonly shape: readonly number[];
  readonly data: Float32Array;
  readonly names: readonly string[];
}

async function readLatents(path: string): Promise<Latents> {
  const [shape, data, names = []] = await latentsOf(path);
  const [count = 0, channels = 0, ...rest] = shape;
  if (channels !== CHANNELS || rest.length !== 2) {
    throw new Error(
      `Cannot decode ${path}: its latents have shape (${
        shape.join(", ")
      }), needed (n, ${CHANNELS}, height, width)`,
    );
  }
  if (data.length === 0) {
    throw new Error(
      `Cannot decode ${path}: there is no latent in it, their shape is (${
        shape.join(", ")
      })`,
    );
  }
  const row = data.findIndex((value) => !Number.isFinite(value));
  if (row >= 0) {
    const index = Math.floor(row / (data.length / count));
    throw new Error(
      `Cannot decode ${path}: latent ${index} holds ${
        data[row]
      }, needed finite numbers`,
    );
  }
  return { shape, data, names };
}

async function latentsOf(
  path: string,
): Promise<
  [readonly number[], Float32Array, readonly string[] | undefined]
> {
  if (path.endsWith(".npz")) {
    using file = await readNpz(path);
    const { dtype, shape, data } = await file.read("latents");
    if (dtype === "U") {
      throw new Error(`Cannot decode ${path}: array "latents" holds text`);
    }
    const names = file.names.includes("names")
      ? await file.read("names")
      : undefined;
    return [
      shape,
      Float32Array.from(data as Float32Array, Number),
      names && checkNames(path, [...names.data], names.shape, shape[0]),
    ];
  }
  using file = await readSafetensors(path);
  const latents = await file.read("latents");
  const { shape } = latents;
  const { names } = file.metadata;
  return [
    shape,
    toFloat32(latents),
    names === undefined ? undefined : parseNames(path, names, shape[0]),
  ];
}

function parseNames(path: string, text: string, count = 0): readonly string[] {
  let names: unknown;
  try {
    names = JSON.parse(text);
  } catch {
    // Reported below: it is no list.
  }
  return Array.isArray(names)
    ? checkNames(path, names, [names.length], count)
    : checkNames(path, [], [], count);
}

/** Names of latents: texts, or integers, that name a file each. */
function checkNames(
  path: string,
  names: readonly unknown[],
  shape: readonly number[],
  count = 0,
): readonly string[] {
  const refuse = (what: string): never => {
    throw new Error(
      `Cannot decode ${path}: "names" ${what}, needed ${count} texts or integers that name files; leave it out to number the pictures`,
    );
  };
  if (shape.length !== 1 || names.length !== count) {
    refuse(`has shape (${shape.join(", ")})`);
  }
  return names.map((name, i) => {
    const isInteger = typeof name === "bigint" || Number.isInteger(name);
    const text = isInteger ? String(name) : name;
    if (typeof text !== "string") return refuse(`holds no text at ${i}`);
    const base = basename(text).replace(/\.\w+$/, "");
    if (/^[./]*$/.test(base) || /\p{Cc}/u.test(text)) {
      return refuse(`holds ${JSON.stringify(text)} at ${i}`);
    }
    return text;
  });
}

async function decode(
  gpu: Gpu,
  { vae, title }: OpenAutoencoder,
  isDemo: boolean,
  weights: string,
  options: z.output<typeof Options>,
): Promise<void> {
  const { input, output, batch = isDemo ? 16 : 1 } = options;
  const { shape, data, names } = await readLatents(input);
  const [count = 0, , height = 0, width = 0] = shape;
  await checkFolder(output, "--output");
  await claimFolder(output, "decoded.json", {
    input,
    inputDigest: await digestFile(input),
    weights: await digestFile(weights),
  });
  const files = Array.from({ length: count }, (_, i) => {
    const name = names[i] ?? String(i).padStart(5, "0");
    return join(output, `${basename(name).replace(/\.\w+$/, "")}.png`);
  });
  if (new Set(files).size < count) {
    files.forEach((_, i) =>
      files[i] = join(output, `${String(i).padStart(5, "0")}.png`)
    );
  }
  const own = data.length / count;
  const pixels = [height * vae.factor, width * vae.factor] as const;
  using interrupt = await Interrupt.open();
  const line = new ProgressLine("decode", () => gpu.memory().bytes);
  const missing: number[] = [];
  for (const [i, file] of files.entries()) {
    const exists = await Deno.stat(file).then(() => true, () => false);
    if (!exists) missing.push(i);
  }
  for (let i = 0; i < missing.length; i += batch) {
    interrupt.check();
    using _ = gpu.scope();
    const some = missing.slice(i, i + batch);
    const values = new Float32Array(some.length * own);
    some.forEach((row, k) => {
      values.set(data.subarray(row * own, (row + 1) * own), k * own);
    });
    const z = tensor(gpu, values)
      .reshape([some.length, CHANNELS, height, width]);
    const images = noGrad(() => vae.decode(permute(z, [0, 2, 3, 1])));
    const got = await images.read() as Float32Array<ArrayBuffer>;
    const size = pixels[0] * pixels[1] * 3;
    for (const [k, row] of some.entries()) {
      const picture = got.subarray(k * size, (k + 1) * size);
      const bad = findNotFinite(picture);
      if (bad >= 0) {
        throw new Error(
          `Cannot decode ${input}: the picture of latent ${row} holds ${
            picture[bad]
          }, needed finite numbers; the weights ${weights} give too large values`,
        );
      }
      const levels = Uint8Array.from(
        picture,
        (value) => Math.round(value * 255),
      );
      const png = encodePng({
        width: pixels[1],
        height: pixels[0],
        data: levels,
      });
      await writeAtomic(files[row] ?? "", png);
    }
    line.update({ done: i + some.length, total: missing.length });
  }
  line.end();
  const before = count - missing.length;
  console.log(
    `${missing.length} images of ${pixels[1]}x${
      pixels[0]
    } by ${title}; ${output}${before === 0 ? "" : `; ${before} were there`}`,
  );
}

async function run(args: readonly string[]): Promise<void> {
  const options = parseCommand(Options, ["allowMissing"], args);
  const weights = options.weights ?? SHIPPED;
  using gpu = await openDevice();
  using open = await openAutoencoder(gpu, weights);
  const isDemo = open.title.includes("demo");
  await (options._[0] === "encode"
    ? encode(gpu, open, isDemo, weights, options)
    : decode(gpu, open, isDemo, weights, options));
}

if (import.meta.main) await runCommand(HELP, run, Deno.args);
