import type { Naming, Published } from "./encoder.ts";
import { Vit, type VitConfig } from "./vit.ts";

/** The image half of CLIP ViT-B/32: 87,849,216 parameters. */
export const CLIP_B32: VitConfig = {
  inputSize: 224,
  patch: 32,
  hidden: 768,
  layers: 12,
  heads: 12,
  mlp: 3072,
  eps: 1e-5,
  activation: "quickGelu",
  pixels: {
    mean: [0.48145466, 0.4578275, 0.40821073],
    std: [0.26862954, 0.26130258, 0.27577711],
  },
  patchBias: false,
  normPre: true,
  projection: 512,
};

type Renames = readonly (readonly [RegExp, string])[];

function renamed(name: string, renames: Renames): string {
  return renames.reduce(
    (name, [own, theirs]) => name.replace(own, theirs),
    name,
  );
}

const OPENAI_NAMES: Renames = [
  [/^cls_token$/, "class_embedding"],
  [/^pos_embed$/, "positional_embedding"],
  [/^patch_embed\.proj\./, "conv1."],
  [/^norm_pre\./, "ln_pre."],
  [/^norm\./, "ln_post."],
  [/^projection$/, "proj"],
  [/^blocks\./, "transformer.resblocks."],
  [/\.norm(?=[12]\.)/, ".ln_"],
  [/\.attn\.qkv\./, ".attn.in_proj_"],
  [/\.attn\.proj\./, ".attn.out_proj."],
  [/\.mlp\.fc1\./, ".mlp.c_fc."],
  [/\.mlp\.fc2\./, ".mlp.c_proj."],
];

const HUGGING_FACE_NAMES: Renames = [
  [/^cls_token$/, "vision_model.embeddings.class_embedding"],
  [/^pos_embed$/, "vision_model.embeddings.position_embedding.weight"],
  [/^patch_embed\.proj\./, "vision_model.embeddings.patch_embedding."],
  // Spelt so in the published file.
  [/^norm_pre\./, "vision_model.pre_layrnorm."],
  [/^norm\./, "vision_model.post_layernorm."],
  [/^projection$/, "visual_projection.weight"],
  [/^blocks\./, "vision_model.encoder.layers."],
  [/\.norm(?=[12]\.)/, ".layer_norm"],
  [/\.attn\.proj\./, ".self_attn.out_proj."],
];

const OPENAI: Naming = {
  publisher: "OpenAI, open_clip",
  mark: "transformer.resblocks.0.ln_1.weight",
  prefixes: ["visual.", ""],
  place(name, shape) {
    const names = [renamed(name, OPENAI_NAMES)];
    if (name === "projection") return { names, isTransposed: true };
    if (name === "cls_token") return { names, shape: shape.slice(2) };
    if (name === "pos_embed") return { names, shape: shape.slice(1) };
    return { names };
  },
};

const HUGGING_FACE: Naming = {
  publisher: "Hugging Face",
  mark: "vision_model.pre_layrnorm.weight",
  ignored:
    /^(text_model\.|text_projection\.|logit_scale$|vision_model\.embeddings\.position_ids$)/,
  place(name, shape) {
    const own = renamed(name, HUGGING_FACE_NAMES);
    if (name === "cls_token") return { names: [own], shape: shape.slice(2) };
    if (name === "pos_embed") return { names: [own], shape: shape.slice(1) };
    if (!own.includes(".attn.qkv.")) return { names: [own] };
    const names = ["q", "k", "v"].map((part) =>
      own.replace(".attn.qkv.", `.self_attn.${part}_proj.`)
    );
    return { names };
  },
};

const PUBLISHED: Published = {
  network: "ClipVitB32",
  namings: [OPENAI, HUGGING_FACE],
};

/**
 * The image half of CLIP ViT-B/32, with OpenAI's weights: 512 features of a
 * frame, projected and not normalized to length one.
 *
 * Source: Section 5.1; Radford et al. 2021; open_clip `ViT-B-32-quickgelu`.
 */
export class ClipVitB32 extends Vit {
  /**
   * Makes the network without weights.
   *
   * @param config sizes; default ViT-B/32
   */
  constructor(config: VitConfig = CLIP_B32) {
    super("clip_b32", config, PUBLISHED);
  }
}
