import type { z } from "zod";
import {
  defineExperiment,
  type Each,
  type Experiment,
  type Result,
} from "../experiment/experiment.ts";
import type { ParamsSchema } from "../experiment/flags.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { compileKernels } from "./kernels.ts";
import { drawShare, Lab } from "./lab.ts";
import { encodeShare } from "./latents.ts";
import { GIVEN_FILES } from "./given.ts";
import { type ModelSpec, training, type TrainingFacts } from "./models.ts";
import { encodingNote, labNotes } from "./notes.ts";
import type { LabParams } from "./params.ts";
import { planLab, type Work } from "./plan.ts";
import { tune } from "./tuned.ts";

/** Stages that every experiment with a lab has. */
const SHARED = {
  draw: drawShare,
  compile: compileKernels,
  encode: encodeShare,
  tune,
  /** Trains a model. */
  train: async (lab: Lab, spec: ModelSpec): Promise<TrainingFacts> =>
    (await training(lab, spec)).facts,
} as const;

/** The stages of an experiment: plain JSON in, plain JSON out. */
export type LabStages = Readonly<
  // deno-lint-ignore no-explicit-any -- a lab of parameters of its own
  Record<string, (lab: Lab<any>, input: never) => Promise<unknown>>
>;

/** What an experiment runs with. */
export interface LabRun<P extends LabParams, S extends LabStages> {
  /** Validated parameters. */
  readonly params: P;
  /** That of the first thread; dataset, networks and latents are ready. */
  readonly lab: Lab<P>;
  /** Does a stage for every case, on all lanes at once, and keeps the results. */
  readonly each: Each<Lab<P>, S>;
  /** Trains models on all lanes at once, unless any experiment did. */
  readonly train: (
    specs: readonly ModelSpec[],
    label?: (spec: ModelSpec) => string,
  ) => Promise<TrainingFacts[]>;
}

/** An experiment about world models. */
export interface LabExperiment<
  Schema extends ParamsSchema,
  S extends LabStages,
> extends
  Pick<
    Experiment<Schema, Lab, S>,
    "name" | "source" | "title" | "params" | "presets" | "stages"
  > {
  /** What it will compute on so many windows, for the plan. */
  readonly work: (
    params: z.infer<Schema> & LabParams,
    windows: { readonly train: number; readonly test: number },
  ) => Work;
  /** Further flags that take files, and what looks at these before any work. */
  readonly given?: {
    /** Descriptions by flag. */
    readonly flags: Readonly<Record<string, string>>;
    /** Gives a line for each file. */
    readonly check: (
      gpu: Gpu,
      params: z.infer<Schema> & LabParams,
      files: Readonly<Record<string, string>>,
    ) => Promise<string[]>;
  };
  /** Runs it: wires stages, and says what was found. */
  readonly run: (
    context: LabRun<z.infer<Schema> & LabParams, S>,
  ) => Promise<Result>;
}

/** Flags that take files of weights. */
const FILES = {
  ...GIVEN_FILES,
  vae:
    "weights of Stable Diffusion's VAE (safetensors, .pth, .ckpt; names of diffusers or latent diffusion)",
  inception:
    "weights of the FID Inception-v3 (.pth, safetensors), or of train:features",
  lpips:
    "weights of LPIPS: all of it, or the convolutions of AlexNet or VGG16 (torchvision)",
  "lpips-heads":
    "linear heads of LPIPS, where --lpips has the convolutions alone",
};

function nameOf({ mode, recipe, seed }: ModelSpec): string {
  return `${mode} ${recipe} ${seed}`;
}

/**
 * Makes an experiment of one about world models: it gets a lab, with the
 * dataset drawn, networks tuned and frames encoded, and its report says so.
 *
 * @param experiment its parameters extend those of the lab
 */
export function labExperiment<
  Schema extends ParamsSchema,
  S extends LabStages,
>(
  experiment: LabExperiment<Schema, S>,
): Experiment<Schema, Lab, S & typeof SHARED> {
  type P = z.infer<Schema> & LabParams;
  const { name, source, title, params, presets, stages, given } = experiment;
  return defineExperiment<Schema, Lab, S & typeof SHARED>({
    name,
    source,
    title,
    params,
    presets,
    files: { ...given?.flags, ...FILES },
    plan: (params, flags, gpu) => {
      const own = params as P;
      return planLab(
        own,
        flags,
        gpu,
        (all) => experiment.work(own, all),
        () => given?.check(gpu, own, flags.files) ?? Promise.resolve([]),
      );
    },
    open: (context) => new Lab({ ...context, params: context.params as P }),
    stages: { ...stages, ...SHARED },
    run: async ({ params, bench, each }) => {
      const lab = bench as Lab<P>;
      for (const part of ["train", "test"] as const) {
        const { encoding, seconds } = await lab.part(part);
        lab.context.run.stageTimes.push({
          stage: `encode ${part} frames`,
          seconds,
          note: encodingNote(encoding),
        });
      }
      const found = await experiment.run({
        params: params as P,
        lab,
        each: each as Each<Lab<P>, S>,
        train: (specs, label = nameOf) =>
          (each as Each<Lab, typeof SHARED>)("train", specs, { label }),
      });
      const { dataset, notes } = await labNotes(lab);
      return {
        ...found,
        dataset: { ...dataset, ...found.dataset },
        notes: [...found.notes ?? [], ...notes],
      };
    },
  });
}
