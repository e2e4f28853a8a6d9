import { fromFileUrl, join } from "@std/path";
import type { PageFile } from "../experiment/serve_page.ts";
import { PAGE_POLICY } from "../experiment/serve_page.ts";
import { encodeSafetensors } from "../formats/safetensors.ts";
import { playedTensors } from "../play/weights.ts";
import { readState } from "./models.ts";
import { readStatistics } from "./token_statistics.ts";

/** Files of a page by name. */
export type PageFiles = Readonly<Record<string, PageFile>>;

/** What is played with: paths. */
export interface PlayFiles {
  /** Safetensors of `./run train:play`, or the folder of an artifact. */
  readonly model: string;
  /** The demo's autoencoder. */
  readonly vae: string;
}

function shipped(path: string): string {
  return fromFileUrl(new URL(`../../fixtures/${path}`, import.meta.url));
}

/** Weights of the frame-by-frame model that is shipped. */
export const SHIPPED_FRAME: string = shipped("weights/frame.safetensors");

/** Frames of a recorded session, for browsers without WebGPU, and their facts. */
const RECORDED = {
  picture: shipped("play/recorded.png"),
  facts: shipped("play/recorded.json"),
};

const PAGE = new URL("../play/page/", import.meta.url);

/**
 * Reads the weights to play with; those of an artifact are joined with their
 * normalization.
 *
 * @param path of a file or a folder
 * @throws {Error} if there is neither
 */
export async function readPlayed(
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const found = await Deno.stat(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(
      `Cannot play with "${path}": there is no such file or folder; train one by ./run train:play --out FILE`,
    );
  });
  if (found.isFile) return await Deno.readFile(path);
  const [weights, tokens] = ["average", "tokens"].map((name) =>
    join(path, `${name}.safetensors`)
  ) as [string, string];
  for (const file of [weights, tokens]) {
    if (await Deno.stat(file).then(() => true, () => false)) continue;
    throw new Error(
      `Cannot play with the folder "${path}": it has no ${
        file.slice(path.length + 1)
      }; needed the folder of a model under data/artifacts`,
    );
  }
  return encodeSafetensors(
    playedTensors(await readState(weights), await readStatistics(tokens)),
  );
}

/**
 * Bundles the page's script for browsers. Not minified: the minifier inlines
 * `using` declarations, whose scopes are then never closed.
 */
async function bundle(): Promise<Uint8Array<ArrayBuffer>> {
  const { success, stdout, stderr } = await new Deno.Command("deno", {
    args: [
      "bundle",
      "--quiet",
      "--platform",
      "browser",
      fromFileUrl(new URL("main.ts", PAGE)),
    ],
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (success) return stdout;
  throw new Error(
    `Cannot bundle the page: ${new TextDecoder().decode(stderr).trim()}`,
  );
}

/**
 * Gathers all files of the page, the bundle among them.
 *
 * @param files weights that it plays with
 * @throws {Error} if a file is missing, or the bundle fails
 */
export async function pageFiles(files: PlayFiles): Promise<PageFiles> {
  const read = (name: string) => Deno.readFile(new URL(name, PAGE));
  const html = new TextDecoder().decode(await read("index.html"))
    .replace("POLICY", PAGE_POLICY);
  const script = "text/javascript; charset=utf-8";
  const binary = "application/octet-stream";
  return {
    "index.html": {
      body: new TextEncoder().encode(html),
      type: "text/html; charset=utf-8",
    },
    "play.js": { body: await bundle(), type: script },
    "style.css": {
      body: await read("style.css"),
      type: "text/css; charset=utf-8",
    },
    "model.safetensors": { body: await readPlayed(files.model), type: binary },
    "vae.safetensors": { body: await Deno.readFile(files.vae), type: binary },
    "recorded.png": {
      body: await Deno.readFile(RECORDED.picture),
      type: "image/png",
    },
    "recorded.json": {
      body: await Deno.readFile(RECORDED.facts),
      type: "application/json",
    },
  };
}
