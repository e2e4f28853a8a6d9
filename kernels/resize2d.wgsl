// Resizes images, channels last.
//
//   y(o) = sum over i of w(o, i) x(i), by rows and by columns
//
// nearest:    w = 1 for i = floor(o / scale)
// bilinear:   w = max(0, 1 - |s - i|), s = source position of o, clamped
//   half pixel:   s = (o + 0.5) / scale - 0.5      (PyTorch)
//   tensorflow1:  s = o / scale                    (TensorFlow 1)
//
// with scale = out / in. x, dx: (B, inHeight, inWidth, C); y, dy: (B,
// outHeight, outWidth, C). The gradient gathers with the same weights over
// the outputs that can reach a pixel. One invocation per value; forwardTexels and
// backwardTexels take four channels at once, and count channels by four.

const MODE: u32 = 0u; // knob: 0 nearest, 1 bilinear half pixel, 2 tensorflow1

struct Params {
  batch: u32,
  inHeight: u32,
  inWidth: u32,
  channels: u32,
  outHeight: u32,
  outWidth: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var texels: texture_storage_2d<rgba32float, read>;
@group(0) @binding(6) var<storage, read_write> y4: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> dx4: array<vec4f>;

// First source index, second source index and weight of the second.
struct Source {
  first: u32,
  second: u32,
  weight: f32,
}

fn sourceOf(o: u32, inLength: u32, outLength: u32) -> Source {
  if (MODE == 0u) {
    let i = min(quotient(o * inLength, outLength), inLength - 1u);
    return Source(i, i, 0.0);
  }
  let step = f32(inLength) / f32(outLength);
  var s = f32(o) * step;
  if (MODE == 1u) {
    s = max((f32(o) + 0.5) * step - 0.5, 0.0);
  }
  let first = min(u32(s), inLength - 1u);
  return Source(first, min(first + 1u, inLength - 1u), s - f32(first));
}

// Weight of input i in output o, and whether it is read there, be it by 0.
struct Share {
  weight: f32,
  isRead: bool,
}

fn shareOf(o: u32, i: u32, inLength: u32, outLength: u32) -> Share {
  let source = sourceOf(o, inLength, outLength);
  let isFirst = source.first == i;
  let isSecond = source.second == i;
  return Share(
    select(0.0, 1.0 - source.weight, isFirst) + select(0.0, source.weight, isSecond),
    isFirst || isSecond,
  );
}

// First and past-last output that input i can reach.
fn reachOf(i: u32, inLength: u32, outLength: u32) -> vec2u {
  let step = f32(outLength) / f32(inLength);
  // A pixel's own outputs, or those up to its neighbours, and one for rounding.
  var first = floor(f32(i) * step) - 1.0;
  var last = ceil((f32(i) + 1.0) * step) + 1.0;
  if (MODE != 0u) {
    first = floor((f32(i) - 1.5) * step) - 1.0;
    last = ceil((f32(i) + 2.0) * step) + 1.0;
  }
  if (i + 1u == inLength) {
    return vec2u(u32(max(first, 0.0)), outLength);
  }
  return vec2u(u32(max(first, 0.0)), u32(min(last, f32(outLength))));
}

fn inputAt(sample: u32, row: u32, column: u32, channel: u32) -> f32 {
  return x[((sample * params.inHeight + row) * params.inWidth + column) * params.channels + channel];
}

@compute @workgroup_size(64)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let pixel = quotient(i, params.channels);
  let line = quotient(pixel, params.outWidth);
  let sample = quotient(line, params.outHeight);
  let channel = i - pixel * params.channels;
  if (sample >= params.batch) {
    return;
  }
  let r = sourceOf(line - sample * params.outHeight, params.inHeight, params.outHeight);
  let c = sourceOf(pixel - line * params.outWidth, params.inWidth, params.outWidth);
  if (MODE == 0u) {
    y[i] = inputAt(sample, r.first, c.first, channel);
    return;
  }
  let top = mix(
    inputAt(sample, r.first, c.first, channel),
    inputAt(sample, r.first, c.second, channel),
    c.weight,
  );
  let bottom = mix(
    inputAt(sample, r.second, c.first, channel),
    inputAt(sample, r.second, c.second, channel),
    c.weight,
  );
  y[i] = mix(top, bottom, r.weight);
}

