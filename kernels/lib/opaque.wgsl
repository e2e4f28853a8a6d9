// The number n, of which the driver's compiler does not know that it is
// uniform: no grid has 2^31 workgroups.
//
// Mesa's software driver compiles a kernel again, for the values of that
// dispatch, where the bound of a loop from a constant or the condition of a
// branch is a mere field of Params and the body is small. It does so at every
// dispatch, and leaks what it compiled: 300 to 600 KiB and 2 to 15 ms each.
fn opaque(n: u32, group: vec3u) -> u32 {
  return n + (group.x >> 31u);
}
