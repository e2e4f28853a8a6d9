import { FrameLoader } from "../data/frames.ts";
import {
  encodeLatents,
  type LatentShards,
  LatentStore,
  type Share,
} from "../data/latents.ts";
import type { Artifact } from "../experiment/artifact.ts";
import { digestJson } from "../experiment/artifact_files.ts";
import type { FrameLatents } from "../training/window_tokens.ts";
import { nextFrames, streamFrames, type WindowPart } from "./data.ts";
import type { Lab } from "./lab.ts";
import type { FrozenNetworks } from "./networks.ts";

/**
 * Name of a part of a dataset: all windows of the training scenes, the first
 * ones of the test scenes, all of these, the first ones of two test scenes, or
 * those of fresh scenes.
 */
export type PartName = "train" | "test" | "whole" | "consecutive" | "fresh";

/** How the encoding of a part went. */
export interface EncodingFacts {
  /** Frames of the part. */
  readonly frames: number;
  /** Seconds spent waiting for frames to be read, cropped and resized. */
  readonly waitingSeconds: number;
  /** Seconds spent in the network. */
  readonly networkSeconds: number;
}

/** A share of the frames of a part, to be encoded into a folder. */
export interface EncodingShare {
  /** Which part. */
  readonly part: PartName;
  /** Where it is made. */
  readonly folder: string;
  /** Which of its shards. */
  readonly share: Share;
}

/** Frames and windows of a part, with the latents of the frames. */
export interface Part extends WindowPart, Omit<FrameLatents, "actions"> {
  /** Which. */
  readonly name: PartName;
  /** Latents of the frames, on disk. */
  readonly latents: LatentStore;
  /** Digest of these as an artifact. */
  readonly digest: string;
  /** How it was encoded. */
  readonly encoding: EncodingFacts;
  /** Seconds that took. */
  readonly seconds: number;
}

/** Pixels that the network encodes at once: 32 frames of the demo. */
const PIXELS_AT_ONCE = 2 ** 17;

/**
 * Frames that the network encodes at once.
 *
 * @param size side of a frame in pixels
 */
export function framesAtOnce(size: number): number {
  return Math.max(1, Math.floor(PIXELS_AT_ONCE / size ** 2));
}

function shardsOf(
  { paths }: WindowPart,
  { latentShape, vaeDigest }: FrozenNetworks,
  directory: string,
): LatentShards {
  const size = latentShape.reduce((a, b) => a * b, 1);
  return { directory, digest: vaeDigest, frames: paths.length, size };
}

/**
 * Encodes a share of the frames of a part. While the network encodes some
 * frames, two threads read those of the next two rounds. A round is kept when
 * it is done.
 *
 * @param lab its dataset and networks
 * @param work which share, and where it goes
 * @throws {Interrupted} if it was asked to stop
 */
export async function encodeShare(
  lab: Lab,
  { part: name, folder, share }: EncodingShare,
): Promise<EncodingFacts> {
  const { interrupt, params: { size } } = lab.context;
  const [part, networks] = [await lab.windows(name), await lab.networks()];
  const line = lab.context.progress("encode");
  const atOnce = framesAtOnce(size);
  using loader = new FrameLoader();
  let [waitingSeconds, networkSeconds] = [0, 0];
  const encoded = await encodeLatents({
    ...shardsOf(part, networks, folder),
    share,
    progress: (done, total) => line.update({ done, total }),
    shouldStop: () => interrupt.requested,
    encode: async function* (start, end) {
      const paths = part.paths.slice(start, end);
      const ahead = 2 * atOnce;
      const stream = streamFrames(
        loader,
        part.root,
        paths,
        size,
        "lanczos",
        ahead,
      );
      for (let i = start; i < end; i += atOnce) {
        const asked = performance.now();
        const count = Math.min(atOnce, end - i);
        const frames = await nextFrames(stream, count, size);
        const came = performance.now();
        const latents = await networks.encode(frames);
        waitingSeconds += (came - asked) / 1000;
        networkSeconds += (performance.now() - came) / 1000;
        yield latents;
      }
    },
  });
  if (encoded === undefined) lab.stop("encoding");
  return { frames: part.paths.length, waitingSeconds, networkSeconds };
}

/**
 * Opens the latents of a part, or encodes its frames.
 *
 * @param lab its dataset and networks
 * @param name of the part
 * @throws {Interrupted} if it was asked to stop
 */
export async function openPart(lab: Lab, name: PartName): Promise<Part> {
  const [data, networks] = [await lab.data(), await lab.networks()];
  const part = await lab.windows(name);
  const made: Artifact<EncodingFacts> = await lab.make({
    by: import.meta.url,
    kind: "latents",
    spec: {
      dataset: data.digest,
      frames: digestJson(part.paths, "paths"),
      count: part.paths.length,
      vae: networks.vaeDigest,
      size: lab.params.size,
    },
  }, async (folder) => {
    const facts = await lab.share(
      "encode",
      (share): EncodingShare => ({ part: name, folder: folder.path, share }),
      `encode ${name} frames`,
      encodeShare,
    );
    const sum = (pick: (facts: EncodingFacts) => number) =>
      facts.reduce((total, each) => total + pick(each), 0);
    return {
      frames: part.paths.length,
      waitingSeconds: sum(({ waitingSeconds }) => waitingSeconds),
      networkSeconds: sum(({ networkSeconds }) => networkSeconds),
    };
  });
  const shards = shardsOf(part, networks, made.path);
  return {
    ...part,
    name,
    latents: await LatentStore.open(shards),
    shape: networks.latentShape,
    digest: made.digest,
    encoding: made.facts,
    seconds: made.record.seconds,
  };
}
