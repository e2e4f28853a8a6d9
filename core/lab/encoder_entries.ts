import { fromFileUrl, join } from "@std/path";
import type { ClipSource } from "../data/clips.ts";
import type { Encoder } from "../encoders/encoder.ts";
import { encoders, type Preprocessing } from "../encoders/mod.ts";
import { standIn, type StandInFamily } from "../training/stand_ins/train.ts";

/** What an encoder stands for in the comparison. */
export type EncoderRole =
  | "temporal"
  | "frame"
  | "distilled"
  | "contrastive"
  | "supervised"
  | "reconstruction";

/** What the paper compares, by role. */
interface Role {
  /** Key of the authors' files. */
  readonly published: string;
  /** The authors' encoder as reports call it. */
  readonly title: string;
  /** Its key in the list of encoders. */
  readonly encoder: string;
  /** Family of the stand-in. */
  readonly family: StandInFamily;
  /** The stand-in as reports call it. */
  readonly ownTitle: string;
}

/** The six entries of Table 1. */
export const ROLES: Readonly<Record<EncoderRole, Role>> = {
  temporal: {
    published: "vjepa2_rep64",
    title: "V-JEPA 2, 16 frames",
    encoder: "vjepa2",
    family: "predictive",
    ownTitle: "Predictive video, 16 frames (ours)",
  },
  frame: {
    published: "vjepa2_rep1",
    title: "V-JEPA 2, 1 frame",
    encoder: "vjepa2",
    family: "predictive",
    ownTitle: "Predictive video, 1 frame (ours)",
  },
  distilled: {
    published: "dino_vits14",
    title: "DINOv2 ViT-S/14",
    encoder: "dino_vits14",
    family: "distilled",
    ownTitle: "Self-distilled (ours)",
  },
  contrastive: {
    published: "clip_b32",
    title: "CLIP ViT-B/32",
    encoder: "clip_b32",
    family: "contrastive",
    ownTitle: "Contrastive (ours)",
  },
  supervised: {
    published: "vit_s16",
    title: "ViT-S/16",
    encoder: "vit_s16",
    family: "supervised",
    ownTitle: "Supervised (ours)",
  },
  reconstruction: {
    published: "vq_track",
    title: "VQGAN",
    encoder: "vq_track",
    family: "reconstruction",
    ownTitle: "Reconstruction (ours)",
  },
};

/** Roles in the order of Table 1. */
export const ROLE_NAMES = Object.keys(ROLES) as EncoderRole[];

/** The video encoder with clips that hold less than 16 frames do. */
export const CONTROLS: Readonly<Record<string, [ClipSource, string]>> = {
  stutter: ["keyframes", "clips of 3 keyframes, as published"],
  still: ["still", "clips of one frame, 16 times"],
};

/** An encoder of a run: which network sees what. */
export interface EncoderEntry {
  /** Key of the entry, and of its files. */
  readonly name: string;
  /** As reports call it. */
  readonly title: string;
  /** What it stands for; absent for controls. */
  readonly role?: EncoderRole;
  /** Clips that it sees; absent for single frames. */
  readonly clip?: ClipSource;
  /** File of its weights. */
  readonly weights: string;
  /** How frames come in. */
  readonly frames: Preprocessing;
  /** Makes the network, without weights. */
  create(): Encoder;
}

/** The shipped weights of a stand-in. */
function shipped(family: StandInFamily): string {
  const file = `../../fixtures/weights/small_${family}.safetensors`;
  return fromFileUrl(new URL(file, import.meta.url));
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isFile }) => isFile, () => false);
}

/**
 * Lists the encoders of a run: full-size ones where their weights are, else
 * stand-ins of this project.
 *
 * @param directory folder of the published files, named as `./run weights`
 *   says; absent for stand-ins alone
 * @returns the six of Table 1, then the controls of the first
 */
export async function encoderEntries(
  directory?: string,
): Promise<EncoderEntry[]> {
  const found: EncoderEntry[] = [];
  for (const role of ROLE_NAMES) {
    const { published, title, encoder, family, ownTitle } = ROLES[role];
    const full = encoders[encoder]!;
    const path = directory && join(directory, full.weights.file);
    const isFull = path !== undefined && await isThere(path);
    const own = standIn(family).config.side;
    const stand = family === "predictive"
      ? `small_predictive_${role === "temporal" ? 16 : 1}`
      : `small_${family}`;
    found.push({
      name: isFull ? published : stand,
      title: isFull ? title : ownTitle,
      role,
      ...(role === "temporal" ? { clip: "sweeps" } : {}),
      weights: isFull ? path : shipped(family),
      frames: isFull
        ? full.frames
        : { side: own, crop: "none", filter: "bilinear" },
      create: () => isFull ? full.create(full.frames.side) : standIn(family),
    });
  }
  const { role: _, ...video } = found[0]!;
  const controls = Object.entries(CONTROLS).map(([name, [clip, title]]) => ({
    ...video,
    name: `${video.name}_${name}`,
    title: `The same, ${title}`,
    clip,
  }));
  return [...found, ...controls];
}
