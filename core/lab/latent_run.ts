/**
 * Runs of experiments that predict embeddings: their stages and plan.
 *
 * @module
 */

import type { Plan } from "../experiment/experiment.ts";
import { type CommonFlags, UsageError } from "../experiment/flags.ts";
import {
  quartiles,
  type StepScores,
  stepScores,
} from "../metrics/step_scores.ts";
import { predictLatents } from "../training/latent_future.ts";
import type { LatentSampling } from "../models/latent_future.ts";
import { key } from "../tensor/philox.ts";
import { rowCosines } from "../metrics/cosine.ts";
import type { BenchPart } from "./encoder_bench.ts";
import { encoderEntries } from "./encoder_entries.ts";
import { inputsOf, lackingWeights } from "./encoder_run.ts";
import {
  type LatentBench,
  type Latents,
  type LatentsOf,
  latentsOf,
  latentTraining,
  placedLatentModel,
} from "./latent_bench.ts";
import type { LatentParams, Variant } from "./latent_variants.ts";
import type { Pooling } from "./pooling.ts";
import type { WorldShare } from "./world.ts";

/** Flags that take folders. */
export const LATENT_FILES = {
  embeddings: "folder of ENCODER.npz as published, instead of a dataset",
  weights:
    "folder of the published weights (./run weights); stand-ins of this project where one is missing",
};

/** Windows that are sampled at a time, pooled. */
const AT_ONCE = 512;

/** A way to score a model. */
export interface View {
  /** Key of its scores. */
  readonly name: string;
  /** Averaged weights, or those of the last step. */
  readonly weights: "last" | "average";
  /** Steps of the sampler. */
  readonly steps?: number;
  /** Diffusion step up to which the present is noised to start there. */
  readonly start?: number;
  /** Distance from the model without actions. */
  readonly guidance?: number;
  /** Draws for each window; its diversity is measured if above 1. */
  readonly draws?: number;
  /** Whether scores are cut by the quartiles of copying. */
  readonly isCut?: boolean;
}

/** A model that is trained and scored. */
export interface MeasureCase {
  /** Latents. */
  readonly of: LatentsOf;
  /** Model. */
  readonly variant: Variant;
  /** Ways to score it. */
  readonly views: readonly View[];
  /** The model without actions, where a view is guided. */
  readonly without?: Variant;
}

/**
 * Names a model in progress lines.
 *
 * @param one model of latents
 */
export function caseLabel(
  { of: { encoder, pooling, horizon, seed }, variant }: Pick<
    MeasureCase,
    "of" | "variant"
  >,
): string {
  return `${variant.title}, ${encoder}, ${pooling}, H ${horizon}, seed ${seed}`;
}

/** Scores of a model; keys are those of views. */
export interface Measured {
  /** Cosine similarity to the true future, before standardization. */
  readonly scores: Readonly<Record<string, StepScores>>;
  /** Four of them for each view that is cut, the hardest windows first. */
  readonly cut: Readonly<Record<string, readonly StepScores[]>>;
  /** Trained values. */
  readonly parameters: number;
  /** Loss of the first and of the last pass. */
  readonly loss: readonly [number, number];
  /** Seconds of the training. */
  readonly seconds: number;
}

/** (H, windows): cosines to the true future, mean over the tokens. */
function scoreInto(
  found: Float64Array[],
  latents: Latents,
  first: number,
  raw: Float32Array,
): void {
  const { sizes: { horizon, tokens, dim }, parts: { test } } = latents;
  const own = tokens * dim;
  const count = raw.length / (horizon * own);
  for (let i = 0; i < count; i++) {
    const row = test.starts[first + i]! + 1;
    const truth = test.raw.subarray(row * own, (row + horizon) * own);
    const cosines = rowCosines(
      raw.subarray(i * horizon * own, (i + 1) * horizon * own),
      truth,
      dim,
    );
    for (let k = 0; k < horizon; k++) {
      let sum = 0;
      for (let s = 0; s < tokens; s++) sum += cosines[k * tokens + s]!;
      found[k]![first + i] = sum / tokens;
    }
  }
}

