/**
 * Motion of models from parameters to numbers, for experiments that measure it.
 *
 * @module
 */

import { CONSECUTIVE } from "./data.ts";
import type { LabRun } from "./experiment.ts";
import type { Lab } from "./lab.ts";
import { motion, type WindowMotion } from "./motion.ts";
import {
  type MotionMeasure,
  motionNumbers,
  type MotionRow,
  type MotionSet,
  motionSets,
} from "./motion_results.ts";
import { modelsOf, type MotionSource, sampleMotion } from "./motion_sources.ts";
import type { MotionPart } from "./motion_tables.ts";
import { modelOf, pairsOf, type PairSpec } from "./pair.ts";
import { type JumpLabParams, jumpPresets, jumpStride } from "./jump_params.ts";
import { type LabParams, labPresets } from "./params.ts";
import type { Work } from "./plan.ts";

/** An operating point whose motion is measured. */
export interface MotionPoint {
  /** Name in files and among the published numbers. */
  readonly name: string;
  /** Name for readers. */
  readonly title: string;
  /** Its futures, of each seed; known ones once. */
  readonly sources: readonly MotionSource[];
}

/** What happened, and the camera's frames of it. */
const REAL: MotionPoint = {
  name: "real",
  title: "Real latents decoded (ceiling)",
  sources: [{ kind: "real" }],
};

/** What is known without a model, in the order of tables. */
export const KNOWN_POINTS: readonly MotionPoint[] = [
  { name: "copy", title: "Copy of the present", sources: [{ kind: "copy" }] },
  REAL,
  { name: "camera", title: "Camera frames", sources: [{ kind: "camera" }] },
];

/**
 * Lists the points of pairs of one recipe.
 *
 * @param pairs one for each seed
 * @param guidance scale of the guided point
 */
export function pairMotion(
  pairs: readonly PairSpec[],
  guidance: number,
): MotionPoint[] {
  const point = (
    name: string,
    title: string,
    source: (of: PairSpec) => MotionSource,
  ): MotionPoint => ({ name, title, sources: pairs.map(source) });
  const kind = "model";
  return [
    point("direct", "Direct regression", (of) => ({
      kind,
      model: modelOf(of, "direct"),
    })),
    point("directLast", "Direct regression, raw weights", (of) => ({
      kind,
      model: modelOf(of, "direct"),
      weights: "last",
    })),
    point("raw", "Diffusion, raw", (of) => ({
      kind,
      model: modelOf(of, "diffusion"),
    })),
    point("guided", "Diffusion, guided", (of) => ({
      kind,
      model: modelOf(of, "diffusion"),
      guidance,
    })),
    point("calibrated", "Diffusion, calibrated", (of) => ({
      kind,
      model: modelOf(of, "diffusion"),
      calibrated: true,
    })),
    point("mlp", "MLP baseline", (of) => ({ kind, model: modelOf(of, "mlp") })),
  ];
}

/** Parameters by preset of motion beside that of jumps. */
export const MOTION_PRESETS = {
  smoke: { ...labPresets.smoke, ...jumpPresets.smoke },
  demo: { ...labPresets.demo, ...jumpPresets.demo },
  paper: { ...labPresets.paper, ...jumpPresets.paper },
} as const;

/**
 * Gives the point of chained jumps, where they lead to every step: the jumps of
 * the paper's size lead to every fourth one.
 *
 * @param params of the run
 * @param pairs one for each seed
 * @returns the point, or a title that says why it is not measured
 */
export function jumpMotion(
  params: JumpLabParams,
  pairs: readonly PairSpec[],
): { points: MotionPoint[]; unmeasured: Record<string, string> } {
  const stride = jumpStride(params);
  if (stride > 1) {
    const title = `Jump model: frames ${stride} apart, see exp:jump`;
    return { points: [], unmeasured: { jump: title } };
  }
  const sources = pairs.map(({ recipe, seed }): MotionSource => ({
    kind: "jump",
    // In one pass the network sees its anchor by any recipe.
    model: {
      mode: "direct",
      recipe: recipe === "frame" ? "visible" : recipe,
      seed,
    },
  }));
  const point = { name: "jump", title: "Jump model, chained", sources };
  return { points: [point], unmeasured: {} };
}

/** Futures of a part of the dataset. */
interface MotionCase {
  readonly title: string;
  readonly source: MotionSource;
  readonly part: MotionSet["part"];
}

