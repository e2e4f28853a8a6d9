import type { DriveState } from "./driver.ts";
import { BOX_KIND, type Colour, placeAt, roadAt, type World } from "./world.ts";

/** Rows of the road table: every 2 m ahead. */
export const TABLE_ROWS = 64;

/** Boxes drawn at most; the farthest are left out. */
export const MOST_BOXES = 112;

/** Floats per box and per frame, as the structs of the ray caster. */
export const BOX_FLOATS = 16;

/** Floats of a frame's scalars. */
export const FRAME_FLOATS = 32;

const FAR = 110;

/** What the ray caster needs to draw one frame. */
export interface FrameScene {
  /** (FRAME_FLOATS): the struct `Frame` */
  readonly scalars: Float32Array;
  /** (TABLE_ROWS, 3): lateral offset m, relative heading rad, arc length m */
  readonly table: Float32Array;
  /** (boxes, BOX_FLOATS), nearest first */
  readonly boxes: Float32Array;
  /** Facts of the frame, for the training of a feature network. */
  readonly facts: FrameFacts;
}

/** What a person could say about a frame. */
export interface FrameFacts {
  /** Curvature of the road 25 m ahead, 1/m. */
  readonly curvatureAhead: number;
  /** Heading against the road, rad. */
  readonly heading: number;
  /** Sideways from the centre line, m. */
  readonly lateral: number;
  /** Vehicles in view within 60 m, at most 8. */
  readonly vehicles: number;
  /** Distance to the nearest vehicle ahead in the same direction, m; at most 60. */
  readonly nearest: number;
  /** Heading of the road 20 m ahead against the ego, rad. */
  readonly headingAhead: number;
}

interface EgoBox {
  readonly distance: number;
  readonly values: readonly number[];
}

/** Turns world coordinates into the ego's frame. */
class EgoFrame {
  readonly #x: number;
  readonly #y: number;
  readonly #cos: number;
  readonly #sin: number;
  readonly yaw: number;

  constructor(state: DriveState) {
    this.#x = state.x;
    this.#y = state.y;
    this.yaw = state.yaw;
    this.#cos = Math.cos(state.yaw);
    this.#sin = Math.sin(state.yaw);
  }

