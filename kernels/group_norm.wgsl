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
// image_texels.wgsl declares x, y, dy and dx.

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
@group(0) @binding(5) var<storage, read> weight: array<vec4f>;
@group(0) @binding(6) var<storage, read> bias: array<vec4f>;
@group(0) @binding(7) var<storage, read> mean: array<f32>;
@group(0) @binding(8) var<storage, read> variance: array<f32>;
@group(0) @binding(9) var<storage, read> s1: array<f32>;
@group(0) @binding(10) var<storage, read> s2: array<f32>;
@group(0) @binding(11) var<storage, read> inA: array<vec4f>;
@group(0) @binding(12) var<storage, read> inB: array<vec4f>;
@group(0) @binding(13) var<storage, read_write> outA: array<vec4f>;
@group(0) @binding(14) var<storage, read_write> outB: array<vec4f>;
@group(0) @binding(15) var<storage, read> channelsA: array<f32>;
@group(0) @binding(16) var<storage, read> channelsB: array<f32>;
@group(0) @binding(17) var<storage, read> scales: array<f32>;
@group(0) @binding(18) var<storage, read_write> groupsA: array<f32>;
@group(0) @binding(19) var<storage, read_write> groupsB: array<f32>;

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

// Groups of the channels.
fn groupsOf(cell: Cell) -> vec4u {
  let channels = vec4u(cell.c * 4u) + vec4u(0u, 1u, 2u, 3u);
  let group = vec4u((vec4f(channels) + 0.5) / f32(params.perGroup));
  return group + cell.sample * params.groups;
}

// Statistics and affine of four channels of a sample.
struct Channels {
  mean: vec4f,
  rstd: vec4f,
  weight: vec4f,
  bias: vec4f,
}

fn channelsOf(cell: Cell) -> Channels {
  let g = groupsOf(cell);
  let means = vec4f(mean[g.x], mean[g.y], mean[g.z], mean[g.w]);
  let own = vec4f(variance[g.x], variance[g.y], variance[g.z], variance[g.w]);
  return Channels(means, inverseSqrt(own + params.eps), weight[cell.c], bias[cell.c]);
}

// What the gradients of four channels of a pixel are made of.
struct Slope {
  xhat: vec4f,
  dz: vec4f,
}

fn slopeAt(at: u32, channels: Channels) -> Slope {
  let xhat = (xAt(at) - channels.mean) * channels.rstd;
  return Slope(xhat, throughActivation(dyAt(at), xhat * channels.weight + channels.bias));
}

// Index of four channels of a pixel of a sample.
fn indexAt(cell: Cell, pixel: u32) -> u32 {
  return (cell.sample * params.pixels + pixel) * params.width + cell.c;
}

// First and past-last pixel of a run.
fn runOf(cell: Cell) -> vec2u {
  return vec2u(cell.part * RUN, min(cell.part * RUN + RUN, params.pixels));
}

// Pixels of a chunk.
fn lengthOf(chunk: u32) -> u32 {
  return min(params.chunk, params.pixels - chunk * params.chunk);
}

// outA, outB = mean, and sum of squares about it, of a chunk.
@compute @workgroup_size(64)
fn moments(own: Invocation) {
  let i = indexOf(own);
  let cell = cellOf(i, params.chunks);
  if (cell.sample >= params.batch) {
    return;
  }
  let length = lengthOf(cell.part);
  let start = indexAt(cell, cell.part * params.chunk);
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
fn joinMoments(own: Invocation) {
  let i = indexOf(own);
  let cell = cellOf(i, 1u);
  if (cell.sample >= params.batch) {
    return;
  }
  let start = cell.sample * params.chunks * params.width + cell.c;
  let chunks = opaque(params.chunks, own.group);
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
fn groupMoments(own: Invocation) {
  let i = indexOf(own);
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
fn forward(own: Invocation) {
  let i = indexOf(own);
  let cell = cellOf(i, params.runs);
  if (cell.sample >= params.batch) {
    return;
  }
  let channels = channelsOf(cell);
  let scale = channels.rstd * channels.weight;
  let run = runOf(cell);
  for (var p = run.x; p < run.y; p++) {
    let at = indexAt(cell, p);
    y[at] = activated((xAt(at) - channels.mean) * scale + channels.bias);
  }
}

// outA, outB = sums over a chunk of dz and dz xhat.
@compute @workgroup_size(64)
fn dots(own: Invocation) {
  let i = indexOf(own);
  let cell = cellOf(i, params.chunks);
  if (cell.sample >= params.batch) {
    return;
  }
  let channels = channelsOf(cell);
  let length = lengthOf(cell.part);
  let start = indexAt(cell, cell.part * params.chunk);
  var total = vec4f();
  var dot = vec4f();
  for (var p = 0u; p < length; p++) {
    let slope = slopeAt(start + p * params.width, channels);
    total += slope.dz;
    dot += slope.dz * slope.xhat;
  }
  outA[i] = total;
  outB[i] = dot;
}

// outA, outB = sums of inA and inB over the chunks of a sample.
@compute @workgroup_size(64)
fn joinDots(own: Invocation) {
  let i = indexOf(own);
  let cell = cellOf(i, 1u);
  if (cell.sample >= params.batch) {
    return;
  }
  let start = cell.sample * params.chunks * params.width + cell.c;
  let chunks = opaque(params.chunks, own.group);
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
fn groupDots(own: Invocation) {
  let i = indexOf(own);
  if (i >= params.batch * params.groups) {
    return;
  }
  let sample = quotient(i, params.groups);
  let channel = (i - sample * params.groups) * params.perGroup;
  let start = i * params.perGroup;
  let perGroup = opaque(params.perGroup, own.group);
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
fn backward(own: Invocation) {
  let i = indexOf(own);
  let cell = cellOf(i, params.runs);
  if (cell.sample >= params.batch) {
    return;
  }
  let g = groupsOf(cell);
  let sum = vec4f(s1[g.x], s1[g.y], s1[g.z], s1[g.w]);
  let dot = vec4f(s2[g.x], s2[g.y], s2[g.z], s2[g.w]);
  let channels = channelsOf(cell);
  let run = runOf(cell);
  for (var p = run.x; p < run.y; p++) {
    let at = indexAt(cell, p);
    let slope = slopeAt(at, channels);
    dx[at] = channels.rstd * (slope.dz * channels.weight - sum - slope.xhat * dot);
  }
}
