/**
 * Steering sweeps: futures of one window from one noise, that differ only in
 * the steering, and what changes with it.
 *
 * @module
 */

import { rowCosines } from "../metrics/cosine.ts";
import { integerShift, profiles, subpixelShift } from "../metrics/shift.ts";
import { mean, percentile } from "../metrics/statistics.ts";
import { key } from "../tensor/philox.ts";
import { toTokens } from "../training/window_tokens.ts";
import type { LabWindow, WindowPart } from "./data.ts";
import { type Draw, type Futures, futures, windowNoise } from "./futures.ts";
import type { Lab } from "./lab.ts";
import { type ModelSpec, modelTokens, type WeightsKind } from "./models.ts";
import type { PairSpec } from "./pair.ts";
import { openProbe } from "./probe.ts";

/** Which futures steer. */
export interface SweepSpec {
  /** By which model. */
  readonly model: ModelSpec;
  /** Which of its weights. */
  readonly weights: WeightsKind;
  /** Scale of guidance; 1 for none, and for one pass. */
  readonly guidance: number;
  /** Sampling steps. */
  readonly ddimSteps: number;
  /** Steering held for the whole horizon, normalized, in rising order. */
  readonly values: readonly number[];
  /** How many scenes, at most. */
  readonly scenes: number;
}

/** A model, its weights and its guidance, of which there is a row in tables. */
export interface SweepKind
  extends Pick<SweepSpec, "weights" | "guidance">, Omit<ModelSpec, "from"> {}

/**
 * Lists what is swept of pairs of models: averaged weights at every guidance,
 * those of the last step without.
 *
 * @param pairs of models
 * @param guidances scales, 1 for none
 */
export function sweepKinds(
  pairs: readonly PairSpec[],
  guidances: readonly number[],
): SweepKind[] {
  return pairs.flatMap((pair) =>
    (["average", "last"] as const).flatMap((weights): SweepKind[] => [
      { ...pair, mode: "direct", weights, guidance: 1 },
      ...guidances.filter((w) => weights === "average" || w === 1)
        .map((guidance): SweepKind => ({
          ...pair,
          mode: "diffusion",
          weights,
          guidance,
        })),
    ])
  );
}

/** What is measured of the futures of a sweep: a row for each scene. */
export interface SweepResponses {
  /** The scenes, each once. */
  readonly scenes: readonly string[];
  /** Whole pixels, as published, by which the last frame is further right. */
  readonly shift: readonly (readonly number[])[];
  /** The same in parts of pixels. */
  readonly subpixel: readonly (readonly number[])[];
  /** Mean steering over the horizon that the probe sees, normalized. */
  readonly probe: readonly (readonly number[])[];
}

/**
 * Takes the first window of each of the first scenes, as the published code.
 *
 * @param windows scene after scene, in the order of time
 * @param most how many at most
 */
export function firstWindows(
  windows: readonly LabWindow[],
  most: number,
): LabWindow[] {
  const first = new Map<string, LabWindow>();
  for (const window of windows) {
    if (!first.has(window.scene)) first.set(window.scene, window);
  }
  return [...first.values()].slice(0, most);
}

/**
 * Says which part of the recorded steering a sweep covers.
 *
 * @param part of the training frames
 * @param values of the sweep
 */
export function steeringNote(
  { actions }: Pick<WindowPart, "actions">,
  values: readonly number[],
): string {
  const steering = actions.filter((_, i) => i % 2 === 0);
  const [low, high] = [5, 95].map((p) => percentile(steering, p).toFixed(3));
  return `Steering is the wheel's angle over 6 rad, positive to the left. The sweep is from ${
    values[0]
  } to ${values.at(-1)}; of the training frames, p5 is ${low} and p95 ${high}.`;
}

/**
 * Copies the recorded actions that a window's future is predicted from.
 *
 * @param part of the window
 * @param window which
 * @param params horizon, and frames from the present to the first action
 * @returns (H, 2) steering and acceleration, normalized
 */
export function recordedActions(
  { actions }: Pick<WindowPart, "actions">,
  { row }: Pick<LabWindow, "row">,
  { horizon, actionOffset }: {
    readonly horizon: number;
    readonly actionOffset: number;
  },
): Float32Array<ArrayBuffer> {
  const first = row + actionOffset;
  return actions.slice(2 * first, 2 * (first + horizon));
}

/**
 * Changes the steering of actions, and leaves the acceleration.
 *
 * @param actions (H, 2)
 * @param to the new steering, clipped to [-1, 1] as all actions are
 * @returns (H, 2)
 */
export function steered(
  actions: Float32Array,
  to: (steer: number) => number,
): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    actions,
    (value, i) => i % 2 === 0 ? Math.max(-1, Math.min(1, to(value))) : value,
  );
}

/**
 * Puts actions into another order of time.
 *
 * @param actions (H, 2)
 * @param stream words of the stream that decides the order
 * @returns (H, 2)
 */
export function shuffled(
  actions: Float32Array,
  ...stream: Parameters<typeof key>
): Float32Array<ArrayBuffer> {
  const random = key(...stream);
  const steps = Array.from({ length: actions.length / 2 }, (_, i) => i);
  const order = steps.toSorted((a, b) => random.uniform(a) - random.uniform(b));
  return Float32Array.from(
    order.flatMap((step) => [...actions.subarray(2 * step, 2 * step + 2)]),
  );
}

