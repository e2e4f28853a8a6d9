// Rows by index, and single values by index.
//
//   rows:          y(n, c) = x(index(n), c)
//   rowsBackward:  dx(v, c) = sum over n with index(n) = v of dy(n, c)
//   pick:          y(n, 0) = x(n, index(n))
//   pickBackward:  dx(n, c) = dy(n) if c = index(n), else 0
//
// x, dx: (rows, cols). index: (count). One invocation per result; the gradient
// walks all indices in order, so that it needs no atomics and repeats bit for
// bit.

struct Params {
  count: u32,
  rows: u32,
  cols: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

fn indexOf(group: vec3u, lane: u32) -> u32 {
  return (group.y * 65535u + group.x) * 64u + lane;
}

@compute @workgroup_size(64)
fn rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = indexOf(group, lane);
  if (i < params.count * params.cols) {
    let n = quotient(i, params.cols);
    y[i] = x[index[n] * params.cols + i - n * params.cols];
  }
}

@compute @workgroup_size(64)
fn rowsBackward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = indexOf(group, lane);
  if (i >= params.rows * params.cols) {
    return;
  }
  let row = quotient(i, params.cols);
  let column = i - row * params.cols;
  let count = opaque(params.count, group);
  var total = 0.0;
  for (var n = 0u; n < count; n++) {
    if (index[n] == row) {
      total += dy[n * params.cols + column];
    }
  }
  dx[i] = total;
}

@compute @workgroup_size(64)
fn pick(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let n = indexOf(group, lane);
  if (n < params.count) {
    y[n] = x[n * params.cols + index[n]];
  }
}

@compute @workgroup_size(64)
fn pickBackward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = indexOf(group, lane);
  if (i < params.count * params.cols) {
    let n = quotient(i, params.cols);
    dx[i] = select(0.0, dy[n], index[n] == i - n * params.cols);
  }
}