function emptyScores({ sizes, parts }: Latents): Float64Array[] {
  return Array.from(
    { length: sizes.horizon },
    () => new Float64Array(parts.test.starts.length),
  );
}

/** Cosines of the present as a prediction. */
export function copyScores(latents: Latents): Float64Array[] {
  const { sizes: { horizon, tokens, dim }, parts: { test } } = latents;
  const found = emptyScores(latents);
  const own = tokens * dim;
  test.starts.forEach((row, i) => {
    const here = test.raw.subarray(row * own, (row + 1) * own);
    const raw = new Float32Array(horizon * own);
    for (let k = 0; k < horizon; k++) raw.set(here, k * own);
    scoreInto(found, latents, i, raw);
  });
  return found;
}

/** Undoes the standardization. */
function restored({ mean, std }: Latents, values: Float32Array): Float32Array {
  const dim = mean.length;
  return values.map((value, i) => value * std[i % dim]! + mean[i % dim]!);
}

/** Mean over pairs of draws of 1 - cosine, and the best cosine: (H, windows). */
function diversityOf(
  latents: Latents,
  draws: readonly Float32Array[],
  each: readonly Float64Array[][],
): { apart: Float64Array[]; best: Float64Array[] } {
  const { sizes: { tokens, dim, horizon } } = latents;
  const [apart, best] = [emptyScores(latents), emptyScores(latents)];
  const pairs = draws.length * (draws.length - 1) / 2;
  const own = tokens * dim;
  for (const [k, step] of apart.entries()) {
    for (let window = 0; window < step.length; window++) {
      const at = (window * horizon + k) * own;
      for (let i = 0; i < draws.length; i++) {
        for (let j = 0; j < i; j++) {
          const cosines = rowCosines(
            draws[i]!.subarray(at, at + own),
            draws[j]!.subarray(at, at + own),
            dim,
          );
          const similar = cosines.reduce((a, b) => a + b) / tokens;
          step[window]! += (1 - similar) / pairs;
        }
      }
      best[k]![window] = Math.max(...each.map((draw) => draw[k]![window]!));
    }
  }
  return { apart, best };
}