/**
 * Finds the futures of a sweep, or predicts them.
 *
 * @param lab windows and parameters
 * @param spec which; future i K + k is of scene i and value k of K
 * @throws {Interrupted} if it was asked to stop
 */
export async function sweepFutures(
  lab: Lab,
  { values, scenes, ...spec }: SweepSpec,
): Promise<Futures> {
  const part = await lab.part("test");
  const draws = firstWindows(part.windows, scenes).flatMap((window) => {
    const recorded = recordedActions(part, window, lab.params);
    const noise = windowNoise("sweep", spec.model.seed, window);
    return values.map((value): Draw => ({
      window,
      noise,
      actions: steered(recorded, () => value),
    }));
  });
  return await futures(lab, { ...spec, part: "test", draws });
}

/**
 * Measures what changes with the steering: the place of the last frame against
 * that of the middle value, and what the probe sees between all frames.
 *
 * @param lab windows, networks and parameters
 * @param spec which futures; they are predicted if need be
 * @param probeSteps steps of the probe's training
 * @throws {Interrupted} if it was asked to stop
 */
export async function sweepResponses(
  lab: Lab,
  spec: SweepSpec,
  probeSteps: number,
): Promise<SweepResponses> {
  const { horizon, size } = lab.params;
  const { windows, latents } = await lab.part("test");
  const { decode } = await lab.networks();
  using swept = await sweepFutures(lab, spec);
  using probe = await openProbe(lab, { steps: probeSteps });
  const some = firstWindows(windows, spec.scenes);
  const layout = { height: size, width: size, channels: 3 };
  const count = spec.values.length;
  const middle = Math.floor(count / 2);
  const line = lab.context.progress("measure sweeps");
  const result = {
    shift: [] as number[][],
    subpixel: [] as number[][],
    probe: [] as number[][],
  };
  for (const [i, { row }] of some.entries()) {
    lab.context.interrupt.check();
    line.update({ done: i, total: some.length });
    const own = Array.from({ length: count }, (_, k) => i * count + k);
    const images = await decode(swept.at(own, horizon - 1));
    const columns = profiles(images, layout, "horizontal");
    const from = columns[middle]!;
    result.shift.push(columns.map((to) => integerShift(from, to)));
    result.subpixel.push(columns.map((to) => subpixelShift(from, to)));
    const present = latents.read(row, row + 1);
    const seen: number[] = [];
    for (const k of own) {
      const future = swept.whole(k);
      const frames = new Float32Array(present.length + future.length);
      frames.set(present);
      frames.set(future, present.length);
      seen.push(mean(await probe.steering(frames)));
    }
    result.probe.push(seen);
  }
  line.end();
  return { scenes: some.map(({ scene }) => scene), ...result };
}

/** How much futures change with the actions: 1 - cosine, one for each scene. */
export interface ActionUse {
  /** The scenes, each once. */
  readonly scenes: readonly string[];
  /** With other steering, by step of the horizon, from 0. */
  readonly perturbed: Readonly<Record<number, readonly number[]>>;
  /** With the actions in another order, likewise. */
  readonly shuffled: Readonly<Record<number, readonly number[]>>;
}

/**
 * Measures how much a model uses its actions: the change of the normalized
 * tokens of the future, of equal noise, when the steering is another one or the
 * actions come in another order. 1 - cosine of each token, averaged.
 *
 * Source: published code, `action_use`. Differs: each window has an order and
 * noise of its own.
 *
 * @param lab windows and parameters
 * @param spec which model, and how many scenes
 * @param change added to the steering, normalized
 * @param steps of the horizon, from 0
 * @throws {Interrupted} if it was asked to stop
 */
export async function actionUse(
  lab: Lab,
  { scenes, ...spec }: Omit<SweepSpec, "values">,
  change: number,
  steps: readonly number[],
): Promise<ActionUse> {
  const { patch } = lab.params;
  const part = await lab.part("test");
  const { statistics } = await modelTokens(lab, spec.model, "train");
  const { mean: centre, std } = statistics;
  const width = centre.length;
  const some = firstWindows(part.windows, scenes);
  const draws = some.flatMap((window) => {
    const { scene, start } = window;
    const recorded = recordedActions(part, window, lab.params);
    const noise = windowNoise("action use", spec.model.seed, window);
    return [
      recorded,
      steered(recorded, (steer) => steer + change),
      shuffled(recorded, "action order", spec.model.seed, scene, start),
    ].map((actions): Draw => ({ window, noise, actions }));
  });
  using made = await futures(lab, { ...spec, part: "test", draws });
  const tokens = (draw: number, step: number) =>
    toTokens(made.at([draw], step), part.shape, patch)
      .map((value, k) => (value - centre[k % width]!) / std[k % width]!);
  const changes = (which: number) =>
    Object.fromEntries(steps.map((step) => [
      step,
      some.map((_, i) =>
        1 - mean(rowCosines(
          tokens(3 * i, step),
          tokens(3 * i + which, step),
          width,
        ))
      ),
    ]));
  return {
    scenes: some.map(({ scene }) => scene),
    perturbed: changes(1),
    shuffled: changes(2),
  };
}
