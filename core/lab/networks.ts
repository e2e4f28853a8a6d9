import { DemoFeatureNet, isDemoFeatures } from "../encoders/demo_features.ts";
import { InceptionV3 } from "../encoders/inception_v3.ts";
import {
  demoPerceptual,
  Lpips,
  LPIPS_ALEX,
  LPIPS_VGG16,
} from "../encoders/lpips.ts";
import {
  type OpenAutoencoder,
  openAutoencoder,
} from "../encoders/open_autoencoder.ts";
import { digestFile } from "../formats/digest.ts";
import { readWeights } from "../formats/weights.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { noGrad } from "../tensor/autograd.ts";
import { tensor } from "../tensor/create.ts";
import { slice } from "../ops/concat.ts";
import { permute } from "../ops/permute.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { SHIPPED_FEATURES } from "./tune_features.ts";
import { SHIPPED_VAE } from "./tune_vae.ts";

/** Files of weights by the names of their flags; absent for the demo's. */
export interface NetworkFiles {
  /** Of the autoencoder. */
  readonly vae?: string;
  /** Of what FID and KID see. */
  readonly inception?: string;
  /** Of the convolutions of LPIPS, or all of it. */
  readonly lpips?: string;
  /** Of its linear heads, unless the other file holds them. */
  readonly "lpips-heads"?: string;
}

/** A perceptual distance: the published one, or this project's for the demo. */
export type PerceptualName = "lpips" | "demoPerceptual";

/** What says how different images look. */
export interface Perceptual {
  /** Which. */
  readonly name: PerceptualName;
  /** What the report calls it. */
  readonly title: string;
  /** SHA-256 of its weights. */
  readonly digest: string;
  /**
   * Compares images, pair by pair.
   *
   * @param a (n, size, size, 3) in [0, 1]
   * @param b same shape
   * @returns (n)
   */
  distances(a: Float32Array, b: Float32Array): Promise<Float32Array>;
}

/** The frozen networks of a run, and what the report calls them. */
export interface FrozenNetworks extends Disposable {
  /** What encodes and decodes frames. */
  readonly vaeName: string;
  /** SHA-256 of its weights. */
  readonly vaeDigest: string;
  /** What FID and KID see. */
  readonly featureName: string;
  /** SHA-256 of its weights. */
  readonly featureDigest: string;
  /** Length of a feature. */
  readonly featureWidth: number;
  /** Shape of a frame's latents. */
  readonly latentShape: readonly [number, number, number];
  /**
   * Encodes frames to scaled mean latents.
   *
   * @param frames (n, size, size, 3) levels
   * @returns (n, channels, height, width)
   */
  encode(frames: Uint8Array): Promise<Float32Array<ArrayBuffer>>;
  /**
   * Decodes scaled latents.
   *
   * @param latents (n, channels, height, width)
   * @returns (n, size, size, 3) in [0, 1]
   */
  decode(latents: Float32Array): Promise<Float32Array<ArrayBuffer>>;
  /**
   * Computes the features of FID and KID.
   *
   * @param images (n, size, size, 3) in [0, 1]; truncated to levels as the
   *   published metric does
   * @returns (n, featureWidth)
   */
  features(images: Float32Array): Promise<Float32Array<ArrayBuffer>>;
  /**
   * How different images look: LPIPS, or the demo's feature network where FID
   * and KID see that one; absent where there is neither.
   */
  readonly perceptual?: Perceptual;
}

/** Values in [-1, 1] of levels from 0 to 255. */
const LEVELS = Float32Array.from({ length: 256 }, (_, i) => i / 127.5 - 1);

function imagesOf(levels: Uint8Array): Float32Array<ArrayBuffer> {
  const images = new Float32Array(levels.length);
  for (let i = 0; i < levels.length; i++) images[i] = LEVELS[levels[i]!]!;
  return images;
}

/** Most images, and most of their pixels, that are decoded or looked at at once. */
const AT_ONCE = { images: 16, pixels: 2 ** 18 };

/**
 * Images that are decoded, or whose features are computed, at once: their
 * activations are on the device meanwhile.
 *
 * @param size side in pixels of what the network makes or takes
 */
export function imagesAtOnce(size: number): number {
  const fitting = Math.floor(AT_ONCE.pixels / size ** 2);
  return Math.max(1, Math.min(AT_ONCE.images, fitting));
}

/** What the features of FID and KID are computed by, on the device. */
interface OpenFeatures extends Disposable {
  readonly network: DemoFeatureNet | InceptionV3;
  readonly isSmall: boolean;
  readonly title: string | undefined;
}

