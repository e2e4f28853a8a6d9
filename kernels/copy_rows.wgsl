// Copies columns of a matrix into columns of another, zeros past its end.
//
//   y(r, to + c) = x(r, from + c) if c < limit, else 0        c < width
//
// x: (rows, pitchX), y: (rows, pitchY), both in units of Elem. One invocation
// per element. Concatenation, slices and padding are this copy.

alias Elem = f32; // knob: f32 or vec4f

struct Params {
  rows: u32,
  width: u32,
  limit: u32,
  pitchX: u32,
  fromX: u32,
  pitchY: u32,
  toY: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read_write> y: array<Elem>;

@compute @workgroup_size(64)
fn copy(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let row = quotient(i, params.width);
  let column = i - row * params.width;
  if (row >= params.rows) {
    return;
  }
  var value = Elem();
  if (column < params.limit) {
    value = x[row * params.pitchX + params.fromX + column];
  }
  y[row * params.pitchY + params.toY + column] = value;
}
