// Optimizer steps over flat buffers of parameters.
//
//   adam:  g = factor * gradient + l2 * value
//          m = beta1 m + rest1 g
//          v = beta2 v + rest2 g^2
//          value = keep value - rate m / (sqrt(v / share) + eps)
//   sgd:   g = factor * gradient + l2 * value;  m = beta1 m + g
//          value = value - rate m
//   ema:   average = beta1 average + rest1 gradient, bound to the values
//   squares: partial sums of gradient^2, of 256 texels each
//   limit: factor = min(1, rate / (sqrt(total) + 1e-6))
//
// rest1 and rest2 are 1 - beta1 and 1 - beta2, rounded once on the host: the
// difference of a rounded beta is off by 1e-5 of itself at 0.999. rate is the
// learning rate, for adam divided by 1 - beta1^t; share is 1 - beta2^t; keep is
// 1 - the learning rate times the decoupled weight decay. Buffers: (4 * count).
// gradientAt(), valueAt(), mAt(), vAt() and averageAt() read them, through texels
// where that is faster. Kingma & Ba 2015; Loshchilov & Hutter 2019.

struct Params {
  count: u32,
  rate: f32,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  eps: f32,
  l2: f32,
  keep: f32,
  share: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> factor: array<f32>;
@group(0) @binding(3) var<storage, read_write> value: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> average: array<vec4f>;
@group(0) @binding(9) var<storage, read_write> partials: array<f32>;
@group(0) @binding(10) var<storage, read> total: array<f32>;
@group(0) @binding(11) var<storage, read_write> limited: array<f32>;

fn indexOf(group: vec3u, lane: u32) -> u32 {
  return (group.y * 65535u + group.x) * 64u + lane;
}

// beta1 a + rest1 x, from the nearer end: equal values stay, and a share of 1
// arrives, though beta1 + rest1 is not 1 in float32.
fn moved(a: vec4f, x: vec4f) -> vec4f {
  let step = x - a;
  return select(x - params.beta1 * step, a + params.rest1 * step, params.rest1 < 0.5);
}

// No decay leaves an infinite value alone.
fn decayed(g: vec4f, x: vec4f) -> vec4f {
  return select(g + params.l2 * x, g, params.l2 == 0.0);
}

@compute @workgroup_size(64)
fn adam(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = indexOf(group, lane);
  if (i >= params.count) {
    return;
  }
  let x = valueAt(i);
  let g = decayed(factor[0] * gradientAt(i), x);
  let first = moved(mAt(i), g);
  let second = params.beta2 * vAt(i) + params.rest2 * g * g;
  m[i] = first;
  v[i] = second;
  value[i] = params.keep * x
    - params.rate * first / (sqrt(second / params.share) + params.eps);
}

@compute @workgroup_size(64)
fn sgd(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = indexOf(group, lane);
  if (i >= params.count) {
    return;
  }
  let x = valueAt(i);
  let momentum = params.beta1 * mAt(i) + decayed(factor[0] * gradientAt(i), x);
  m[i] = momentum;
  value[i] = x - params.rate * momentum;
}

@compute @workgroup_size(64)
fn ema(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = indexOf(group, lane);
  if (i < params.count) {
    average[i] = moved(averageAt(i), gradientAt(i));
  }
}

@compute @workgroup_size(64)
fn squares(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = indexOf(group, lane);
  let start = i * 256u;
  let end = min(start + 256u, params.count);
  if (start >= end) {
    return;
  }
  var sum = vec4f();
  for (var t = start; t < end; t++) {
    let g = gradientAt(t);
    sum += g * g;
  }
  partials[i] = (sum.x + sum.y) + (sum.z + sum.w);
}

@compute @workgroup_size(1)
fn limit() {
  // NaN reaches all parameters, as in PyTorch.
  let share = vec4f(params.rate / (sqrt(total[0]) + 1e-6));
  limited[0] = smaller(vec4f(1.0), share).x;
}
