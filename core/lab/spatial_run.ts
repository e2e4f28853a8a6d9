/**
 * Spatial tokens against pooled latents: the matrix of Section 5.2's four
 * ingredients, and MLPs of two sizes.
 *
 * @module
 */

import type { Each } from "../experiment/experiment.ts";
import { type StepScores, stepScores } from "../metrics/step_scores.ts";
import { rowCosines } from "../metrics/cosine.ts";
import type { LatentFutureSpec } from "../models/latent_future.ts";
import { key } from "../tensor/philox.ts";
import {
  type LatentFrames,
  predictLatents,
} from "../training/latent_future.ts";
import type { EncoderRole } from "./encoder_entries.ts";
import { standInNotes } from "./encoder_run.ts";
import {
  encoderNames,
  encoderTitles,
  type LatentBench,
  type LatentsOf,
  latentsOf,
  latentTraining,
  placedLatentModel,
} from "./latent_bench.ts";
import { caseLabel, latentStages, type Measured } from "./latent_run.ts";
import type { Variant } from "./latent_variants.ts";
import type { Pooling } from "./pooling.ts";

/** What is added to the steering of all frames. */
const TURN = 0.3;

/** Objectives of the matrix. */
export const OBJECTIVES = {
  epsilon: "noise",
  x0: "x0",
  v: "v",
  direct: "direct",
} as const;

/** Kinds of latents, with their titles. */
export const POOLINGS = { pooled: "Pooled", grid: "Spatial" } as const;

/** A cell of the matrix: an objective, anchored or not. */
function dit(objective: keyof typeof OBJECTIVES, isAnchored: boolean): Variant {
  const network = isAnchored ? "anchored" : "spatial";
  const spec: LatentFutureSpec = { network, objective, actions: "sequence" };
  return {
    title: `DiT, ${OBJECTIVES[objective]}${isAnchored ? ", anchored" : ""}`,
    ...{ spec, budget: "diffusion", weights: "average" } as const,
  };
}

const mlp = (title: string, isWide: boolean): Variant => ({
  title,
  spec: { network: "token-mlp", objective: "direct", actions: "sequence" },
  ...{ budget: "mlp", isWide } as const,
});

/** All models of the matrix. */
export const MATRIX: Readonly<Record<string, Variant>> = {
  ...Object.fromEntries(
    (Object.keys(OBJECTIVES) as (keyof typeof OBJECTIVES)[]).flatMap((name) => [
      [name, dit(name, false)],
      [`${name}Anchored`, dit(name, true)],
    ]),
  ),
  mlp: mlp("MLP", false),
  mlpMatched: mlp("MLP, as many parameters as the DiT", true),
};

/** Stages of a run. */
export const spatialStages = {
  ...latentStages,
  /** Mean distance of predictions whose actions are changed, by step. */
  async sensitivity(
    bench: LatentBench,
    { of, variant }: { of: LatentsOf; variant: Variant },
  ): Promise<Record<"turned" | "shuffled", StepScores>> {
    const { gpu } = bench;
    const latents = await latentsOf(bench, of);
    const { sizes, mean, std, parts: { test } } = latents;
    const made = await latentTraining(bench, of, variant, latents);
    using own = await placedLatentModel(
      ...[bench, made, variant, sizes, variant.weights ?? "last"] as const,
    );
    const size = sizes.horizon * sizes.tokens * sizes.dim;
    const predict = async (frames: LatentFrames) => {
      const all = new Float32Array(test.starts.length * size);
      await predictLatents(gpu, {
        ...{ model: own.model, sizes, frames, starts: test.starts, batch: 32 },
        noise: (i) => key("latent sample", of.seed * 1000, test.starts[i]!),
        options: { steps: bench.params.ddimSteps },
      }, (first, futures) =>
        all.set(
          futures.map((x, i) => x * std[i % sizes.dim]! + mean[i % sizes.dim]!),
          first * size,
        ));
      return all;
    };
    const { rows, actions } = test.frames;
    const count = actions.length / 2;
    const order = key("shuffled actions", of.seed).permutation(count);
    const changed = {
      turned: actions.map((x, i) => i % 2 === 0 ? x + TURN : x),
      shuffled: actions.map((_, i) =>
        actions[2 * order[Math.floor(i / 2)]! + i % 2]!
      ),
    };
    const whole = await predict(test.frames);
    const score = async (actions: Float32Array<ArrayBuffer>) => {
      const other = await predict({ rows, actions });
      const cosines = rowCosines(whole, other, sizes.dim);
      const values = Array.from(
        { length: sizes.horizon },
        (_, k) =>
          Float64Array.from(test.starts, (_, i) => {
            const at = (i * sizes.horizon + k) * sizes.tokens;
            const step = cosines.subarray(at, at + sizes.tokens);
            return 1 - step.reduce((a, b) => a + b) / sizes.tokens;
          }),
      );
      return stepScores(values, test.scenes);
    };
    return {
      turned: await score(changed.turned),
      shuffled: await score(changed.shuffled),
    };
  },
} as const;

