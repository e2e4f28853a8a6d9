/**
 * Scores two folders of images against each other: FID and KID.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import { z } from "zod";
import { encodeImages } from "../../core/data/encoded_images.ts";
import { type ImageSource, openImages } from "../../core/data/image_source.ts";
import {
  DemoFeatureNet,
  isDemoFeatures,
} from "../../core/encoders/demo_features.ts";
import { InceptionV3 } from "../../core/encoders/inception_v3.ts";
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
  checkWritable,
  counted,
} from "../../core/experiment/output.ts";
import { ProgressLine } from "../../core/experiment/progress.ts";
import {
  checkFolder,
  digestText,
  writeAtomic,
} from "../../core/experiment/run_directory.ts";
import { digestModules, readSources } from "../../core/experiment/sources.ts";
import { digestFile } from "../../core/formats/digest.ts";
import { readWeights } from "../../core/formats/weights.ts";
import type { Gpu } from "../../core/gpu/gpu.ts";
import type { Features } from "../../core/metrics/features.ts";
import { fid } from "../../core/metrics/fid.ts";
import { kid } from "../../core/metrics/kid.ts";

const HELP = `fid: FID and KID of the images of two folders

  DIR_A DIR_B       folders of JPEG or PNG images, or npz files as of embed
  --weights FILE    Inception-v3, FID variant, or a file of train:features;
                    without it the demo's network. Numbers of small networks
                    are not comparable with published ones
  --size N          side the images are cropped and resized to, bicubic
                    (256; the demo's network takes 64 alone)
  --fid-only        no KID
  --kid-only        no FID
  --subsets N       KID subsets (100)
  --subset-size N   images of a KID subset (50, or all if fewer)
  --allow-missing   score even if more than 1 % of the images cannot be read
  --json FILE       also write the numbers there
  --cache DIR       folder that features are kept in (runs/fid-features)

Features are kept under a digest of the images' names and content, the weights
and the size: images are embedded once. Remove that folder at any time.
Interrupted, the same command goes on. Unreadable images are named and left
out.`;

const Options = z.strictObject({
  _: z.tuple([z.string(), z.string()], "name two folders"),
  weights: z.string().optional(),
  size: positiveInteger.optional(),
  fidOnly: z.boolean().default(false),
  kidOnly: z.boolean().default(false),
  subsets: positiveInteger.optional(),
  subsetSize: positiveInteger.min(2, "it needs at least 2").optional(),
  allowMissing: z.boolean().default(false),
  json: z.string().optional(),
  cache: z.string().default(join("runs", "fid-features")),
});

const DEMO = fromFileUrl(
  new URL("../../fixtures/weights/demo_features.safetensors", import.meta.url),
);

const IMAGES_AT_ONCE = 16;

/** Images between two writes to disk. */
const SHARD = 512;

/** Side of the images of the demo's network. */
const DEMO_SIDE = 64;

/** Checks flags that depend on each other. */
function checkFlags(options: z.output<typeof Options>): void {
  if (options.fidOnly && options.kidOnly) {
    throw new UsageError("Cannot use --fid-only with --kid-only: give one");
  }
  for (const flag of ["subsets", "subsetSize"] as const) {
    if (options.fidOnly && options[flag] !== undefined) {
      const name = flag === "subsets" ? "--subsets" : "--subset-size";
      throw new UsageError(
        `Cannot use ${name} with --fid-only: it is of KID; give one of them`,
      );
    }
  }
}

/** Checks, before any work, that there are images enough. */
function checkCounts(
  folders: readonly [string, ImageSource][],
  subsetSize = 2,
): void {
  for (const [folder, { names }] of folders) {
    if (names.length < 2) {
      throw new Error(
        `Cannot score ${folder}: it holds ${names.length} images, needed at least 2`,
      );
    }
    if (names.length < subsetSize) {
      throw new UsageError(
        `Cannot use --subset-size ${subsetSize}: ${folder} holds ${names.length} images, and a subset needs as many`,
      );
    }
  }
}

interface Embedded {
  readonly features: Features;
  /** Names of the images that could not be read. */
  readonly leftOut: readonly string[];
  /** The same with reasons. */
  readonly lost: readonly string[];
}

/**
 * Features of the images of a folder, computed now or before; undefined if it
 * was asked to stop.
 */
