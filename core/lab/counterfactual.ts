/**
 * Counterfactual futures: of one window, from one noise, under the recorded
 * actions and under others, and the actions that a probe reads from them.
 *
 * @module
 */

import { join } from "@std/path";
import { driveOn } from "../data/driveworld/driver.ts";
import { frameScene } from "../data/driveworld/frame.ts";
import { renderFrames } from "../data/driveworld/render.ts";
import { driveAgain } from "../data/driveworld/write.ts";
import {
  type EgoMotion,
  readEgoMotion,
  type SteeringGain,
  steeringGain,
} from "../data/ego_motion.ts";
import { readNuscenes } from "../data/nuscenes.ts";
import { measuredAction } from "../data/scene.ts";
import type { DrivenStep } from "../metrics/path.ts";
import { spaced } from "./data.ts";
import { type Draw, type Futures, futures, windowNoise } from "./futures.ts";
import type { Lab } from "./lab.ts";
import { framesAtOnce } from "./latents.ts";
import type { ModelSpec } from "./models.ts";
import { openProbe } from "./probe.ts";
import { firstWindows, recordedActions } from "./sweep.ts";

/** Seconds from one keyframe to the next, at 2 Hz. */
export const STEP_SECONDS = 0.5;

/** Scenes that the gain of the steering wheel is measured on, at most. */
const GAIN_SCENES = 40;

/** How recorded actions are changed: both parts times a factor. */
export interface Variant {
  /** Factor of the steering. */
  readonly steer: number;
  /** Factor of the acceleration. */
  readonly accel: number;
}

/** Which counterfactuals there are. */
export interface CounterfactualSpec {
  /** Factors of the steering, 1 among them. */
  readonly steerFactors: readonly number[];
  /** Factors of the acceleration, 1 among them. */
  readonly accelFactors: readonly number[];
  /** How many scenes, at most; the first window of each. */
  readonly scenes: number;
  /** Sampling steps. */
  readonly sampleSteps: number;
}

/** Whose futures: a model's, or a reference. */
export type Source =
  | {
    /** A model. */
    readonly model: ModelSpec;
    /** Scale of guidance; 1 for none. */
    readonly guidance: number;
  }
  | {
    /**
     * The recorded future, which there is under the recorded actions only; the
     * embedded world driven and drawn anew under all of them; or the present
     * again and again.
     */
    readonly reference: "recorded" | "driven" | "copy";
  };

/** Actions as a probe reads them. */
export interface Readings {
  /** (2 H) normalized, of each variant, of each window. */
  readonly read: readonly (readonly (readonly number[])[])[];
}

/** What is commanded, and how the car moves when it is. */
export interface Commands {
  /** Scene of each window, each once. */
  readonly scenes: readonly string[];
  /** m/s at the present, of each window. */
  readonly speeds: readonly number[];
  /** (2 H) normalized, of each variant, of each window. */
  readonly actions: readonly (readonly (readonly number[])[])[];
  /** How the steering wheel turns the car, of the training scenes. */
  readonly gain: SteeringGain;
}

/**
 * Lists the variants: as recorded, then other steering, then other acceleration.
 *
 * @param spec factors
 */
export function variantsOf(
  { steerFactors, accelFactors }: Pick<
    CounterfactualSpec,
    "steerFactors" | "accelFactors"
  >,
): Variant[] {
  const others = (factors: readonly number[]) => factors.filter((x) => x !== 1);
  return [
    { steer: 1, accel: 1 },
    ...others(steerFactors).map((steer) => ({ steer, accel: 1 })),
    ...others(accelFactors).map((accel) => ({ steer: 1, accel })),
  ];
}

/**
 * Changes actions, within [-1, 1] as all actions are.
 *
 * @param actions (H, 2) normalized
 * @param variant factors of both parts
 * @returns (H, 2)
 */
export function changed(
  actions: Float32Array,
  { steer, accel }: Variant,
): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    actions,
    (value, i) =>
      Math.max(-1, Math.min(1, value * (i % 2 === 0 ? steer : accel))),
  );
}

/**
 * Gives actions their units back, step by step.
 *
 * @param actions (2 H) normalized
 */
export function drivenSteps(actions: ArrayLike<number>): DrivenStep[] {
  return Array.from(
    { length: actions.length / 2 },
    (_, i) =>
      measuredAction({ steer: actions[2 * i]!, accel: actions[2 * i + 1]! }),
  );
}

/** Motion at the keyframes of scenes. */
async function motionOf(
  lab: Lab,
  names: ReadonlySet<string>,
): Promise<Map<string, readonly (EgoMotion & { steerRad: number })[]>> {
  const { root } = await lab.data();
  const { flags, interrupt } = lab.context;
  const cache = join(flags.cache, "index");
  const { scenes } = await readNuscenes(root, { cache });
  const found = new Map();
  for (const scene of scenes) {
    if (!names.has(scene.name)) continue;
    interrupt.check();
    const motion = await readEgoMotion(root, scene);
    found.set(
      scene.name,
      motion.map((one, i) => ({
        ...one,
        steerRad: scene.keyframes[i]!.steerRaw,
      })),
    );
  }
  return found;
}

/**
 * Finds what is commanded.
 *
 * @param lab windows and actions
 * @param spec which counterfactuals
 */