fn texelAt(sample: u32, row: u32, column: u32, channel: u32) -> vec4f {
  let i = ((sample * params.inHeight + row) * params.inWidth + column) * params.channels + channel;
  return textureLoad(texels, vec2u(i & 1023u, i >> 10u));
}

@compute @workgroup_size(64)
fn forwardTexels(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let pixel = quotient(i, params.channels);
  let line = quotient(pixel, params.outWidth);
  let sample = quotient(line, params.outHeight);
  let channel = i - pixel * params.channels;
  if (sample >= params.batch) {
    return;
  }
  let r = sourceOf(line - sample * params.outHeight, params.inHeight, params.outHeight);
  let c = sourceOf(pixel - line * params.outWidth, params.inWidth, params.outWidth);
  if (MODE == 0u) {
    y4[i] = texelAt(sample, r.first, c.first, channel);
    return;
  }
  let top = mix(
    texelAt(sample, r.first, c.first, channel),
    texelAt(sample, r.first, c.second, channel),
    c.weight,
  );
  let bottom = mix(
    texelAt(sample, r.second, c.first, channel),
    texelAt(sample, r.second, c.second, channel),
    c.weight,
  );
  y4[i] = mix(top, bottom, r.weight);
}

@compute @workgroup_size(64)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let pixel = quotient(i, params.channels);
  let line = quotient(pixel, params.inWidth);
  let sample = quotient(line, params.inHeight);
  let channel = i - pixel * params.channels;
  if (sample >= params.batch) {
    return;
  }
  let row = line - sample * params.inHeight;
  let column = pixel - line * params.inWidth;
  let rows = reachOf(row, params.inHeight, params.outHeight);
  let columns = reachOf(column, params.inWidth, params.outWidth);
  var total = 0.0;
  for (var r = rows.x; r < rows.y; r++) {
    let ownRow = shareOf(r, row, params.inHeight, params.outHeight);
    if (!ownRow.isRead) {
      continue;
    }
    for (var c = columns.x; c < columns.y; c++) {
      let at = ((sample * params.outHeight + r) * params.outWidth + c) * params.channels + channel;
      let own = shareOf(c, column, params.inWidth, params.outWidth);
      total += select(0.0, ownRow.weight * own.weight * dy[at], own.isRead);
    }
  }
  dx[i] = total;
}

@compute @workgroup_size(64)
fn backwardTexels(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let pixel = quotient(i, params.channels);
  let line = quotient(pixel, params.inWidth);
  let sample = quotient(line, params.inHeight);
  let channel = i - pixel * params.channels;
  if (sample >= params.batch) {
    return;
  }
  let row = line - sample * params.inHeight;
  let column = pixel - line * params.inWidth;
  let rows = reachOf(row, params.inHeight, params.outHeight);
  let columns = reachOf(column, params.inWidth, params.outWidth);
  var total = vec4f();
  for (var r = rows.x; r < rows.y; r++) {
    let ownRow = shareOf(r, row, params.inHeight, params.outHeight);
    if (!ownRow.isRead) {
      continue;
    }
    for (var c = columns.x; c < columns.y; c++) {
      let at = ((sample * params.outHeight + r) * params.outWidth + c) * params.channels + channel;
      let value = textureLoad(texels, vec2u(at & 1023u, at >> 10u));
      let own = shareOf(c, column, params.inWidth, params.outWidth);
      total += select(vec4f(), ownRow.weight * own.weight * value, own.isRead);
    }
  }
  dx4[i] = total;
}
