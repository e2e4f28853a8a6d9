/**
 * Roll-outs of pairs of models from parameters to numbers, for an experiment.
 *
 * @module
 */

import { takeRows } from "../data/latents.ts";
import { energies } from "../metrics/energy.ts";
import { columns, scoresOf } from "./columns.ts";
import { fittedEnergy, readEnergyFit } from "./energy_fit.ts";
import type { LabRun } from "./experiment.ts";
import type { Lab } from "./lab.ts";
import { type PointScores, windowCosines } from "./metrics.ts";
import { modelOf, pairsOf, type PairSpec } from "./pair.ts";
import type { Work } from "./plan.ts";
import { perturbedPresent, type Rollout } from "./rollout_chain.ts";
import {
  augmentedModel,
  RECOVERING,
  RECOVERY_CHUNKS,
  ROLLOUT_KINDS,
  type RolloutKind,
  rolloutOf,
  type RolloutParams,
  ROLLOUTS,
  specOf,
} from "./rollout_kinds.ts";
import type { LatentsOf } from "./scores.ts";

/** Numbers of the windows that reach a step. */
export interface StepNumbers {
  /** Scene of each. */
  readonly scenes: readonly string[];
  /** CosSim with what happened. */
  readonly cosSim: readonly number[];
  /** Mahalanobis energy of the latents. */
  readonly energy: readonly number[];
  /** Root mean square of the change of latents since the step before. */
  readonly change: readonly number[];
}

/** Root mean square of a difference. */
function rms(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += (a[k]! - b[k]!) ** 2;
  return Math.sqrt(sum / a.length);
}

/** What is shown of the windows of a roll-out: latents by step. */
type Shown = (windows: readonly number[], step: number) => Float32Array;

/** Measures every step of roll-outs. */
async function drift(
  lab: Lab<RolloutParams>,
  rolled: Rollout,
  shown: Shown,
): Promise<StepNumbers[]> {
  const { patch, horizon, chunks } = lab.params;
  const { latents, shape } = await lab.part("whole");
  const fit = await readEnergyFit(await fittedEnergy(lab));
  const steps: StepNumbers[] = [];
  for (let step = 0; step < chunks * horizon; step++) {
    lab.context.interrupt.check();
    const reached = rolled.reach(step);
    if (reached.length === 0) break;
    const own = reached.map((i) => rolled.windows[i]!);
    const now = shown(reached, step);
    const before = step === 0
      ? takeRows(latents, own.map(({ row }) => row))
      : shown(reached, step - 1);
    const real = takeRows(latents, own.map(({ row }) => row + 1 + step));
    const size = now.length / reached.length;
    const at = (of: Float32Array, i: number) =>
      of.subarray(i * size, (i + 1) * size);
    steps.push({
      scenes: own.map(({ scene }) => scene),
      cosSim: windowCosines(now, real, shape, patch),
      energy: Array.from(energies(fit, now)),
      change: own.map((_, i) => rms(at(now, i), at(before, i))),
    });
  }
  return steps;
}

/** How far perturbed roll-outs are from clean ones, in parts of the noise. */
export interface Recovery {
  /** Scene of each window. */
  readonly scenes: readonly string[];
  /** (steps, windows) distance over that of the presents. */
  readonly distance: readonly (readonly number[])[];
  /** (steps, windows) distance of clean roll-outs of two windows, likewise. */
  readonly apart: readonly (readonly number[])[];
}

interface Of {
  readonly of: PairSpec;
}

