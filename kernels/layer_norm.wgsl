// Layer normalization over the last axis.
//
//   y = xhat * scale + shift,  xhat = (x - mean) * rstd
//   rstd = 1 / sqrt(var + eps), var biased
//   dx = rstd * (g - mean(g) - xhat * mean(g * xhat)),  g = dy * scale
//   dots(k, c) = sum over rows r in chunk k of dy(r, c) xhat(r, c)
//
// x, y, dy, dx: (rows, cols) in rows of whole texels, zeros past cols.
// FORM says what scale and shift are:
//   0  1 and 0
//   1  weight and bias, (cols)
//   2  1 + weight and bias, (rows / owned, cols): one row for `owned`
//      neighbours, Peebles & Xie 2023
// stats, saved: (rows), mean and rstd. dots: (rows / owned, chunks, cols).
// LANES invocations per row; dots: one invocation per four columns and chunk.
// Ba et al. 2016, equation 3.

const FORM: u32 = 0u; // knob: 0, 1 or 2

struct Params {
  rows: u32,
  cols: u32,
  width: u32,
  eps: f32,
  owned: u32,
  chunk: u32,
  chunks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var x: texture_storage_2d<rgba32float, read>;
@group(0) @binding(2) var weight: texture_storage_2d<rgba32float, read>;
@group(0) @binding(3) var bias: texture_storage_2d<rgba32float, read>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(6) var dy: texture_storage_2d<rgba32float, read>;
@group(0) @binding(7) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(8) var<storage, read> saved: array<vec2f>;
@group(0) @binding(9) var<storage, read_write> dots: array<vec4f>;

fn xAt(i: u32) -> vec4f {
  return textureLoad(x, vec2u(i & 1023u, i >> 10u));
}

// First texel of the scale and shift of a row.
fn affineStart(row: u32) -> u32 {
  if (FORM == 2u) {
    return quotient(row, params.owned) * params.width;
  }
  return 0u;
}

fn scaleAt(i: u32) -> vec4f {
  let value = textureLoad(weight, vec2u(i & 1023u, i >> 10u));
  return select(value, 1.0 + value, FORM == 2u);
}

fn shiftAt(i: u32) -> vec4f {
  return textureLoad(bias, vec2u(i & 1023u, i >> 10u));
}

fn dyAt(i: u32) -> vec4f {
  return textureLoad(dy, vec2u(i & 1023u, i >> 10u));
}

// Gradient by xhat: texel i of dy, texel j of the scale.
fn gAt(i: u32, j: u32) -> vec4f {
  if (FORM != 0u) {
    return dyAt(i) * scaleAt(j);
  }
  return dyAt(i);
}

@compute @workgroup_size(64)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = (group.y * 65535u + group.x) * ROWS + lane / LANES;
  let start = min(row, params.rows - 1u) * params.width;
  let n = f32(params.cols);

  var total = vec4f();
  for (var c = lane % LANES; c < params.width; c += LANES) {
    total += xAt(start + c); // padding is zero
  }
  let mean = rowSum(sum4(total), lane) / n;

  // Two passes: subtracting the mean first keeps the variance accurate when
  // |mean| is much larger than the spread, as it is for residual streams.
  var squares = vec4f();
  for (var c = lane % LANES; c < params.width; c += LANES) {
    let d = select(vec4f(), xAt(start + c) - mean, inside(c, params.cols));
    squares += d * d;
  }
  let rstd = inverseSqrt(rowSum(sum4(squares), lane) / n + params.eps);

  if (row >= params.rows) {
    return;
  }
  let own = affineStart(row);
  for (var c = lane % LANES; c < params.width; c += LANES) {
    var value = (xAt(start + c) - mean) * rstd;
    if (FORM != 0u) {
      value = value * scaleAt(own + c) + shiftAt(own + c);
    }
    y[start + c] = value;
  }
  if (lane % LANES == 0u) {
    stats[row] = vec2f(mean, rstd);
  }
}

@compute @workgroup_size(64)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = (group.y * 65535u + group.x) * ROWS + lane / LANES;
  let bounded = min(row, params.rows - 1u);
  let start = bounded * params.width;
  let n = f32(params.cols);
  let mean = saved[bounded].x;
  let rstd = saved[bounded].y;
  let own = affineStart(bounded);

  var sumG = vec4f();
  var sumGXhat = vec4f();
  for (var c = lane % LANES; c < params.width; c += LANES) {
    let g = gAt(start + c, own + c); // padding is zero
    sumG += g;
    sumGXhat += g * (xAt(start + c) - mean) * rstd;
  }
  let meanG = rowSum(sum4(sumG), lane) / n;
  let meanGXhat = rowSum(sum4(sumGXhat), lane) / n;

  if (row >= params.rows) {
    return;
  }
  for (var c = lane % LANES; c < params.width; c += LANES) {
    let xhat = (xAt(start + c) - mean) * rstd;
    dx[start + c] = rstd * (gAt(start + c, own + c) - meanG - xhat * meanGXhat);
  }
}

@compute @workgroup_size(64)
fn scaleGradient(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let part = quotient(i, params.width);
  let c = i - part * params.width;
  let owner = quotient(part, params.chunks);
  let start = (part - owner * params.chunks) * params.chunk;
  let end = min(start + params.chunk, params.owned);
  if (owner * params.owned >= params.rows) {
    return;
  }
  var total = vec4f();
  for (var r = start; r < end; r++) {
    let row = owner * params.owned + r;
    let at = row * params.width + c;
    total += dyAt(at) * (xAt(at) - saved[row].x) * saved[row].y;
  }
  dots[i] = total;
}
