import type { Published } from "./encoder.ts";
import { Vit, type VitConfig } from "./vit.ts";

/** ViT-S/16: 21,665,664 parameters. */
export const VIT_S16: VitConfig = {
  inputSize: 224,
  patch: 16,
  hidden: 384,
  layers: 12,
  heads: 6,
  mlp: 1536,
  eps: 1e-6,
  activation: "gelu",
  pixels: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
};

const PUBLISHED: Published = {
  network: "VitS16",
  namings: [{
    publisher: "timm",
    mark: "blocks.0.attn.qkv.weight",
    ignored: /^(head|fc_norm)\./,
    place: (name) => ({ names: [name] }),
  }],
};

/**
 * The supervised ViT-S/16: 384 features of a frame, or 7x7 tokens.
 *
 * Differs: from the paper's text, which says ImageNet-1k; the published code
 * loads timm's default weights, trained on ImageNet-21k and then on 1k.
 *
 * Source: Section 5.1; Steiner et al. 2022; timm `vit_small_patch16_224`.
 */
export class VitS16 extends Vit {
  /**
   * Makes the network without weights.
   *
   * @param config sizes; default ViT-S/16
   */
  constructor(config: VitConfig = VIT_S16) {
    super("vit_s16", config, PUBLISHED);
  }
}