/** Stages of an experiment that measures motion. */
export const motionStages = {
  /** Predicts futures. */
  async sampleMotion(
    lab: Lab,
    { source, part }: MotionCase,
  ): Promise<Record<string, never>> {
    await sampleMotion(lab, source, part);
    return {};
  },
  /** Measures how they move. */
  motion: (
    lab: Lab,
    { source, part }: MotionCase,
  ): Promise<readonly WindowMotion[]> => motion(lab, source, part),
} as const;

/** What was found of every point. */
export interface MeasuredMotion {
  /** Sets of windows. */
  readonly sets: readonly MotionSet[];
  /** Rows of points in the order they were given, by set. */
  readonly rows: Readonly<Record<string, readonly MotionRow[]>>;
  /** Every window. */
  readonly parts: readonly MotionPart[];
}

function rowsOf(
  points: readonly MotionPoint[],
  { part, windows: some }: MotionSet,
  parts: readonly MotionPart[],
): MotionRow[] {
  const { windows, real, points: found } = parts
    .find((one) => one.part === part)!;
  return points.map(({ name, title }) => {
    const own: Record<string, number[]> = {};
    const truth: Record<string, number[]> = {};
    const scenes: string[] = [];
    for (const motions of found[name]!) {
      for (const i of some) {
        scenes.push(windows[i]!.scene);
        for (
          const [to, of] of [[own, motions[i]!], [truth, real[i]!]] as const
        ) {
          for (
            const [key, value] of Object.entries(motionNumbers(of, real[i]!))
          ) {
            (to[key] ??= []).push(value);
          }
        }
      }
    }
    type Numbers = Record<MotionMeasure, number[]>;
    return {
      ...{ name, title, scenes },
      own: own as Numbers,
      real: truth as Numbers,
    };
  });
}

/**
 * Trains, samples and measures points on all lanes at once, of the test windows
 * and of the consecutive ones.
 *
 * @param run of the experiment, whose stages hold {@linkcode motionStages}
 * @param points what is measured; {@linkcode KNOWN_POINTS} are put behind them
 */
export async function runMotion(
  { lab, each, train }: Pick<
    LabRun<LabParams, typeof motionStages>,
    "lab" | "each" | "train"
  >,
  points: readonly MotionPoint[],
): Promise<MeasuredMotion> {
  const all = [...points, ...KNOWN_POINTS];
  const names = ["test", "consecutive"] as const;
  const sources = all.flatMap(({ sources }) => sources);
  await train(modelsOf(sources));
  const parts = [await lab.part("test"), await lab.part("consecutive")];
  const cases = names.flatMap((part) =>
    all.flatMap(({ name, title, sources }) =>
      sources.map((source) => ({ name, given: { title, source, part } }))
    )
  );
  const given: MotionCase[] = cases.map(({ given }) => given);
  const label = ({ title }: MotionCase) => title;
  const isCalibrated = ({ source }: MotionCase) =>
    source.kind === "model" && source.calibrated === true;
  // Calibrated samples are raw ones that others have drawn by then.
  const sampled = given.filter(({ source: { kind } }) =>
    kind === "model" || kind === "jump"
  )
    .toSorted((a, b) => Number(isCalibrated(a)) - Number(isCalibrated(b)));
  await each("sampleMotion", sampled, { title: "sample", label });
  const found = await each("motion", given, {
    title: "measure motion",
    label,
  });
  const measured = names.map((part, p): MotionPart => {
    const { windows } = parts[p]!;
    const own: Record<string, (readonly WindowMotion[])[]> = {};
    for (const [i, { name, given }] of cases.entries()) {
      if (given.part === part) (own[name] ??= []).push(found[i]!);
    }
    return { part, windows, real: own.real![0]!, points: own };
  });
  const sets = motionSets(
    parts[0]!.windows,
    parts[1]!.windows,
    measured[0]!.real,
  );
  const rows = Object.fromEntries(
    sets.map((set) => [set.name, rowsOf(all, set, measured)]),
  );
  return { sets, rows, parts: measured };
}

/**
 * Lists the pairs of each recipe that parameters ask for, one for each seed.
 *
 * @param params of the run
 */
export function recipesOf(params: LabParams): Map<
  PairSpec["recipe"],
  PairSpec[]
> {
  return Map.groupBy(pairsOf(params), ({ recipe }) => recipe);
}

/**
 * What motion computes, for a plan: guided samples have two passes.
 *
 * @param params of the run
 * @param windows of each part
 */
export function motionWork(
  params: LabParams,
  { test }: { readonly test: number },
): Work {
  return {
    trained: "direct and diffusion",
    trainings: 2,
    sampled: 3 * (test + CONSECUTIVE.all) + params.calibrationWindows,
    times: pairsOf(params).length,
  };
}
