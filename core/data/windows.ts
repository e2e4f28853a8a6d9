/**
 * Cuts scenes into windows: a present keyframe and the H that follow it.
 *
 * @module
 */

import { key } from "../tensor/philox.ts";
import type { Scene } from "./scene.ts";

/** A present keyframe with enough keyframes after it in its scene. */
export interface Window {
  /** Index into the scenes that the windows were cut from. */
  readonly scene: number;
  /** Name of that scene. */
  readonly sceneName: string;
  /** Index of the present keyframe in its scene. */
  readonly start: number;
  /**
   * Row of the present keyframe when the keyframes of all scenes follow one
   * another; no other window of the same scenes has it, whatever the options.
   */
  readonly id: number;
}

/** Options of {@linkcode windows}. */
export interface WindowOptions {
  /** Keyframes from one start to the next; 1 unless given. */
  readonly stride?: number;
  /** At most so many windows of each scene, the earliest ones. */
  readonly firstPerScene?: number;
  /** At most so many windows in all, the first ones. */
  readonly limit?: number;
  /**
   * Leaves out windows with two keyframes farther apart than this, in seconds.
   * None unless given, as in the published code, which counts keyframes only.
   */
  readonly maxGap?: number;
}

/** A scene that has no window. */
export interface ShortScene {
  /** Its name. */
  readonly name: string;
  /** Keyframes that it has. */
  readonly keyframes: number;
  /** Keyframes that it would need. */
  readonly needed: number;
}

function checkCount(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(
      `Cannot cut windows: ${name} is ${value}, needed a positive integer`,
    );
  }
}

/**
 * Lists the scenes that are too short for any window.
 *
 * @param scenes as read
 * @param horizon keyframes after the present
 */
export function shortScenes(
  scenes: readonly Scene[],
  horizon: number,
): ShortScene[] {
  checkCount("the horizon", horizon);
  return scenes.filter((scene) => scene.keyframes.length <= horizon)
    .map(({ name, keyframes }) => ({
      name,
      keyframes: keyframes.length,
      needed: horizon + 1,
    }));
}

/** Index of the keyframe before each gap of a scene. */
function gapStarts({ keyframes }: Scene, maxGap: number): number[] {
  return keyframes.flatMap(({ timestamp }, i) => {
    const next = keyframes[i + 1];
    const wide = next !== undefined &&
      next.timestamp - timestamp > maxGap * 1e6;
    return wide ? [i] : [];
  });
}

/**
 * Cuts scenes into windows, in the order of scenes and then of time.
 *
 * A scene of n keyframes has n - horizon windows at stride 1, none if that is
 * not positive; no window crosses scenes.
 *
 * @param scenes in the order of the windows, such as one part of a split
 * @param horizon keyframes after the present, at 2 Hz
 * @param options which starts to take
 * @throws {RangeError} if a count is not a positive integer, or no window is
 *   left
 */
export function windows(
  scenes: readonly Scene[],
  horizon: number,
  options: WindowOptions = {},
): Window[] {
  const { stride = 1, maxGap = Infinity } = options;
  const { firstPerScene = Infinity, limit = Infinity } = options;
  checkCount("the horizon", horizon);
  checkCount("the stride", stride);
  if (options.firstPerScene !== undefined) {
    checkCount("firstPerScene", firstPerScene);
  }
  if (options.limit !== undefined) checkCount("the limit", limit);
  if (!(maxGap > 0)) {
    throw new RangeError(
      `Cannot cut windows: maxGap is ${maxGap}, needed seconds above 0`,
    );
  }
  const found: Window[] = [];
  let base = 0;
  scenes.forEach((scene, index) => {
    const gaps = maxGap === Infinity ? [] : gapStarts(scene, maxGap);
    let taken = 0;
    for (
      let start = 0;
      start + horizon < scene.keyframes.length && taken < firstPerScene &&
      found.length < limit;
      start += stride
    ) {
      if (gaps.some((gap) => gap >= start && gap < start + horizon)) continue;
      found.push({
        scene: index,
        sceneName: scene.name,
        start,
        id: base + start,
      });
      taken++;
    }
    base += scene.keyframes.length;
  });
  if (found.length === 0) {
    const longest = scenes.reduce(
      (most, scene) => Math.max(most, scene.keyframes.length),
      0,
    );
    const gaps = longest > horizon ? ` without gaps above ${maxGap} s` : "";
    throw new RangeError(
      `Cannot cut windows of horizon ${horizon}: the longest of ${scenes.length} scenes has ${longest} keyframes, needed ${
        horizon + 1
      }${gaps}; choose a shorter horizon`,
    );
  }
  return found;
}

/**
 * Takes the actions of a window.
 *
 * Source: the published code, which takes those at t, ..., t + H - 1.
 * Differs: the paper writes t + 1, ..., t + H; that is `actionOffset` 1.
 *
 * @param scenes that the window was cut from
 * @param window whose present is keyframe t
 * @param horizon H, keyframes after the present
 * @param options `actionOffset`: keyframes from the present to the first
 *   action, 0 or 1; 0 unless given
 * @returns (H, 2), steering and acceleration of each step, normalized
 * @throws {RangeError} if the scene does not have these keyframes
 */
export function windowActions(
  scenes: readonly Scene[],
  window: Window,
  horizon: number,
  options: { readonly actionOffset?: 0 | 1 } = {},
): Float32Array<ArrayBuffer> {
  const { actionOffset = 0 } = options;
  const keyframes = scenes[window.scene]?.keyframes ?? [];
  const actions = new Float32Array(horizon * 2);
  for (let step = 0; step < horizon; step++) {
    const frame = keyframes[window.start + actionOffset + step];
    if (frame === undefined) {
      throw new RangeError(
        `Cannot take actions of the window at ${window.start} of "${window.sceneName}": ${horizon} steps from ${
          window.start + actionOffset
        } pass its ${keyframes.length} keyframes`,
      );
    }
    actions[step * 2] = frame.action.steer;
    actions[step * 2 + 1] = frame.action.accel;
  }
  return actions;
}

/**
 * Makes the order in which an epoch visits the windows.
 *
 * @param count number of windows
 * @param seed of the run
 * @param epoch from 0
 * @returns (count), each of 0, ..., count - 1 once
 */
export function shuffledOrder(
  count: number,
  seed: number,
  epoch: number,
): Uint32Array<ArrayBuffer> {
  return key("order", seed, epoch).permutation(count);
}