  /** Metres ahead and to the left. */
  place(x: number, y: number): [number, number] {
    const [dx, dy] = [x - this.#x, y - this.#y];
    return [
      dx * this.#cos + dy * this.#sin,
      -dx * this.#sin + dy * this.#cos,
    ];
  }
}

function wrap(angle: number): number {
  const turn = 2 * Math.PI;
  return ((angle + Math.PI) % turn + turn) % turn - Math.PI;
}

/**
 * The centre line in the ego's frame as a function of the metres ahead, up to
 * where the road turns away by more than 1.35 rad, and straight from there.
 */
function roadTable(world: World, state: DriveState, ego: EgoFrame) {
  const { road } = world;
  const points: { x: number; y: number; turn: number; s: number }[] = [];
  const first = Math.max(0, Math.trunc(state.s) - 12);
  const end = Math.min(road.x.length - 1, Math.trunc(state.s) + 150);
  let farthest = -Infinity;
  for (let i = first; i < end; i++) {
    const turn = wrap((road.heading[i] ?? 0) - ego.yaw);
    if (Math.abs(turn) >= 1.35 && i >= state.s + 1) break;
    const [x, y] = ego.place(road.x[i] ?? 0, road.y[i] ?? 0);
    if (x - farthest <= 1e-6) continue;
    farthest = x;
    points.push({ x, y, turn, s: i });
  }
  const table = new Float32Array(TABLE_ROWS * 3);
  const last = points.at(-1);
  const start = points[0];
  if (last === undefined || start === undefined) {
    throw new Error(
      `Cannot draw seed ${world.seed} at ${state.time} s: the drive has left the road`,
    );
  }
  let k = 0;
  for (let row = 0; row < TABLE_ROWS; row++) {
    const ahead = 2 * row;
    while (k + 1 < points.length && (points[k + 1]?.x ?? 0) <= ahead) k++;
    const a = points[k] ?? last;
    const b = points[k + 1];
    let values: [number, number, number];
    if (ahead > last.x) {
      const rest = ahead - last.x;
      values = [
        last.y + rest * Math.tan(last.turn),
        last.turn,
        last.s + rest / Math.cos(last.turn),
      ];
    } else if (b === undefined || ahead <= a.x) {
      values = [a.y, a.turn, a.s];
    } else {
      const f = (ahead - a.x) / (b.x - a.x);
      values = [
        a.y + (b.y - a.y) * f,
        a.turn + (b.turn - a.turn) * f,
        a.s + (b.s - a.s) * f,
      ];
    }
    table.set(values, row * 3);
  }
  return table;
}

function standingBoxes(world: World, ego: EgoFrame): EgoBox[] {
  const found: EgoBox[] = [];
  for (const box of world.boxes) {
    const place = placeAt(world.road, box.s, box.d);
    const [x, y] = ego.place(place.x, place.y);
    if (x <= -14 || x >= FAR || Math.abs(y) >= x * 1.1 + 40) continue;
    const yaw = place.heading - ego.yaw;
    found.push({
      distance: x * x + y * y,
      values: [
        ...[x, y, ...box.z, ...box.half, Math.cos(yaw), Math.sin(yaw)],
        ...[...box.colour, box.kind, box.seed, ...box.facade],
      ],
    });
  }
  return found;
}

/** Boxes of the traffic, with how many vehicles are seen and how near. */
function trafficBoxes(world: World, time: number, ego: EgoFrame) {
  const found: EgoBox[] = [];
  let seen = 0;
  let nearest = 99;
  for (const car of world.vehicles) {
    const s = car.s + car.speed * time;
    if (s < 2 || s > world.road.x.length - 5) continue;
    const place = placeAt(world.road, s, car.d);
    const [x, y] = ego.place(place.x, place.y);
    const distance = x * x + y * y;
    if (x < -6 || x > FAR || distance < 9) continue;
    if (x > 2 && x < 60 && Math.abs(y) < x * .75) {
      seen++;
      if (car.direction > 0) nearest = Math.min(nearest, x);
    }
    const yaw = place.heading - ego.yaw + (car.direction < 0 ? Math.PI : 0);
    const [cos, sin] = [Math.cos(yaw), Math.sin(yaw)];
    const [length, width, height, cabin] = car.size;
    found.push({
      distance,
      values: [
        ...[x, y, .12, height, length / 2, width / 2, cos, sin],
        ...[...car.colour, BOX_KIND.vehicle, 0, 0, 0, 0],
      ],
    });
    if (!car.hasCabin) continue;
    found.push({
      distance,
      values: [
        ...[x - .25 * cos, y - .25 * sin, height, cabin],
        ...[length * .27, width * .44, cos, sin],
        ...[...car.colour, BOX_KIND.cabin, 0, 0, 0, 0],
      ],
    });
  }
  return { found, seen, nearest };
}

function walkingBoxes(world: World, time: number, ego: EgoFrame): EgoBox[] {
  const found: EgoBox[] = [];
  const skin: Colour = [.6, .45, .36];
  for (const person of world.pedestrians) {
    const s = Math.max(person.s + person.speed * time, 2);
    const place = placeAt(world.road, s, person.d);
    const [x, y] = ego.place(place.x, place.y);
    if (x <= 1 || x >= 60) continue;
    const distance = x * x + y * y;
    const yaw = place.heading - ego.yaw;
    found.push({
      distance,
      values: [
        ...[x, y, 0, 1.45, .22, .24, Math.cos(yaw), Math.sin(yaw)],
        ...[...person.colour, BOX_KIND.plain, 0, 0, 0, 0],
      ],
    }, {
      distance,
      values: [
        ...[x, y, 1.45, 1.72, .13, .13, 1, 0],
        ...[...skin, BOX_KIND.plain, 0, 0, 0, 0],
      ],
    });
  }
  return found;
}

/**
 * Gathers what the camera sees from one state of the drive.
 *
 * @param world the place
 * @param state where the ego is
 * @throws {Error} if the ego is beyond the road's end
 */
export function frameScene(world: World, state: DriveState): FrameScene {
  const ego = new EgoFrame(state);
  const table = roadTable(world, state, ego);
  const traffic = trafficBoxes(world, state.time, ego);
  const boxes = [
    ...standingBoxes(world, ego),
    ...traffic.found,
    ...walkingBoxes(world, state.time, ego),
  ].sort((a, b) => a.distance - b.distance).slice(0, MOST_BOXES);

  const { light } = world;
  const sun = light.azimuth - state.yaw;
  const low = Math.cos(light.elevation);
  const from = state.s + 8;
  const crosswalks = world.crosswalks
    .toSorted((a, b) => Math.abs(a - from) - Math.abs(b - from));
  const flag = (on: boolean) => on ? 1 : 0;
  const scalars = Float32Array.of(
    state.yaw + world.yaw,
    world.seed % 60000,
    flag(world.night),
    flag(world.rain),
    low * Math.cos(sun),
    low * Math.sin(sun),
    Math.sin(light.elevation),
    light.ambient,
    light.sun,
    light.fog,
    world.laneWidth,
    world.ownLanes,
    world.otherLanes,
    world.sidewalk,
    flag(world.style === 1 || world.style === 2),
    light.clouds,
    ...light.zenith,
    ...light.horizon,
    ...world.verge,
    world.asphalt,
    world.skyline,
    world.dash,
    crosswalks[0] ?? -99,
    crosswalks[1] ?? -99,
    flag(world.yellowLine),
    light.headlights,
  );
  const facts: FrameFacts = {
    curvatureAhead: roadAt(world.road, state.s + 25).curvature,
    heading: state.yaw - roadAt(world.road, state.s).heading,
    lateral: state.d,
    vehicles: Math.min(traffic.seen, 8),
    nearest: Math.min(traffic.nearest, 60),
    headingAhead: roadAt(world.road, state.s + 20).heading - state.yaw,
  };
  return {
    scalars,
    table,
    boxes: Float32Array.from(boxes.flatMap((box) => box.values)),
    facts,
  };
}
