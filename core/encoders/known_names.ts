/** Names by which published networks are known apart, special ones first. */
const KNOWN: readonly (readonly [mark: RegExp, network: string])[] = [
  [/\.ls1\.gamma$/, "DINOv2"],
  [/\.layer_scale1\.lambda1$/, "DINOv2 (Hugging Face)"],
  [/(^|\.)visual\.class_embedding$/, "CLIP (OpenAI, open_clip)"],
  [/\.pre_layrnorm\.weight$/, "CLIP (Hugging Face)"],
  [/(^|\.)decoder\.up_blocks\.0\./, "the Stable Diffusion VAE"],
  [/(^|\.)first_stage_model\./, "Stable Diffusion (latent diffusion)"],
  [/(^|\.)quantize\.embedding(\.|$)/, "VQGAN"],
  [/(^|\.)encoder\.down\.0\.block\.0\./, "VQGAN or a latent diffusion VAE"],
  [/layer\.0\.attention\.query\.weight$/, "V-JEPA 2"],
  [/(^|\.)Mixed_7c\.branch_pool\.conv\.weight$/, "Inception-v3"],
  [/(^|\.)stem\.0\.conv\.weight$/, "the demo's feature network"],
  [/(^|\.)net\.slice1\.0\.weight$/, "LPIPS"],
  [/(^|\.)lin0\.model\.1\.weight$/, "the linear heads of LPIPS"],
  [/(^|\.)features\.28\.weight$/, "VGG16 (torchvision)"],
  [/(^|\.)features\.0\.weight$/, "AlexNet or another VGG (torchvision)"],
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

/**
 * What frameworks put before the names of a network that they hold, first
 * choice first.
 */
const WRAPPERS: readonly string[] = [
  "module",
  "_orig_mod",
  "_fsdp_wrapped_module",
  "model",
  "net",
  "network",
  "state_dict",
  "model_state_dict",
];

/** Averages of a network, which are taken only where it is not itself. */
const AVERAGES = ["ema", "ema_model", "model_ema"];

/** The dotted beginning that all names have. */
function sharedPrefix(names: readonly string[]): string {
  let shared = names[0] ?? "";
  for (const name of names) {
    while (!name.startsWith(shared)) {
      shared = shared.slice(0, shared.lastIndexOf(".", shared.length - 2) + 1);
    }
  }
  return shared.slice(0, shared.lastIndexOf(".") + 1);
}

/**
 * Finds what stands before the names of a network in a file: one of `own`,
 * behind any nesting of what wraps networks (`module._orig_mod.`) or of what
 * all names of the file share. Behind anything else the network is taken if it
 * is there once.
 *
 * @param names names of the file's tensors
 * @param mark a name of the network
 * @param own prefixes that belong to the network, first choice first
 * @param fits whether the network is in the file behind a prefix
 * @returns the first prefix that fits, else the first with `mark` behind it;
 *   `undefined` if no name is `mark`
 * @throws {TypeError} if it could be any of several networks in the file
 */
export function findPrefix(
  names: readonly string[],
  mark: string,
  own: readonly string[],
  fits: (prefix: string) => boolean,
): string | undefined {
  const order = [...WRAPPERS, ...AVERAGES];
  const shared = sharedPrefix(names).length;
  const isBehind = (prefix: string, end: string) =>
    `.${prefix}`.endsWith(`.${end}`);
  /** Place of a wrapper's words in the list of wrappers. */
  const rankOf = (wrapper: string) =>
    Math.max(
      -1,
      ...wrapper.slice(shared).split(".").slice(0, -1)
        .map((word) => (order.indexOf(word) + 1 || Infinity) - 1),
    );
  const found = names.filter((name) => isBehind(name, mark))
    .map((name) => name.slice(0, name.length - mark.length))
    .map((prefix) => {
      const choices = own.flatMap((end, place) =>
        isBehind(prefix, end)
          ? [{ place, rank: rankOf(prefix.slice(0, -end.length || undefined)) }]
          : []
      );
      const choice = choices.find(({ rank }) => rank < Infinity);
      return { prefix, place: own.length, rank: Infinity, ...choice };
    })
    .sort((a, b) =>
      a.place - b.place || (a.rank < b.rank ? -1 : Number(a.rank > b.rank))
    );
  const known = found.filter(({ rank }) => rank < Infinity);
  const plain = known.filter(({ rank }) => rank < WRAPPERS.length);
  const first = (plain.length > 0 ? plain : known)
    .find(({ prefix }) => fits(prefix));
  if (first !== undefined) return first.prefix;
  const others = found.filter(({ rank }) => rank === Infinity)
    .map(({ prefix }) => prefix).filter(fits);
  if (others.length > 1) {
    throw new TypeError(
      `Cannot choose one of ${others.length} networks: they are named ${
        listNames(others.map((prefix) => `${prefix}*`))
      }; keep one of them in the file`,
    );
  }
  return others[0] ?? found[0]?.prefix;
}
