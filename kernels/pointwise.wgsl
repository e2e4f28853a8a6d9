// One expression per element, with broadcasting, or its sum over an axis.
//
//   run:  out(i) = apply(x(i), y(i), z(i), d(i))
//   sum:  out(i0, i1, c, i3) = sum over i2 in chunk c of apply(...)
//
// The table in core/ops/pointwise.ts supplies apply() and, in compute(), where
// its operands come from: four at a time from texels or a buffer (vec4f), or
// one at a time and repeated (f32) where an operand is broadcast along the
// innermost axis or the rows are no whole texels. Indices are split into up to
// four axes of lengths (-, n1, n2, n3), innermost last; x0 to x3 are the steps
// of x along them, 0 where it is broadcast. d is walked as the elements are.
// One invocation per Elem of out; a sum adds its chunk in order, so that runs
// repeat bit for bit.

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
  chunk: u32,
  chunks: u32,
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
    let at = vec4u(
      i0,
      planes - i0 * params.n1,
      rows - planes * params.n2,
      i - rows * params.n3,
    );
    ix = xIndex(at);
    iy = yIndex(at);
    iz = zIndex(at);
  }
  out[i] = compute(i, ix, iy, iz);
}

fn xIndex(at: vec4u) -> u32 {
  return at.x * params.x0 + at.y * params.x1 + at.z * params.x2 +
    at.w * params.x3;
}

fn yIndex(at: vec4u) -> u32 {
  return at.x * params.y0 + at.y * params.y1 + at.z * params.y2 +
    at.w * params.y3;
}

fn zIndex(at: vec4u) -> u32 {
  return at.x * params.z0 + at.y * params.z1 + at.z * params.z2 +
    at.w * params.z3;
}

@compute @workgroup_size(64)
fn sum(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  if (i >= params.count) {
    return;
  }
  let part = quotient(i, params.n3);
  let plane = quotient(part, params.chunks);
  let i0 = quotient(plane, params.n1);
  let start = (part - plane * params.chunks) * params.chunk;
  let end = min(start + params.chunk, params.n2);
  let i3 = i - part * params.n3;
  var total = Elem();
  for (var i2 = start; i2 < end; i2++) {
    let at = vec4u(i0, plane - i0 * params.n1, i2, i3);
    let own = (plane * params.n2 + i2) * params.n3 + i3;
    total += compute(own, xIndex(at), yIndex(at), zIndex(at));
  }
  out[i] = total;
}
