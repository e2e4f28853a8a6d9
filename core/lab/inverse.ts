/**
 * Inverse control: telling the steering from predicted futures, and from real
 * ones. What is measured of every scene and window.
 *
 * @module
 */

import { integerShift, profiles, subpixelShift } from "../metrics/shift.ts";
import { mean } from "../metrics/statistics.ts";
import { takeRows } from "../data/latents.ts";
import type { LabWindow } from "./data.ts";
import { type Draw, type Futures, futures, windowNoise } from "./futures.ts";
import type { Lab } from "./lab.ts";
import { openProbe, type Probe } from "./probe.ts";
import {
  firstWindows,
  recordedActions,
  steered,
  sweepFutures,
  type SweepKind,
  type SweepSpec,
} from "./sweep.ts";
import type { SweepMeasure } from "./sweep_results.ts";

/** Responses of one scene, of one measure. */
export interface InverseResponses {
  /** (K) to the grid. */
  readonly grid: readonly number[];
  /** (K - 1) to the held-out targets, from other noise. */
  readonly targets: readonly number[];
  /** To the recorded actions, from that other noise. */
  readonly recorded: number;
}

/** What is measured of one scene. */
export interface InverseScene
  extends Readonly<Record<SweepMeasure, InverseResponses>> {
  /** Its name. */
  readonly scene: string;
  /** Mean recorded steering over the horizon, normalized. */
  readonly steer: number;
}

/**
 * Takes the midpoints of a grid: the published held-out targets.
 *
 * @param values (K) rising
 * @returns (K - 1)
 */
export function midpoints(values: readonly number[]): number[] {
  return values.slice(1).map((value, i) => (value + values[i]!) / 2);
}

/** Steering of actions. */
function meanSteer(actions: Float32Array): number {
  return mean(Array.from(actions.filter((_, i) => i % 2 === 0)));
}

/**
 * Finds or predicts the futures that are to be told: of each scene the held-out
 * targets and then the recorded actions, from noise that is not the grid's.
 *
 * @param lab windows and parameters
 * @param spec of the grid
 * @param scenes how many, at most
 * @throws {Interrupted} if it was asked to stop
 */
export async function targetFutures(
  lab: Lab,
  { values, scenes: _, ...spec }: SweepSpec,
  scenes: number,
): Promise<Futures> {
  const part = await lab.part("test");
  const draws = firstWindows(part.windows, scenes).flatMap((window) => {
    const actions = recordedActions(part, window, lab.params);
    const noise = windowNoise("inverse control", spec.model.seed, window);
    return [
      ...midpoints(values).map((value) => steered(actions, () => value)),
      actions,
    ].map((actions): Draw => ({ window, noise, actions }));
  });
  return await futures(lab, { ...spec, part: "test", draws });
}

/** Mean steering that the probe sees from the present on. */
async function probeSteer(
  probe: Probe,
  present: Float32Array,
  future: Float32Array,
): Promise<number> {
  const frames = new Float32Array(present.length + future.length);
  frames.set(present);
  frames.set(future, present.length);
  return mean(await probe.steering(frames));
}

/**
 * Measures how grid, targets and recorded actions move the last frame against
 * the grid's middle value, and what the probe sees of them.
 *
 * Source: published code, `planning_probe`; recorded actions and the probe are
 * this project's.
 *
 * @param lab windows, networks and parameters
 * @param spec of the grid; its futures are predicted if need be
 * @param scenes how many, at most those of the grid
 * @param probeSteps steps of the probe's training
 * @throws {Interrupted} if it was asked to stop
 */
