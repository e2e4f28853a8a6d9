/**
 * Lists the frozen networks: where their weights come from, whether they are
 * there, and whether they fit.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import { z } from "zod";
import { AutoencoderKL } from "../../core/encoders/autoencoder_kl.ts";
import type { WeightSource } from "../../core/encoders/frozen.ts";
import {
  LPIPS_ALEX,
  LPIPS_VGG16,
  LpipsBackbone,
  LpipsHeads,
} from "../../core/encoders/lpips.ts";
import {
  encoders,
  LPIPS_FILES,
  type PublishedFile,
  SD_VAE_FILE,
} from "../../core/encoders/mod.ts";
import { parseCommand, runCommand } from "../../core/experiment/command.ts";
import { digestFile } from "../../core/formats/digest.ts";
import { readWeights } from "../../core/formats/weights.ts";
import type { Module } from "../../core/nn/module.ts";

const HELP = `weights: the frozen networks and the files of their weights

  --weights DIR     folder to look in (weights)
  --digest          also compare SHA-256 where it is published

For each network: the file's name, where it comes from, its size, and whether
its names and shapes are the network's. Nothing is loaded. The exit status is 1
if a file is there that does not fit.`;

const Options = z.strictObject({
  _: z.tuple([], "options begin with --"),
  weights: z.string().min(1).default("weights"),
  digest: z.boolean().default(false),
});

const SHIPPED = fromFileUrl(
  new URL("../../fixtures/weights/", import.meta.url),
);

interface Listed {
  readonly name: string;
  readonly title: string;
  readonly file: PublishedFile;
  create(): Module & { check(weights: WeightSource): void };
}

function listed(): Listed[] {
  const list: Listed[] = Object.entries(encoders).map(([name, entry]) => ({
    name,
    title: entry.title,
    file: entry.weights,
    create: () => entry.create(),
  }));
  return [...list, {
    name: "sd_vae",
    title: "Stable Diffusion's VAE, for ./run vae and exp:frontier --vae",
    file: SD_VAE_FILE,
    create: () => new AutoencoderKL(),
  }, {
    name: "lpips_alex",
    title: "LPIPS: the convolutions of AlexNet",
    file: LPIPS_FILES.alex.backbone,
    create: () => new LpipsBackbone(LPIPS_ALEX),
  }, {
    name: "lpips_alex_lin",
    title: "LPIPS: the linear heads for AlexNet",
    file: LPIPS_FILES.alex.heads,
    create: () => new LpipsHeads(LPIPS_ALEX),
  }, {
    name: "lpips_vgg",
    title: "LPIPS: the convolutions of VGG16",
    file: LPIPS_FILES.vgg.backbone,
    create: () => new LpipsBackbone(LPIPS_VGG16),
  }, {
    name: "lpips_vgg_lin",
    title: "LPIPS: the linear heads for VGG16",
    file: LPIPS_FILES.vgg.heads,
    create: () => new LpipsHeads(LPIPS_VGG16),
  }];
}

function megabytes(bytes: number): string {
  return bytes < 1e5
    ? `${(bytes / 1e3).toFixed(1)} kB`
    : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** What is to be said of a file, and whether it is wrong. */
async function lookAt(
  path: string,
  { file, create }: Listed,
  withDigest: boolean,
): Promise<{ state: string; isWrong: boolean }> {
  let size: number;
  try {
    size = (await Deno.stat(path)).size;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { state: "not there", isWrong: false };
  }
  const parts = [megabytes(size)];
  let isWrong = false;
  try {
    using weights = await readWeights(path);
    const network = create();
    network.check(weights);
    parts.push(`fits, ${network.parameterCount.toLocaleString("en")} values`);
  } catch (error) {
    isWrong = true;
    parts.push(`does not fit. ${(error as Error).message}`);
  }
  if (file.bytes !== undefined && file.bytes !== size) {
    isWrong = true;
    parts.push(`the published file has ${megabytes(file.bytes)}`);
  }
  if (withDigest && file.sha256 !== undefined) {
    const isSame = (await digestFile(path)).startsWith(file.sha256);
    parts.push(isSame ? "SHA-256 as published" : "SHA-256 is another");
  }
  return { state: parts.join("; "), isWrong };
}

async function list(args: readonly string[]): Promise<number> {
  const options = parseCommand(Options, ["digest"], args);
  let status = 0;
  for (const network of listed()) {
    const { name, title, file } = network;
    const folder = name === "demo_features" ? SHIPPED : options.weights;
    const path = join(folder, file.file);
    const { state, isWrong } = await lookAt(path, network, options.digest);
    if (isWrong) status = 1;
    const values = network.create().parameterCount;
    const shown = name === "demo_features" ? file.file : path;
    console.log(`${name.padEnd(14)} ${title}`);
    console.log(`  file         ${shown}: ${state}`);
    console.log(`  from         ${file.from}`);
    console.log(
      `  size         ${
        file.bytes === undefined
          ? `${megabytes(4 * values)} of values in float32`
          : megabytes(file.bytes)
      }${file.sha256 === undefined ? "" : `, SHA-256 ${file.sha256}`}`,
    );
  }
  return status;
}

if (import.meta.main) await runCommand(HELP, list, Deno.args);
