// One expression per element, with broadcasting.
//
//   out(i) = apply(x(i), y(i), z(i), d(i))
//
// The table in core/ops/pointwise.ts supplies apply() and, in compute(), where
// its operands come from: four at a time from texels or a buffer (vec4f), or
// one at a time and repeated (f32) where an operand is broadcast along the
// innermost axis or the rows are no whole texels. One invocation per Elem of out, whose index is split
// into up to four axes of lengths (-, n1, n2, n3), innermost last; x0 to x3
// are the steps of x along them, 0 where it is broadcast.

const BROADCAST: bool = false; // knob: whether indices are split

struct Params {
  count: u32,
  n1: u32,
  n2: u32,
  n3: u32,
  x0: u32,
  x1: u32,
  x2: u32,
  x3: u32,
  y0: u32,
  y1: u32,
  y2: u32,
  y3: u32,
  z0: u32,
  z1: u32,
  z2: u32,
  z3: u32,
  p: f32,
  q: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(5) var<storage, read_write> out: array<Elem>;

@compute @workgroup_size(64)
fn run(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  if (i >= params.count) {
    return;
  }
  var ix = i;
  var iy = i;
  var iz = i;
  if (BROADCAST) {
    let rows = quotient(i, params.n3);
    let planes = quotient(rows, params.n2);
    let i0 = quotient(planes, params.n1);
    let i1 = planes - i0 * params.n1;
    let i2 = rows - planes * params.n2;
    let i3 = i - rows * params.n3;
    ix = i0 * params.x0 + i1 * params.x1 + i2 * params.x2 + i3 * params.x3;
    iy = i0 * params.y0 + i1 * params.y1 + i2 * params.y2 + i3 * params.y3;
    iz = i0 * params.z0 + i1 * params.z1 + i2 * params.z2 + i3 * params.z3;
  }
  out[i] = compute(i, ix, iy, iz);
}