export async function inverseResponses(
  lab: Lab,
  spec: SweepSpec,
  scenes: number,
  probeSteps: number,
): Promise<InverseScene[]> {
  const { horizon, size } = lab.params;
  const part = await lab.part("test");
  const { decode } = await lab.networks();
  using grid = await sweepFutures(lab, spec);
  using targets = await targetFutures(lab, spec, scenes);
  using probe = await openProbe(lab, { steps: probeSteps });
  const layout = { height: size, width: size, channels: 3 };
  const count = spec.values.length;
  const some = firstWindows(part.windows, Math.min(scenes, spec.scenes));
  const line = lab.context.progress("measure inverse control");
  const found: InverseScene[] = [];
  for (const [i, window] of some.entries()) {
    lab.context.interrupt.check();
    line.update({ done: i, total: some.length });
    // As many targets and recorded actions as values of the grid.
    const own = Array.from({ length: count }, (_, k) => i * count + k);
    const columns = [grid, targets].map(async (made) =>
      profiles(await decode(made.at(own, horizon - 1)), layout, "horizontal")
    );
    const [swept, held] = await Promise.all(columns) as [
      Float64Array[],
      Float64Array[],
    ];
    const from = swept[Math.floor(count / 2)]!;
    const responses = (of: (to: Float64Array) => number) => ({
      grid: swept.map(of),
      targets: held.slice(0, -1).map(of),
      recorded: of(held.at(-1)!),
    });
    const present = part.latents.read(window.row, window.row + 1);
    const seen: number[][] = [];
    for (const made of [grid, targets]) {
      const list: number[] = [];
      for (const k of own) {
        list.push(await probeSteer(probe, present, made.whole(k)));
      }
      seen.push(list);
    }
    const [sweptSeen, heldSeen] = seen as [number[], number[]];
    found.push({
      scene: window.scene,
      steer: meanSteer(recordedActions(part, window, lab.params)),
      shift: responses((to) => integerShift(from, to)),
      subpixel: responses((to) => subpixelShift(from, to)),
      probe: {
        grid: sweptSeen,
        targets: heldSeen.slice(0, -1),
        recorded: heldSeen.at(-1)!,
      },
    });
  }
  line.end();
  return found;
}

/** Futures whose steering the probe tells. */
export type ToldSource = {
  /** What happened, or the present again. */
  readonly kind: "real" | "copy";
} | {
  /** Predicted under the recorded actions, or under those of another window. */
  readonly kind: "recorded" | "swapped";
  readonly model: SweepKind;
};

/** Steering of windows, normalized, means over the horizon. */
export interface ToldSteering {
  /** Scene of each window. */
  readonly scenes: readonly string[];
  /** What the probe tells. */
  readonly told: readonly number[];
  /** Of the actions that the future was predicted under. */
  readonly given: readonly number[];
  /** Of the actions that were recorded. */
  readonly recorded: readonly number[];
}

/** The window whose actions another one gets: half of all further on. */
function donorOf(windows: readonly LabWindow[], i: number): LabWindow {
  return windows[(i + Math.floor(windows.length / 2)) % windows.length]!;
}

/**
 * Tells the steering of futures of all test windows by the probe.
 *
 * @param lab windows and parameters
 * @param source which futures; they are predicted if need be
 * @param probeSteps steps of the probe's training
 * @throws {Interrupted} if it was asked to stop
 */
export async function toldSteering(
  lab: Lab,
  source: ToldSource,
  probeSteps: number,
): Promise<ToldSteering> {
  const { horizon } = lab.params;
  const part = await lab.part("test");
  const { windows, latents } = part;
  using probe = await openProbe(lab, { steps: probeSteps });
  using made = "model" in source ? await toldFutures(lab, source) : undefined;
  const actions = windows.map((window) =>
    recordedActions(part, window, lab.params)
  );
  const recorded = actions.map(meanSteer);
  const told: number[] = [];
  const line = lab.context.progress("tell steering");
  for (const [i, { row }] of windows.entries()) {
    lab.context.interrupt.check();
    line.update({ done: i, total: windows.length });
    const future = made?.whole(i) ?? takeRows(
      latents,
      Array.from(
        { length: horizon },
        (_, step) => source.kind === "copy" ? row : row + 1 + step,
      ),
    );
    told.push(await probeSteer(probe, latents.read(row, row + 1), future));
  }
  line.end();
  const given = source.kind === "swapped"
    ? windows.map((_, i) => recorded[windows.indexOf(donorOf(windows, i))]!)
    : recorded;
  return { scenes: windows.map(({ scene }) => scene), told, given, recorded };
}

/**
 * Finds or predicts the futures whose steering is told. Those under the recorded
 * actions are the frontier's.
 *
 * @param lab windows and parameters
 * @param source which
 * @throws {Interrupted} if it was asked to stop
 */
export async function toldFutures(
  lab: Lab,
  { kind, model: { weights, guidance, ...model } }: Extract<
    ToldSource,
    { readonly model: SweepKind }
  >,
): Promise<Futures> {
  const part = await lab.part("test");
  const { windows } = part;
  const draws = windows.map((window, i): Draw => ({
    window,
    ...(model.mode === "diffusion"
      ? { noise: windowNoise("test sampling", model.seed, window) }
      : {}),
    ...(kind === "swapped"
      ? {
        actions: recordedActions(part, donorOf(windows, i), lab.params),
      }
      : {}),
  }));
  return await futures(lab, { model, weights, guidance, part: "test", draws });
}