/** Stages of a run. */
export const latentStages = {
  /** Draws a share of the embedded world. */
  draw: (bench: LatentBench, work: WorldShare) => bench.draw(work),
  /** Embeds the keyframes of a part. */
  async embed(
    bench: LatentBench,
    { name, part, pooling }: {
      name: string;
      part: BenchPart;
      pooling: Pooling;
    },
  ) {
    const { facts } = await bench.embed(name, part, pooling);
    return { ...facts };
  },
  /** Scores the present as a prediction. */
  async copy(bench: LatentBench, { of }: { of: LatentsOf }) {
    const latents = await latentsOf(bench, of);
    const found = copyScores(latents);
    const { scenes } = latents.parts.test;
    const cut = found.map((step) => quartiles(step));
    return {
      scores: stepScores(found, scenes),
      cut: [0, 1, 2, 3].map((quarter) => ({
        scores: stepScores(
          found.map((step, k) =>
            step.map((x, i) => cut[k]![i] === quarter ? x : 0)
          ),
          scenes,
        ),
        members: stepScores(
          cut.map((step) => step.map((own) => own === quarter ? 1 : 0)),
          scenes,
        ),
      })),
      tokens: latents.sizes.tokens,
      windows: scenes.length,
    };
  },
  /** Trains a model and scores it. */
  async measure(
    bench: LatentBench,
    { of, variant, views, without }: MeasureCase,
  ): Promise<Measured> {
    const { gpu, params } = bench;
    const latents = await latentsOf(bench, of);
    const { sizes, parts: { test } } = latents;
    const made = await latentTraining(bench, of, variant, latents);
    const other = without &&
      await latentTraining(bench, of, without, latents);
    const cut = views.some(({ isCut }) => isCut)
      ? copyScores(latents).map((step) => quartiles(step))
      : [];
    const scores: Record<string, StepScores> = {};
    const quarters: Record<string, StepScores[]> = {};
    for (const view of views) {
      const { weights, steps = params.ddimSteps, start, guidance } = view;
      using own = await placedLatentModel(
        bench,
        made,
        variant,
        sizes,
        weights,
      );
      using null_ = other && guidance !== undefined
        ? await placedLatentModel(bench, other, without!, sizes, weights)
        : undefined;
      const options: LatentSampling = {
        steps,
        ...(start === undefined ? {} : { start }),
        ...(null_ === undefined
          ? {}
          : { guidance: { model: null_.model, scale: guidance! } }),
      };
      const draws = view.draws ?? 1;
      const whole: Float32Array[] = [];
      const each: Float64Array[][] = [];
      for (let draw = 0; draw < draws; draw++) {
        bench.context.interrupt.check();
        const found = emptyScores(latents);
        const kept = draws > 1
          ? new Float32Array(
            test.starts.length * sizes.horizon * sizes.tokens * sizes.dim,
          )
          : undefined;
        await predictLatents(gpu, {
          model: own.model,
          ...{ sizes, options, frames: test.frames, starts: test.starts },
          batch: Math.max(1, Math.floor(AT_ONCE / sizes.tokens)),
          noise: (i) =>
            key("latent sample", of.seed * 1000 + draw, test.starts[i]!),
        }, (first, futures) => {
          const raw = restored(latents, futures);
          scoreInto(found, latents, first, raw);
          kept?.set(raw, first * sizes.horizon * sizes.tokens * sizes.dim);
        });
        each.push(found);
        if (kept) whole.push(kept);
      }
      scores[view.name] = stepScores(each[0]!, test.scenes);
      if (draws > 1) {
        const { apart, best } = diversityOf(latents, whole, each);
        scores[`${view.name}-apart`] = stepScores(apart, test.scenes);
        scores[`${view.name}-best`] = stepScores(best, test.scenes);
      }
      if (view.isCut) {
        quarters[view.name] = [0, 1, 2, 3].map((quarter) =>
          stepScores(
            each[0]!.map((step, k) =>
              step.map((x, i) => cut[k]![i] === quarter ? x : 0)
            ),
            test.scenes,
          )
        );
      }
    }
    return {
      ...{ scores, cut: quarters },
      ...made.facts,
      seconds: made.record.seconds,
    };
  },
} as const;

/**
 * Says what a run would do, and refuses what cannot work.
 *
 * @param params validated
 * @param flags with the folders given
 * @throws {UsageError} if folders are given that exclude each other
 * @throws {Error} if the paper preset lacks its data
 */
export async function planLatents(
  params: LatentParams,
  flags: CommonFlags,
): Promise<Plan> {
  const { embeddings, weights } = flags.files;
  if (embeddings !== undefined && flags.data !== undefined) {
    throw new UsageError(
      "Cannot use --embeddings with --data: each says where all numbers come from; give one",
    );
  }
  const missing: string[] = [];
  if (flags.preset === "paper" && embeddings === undefined) {
    if (flags.data === undefined) {
      missing.push(
        "--data DIR (nuScenes v1.0-trainval with its CAN-bus expansion), or --embeddings DIR",
      );
    }
    missing.push(...await lackingWeights(weights));
  }
  if (missing.length > 0 && !flags.dryRun) {
    throw new Error(
      `Cannot run the paper preset: it needs ${missing.join("; ")}`,
    );
  }
  const names = (await encoderEntries(weights))
    .filter(({ role }) => role && params.encoders.includes(role))
    .map(({ name }) => name);
  return {
    text: [
      `Preset ${flags.preset}`,
      `  data      ${
        embeddings ?? flags.data ??
          `embedded world, ${params.trainScenes} training and ${params.testScenes} test scenes at 12 Hz`
      }`,
      `  encoders  ${names.join(", ")}`,
      `  horizons  ${params.horizons.join(", ")}`,
      `  seeds     ${params.seeds.join(", ")}`,
      ...(missing.length > 0
        ? ["", "Missing:", ...missing.map((line) => `  ${line}`)]
        : []),
    ].join("\n"),
    notes: [],
    inputs: () => inputsOf(flags),
  };
}
