// Layer normalization over the last axis.
//
//   y = (x - mean) * rstd * weight + bias
//   rstd = 1 / sqrt(var + eps), var biased
//   dx = rstd * (g - mean(g) - xhat * mean(g * xhat)),  g = dy * weight
//
// x, y, dy, dx: (rows, cols) in rows of whole texels, zeros past cols.
// weight, bias: (cols), used where AFFINE. stats: (rows), mean and rstd.
// LANES invocations per row. Ba et al. 2016, equation 3.

const AFFINE: bool = false; // knob: whether weight and bias are applied

struct Params {
  rows: u32,
  cols: u32,
  width: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var x: texture_storage_2d<rgba32float, read>;
@group(0) @binding(2) var<storage, read> weight: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(6) var dy: texture_storage_2d<rgba32float, read>;
@group(0) @binding(7) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(8) var<storage, read> saved: array<vec2f>;

fn xAt(i: u32) -> vec4f {
  return textureLoad(x, vec2u(i & 1023u, i >> 10u));
}

fn dyAt(i: u32, c: u32) -> vec4f {
  let value = textureLoad(dy, vec2u(i & 1023u, i >> 10u));
  if (AFFINE) {
    return value * weight[c];
  }
  return value;
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
  for (var c = lane % LANES; c < params.width; c += LANES) {
    var value = (xAt(start + c) - mean) * rstd;
    if (AFFINE) {
      value = value * weight[c] + bias[c];
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

  var sumG = vec4f();
  var sumGXhat = vec4f();
  for (var c = lane % LANES; c < params.width; c += LANES) {
    let g = dyAt(start + c, c); // padding is zero
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
    dx[start + c] = rstd * (dyAt(start + c, c) - meanG - xhat * meanGXhat);
  }
}