export async function commandsOf(
  lab: Lab,
  spec: CounterfactualSpec,
): Promise<Commands> {
  const [train, test] = [await lab.part("train"), await lab.part("test")];
  const some = firstWindows(test.windows, spec.scenes);
  const training = spaced(firstWindows(train.windows, Infinity), GAIN_SCENES)
    .map(({ scene }) => scene);
  const motion = await motionOf(
    lab,
    new Set([...training, ...some.map(({ scene }) => scene)]),
  );
  const variants = variantsOf(spec);
  return {
    scenes: some.map(({ scene }) => scene),
    // A car that rolls back is taken to stand.
    speeds: some.map(({ scene, start }) =>
      Math.max(0, motion.get(scene)![start]!.speedMps)
    ),
    actions: some.map((window) => {
      const recorded = recordedActions(test, window, lab.params);
      return variants.map((variant) => [...changed(recorded, variant)]);
    }),
    gain: steeringGain(training.flatMap((name) => motion.get(name)!)),
  };
}

/**
 * Finds the counterfactual futures of a model, or predicts them.
 *
 * @param lab windows and parameters
 * @param source model and guidance
 * @param spec which; future i V + v is of window i and variant v of V
 * @throws {Interrupted} if it was asked to stop
 */
export async function counterfactualFutures(
  lab: Lab,
  { model, guidance }: Extract<Source, { model: ModelSpec }>,
  spec: CounterfactualSpec,
): Promise<Futures> {
  const part = await lab.part("test");
  const draws = firstWindows(part.windows, spec.scenes).flatMap((window) => {
    const recorded = recordedActions(part, window, lab.params);
    const noise = windowNoise("counterfactual", model.seed, window);
    return variantsOf(spec).map((variant): Draw => ({
      window,
      noise,
      actions: changed(recorded, variant),
    }));
  });
  return await futures(lab, {
    model,
    guidance,
    part: "test",
    draws,
    ddimSteps: spec.sampleSteps,
  });
}

/**
 * Draws what the camera of the embedded world would have seen, had the driver
 * done something else from a frame on.
 *
 * @param lab of the embedded world, not of a dataset
 * @param scene its name
 * @param imagePath of the frame, from the dataset's root
 * @param actions (2 n) normalized
 * @returns (n, size, size, 3) levels
 */
export async function drivenFrames(
  lab: Lab,
  scene: string,
  imagePath: string,
  actions: ArrayLike<number>,
): Promise<Uint8Array> {
  const { gpu, params: { size } } = lab;
  const { world, keyframes } = driveAgain(scene);
  const present = keyframes.find((frame) => frame.imagePath === imagePath)!;
  const states = driveOn(
    world,
    present.state,
    drivenSteps(actions).map(({ steerRad, accelMps2 }) => ({
      steeringWheel: steerRad,
      acceleration: accelMps2,
    })),
  );
  const seen = states.map((state) => frameScene(world, state));
  return await renderFrames(gpu, seen, [size, size]);
}

/** Latents of a source's futures, for each window and variant in turn. */
async function latentsOf(
  lab: Lab,
  source: Source,
  spec: CounterfactualSpec,
  commands: Commands,
): Promise<
  & { at(window: number, variant: number): Promise<Float32Array> }
  & Disposable
> {
  const { horizon, size } = lab.params;
  const { windows, latents, paths } = await lab.part("test");
  const some = firstWindows(windows, spec.scenes);
  const count = variantsOf(spec).length;
  if ("model" in source) {
    const made = await counterfactualFutures(lab, source, spec);
    return {
      at: (i, v) => Promise.resolve(made.whole(i * count + v)),
      [Symbol.dispose]: () => made[Symbol.dispose](),
    };
  }
  const { encode } = await lab.networks();
  const atOnce = framesAtOnce(size) * 3 * size ** 2;
  const at = async (i: number, v: number) => {
    const { row } = some[i]!;
    if (source.reference === "recorded") {
      return latents.read(row + 1, row + 1 + horizon);
    }
    if (source.reference === "copy") {
      const present = latents.read(row, row + 1);
      const frames = new Float32Array(horizon * present.length);
      for (let h = 0; h < horizon; h++) frames.set(present, h * present.length);
      return frames;
    }
    const { scene } = some[i]!;
    const actions = commands.actions[i]![v]!;
    const levels = await drivenFrames(lab, scene, paths[row]!, actions);
    const parts: number[] = [];
    for (let start = 0; start < levels.length; start += atOnce) {
      parts.push(...await encode(levels.subarray(start, start + atOnce)));
    }
    return Float32Array.from(parts);
  };
  return { at, [Symbol.dispose]: () => {} };
}

/**
 * Reads the actions of futures by the probe, which is trained if need be.
 *
 * @param lab windows, networks and parameters
 * @param source whose futures; they are predicted, or drawn, if need be
 * @param spec which counterfactuals
 * @param probeSteps steps of the probe's training
 * @returns of the recorded future the first variant only
 * @throws {Interrupted} if it was asked to stop
 */
export async function readActions(
  lab: Lab,
  source: Source,
  spec: CounterfactualSpec,
  probeSteps: number,
): Promise<Readings> {
  const { windows, latents } = await lab.part("test");
  const some = firstWindows(windows, spec.scenes);
  const commands = await commandsOf(lab, spec);
  const isRecorded = "reference" in source && source.reference === "recorded";
  const variants = isRecorded ? 1 : variantsOf(spec).length;
  using probe = await openProbe(lab, { steps: probeSteps });
  using shown = await latentsOf(lab, source, spec, commands);
  const line = lab.context.progress("read actions");
  const read: number[][][] = [];
  for (const [i, { row }] of some.entries()) {
    lab.context.interrupt.check();
    line.update({ done: i, total: some.length });
    const present = latents.read(row, row + 1);
    const own: number[][] = [];
    for (let v = 0; v < variants; v++) {
      const future = await shown.at(i, v);
      const frames = new Float32Array(present.length + future.length);
      frames.set(present);
      frames.set(future, present.length);
      own.push([...await probe.actions(frames)]);
    }
    read.push(own);
  }
  line.end();
  return { read };
}
