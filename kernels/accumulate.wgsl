// Sums gradients that reach one tensor on several ways.
//
//   sum:     total = x + y
//   addInto: total = total + x
//
// x, y, total: (4 * count) floats; the tail past a tensor's end is padding of
// its buffer. One invocation per four values. xAt() and yAt(), which read x and
// y from texels or from a buffer, are supplied.

struct Params {
  count: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read_write> total: array<vec4f>;

fn indexOf(group: vec3u, lane: u32) -> u32 {
  return (group.y * 65535u + group.x) * 64u + lane;
}

@compute @workgroup_size(64)
fn sum(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = indexOf(group, lane);
  if (i < params.count) {
    total[i] = xAt(i) + yAt(i);
  }
}

@compute @workgroup_size(64)
fn addInto(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = indexOf(group, lane);
  if (i < params.count) {
    total[i] = total[i] + xAt(i);
  }
}