async function featuresOf(
  gpu: Gpu,
  network: DemoFeatureNet | InceptionV3,
  title: string,
  folder: string,
  source: ImageSource,
  key: string,
  cache: string,
  side: number,
  shouldStop: () => boolean,
): Promise<Embedded | undefined> {
  const line = new ProgressLine(folder, () => gpu.memory().bytes);
  // Inception truncates to levels: a quarter of one keeps them.
  const lift = network instanceof InceptionV3 ? 0.25 : 0;
  const result = await encodeImages({
    gpu,
    source,
    network: title,
    side,
    folder: join(cache, key.slice(0, 16)),
    digest: key,
    shard: SHARD,
    batch: IMAGES_AT_ONCE,
    size: network.width,
    input: (level) => Math.min(1, (level + lift) / 255),
    apply: (x) => network.encode(x),
    progress: (done, total) => line.update({ done, total }),
    shouldStop,
  });
  line.end();
  if (result === undefined) return undefined;
  const { data, names, lost } = result;
  const used = new Set(names);
  return {
    features: { data, width: network.width },
    leftOut: source.names.filter((name) => !used.has(name)),
    lost,
  };
}

async function score(args: readonly string[]): Promise<void> {
  const options = parseCommand(
    Options,
    ["fidOnly", "kidOnly", "allowMissing"],
    args,
  );
  checkFlags(options);
  const { _: folders, subsets, subsetSize, json, cache } = options;
  const weights = options.weights ?? DEMO;
  if (json !== undefined) await checkWritable(json, "--json");
  await checkFolder(cache, "--cache");
  using file = await readWeights(weights);
  const isSmall = isDemoFeatures(file);
  const size = options.size ?? (isSmall ? DEMO_SIDE : 256);
  if (isSmall && size !== DEMO_SIDE) {
    throw new UsageError(
      `Cannot use --size ${size}: the small network takes ${DEMO_SIDE}, other sizes need --weights of Inception`,
    );
  }
  const open = (folder: string) =>
    openImages(folder, {
      size: [size, size],
      crop: "centre",
      filter: "bicubic",
    });
  using first = await open(folders[0]);
  using second = await open(folders[1]);
  const sources = [
    [folders[0], first] as [string, ImageSource],
    [folders[1], second] as [string, ImageSource],
  ];
  checkCounts(sources, subsetSize);
  using gpu = await openDevice();
  using network = isSmall ? new DemoFeatureNet() : new InceptionV3();
  await network.load(gpu, file);
  const digest = await digestFile(weights);
  const root = fromFileUrl(new URL("../..", import.meta.url));
  const code = digestModules(
    await readSources(root, ["experiments/commands/fid.ts"]),
    [import.meta.url],
  );
  using interrupt = await Interrupt.open();
  const name = isSmall
    ? file.metadata.title ?? "the demo's feature network, not Inception"
    : "Inception-v3";
  const sets: Embedded[] = [];
  for (const [folder, source] of sources) {
    const key = await digestText(
      JSON.stringify([digest, source.digest, size, code]),
    );
    const set = await featuresOf(
      gpu,
      network,
      `${name} (${weights})`,
      folder,
      source,
      key,
      cache,
      size,
      () => interrupt.requested,
    );
    if (set === undefined) return interrupt.check();
    checkLost(
      `score ${folder}`,
      set.lost,
      source.names.length,
      options.allowMissing,
    );
    sets.push(set);
  }
  const [a, b] = sets as [Embedded, Embedded];
  const distance = options.kidOnly ? undefined : fid(a.features, b.features);
  const kernel = options.fidOnly ? undefined : kid(a.features, b.features, {
    ...(subsets === undefined ? {} : { subsets }),
    ...(subsetSize === undefined ? {} : { subsetSize }),
  });
  const n = sets.map(({ features }) => features.data.length / features.width);
  const result = {
    ...(distance === undefined
      ? {}
      : { fid: distance.value, fidRoute: distance.route }),
    ...(kernel === undefined ? {} : {
      kid: kernel.value,
      kidSubsetSpread: kernel.subsetSpread,
      subsets: kernel.subsets,
      subsetSize: kernel.subsetSize,
    }),
    n,
    images: sources.map(([, { names }]) => names.length),
    leftOut: sets.map(({ leftOut }) => leftOut),
    network: name,
    weights: digest,
  };
  const parts = [
    ...(distance === undefined ? [] : [`FID ${distance.value.toFixed(3)}`]),
    ...(kernel === undefined ? [] : [
      `KID ${
        kernel.value.toFixed(5)
      } (spread of ${kernel.subsets} subsets of ${kernel.subsetSize}: ${
        kernel.subsetSpread.toFixed(5)
      })`,
    ]),
    `n ${
      n.map((used, i) => counted(used, sets[i]!.leftOut.length)).join(" and ")
    }`,
    `by ${name}`,
  ];
  console.log(parts.join("   "));
  if (json !== undefined) {
    await writeAtomic(json, JSON.stringify(result, null, 2));
  }
}

if (import.meta.main) await runCommand(HELP, score, Deno.args);
