/**
 * Fine-tuning for motion against one without: models, points and scores.
 *
 * @module
 */

import { z } from "zod";
import { type Columns, columns, scoresOf } from "./columns.ts";
import type { LabRun } from "./experiment.ts";
import { type Figure, lossFigure } from "./figures.ts";
import type { Lab } from "./lab.ts";
import type { PointScores } from "./metrics.ts";
import { type ModelSpec, training } from "./models.ts";
import type { MotionPoint } from "./motion_run.ts";
import { motionFutures, type MotionSource } from "./motion_sources.ts";
import { modelOf, type PairSpec } from "./pair.ts";
import { labParams } from "./params.ts";
import { averagePoint } from "./tables.ts";

/** Parameters of a fine-tuning, beside those of the lab. */
export const finetuneParams = labParams.safeExtend({
  motionWeight: z.number().positive().describe(
    "weight of the loss of changes from frame to frame; the control has none",
  ),
  finetuneSamples: z.int().min(1).describe(
    "windows seen in fine-tuning, by both models alike",
  ),
  finetuneRate: z.number().positive().describe(
    "peak learning rate of fine-tuning",
  ),
}).refine(({ objective }) => objective === "x0", {
  path: ["objective"],
  message: "it needs x0: changes are those of clean tokens",
});

/** Validated parameters of a fine-tuning. */
export type FinetuneParams = z.infer<typeof finetuneParams>;

/** The diffusion models that are compared. */
export const STAGES = ["before", "control", "tuned"] as const;

/** Which diffusion model. */
export type FinetuneStage = typeof STAGES[number];

/**
 * The diffusion model of a pair before fine-tuning, after one without and one
 * with the loss of changes. Averaged weights are what fine-tuning begins with,
 * and its average, too; the average has no warm-up, since it begins with a
 * trained model.
 *
 * @param params of the run
 * @param of which pair
 * @param stage which of the three
 */
export function finetuned(
  { motionWeight, finetuneSamples, finetuneRate }: FinetuneParams,
  of: PairSpec,
  stage: FinetuneStage,
): ModelSpec {
  const from = modelOf(of, "diffusion");
  if (stage === "before") return from;
  return {
    ...from,
    from,
    changes: {
      samples: finetuneSamples,
      lrDiffusion: finetuneRate,
      emaWarmup: false,
    },
    ...(stage === "tuned" ? { motionWeight } : {}),
  };
}

/** Names of the points of a stage: as sampled, and calibrated. */
export const STAGE_POINTS = {
  before: ["raw", "calibrated"],
  control: ["control", "controlCalibrated"],
  tuned: ["tuned", "tunedCalibrated"],
} as const;

/** What the stages are called. */
const TITLES = {
  before: "Before",
  control: "Fine-tuned without motion loss (control)",
  tuned: "Fine-tuned with motion loss",
} as const;

/**
 * Lists the points: direct regression, and samples of each stage, raw and
 * calibrated.
 *
 * @param params of the run
 * @param pairs one for each seed
 */
export function finetunePoints(
  params: FinetuneParams,
  pairs: readonly PairSpec[],
): MotionPoint[] {
  const kind = "model";
  return [
    {
      name: "direct",
      title: "Direct regression",
      sources: pairs.map((of) => ({ kind, model: modelOf(of, "direct") })),
    },
    ...STAGES.flatMap((stage) =>
      [false, true].map((calibrated): MotionPoint => ({
        name: STAGE_POINTS[stage][calibrated ? 1 : 0],
        title: TITLES[stage] + (calibrated ? ", calibrated" : ""),
        sources: pairs.map((of) => ({
          kind,
          model: finetuned(params, of, stage),
          ...(calibrated ? { calibrated } : {}),
        })),
      }))
    ),
  ];
}

/** Sources by the name that columns have them under. */
type Scored = Readonly<Record<string, MotionSource>>;

