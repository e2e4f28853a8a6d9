// The embedded world seen by its camera: one workgroup per tile of 8 x 8 pixels,
// 2 x 2 rays a pixel, each through boxes, ground and sky, then light, headlights
// and fog. A strip of 8 columns has its own list of boxes.
//
//   ray:    (1, -(u - W/2)/f, -(v - 0.47 H)/f), f = 0.72 W, from 1.55 m height
//   pixel = round(255 mean over rays of colour), packed r + 256 g + 65536 b
//
// The ego's frame: x ahead, y left, z up, metres. Random textures come from a
// 32-bit hash, equal on the host.

struct Params {
  width: u32,
  height: u32,
}

struct Frame {
  yaw: f32,
  seed: f32,
  night: f32,
  rain: f32,
  sunX: f32,
  sunY: f32,
  sunZ: f32,
  ambient: f32,
  sun: f32,
  fog: f32,
  laneWidth: f32,
  ownLanes: f32,
  otherLanes: f32,
  sidewalk: f32,
  isUrban: f32,
  clouds: f32,
  zenithR: f32,
  zenithG: f32,
  zenithB: f32,
  horizonR: f32,
  horizonG: f32,
  horizonB: f32,
  vergeR: f32,
  vergeG: f32,
  vergeB: f32,
  asphalt: f32,
  skyline: f32,
  dash: f32,
  crosswalk0: f32,
  crosswalk1: f32,
  yellow: f32,
  headlights: f32,
}

