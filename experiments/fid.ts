/**
 * Scores two folders of images against each other: FID and KID.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { fromFileUrl, join } from "@std/path";
import { FrameLoader } from "../core/data/frames.ts";
import { listImages } from "../core/data/image_source.ts";
import {
  DemoFeatureNet,
  isDemoFeatures,
} from "../core/encoders/demo_features.ts";
import { InceptionV3 } from "../core/encoders/inception_v3.ts";
import { ProgressLine } from "../core/experiment/progress.ts";
import { writeAtomic } from "../core/experiment/run_directory.ts";
import { digestFile } from "../core/formats/digest.ts";
import { readWeights } from "../core/formats/weights.ts";
import { Gpu } from "../core/gpu/gpu.ts";
import type { Features } from "../core/metrics/features.ts";
import { fid } from "../core/metrics/fid.ts";
import { kid } from "../core/metrics/kid.ts";
import { noGrad } from "../core/tensor/autograd.ts";
import { tensor } from "../core/tensor/create.ts";

const HELP = `fid: FID and KID of the images of two folders

  DIR_A DIR_B       folders of JPEG or PNG images
  --weights FILE    Inception-v3, FID variant, or a file of train:features;
                    without it the demo's network. Numbers of small networks
                    are not comparable with published ones
  --size N          side the images are cropped and resized to, bicubic
                    (256 for Inception, 64 for the demo's network)
  --subsets N       KID subsets (100)
  --subset-size N   images of a KID subset (50, or all if fewer)
  --json FILE       also write the numbers there`;

const DEMO = fromFileUrl(
  new URL("../fixtures/weights/demo_features.safetensors", import.meta.url),
);

const IMAGES_AT_ONCE = 16;

async function featuresOf(
  gpu: Gpu,
  network: DemoFeatureNet | InceptionV3,
  folder: string,
  size: number,
): Promise<{ features: Features; unreadable: number }> {
  const names = await listImages(folder, 2);
  const paths = names.map((name) => join(folder, name));
  const line = new ProgressLine(folder, () => gpu.memory().bytes);
  const rows: number[] = [];
  let unreadable = 0;
  let done = 0;
  let width = 0;
  let waiting: Uint8Array[] = [];
  const flush = async () => {
    if (waiting.length === 0) return;
    using _ = gpu.scope();
    const values = new Float32Array(waiting.length * size * size * 3);
    for (const [i, data] of waiting.entries()) {
      // Inception truncates to levels: a quarter of one keeps them.
      const lift = network instanceof InceptionV3 ? 0.25 : 0;
      const scaled = Float32Array.from(
        data,
        (level) => Math.min(1, (level + lift) / 255),
      );
      values.set(scaled, i * data.length);
    }
    const x = tensor(gpu, values).reshape([waiting.length, size, size, 3]);
    const y = noGrad(() => network.encode(x));
    width = y.shape[1] ?? 0;
    for (const value of await y.read()) rows.push(value);
    waiting = [];
  };
  using loader = new FrameLoader();
  const options = {
    size: [size, size] as const,
    crop: "centre" as const,
    filter: "bicubic" as const,
  };
  for await (const { path, image, error } of loader.load(paths, options)) {
    if (image === undefined) {
      unreadable++;
      console.error(`Left out ${path}: ${error}`);
    } else waiting.push(image.data);
    if (waiting.length === IMAGES_AT_ONCE) await flush();
    line.update({ done: ++done, total: paths.length });
  }
  await flush();
  line.end();
  return { features: { data: Float32Array.from(rows), width }, unreadable };
}

async function score(args: readonly string[]): Promise<void> {
  const options = parseArgs([...args], {
    string: ["weights", "json", "size", "subsets", "subset-size", "_"],
  }) as Record<string, unknown> & { _: unknown[] };
  const known = ["_", "weights", "json", "size", "subsets", "subset-size"];
  const typo = Object.keys(options).find((name) => !known.includes(name));
  if (typo !== undefined) {
    throw new Error(`Cannot understand --${typo}; see --help`);
  }
  const [a, b, ...more] = options._.map(String);
  if (a === undefined || b === undefined || more.length > 0) {
    throw new Error(
      `Cannot score ${options._.length} folders: name two; see --help`,
    );
  }
  const weights = options.weights === undefined
    ? undefined
    : String(options.weights);
  const number = (name: string, fallback: number | undefined) => {
    const given = options[name];
    if (given === undefined) return fallback;
    const value = Number(given);
    if (Number.isInteger(value) && value > 0) return value;
    throw new Error(
      `Cannot use --${name} ${given}: it needs a positive integer`,
    );
  };
  using gpu = await Gpu.open();
  using file = await readWeights(weights ?? DEMO);
  const isSmall = isDemoFeatures(file);
  using network = isSmall ? new DemoFeatureNet() : new InceptionV3();
  const size = isSmall ? 64 : number("size", 256) ?? 256;
  await network.load(gpu, file);
  const first = await featuresOf(gpu, network, a, size);
  const second = await featuresOf(gpu, network, b, size);
  const subsets = number("subsets", 100) ?? 100;
  const subsetSize = number("subset-size", undefined);
  const distance = fid(first.features, second.features);
  const kernel = kid(first.features, second.features, {
    subsets,
    ...(subsetSize === undefined ? {} : { subsetSize }),
  });
  const name = isSmall
    ? file.metadata.title ?? "the demo's feature network, not Inception"
    : "Inception-v3";
  const result = {
    fid: distance.value,
    fidRoute: distance.route,
    kid: kernel.value,
    kidSubsetSpread: kernel.subsetSpread,
    subsets: kernel.subsets,
    subsetSize: kernel.subsetSize,
    n: distance.n,
    unreadable: [first.unreadable, second.unreadable],
    network: name,
    weights: await digestFile(weights ?? DEMO),
  };
  console.log(
    `FID ${result.fid.toFixed(3)}   KID ${
      result.kid.toFixed(5)
    } (spread of ${subsets} subsets of ${kernel.subsetSize}: ${
      kernel.subsetSpread.toFixed(5)
    })   n ${distance.n.join(" and ")}   by ${name}`,
  );
  if (options.json !== undefined) {
    await writeAtomic(String(options.json), JSON.stringify(result, null, 2));
  }
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) console.log(HELP);
  else {
    try {
      await score(Deno.args);
    } catch (error) {
      console.error((error as Error).message);
      Deno.exit(1);
    }
  }
}
