// Group normalization, channels last, with an activation behind it.
//
//   z = xhat * weight + bias      xhat = (x - mean) * rstd by sample and group
//   y = act(z)                    rstd = 1 / sqrt(variance + eps), biased
//   dx = rstd * (g - S1 / n - xhat * S2 / n)      g = dy * act'(z) * weight
//   S1 = sum of g, S2 = sum of g xhat over a group; n = pixels * C / groups
//
// x, y, dy, dx: (B, pixels, C), C a multiple of 4; mean, variance, s1 and s2
// (S1 / n, S2 / n): (B, groups); weight, bias: (C). Wu & He 2018.
//
// Sums over pixels are made in two steps: by chunks of pixels to (B, chunks, C)
// in outA and outB, which a second kernel reads as inA and inB and joins to
// (B, C). A chunk's squares are taken about its own mean, and joined as Chan et
// al. 1979 do, which stays accurate where |mean| is much larger than the spread.
// One invocation per four channels and chunk, sample, or RUN pixels, which
// share the reads of statistics and weights; one per sample and group to end.

const RUN: u32 = 8u;
const ACTIVATION: u32 = 0u; // knob: 0 none, 1 relu, 2 silu

struct Params {
  batch: u32,
  pixels: u32,
  width: u32,
  perGroup: u32,
  groups: u32,
  chunk: u32,
  chunks: u32,
  runs: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var x: texture_storage_2d<rgba32float, read>;
@group(0) @binding(2) var dy: texture_storage_2d<rgba32float, read>;
@group(0) @binding(3) var<storage, read> weight: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;
@group(0) @binding(5) var<storage, read> mean: array<f32>;
@group(0) @binding(6) var<storage, read> variance: array<f32>;
@group(0) @binding(7) var<storage, read> s1: array<f32>;
@group(0) @binding(8) var<storage, read> s2: array<f32>;
@group(0) @binding(9) var<storage, read> inA: array<vec4f>;
@group(0) @binding(10) var<storage, read> inB: array<vec4f>;
@group(0) @binding(11) var<storage, read_write> outA: array<vec4f>;
@group(0) @binding(12) var<storage, read_write> outB: array<vec4f>;
@group(0) @binding(13) var<storage, read> channelsA: array<f32>;
@group(0) @binding(14) var<storage, read> channelsB: array<f32>;
@group(0) @binding(15) var<storage, read> scales: array<f32>;
@group(0) @binding(16) var<storage, read_write> groupsA: array<f32>;
@group(0) @binding(17) var<storage, read_write> groupsB: array<f32>;
@group(0) @binding(18) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(19) var<storage, read_write> dx: array<vec4f>;

fn xAt(i: u32) -> vec4f {
  return textureLoad(x, vec2u(i & 1023u, i >> 10u));
}

fn dyAt(i: u32) -> vec4f {
  return textureLoad(dy, vec2u(i & 1023u, i >> 10u));
}

fn activated(z: vec4f) -> vec4f {
  if (ACTIVATION == 1u) {
    return relu(z);
  }
  if (ACTIVATION == 2u) {
    return silu(z);
  }
  return z;
}

// dy act'(z)
fn throughActivation(dy: vec4f, z: vec4f) -> vec4f {
  if (ACTIVATION == 1u) {
    return throughRelu(dy, z);
  }
  if (ACTIVATION == 2u) {
    return dy * siluSlope(z);
  }
  return dy;
}

// Groups of the four channels of texel c.
fn groupsOf(sample: u32, c: u32) -> vec4u {
  let channels = vec4u(c * 4u) + vec4u(0u, 1u, 2u, 3u);
  let group = vec4u((vec4f(channels) + 0.5) / f32(params.perGroup));
  return group + sample * params.groups;
}

struct Statistics {
  mean: vec4f,
  rstd: vec4f,
}

fn statisticsOf(g: vec4u) -> Statistics {
  let means = vec4f(mean[g.x], mean[g.y], mean[g.z], mean[g.w]);
  let own = vec4f(variance[g.x], variance[g.y], variance[g.z], variance[g.w]);
  return Statistics(means, inverseSqrt(own + params.eps));
}

// Four channels c of a part of a sample.
struct Cell {
  sample: u32,
  part: u32,
  c: u32,
}

fn cellOf(i: u32, parts: u32) -> Cell {
  let row = quotient(i, params.width);
  let sample = quotient(row, parts);
  return Cell(sample, row - sample * parts, i - row * params.width);
}

// Pixels of a chunk.
fn lengthOf(chunk: u32) -> u32 {
  return min(params.chunk, params.pixels - chunk * params.chunk);
}

// outA, outB = mean, and sum of squares about it, of a chunk.
@compute @workgroup_size(64)
fn moments(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let cell = cellOf(i, params.chunks);
  if (cell.sample >= params.batch) {
    return;
  }
  let length = lengthOf(cell.part);
  let first = cell.sample * params.pixels + cell.part * params.chunk;
  let start = first * params.width + cell.c;
  var total = vec4f();
  for (var p = 0u; p < length; p++) {
    total += xAt(start + p * params.width);
  }
  let centre = total / f32(length);
  var squares = vec4f();
  for (var p = 0u; p < length; p++) {
    let d = xAt(start + p * params.width) - centre;
    squares += d * d;
  }
  outA[i] = centre;
  outB[i] = squares;
}

// outA, outB = mean, and sum of squares about it, of a channel of a sample.
@compute @workgroup_size(64)
fn joinMoments(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let cell = cellOf(i, 1u);
  if (cell.sample >= params.batch) {
    return;
  }
  let start = cell.sample * params.chunks * params.width + cell.c;
  let chunks = opaque(params.chunks, group);
  var total = vec4f();
  for (var chunk = 0u; chunk < chunks; chunk++) {
    total += inA[start + chunk * params.width] * f32(lengthOf(chunk));
  }
  let centre = total / f32(params.pixels);
  var squares = vec4f();
  for (var chunk = 0u; chunk < chunks; chunk++) {
    let d = inA[start + chunk * params.width] - centre;
    squares += inB[start + chunk * params.width] + d * d * f32(lengthOf(chunk));
  }
  outA[i] = centre;
  outB[i] = squares;
}

// groupsA, groupsB = mean and variance of a group of a sample.
@compute @workgroup_size(64)
fn groupMoments(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  if (i >= params.batch * params.groups) {
    return;
  }
  let start = i * params.perGroup;
  var total = 0.0;
  for (var c = start; c < start + params.perGroup; c++) {
    total += channelsA[c];
  }
  let centre = total / f32(params.perGroup);
  var squares = 0.0;
  for (var c = start; c < start + params.perGroup; c++) {
    let d = channelsA[c] - centre;
    squares += channelsB[c] + d * d * f32(params.pixels);
  }
  groupsA[i] = centre;
  groupsB[i] = squares / (f32(params.perGroup) * f32(params.pixels));
}

@compute @workgroup_size(64)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let cell = cellOf(i, params.runs);
  if (cell.sample >= params.batch) {
    return;
  }
  let own = statisticsOf(groupsOf(cell.sample, cell.c));
  let scale = own.rstd * weight[cell.c];
  let shift = bias[cell.c];
  let start = cell.part * RUN;
  let end = min(start + RUN, params.pixels);
  for (var p = start; p < end; p++) {
    let at = (cell.sample * params.pixels + p) * params.width + cell.c;
    y[at] = activated((xAt(at) - own.mean) * scale + shift);
  }
}

