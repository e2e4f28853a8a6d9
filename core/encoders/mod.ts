/**
 * The list of encoders: one line for each.
 *
 * @module
 */

import type { PillowFilter } from "../formats/pillow_resize.ts";
import type { Module } from "../nn/module.ts";
import { ClipVitB32 } from "./clip_b32.ts";
import { DemoFeatureNet } from "./demo_features.ts";
import { DinoV2S14 } from "./dinov2_s14.ts";
import type { Encoder } from "./encoder.ts";
import { InceptionV3 } from "./inception_v3.ts";
import { VitS16 } from "./vit_s16.ts";
import { VJepa2, VJEPA2_VIT_L } from "./vjepa2.ts";
import { VqganEncoder } from "./vqgan.ts";

/** How a picture becomes a frame. */
export interface Preprocessing {
  /** Side of the frame, in pixels. */
  readonly side: number;
  /**
   * `none`: width and height are squeezed; `centre`: the largest square in the
   * middle; a number: the shorter side is resized to it, then the middle of
   * `side` is cut out.
   */
  readonly crop: "none" | "centre" | number;
  /** Filter of the resize, as Pillow's. */
  readonly filter: PillowFilter;
}

/** A file of published weights. */
export interface PublishedFile {
  /** Its name, as looked for under `weights/`. */
  readonly file: string;
  /** Where it comes from. */
  readonly from: string;
  /** Its size in bytes, where it is known. */
  readonly bytes?: number;
  /** SHA-256, or its first digits, where it is known. */
  readonly sha256?: string;
}

/** An encoder of the list. */
export interface EncoderEntry {
  /** What it is and what it gives. */
  readonly title: string;
  /** Its weights. */
  readonly weights: PublishedFile;
  /** What the authors fed it. */
  readonly frames: Preprocessing;
  /** What the publisher of the weights recommends, where it differs. */
  readonly recommended?: Preprocessing;
  /** Whether it embeds clips as well as frames. */
  readonly takesClips?: boolean;
  /**
   * Makes the network, without weights.
   *
   * @param side of its frames, if it is not the default
   */
  create(side?: number): Encoder & Module;
}

/** Squeezed to 224x224, as the authors fed every encoder. */
const SQUEEZED: Preprocessing = { side: 224, crop: "none", filter: "bilinear" };

/** The cut that the metric's images have. */
const CENTRE: Preprocessing = { side: 256, crop: "centre", filter: "lanczos" };

/** All encoders by name. */
export const encoders: Readonly<Record<string, EncoderEntry>> = {
  vit_s16: {
    title: "ViT-S/16, ImageNet-21k then 1k: 384 features, 7x7 tokens",
    weights: {
      file: "vit_s16.safetensors",
      from:
        "model.safetensors of timm/vit_small_patch16_224.augreg_in21k_ft_in1k, Hugging Face",
    },
    frames: SQUEEZED,
    recommended: { side: 224, crop: 248, filter: "bicubic" },
    create: () => new VitS16(),
  },
  dino_vits14: {
    title: "DINOv2 ViT-S/14: 384 features, 8x8 tokens",
    weights: {
      file: "dinov2_vits14_pretrain.pth",
      from:
        "dinov2_vits14_pretrain.pth of facebookresearch/dinov2, or model.safetensors of facebook/dinov2-small, Hugging Face",
    },
    frames: SQUEEZED,
    recommended: { side: 224, crop: 256, filter: "bicubic" },
    create: () => new DinoV2S14(),
  },
  clip_b32: {
    title: "CLIP ViT-B/32, image half: 512 features",
    weights: {
      file: "ViT-B-32.pt",
      from:
        "ViT-B-32.pt of openai/CLIP, or model.safetensors of openai/clip-vit-base-patch32, Hugging Face",
      sha256:
        "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    },
    frames: SQUEEZED,
    recommended: { side: 224, crop: 224, filter: "bicubic" },
    create: () => new ClipVitB32(),
  },
  vjepa2: {
    title: "V-JEPA 2 ViT-L: 1024 features of a frame or a clip",
    weights: {
      file: "vjepa2_vitl.safetensors",
      from: "model.safetensors of facebook/vjepa2-vitl-fpc64-256, Hugging Face",
    },
    frames: SQUEEZED,
    recommended: { side: 256, crop: 292, filter: "bilinear" },
    takesClips: true,
    create: (side = VJEPA2_VIT_L.inputSize) =>
      new VJepa2({ ...VJEPA2_VIT_L, inputSize: side }),
  },
  vq_track: {
    title: "VQGAN f16, before the codebook: 256 features",
    weights: {
      file: "vqgan_imagenet_f16_16384.ckpt",
      from:
        "last.ckpt of vqgan_imagenet_f16_16384, CompVis/taming-transformers",
      bytes: 980_092_370,
      sha256:
        "845a68805098cb666420d5db93df53f3a3b6dd443e6dd85c05759c5b998cd663",
    },
    frames: SQUEEZED,
    create: () => new VqganEncoder(),
  },
  inception_v3: {
    title: "Inception-v3 of FID: 2048 features",
    weights: {
      file: "weights-inception-2015-12-05-6726825d.pth",
      from:
        "weights-inception-2015-12-05-6726825d.pth of torch-fidelity, or pt_inception-2015-12-05-6726825d.pth of mseitzer/pytorch-fid",
      sha256: "6726825d",
    },
    frames: CENTRE,
    create: () => new InceptionV3(),
  },
  demo_features: {
    title: "the demo's feature network: 192 features",
    weights: {
      file: "demo_features.safetensors",
      from: "fixtures/weights of this project",
    },
    frames: { side: 64, crop: "centre", filter: "bicubic" },
    create: () => new DemoFeatureNet(),
  },
};

/** The weights of Stable Diffusion's VAE that the paper used. */
export const SD_VAE_FILE: PublishedFile = {
  file: "sd-vae-ft-mse.safetensors",
  from:
    "diffusion_pytorch_model.safetensors of stabilityai/sd-vae-ft-mse, Hugging Face",
};

/** The weights of LPIPS by backbone: the convolutions and the heads. */
export const LPIPS_FILES: Readonly<
  Record<
    "alex" | "vgg",
    { readonly backbone: PublishedFile; readonly heads: PublishedFile }
  >
> = {
  alex: {
    backbone: {
      file: "alexnet-owt-7be5be79.pth",
      from: "alexnet-owt-7be5be79.pth of torchvision",
      sha256: "7be5be79",
    },
    heads: {
      file: "lpips_alex.pth",
      from:
        "lpips/weights/v0.1/alex.pth of richzhang/PerceptualSimilarity, or of the Python package lpips",
    },
  },
  vgg: {
    backbone: {
      file: "vgg16-397923af.pth",
      from: "vgg16-397923af.pth of torchvision",
      sha256: "397923af",
    },
    heads: {
      file: "lpips_vgg.pth",
      from:
        "lpips/weights/v0.1/vgg.pth of richzhang/PerceptualSimilarity, or of the Python package lpips",
    },
  },
};
