/**
 * How chains of jumps move, beside models that predict all frames in one pass:
 * what is measured of every window.
 *
 * @module
 */

import { takeRows } from "../data/latents.ts";
import { frequencyChange } from "../metrics/motion.ts";
import { type Displacement, displacements } from "../metrics/shift.ts";
import type { LabWindow } from "./data.ts";
import { type Draw, type Futures, futures, windowNoise } from "./futures.ts";
import type { JumpSpec } from "./jump.ts";
import { jumpChains } from "./jump_chains.ts";
import { type JumpLabParams, jumpSteps, jumpStride } from "./jump_params.ts";
import type { Lab } from "./lab.ts";
import { framesAtOnce, type Part } from "./latents.ts";
import type { ModelSpec, WeightsKind } from "./models.ts";
import { batchesOf } from "./batches.ts";

/** What happened, or the present again. */
export interface KnownSource {
  /** Which. */
  readonly kind: "real" | "copy";
}

/** Chains of jumps. */
export interface JumpChainSource {
  /** Jump by jump. */
  readonly kind: "jump";
  /** By which model. */
  readonly model: JumpSpec;
  /** Which of its weights. */
  readonly weights: WeightsKind;
  /** Whether each jump begins at the true frame. */
  readonly isForced: boolean;
}

/** All frames in one pass, or one sample; some of them are taken. */
export interface PassSource {
  /** At once. */
  readonly kind: "pass";
  /** By which model. */
  readonly model: ModelSpec;
  /** Which of its weights. */
  readonly weights: WeightsKind;
}

/** What gives the frames that the jumps of a chain lead to. */
export type JumpSource = KnownSource | JumpChainSource | PassSource;

/** Parts of the dataset whose windows are measured. */
export type JumpPart = "test" | "whole";

/** Share of the consecutive windows that the first scene has: 24 of 30. */
const OF_FIRST = 0.8;

/** Some windows, by a name. */
export interface JumpSet {
  /** Name in files. */
  readonly name: "consecutive" | "mined" | "scenes30" | "all";
  /** Part that they are of. */
  readonly part: JumpPart;
  /** Their numbers in {@linkcode jumpWindows}. */
  readonly windows: readonly number[];
}

/**
 * Takes the published window set of the jump model: the first 24 windows of the
 * first scene and the first 6 of the second, as the first 30 of all windows are
 * at horizon 16.
 *
 * @param windows scene after scene, in the order of time
 * @param count how many, four fifths of them of the first scene
 */
export function consecutiveWindows(
  windows: readonly LabWindow[],
  count = 30,
): LabWindow[] {
  const [first = "", second = ""] = new Set(windows.map(({ scene }) => scene));
  const of = (scene: string) =>
    windows.filter((window) => window.scene === scene);
  const start = Math.round(OF_FIRST * count);
  return [
    ...of(first).slice(0, start),
    ...of(second).slice(0, count - start),
  ];
}

/**
 * Takes the windows whose latents change most from the present to the end of the
 * horizon, by the root mean square; they may overlap.
 *
 * Source: published code.
 *
 * @param part windows and latents
 * @param horizon H
 * @param count how many
 */
export function minedWindows(
  { windows, latents }: Pick<Part, "windows" | "latents">,
  horizon: number,
  count = 30,
): LabWindow[] {
  const motion = (row: number) => {
    const [from, to] = [row, row + horizon]
      .map((one) => latents.read(one, one + 1)) as [Float32Array, Float32Array];
    return from.reduce((sum, x, k) => sum + (to[k]! - x) ** 2, 0);
  };
  return windows.map((window) => ({ window, motion: motion(window.row) }))
    .toSorted((a, b) => b.motion - a.motion)
    .slice(0, count)
    .map(({ window }) => window);
}

/** Windows of the whole scenes by lab: to find the mined ones reads them all. */
const WHOLE = new WeakMap<Lab, Promise<readonly LabWindow[]>>();

/**
 * Lists the windows that are measured of a part: all of the test part; of the
 * whole test scenes the consecutive and then the mined ones.
 *
 * @param lab windows and latents
 * @param name of the part
 */
export async function jumpWindows(
  lab: Lab<JumpLabParams>,
  name: JumpPart,
): Promise<readonly LabWindow[]> {
  if (name === "test") return (await lab.part(name)).windows;
  const list = async () => {
    const part = await lab.part(name);
    return [
      ...consecutiveWindows(part.windows, lab.params.jumpSetWindows),
      ...minedWindows(part, lab.params.horizon, lab.params.jumpSetWindows),
    ];
  };
  const known = WHOLE.get(lab) ?? list();
  WHOLE.set(lab, known);
  return await known;
}

/**
 * Lists the sets of windows.
 *
 * @param test windows of the test part
 * @param whole windows measured of the whole scenes
 * @param split how many of these are the consecutive ones
 * @param count most windows of one a scene
 */
export function jumpSets(
  test: readonly LabWindow[],
  whole: readonly LabWindow[],
  split: number,
  count = 30,
): JumpSet[] {
  const first = new Map<string, number>();
  for (const [i, { scene }] of test.entries()) {
    if (!first.has(scene)) first.set(scene, i);
  }
  const numbers = [...whole.keys()];
  return [
    { name: "consecutive", part: "whole", windows: numbers.slice(0, split) },
    { name: "mined", part: "whole", windows: numbers.slice(split) },
    {
      name: "scenes30",
      part: "test",
      windows: [...first.values()].slice(0, count),
    },
    { name: "all", part: "test", windows: [...test.keys()] },
  ];
}

