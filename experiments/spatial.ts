/**
 * Section 5.2, the four ingredients: spatial tokens, x0, an anchor, sampling.
 *
 * Claim under test: together they let the DiT win over the MLP; each is
 * necessary.
 *
 * @module
 */

import { above, below, type Claim, claim } from "../core/experiment/claims.ts";
import { defineExperiment, start } from "../core/experiment/experiment.ts";
import { EncoderBench } from "../core/lab/encoder_bench.ts";
import { LATENT_FILES, planLatents } from "../core/lab/latent_run.ts";
import { latentParams } from "../core/lab/latent_variants.ts";
import type { LatentParams } from "../core/lab/latent_variants.ts";
import {
  measureSpatial,
  type SpatialFound,
  spatialStages,
} from "../core/lab/spatial_run.ts";
import { gapOver, layOut } from "../core/lab/spatial_tables.ts";
import { SPATIAL, SPATIAL_GAPS } from "./paper.ts";

function claimsOf(found: SpatialFound): Claim[] {
  const spatial = (a: string, b: string) => gapOver(found, "grid", a, b);
  return [
    claim(
      "matched",
      "With spatial tokens and an anchor the direct DiT wins over an MLP of as many parameters",
      spatial("directAnchored", "mlpMatched"),
      above(0),
      SPATIAL.matched,
    ),
    claim(
      "small",
      "And over the small MLP that the paper's number is against",
      spatial("directAnchored", "mlp"),
      above(0),
      SPATIAL.small,
    ),
    claim(
      "sufficient",
      "The four ingredients suffice: the anchored DiT of x0, sampled, wins over the matched MLP",
      spatial("x0Anchored", "mlpMatched"),
      above(0),
      SPATIAL.sufficient,
    ),
    claim(
      "tokens",
      "Spatial tokens are necessary: pooled, the anchored direct DiT does not win over the matched MLP",
      gapOver(found, "pooled", "directAnchored", "mlpMatched"),
      below(0),
    ),
    claim(
      "anchor",
      "The anchor is necessary: without one, the direct DiT does not win over the matched MLP",
      spatial("direct", "mlpMatched"),
      below(0),
    ),
    claim(
      "x0",
      "x0 is necessary: the anchored DiT of x0 is better than that of v, which the paper does not anchor",
      spatial("x0Anchored", "v"),
      above(0),
      SPATIAL.x0,
    ),
    claim(
      "sampling",
      "Sampling is necessary: the anchored DiT of x0, sampled, is better than the direct one",
      spatial("x0Anchored", "directAnchored"),
      above(0),
    ),
  ];
}

const small = {
  ...{ size: 64, width: 64, blocks: 2, heads: 4, hidden: 96, flatHidden: 319 },
  ...{ lr: 1e-3, directBatch: 64, directLr: 1e-3, batch: 64, decay: 0.98 },
};

const presets: Record<"smoke" | "demo" | "paper", LatentParams> = {
  smoke: {
    ...{ ...small, seeds: [0], trainScenes: 3, testScenes: 3 },
    ...{ encoders: ["distilled"], horizons: [2], blocks: 1, ddimSteps: 2 },
    ...{ epochs: 1, directEpochs: 1 },
  },
  demo: {
    ...{ ...small, seeds: [0], trainScenes: 40, testScenes: 40 },
    ...{ encoders: ["distilled"], horizons: [8], ddimSteps: 10 },
    ...{ epochs: 6, directEpochs: 6 },
  },
  paper: {
    ...{ seeds: [0, 1, 2], size: 224, trainScenes: 620, testScenes: 150 },
    ...{ encoders: ["supervised", "distilled"], horizons: [16] }, // Section 5.2
    ...{ width: 384, blocks: 4, heads: 6, ddimSteps: 50 }, // published code
    ...{ hidden: 512, flatHidden: 2816 }, // published code
    ...{ epochs: 100, batch: 64, lr: 1e-4, decay: 0.999 }, // published code
    ...{ directEpochs: 50, directBatch: 128, directLr: 1e-3 }, // published code
  },
};

/** `deno task exp:spatial`. */
export const spatial = defineExperiment<
  typeof latentParams,
  EncoderBench<LatentParams>,
  typeof spatialStages
>({
  name: "spatial",
  source: "Section 5.2, spatial tokens",
  title: "Are spatial tokens, x0, an anchor and sampling all necessary?",
  params: latentParams,
  presets,
  files: { weights: LATENT_FILES.weights },
  plan: planLatents,
  open: (context) => new EncoderBench(context),
  stages: spatialStages,
  async run({ bench, each }) {
    const found = await measureSpatial(bench, each);
    return { claims: claimsOf(found), ...layOut(found, SPATIAL_GAPS) };
  },
});

await start(spatial, import.meta);