/**
 * Opens a file of weights, or says which flag it cannot be used for.
 *
 * @param flag without its dashes
 * @param path of the file
 * @param open opens it
 * @throws {Error} naming the file, its flag and what is wrong
 */
export async function openFor<T>(
  flag: string,
  path: string,
  open: () => T | Promise<T>,
): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    const reason = error instanceof Deno.errors.NotFound
      ? "there is no such file"
      : (error as Error).message;
    throw new Error(`Cannot use "${path}" for --${flag}: ${reason}`);
  }
}

function openVae(gpu: Gpu, path = SHIPPED_VAE): Promise<OpenAutoencoder> {
  return openFor("vae", path, () => openAutoencoder(gpu, path));
}

function openFeatures(
  gpu: Gpu,
  size: number,
  path = SHIPPED_FEATURES,
): Promise<OpenFeatures> {
  return openFor("inception", path, async () => {
    using file = await readWeights(path);
    const isSmall = isDemoFeatures(file);
    const network = isSmall ? new DemoFeatureNet() : new InceptionV3();
    if (isSmall && size !== network.inputSize) {
      throw new RangeError(
        `the demo's feature network sees frames of ${network.inputSize} pixels, got ${size}; choose --size ${network.inputSize} or give the FID Inception-v3`,
      );
    }
    await network.load(gpu, file);
    return {
      network,
      isSmall,
      title: file.metadata.title,
      [Symbol.dispose]: () => network[Symbol.dispose](),
    };
  });
}

/** What measures a perceptual distance, on the device. */
interface OpenPerceptual
  extends Disposable, Pick<Perceptual, "name" | "title"> {
  readonly distance: (a: Tensor, b: Tensor) => Tensor;
}

/** LPIPS by AlexNet or VGG16, whichever a file is of. */
async function openLpips(
  gpu: Gpu,
  size: number,
  path: string,
  heads: string | undefined,
): Promise<OpenPerceptual> {
  using file = await openFor("lpips", path, () => readWeights(path));
  using own = heads === undefined
    ? undefined
    : await openFor("lpips-heads", heads, () => readWeights(heads));
  const first = file.names
    .find((name) => /(features|net\.slice1)\.0\.weight$/.test(name));
  const kernel = first === undefined ? 0 : file.info(first)?.shape.at(-1);
  const config = kernel === 3 ? LPIPS_VGG16 : LPIPS_ALEX;
  const network = new Lpips(config);
  await openFor("lpips", path, () => {
    if (size < config.leastSide) {
      throw new RangeError(
        `${config.network} needs frames of ${config.leastSide} pixels, got ${size}; choose a larger --size`,
      );
    }
    network.net.check(file);
    if (own === undefined && !hasHeads(file)) {
      throw new TypeError(
        "it has the convolutions alone; give the linear heads by --lpips-heads FILE",
      );
    }
  });
  await openFor(
    own === undefined ? "lpips" : "lpips-heads",
    heads ?? path,
    () => network.load(gpu, file, own),
  );
  return {
    name: "lpips",
    title: `LPIPS by ${config.network.split(" ")[0]}`,
    distance: (a, b) => network.distance(a, b),
    [Symbol.dispose]: () => network[Symbol.dispose](),
  };
}

/** Whether a file holds linear heads of LPIPS. */
function hasHeads({ names }: { readonly names: readonly string[] }): boolean {
  return names.some((name) => name.endsWith("lin0.model.1.weight"));
}

async function openPerceptual(
  gpu: Gpu,
  size: number,
  { lpips, "lpips-heads": heads }: NetworkFiles,
  { network }: OpenFeatures,
): Promise<OpenPerceptual | undefined> {
  if (lpips !== undefined) return await openLpips(gpu, size, lpips, heads);
  if (heads !== undefined) {
    throw new Error(
      `Cannot use "${heads}" for --lpips-heads: it needs --lpips FILE, the convolutions`,
    );
  }
  if (!(network instanceof DemoFeatureNet)) return undefined;
  return {
    name: "demoPerceptual",
    title:
      "this project's perceptual distance by the demo's feature network (not LPIPS)",
    distance: (a, b) => demoPerceptual(network, a, b),
    [Symbol.dispose]() {},
  };
}

/**
 * Loads the networks of a run and frees them: what is wrong with their files is
 * found before any work.
 *
 * @param gpu device
 * @param size side of a frame in pixels
 * @param files weights; absent for the demo's
 * @throws {Error} naming the file, its flag and what is wrong
 */
