// Rotary positions: each pair of features turns by angles of its token.
//
//   y(a) = x(a) cos A - x(b) sin A
//   y(b) = x(b) cos B + x(a) sin B
//
// x, y: (B, T, heads, d). turns: (T, d / 2), cosine and sine of A, then of B.
// A turn has A = B; tiled frequencies give a pair two angles. Pair j is
// features (2j, 2j + 1), or (j, j + d / 2) where HALVES. The gradient takes the
// transposed matrix: isBackward is 1. One invocation per pair. Su et al. 2021.

const HALVES: bool = false; // knob: whether a pair spans the two halves

struct Params {
  count: u32,
  tokens: u32,
  heads: u32,
  pairs: u32,
  isBackward: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> turns: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn turn(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  if (i >= params.count) {
    return;
  }
  let head = quotient(i, params.pairs);
  let pair = i - head * params.pairs;
  let row = quotient(head, params.heads);
  let token = row - quotient(row, params.tokens) * params.tokens;
  var a = head * params.pairs * 2u + pair * 2u;
  var b = a + 1u;
  if (HALVES) {
    a = head * params.pairs * 2u + pair;
    b = a + params.pairs;
  }
  let t = turns[token * params.pairs + pair];
  let s = select(t.yw, -t.wy, params.isBackward == 1u);
  y[a] = x[a] * t.x - x[b] * s.x;
  y[b] = x[b] * t.z + x[a] * s.y;
}
