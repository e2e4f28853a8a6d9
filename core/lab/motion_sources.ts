/**
 * What motion is measured on: futures of models, and what is known.
 *
 * @module
 */

import { FrameLoader } from "../data/frames.ts";
import { takeRows } from "../data/latents.ts";
import { calibrate } from "../diffusion/calibration.ts";
import { readFrames } from "./data.ts";
import { futures, type FuturesSpec } from "./futures.ts";
import type { JumpSpec } from "./jump.ts";
import { jumpChains } from "./jump_chains.ts";
import type { JumpLabParams } from "./jump_params.ts";
import type { Lab } from "./lab.ts";
import type { PartName } from "./latents.ts";
import type { ModelSpec, WeightsKind } from "./models.ts";
import { calibrationSpec, windowDraws } from "./pair.ts";
import { calibrations } from "./channel_calibration.ts";

/** Futures of a model whose motion is measured. */
export interface ModelMotion {
  /** Predicted. */
  readonly kind: "model";
  /** By which model. */
  readonly model: ModelSpec;
  /** Which of its weights. Default as `weightsOf`. */
  readonly weights?: WeightsKind;
  /** Scale of guidance. Default 1, for none. */
  readonly guidance?: number;
  /** Whether samples are calibrated, at each step, on training windows. */
  readonly calibrated?: boolean;
}

/** Chains of a jump model that leads to every step, whose motion is measured. */
export interface JumpMotion {
  /** Jump after jump, each from where the last one led to. */
  readonly kind: "jump";
  /** By which model. */
  readonly model: JumpSpec;
}

/**
 * What is looked at: futures of a model, chains of jumps, or what is known: a
 * copy of the present, real latents decoded, the camera's frames.
 */
export type MotionSource = ModelMotion | JumpMotion | {
  readonly kind: "copy" | "real" | "camera";
};

/** A lab with a jump model, which those that have such a source are. */
function withJumps(lab: Lab): Lab<JumpLabParams> {
  const { params } = lab as Lab<JumpLabParams>;
  if (params.jumpLinks !== params.horizon) {
    throw new RangeError(
      `Cannot measure the motion of jumps at every step: got ${params.jumpLinks} of --horizon ${params.horizon}; it needs as many`,
    );
  }
  return lab as Lab<JumpLabParams>;
}

/** Says which futures of a part a model's motion is measured on. */
async function specOf(
  lab: Lab,
  { model, weights, guidance }: ModelMotion,
  part: PartName,
): Promise<FuturesSpec> {
  const { windows } = await lab.part(part);
  return {
    model,
    part,
    draws: windowDraws(windows, model),
    ...(weights === undefined ? {} : { weights }),
    ...(guidance === undefined ? {} : { guidance }),
  };
}

/** The futures of all windows of a part. */
export interface MotionFutures extends Disposable {
  /**
   * Reads the future of a window.
   *
   * @param window its number in the part
   * @returns (H, channels, height, width) latents
   */
  of(window: number): Float32Array;
  /** Digests of the artifacts that decide them. */
  readonly from: readonly string[];
}

/**
 * Finds or predicts what is looked at, where that is latents.
 *
 * @param lab windows and parameters
 * @param source all but the camera
 * @param name of the part
 * @throws {Interrupted} if it was asked to stop
 */
