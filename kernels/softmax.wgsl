// Softmax and its logarithm over the last axis.
//
//   y = e^(x - max) / sum e^(x - max)          dx = y (dy - sum(dy y))
//   y = x - max - ln sum e^(x - max)           dx = dy - e^y sum(dy)
//
// x, y, dy, dx: (rows, cols) in rows of whole texels; padding of dy is zero,
// padding of x and y is ignored. LANES invocations per row.

struct Params {
  rows: u32,
  cols: u32,
  width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var x: texture_storage_2d<rgba32float, read>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var result: texture_storage_2d<rgba32float, read>;
@group(0) @binding(4) var dy: texture_storage_2d<rgba32float, read>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4f>;

const LOWEST: f32 = -3.4028234e38;

fn xAt(i: u32, c: u32) -> vec4f {
  let value = textureLoad(x, vec2u(i & 1023u, i >> 10u));
  return select(vec4f(LOWEST), value, inside(c, params.cols));
}

fn resultAt(i: u32, c: u32) -> vec4f {
  let value = textureLoad(result, vec2u(i & 1023u, i >> 10u));
  return select(vec4f(), value, inside(c, params.cols));
}

fn dyAt(i: u32) -> vec4f {
  return textureLoad(dy, vec2u(i & 1023u, i >> 10u));
}

fn largestOf(start: u32, lane: u32) -> f32 {
  var largest = vec4f(LOWEST);
  for (var c = lane % LANES; c < params.width; c += LANES) {
    largest = max(largest, xAt(start + c, c));
  }
  return rowMax(max4(largest), lane);
}

fn totalOf(start: u32, largest: f32, lane: u32) -> f32 {
  var total = vec4f();
  for (var c = lane % LANES; c < params.width; c += LANES) {
    total += select(vec4f(), exp(xAt(start + c, c) - largest), inside(c, params.cols));
  }
  return rowSum(sum4(total), lane);
}

@compute @workgroup_size(64)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = (group.y * 65535u + group.x) * ROWS + lane / LANES;
  let start = min(row, params.rows - 1u) * params.width;
  let largest = largestOf(start, lane);
  let scale = 1.0 / totalOf(start, largest, lane);
  if (row >= params.rows) {
    return;
  }
  for (var c = lane % LANES; c < params.width; c += LANES) {
    y[start + c] = exp(xAt(start + c, c) - largest) * scale;
  }
}

@compute @workgroup_size(64)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = (group.y * 65535u + group.x) * ROWS + lane / LANES;
  let start = min(row, params.rows - 1u) * params.width;
  var total = vec4f();
  for (var c = lane % LANES; c < params.width; c += LANES) {
    total += resultAt(start + c, c) * dyAt(start + c);
  }
  let dot = rowSum(sum4(total), lane);
  if (row >= params.rows) {
    return;
  }
  for (var c = lane % LANES; c < params.width; c += LANES) {
    dx[start + c] = resultAt(start + c, c) * (dyAt(start + c) - dot);
  }
}

@compute @workgroup_size(64)
fn logForward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = (group.y * 65535u + group.x) * ROWS + lane / LANES;
  let start = min(row, params.rows - 1u) * params.width;
  let largest = largestOf(start, lane);
  let shift = log(totalOf(start, largest, lane));
  if (row >= params.rows) {
    return;
  }
  for (var c = lane % LANES; c < params.width; c += LANES) {
    y[start + c] = (xAt(start + c, c) - largest) - shift;
  }
}

@compute @workgroup_size(64)
fn logBackward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = (group.y * 65535u + group.x) * ROWS + lane / LANES;
  let start = min(row, params.rows - 1u) * params.width;
  var total = vec4f();
  for (var c = lane % LANES; c < params.width; c += LANES) {
    total += dyAt(start + c);
  }
  let all = rowSum(sum4(total), lane);
  if (row >= params.rows) {
    return;
  }
  for (var c = lane % LANES; c < params.width; c += LANES) {
    dx[start + c] = dyAt(start + c) - exp(resultAt(start + c, c)) * all;
  }
}
