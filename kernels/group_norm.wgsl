// Group normalization, channels last.
//
//   y = (x - mean) * rstd * weight + bias      mean, rstd by sample and group
//   dx = rstd * (g - S1 / n - xhat * S2 / n)   g = dy * weight
//   S1 = sum of g, S2 = sum of g xhat over a group; n = pixels * C / groups
//
// x, y, dy, dx: (B, pixels, C), C a multiple of 4; stats: (B, groups) of mean
// and rstd; sums: (B, groups) of S1 / n and S2 / n; weight, bias: (C).
// Column sums are made in chunks of pixels, as in reduce.wgsl; products holds
// (B, chunks, C). One invocation per four channels and RUN pixels, which share
// the reads of statistics and weights. Wu & He 2018.

const RUN: u32 = 8u;

struct Params {
  batch: u32,
  pixels: u32,
  width: u32,
  perGroup: u32,
  groups: u32,
  chunk: u32,
  chunks: u32,
  runs: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var x: texture_storage_2d<rgba32float, read>;
@group(0) @binding(2) var<storage, read> stats: array<vec2f>;
@group(0) @binding(3) var<storage, read> weight: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(6) var dy: texture_storage_2d<rgba32float, read>;
@group(0) @binding(7) var<storage, read> sums: array<vec2f>;
@group(0) @binding(8) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(9) var<storage, read_write> products: array<vec4f>;

fn xAt(i: u32) -> vec4f {
  return textureLoad(x, vec2u(i & 1023u, i >> 10u));
}

fn dyAt(i: u32) -> vec4f {
  return textureLoad(dy, vec2u(i & 1023u, i >> 10u));
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
  let a = stats[g.x];
  let b = stats[g.y];
  let c = stats[g.z];
  let d = stats[g.w];
  return Statistics(vec4f(a.x, b.x, c.x, d.x), vec4f(a.y, b.y, c.y, d.y));
}

struct Cell {
  sample: u32,
  chunk: u32,
  c: u32,
}

fn cellOf(i: u32, rows: u32) -> Cell {
  let row = quotient(i, params.width);
  let sample = quotient(row, rows);
  return Cell(sample, row - sample * rows, i - row * params.width);
}

// products = sum over a chunk of (x - mean)^2; rstd is not read yet.
@compute @workgroup_size(64)
fn squares(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let cell = cellOf(i, params.chunks);
  if (cell.sample >= params.batch) {
    return;
  }
  let mean = statisticsOf(groupsOf(cell.sample, cell.c)).mean;
  let start = cell.chunk * params.chunk;
  let end = min(start + params.chunk, params.pixels);
  var total = vec4f();
  for (var p = start; p < end; p++) {
    let d = xAt((cell.sample * params.pixels + p) * params.width + cell.c) - mean;
    total += d * d;
  }
  products[i] = total;
}

// products = sum over a chunk of dy xhat.
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
  let start = cell.chunk * params.chunk;
  let end = min(start + params.chunk, params.pixels);
  var total = vec4f();
  for (var p = start; p < end; p++) {
    let at = (cell.sample * params.pixels + p) * params.width + cell.c;
    total += dyAt(at) * (xAt(at) - own.mean);
  }
  products[i] = total * own.rstd;
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
  let start = cell.chunk * RUN;
  let end = min(start + RUN, params.pixels);
  for (var p = start; p < end; p++) {
    let at = (cell.sample * params.pixels + p) * params.width + cell.c;
    y[at] = (xAt(at) - own.mean) * scale + shift;
  }
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
  let a = sums[g.x];
  let b = sums[g.y];
  let c = sums[g.z];
  let d = sums[g.w];
  let sum = vec4f(a.x, b.x, c.x, d.x);
  let dot = vec4f(a.y, b.y, c.y, d.y);
  let scale = weight[cell.c];
  let start = cell.chunk * RUN;
  let end = min(start + RUN, params.pixels);
  for (var p = start; p < end; p++) {
    let at = (cell.sample * params.pixels + p) * params.width + cell.c;
    let xhat = (xAt(at) - own.mean) * own.rstd;
    dx[at] = own.rstd * (dyAt(at) * scale - sum - xhat * dot);
  }
}
