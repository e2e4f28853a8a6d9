// Whole quotients of indices: floor(a / b). Integer division is slow where
// vectors of it are done lane by lane.

// Exact for a below 2^22: 5 % of a convolution by few taps.
fn smallQuotient(a: u32, b: u32) -> u32 {
  return u32((f32(a) + 0.5) / f32(b));
}

// Exact for a below 2^31 and b below 2^20. A first float quotient is off by at
// most a / b / 2^22 + 1; what remains is small enough that a second one is exact.
fn quotient(a: u32, b: u32) -> u32 {
  let divisor = f32(b);
  let first = u32(f32(a) / divisor);
  let rest = bitcast<i32>(a - first * b);
  return first + bitcast<u32>(i32(floor((f32(rest) + 0.5) / divisor)));
}
