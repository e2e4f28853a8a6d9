import { WorldRandom } from "./random.ts";

/** Red, green, blue from 0 to 1. */
export type Colour = readonly [number, number, number];

/** What the ray caster draws for a box. */
export const BOX_KIND = {
  building: 0,
  plain: 1,
  foliage: 2,
  vehicle: 3,
  cabin: 4,
  lamp: 5,
} as const;

/** Names of the four kinds of street. */
export const STYLES = [
  "brick street",
  "business district",
  "glass towers",
  "houses and trees",
] as const;

/** A box that stands beside the road, in road coordinates (metres). */
export interface RoadBox {
  /** Along the road. */
  readonly s: number;
  /** Sideways, positive to the left. */
  readonly d: number;
  /** Lowest and highest point. */
  readonly z: readonly [number, number];
  /** Half length along the road and half depth across it. */
  readonly half: readonly [number, number];
  /** Base colour. */
  readonly colour: Colour;
  /** A value of {@linkcode BOX_KIND}. */
  readonly kind: number;
  /** Seed of its texture. */
  readonly seed: number;
  /** Window width, storey height (m), and 1 for a shop front. */
  readonly facade: readonly [number, number, number];
}

/** A vehicle at constant speed along the road. */
export interface Vehicle {
  /** Where it is at time 0, m. */
  readonly s: number;
  /** Speed along the road, m/s; 0 for a parked one. */
  readonly speed: number;
  /** Sideways, m. */
  readonly d: number;
  /** 1 with the ego's direction, -1 against it. */
  readonly direction: 1 | -1;
  /** Length, width, height of the body and of the cabin, m. */
  readonly size: readonly [number, number, number, number];
  /** Whether a cabin stands on the body (a truck has none). */
  readonly hasCabin: boolean;
  /** Paint. */
  readonly colour: Colour;
}

/** A person walking along the sidewalk. */
export interface Pedestrian {
  /** Where at time 0, m. */
  readonly s: number;
  /** Sideways, m. */
  readonly d: number;
  /** m/s along the road. */
  readonly speed: number;
  /** Clothes. */
  readonly colour: Colour;
}

/** The centre line on a 1 m grid. */
export interface Road {
  /** Curvature, 1/m. */
  readonly curvature: Float64Array;
  /** Heading, rad. */
  readonly heading: Float64Array;
  /** Position, m. */
  readonly x: Float64Array;
  /** Position, m. */
  readonly y: Float64Array;
}

/** Sun, sky and weather. */
export interface Light {
  /** Sky straight above. */
  readonly zenith: Colour;
  /** Sky at the horizon, and the colour of fog. */
  readonly horizon: Colour;
  /** Light from everywhere. */
  readonly ambient: number;
  /** Light of the sun. */
  readonly sun: number;
  /** Direction of the sun in the world, rad. */
  readonly azimuth: number;
  /** Height of the sun, rad. */
  readonly elevation: number;
  /** Fog, 1/m. */
  readonly fog: number;
  /** Clouds from 0 to 1. */
  readonly clouds: number;
  /** Strength of the headlights; 0 by day. */
  readonly headlights: number;
}

/** A place and its weather: everything but the drive through it. */
export interface World {
  /** The seed that made it. */
  readonly seed: number;
  /** Whether it is night. */
  readonly night: boolean;
  /** Whether it rains. */
  readonly rain: boolean;
  /** Whether there is fog. */
  readonly fog: boolean;
  /** Index into {@linkcode STYLES}. */
  readonly style: number;
  /** Lanes on the ego's side. */
  readonly ownLanes: number;
  /** Lanes on the other side. */
  readonly otherLanes: number;
  /** Width of a lane, m. */
  readonly laneWidth: number;
  /** Right and left edge of the road, m sideways. */
  readonly edges: readonly [number, number];
  /** m/s */
  readonly speedLimit: number;
  /** Width of the sidewalk, m. */
  readonly sidewalk: number;
  /** Turns sky and skyline, rad. */
  readonly yaw: number;
  /** The road. */
  readonly road: Road;
  /** Buildings, trees and lamp posts. */
  readonly boxes: readonly RoadBox[];
  /** Where crosswalks begin, m. */
  readonly crosswalks: readonly number[];
  /** Traffic and parked cars. */
  readonly vehicles: readonly Vehicle[];
  /** People. */
  readonly pedestrians: readonly Pedestrian[];
  /** Sun, sky, weather. */
  readonly light: Light;
  /** Colour beyond the sidewalk. */
  readonly verge: Colour;
  /** Brightness of the asphalt. */
  readonly asphalt: number;
  /** Height of the skyline, rad. */
  readonly skyline: number;
  /** Period of the lane dashes, m. */
  readonly dash: number;
  /** Whether the centre line is yellow. */
  readonly yellowLine: boolean;
}

