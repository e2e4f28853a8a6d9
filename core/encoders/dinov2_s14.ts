import type { Naming } from "./encoder.ts";
import { IMAGENET_PIXELS, Vit, type VitConfig } from "./vit.ts";

/** Sizes of a {@linkcode DinoV2S14}. */
export interface DinoV2Config extends VitConfig {
  /** Side of the grid of positions in the file. */
  readonly positions: number;
}

/** DINOv2 ViT-S/14 without registers: 22,056,576 parameters in the file. */
export const DINOV2_S14: DinoV2Config = {
  inputSize: 224,
  patch: 14,
  hidden: 384,
  layers: 12,
  heads: 6,
  mlp: 1536,
  eps: 1e-6,
  activation: "gelu",
  pixels: IMAGENET_PIXELS,
  layerScale: true,
  positions: 37,
};

const HUB: Naming = {
  publisher: "torch hub",
  mark: "blocks.0.ls1.gamma",
  ignored: /^(mask_token$|head\.)/,
  place: (name) => ({ names: [name] }),
};

/** Module names and their counterparts in Hugging Face's file. */
const HUGGING_FACE_NAMES: readonly (readonly [string, string])[] = [
  ["cls_token", "embeddings.cls_token"],
  ["pos_embed", "embeddings.position_embeddings"],
  ["patch_embed.proj", "embeddings.patch_embeddings.projection"],
  ["blocks.", "encoder.layer."],
  [".attn.proj", ".attention.output.dense"],
  [".ls1.gamma", ".layer_scale1.lambda1"],
  [".ls2.gamma", ".layer_scale2.lambda1"],
];

const HUGGING_FACE: Naming = {
  publisher: "Hugging Face",
  mark: "encoder.layer.0.layer_scale1.lambda1",
  prefixes: ["dinov2.", ""],
  ignored: /^(embeddings\.mask_token$|classifier\.)/,
  place(name) {
    let renamed = name.replace(/^norm\./, "layernorm.");
    for (const [own, theirs] of HUGGING_FACE_NAMES) {
      renamed = renamed.replace(own, theirs);
    }
    if (!renamed.includes(".attn.qkv.")) return { names: [renamed] };
    const parts = ["query", "key", "value"].map((part) =>
      renamed.replace(".attn.qkv.", `.attention.attention.${part}.`)
    );
    return { names: parts };
  },
};

/**
 * Interpolates learned positions to another grid; the class token's stays.
 *
 * Bicubic with a = -0.75 and taps clamped to the border. Source coordinates
 * are (i + 0.5) `from` / (`to` + 0.1) - 0.5: the network was trained with that
 * tenth, which upstream adds against rounding.
 *
 * Source: `interpolate_pos_encoding` of `facebookresearch/dinov2`.
 *
 * @param values (1 + from from, width), class token first
 * @param from side of the learned grid
 * @param to side of the wanted grid
 * @returns (1 + to to, width)
 * @throws {RangeError} if the values are not a class token and a grid
 */
export function interpolatePositions(
  values: Float32Array<ArrayBuffer>,
  from: number,
  to: number,
): Float32Array<ArrayBuffer> {
  const width = values.length / (1 + from * from);
  if (!Number.isInteger(width)) {
    throw new RangeError(
      `Cannot interpolate ${values.length} positions: they are no class token and ${from}x${from} grid`,
    );
  }
  if (from === to) return values;
  const taps = Array.from({ length: to }, (_, i) => tapsOf(i, from, to));
  // Rows first, then columns, in float64.
  const rows = new Float64Array(to * from * width);
  for (let y = 0; y < to; y++) {
    for (const [source, weight] of taps[y]!) {
      const start = (1 + source * from) * width;
      for (let i = 0; i < from * width; i++) {
        rows[y * from * width + i]! += weight * values[start + i]!;
      }
    }
  }
  const result = new Float32Array((1 + to * to) * width);
  result.set(values.subarray(0, width));
  const pixel = new Float64Array(width);
  for (let y = 0; y < to; y++) {
    for (let x = 0; x < to; x++) {
      pixel.fill(0);
      for (const [source, weight] of taps[x]!) {
        const start = (y * from + source) * width;
        for (let i = 0; i < width; i++) {
          pixel[i]! += weight * rows[start + i]!;
        }
      }
      result.set(pixel, (1 + y * to + x) * width);
    }
  }
  return result;
}

/** Source indices and weights of one output position. */
function tapsOf(
  i: number,
  from: number,
  to: number,
): (readonly [source: number, weight: number])[] {
  const at = (i + 0.5) * from / (to + 0.1) - 0.5;
  const first = Math.floor(at);
  return [-1, 0, 1, 2].map((offset) => {
    const source = Math.min(Math.max(first + offset, 0), from - 1);
    return [source, cubic(Math.abs(at - first - offset))];
  });
}

/** Keys' cubic kernel with a = -0.75, at distances from 0 to 2. */
function cubic(distance: number): number {
  const a = -0.75;
  const d = distance;
  return d <= 1
    ? ((a + 2) * d - (a + 3)) * d * d + 1
    : a * (((d - 5) * d + 8) * d - 4);
}

/**
 * The self-supervised DINOv2 ViT-S/14: 384 features of a frame, or 8x8 tokens.
 *
 * Positions are interpolated on the host when weights are loaded.
 *
 * Source: Section 5.1; Oquab et al. 2024.
 */
export class DinoV2S14 extends Vit {
  /**
   * Makes the network without weights.
   *
   * @param config sizes; default ViT-S/14
   */
  constructor(config: DinoV2Config = DINOV2_S14) {
    const { positions, hidden, inputSize, patch } = config;
    super("dino_vits14", config, {
      network: "DinoV2S14",
      namings: [HUB, HUGGING_FACE],
      conversions: {
        pos_embed: {
          shape: [1, 1 + positions ** 2, hidden],
          convert: (values) =>
            interpolatePositions(values, positions, inputSize / patch),
        },
      },
    });
  }
}
