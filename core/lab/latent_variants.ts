import { z } from "zod";
import type { LatentFutureSpec } from "../models/latent_future.ts";
import { embeddingParams } from "./encoder_bench.ts";
import { type EncoderRole, ROLE_NAMES } from "./encoder_entries.ts";

const count = z.int().min(1);

/** Parameters of experiments that predict embeddings. */
export const latentParams = embeddingParams.safeExtend({
  encoders: z.array(z.enum(ROLE_NAMES as [EncoderRole, ...EncoderRole[]]))
    .min(1).describe("encoders whose embeddings are predicted, by their roles"),
  horizons: z.array(count).min(1).describe(
    "steps predicted, at 2 Hz; the first is that of the chain",
  ),
  width: z.int().min(4).describe(
    "width of a latent; embeddings of another one are projected",
  ),
  blocks: count.describe("transformer blocks"),
  heads: count.describe("attention heads"),
  hidden: count.describe("width of the hidden layers of MLPs"),
  flatHidden: count.describe(
    "the same, of the MLP that sees all actions, or has as many parameters",
  ),
  epochs: count.describe("passes of a diffusion's training"),
  batch: count.describe("windows of a step of it"),
  lr: z.number().positive().describe("its learning rate"),
  directEpochs: count.describe("passes of a regression's training"),
  directBatch: count.describe("windows of a step of it"),
  directLr: z.number().positive().describe("its learning rate"),
  decay: z.number().min(0).max(0.9999).describe(
    "share of the averaged weights that a step keeps",
  ),
  ddimSteps: count.describe("steps of the sampler"),
});

/** Validated parameters. */
export type LatentParams = z.infer<typeof latentParams>;

/** A model of an experiment: what is built, and with which budget. */
export interface Variant {
  /** As reports call it. */
  readonly title: string;
  /** What is built. */
  readonly spec: LatentFutureSpec;
  /** Whose passes, batch and learning rate; MLPs are not clipped. */
  readonly budget: "diffusion" | "regression" | "mlp";
  /** Weights that the published evaluation takes. Default the last. */
  readonly weights?: "average";
  /** Which of the widths of hidden layers. Default the first. */
  readonly isWide?: boolean;
}

const dit = (
  title: string,
  spec: Partial<LatentFutureSpec>,
  rest: Partial<Variant> = {},
): Variant => ({
  title,
  spec: { network: "dit", objective: "x0", actions: "single", ...spec },
  budget: "diffusion",
  ...rest,
});

const mlp = (
  title: string,
  spec: Partial<LatentFutureSpec>,
  rest: Partial<Variant> = {},
): Variant => ({
  title,
  spec: { network: "mlp", objective: "direct", actions: "single", ...spec },
  budget: "mlp",
  ...rest,
});

/** The models of the diagnosis. */
export const VARIANTS = {
  epsilon: dit("DiT, noise", { objective: "epsilon" }),
  v: dit("DiT, v", { objective: "v" }),
  residual: dit("DiT, noise of the change", {
    objective: "epsilon",
    residual: true,
  }),
  x0: dit("DiT, x0", {}),
  direct: dit("DiT, direct", { network: "dit-direct", objective: "direct" }, {
    budget: "regression",
  }),
  mlp: mlp("MLP", {}),
  mlpResidual: mlp("MLP, residual", { residual: true }),
  epsilonNone: dit("DiT, noise, no action", {
    objective: "epsilon",
    actions: "none",
  }),
  mlpNone: mlp("MLP, no action", { actions: "none" }),
  epsilonPlaced: dit("DiT, noise, with positions", {
    objective: "epsilon",
    positions: true,
  }),
  vPlaced: dit("DiT, v, with positions", { objective: "v", positions: true }),
  x0Placed: dit("DiT, x0, with positions", { positions: true }),
  mlpBudget: mlp("MLP, residual, budget of the DiT", { residual: true }, {
    budget: "diffusion",
  }),
  sequence: dit("DiT, x0, all actions", {
    actions: "sequence",
    positions: true,
  }, { weights: "average" }),
  mlpSequence: mlp("MLP, residual, all actions", {
    actions: "sequence",
    residual: true,
  }, { isWide: true }),
} as const satisfies Readonly<Record<string, Variant>>;

/** Names of the models of the diagnosis. */
export type VariantName = keyof typeof VARIANTS;

/** Those of the chain, at the first horizon. */
export const CHAIN: readonly VariantName[] = [
  ...["epsilon", "v", "residual", "x0", "direct"] as const,
  ...["mlp", "mlpResidual"] as const,
];

/** Controls at the first horizon. */
export const CONTROLS_OF_CHAIN: readonly VariantName[] = [
  ...["epsilonNone", "mlpNone", "epsilonPlaced", "vPlaced"] as const,
  ...["x0Placed", "mlpBudget"] as const,
];

/** Those of the longer horizons. */
export const LONG: readonly VariantName[] = [
  ...["x0", "x0Placed", "sequence", "mlpResidual", "mlpSequence"] as const,
];