// outA, outB = sums over a chunk of dz and dz xhat.
@compute @workgroup_size(64)
fn dots(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let cell = cellOf(i, params.chunks);
  if (cell.sample >= params.batch) {
    return;
  }
  let own = statisticsOf(groupsOf(cell.sample, cell.c));
  let scale = weight[cell.c];
  let shift = bias[cell.c];
  let length = lengthOf(cell.part);
  let first = cell.sample * params.pixels + cell.part * params.chunk;
  let start = first * params.width + cell.c;
  var total = vec4f();
  var dot = vec4f();
  for (var p = 0u; p < length; p++) {
    let at = start + p * params.width;
    let xhat = (xAt(at) - own.mean) * own.rstd;
    let dz = throughActivation(dyAt(at), xhat * scale + shift);
    total += dz;
    dot += dz * xhat;
  }
  outA[i] = total;
  outB[i] = dot;
}

// outA, outB = sums of inA and inB over the chunks of a sample.
@compute @workgroup_size(64)
fn joinDots(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let cell = cellOf(i, 1u);
  if (cell.sample >= params.batch) {
    return;
  }
  let start = cell.sample * params.chunks * params.width + cell.c;
  let chunks = opaque(params.chunks, group);
  var total = vec4f();
  var dot = vec4f();
  for (var chunk = 0u; chunk < chunks; chunk++) {
    total += inA[start + chunk * params.width];
    dot += inB[start + chunk * params.width];
  }
  outA[i] = total;
  outB[i] = dot;
}

// groupsA, groupsB = S1 / n and S2 / n of a group of a sample.
@compute @workgroup_size(64)
fn groupDots(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  if (i >= params.batch * params.groups) {
    return;
  }
  let sample = quotient(i, params.groups);
  let channel = (i - sample * params.groups) * params.perGroup;
  let start = i * params.perGroup;
  let perGroup = opaque(params.perGroup, group);
  var total = 0.0;
  var dot = 0.0;
  for (var c = 0u; c < perGroup; c++) {
    total += channelsA[start + c] * scales[channel + c];
    dot += channelsB[start + c] * scales[channel + c];
  }
  let n = f32(params.perGroup) * f32(params.pixels);
  groupsA[i] = total / n;
  groupsB[i] = dot / n;
}

@compute @workgroup_size(64)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let cell = cellOf(i, params.runs);
  if (cell.sample >= params.batch) {
    return;
  }
  let g = groupsOf(cell.sample, cell.c);
  let own = statisticsOf(g);
  let sum = vec4f(s1[g.x], s1[g.y], s1[g.z], s1[g.w]);
  let dot = vec4f(s2[g.x], s2[g.y], s2[g.z], s2[g.w]);
  let scale = weight[cell.c];
  let shift = bias[cell.c];
  let start = cell.part * RUN;
  let end = min(start + RUN, params.pixels);
  for (var p = start; p < end; p++) {
    let at = (cell.sample * params.pixels + p) * params.width + cell.c;
    let xhat = (xAt(at) - own.mean) * own.rstd;
    let dz = throughActivation(dyAt(at), xhat * scale + shift);
    dx[at] = own.rstd * (dz * scale - sum - xhat * dot);
  }
}
