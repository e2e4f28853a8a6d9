import { WorldRandom } from "./random.ts";
import { placeAt, roadAt, type Vehicle, type World } from "./world.ts";

/** The ego at one time; metres, radians, seconds. */
export interface DriveState {
  /** Seconds since the start. */
  readonly time: number;
  /** Position in the world. */
  readonly x: number;
  /** Position in the world. */
  readonly y: number;
  /** Heading in the world. */
  readonly yaw: number;
  /** m/s */
  readonly speed: number;
  /** Arc length along the road. */
  readonly s: number;
  /** Sideways from the centre line, positive to the left. */
  readonly d: number;
  /** Turn of the steering wheel, rad, positive to the left. */
  readonly steeringWheel: number;
  /** Longitudinal acceleration, m/s^2. */
  readonly acceleration: number;
  /** Turn rate, rad/s. */
  readonly yawRate: number;
}

/** Seconds between two states. */
export const TIME_STEP = 0.05;

/** States between two keyframes: 2 Hz. */
export const STEPS_PER_KEYFRAME = 10;

const WHEEL_BASE = 2.7;
const STEERING_RATIO = 16;
const WHEEL_LIMIT = .12;
const WHEEL_TIME = .22;

function clamp(x: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, x));
}

function wrap(angle: number): number {
  const turn = 2 * Math.PI;
  return ((angle + Math.PI) % turn + turn) % turn - Math.PI;
}

/** The nearest moving vehicle ahead in the ego's path. */
function leader(
  vehicles: readonly Vehicle[],
  time: number,
  s: number,
  d: number,
): { gap: number; speed: number } {
  let gap = Infinity;
  let speed = 0;
  for (const car of vehicles) {
    if (car.direction < 0 || car.speed <= 0) continue;
    if (Math.abs(car.d - d) >= 1.9) continue;
    const free = car.s + car.speed * time - s - car.size[0] / 2 - 2.4;
    if (free > -1 && free < gap) {
      gap = free;
      speed = car.speed;
    }
  }
  return { gap, speed };
}

/** Where a place of the world is along the road, and how far from its centre. */
function onRoad(
  { road }: World,
  x: number,
  y: number,
  from: number,
): { here: ReturnType<typeof roadAt>; s: number; d: number } {
  let s = from;
  let here = roadAt(road, s);
  for (let pass = 0; pass < 2; pass++) {
    s += (x - here.x) * Math.cos(here.heading) +
      (y - here.y) * Math.sin(here.heading);
    here = roadAt(road, s);
  }
  const d = -(x - here.x) * Math.sin(here.heading) +
    (y - here.y) * Math.cos(here.heading);
  return { here, s, d };
}

/** One step of the bicycle model; speed and turn rate are those after it. */
function roll(
  { x, y, yaw, speed }: Pick<DriveState, "x" | "y" | "yaw" | "speed">,
  wheel: number,
  acceleration: number,
) {
  const next = Math.max(0, speed + acceleration * TIME_STEP);
  const yawRate = next * Math.tan(wheel) / WHEEL_BASE;
  const middle = yaw + .5 * yawRate * TIME_STEP;
  return {
    x: x + next * Math.cos(middle) * TIME_STEP,
    y: y + next * Math.sin(middle) * TIME_STEP,
    yaw: yaw + yawRate * TIME_STEP,
    speed: next,
    yawRate,
  };
}

/** What a driver does from one keyframe to the next. */
export interface HeldAction {
  /** Turn of the steering wheel, rad, positive to the left. */
  readonly steeringWheel: number;
  /** Longitudinal acceleration, m/s^2. */
  readonly acceleration: number;
}

/**
 * Drives on from a state by given actions, whatever the road does: each is held
 * from one keyframe to the next, on the bicycle model of {@linkcode drive}. The
 * rest of the world goes on as it would.
 *
 * @param world where
 * @param from the state at the first action
 * @param actions one for each keyframe
 * @returns the state at the keyframe after each action
 */
export function driveOn(
  world: World,
  from: DriveState,
  actions: readonly HeldAction[],
): DriveState[] {
  let state = from;
  return actions.map(({ steeringWheel, acceleration }) => {
    for (let k = 0; k < STEPS_PER_KEYFRAME; k++) {
      const moved = roll(state, steeringWheel / STEERING_RATIO, acceleration);
      const { s, d } = onRoad(world, moved.x, moved.y, state.s);
      const time = state.time + TIME_STEP;
      state = { ...moved, time, s, d, steeringWheel, acceleration };
    }
    return state;
  });
}

