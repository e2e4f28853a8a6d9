import { type Action, normalizeAction } from "../data/scene.ts";
import { ACCELERATIONS, MOST_STEERING } from "./drives.ts";

/** Who drives. */
export const DRIVERS = ["person", "recorded", "straight"] as const;

/** Who drives: a person, the recorded drive, or nobody, straight ahead. */
export type Driver = (typeof DRIVERS)[number];

/** Wheel and pedals as a person holds them. */
export interface Controls {
  /** Full right -1 to full left 1. */
  readonly wheel: number;
  /** Full brake -1 to full throttle 1. */
  readonly pedal: number;
}

/**
 * Turns controls into an action, normalized.
 *
 * @param controls wheel and pedal, clamped to [-1, 1]
 */
export function actionOf({ wheel, pedal }: Controls): Action {
  const [w, p] = [wheel, pedal].map((x) => Math.max(-1, Math.min(1, x))) as [
    number,
    number,
  ];
  return normalizeAction(
    w * MOST_STEERING,
    p < 0 ? -p * ACCELERATIONS.least : p * ACCELERATIONS.most,
  );
}

/** Wheel positions of the futures that are shown at once: full left to right. */
export const FAN: readonly number[] = [1, 0.5, 0, -0.5, -1];

/** Milliseconds in which a key turns the wheel from the middle to its end. */
const TURN_MS = 350;

/**
 * Moves a control towards where keys hold it, as a hand would.
 *
 * @param value where it is, [-1, 1]
 * @param target where keys hold it
 * @param elapsedMs since the last move
 */
export function eased(
  value: number,
  target: number,
  elapsedMs: number,
): number {
  const most = elapsedMs / TURN_MS;
  return value + Math.max(-most, Math.min(most, target - value));
}

/** Part of a gamepad's stick around its middle that counts as the middle. */
const DEAD_ZONE = 0.12;

/**
 * Reads a gamepad: left stick and triggers, or the cross.
 *
 * @param axes of the standard mapping
 * @param buttons values of the standard mapping, 0 to 1
 * @returns undefined where nothing is touched
 */
export function gamepadControls(
  axes: readonly number[],
  buttons: readonly number[],
): Controls | undefined {
  const stick = axes[0] ?? 0;
  const live = Math.abs(stick) < DEAD_ZONE ? 0 : stick;
  const wheel = (buttons[14] ?? 0) - (buttons[15] ?? 0) || -live;
  const pedal = (buttons[7] ?? 0) - (buttons[6] ?? 0) ||
    (buttons[12] ?? 0) - (buttons[13] ?? 0);
  return wheel === 0 && pedal === 0
    ? undefined
    : { wheel: Math.max(-1, Math.min(1, wheel)), pedal };
}
