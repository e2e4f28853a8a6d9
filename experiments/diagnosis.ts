/**
 * Section 5.2, Figure 3: why does a DiT lose to an MLP in an encoder's latents?
 *
 * Claim under test: neither its capacity nor the horizon is the cause; the
 * objective is, and a sequence of actions helps it more than the MLP.
 *
 * @module
 */

import { above, below, type Claim, claim } from "../core/experiment/claims.ts";
import { defineExperiment, start } from "../core/experiment/experiment.ts";
import {
  type Asked,
  type Diagnosis,
  type DiagnosisParams,
  diagnosisParams,
  measureDiagnosis,
} from "../core/lab/diagnosis_run.ts";
import { interaction } from "../core/lab/diagnosis_actions.ts";
import * as tables from "../core/lab/diagnosis_tables.ts";
import { EncoderBench } from "../core/lab/encoder_bench.ts";
import { ROLE_NAMES } from "../core/lab/encoder_entries.ts";
import {
  LATENT_FILES,
  latentStages,
  planLatents,
} from "../core/lab/latent_run.ts";
import { DIAGNOSIS, DIAGNOSIS_CLAIMS as PAPER } from "./paper.ts";

/** Least difference that "matches" allows: twice the paper's largest, VQGAN's. */
const MATCH = -0.001;

/** "Most" of a gap. */
const MOST = 0.5;

function claimsOf(found: Diagnosis): Claim[] {
  const horizon = found.params.horizons.at(-1)!;
  const at = (variant: Asked["variant"]) => ({ variant, horizon });
  return [
    claim(
      "capacity",
      "H1 is rejected: the DiT as a regression matches the MLP, one step ahead",
      found.across({ variant: "direct" }, { variant: "mlp" }, [0]),
      above(MATCH),
      PAPER.capacity,
    ),
    claim(
      "objective",
      "H2: x0 recovers most of the gap from noise to the direct DiT, one step ahead; least of the encoders",
      tables.leastRecovered(found, "x0", "direct"),
      above(MOST),
      PAPER.recovered,
    ),
    claim(
      "horizon",
      "H3 is rejected: at the longest horizon, too, the DiT of x0 is behind the residual MLP",
      found.across(at("x0"), at("mlpResidual")),
      below(0),
      PAPER.horizon,
    ),
    claim(
      "interaction",
      "H4: all actions help the DiT more than the MLP, at the longest horizon",
      interaction(found, horizon, "x0"),
      above(0),
      PAPER.interaction,
    ),
    claim(
      "interaction-placed",
      "H4 without the confound: so they do from a DiT that knows positions before",
      interaction(found, horizon, "x0Placed"),
      above(0),
    ),
    claim(
      "positions",
      "Positions alone help the DiT of x0 and one action, at the longest horizon",
      found.across({ variant: "x0Placed", horizon }, {
        variant: "x0",
        horizon,
      }),
      above(0),
    ),
    claim(
      "copy",
      "A model is worth more than a copy of the present, one step ahead: the residual MLP",
      found.across({ variant: "mlpResidual" }, { variant: "copy" }, [0]),
      above(0),
      PAPER.copy,
    ),
  ];
}

const sampler = {
  ddimSteps: 50,
  stepCounts: [5, 10, 20, 50, 100, 200],
  starts: [0, 40, 100, 200, 400, 600, 800, 980],
  guidances: [1, 1.5, 2, 3],
  draws: 10,
};
const small = {
  ...{ size: 64, width: 64, blocks: 2, heads: 4, hidden: 96, flatHidden: 192 },
  ...{ batch: 128, lr: 1e-3, directBatch: 128, directLr: 1e-3, decay: 0.98 },
};
const presets: Record<"smoke" | "demo" | "paper", DiagnosisParams> = {
  smoke: {
    ...{ ...sampler, ...small, seeds: [0], trainScenes: 3, testScenes: 3 },
    ...{ encoders: ["distilled"], horizons: [2, 4], epochs: 2 },
    ...{ directEpochs: 2, ddimSteps: 4, stepCounts: [2, 3], starts: [0, 400] },
    ...{ guidances: [2], draws: 2 },
  },
  demo: {
    ...{ ...sampler, ...small, seeds: [0], ddimSteps: 20 },
    ...{ trainScenes: 120, testScenes: 100 },
    ...{ encoders: ["temporal", "distilled"], horizons: [4, 8, 16] },
    ...{ epochs: 16, directEpochs: 16, draws: 4 },
    ...{ stepCounts: [5, 20, 50], starts: [0, 200, 400, 800] },
  },
  paper: {
    ...{ ...sampler, seeds: [0, 1, 2], size: 224 }, // published code
    ...{ trainScenes: 620, testScenes: 150 },
    encoders: [...ROLE_NAMES], // Table 1
    ...{ horizons: [4, 8, 16], width: 384, blocks: 4, heads: 6 }, // Figure 3
    ...{ hidden: 512, flatHidden: 1024 }, // published code
    ...{ epochs: 100, batch: 256, lr: 1e-4, decay: 0.999 }, // published code
    ...{ directEpochs: 50, directBatch: 128, directLr: 1e-3 }, // published code
  },
};

/** `deno task exp:diagnosis`. */
export const diagnosis = defineExperiment<
  typeof diagnosisParams,
  EncoderBench<DiagnosisParams>,
  typeof latentStages
>({
  name: "diagnosis",
  source: "Section 5.2, Figure 3",
  title: "When does a DiT help in an encoder's latents?",
  params: diagnosisParams,
  presets,
  files: LATENT_FILES,
  plan: planLatents,
  open: (context) => new EncoderBench(context),
  stages: latentStages,
  async run({ bench, each }) {
    const found = await measureDiagnosis(bench, each);
    return { claims: claimsOf(found), ...tables.layOut(found, DIAGNOSIS) };
  },
});

await start(diagnosis, import.meta);