/** Measures points at the last step, as the frontier does. */
async function scored(lab: Lab, sources: Scored): Promise<Columns> {
  const step = lab.params.horizon - 1;
  using opened = new DisposableStack();
  const points: Record<
    string,
    { about: string; latents: (list: readonly number[]) => Float32Array }
  > = {};
  const from: string[] = [];
  for (const [name, source] of Object.entries(sources)) {
    const futures = opened.use(await motionFutures(lab, source, "test"));
    from.push(...futures.from);
    points[name] = {
      about: name,
      latents: (list) => {
        const last = list.map((i) => {
          const whole = futures.of(i);
          return whole.subarray(step * whole.length / lab.params.horizon);
        });
        const size = last[0]?.length ?? 0;
        const all = new Float32Array(size * last.length);
        last.forEach((one, i) => all.set(one, i * size));
        return all;
      },
    };
  }
  return await columns(lab, { step, points, from });
}

/** A model whose samples are scored. */
export interface ScoredStage {
  /** Which pair. */
  readonly of: PairSpec;
  /** Which of its diffusion models; what is no diffusion if absent. */
  readonly stage?: FinetuneStage;
}

function sourcesOf(
  params: FinetuneParams,
  { of, stage }: ScoredStage,
): Scored {
  const kind = "model";
  if (stage === undefined) {
    const direct = { kind, model: modelOf(of, "direct") } as const;
    return { direct, copy: { kind: "copy" }, real: { kind: "real" } };
  }
  const model = finetuned(params, of, stage);
  return {
    raw: { kind, model },
    calibrated: { kind, model, calibrated: true },
  };
}

/**
 * Finds what was measured of a model's samples, or measures it.
 *
 * @param lab windows, networks and parameters
 * @param which model
 * @throws {Interrupted} if it was asked to stop
 */
export function stageColumns(
  lab: Lab<FinetuneParams>,
  which: ScoredStage,
): Promise<Columns> {
  return scored(lab, sourcesOf(lab.params, which));
}

/** Stage of an experiment that fine-tunes. */
export const finetuneStages = {
  /** Scores samples of a model, or what is no diffusion, by name in tables. */
  async score(
    lab: Lab<FinetuneParams>,
    which: ScoredStage,
  ): Promise<Readonly<Record<string, PointScores>>> {
    const { of: { seed }, stage } = which;
    const { points } = await scoresOf(
      lab,
      await stageColumns(lab, which),
      seed,
    );
    if (stage === undefined) return points;
    const [raw, calibrated] = STAGE_POINTS[stage];
    return { [raw]: points.raw!, [calibrated]: points.calibrated! };
  },
} as const;

/** Titles of the points of the frontier, in the order of rows. */
export const FRONTIER_POINTS: Readonly<Record<string, string>> = {
  direct: "Direct regression",
  ...Object.fromEntries(
    STAGES.flatMap((stage) =>
      STAGE_POINTS[stage].map((name, calibrated) => [
        name,
        TITLES[stage] + (calibrated ? ", calibrated" : ""),
      ])
    ),
  ),
  copy: "Copy of the present",
  real: "Real latents decoded (ceiling)",
};

/**
 * Scores all stages of pairs on all lanes at once.
 *
 * @param run of the experiment, whose stages hold {@linkcode finetuneStages}
 * @param pairs one for each seed
 * @returns scores by point, averaged over seeds
 */
export async function scoreStages(
  { each }: Pick<LabRun<FinetuneParams, typeof finetuneStages>, "each">,
  pairs: readonly PairSpec[],
): Promise<Record<string, PointScores>> {
  const cases = pairs.flatMap((of): ScoredStage[] => [
    ...STAGES.map((stage) => ({ of, stage })),
    { of },
  ]);
  const scores = await each("score", cases, {
    title: "decode and score",
    label: ({ stage }) => stage ?? "no diffusion",
  });
  const all = Map.groupBy(
    scores.flatMap((one) => Object.entries(one)),
    ([name]) => name,
  );
  return Object.fromEntries(
    [...all].map(([name, list]) => [
      name,
      averagePoint(list.map(([, point]) => point)),
    ]),
  );
}

/**
 * Draws the losses of both fine-tunings of a pair: that with the loss of changes
 * has it in its sum.
 *
 * @param lab of the experiment
 * @param of which pair
 */
export async function tuningLoss(
  lab: Lab<FinetuneParams>,
  of: PairSpec,
): Promise<Figure> {
  const facts = async (stage: FinetuneStage) =>
    (await training(lab, finetuned(lab.params, of, stage))).facts;
  return lossFigure(
    { control: await facts("control"), tuned: await facts("tuned") },
    "Loss of fine-tuning; the tuned model's has the loss of changes in it.",
  );
}