/** Metres of road. */
export const ROAD_LENGTH = 520;

const BOXES_END = ROAD_LENGTH - 30;
const LANE_WIDTH = 3.4;

const PALETTES: readonly (readonly Colour[])[] = [
  [[.62, .33, .25], [.55, .28, .22], [.70, .45, .33], [.50, .36, .30]],
  [[.72, .70, .66], [.60, .60, .60], [.80, .77, .70], [.52, .53, .55]],
  [[.38, .48, .55], [.30, .40, .48], [.45, .52, .56], [.34, .37, .42]],
  [[.82, .76, .60], [.75, .62, .50], [.66, .72, .70], [.80, .80, .78]],
];

const PAINTS: readonly Colour[] = [
  [.75, .75, .76],
  [.12, .12, .13],
  [.55, .08, .08],
  [.10, .18, .42],
  [.45, .46, .48],
  [.85, .85, .82],
  [.60, .50, .20],
  [.10, .32, .20],
];

const VEHICLE_SIZES: readonly (readonly [number, number, number, number])[] = [
  [4.3, 1.8, .85, 1.45],
  [4.8, 1.95, 1.1, 1.85],
  [8.5, 2.4, 2.9, 2.95],
];

/** The element of a list whose length is fixed by its table. */
function at<T>(list: readonly T[], i: number): T {
  const value = list[i];
  if (value === undefined) throw new RangeError(`No element ${i} in a table`);
  return value;
}

function scaled(colour: Colour, by: number): Colour {
  return [colour[0] * by, colour[1] * by, colour[2] * by];
}

/** Straights, bends and corners, smoothed over 17 m. */
function makeRoad(random: WorldRandom): Road {
  const n = ROAD_LENGTH;
  const raw = new Float64Array(n);
  for (let i = 0; i < n;) {
    let length = Math.trunc(random.uniform(25, 70));
    const type = random.pick([.50, .42, .08]);
    let curvature = 0;
    if (type > 0) curvature = random.uniform(.003, .010) * random.sign();
    if (type === 2) {
      length = Math.trunc(random.uniform(20, 34));
      curvature = random.uniform(.022, .038) * random.sign();
    }
    raw.fill(curvature, i, i + length);
    i += length;
  }
  raw.fill(at([...raw.subarray(20, 21)], 0), 0, 20);
  const curvature = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let total = 0;
    for (let k = i - 8; k <= i + 8; k++) {
      total += raw[Math.min(n - 1, Math.max(0, k))] ?? 0;
    }
    curvature[i] = total / 17;
  }
  const [heading, x, y] = [0, 0, 0].map(() => new Float64Array(n)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  for (let i = 0; i + 1 < n; i++) {
    const k = curvature[i] ?? 0;
    const theta = heading[i] ?? 0;
    heading[i + 1] = theta + k;
    x[i + 1] = (x[i] ?? 0) + Math.cos(theta + .5 * k);
    y[i + 1] = (y[i] ?? 0) + Math.sin(theta + .5 * k);
  }
  return { curvature, heading, x, y };
}

