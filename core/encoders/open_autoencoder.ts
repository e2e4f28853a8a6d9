import type { FileSource } from "../formats/byte_source.ts";
import { readWeights } from "../formats/weights.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { AutoencoderKL, DEMO_VAE, SD_VAE } from "./autoencoder_kl.ts";
import type { FrozenWeights } from "./frozen.ts";

/** An autoencoder on the device. */
export interface OpenAutoencoder extends Disposable {
  /** The network. */
  readonly vae: AutoencoderKL;
  /** What it is, for reports. */
  readonly title: string;
  /** Its memory. */
  readonly weights: FrozenWeights;
}

/**
 * Loads the demo's autoencoder or Stable Diffusion's, as the file's widths
 * tell. Scaling factor and title are those of the file's header, if it has
 * them.
 *
 * @param gpu device
 * @param source weights of any format and naming
 * @throws {TypeError} if the file is of another network
 * @throws {RangeError} if its header has a scaling factor that is no number
 */
export async function openAutoencoder(
  gpu: Gpu,
  source: FileSource,
): Promise<OpenAutoencoder> {
  using file = await readWeights(source);
  const widest = file.names.find((name) =>
    `.${name}`.endsWith(".decoder.conv_in.weight")
  );
  const [first] = file.info(widest ?? "")?.shape ?? [];
  const isDemo = first === DEMO_VAE.channels.at(-1);
  const config = isDemo ? DEMO_VAE : SD_VAE;
  const scalingFactor = Number(
    file.metadata.scaling_factor ?? config.scalingFactor,
  );
  if (!(scalingFactor > 0 && scalingFactor < Infinity)) {
    throw new RangeError(
      `Cannot use scaling_factor "${file.metadata.scaling_factor}" of the header: needed a number above 0`,
    );
  }
  const vae = new AutoencoderKL({ ...config, scalingFactor });
  const weights = await vae.load(gpu, file);
  return {
    vae,
    weights,
    title: file.metadata.title ??
      (isDemo ? "the demo's VAE (0.8 M parameters)" : "Stable Diffusion's VAE"),
    [Symbol.dispose]: () => weights[Symbol.dispose](),
  };
}
