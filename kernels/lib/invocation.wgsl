// Where an invocation stands, in workgroups of 64 that flatGrid() spreads over
// two dimensions.

struct Invocation {
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
}

fn indexOf(own: Invocation) -> u32 {
  return (own.group.y * 65535u + own.group.x) * 64u + own.lane;
}