/** The centre line at an arc length, linear between the grid points. */
export function roadAt(
  road: Road,
  s: number,
): { x: number; y: number; heading: number; curvature: number } {
  const n = road.x.length;
  const f = Math.min(n - 1.001, Math.max(0, s));
  const i = Math.trunc(f);
  const a = f - i;
  const mix = (values: Float64Array) =>
    (values[i] ?? 0) * (1 - a) + (values[i + 1] ?? 0) * a;
  return {
    x: mix(road.x),
    y: mix(road.y),
    heading: mix(road.heading),
    curvature: mix(road.curvature),
  };
}

/** The place in the world of road coordinates (s, d). */
export function placeAt(
  road: Road,
  s: number,
  d: number,
): { x: number; y: number; heading: number } {
  const { x, y, heading } = roadAt(road, s);
  return {
    x: x - d * Math.sin(heading),
    y: y + d * Math.cos(heading),
    heading,
  };
}

interface Side {
  /** -1 right, 1 left. */
  readonly sign: number;
  /** Outer edge of the sidewalk, m sideways. */
  readonly edge: number;
}

function makeBuildings(random: WorldRandom, style: number, side: Side) {
  const boxes: RoadBox[] = [];
  const isHouses = style === 3;
  for (let s = 0; s < BOXES_END;) {
    const length = isHouses ? random.uniform(7, 13) : random.uniform(8, 22);
    let gap = isHouses ? random.uniform(3, 9) : random.uniform(0, 3);
    if (random.chance(.12)) gap += random.uniform(8, 20);
    if (random.chance(at([.92, .95, .97, .75], style))) {
      const heights = [
        random.uniform(7, 16),
        random.uniform(8, 22),
        random.uniform(14, 40),
        random.uniform(4, 8),
      ];
      const depth = random.uniform(5, 9);
      const setBack = isHouses ? random.uniform(4, 9) : random.uniform(.5, 3);
      const palette = random.chance(.85)
        ? at(PALETTES, style)
        : random.choose(PALETTES);
      const base = random.choose(palette);
      const colour = scaled(base, random.uniform(.85, 1.12));
      boxes.push({
        s: s + length / 2,
        d: side.edge + side.sign * (setBack + depth),
        z: [0, at(heights, style)],
        half: [length / 2, depth],
        colour,
        kind: BOX_KIND.building,
        seed: Math.floor(random.uniform(1, 60000)),
        facade: [
          random.uniform(1.6, 3.2),
          random.uniform(2.6, 3.6),
          random.chance(.5) ? 1 : 0,
        ],
      });
    }
    s += length + gap;
  }
  return boxes;
}

function makeTrees(random: WorldRandom, style: number, side: Side) {
  const boxes: RoadBox[] = [];
  for (
    let s = random.uniform(0, 8);
    s < BOXES_END;
    s += random.uniform(7, 15)
  ) {
    if (!random.chance(at([.35, .30, .25, .90], style))) continue;
    const d = side.edge + side.sign *
        (random.chance(.6) ? random.uniform(-.9, .4) : random.uniform(.6, 4));
    const height = random.uniform(3.2, 6.5);
    const radius = random.uniform(1.1, 2.1);
    const shade = random.uniform(.7, 1.2);
    const isGreen = random.chance(.8);
    const leaves: Colour = isGreen ? [.16, .30, .10] : [.42, .28, .08];
    boxes.push({
      s,
      d,
      z: [0, height * .5],
      half: [.16, .16],
      colour: [.24, .17, .11],
      kind: BOX_KIND.plain,
      seed: 0,
      facade: [0, 0, 0],
    }, {
      s,
      d,
      z: [height * .38, height],
      half: [radius, radius],
      colour: scaled(leaves, shade),
      kind: BOX_KIND.foliage,
      seed: Math.floor(random.uniform(1, 60000)),
      facade: [0, 0, 0],
    });
  }
  return boxes;
}

