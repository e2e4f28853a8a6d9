import { z } from "zod";
import { labParams } from "./params.ts";

/** Parameters of the jump model, to extend those of a lab with. */
export const jumpShape = {
  jumpLinks: z.int().min(2).describe(
    "jumps of a chain over the horizon, a divisor of it",
  ),
  jumpDim: z.int().min(16).multipleOf(2, "it needs an even number").describe(
    "width of the jump model",
  ),
  jumpBlocks: z.int().min(1).describe("blocks of the jump model"),
  jumpHeads: z.int().min(1).describe("attention heads of the jump model"),
  jumpWindows: z.int().min(1).describe(
    "training windows that are cut into jumps, at most",
  ),
  jumpSamples: z.int().min(1).describe("jumps seen in training"),
  jumpBatch: z.int().min(1).describe("jumps of a training step"),
  jumpLr: z.number().positive().describe(
    "peak learning rate of the jump model",
  ),
  jumpWeightDecay: z.number().min(0).describe("weight decay of AdamW"),
  jumpMotionPower: z.number().min(0).describe(
    "jumps are drawn in proportion to this power of their motion; 0 for equal chances",
  ),
  jumpAnchorNoise: z.number().min(0).describe(
    "deviation of the noise on anchors in training, normalized",
  ),
  jumpResidual: z.number().min(0).describe(
    "weight of the loss of the residual beside that of the frame",
  ),
  jumpOwnAnchors: z.number().min(0).max(1).describe(
    "scheduled sampling: chance, at the end, that a training anchor was led to by the model itself; 0 for teacher forcing",
  ),
  jumpMoments: z.int().min(2).describe(
    "training anchors that the jump model's normalization is measured on",
  ),
  jumpDdimSteps: z.int().min(1).refine(
    (steps) => 1000 % steps === 0,
    "it needs a divisor of 1000",
  ).describe("sampling steps of a jump by diffusion, a divisor of 1000"),
};

/** Parameters of a lab with a jump model. */
export const jumpLabParams = labParams.safeExtend(jumpShape).superRefine(
  checkJump,
);

/** Validated parameters of a lab with a jump model. */
export type JumpLabParams = z.infer<typeof jumpLabParams>;

/** Validated parameters of the jump model alone. */
export type JumpParams = Pick<JumpLabParams, keyof typeof jumpShape>;

/** Widest attention head of the kernels. */
const MAX_HEAD = 64;

/**
 * Refuses parameters that do not fit each other.
 *
 * @param params of a lab with a jump model
 * @param context of the schema
 */
export function checkJump(
  { horizon, jumpLinks, jumpDim, jumpHeads }: JumpParams & {
    readonly horizon: number;
  },
  context: z.RefinementCtx,
): void {
  const refuse = (field: string, message: string) =>
    context.addIssue({ code: "custom", path: [field], message });
  if (horizon % jumpLinks !== 0) {
    refuse("jumpLinks", `it needs a divisor of --horizon ${horizon}`);
  }
  if (jumpDim % jumpHeads !== 0 || jumpDim / jumpHeads > MAX_HEAD) {
    refuse(
      "jumpHeads",
      `it needs a divisor of --jump-dim ${jumpDim} with heads of at most ${MAX_HEAD}`,
    );
  }
}

/** Parameters of the jump model by preset. */
export const jumpPresets: Readonly<
  Record<"smoke" | "demo" | "paper", JumpParams>
> = {
  smoke: {
    jumpLinks: 4,
    jumpDim: 32,
    jumpBlocks: 1,
    jumpHeads: 4,
    jumpWindows: 100,
    jumpSamples: 64,
    jumpBatch: 16,
    jumpLr: 2e-3,
    jumpWeightDecay: 1e-4,
    jumpMotionPower: 0.5,
    jumpAnchorNoise: 0,
    jumpResidual: 1,
    jumpOwnAnchors: 0,
    jumpMoments: 100,
    jumpDdimSteps: 5,
  },
  demo: {
    jumpLinks: 4,
    jumpDim: 48,
    jumpBlocks: 2,
    jumpHeads: 4,
    jumpWindows: 8000,
    jumpSamples: 64_000,
    jumpBatch: 64,
    jumpLr: 2e-3,
    jumpWeightDecay: 1e-4,
    jumpMotionPower: 0.5,
    jumpAnchorNoise: 0,
    jumpResidual: 1,
    jumpOwnAnchors: 0,
    jumpMoments: 2000,
    jumpDdimSteps: 25,
  },
  paper: {
    jumpLinks: 4, // Section 5.4
    jumpDim: 192, // published code; 1,728,448 values
    jumpBlocks: 2,
    jumpHeads: 4,
    jumpWindows: 8000, // published code
    jumpSamples: 1_280_000, // published code: 40 epochs of 125 steps
    jumpBatch: 256, // published code
    jumpLr: 2e-4, // published code
    jumpWeightDecay: 1e-4, // published code
    jumpMotionPower: 0.5, // published code
    jumpAnchorNoise: 0, // published code
    jumpResidual: 1, // published code
    jumpOwnAnchors: 0, // Section 4.5: teacher forcing
    jumpMoments: 2000, // published code
    jumpDdimSteps: 25, // published code
  },
};

/**
 * Frames of a jump.
 *
 * @param params of the run
 */
export function jumpStride(
  { horizon, jumpLinks }: Pick<JumpLabParams, "horizon" | "jumpLinks">,
): number {
  return horizon / jumpLinks;
}

/**
 * Steps of the horizon that the jumps of a chain lead to, from 0.
 *
 * @param params of the run
 */
export function jumpSteps(
  params: Pick<JumpLabParams, "horizon" | "jumpLinks">,
): number[] {
  return Array.from(
    { length: params.jumpLinks },
    (_, link) => (link + 1) * jumpStride(params) - 1,
  );
}