export async function motionFutures(
  lab: Lab,
  source: MotionSource,
  name: PartName,
): Promise<MotionFutures> {
  const { horizon } = lab.params;
  const part = await lab.part(name);
  if (source.kind === "jump") {
    const made = await jumpChains(withJumps(lab), {
      model: source.model,
      part: name,
      draws: part.windows.map((window) => ({ window })),
    });
    return {
      from: [made.digest],
      of: (i) => made.whole(i),
      [Symbol.dispose]: () => made[Symbol.dispose](),
    };
  }
  if (source.kind !== "model") {
    const isCopy = source.kind === "copy";
    return {
      from: [part.digest],
      of: (i) => {
        const { row } = part.windows[i]!;
        return takeRows(
          part.latents,
          Array.from(
            { length: horizon },
            (_, step) => isCopy ? row : row + 1 + step,
          ),
        );
      },
      [Symbol.dispose]() {},
    };
  }
  const made = await futures(lab, await specOf(lab, source, name));
  if (source.calibrated !== true) {
    return {
      from: [made.digest],
      of: (i) => made.whole(i),
      [Symbol.dispose]: () => made[Symbol.dispose](),
    };
  }
  const sampled = await calibrationSpec(lab, source.model);
  using calibration = await futures(lab, sampled);
  const windows = sampled.draws.map(({ window }) => window);
  const [, height, width] = (await lab.networks()).latentShape;
  const statistics = await calibrations(lab, calibration, windows);
  return {
    from: [made.digest, calibration.digest],
    of: (i) => {
      const whole = made.whole(i);
      const size = whole.length / horizon;
      for (const [step, { deployed, target }] of statistics.entries()) {
        const own = whole.subarray(step * size, (step + 1) * size);
        own.set(calibrate(own, deployed, target, height * width));
      }
      return whole;
    },
    [Symbol.dispose]: () => made[Symbol.dispose](),
  };
}

/**
 * Gives the frames of windows of a part, the present first.
 *
 * @param lab networks and frames
 * @param name of the part
 * @param source which futures
 * @param opened the same, as latents; none for the camera
 * @returns (1 + H, size, size, 3) in [0, 1] of each window
 */
export async function motionFrames(
  lab: Lab,
  name: PartName,
  source: MotionSource,
  opened: MotionFutures,
): Promise<(windows: readonly number[]) => Promise<Float32Array[]>> {
  const { horizon, size } = lab.params;
  const [{ root }, networks, part] = [
    await lab.data(),
    await lab.networks(),
    await lab.part(name),
  ];
  const own = (1 + horizon) * size * size * 3;
  const split = (frames: Float32Array) =>
    Array.from(
      { length: frames.length / own },
      (_, i) => frames.subarray(i * own, (i + 1) * own),
    );
  if (source.kind === "camera") {
    return async (list) => {
      using loader = new FrameLoader();
      const paths = list.flatMap((i) => {
        const { row } = part.windows[i]!;
        return part.paths.slice(row, row + 1 + horizon);
      });
      const levels = await readFrames(loader, root, paths, size, "bicubic");
      return split(Float32Array.from(levels, (level) => level / 255));
    };
  }
  return async (list) => {
    const latents = list.flatMap((i) => {
      const { row } = part.windows[i]!;
      return [part.latents.read(row, row + 1), opened.of(i)];
    });
    const all = new Float32Array(
      latents.reduce((sum, { length }) => sum + length, 0),
    );
    let at = 0;
    for (const some of latents) {
      all.set(some, at);
      at += some.length;
    }
    return split(await networks.decode(all));
  };
}

/**
 * Predicts what the motion of a source is measured on, if need be.
 *
 * @param lab windows and parameters
 * @param source which futures
 * @param part of the dataset
 * @throws {Interrupted} if it was asked to stop
 */
export async function sampleMotion(
  lab: Lab,
  source: MotionSource,
  part: PartName,
): Promise<void> {
  using _ = await motionFutures(lab, source, part);
}

/**
 * Lists the models of sources, those that take longest to train first.
 *
 * @param sources which
 */
export function modelsOf(sources: readonly MotionSource[]): ModelSpec[] {
  const models = new Map(
    sources.flatMap((source) =>
      source.kind === "model"
        ? [[JSON.stringify(source.model), source.model] as const]
        : []
    ),
  );
  const order = ["diffusion", "direct", "mlp"];
  return [...models.values()]
    .toSorted((a, b) => order.indexOf(a.mode) - order.indexOf(b.mode));
}
