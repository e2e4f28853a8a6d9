import {
  drive,
  driveOn,
  type DriveState,
  type HeldAction,
} from "../data/driveworld/driver.ts";
import { keyframesOf } from "../data/driveworld/sweeps.ts";
import { ROAD_LENGTH, roadAt, type World } from "../data/driveworld/world.ts";
import { type Action, normalizeAction } from "../data/scene.ts";
import { key } from "../tensor/philox.ts";

/** Keyframes of a drive with what was done at each. */
export interface DrivenFrames {
  /** States at 2 Hz. */
  readonly states: readonly DriveState[];
  /** What was done from each state to the next, normalized. */
  readonly actions: readonly Action[];
}

/** Largest turn of the steering wheel, rad, as of the embedded driver. */
export const MOST_STEERING = 1.92;

/** Hardest braking and strongest acceleration, m/s^2. */
export const ACCELERATIONS = { least: -5, most: 2.2 } as const;

/** Keyframes of a wandering drive. */
const FRAMES = 40;

/** A drive wanders no farther: metres from the centre line, and rad. */
const ASTRAY = { sideways: 7, heading: 0.7 } as const;

/** Metres before the road's end at which drives stop. */
const END = 130;

/** Values within bounds. */
export function clamp(x: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, x));
}

/**
 * The drive through a world as it is recorded, at 2 Hz.
 *
 * @param world where
 */
export function recordedDrive(world: World): DrivenFrames {
  const states = keyframesOf(drive(world));
  const actions = states.map(({ steeringWheel, acceleration }) =>
    normalizeAction(steeringWheel, acceleration)
  );
  return { states, actions };
}

/** Where a driver who looks ahead turns the wheel to keep a lane, rad. */
function keepLane(world: World, state: DriveState, target: number): number {
  const here = roadAt(world.road, state.s + 0.25 * state.speed);
  const heading = state.yaw - roadAt(world.road, state.s).heading;
  const wheel = Math.atan(2.7 * here.curvature) - 0.25 * heading -
    Math.atan(0.15 * (state.d - target) / (state.speed + 2));
  return clamp(16 * wheel, -MOST_STEERING, MOST_STEERING);
}

/**
 * Drives through a world as a person who tries out the wheel: steering at
 * random for a while, then back to the lane, also slow and to a stop. Each action
 * is held for half a second as it is on the page; the embedded driver moves the
 * wheel twenty times a second.
 *
 * @param world where
 * @param seed of what is tried
 * @returns at most 40 keyframes, fewer where the road ends before
 */
export function wanderingDrive(world: World, seed: number): DrivenFrames {
  const stream = key("wandering drive", seed, world.seed);
  let draws = 0;
  const uniform = (low: number, high: number) =>
    low + (high - low) * stream.uniform(draws++);
  let state = keyframesOf(drive(world))[0]!;
  const lane = state.d;
  const states = [state];
  const actions: Action[] = [];
  let held: number | undefined;
  let left = 0;
  let wanted = world.speedLimit;
  for (let i = 0; i < FRAMES; i++) {
    if (left-- <= 0) {
      left = Math.floor(uniform(1, 5));
      const share = uniform(0, 1);
      // Small turns are as frequent as large ones.
      const turn = uniform(-1, 1) * uniform(0.05, 1) * MOST_STEERING;
      held = share < 0.25 ? 0 : share < 0.65 ? turn : undefined;
      if (uniform(0, 1) < 0.3) wanted = world.speedLimit * uniform(0, 1.1);
    }
    const heading = state.yaw - roadAt(world.road, state.s).heading;
    const isAstray = Math.abs(state.d) > ASTRAY.sideways ||
      Math.abs(heading) > ASTRAY.heading;
    if (isAstray) held = undefined;
    const action: HeldAction = {
      steeringWheel: held ?? keepLane(world, state, lane),
      acceleration: clamp(
        (wanted - state.speed) * 0.8,
        ACCELERATIONS.least,
        ACCELERATIONS.most,
      ),
    };
    actions.push(normalizeAction(action.steeringWheel, action.acceleration));
    state = driveOn(world, state, [action])[0]!;
    if (state.s > ROAD_LENGTH - END || i + 1 === FRAMES) break;
    states.push(state);
  }
  return { states, actions: actions.slice(0, states.length) };
}
