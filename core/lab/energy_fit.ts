import type { Artifact } from "../experiment/artifact.ts";
import {
  type EnergyFit,
  type EnergyOptions,
  fitEnergy,
} from "../metrics/energy.ts";
import {
  type HostTensor,
  readSafetensors,
  writeSafetensors,
} from "../formats/safetensors.ts";
import type { Lab } from "./lab.ts";

function float64(
  { dtype, bytes: { buffer, byteOffset, byteLength } }: HostTensor,
): Float64Array<ArrayBuffer> {
  if (dtype !== "F64") {
    throw new TypeError(`Cannot read ${dtype} as float64: needed F64`);
  }
  return new Float64Array(buffer.slice(byteOffset, byteOffset + byteLength));
}

/**
 * Finds the distribution of the training latents, or fits it: once for all
 * experiments on the same frames and tokens. Two (size, size) matrices are in
 * memory meanwhile, where a frame has `size` latent values.
 *
 * @param lab its latents
 * @throws {Interrupted} if it was asked to stop
 */
export async function fittedEnergy(lab: Lab): Promise<Artifact> {
  const { interrupt } = lab.context;
  const { latents, shape, digest } = await lab.part("train");
  const { frames, size } = latents;
  const options: EnergyOptions = {
    ridge: 1e-3,
    tokens: { shape, patch: lab.params.patch },
  };
  return await lab.make({
    by: import.meta.url,
    kind: "energy",
    spec: { options },
    from: [digest],
  }, async (folder) => {
    const read = (start: number, end: number) => {
      interrupt.check();
      return latents.read(start, end);
    };
    const { mean, factor } = fitEnergy({ frames, size, read }, options);
    await writeSafetensors(folder.file("energy.safetensors"), {
      mean: { shape: [size], data: Float64Array.from(mean) },
      factor: { shape: [size, size], data: Float64Array.from(factor) },
    });
    return { frames, size };
  });
}

/**
 * Reads what {@linkcode fittedEnergy} found or fitted.
 *
 * @param made by it
 */
export async function readEnergyFit(made: Artifact): Promise<EnergyFit> {
  using file = await readSafetensors(made.file("energy.safetensors"));
  const mean = float64(await file.read("mean"));
  return {
    size: mean.length,
    mean,
    factor: float64(await file.read("factor")),
  };
}