/** Stages of an experiment that rolls out. */
export const rolloutStages = {
  /** Predicts roll-outs of one kind, or those of perturbed presents. */
  async roll(
    lab: Lab<RolloutParams>,
    { of, kind, perturbation }: Of & {
      readonly kind: RolloutKind;
      readonly perturbation: number;
    },
  ): Promise<{ chunks: number }> {
    const change = perturbation === 0
      ? {}
      : { perturbation, chunks: RECOVERY_CHUNKS };
    using rolled = await rolloutOf(lab, of, kind, change);
    return { chunks: rolled.digests.length };
  },
  /** Measures every step of a kind, of a copy, or of what happened. */
  async drift(
    lab: Lab<RolloutParams>,
    { of, kind }: Of & { readonly kind: RolloutKind | "copy" | "real" },
  ): Promise<StepNumbers[]> {
    const isRolled = kind !== "copy" && kind !== "real";
    using rolled = await rolloutOf(lab, of, isRolled ? kind : "direct");
    const { latents } = await lab.part("whole");
    const ahead = (step: number) => kind === "real" ? 1 + step : 0;
    return await drift(
      lab,
      rolled,
      isRolled ? rolled.at : (list, step) =>
        takeRows(
          latents,
          list.map((i) => rolled.windows[i]!.row + ahead(step)),
        ),
    );
  },
  /** Scores all kinds at the end of a chunk, counted from 1. */
  async score(
    lab: Lab<RolloutParams>,
    { of, chunk }: Of & { readonly chunk: number },
  ): Promise<{ windows: number; points: Record<string, PointScores> }> {
    const step = chunk * lab.params.horizon - 1;
    const { latents } = await lab.part("whole");
    const points: Record<string, { about?: string; latents: LatentsOf }> = {};
    const from: string[] = [];
    using open = new DisposableStack();
    const first = open.use(await rolloutOf(lab, of, "direct"));
    const reached = first.reach(step);
    const windows = reached.map((i) => first.windows[i]!);
    for (const kind of Object.keys(ROLLOUTS) as RolloutKind[]) {
      const rolled = open.use(await rolloutOf(lab, of, kind));
      from.push(...rolled.digests);
      points[kind] = {
        about: rolled.about,
        latents: (list) => rolled.at(list.map((i) => reached[i]!), step),
      };
    }
    const recorded = (ahead: number): LatentsOf => (list) =>
      takeRows(latents, list.map((i) => windows[i]!.row + ahead));
    points.copy = { latents: recorded(0) };
    points.ceiling = { latents: recorded(1 + step) };
    const part = "whole";
    const found = await columns(lab, { part, windows, step, points, from });
    const scores = await scoresOf(lab, found, of.seed);
    return { windows: windows.length, points: { ...scores.points } };
  },
  /** Measures how far perturbed roll-outs stay from clean ones. */
  async recover(
    lab: Lab<RolloutParams>,
    { of, kind }: Of & { readonly kind: RolloutKind },
  ): Promise<Recovery> {
    const { perturbation, horizon, chunks: most } = lab.params;
    const chunks = RECOVERY_CHUNKS;
    const { latents } = await lab.part("whole");
    using clean = await rolloutOf(lab, of, kind);
    using noised = await rolloutOf(lab, of, kind, { perturbation, chunks });
    const steps = Math.min(chunks, most) * horizon;
    const reached = clean.reach(steps - 1);
    const { model } = specOf(lab.params, of, kind);
    const injected: number[] = [];
    for (const i of reached) {
      const window = clean.windows[i]!;
      const present = latents.read(window.row, window.row + 1);
      const own = await perturbedPresent(lab, model, window, perturbation);
      injected.push(rms(own, present));
    }
    const distance: number[][] = [];
    const apart: number[][] = [];
    for (let step = 0; step < steps; step++) {
      lab.context.interrupt.check();
      const frames = reached.map((i) => clean.at([i], step));
      distance.push(
        reached.map((i, k) =>
          rms(noised.at([i], step), frames[k]!) / injected[k]!
        ),
      );
      apart.push(
        frames.map((frame, k) =>
          rms(frame, frames[(k + 1) % frames.length]!) / injected[k]!
        ),
      );
    }
    const scenes = reached.map((i) => clean.windows[i]!.scene);
    return { scenes, distance, apart };
  },
} as const;