/** Scores of a run. */
export interface SpatialFound {
  /** Encoders. */
  readonly encoders: readonly EncoderRole[];
  /** Their titles. */
  readonly titles: Readonly<Record<string, string>>;
  /** Scores of a model, or of "copy", one for each seed. */
  scores(encoder: EncoderRole, pooling: Pooling, name: string): StepScores[];
  /** Trained values of a model. */
  parameters(encoder: EncoderRole, pooling: Pooling, name: string): number;
  /** Sensitivities of a spatial model, one for each seed. */
  moved(
    encoder: EncoderRole,
    name: string,
    change: "turned" | "shuffled",
  ): StepScores[];
  /** What a reader must know. */
  readonly notes: readonly string[];
}

/** Models whose answer to changed actions is measured. */
export const MOVED = ["directAnchored", "mlp", "mlpMatched"] as const;

/**
 * Trains and scores the matrix.
 *
 * @param bench of the first thread
 * @param each does a stage on all lanes
 * @throws {Interrupted} if it was asked to stop
 */
export async function measureSpatial(
  bench: LatentBench,
  each: Each<LatentBench, typeof spatialStages>,
): Promise<SpatialFound> {
  const { params } = bench;
  const { encoders, seeds } = params;
  const horizon = params.horizons[0]!;
  const poolings = Object.keys(POOLINGS) as Pooling[];
  const names = await encoderNames(bench);
  const { about } = await bench.data();
  await each(
    "embed",
    encoders.flatMap((role) =>
      poolings.flatMap((pooling) =>
        (["train", "test"] as const).map((part) => ({
          ...{ name: names.get(role)!, part, pooling },
        }))
      )
    ),
    { title: "embed keyframes" },
  );
  const all = encoders.flatMap((encoder) =>
    poolings.flatMap((pooling) =>
      seeds.map((seed) => ({ encoder, horizon, seed, pooling }))
    )
  );
  const copied = await each("copy", all.map((of) => ({ of })), {
    title: "score copies of the present",
  });
  const cases = all.flatMap((of) =>
    Object.entries(MATRIX).map(([name, variant]) => ({ of, name, variant }))
  );
  const measured = await each(
    "measure",
    cases.map(({ of, variant }) => ({
      ...{ of, variant },
      views: [{ name: "own", weights: variant.weights ?? "last" }] as const,
    })),
    { title: "train and score the models", label: caseLabel },
  );
  const grids = all.filter(({ pooling }) => pooling === "grid");
  const asked = grids.flatMap((of) => MOVED.map((name) => ({ of, name })));
  const moved = await each(
    "sensitivity",
    asked.map(({ of, name }) => ({ of, variant: MATRIX[name]! })),
    { title: "change the actions", label: caseLabel },
  );
  const find = (encoder: EncoderRole, pooling: Pooling, name: string) =>
    measured.filter((_, i) => {
      const { of, name: own } = cases[i]!;
      return of.encoder === encoder && of.pooling === pooling && own === name;
    }) as Measured[];
  return {
    encoders,
    titles: await encoderTitles(bench),
    scores: (encoder, pooling, name) =>
      name === "copy"
        ? copied.flatMap(({ scores }, i) =>
          all[i]!.encoder === encoder && all[i]!.pooling === pooling
            ? [scores]
            : []
        )
        : find(encoder, pooling, name).map(({ scores }) => scores.own!),
    parameters: (encoder, pooling, name) =>
      find(encoder, pooling, name)[0]!.parameters,
    moved: (encoder, name, change) =>
      moved.flatMap((one, i) =>
        asked[i]!.of.encoder === encoder && asked[i]!.name === name
          ? [one[change]]
          : []
      ),
    notes: [
      `${about}.`,
      ...standInNotes(encoders.map((role) => names.get(role)!)),
      `Horizon ${horizon}; DiTs by averaged weights, MLPs by those of the last step, as published. Pooled models are spatial ones with one token a frame.`,
      "Anchored models of noise and of v add the present to what they predict, which then is no copy of it: the paper has none, and they only complete the matrix.",
      "Sampling matched to uncertainty is the difference of a diffusion from the direct model: no further model is needed to test it.",
    ],
  };
}
