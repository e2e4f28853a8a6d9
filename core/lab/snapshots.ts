/**
 * Averages of weights that a training leaves on its way.
 *
 * @module
 */

import { writeSafetensors } from "../formats/safetensors.ts";
import type { WorldTraining } from "../training/world_model.ts";

/**
 * Parts of a training after which its averages are kept beside those of the end:
 * that costs a file each, and no training. The learning rate falls to its end
 * later, so that a part is no shorter training.
 */
export const SNAPSHOTS = {
  eighth: 1 / 8,
  quarter: 1 / 4,
  half: 1 / 2,
} as const;

/** Averages on the way. */
export type Snapshot = keyof typeof SNAPSHOTS;

/** All of them, in the order of time. */
export const SNAPSHOT_KINDS = Object.keys(SNAPSHOTS) as Snapshot[];

/**
 * The step of a training after which averages are kept.
 *
 * @param steps of the training
 * @param snapshot which averages
 */
export function snapshotStep(steps: number, snapshot: Snapshot): number {
  return Math.max(1, Math.round(steps * SNAPSHOTS[snapshot]));
}

/**
 * Writes the averages on the way.
 *
 * @param steps of the training
 * @param pathOf file of each
 */
export function snapshotsOf(
  steps: number,
  pathOf: (snapshot: Snapshot) => string,
): NonNullable<WorldTraining["snapshots"]> {
  const stepOf = (kind: Snapshot) => snapshotStep(steps, kind);
  return {
    steps: [...new Set(SNAPSHOT_KINDS.map(stepOf))],
    keep: async (step, average) => {
      const due = SNAPSHOT_KINDS.filter((kind) => stepOf(kind) === step);
      for (const kind of due) await writeSafetensors(pathOf(kind), average);
    },
  };
}