/** Frames that the jumps of a chain lead to, of some windows. */
export interface LinkLatents extends Disposable {
  /**
   * Reads frames.
   *
   * @param list numbers of windows
   * @param link which jump, from 0
   * @returns (list, channels, height, width)
   */
  at(list: readonly number[], link: number): Float32Array;
  /** Digests of the artifacts they are of. */
  readonly from: readonly string[];
}

/**
 * Finds or predicts the frames that the jumps of a chain lead to.
 *
 * @param lab windows and parameters
 * @param source what predicts them
 * @param name of the part
 * @throws {Interrupted} if it was asked to stop
 */
export async function linkLatents(
  lab: Lab<JumpLabParams>,
  source: JumpSource,
  name: JumpPart,
): Promise<LinkLatents> {
  const { params } = lab;
  const steps = jumpSteps(params);
  const part = await lab.part(name);
  const windows = await jumpWindows(lab, name);
  if (source.kind !== "jump" && source.kind !== "pass") {
    const isCopy = source.kind === "copy";
    return {
      at: (list, link) =>
        takeRows(
          part.latents,
          list.map((i) => windows[i]!.row + (isCopy ? 0 : 1 + steps[link]!)),
        ),
      from: [part.digest],
      [Symbol.dispose]() {},
    };
  }
  const { weights, model } = source;
  const isSampled = model.mode === "diffusion";
  const draws = windows.map((window): Draw => ({
    window,
    // That of the frontier: equal futures are sampled once.
    ...(isSampled
      ? { noise: windowNoise("test sampling", model.seed, window) }
      : {}),
  }));
  const given = { part: name, draws, weights };
  let made: Futures;
  let stepOf = (link: number) => link;
  if (source.kind === "jump") {
    const { model, isForced } = source;
    made = await jumpChains(lab, { ...given, model, isForced });
  } else {
    made = await futures(lab, { ...given, model: source.model });
    stepOf = (link) => steps[link]!;
  }
  return {
    at: (list, link) => made.at(list, stepOf(link)),
    from: [made.digest],
    [Symbol.dispose]: () => made[Symbol.dispose](),
  };
}

/** How the frames of a window move: what is between four jumps. */
export interface JumpMotion {
  /** Low-frequency change, the real present first. */
  readonly low: number;
  /** High-frequency change, likewise. */
  readonly high: number;
  /** Low-frequency change between predicted frames only. */
  readonly innerLow: number;
  /** High-frequency change, likewise. */
  readonly innerHigh: number;
  /** Displacements in whole pixels, the real present first. */
  readonly shifts: readonly Displacement[];
}

/** Puts lists of equally many frames together, frame by frame. */
function interleaved(
  lists: readonly Float32Array[],
  count: number,
): Float32Array {
  const size = lists[0]!.length / count;
  const all = new Float32Array(lists.length * count * size);
  for (const [j, list] of lists.entries()) {
    for (let i = 0; i < count; i++) {
      const frame = list.subarray(i * size, (i + 1) * size);
      all.set(frame, (i * lists.length + j) * size);
    }
  }
  return all;
}

/**
 * Measures how the frames of every window move that the jumps of a chain lead
 * to. The present is the real one, decoded, as the frames are.
 *
 * Source: published code, the jump model's protocol; between predicted frames
 * only: `motion_fidelity`.
 *
 * @param lab windows, networks and parameters
 * @param source what predicts the frames
 * @param name of the part
 * @returns one of each window of {@linkcode jumpWindows}
 * @throws {Interrupted} if it was asked to stop
 */
export async function jumpMotion(
  lab: Lab<JumpLabParams>,
  source: JumpSource,
  name: JumpPart,
): Promise<JumpMotion[]> {
  const { jumpLinks: links, size } = lab.params;
  const { decode } = await lab.networks();
  const part = await lab.part(name);
  const windows = await jumpWindows(lab, name);
  using latents = await linkLatents(lab, source, name);
  const layout = { height: size, width: size, channels: 3 };
  const line = lab.context.progress("measure motion");
  const found: JumpMotion[] = [];
  const own = (1 + links) * size * size * 3;
  const atOnce = Math.max(1, Math.floor(framesAtOnce(size) / (1 + links)));
  for (const list of batchesOf(windows.length, atOnce)) {
    lab.context.interrupt.check();
    line.update({ done: list[0]!, total: windows.length });
    const present = takeRows(part.latents, list.map((i) => windows[i]!.row));
    const frames = await decode(
      interleaved([
        present,
        ...Array.from({ length: links }, (_, link) => latents.at(list, link)),
      ], list.length),
    );
    for (const k of list.keys()) {
      const film = frames.subarray(k * own, (k + 1) * own);
      const inner = frequencyChange(film.subarray(own / (1 + links)), layout);
      const { low, high } = frequencyChange(film, layout);
      found.push({
        ...{ low, high },
        innerLow: inner.low,
        innerHigh: inner.high,
        shifts: displacements(film, layout),
      });
    }
  }
  line.end();
  return found;
}

/**
 * Says how long a jump is.
 *
 * @param params of the run
 */
export function jumpNote(params: JumpLabParams): string {
  const stride = jumpStride(params);
  const one = stride === 1 ? "one frame" : `${stride} frames`;
  return `A jump is ${one} of ${params.horizon}, half a second each; a chain has ${params.jumpLinks} jumps.`;
}
