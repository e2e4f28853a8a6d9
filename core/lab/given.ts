import { UsageError } from "../experiment/flags.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { WorldObjective } from "../models/world_model.ts";
import {
  type PublishedModel,
  readPublishedModel,
} from "../training/published.ts";
import type { Mode, WeightsKind } from "./models.ts";
import { openFor } from "./networks.ts";
import type { LabParams } from "./params.ts";

/** Flags that take the files of models, with their descriptions. */
export const GIVEN_FILES: Readonly<Record<Mode, string>> = {
  direct:
    "a direct regression model instead of a training: a checkpoint with dit, fourier, ema, z_mean, z_std",
  diffusion: "a diffusion model, likewise",
  mlp: "an MLP baseline, likewise; it has no averages",
};

/** What is known of a given model. */
export interface GivenFacts {
  /** SHA-256 of the file. */
  readonly digest: string;
  /** Its frequencies of an action component. */
  readonly frequencies: number;
  /** Whether it learned these, so that it takes plain actions. */
  readonly plainActions: boolean;
}

/**
 * What a given model is taken to be trained for.
 *
 * @param params of the run
 * @param mode how it is used
 */
export function givenObjective(
  { objective }: LabParams,
  mode: Mode,
): WorldObjective {
  return mode === "diffusion" ? objective : "direct";
}

/**
 * Puts a given model on the device, if it fits the run.
 *
 * @param gpu device
 * @param params of the run
 * @param mode how it is used
 * @param path of its file
 * @param weights which of the file's weights
 * @throws {Error} naming the file, its flag and what is wrong
 */
export function openGiven(
  gpu: Gpu,
  params: LabParams,
  mode: Mode,
  path: string,
  weights: WeightsKind,
): Promise<PublishedModel> {
  const { horizon, patch, size, heads } = params;
  return openFor(mode, path, async () => {
    const read = await readPublishedModel(gpu, path, {
      weights,
      heads,
      objective: givenObjective(params, mode),
      needed: { horizon, tokens: (size / 8 / patch) ** 2, patch },
    });
    const isMlp = read.sizes.blocks === undefined;
    if (isMlp === (mode === "mlp")) return read;
    read[Symbol.dispose]();
    throw new TypeError(
      isMlp
        ? "it is the MLP, needed the transformer; give it by --mlp"
        : "it is the transformer, needed the MLP; give it by --direct or --diffusion",
    );
  });
}

/**
 * Opens the given models of a run and frees them: what is wrong with their
 * files is found before any work.
 *
 * @param gpu device
 * @param params of the run
 * @param files by the names of their flags
 * @returns a line for each
 * @throws {UsageError} if a transformer is given for two recipes
 * @throws {Error} as {@linkcode openGiven}
 */
export async function checkGiven(
  gpu: Gpu,
  params: LabParams,
  files: Readonly<Record<string, string>>,
): Promise<string[]> {
  const lines: string[] = [];
  for (const mode of ["direct", "diffusion", "mlp"] as const) {
    const path = files[mode];
    if (path === undefined) continue;
    if (params.recipe === "both" && mode !== "mlp") {
      throw new UsageError(
        `Cannot use --${mode} with --recipe both: the file holds a model of one recipe; choose visible or paper`,
      );
    }
    const weights = mode === "mlp" ? "last" : params.givenWeights;
    using read = await openGiven(gpu, params, mode, path, weights);
    const { dim, blocks } = read.sizes;
    lines.push(
      `${mode} of ${path}, width ${dim}${
        blocks === undefined ? "" : `, ${blocks} blocks`
      }, ${weights} weights: not trained`,
    );
  }
  return lines;
}