function makeLampPosts(random: WorldRandom, sidewalk: number, side: Side) {
  const boxes: RoadBox[] = [];
  const d = side.edge - side.sign * (sidewalk - .5);
  for (
    let s = random.uniform(5, 25);
    s < BOXES_END;
    s += random.uniform(22, 30)
  ) {
    const common = { s, seed: 0, facade: [0, 0, 0] as const };
    boxes.push({
      ...common,
      d,
      z: [0, 6.2],
      half: [.09, .09],
      colour: [.25, .25, .27],
      kind: BOX_KIND.plain,
    }, {
      ...common,
      d: d - side.sign * .9,
      z: [6, 6.25],
      half: [.25, .9],
      colour: [.6, .6, .6],
      kind: BOX_KIND.lamp,
    });
  }
  return boxes;
}

interface Street {
  readonly ownLanes: number;
  readonly otherLanes: number;
  readonly edges: readonly [number, number];
  readonly speedLimit: number;
}

function makeVehicles(random: WorldRandom, street: Street): Vehicle[] {
  const vehicles: Vehicle[] = [];
  const put = (s: number, speed: number, d: number, direction: 1 | -1) => {
    const colour = random.choose(PAINTS);
    const type = random.pick([.72, .16, .12]);
    const size = at(VEHICLE_SIZES, type);
    const hasCabin = type < 2;
    vehicles.push({ s, speed, d, direction, size, hasCabin, colour });
  };
  const { speedLimit, edges } = street;
  const busy = random.uniform(.3, 1);
  for (let lane = 0; lane < street.ownLanes; lane++) {
    let s = random.chance(.75)
      ? random.uniform(14, 34)
      : random.uniform(40, 80);
    while (s < 330) {
      const speed = speedLimit * random.uniform(.72, 1.05);
      put(s, speed, -(lane + .5) * LANE_WIDTH, 1);
      s += random.uniform(12, 34) / busy;
    }
  }
  for (let lane = 0; lane < street.otherLanes; lane++) {
    let s = random.uniform(8, 50);
    while (s < 620) {
      const speed = -speedLimit * random.uniform(.8, 1.15);
      put(s, speed, (lane + .5) * LANE_WIDTH, -1);
      s += random.uniform(14, 50) / busy;
    }
  }
  if (random.chance(.5)) {
    for (const direction of [1, -1] as const) {
      const d = direction > 0 ? edges[0] - .9 : edges[1] + .9;
      let s = random.uniform(0, 30);
      while (s < ROAD_LENGTH - 40) {
        if (random.chance(.6)) put(s, 0, d, direction);
        s += random.uniform(6, 16);
      }
    }
  }
  return vehicles;
}

function makePedestrians(
  random: WorldRandom,
  edges: readonly [number, number],
  sidewalk: number,
): Pedestrian[] {
  const count = Math.trunc(random.uniform(0, 26));
  return Array.from({ length: count }, () => {
    const isRight = random.chance(.5);
    const s = random.uniform(10, 380);
    const out = random.uniform(.5, sidewalk);
    const d = isRight ? edges[0] - out : edges[1] + out;
    const speed = random.uniform(-1.4, 1.4);
    return { s, d, speed, colour: random.choose(PAINTS) };
  });
}

function makeLight(
  random: WorldRandom,
  { night, rain, fog }: { night: boolean; rain: boolean; fog: boolean },
): Light {
  const azimuth = random.uniform(-3.14159, 3.14159);
  const elevation = random.uniform(.35, 1.1);
  const isGrey = rain || fog;
  let sky: Omit<Light, "azimuth" | "elevation" | "fog" | "clouds">;
  if (night) {
    const r = isGrey ? 1 : 0;
    sky = {
      zenith: [.02, .025, .05],
      horizon: [.07 + .03 * r, .07 + .03 * r, .10 + .02 * r],
      ambient: .16,
      sun: .10,
      headlights: random.uniform(.8, 1.1),
    };
  } else if (isGrey) {
    const g = random.uniform(.55, .72);
    sky = {
      zenith: scaled([.82, .86, .92], g),
      horizon: scaled([1.05, 1.06, 1.07], g),
      ambient: .66,
      sun: .12,
      headlights: 0,
    };
  } else {
    const warm = random.uniform() ** 2;
    sky = {
      zenith: [.20 + .1 * warm, .40 + .02 * warm, .72 - .1 * warm],
      horizon: [.72 + .15 * warm, .80 - .04 * warm, .88 - .2 * warm],
      ambient: .46,
      sun: random.uniform(.5, .72),
      headlights: 0,
    };
  }
  let density = .0035;
  if (fog) density = random.uniform(.016, .035);
  else if (rain) density = random.uniform(.008, .014);
  const clouds = isGrey ? .4 : random.uniform(0, .9);
  return { ...sky, azimuth, elevation, fog: density, clouds };
}

