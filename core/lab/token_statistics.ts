import {
  readSafetensors,
  toFloat32,
  writeSafetensors,
} from "../formats/safetensors.ts";
import type { TokenStatistics } from "../training/window_tokens.ts";

/** Reads the normalization of tokens that was kept with a model. */
export async function readStatistics(path: string): Promise<TokenStatistics> {
  using file = await readSafetensors(path);
  return {
    mean: toFloat32(await file.read("mean")),
    std: toFloat32(await file.read("std")),
  };
}

/** Keeps the normalization of a model's tokens. */
export async function writeStatistics(
  path: string,
  { mean, std }: TokenStatistics,
): Promise<void> {
  await writeSafetensors(path, {
    mean: { shape: [mean.length], data: mean },
    std: { shape: [std.length], data: std },
  });
}
