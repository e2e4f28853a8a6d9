import { loadCheckpoint, saveCheckpoint } from "../nn/checkpoint.ts";
import { clipGradNorm, type Ema, type Optimizer } from "../nn/optimizer.ts";
import type { Module } from "../nn/module.ts";
import type { ParameterStore } from "../nn/parameters.ts";
import { concat } from "../ops/concat.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { backward, noGrad } from "../tensor/autograd.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** How a training goes on, told every few steps. */
export interface TrainingProgress {
  /** Steps done. */
  readonly step: number;
  /** Steps in all. */
  readonly steps: number;
  /** Mean loss of the steps since the last report; absent before the first. */
  readonly loss?: number;
}

/** Where a training keeps itself and whom it tells. */
export interface TrainingHooks {
  /** Checkpoint file; it is continued from if it is there. */
  readonly checkpoint: string;
  /** Digest of all that changes the result; another one is refused. */
  readonly digest: string;
  /** Told at the start, and after every few steps, when the device is idle. */
  readonly progress: (progress: TrainingProgress) => void;
  /** Asked after every step; true to write a checkpoint and stop. */
  readonly shouldStop?: () => boolean;
  /** Steps between two looks at the loss. Default 25. */
  readonly stepsAtOnce?: number;
  /** Seconds between two checkpoints. Default 30. */
  readonly checkpointSeconds?: number;
}

/** Steps that are recorded between two looks at the loss. */
const STEPS_AT_ONCE = 25;

/** A loss curve: mean loss of every few steps. */
export interface LossCurve {
  /** Steps done at each point. */
  readonly step: number[];
  /** Mean loss up to there since the point before. */
  readonly loss: number[];
}

/** What is trained, and how. */
export interface TrainingJob {
  /** The weights. */
  readonly store: ParameterStore;
  /** What changes them. */
  readonly optimizer: Optimizer & { lr: number };
  /** Averages of them, beside them. */
  readonly ema?: Ema;
  /** Module with other values that change in training: running moments. */
  readonly module?: Module;
  /** Steps in all. */
  readonly steps: number;
  /** Learning rate of a step. */
  readonly rate: (step: number) => number;
  /** Decay of the averages after a step. */
  readonly decay: (step: number) => number;
  /** Largest norm of the gradient; 0 for no clip. */
  readonly clip: number;
  /** Group of weights whose norm is clipped. Default all. */
  readonly clipGroup?: string;
  /** Records the loss of a step, inside its scope. */
  readonly loss: (step: number) => Tensor;
  /**
   * Steps, rising, after which the weights are kept; the curve has a point
   * there. After a resumption it may be called again for a step, with the same
   * weights.
   */
  readonly snapshots?: {
    readonly steps: readonly number[];
    readonly keep: (step: number) => Promise<void>;
  };
}

/**
 * Runs the steps of a training, with checkpoints. All randomness is keyed by
 * the step, so that a training that was stopped and continued gives the same
 * bits as one that was not.
 *
 * @param gpu device
 * @param job what is trained, and how
 * @param hooks checkpoint and progress
 * @returns the loss curve, or undefined if it was asked to stop
 * @throws {Error} if the loss is no longer finite, or the checkpoint belongs
 *   to other settings
 */
export async function runTraining(
  gpu: Gpu,
  job: TrainingJob,
  hooks: TrainingHooks,
): Promise<LossCurve | undefined> {
  const { store, optimizer, ema, steps } = job;
  const parts = {
    store,
    optimizer,
    ...(ema ? { ema } : {}),
    ...(job.module ? { module: job.module } : {}),
  };
  const curve: LossCurve = { step: [], loss: [] };
  /** Losses of the steps since the last point of the curve. */
  let losses: number[] = [];
  let step = await resume(hooks, parts, curve, losses);
  let saved = performance.now();
  const save = () =>
    saveCheckpoint(hooks.checkpoint, parts, {
      digest: hooks.digest,
      curve: JSON.stringify(curve),
      losses: JSON.stringify(losses),
    });
  const atOnce = hooks.stepsAtOnce ?? STEPS_AT_ONCE;

  hooks.progress({ step, steps });
  while (step < steps) {
    using _ = gpu.scope();
    const recorded: Tensor[] = [];
    const marks = job.snapshots?.steps ?? [];
    const mark = marks.find((mark) => mark > step) ?? steps;
    const end = Math.min(steps, mark, step - step % atOnce + atOnce);
    let stops = false;
    while (step < end && !stops) {
      using scope = gpu.scope();
      const loss = job.loss(step);
      recorded.push(scope.keep(loss).reshape([1]));
      backward(loss);
      if (job.clip > 0) clipGradNorm(store, job.clip, job.clipGroup);
      optimizer.lr = job.rate(step);
      optimizer.step();
      ema?.update(job.decay(step));
      step++;
      stops = hooks.shouldStop?.() ?? false;
    }
    losses.push(...await noGrad(() => concat(recorded, 0)).read());
    let loss = 0;
    for (const value of losses) loss += value / losses.length;
    if (!Number.isFinite(loss)) {
      throw new Error(
        `Cannot go on training at step ${step}: the loss is ${loss}; lower the learning rate`,
      );
    }
    if (step === end) {
      curve.step.push(step);
      curve.loss.push(loss);
      losses = [];
      hooks.progress({ step, steps, loss });
      // Before the checkpoint, from which this step is not done again.
      if (marks.includes(step)) await job.snapshots?.keep(step);
    }
    const isDue =
      performance.now() - saved > 1000 * (hooks.checkpointSeconds ?? 30);
    // What follows the last step may take long, too.
    if (stops || isDue || step === steps) {
      await save();
      saved = performance.now();
    }
    if (stops && step < steps) return undefined;
  }
  return curve;
}

/**
 * Continues from a checkpoint if there is one: fills the curve and the losses
 * since its last point, and gives the steps done.
 */
async function resume(
  hooks: TrainingHooks,
  parts: Parameters<typeof loadCheckpoint>[1],
  curve: LossCurve,
  losses: number[],
): Promise<number> {
  try {
    await Deno.stat(hooks.checkpoint);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
  const metadata = await loadCheckpoint(hooks.checkpoint, parts);
  if (metadata.digest !== hooks.digest) {
    throw new Error(
      `Cannot continue from ${hooks.checkpoint}: it was written by other settings; remove it to start over`,
    );
  }
  const kept = JSON.parse(metadata.curve ?? "{}") as Partial<LossCurve>;
  curve.step.push(...kept.step ?? []);
  curve.loss.push(...kept.loss ?? []);
  losses.push(...JSON.parse(metadata.losses ?? "[]") as number[]);
  return Number(metadata.step ?? 0);
}
