// Sums a middle axis in chunks.
//
//   y(o, c, i) = sum over r in chunk c of x(o, r, i)
//
// x: (outer, length, inner), y: (outer, chunks, inner). An invocation sums one
// chunk in order, so results repeat bit for bit; the host repeats the kernel
// until one chunk is left, which keeps loops short and sums accurate.
//
// columns: inner is a multiple of 4, four neighbours at once.
// rows:    inner is 1 and length and chunk are multiples of 4.
// scalars: one value at a time.

struct Params {
  outer: u32,
  length: u32,
  inner: u32,
  chunk: u32,
  chunks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var x: texture_storage_2d<rgba32float, read>;
@group(0) @binding(2) var<storage, read_write> y4: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn xAt(i: u32) -> vec4f {
  return textureLoad(x, vec2u(i & 1023u, i >> 10u));
}

@compute @workgroup_size(64)
fn columns(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let width = params.inner >> 2u;
  let column = i % width;
  let part = quotient(i, width);
  let outer = quotient(part, params.chunks);
  let chunk = part - outer * params.chunks;
  if (outer >= params.outer) {
    return;
  }
  let start = chunk * params.chunk;
  let end = min(start + params.chunk, params.length);
  var total = vec4f();
  for (var r = start; r < end; r++) {
    total += xAt((outer * params.length + r) * width + column);
  }
  y4[i] = total;
}

@compute @workgroup_size(64)
fn rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let chunk = i % params.chunks;
  let outer = i / params.chunks;
  if (outer >= params.outer) {
    return;
  }
  let start = chunk * params.chunk;
  let end = min(start + params.chunk, params.length);
  var total = vec4f();
  for (var r = start; r < end; r += 4u) {
    total += xAt((outer * params.length + r) >> 2u);
  }
  y[i] = (total.x + total.y) + (total.z + total.w);
}

@compute @workgroup_size(64)
fn scalars(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let part = quotient(i, params.inner);
  let column = i - part * params.inner;
  let outer = quotient(part, params.chunks);
  let chunk = part - outer * params.chunks;
  if (outer >= params.outer) {
    return;
  }
  let start = chunk * params.chunk;
  let end = min(start + params.chunk, params.length);
  var total = 0.0;
  for (var r = start; r < end; r++) {
    let e = (outer * params.length + r) * params.inner + column;
    total += xAt(e >> 2u)[e & 3u];
  }
  y[i] = total;
}
