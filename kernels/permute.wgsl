// Reorders axes by copy.
//
//   y(i0, ..., i5) = x at i0 * s0 + ... + i5 * s5
//
// y: six axes, leading ones of length 1 where there are fewer; n1 to n5 are
// the lengths of all but the first. s: steps in x. Units of Elem: four floats
// where the innermost axis stays innermost and is whole texels. One invocation
// per Elem of y.

alias Elem = f32; // knob: f32 or vec4f

struct Params {
  count: u32,
  n1: u32,
  n2: u32,
  n3: u32,
  n4: u32,
  n5: u32,
  s0: u32,
  s1: u32,
  s2: u32,
  s3: u32,
  s4: u32,
  s5: u32,
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
  if (i >= params.count) {
    return;
  }
  let r5 = quotient(i, params.n5);
  let r4 = quotient(r5, params.n4);
  let r3 = quotient(r4, params.n3);
  let r2 = quotient(r3, params.n2);
  let r1 = quotient(r2, params.n1);
  let source = r1 * params.s0 + (r2 - r1 * params.n1) * params.s1 +
    (r3 - r2 * params.n2) * params.s2 + (r4 - r3 * params.n3) * params.s3 +
    (r5 - r4 * params.n4) * params.s4 + (i - r5 * params.n5) * params.s5;
  y[i] = x[source];
}
