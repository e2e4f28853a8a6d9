/**
 * The diagnosis of Section 5.2: which models are trained and scored, and where
 * their scores are found.
 *
 * @module
 */

import { z } from "zod";
import type { Each } from "../experiment/experiment.ts";
import {
  meanScore,
  type StepScore,
  type StepScores,
} from "../metrics/step_scores.ts";
import type { EncoderRole } from "./encoder_entries.ts";
import { standInNotes } from "./encoder_run.ts";
import {
  encoderNames,
  encoderTitles,
  type LatentBench,
} from "./latent_bench.ts";
import {
  caseLabel,
  type latentStages,
  type Measured,
  type View,
} from "./latent_run.ts";
import {
  CHAIN,
  CONTROLS_OF_CHAIN,
  latentParams,
  LONG,
  type Variant,
  type VariantName,
  VARIANTS,
} from "./latent_variants.ts";

/** Parameters of the diagnosis. */
export const diagnosisParams = latentParams.safeExtend({
  stepCounts: z.array(z.int().min(1).max(1000)).describe(
    "steps of the sampler that are tried on the model of noise",
  ),
  starts: z.array(z.int().min(0).max(999)).describe(
    "diffusion steps to which the present is noised to start there, by 5 steps",
  ),
  guidances: z.array(z.number()).describe(
    "distances from the model without actions",
  ),
  draws: z.int().min(2).describe("draws for each window, for diversity"),
});

/** Validated parameters. */
export type DiagnosisParams = z.infer<typeof diagnosisParams>;

/** Steps of a sampler that starts from the present. */
const WARM_STEPS = 5;

/** What is asked for: a model, and the key of its scores. */
export interface Asked {
  /** Role of the encoder. */
  readonly encoder: EncoderRole;
  /** Model, or the present as a prediction. */
  readonly variant: VariantName | "copy";
  /** Steps predicted; default the first horizon. */
  readonly horizon?: number;
  /** Key of a view; default the weights of the published evaluation. */
  readonly view?: string;
}

type Copied = Awaited<ReturnType<typeof latentStages.copy>>;

/** Scores of all models. */
export class Diagnosis {
  /** Parameters of the run. */
  readonly params: DiagnosisParams;
  /** What a reader must know. */
  readonly notes: readonly string[];
  /** Titles of encoders by role. */
  readonly titles: Readonly<Record<string, string>>;
  readonly #measured: ReadonlyMap<string, Measured[]>;
  readonly #copied: ReadonlyMap<string, Copied[]>;

  /**
   * Holds what was measured.
   *
   * @param params of the run
   * @param measured by encoder, model and horizon, one for each seed
   * @param copied by encoder and horizon
   * @param titles of encoders by role
   * @param notes for readers
   */
  constructor(
    params: DiagnosisParams,
    measured: ReadonlyMap<string, Measured[]>,
    copied: ReadonlyMap<string, Copied[]>,
    titles: Readonly<Record<string, string>>,
    notes: readonly string[],
  ) {
    this.params = params;
    this.notes = notes;
    this.#measured = measured;
    this.#copied = copied;
    this.titles = titles;
  }

  #of({ encoder, variant, horizon = this.params.horizons[0]! }: Asked) {
    const found = this.#measured.get(`${encoder} ${variant} ${horizon}`);
    if (found !== undefined) return found;
    throw new RangeError(
      `Cannot score ${variant} of ${encoder} at horizon ${horizon}: it was not trained`,
    );
  }

  /** Scores of a model, one for each seed. */
  scores(asked: Asked): StepScores[] {
    const { encoder, variant, horizon = this.params.horizons[0]! } = asked;
    if (variant === "copy") {
      return this.#copied.get(`${encoder} ${horizon}`)!
        .map(({ scores }) => scores);
    }
    const own: Variant = VARIANTS[variant];
    const view = asked.view ?? own.weights ?? "last";
    return this.#of(asked).map(({ scores }) => scores[view]!);
  }

  /** Mean of a model's scores over windows and seeds. */
  mean(asked: Asked, steps?: readonly number[]): StepScore {
    return meanScore(this.scores(asked), steps ? { steps } : {});
  }

  /** Mean difference of two models, paired. */
  less(a: Asked, b: Asked, steps?: readonly number[]): StepScore {
    return meanScore(this.scores(a), {
      less: this.scores(b),
      ...(steps ? { steps } : {}),
    });
  }

  /**
   * Mean difference of two models over the encoders of the run. The ends of
   * its interval are means, too: it is wider than that of the mean.
   */
  across(
    a: Omit<Asked, "encoder">,
    b: Omit<Asked, "encoder">,
    steps?: readonly number[],
  ): StepScore & { readonly of: string } {
    const all = this.params.encoders.map((encoder) =>
      this.less({ ...a, encoder }, { ...b, encoder }, steps)
    );
    const mean = (part: "value" | "low" | "high") =>
      all.reduce((sum, one) => sum + one[part] / all.length, 0);
    return {
      value: mean("value"),
      low: mean("low"),
      high: mean("high"),
      n: all[0]!.n,
      of: "scenes",
    };
  }

  /** Means in the quarters of the windows by copying, the hardest first. */
  quarters(asked: Asked, step: number): number[] {
    const { encoder, variant, horizon = this.params.horizons[0]! } = asked;
    const copied = this.#copied.get(`${encoder} ${horizon}`)!;
    return [0, 1, 2, 3].map((quarter) => {
      const members = copied.map(({ cut }) => cut[quarter]!.members);
      const own = variant === "copy"
        ? copied.map(({ cut }) => cut[quarter]!.scores)
        : this.#of(asked).map(({ cut }) =>
          cut[asked.view ?? (VARIANTS[variant] as Variant).weights ?? "last"]![
            quarter
          ]!
        );
      const steps = [step];
      const options = { steps, resamples: 1 };
      return meanScore(own, options).value /
        meanScore(members, options).value;
    });
  }

  /** Trained values, and seconds of a training. */
  facts(asked: Asked): Pick<Measured, "parameters" | "seconds" | "loss"> {
    return this.#of(asked)[0]!;
  }
}