/** What was found of one pair. */
export interface PairRollouts {
  /** Which. */
  readonly of: PairSpec;
  /** Every step, by kind, of a copy and of what happened. */
  readonly steps: Readonly<
    Record<RolloutKind | "copy" | "real", readonly StepNumbers[]>
  >;
  /** Scores by chunk, counted from 1. */
  readonly scores: ReadonlyMap<
    number,
    {
      readonly windows: number;
      readonly points: Readonly<Record<string, PointScores>>;
    }
  >;
  /** Recovery by kind. */
  readonly recovery: Readonly<Record<typeof RECOVERING[number], Recovery>>;
}

/**
 * Chunks whose end is scored by images: the first ones, doubling, and the last.
 *
 * @param chunks of the roll-out
 */
export function scoredChunks(chunks: number): number[] {
  const list: number[] = [];
  for (let chunk = 1; chunk < chunks; chunk *= 2) list.push(chunk);
  return [...list, chunks];
}

/**
 * Trains, rolls out and measures all pairs on all lanes at once.
 *
 * @param context of the experiment, whose stages hold {@linkcode rolloutStages}
 * @param reached chunks of the longest scene
 */
export async function runRollouts(
  { params, each, train }: Pick<
    LabRun<RolloutParams, typeof rolloutStages>,
    "params" | "each" | "train"
  >,
  reached: number,
): Promise<PairRollouts[]> {
  const all = pairsOf(params);
  const label = ({ of, kind = "" }: Of & { readonly kind?: string }) =>
    all.length === 1 ? kind : `${of.recipe} ${of.seed} ${kind}`;
  await train(
    all.flatMap((of) =>
      (["diffusion", "direct"] as const).map((mode) => modelOf(of, mode))
    ),
  );
  await train(all.map((of) => augmentedModel(of, params)));
  await each(
    "roll",
    all.flatMap((of) => [
      ...ROLLOUT_KINDS.map((kind) => ({ of, kind, perturbation: 0 })),
      ...RECOVERING.map((kind) => {
        const { perturbation } = params;
        return { of, kind, perturbation };
      }),
    ]),
    { title: "roll out", label },
  );
  const measured = [...ROLLOUT_KINDS, "copy", "real"] as const;
  const steps = await each(
    "drift",
    all.flatMap((of) => measured.map((kind) => ({ of, kind }))),
    { title: "drift", label },
  );
  const chunks = scoredChunks(Math.min(params.chunks, reached));
  const scores = await each(
    "score",
    all.flatMap((of) => chunks.map((chunk) => ({ of, chunk }))),
    {
      title: "decode and score",
      label: ({ of, chunk }) => label({ of, kind: `chunk ${chunk}` }),
    },
  );
  const recovery = await each(
    "recover",
    all.flatMap((of) => RECOVERING.map((kind) => ({ of, kind }))),
    { title: "recovery", label },
  );
  return all.map((of, i) => ({
    of,
    steps: Object.fromEntries(
      measured.map((kind, k) => [kind, steps[measured.length * i + k]!]),
    ) as unknown as PairRollouts["steps"],
    scores: new Map(
      chunks.map((chunk, k) => [chunk, scores[chunks.length * i + k]!]),
    ),
    recovery: Object.fromEntries(
      RECOVERING.map((
        kind,
        k,
      ) => [kind, recovery[RECOVERING.length * i + k]!]),
    ) as unknown as PairRollouts["recovery"],
  }));
}

/**
 * What is computed, for a plan.
 *
 * @param params of the run
 * @param windows of each part
 */
export function rolloutWork(
  params: RolloutParams,
  windows: { readonly train: number },
): Work {
  const { rolloutScenes, chunks, rolloutSteps, ddimSteps } = params;
  const sampled = ROLLOUT_KINDS.filter((kind) => !kind.startsWith("direct"));
  const calibrations = 2 * Math.min(params.calibrationWindows, windows.train);
  const rolled = sampled.length * rolloutScenes * chunks +
    2 * RECOVERY_CHUNKS * rolloutScenes;
  return {
    trained: "direct and diffusion, and diffusion on with noise",
    trainings: 2 + params.augmentedSamples / params.samples,
    sampled: Math.ceil((rolled + calibrations) * rolloutSteps / ddimSteps),
    times: pairsOf(params).length,
  };
}
