/**
 * Drives the world model live: a page on 127.0.0.1, a static folder of it, or
 * the same loop without a browser.
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
import { UsageError } from "../../core/experiment/flags.ts";
import { checkFolder } from "../../core/experiment/run_directory.ts";
import { servePage } from "../../core/experiment/serve_page.ts";
import { SHIPPED_VAE } from "../../core/lab/tune_vae.ts";
import { benchPlay, drawContacts } from "../../core/lab/play_bench.ts";
import { PLAY_DEFAULTS } from "../../core/play/dream.ts";
import {
  type PageFiles,
  pageFiles,
  SHIPPED_FRAME,
} from "../../core/lab/play_page.ts";

const HELP = `play: drive the world model live, in a browser

  --model FILE|RUN  safetensors of ./run train:play, or the folder of an
                    artifact with a frame-by-frame model (the shipped one)
  --vae FILE        the demo's autoencoder (the shipped one)
  --port N          of http://127.0.0.1 (8710; 0 for any that is free)
  --export DIR      write the page as a static folder instead, for any server
  --bench           drive without a browser instead, and print the speed
  --contacts DIR    drive ten scenes without a browser instead, each as it was
                    recorded, straight, left and right: contact sheets, curves, a recorded session
  --frames N        frames of --bench (100) and --contacts (60)
  --steps N         sampling steps of a frame of --bench and --contacts (8)
  --guidance X      scale of the guidance there (2)
  --scene N         seed of the world of --bench (9000)

The page is bundled once and served to this machine only. Stop it by Ctrl+C.`;

const Options = z.strictObject({
  _: z.tuple([], "options begin with --"),
  model: z.string().min(1).default(SHIPPED_FRAME),
  vae: z.string().min(1).default(SHIPPED_VAE),
  port: z.coerce.number("it needs an integer from 0 to 65535").int().min(0)
    .max(65535, "it needs an integer from 0 to 65535").default(8710),
  export: z.string().min(1).optional(),
  bench: z.boolean().default(false),
  contacts: z.string().min(1).optional(),
  frames: positiveInteger.optional(),
  steps: positiveInteger.default(PLAY_DEFAULTS.steps),
  guidance: positiveNumber.default(PLAY_DEFAULTS.guidance),
  scene: seedNumber.default(9000),
});

/** Writes the files of the page, the one that names the others last. */
async function exportPage(directory: string, files: PageFiles): Promise<void> {
  await checkFolder(directory, "--export");
  await Deno.mkdir(directory, { recursive: true });
  let bytes = 0;
  const names = Object.keys(files).toSorted((a) => a === "index.html" ? 1 : -1);
  for (const name of names) {
    const { body } = files[name]!;
    await Deno.writeFile(join(directory, name), body);
    bytes += body.length;
  }
  console.log(
    `${directory}: ${names.length} files, ${
      (bytes / 1e6).toFixed(1)
    } MB; serve it by any web server`,
  );
}

async function play(args: readonly string[]): Promise<void> {
  const options = parseCommand(Options, ["bench"], args);
  const { steps, guidance, scene } = options;
  const others = ["export", "contacts"] as const;
  const chosen = [
    ...(options.bench ? ["bench"] : []),
    ...others.filter((name) => options[name] !== undefined),
  ];
  if (chosen.length > 1) {
    throw new UsageError(
      `Cannot do ${
        chosen.map((name) => `--${name}`).join(" and ")
      } at once: give one of them`,
    );
  }
  if (options.bench || options.contacts !== undefined) {
    using gpu = await openDevice();
    const files = { model: options.model, vae: options.vae };
    const settings = { steps, guidance };
    if (options.contacts !== undefined) {
      await checkFolder(options.contacts, "--contacts");
      await drawContacts(gpu, files, {
        directory: options.contacts,
        frames: options.frames ?? 60,
        settings,
      });
      return;
    }
    console.log(
      await benchPlay(gpu, files, {
        frames: options.frames ?? 100,
        scene,
        settings,
      }),
    );
    return;
  }
  const files = await pageFiles(options);
  if (options.export !== undefined) {
    return await exportPage(options.export, files);
  }
  const server = servePage(files, options.port);
  console.log(`http://127.0.0.1:${server.port}/`);
  await server.finished;
}

if (import.meta.main) await runCommand(HELP, play, Deno.args);
