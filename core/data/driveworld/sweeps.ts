import { type DriveState, STEPS_PER_KEYFRAME, TIME_STEP } from "./driver.ts";

/** Camera frames from one keyframe to the next: 12 Hz, as nuScenes. */
export const SWEEPS_PER_KEYFRAME = 6;

/**
 * The ego between two of its states, linear in all.
 *
 * @param states of a drive, from time 0
 * @param time seconds, within the drive
 */
function stateAt(states: readonly DriveState[], time: number): DriveState {
  const at = time / TIME_STEP;
  const i = Math.min(states.length - 1, Math.floor(at + 1e-9));
  const [before, after] = [states[i]!, states[i + 1] ?? states[i]!];
  const part = Math.max(0, at - i);
  if (part < 1e-9) return before;
  const mixed = Object.entries(before).map(([name, value]) => {
    const next = after[name as keyof DriveState];
    return [name, value + (next - value) * part];
  });
  return Object.fromEntries(mixed) as DriveState;
}

/**
 * The states of a drive at 12 Hz, up to its last keyframe. Every sixth is that
 * of a keyframe.
 *
 * @param states of a drive at 20 Hz
 */
export function sweepStates(states: readonly DriveState[]): DriveState[] {
  const keyframes = Math.ceil(states.length / STEPS_PER_KEYFRAME);
  const step = TIME_STEP * STEPS_PER_KEYFRAME / SWEEPS_PER_KEYFRAME;
  return Array.from(
    { length: (keyframes - 1) * SWEEPS_PER_KEYFRAME + 1 },
    (_, i) =>
      i % SWEEPS_PER_KEYFRAME === 0
        ? states[i / SWEEPS_PER_KEYFRAME * STEPS_PER_KEYFRAME]!
        : stateAt(states, i * step),
  );
}

/**
 * The states of a drive at 2 Hz.
 *
 * @param states of a drive at 20 Hz
 */
export function keyframesOf(states: readonly DriveState[]): DriveState[] {
  return states.filter((_, i) => i % STEPS_PER_KEYFRAME === 0);
}

/** A frame of the camera. */
export interface CameraFrame {
  /** Where the ego is. */
  readonly state: DriveState;
  /** Keyframe that it is, or that follows it. */
  readonly keyframe: number;
  /** Whether it is one. */
  readonly isKeyframe: boolean;
}

/**
 * The frames of the camera in the order of time.
 *
 * @param states of a drive at 20 Hz
 * @param sweeps whether at 12 Hz, not only keyframes
 */
export function cameraFrames(
  states: readonly DriveState[],
  sweeps: boolean,
): CameraFrame[] {
  const every = sweeps ? SWEEPS_PER_KEYFRAME : 1;
  return (sweeps ? sweepStates(states) : keyframesOf(states))
    .map((state, i) => ({
      state,
      keyframe: Math.ceil(i / every),
      isKeyframe: i % every === 0,
    }));
}