struct Box {
  x: f32,
  y: f32,
  z0: f32,
  z1: f32,
  halfX: f32,
  halfY: f32,
  cos: f32,
  sin: f32,
  r: f32,
  g: f32,
  b: f32,
  kind: f32,
  seed: f32,
  windowWidth: f32,
  storey: f32,
  shopFront: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Everything that rays read over and over comes from texels of four floats: the
// software driver loads those many times faster than structs from buffers.
// (frames, 8): the fields of Frame.
@group(0) @binding(1) var frames: texture_storage_2d<rgba32float, read>;
// (frames, 64, 3): lateral offset, relative heading, arc length of the centre
// line every 2 m ahead.
@group(0) @binding(2) var<storage, read> tables: array<f32>;
// (boxes, 4): the fields of Box.
@group(0) @binding(3) var boxes: texture_storage_2d<rgba32float, read>;
// (frames, strips, 2): where solid boxes and foliage of a strip begin in
// `listed`; one more entry at the end.
@group(0) @binding(4) var<storage, read> starts: array<u32>;
// Numbers of boxes, four a texel, whole and below 2^24.
@group(0) @binding(5) var listed: texture_storage_2d<rgba32float, read>;
@group(0) @binding(6) var<storage, read_write> pixels: array<u32>;

fn place(i: u32) -> vec2u {
  return vec2u(i & 1023u, i >> 10u);
}

fn frameAt(frame: u32) -> Frame {
  let i = 8u * frame;
  let a = textureLoad(frames, place(i));
  let b = textureLoad(frames, place(i + 1u));
  let c = textureLoad(frames, place(i + 2u));
  let d = textureLoad(frames, place(i + 3u));
  let e = textureLoad(frames, place(i + 4u));
  let f = textureLoad(frames, place(i + 5u));
  let g = textureLoad(frames, place(i + 6u));
  let h = textureLoad(frames, place(i + 7u));
  return Frame(
    a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w,
    c.x, c.y, c.z, c.w, d.x, d.y, d.z, d.w,
    e.x, e.y, e.z, e.w, f.x, f.y, f.z, f.w,
    g.x, g.y, g.z, g.w, h.x, h.y, h.z, h.w,
  );
}

fn boxAt(i: u32) -> Box {
  let a = textureLoad(boxes, place(4u * i));
  let b = textureLoad(boxes, place(4u * i + 1u));
  let c = textureLoad(boxes, place(4u * i + 2u));
  let d = textureLoad(boxes, place(4u * i + 3u));
  return Box(
    a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w,
    c.x, c.y, c.z, c.w, d.x, d.y, d.z, d.w,
  );
}

fn listedAt(entry: u32) -> u32 {
  return u32(textureLoad(listed, place(entry >> 2u))[entry & 3u]);
}

const CAMERA_HEIGHT = 1.55;
const TABLE_ROWS = 64u;
const FAR = 1e9;

const BUILDING = 0u;
const FOLIAGE = 2u;
const VEHICLE = 3u;
const CABIN = 4u;
const LAMP = 5u;

const REAR = 0u;
const FRONT = 1u;
const SIDE = 2u;
const ROOF = 3u;

fn hash(word: u32) -> u32 {
  var x = word;
  x ^= x >> 16u;
  x *= 0x7feb352du;
  x ^= x >> 15u;
  x *= 0x846ca68bu;
  x ^= x >> 16u;
  return x;
}

fn random2(i: i32, j: i32, seed: u32) -> f32 {
  let a = bitcast<u32>(i) * 0x9e3779b9u;
  let b = hash(bitcast<u32>(j) + seed * 0x85ebca6bu);
  return f32(hash(a ^ b) >> 8u) * 5.9604644775390625e-8;
}

fn smoothed(t: f32) -> f32 {
  return t * t * (3.0 - 2.0 * t);
}

fn noise1(x: f32, seed: u32) -> f32 {
  let i = i32(floor(x));
  let t = smoothed(x - floor(x));
  return mix(random2(i, 0, seed), random2(i + 1, 0, seed), t);
}

fn noise2(x: f32, y: f32, seed: u32) -> f32 {
  let i = i32(floor(x));
  let j = i32(floor(y));
  let a = smoothed(x - floor(x));
  let b = smoothed(y - floor(y));
  return mix(
    mix(random2(i, j, seed), random2(i + 1, j, seed), a),
    mix(random2(i, j + 1, seed), random2(i + 1, j + 1, seed), a),
    b,
  );
}

fn within(x: f32, low: f32, high: f32) -> bool {
  return x > low && x < high;
}

// Four rays of a pixel, and the nearest thing on each.
struct Rays {
  x: vec4f,
  y: vec4f,
  z: vec4f,
}

struct Nearest {
  t: vec4f,
  box: vec4u,
}

fn inverseOf(d: vec4f) -> vec4f {
  return 1.0 / select(d, vec4f(1e-6), abs(d) < vec4f(1e-6));
}

fn closer(best: Nearest, t: vec4f, isHit: vec4<bool>, i: u32) -> Nearest {
  let isCloser = isHit & (t > vec4f(0.05)) & (t < best.t);
  return Nearest(select(best.t, t, isCloser), select(best.box, vec4u(i), isCloser));
}

// A strip lists its solid boxes from starts[2 strip], its foliage from
// starts[2 strip + 1].
fn trace(strip: u32, rays: Rays) -> Nearest {
  var best = Nearest(vec4f(FAR), vec4u());
  let middle = starts[2u * strip + 1u];
  for (var entry = starts[2u * strip]; entry < middle; entry++) {
    let i = listedAt(entry);
    let box = boxAt(i);
    // Origin and direction of the rays in the frame of the box.
    let ox = -box.x * box.cos - box.y * box.sin;
    let oy = box.x * box.sin - box.y * box.cos;
    let ix = inverseOf(rays.x * box.cos + rays.y * box.sin);
    let iy = inverseOf(rays.y * box.cos - rays.x * box.sin);
    let iz = inverseOf(rays.z);
    let ax = (-box.halfX - ox) * ix;
    let bx = (box.halfX - ox) * ix;
    let ay = (-box.halfY - oy) * iy;
    let by = (box.halfY - oy) * iy;
    let az = (box.z0 - CAMERA_HEIGHT) * iz;
    let bz = (box.z1 - CAMERA_HEIGHT) * iz;
    let enter = max(min(ax, bx), max(min(ay, by), min(az, bz)));
    let leave = min(max(ax, bx), min(max(ay, by), max(az, bz)));
    best = closer(best, enter, enter < leave, i);
  }
  let end = starts[2u * strip + 2u];
  for (var entry = middle; entry < end; entry++) {
    let i = listedAt(entry);
    let box = boxAt(i);
    let high = 0.5 * (box.z1 - box.z0);
    let ox = (-box.x * box.cos - box.y * box.sin) / box.halfX;
    let oy = (box.x * box.sin - box.y * box.cos) / box.halfY;
    let oz = (CAMERA_HEIGHT - 0.5 * (box.z0 + box.z1)) / high;
    let dx = (rays.x * box.cos + rays.y * box.sin) / box.halfX;
    let dy = (rays.y * box.cos - rays.x * box.sin) / box.halfY;
    let dz = rays.z / high;
    let dd = dx * dx + dy * dy + dz * dz;
    let od = dx * ox + dy * oy + dz * oz;
    let inside = od * od - dd * (ox * ox + oy * oy + oz * oz - 1.0);
    let t = (-od - sqrt(max(inside, vec4f()))) / dd;
    best = closer(best, t, inside > vec4f(), i);
  }
  return best;
}

// Where a ray meets a box.
struct Hit {
  t: f32,
  face: u32,
  normal: vec3f,
  // Metres across the face and above the ground; for foliage, angles.
  u: f32,
  z: f32,
}

fn meet(box: Box, ray: vec3f, t: f32) -> Hit {
  let x = t * ray.x - box.x;
  let y = t * ray.y - box.y;
  let z = CAMERA_HEIGHT + t * ray.z;
  // The place, and the direction of the ray, in the frame of the box.
  let px = x * box.cos + y * box.sin;
  let py = y * box.cos - x * box.sin;
  let dx = ray.x * box.cos + ray.y * box.sin;
  let dy = ray.y * box.cos - ray.x * box.sin;
  if (u32(box.kind) == FOLIAGE) {
    let high = 0.5 * (box.z1 - box.z0);
    let n = normalize(vec3f(
      px / (box.halfX * box.halfX),
      py / (box.halfY * box.halfY),
      (z - 0.5 * (box.z0 + box.z1)) / (high * high),
    ));
    let normal = vec3f(n.x * box.cos - n.y * box.sin, n.x * box.sin + n.y * box.cos, n.z);
    return Hit(t, SIDE, normal, 2.0 * atan2(n.y, n.x), 3.0 * n.z);
  }
  // How far outside each pair of faces the entry lies; the face entered has
  // the largest, and would be zero in exact numbers.
  let offX = abs(px) - box.halfX;
  let offY = abs(py) - box.halfY;
  let offZ = max(box.z0 - z, z - box.z1);
  if (offX >= offY && offX >= offZ) {
    let sign = select(1.0, -1.0, dx > 0.0);
    let face = select(FRONT, REAR, dx > 0.0);
    return Hit(t, face, vec3f(sign * box.cos, sign * box.sin, 0.0), py, z);
  }
  if (offY >= offZ) {
    let sign = select(1.0, -1.0, dy > 0.0);
    return Hit(t, SIDE, vec3f(-sign * box.sin, sign * box.cos, 0.0), px, z);
  }
  let up = select(1.0, -1.0, ray.z > 0.0);
  return Hit(t, ROOF, vec3f(0.0, 0.0, up), 0.0, z);
}

fn horizonOf(f: Frame) -> vec3f {
  return vec3f(f.horizonR, f.horizonG, f.horizonB);
}

fn isDash(f: Frame, s: f32) -> bool {
  return fract(s / f.dash) < 0.45;
}

// Asphalt with its paint, in road coordinates.
fn road(f: Frame, s: f32, d: f32, grain: f32, ahead: f32, t: f32) -> vec3f {
  let seed = u32(f.seed);
  let right = -f.ownLanes * f.laneWidth;
  let left = f.otherLanes * f.laneWidth;
  let grey = f.asphalt * (1.0 + 0.35 * grain);
  var colour = vec3f(grey, grey, 1.03 * grey);
  let puddles = clamp(2.0 * noise2(0.11 * s, 0.3 * d, seed + 13u) - 0.6, 0.0, 1.0);
  let wet = f.rain * (0.25 + 0.45 * puddles);
  let mirror = clamp(0.25 + 0.012 * t, 0.0, 0.8) * wet;
  colour = mix(colour * (1.0 - 0.25 * f.rain), horizonOf(f), mirror);

  var isPaint = false;
  var yellow = 0.0;
  let line = 0.13 + 0.0012 * ahead;
  if (abs(d) < 1.2 * line) {
    isPaint = true;
    yellow = f.yellow;
  }
  if (f.ownLanes > 1.5 && abs(d + f.laneWidth) < line && isDash(f, s)) {
    isPaint = true;
  }
  if (f.otherLanes > 1.5 && abs(d - f.laneWidth) < line && isDash(f, s)) {
    isPaint = true;
  }
  if (abs(d - right - 0.35) < line || abs(d - left + 0.35) < line) {
    isPaint = true;
  }
  let a = s - f.crosswalk0;
  let b = s - f.crosswalk1;
  if (within(a, 0.0, 3.5) || within(b, 0.0, 3.5)) {
    isPaint = fract(d / 1.1) < 0.5;
    yellow = 0.0;
  }
  if ((within(a, -1.6, -1.1) || within(b, -1.6, -1.1)) && d < 0.0) {
    isPaint = true;
    yellow = 0.0;
  }
  if (d < right || d > left) {
    return vec3f(0.52);
  }
  let paint = (0.78 + 0.1 * grain) * vec3f(1.0, 1.0 - 0.18 * yellow, 1.0 - 0.65 * yellow);
  return select(colour, paint, isPaint);
}

fn ground(f: Frame, frame: u32, ray: vec3f, t: f32) -> vec3f {
  let seed = u32(f.seed);
  let spot = ray.xy * t;
  let x = clamp(0.5 * spot.x, 0.0, f32(TABLE_ROWS) - 1.001);
  let row = u32(x);
  let at = (frame * TABLE_ROWS + row) * 3u;
  let a = vec3f(tables[at], tables[at + 1u], tables[at + 2u]);
  let b = vec3f(tables[at + 3u], tables[at + 4u], tables[at + 5u]);
  let centre = mix(a, b, x - f32(row));
  let aside = spot.y - centre.x;
  let d = aside * cos(centre.y);
  let s = centre.z + aside * sin(centre.y);
  let right = -f.ownLanes * f.laneWidth;
  let left = f.otherLanes * f.laneWidth;
  let detail = exp(-0.04 * spot.x);
  let grain = detail * (noise2(1.7 * s, 1.7 * d, seed + 11u) - 0.5) +
    0.9 * (noise2(0.15 * s, 0.35 * d, seed + 12u) - 0.5);
  var colour = vec3f(f.vergeR, f.vergeG, f.vergeB) * (1.0 + 0.7 * grain);
  if (within(d, right - 0.3, left + 0.3)) {
    colour = road(f, s, d, grain, spot.x, t);
  } else if (within(d, right - 0.3 - f.sidewalk, left + 0.3 + f.sidewalk)) {
    var grey = 0.46 + 0.06 * f.isUrban + 0.12 * grain;
    if (fract(0.5 * s) < 0.32 * detail && spot.x < 25.0) {
      grey *= 0.85;
    }
    colour = grey * vec3f(1.02, 1.0, 0.95);
  }
  return colour * (f.ambient + f.sun * max(f.sunZ, 0.0));
}

// Colour of a surface (rgb) and how much of it is its own light (a).
fn building(f: Frame, box: Box, hit: Hit, base: vec3f) -> vec4f {
  if (hit.face == ROOF) {
    return vec4f(vec3f(0.3), 0.0);
  }
  let seed = u32(box.seed);
  let u = hit.u / box.windowWidth + 64.0;
  let v = hit.z / box.storey;
  let cell = vec2f(floor(u), floor(v));
  let inCell = vec2f(u, v) - cell;
  let lamp = random2(i32(cell.x) * 7 + i32(hit.face), i32(cell.y), seed);
  var colour = base * (1.0 + 0.16 * (noise2(0.8 * hit.u, 0.8 * hit.z, seed + 3u) - 0.5));
  var isWindow = within(inCell.x, 0.2, 0.8) && within(inCell.y, 0.25, 0.8) &&
    hit.z < box.z1 - 0.5;
  if (hit.z < box.storey && box.shopFront > 0.5) {
    isWindow = within(inCell.x, 0.08, 0.92) && within(inCell.y, 0.1, 0.7);
  }
  var glow = 0.0;
  if (isWindow) {
    let sky = vec3f(0.12 * f.zenithR, 0.16 * f.zenithG, 0.2 * f.zenithB);
    let glass = 0.10 + 0.25 * lamp + sky;
    colour = mix(colour, glass, 0.55 + 0.45 * exp(-0.012 * hit.t));
    glow = select(0.0, 0.75, f.night > 0.5 && lamp > 0.62);
  }
  return vec4f(colour * select(1.0, 0.8, hit.z > box.z1 - 0.6), glow);
}

fn vehicle(f: Frame, box: Box, hit: Hit, base: vec3f) -> vec4f {
  var colour = base * select(1.0, 0.25, hit.z < 0.38 + box.z0);
  var glow = 0.0;
  if (hit.face == REAR || hit.face == FRONT) {
    let across = abs(hit.u) / box.halfY;
    if (across > 0.6 && within(hit.z, 0.6, 0.95)) {
      let isRear = hit.face == REAR;
      colour = select(vec3f(0.95, 0.93, 0.8), vec3f(0.75, 0.04, 0.04), isRear);
      glow = select(0.3 + 0.7 * f.night, 0.35 + 0.4 * f.night, isRear);
    } else if (across < 0.3 && within(hit.z, 0.5, 0.68)) {
      colour = vec3f(0.8);
    }
  } else if (hit.face == SIDE) {
    let wheel = abs(abs(hit.u) - 0.62 * box.halfX);
    if (hit.z < 0.62 && wheel < 0.36) {
      colour = vec3f(0.04);
    }
  }
  return vec4f(colour, glow);
}

fn surface(f: Frame, box: Box, hit: Hit) -> vec4f {
  let base = vec3f(box.r, box.g, box.b);
  switch (u32(box.kind)) {
    case BUILDING: {
      return building(f, box, hit, base);
    }
    case FOLIAGE: {
      let leaves = noise2(2.0 * hit.u, 1.3 * hit.z, u32(box.seed)) - 0.5;
      return vec4f(base * (1.0 + 0.8 * leaves), 0.0);
    }
    case VEHICLE: {
      return vehicle(f, box, hit, base);
    }
    case CABIN: {
      let isGlass = hit.face != ROOF && within(hit.z, box.z0 + 0.08, box.z1 - 0.12);
      let glass = (0.10 + 0.1 * (1.0 - f.night)) * vec3f(1.0, 1.1, 1.25);
      return vec4f(select(base, glass, isGlass), 0.0);
    }
    case LAMP: {
      return vec4f(base, select(0.1, 1.0, f.night > 0.5));
    }
    default: {
      return vec4f(base, 0.0);
    }
  }
}

fn sky(f: Frame, ray: vec3f) -> vec3f {
  let seed = u32(f.seed);
  let day = 1.0 - f.night;
  let up = asin(clamp(ray.z, -1.0, 1.0));
  let around = atan2(ray.y, ray.x) + f.yaw;
  let zenith = vec3f(f.zenithR, f.zenithG, f.zenithB);
  var colour = mix(horizonOf(f), zenith, sqrt(clamp(1.6 * up, 0.0, 1.0)));
  let billows = 0.65 * noise2(3.0 * around, 9.0 * up, seed + 21u) +
    0.35 * noise2(7.0 * around, 22.0 * up, seed + 22u);
  let cloud = f.clouds * clamp(2.2 * billows - 0.9, 0.0, 1.0) * clamp(8.0 * up, 0.0, 1.0);
  colour = mix(colour, vec3f(0.9 * day + 0.05), cloud);

  let isUrban = f.isUrban > 0.5;
  let block = i32(floor(14.0 * around));
  let roof = select(noise1(9.0 * around, seed + 25u), random2(block, 3, seed + 24u), isUrban);
  let top = f.skyline * (0.35 + 0.65 * noise1(2.3 * around, seed + 23u)) * (0.55 + 0.45 * roof);
  if (up < top) {
    let tone = select(0.4, random2(block, 5, seed + 26u), isUrban);
    let light = (0.22 + 0.22 * tone) * (f.ambient + 0.5 * f.sun);
    let tint = select(vec3f(0.7, 0.95, 0.75), vec3f(1.0, 1.0, 1.05), isUrban);
    colour = mix(colour, light * tint, 0.55);
    if (f.night > 0.5 && isUrban) {
      let speck = random2(i32(floor(56.0 * around)), i32(floor(70.0 * up)), seed + 27u);
      if (speck > 0.8) {
        colour = mix(colour, vec3f(0.7, 0.6, 0.35), 0.6);
      }
    }
  }
  return clamp(colour, vec3f(), vec3f(1.0));
}

fn shade(f: Frame, frame: u32, ray: vec3f, nearest: f32, index: u32) -> vec3f {
  let down = select(FAR, -CAMERA_HEIGHT / ray.z, ray.z < -1e-4);
  var colour: vec3f;
  var t = nearest;
  var glow = 0.0;
  // How much of the headlights' light comes back.
  var facing = 1.0;
  if (down < nearest && down < 400.0) {
    t = down;
    colour = ground(f, frame, ray, t);
  } else if (nearest < FAR) {
    let box = boxAt(index);
    let hit = meet(box, ray, t);
    let lit = surface(f, box, hit);
    let kind = u32(box.kind);
    let toSun = dot(hit.normal, vec3f(f.sunX, f.sunY, f.sunZ));
    let roofLight = select(0.0, 0.12 * (1.0 - f.night), hit.normal.z > 0.0);
    let light = f.ambient + f.sun * max(toSun, 0.0) + roofLight;
    facing = 0.5 + 0.5 * max(-hit.normal.x, 0.0);
    glow = lit.a;
    colour = mix(lit.rgb * light, lit.rgb, glow);
    if (kind == BUILDING && glow > 0.7) {
      colour = vec3f(0.85, 0.7, 0.4);
    }
    if (kind == LAMP && f.night > 0.5) {
      colour = vec3f(1.0, 0.85, 0.55);
    }
  } else {
    return sky(f, ray);
  }
  let spot = ray.xy * t;
  if (f.headlights > 0.0 && glow < 0.3) {
    let off = spot.y / (1.6 + 0.16 * spot.x);
    let beam = f.headlights * facing * exp(-off * off) * exp(-0.045 * spot.x) *
      clamp(0.25 * spot.x, 0.0, 1.0);
    colour *= 1.0 + beam * vec3f(6.0, 5.6, 4.8);
  }
  let haze = (1.0 - exp(-f.fog * t)) * (1.0 - 0.5 * glow);
  return clamp(mix(colour, horizonOf(f), haze), vec3f(), vec3f(1.0));
}

@compute @workgroup_size(64)
fn render(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let frame = group.z;
  let strips = (params.width + 7u) / 8u;
  let strip = frame * strips + group.x;
  let x = group.x * 8u + (lane & 7u);
  let y = group.y * 8u + (lane >> 3u);
  let f = frameAt(frame);
  let width = f32(params.width);
  let focal = 0.72 * width;
  let u = f32(x) - 0.5 * width + vec4f(0.25, 0.75, 0.25, 0.75);
  let v = f32(y) - 0.47 * f32(params.height) + vec4f(0.25, 0.25, 0.75, 0.75);
  let scale = inverseSqrt(1.0 + (u * u + v * v) / (focal * focal));
  let rays = Rays(scale, -u / focal * scale, -v / focal * scale);
  let nearest = trace(strip, rays);
  var colour = vec3f();
  for (var k = 0u; k < 4u; k++) {
    let ray = vec3f(rays.x[k], rays.y[k], rays.z[k]);
    colour += shade(f, frame, ray, nearest.t[k], nearest.box[k]);
  }
  let level = vec3u(colour * (0.25 * 255.0) + 0.5);
  if (x < params.width && y < params.height) {
    pixels[(frame * params.height + y) * params.width + x] =
      level.x | (level.y << 8u) | (level.z << 16u);
  }
}