/**
 * Makes a place from a seed: road, buildings, trees, traffic, people, weather.
 *
 * The host computes in float64; equal seeds give equal worlds.
 *
 * @param seed unsigned 32-bit number
 * @throws {RangeError} if the seed is not an unsigned 32-bit integer
 */
export function makeWorld(seed: number): World {
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new RangeError(
      `Cannot make a world from seed ${seed}: it needs an integer from 0 to 4294967295`,
    );
  }
  const random = new WorldRandom(seed, 1);
  const night = random.chance(.2);
  const rain = random.chance(.22);
  const fog = random.chance(.12);
  const style = random.pick([.25, .25, .25, .25]);
  const ownLanes = 1 + random.pick([.5, .5]);
  const otherLanes = 1 + random.pick([.6, .4]);
  const speedLimit = at([7.5, 8.5, 9.5, 7], style) + random.uniform(-.6, .6) +
    (ownLanes === 2 ? 1.2 : 0);
  const sidewalk = random.uniform(1.6, 3.2);
  const yaw = random.uniform(-3.14159, 3.14159);
  const road = makeRoad(random);
  const edges = [-ownLanes * LANE_WIDTH, otherLanes * LANE_WIDTH] as const;

  const placing = new WorldRandom(seed, 2);
  const boxes: RoadBox[] = [];
  for (const sign of [-1, 1]) {
    const edge = sign < 0 ? edges[0] - sidewalk : edges[1] + sidewalk;
    const side = { sign, edge };
    boxes.push(
      ...makeBuildings(placing, style, side),
      ...makeTrees(placing, style, side),
      ...makeLampPosts(placing, sidewalk, side),
    );
  }
  const crosswalks: number[] = [];
  for (
    let s = placing.uniform(20, 90);
    s < ROAD_LENGTH;
    s += placing.uniform(55, 140)
  ) crosswalks.push(s);

  const traffic = new WorldRandom(seed, 3);
  const street = { ownLanes, otherLanes, edges, speedLimit };
  const vehicles = makeVehicles(traffic, street);
  const pedestrians = makePedestrians(traffic, edges, sidewalk);

  const sky = new WorldRandom(seed, 4);
  const light = makeLight(sky, { night, rain, fog });
  const green = sky.uniform(.8, 1.15);
  const grounds: readonly Colour[] = [
    [.28, .34, .18],
    [.40, .40, .37],
    [.44, .43, .42],
    [.24, .38, .14],
  ];
  return {
    seed,
    night,
    rain,
    fog,
    style,
    ownLanes,
    otherLanes,
    laneWidth: LANE_WIDTH,
    edges,
    speedLimit,
    sidewalk,
    yaw,
    road,
    boxes,
    crosswalks,
    vehicles,
    pedestrians,
    light,
    verge: scaled(at(grounds, style), green),
    asphalt: sky.uniform(.20, .33),
    skyline: at([.10, .12, .16, .09], style) * sky.uniform(.6, 1.3),
    dash: sky.uniform(5, 8),
    yellowLine: sky.chance(.6),
  };
}

/**
 * Describes a place as nuScenes describes its scenes: weather where it is
 * special, then the street.
 */
export function describe(world: World): string {
  const words: string[] = [];
  if (world.night) words.push("Night");
  if (world.rain) words.push("rain");
  if (world.fog) words.push("fog");
  return [...words, at(STYLES, world.style)].join(", ");
}