/** Ways to score a model. */
function viewsOf(
  params: DiagnosisParams,
  name: VariantName,
  horizon: number,
): View[] {
  const isFirst = horizon === params.horizons[0];
  const both: View[] = [
    { name: "last", weights: "last", isCut: isFirst },
    { name: "average", weights: "average", isCut: isFirst },
  ];
  if (!isFirst) return both;
  const weights = "last";
  if (name === "epsilon") {
    both.push(
      ...params.stepCounts.map((steps) => ({
        ...{ name: `steps-${steps}`, weights, steps } as const,
      })),
      ...params.starts.map((start) => ({
        ...{
          name: `start-${start}`,
          weights,
          start,
          steps: WARM_STEPS,
        } as const,
      })),
      ...params.guidances.map((guidance) => ({
        ...{ name: `guidance-${guidance}`, weights, guidance } as const,
      })),
    );
  }
  if (name === "x0") {
    both.push({ name: "draws", weights, draws: params.draws });
  }
  return both;
}

/**
 * Trains and scores all models of the diagnosis.
 *
 * @param bench of the first thread
 * @param each does a stage on all lanes
 * @throws {Interrupted} if it was asked to stop
 */
export async function measureDiagnosis(
  bench: LatentBench<DiagnosisParams>,
  each: Each<LatentBench<DiagnosisParams>, typeof latentStages>,
): Promise<Diagnosis> {
  const { params } = bench;
  const { encoders, horizons, seeds } = params;
  const [first] = horizons as [number];
  const names = await encoderNames(bench);
  const pooling = "pooled" as const;
  const isStored = await bench.stored !== undefined;
  if (!isStored) {
    await bench.data();
    await each(
      "embed",
      encoders.flatMap((role) =>
        (["train", "test"] as const).map((part) => ({
          ...{ name: names.get(role)!, part, pooling },
        }))
      ),
      { title: "embed keyframes" },
    );
  }
  const all = encoders.flatMap((encoder) =>
    horizons.flatMap((horizon) =>
      seeds.map((seed) => ({ encoder, horizon, seed, pooling }))
    )
  );
  const copied = await each("copy", all.map((of) => ({ of })), {
    title: "score copies of the present",
  });
  const cases = all.flatMap((of) =>
    (of.horizon === first ? [...CHAIN, ...CONTROLS_OF_CHAIN] : LONG)
      .map((name) => ({ of, name }))
  );
  const atFirst = LONG.filter((name) => !CHAIN.includes(name));
  cases.push(
    ...all.filter(({ horizon }) => horizon === first).flatMap((of) =>
      atFirst.filter((name) => !CONTROLS_OF_CHAIN.includes(name))
        .map((name) => ({ of, name }))
    ),
  );
  // The model without actions first: guidance waits for it otherwise.
  cases.sort((a, b) =>
    Number(b.name === "epsilonNone") - Number(a.name === "epsilonNone")
  );
  const measured = await each(
    "measure",
    cases.map(({ of, name }) => ({
      of,
      variant: VARIANTS[name],
      views: viewsOf(params, name, of.horizon),
      ...(name === "epsilon" ? { without: VARIANTS.epsilonNone } : {}),
    })),
    { title: "train and score the models", label: caseLabel },
  );
  const byModel = new Map<string, Measured[]>();
  measured.forEach((one, i) => {
    const { of, name } = cases[i]!;
    const at = `${of.encoder} ${name} ${of.horizon}`;
    byModel.set(at, [...byModel.get(at) ?? [], one]);
  });
  const byLatents = new Map<string, Copied[]>();
  copied.forEach((one, i) => {
    const at = `${all[i]!.encoder} ${all[i]!.horizon}`;
    byLatents.set(at, [...byLatents.get(at) ?? [], one]);
  });
  return new Diagnosis(params, byModel, byLatents, await encoderTitles(bench), [
    isStored
      ? `Embeddings were read from ${bench.context.flags.files.embeddings}.`
      : `${(await bench.data()).about}.`,
    ...standInNotes(encoders.map((role) => names.get(role)!)),
    "Numbers are means over windows and seeds; intervals are of 2000 resamples of whole scenes. Latents are compared before standardization.",
    "The paper's text has an MLP of 384-512-384; the published code, and this run, one of 2 D to H D. Its MLPs of horizons 8 and 16 have ReLU where that of horizon 4 has GELU; here only the one of all actions has.",
  ]);
}
