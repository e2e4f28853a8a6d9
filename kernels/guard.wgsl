// Flags values that are not finite.
//
//   flags[slot] = 1 if any exponent of x is all ones (NaN or infinity)
//
// x: (count) floats, read as bits, since comparisons with NaN may be folded.
// One workgroup scans 4,096 values. Writes of one value to one place commute.

struct Params {
  count: u32,
  slot: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> flags: array<u32>;

@compute @workgroup_size(64)
fn scan(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let start = (group.y * 65535u + group.x) * 4096u;
  let end = min(start + 4096u, params.count);
  var bad = false;
  for (var i = start + lane; i < end; i += 64u) {
    bad = bad || (x[i] & 0x7f800000u) == 0x7f800000u;
  }
  if (bad) {
    flags[params.slot] = 1u;
  }
}