export async function checkNetworks(
  gpu: Gpu,
  size: number,
  files: NetworkFiles,
): Promise<void> {
  (await openVae(gpu, files.vae))[Symbol.dispose]();
  using features = await openFeatures(gpu, size, files.inception);
  (await openPerceptual(gpu, size, files, features))?.[Symbol.dispose]();
}

/**
 * Loads the frozen networks: those of the demo, or full-size ones from files.
 *
 * @param gpu device
 * @param size side of a frame in pixels
 * @param files weights; absent for the demo's
 * @throws {Error} if a file is of another network, or frames are not of the
 *   size that the features need
 */
export async function loadNetworks(
  gpu: Gpu,
  size: number,
  files: NetworkFiles,
): Promise<FrozenNetworks> {
  const vaePath = files.vae ?? SHIPPED_VAE;
  const featurePath = files.inception ?? SHIPPED_FEATURES;
  const { vae, title, weights } = await openVae(gpu, vaePath);
  const features = await openFeatures(gpu, size, featurePath);
  const { network, isSmall } = features;
  const perceptual = await openPerceptual(gpu, size, files, features);

  const side = size / vae.factor;
  const latentShape = [4, side, side] as const;
  /** Runs a network over rows, some at a time. */
  const inParts = async (
    rows: Float32Array<ArrayBuffer>,
    shape: readonly number[],
    width: number,
    apply: (x: Tensor) => Tensor,
    atOnce = imagesAtOnce(size),
  ): Promise<Float32Array<ArrayBuffer>> => {
    const own = shape.reduce((a, b) => a * b, 1);
    const count = rows.length / own;
    const result = new Float32Array(count * width);
    for (let i = 0; i < count; i += atOnce) {
      using _ = gpu.scope();
      const end = Math.min(count, i + atOnce);
      const x = tensor(gpu, rows.slice(i * own, end * own))
        .reshape([end - i, ...shape]);
      const y = await noGrad(() => apply(x)).read();
      result.set(y as Float32Array, i * width);
    }
    return result;
  };
  const pixels = size * size * 3;
  const latentSize = 4 * side * side;
  const distances = async (
    { distance }: OpenPerceptual,
    a: Float32Array,
    b: Float32Array,
  ) => {
    const pairs = new Float32Array(2 * a.length);
    for (let i = 0; i < a.length / pixels; i++) {
      pairs.set(a.subarray(i * pixels, (i + 1) * pixels), 2 * i * pixels);
      pairs.set(b.subarray(i * pixels, (i + 1) * pixels), (2 * i + 1) * pixels);
    }
    return await inParts(pairs, [2, size, size, 3], 1, (x) => {
      const [first, second] = [0, 1].map((k) =>
        slice(x, 1, k, k + 1).reshape([x.shape[0]!, size, size, 3])
      ) as [Tensor, Tensor];
      return distance(first, second);
    });
  };
  return {
    vaeName: title,
    vaeDigest: await digestFile(vaePath),
    featureName: features.title ??
      (isSmall
        ? "the demo's feature network (192 features, not Inception)"
        : "Inception-v3 (2048 features)"),
    featureDigest: await digestFile(featurePath),
    featureWidth: network.width,
    latentShape,
    encode: (frames) =>
      inParts(
        imagesOf(frames),
        [size, size, 3],
        latentSize,
        (x) => permute(vae.encode(x), [0, 3, 1, 2]),
      ),
    decode: (latents) =>
      inParts(
        Float32Array.from(latents),
        latentShape,
        pixels,
        (z) => vae.decode(permute(z, [0, 2, 3, 1])),
      ),
    features: (images) =>
      inParts(
        // Inception truncates to levels itself.
        isSmall
          ? Float32Array.from(images, (x) => Math.floor(x * 255) / 255)
          : Float32Array.from(images),
        [size, size, 3],
        network.width,
        (x) => network.encode(x),
        imagesAtOnce(network.inputSize),
      ),
    ...(perceptual === undefined ? {} : {
      perceptual: {
        name: perceptual.name,
        title: perceptual.title,
        digest: await digestPerceptual(files, featurePath),
        distances: (a, b) => distances(perceptual, a, b),
      },
    }),
    [Symbol.dispose]: () => {
      weights[Symbol.dispose]();
      network[Symbol.dispose]();
      perceptual?.[Symbol.dispose]();
    },
  };
}

/** Digest of what a perceptual distance is computed by. */
async function digestPerceptual(
  { lpips, "lpips-heads": heads }: NetworkFiles,
  features: string,
): Promise<string> {
  const own = await digestFile(lpips ?? features);
  return heads === undefined ? own : `${own} ${await digestFile(heads)}`;
}
