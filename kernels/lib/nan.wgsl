// NaN by its bits. WGSL lets compilers assume that there is none: x != x may be
// false, and min(), max(), clamp() and comparisons may drop it. Arithmetic, and
// exp() and log() of it, keep it on all drivers.

fn isNan(x: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
}

fn isNanOne(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// What PyTorch's boolean of x is: NaN is true.
fn isTrue(x: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) != vec4u();
}

// NaN is at most nothing.
fn isAtMostZero(x: vec4f) -> vec4<bool> {
  let bits = bitcast<vec4u>(x);
  return (bits == vec4u()) | (bits - vec4u(0x80000000u) <= vec4u(0x7f800000u));
}

// NaN where either is.
fn smaller(x: vec4f, y: vec4f) -> vec4f {
  return select(select(min(x, y), y, isNan(y)), x, isNan(x));
}

fn larger(x: vec4f, y: vec4f) -> vec4f {
  return select(select(max(x, y), y, isNan(y)), x, isNan(x));
}

fn clamped(x: vec4f, low: vec4f, high: vec4f) -> vec4f {
  return select(clamp(x, low, high), x, isNan(x));
}

fn isWithin(x: vec4f, low: vec4f, high: vec4f) -> vec4<bool> {
  return (x >= low) & (x <= high) & !isNan(x);
}

// Gradient of larger() by x: half at a tie, all of d where either is NaN.
fn throughLarger(d: vec4f, x: vec4f, y: vec4f) -> vec4f {
  let isKnown = !(isNan(x) | isNan(y));
  return select(select(d, 0.5 * d, (x == y) & isKnown), vec4f(), (x < y) & isKnown);
}

// -1, 0 or 1; 0 for NaN, as in PyTorch.
fn signOf(x: vec4f) -> vec4f {
  return select(withSign(vec4f(1.0), x), vec4f(), isNan(x) | !isTrue(x));
}

// The size of x with the sign of y.
fn withSign(x: vec4f, y: vec4f) -> vec4f {
  return bitcast<vec4f>(
    (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) | (bitcast<vec4u>(y) & vec4u(0x80000000u)),
  );
}
