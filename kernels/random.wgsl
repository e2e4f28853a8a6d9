// Random numbers by counter: element i of a row is word i of the row's stream.
//
//   bits:    words = philox4x32(counter = i / 4, key)[i % 4]
//   uniformUnit: y = (word >> 8) 2^-24
//   normal:  y(2i), y(2i+1) = r cos(a), r sin(a)
//            r = sqrt(-2 ln(u + 2^-24)), a = 2 pi v, with u, v uniform
//
// keys: (rows). y, words: (rows, cols). One invocation per four elements of a
// row; blocks = ceil(cols / 4). Box & Muller 1958.

struct Params {
  rows: u32,
  cols: u32,
  blocks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec2u>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> words: array<u32>;

// ln(x) for 0 < x <= 1 with small relative error near 1, which log() does not
// promise: x = m 2^e with m in [sqrt(1/2), sqrt(2)), ln m = 2 atanh(s).
fn naturalLog(x: f32) -> f32 {
  let bits = bitcast<u32>(x) - 0x3f3504f3u;
  let e = f32(bitcast<i32>(bits) >> 23u);
  let m = bitcast<f32>((bits & 0x7fffffu) + 0x3f3504f3u);
  let s = (m - 1.0) / (m + 1.0);
  let t = s * s;
  let series = 1.0 + t * (0.33333333 + t * (0.2 + t * (0.14285714 + t * 0.11111111)));
  return e * 0.6931471806 + 2.0 * s * series;
}

// cos and sin of 2 pi u for u in [0, 1), by quarter turns and Taylor series on
// [-pi/4, pi/4]; sin() and cos() may be off by 2^-11.
fn turn(u: f32) -> vec2f {
  let quarter = floor(4.0 * u + 0.5);
  let a = (4.0 * u - quarter) * 1.5707963268;
  let t = a * a;
  let c = 1.0 - t * (0.5 - t * (0.041666667 - t * (0.0013888889 - t * 2.4801587e-5)));
  let s = a * (1.0 - t * (0.16666667 - t * (0.0083333333 - t * (1.9841270e-4 - t * 2.7557319e-6))));
  switch (u32(quarter) & 3u) {
    case 0u: { return vec2f(c, s); }
    case 1u: { return vec2f(-s, c); }
    case 2u: { return vec2f(-c, -s); }
    default: { return vec2f(s, -c); }
  }
}

fn boxMuller(a: u32, b: u32) -> vec2f {
  let radius = sqrt(-2.0 * naturalLog(toUniform(a) + 5.9604644775390625e-8));
  return radius * turn(toUniform(b));
}

struct Draw {
  words: vec4u,
  start: u32,
  end: u32,
}

fn drawOf(group: vec3u, lane: u32) -> Draw {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let row = i / params.blocks;
  if (row >= params.rows) {
    return Draw(vec4u(), 0u, 0u);
  }
  let block = i - row * params.blocks;
  let start = row * params.cols + block * 4u;
  let end = min(start + 4u, (row + 1u) * params.cols);
  return Draw(philox4x32(vec4u(block, 0u, 0u, 0u), keys[row]), start, end);
}

@compute @workgroup_size(64)
fn bits(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let draw = drawOf(group, lane);
  for (var i = draw.start; i < draw.end; i++) {
    words[i] = draw.words[i - draw.start];
  }
}

@compute @workgroup_size(64)
fn uniformUnit(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let draw = drawOf(group, lane);
  for (var i = draw.start; i < draw.end; i++) {
    y[i] = toUniform(draw.words[i - draw.start]);
  }
}

@compute @workgroup_size(64)
fn normal(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let draw = drawOf(group, lane);
  let values = vec4f(
    boxMuller(draw.words.x, draw.words.y),
    boxMuller(draw.words.z, draw.words.w),
  );
  for (var i = draw.start; i < draw.end; i++) {
    y[i] = values[i - draw.start];
  }
}