/**
 * Drives through a world at 20 Hz: lane keeping, changes of the target, weaves
 * that uncouple steering from the road, car following and sudden braking, on a
 * kinematic bicycle model.
 *
 * @param world where
 * @param seconds how long; default 20
 * @returns one state per step, from time 0
 */
export function drive(world: World, seconds = 20): DriveState[] {
  const random = new WorldRandom(world.seed, 5);
  const { road, ownLanes, laneWidth, speedLimit } = world;
  const centre = (lane: number) => -(lane + .5) * laneWidth;
  const second = .5 * (ownLanes - 1);
  let s = 6;
  let target = centre(random.pick([1 - second, second]));
  const start = placeAt(road, s, target);
  let { x, y } = start;
  let yaw = start.heading + random.normal() * .05;
  let speed = speedLimit * random.uniform(.75, 1.05);
  let wheel = 0;
  let nextTarget = random.uniform(.5, 3);
  let isWeaving = false;
  let nextWeave = random.uniform(0, 2);
  let weave = 0;
  let braking = 0;
  let wantedSpeed = speedLimit;
  const low = -ownLanes * laneWidth + 1.3;
  const leftmost = world.otherLanes === 1
    ? world.otherLanes * laneWidth - 1.1
    : laneWidth - .4;
  const high = Math.min(leftmost, .6);

  const states: DriveState[] = [];
  const steps = Math.round(seconds / TIME_STEP);
  for (let k = 0; k < steps; k++) {
    const time = k * TIME_STEP;
    const placed = onRoad(world, x, y, s);
    const { here, d } = placed;
    s = placed.s;
    const headingError = wrap(yaw - here.heading);

    if (time > nextTarget) {
      nextTarget = time + random.uniform(2, 5);
      if (random.chance(.55)) {
        const lane = random.pick(Array(ownLanes).fill(1 / ownLanes));
        target = centre(lane) + random.uniform(-.3, .3);
      } else target = clamp(d + random.uniform(-2.6, 2.6), low, high);
      wantedSpeed = speedLimit * random.uniform(.82, 1.12);
    }
    if (!isWeaving && time > nextWeave) {
      isWeaving = true;
      nextWeave = time + random.uniform(1.2, 3.2);
      weave = random.uniform(.02, .07) * random.sign();
    }
    const isAstray = Math.abs(headingError) > .45 || d < low - .9 ||
      d > high + 2;
    if (isWeaving && (time > nextWeave || isAstray)) {
      isWeaving = false;
      nextWeave = time + random.uniform(.3, 2.2);
    }

    const feedForward = Math.atan(WHEEL_BASE * here.curvature);
    const command = isWeaving
      ? feedForward * .8 + weave
      : feedForward - .30 * headingError -
        Math.atan(.22 * (d - target) / (speed + 2));
    wheel += (clamp(command, -WHEEL_LIMIT, WHEEL_LIMIT) - wheel) *
      TIME_STEP / WHEEL_TIME;

    const ahead = leader(world.vehicles, time, s, d);
    if (braking <= 0 && random.chance(.0035)) braking = random.uniform(1, 2.2);
    braking -= TIME_STEP;
    let acceleration = 1.8 * (1 - (speed / wantedSpeed) ** 3);
    if (ahead.gap < 60) {
      const wanted = 3 + speed * 1.1 +
        speed * (speed - ahead.speed) / (2 * Math.sqrt(1.8 * 2.5));
      acceleration -= 1.8 *
        (Math.max(wanted, 0) / Math.max(ahead.gap, 1)) ** 2;
    }
    if (braking > 0) acceleration = Math.min(acceleration, -2.2);
    const sideways = Math.abs(wheel) * speed * speed / WHEEL_BASE;
    acceleration -= 1.2 * Math.max(sideways - 2.8, 0);
    acceleration = clamp(acceleration, -5, 2.2);
    if (speed < .05 && acceleration < 0) acceleration = 0;

    const moved = roll({ x, y, yaw, speed }, wheel, acceleration);
    states.push({
      time,
      x,
      y,
      yaw,
      speed,
      s,
      d,
      steeringWheel: wheel * STEERING_RATIO,
      acceleration,
      yawRate: moved.yawRate,
    });
    ({ x, y, yaw, speed } = moved);
  }
  return states;
}
