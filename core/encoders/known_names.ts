/** Names by which published networks are known apart, special ones first. */
const KNOWN: readonly (readonly [mark: RegExp, network: string])[] = [
  [/\.ls1\.gamma$/, "DINOv2"],
  [/\.layer_scale1\.lambda1$/, "DINOv2 (Hugging Face)"],
  [/(^|\.)visual\.class_embedding$/, "CLIP (OpenAI, open_clip)"],
  [/\.pre_layrnorm\.weight$/, "CLIP (Hugging Face)"],
  [/(^|\.)decoder\.up_blocks\.0\./, "the Stable Diffusion VAE"],
  [/^first_stage_model\./, "Stable Diffusion (latent diffusion)"],
  [/(^|\.)quantize\.embedding(\.|$)/, "VQGAN"],
  [/(^|\.)encoder\.down\.0\.block\.0\./, "VQGAN or a latent diffusion VAE"],
  [/layer\.0\.attention\.query\.weight$/, "V-JEPA 2"],
  [/^Mixed_7c\.branch_pool\.conv\.weight$/, "Inception-v3"],
  [/^stem\.0\.conv\.weight$/, "the demo's feature network"],
  [/(^|\.)blocks\.0\.attn\.qkv\.weight$/, "a ViT (timm)"],
  [/layer\.0\.attention\.attention\.query\.weight$/, "a ViT (Hugging Face)"],
];

/**
 * Says which published network the names of a file look like.
 *
 * @param names names of its tensors
 * @returns the network, or `undefined` for unknown names
 */
export function guessNetwork(names: readonly string[]): string | undefined {
  return KNOWN.find(([mark]) => names.some((name) => mark.test(name)))?.[1];
}

/** Names of a list that a message shows before it only counts. */
const SHOWN = 6;

/**
 * Joins names for a message: the first few, then how many more.
 *
 * @param names what to list
 */
export function listNames(names: readonly string[]): string {
  const more = names.length - SHOWN;
  return more > 0
    ? `${names.slice(0, SHOWN).join(", ")} and ${more} more`
    : names.join(", ");
}
