// Functions of four values that WGSL lacks or leaves inaccurate; with nan.wgsl.

const SQRT_HALF: f32 = 0.70710678;
const INV_SQRT_TAU: f32 = 0.39894228; // 1 / sqrt(2 pi)

// 1 / (1 + e^-x), without overflow on either side.
fn sigmoid(x: vec4f) -> vec4f {
  let e = exp(-abs(x));
  return select(e, vec4f(1.0), x >= vec4f()) / (1.0 + e);
}

// tanh with small relative error near 0, where the built-in one has 1e-4.
fn tanhAccurate(x: vec4f) -> vec4f {
  let t = x * x;
  let small = x * (1.0 + t * (-0.33333333 + t * (0.13333333 + t * (-0.053968254 + t * 0.021869489))));
  let e = exp(-2.0 * abs(x));
  let large = withSign((1.0 - e) / (1.0 + e), x);
  return select(large, small, abs(x) < vec4f(0.3));
}

// The multiple of pi / 2 nearest to x, and what is left, by a subtraction in
// three parts; absolute error below 1e-6 for |x| < 2^13. Cody & Waite 1980.
struct Quarter {
  count: vec4i,
  rest: vec4f,
}

const FAR: u32 = 0x46000000u; // bits of 2^13

fn quarterOf(x: vec4f) -> Quarter {
  let n = round(x * 0.63661977);
  let rest = ((x - n * 1.5703125) - n * 4.8375129e-4) - n * 7.5497899e-8;
  let isFar = (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) >= vec4u(FAR);
  if (any(isFar)) {
    let far = farQuarterOf(x);
    return Quarter(
      select(vec4i(n), far.count, isFar),
      select(rest, far.rest, isFar),
    );
  }
  return Quarter(vec4i(n), rest);
}

// The same from 2^13 to 2^24 in whole numbers, which no compiler rearranges: x
// is m 2^e, and m 2^e / (2 pi) modulo 1 in units of 2^-64 needs 64 digits of
// 2^e / (2 pi) only. What is left is NaN beyond. Payne & Hanek 1983.
fn farQuarterOf(x: vec4f) -> Quarter {
  let size = bitcast<vec4u>(x) & vec4u(0x7fffffffu);
  let m = (size & vec4u(0x7fffffu)) | vec4u(0x800000u);
  // 1 / (2 pi) = 0x000a2f98'36e4e441'529fc275 2^-86
  let shift = min(max(size >> vec4u(23u), vec4u(140u)) - 140u, vec4u(11u));
  let back = vec4u(31u) - shift; // after one place, since 32 would be 0
  let high = (vec4u(0x000a2f98u) << shift) | ((vec4u(0x36e4e441u) >> vec4u(1u)) >> back);
  let low = (vec4u(0x36e4e441u) << shift) | ((vec4u(0x529fc275u) >> vec4u(1u)) >> back);
  let middle = (m >> vec4u(16u)) * (low & vec4u(0xffffu)) +
    (((m & vec4u(0xffffu)) * (low & vec4u(0xffffu))) >> vec4u(16u));
  let carry = (m & vec4u(0xffffu)) * (low >> vec4u(16u)) + (middle & vec4u(0xffffu));
  let turns = m * high + (m >> vec4u(16u)) * (low >> vec4u(16u)) +
    (middle >> vec4u(16u)) + (carry >> vec4u(16u));
  let count = (turns + 0x20000000u) >> vec4u(30u);
  let left = bitcast<vec4i>(turns - (count << vec4u(30u)));
  // 2 pi 2^-32 and 2 pi 2^-64
  let rest = vec4f(left) * 1.4629181e-9 + vec4f(m * low) * 3.4061216e-19;
  let isBeyond = size > vec4u(0x4b800000u); // bits of 2^24
  let known = bitcast<vec4f>(select(bitcast<vec4u>(rest), vec4u(0x7fc00000u), isBeyond));
  let isNegative = x < vec4f();
  return Quarter(
    select(bitcast<vec4i>(count), -bitcast<vec4i>(count), isNegative),
    select(known, -known, isNegative),
  );
}

// Taylor-like polynomials on [-pi / 4, pi / 4]; Moshier's Cephes.
fn sinPolynomial(x: vec4f) -> vec4f {
  let z = x * x;
  return x + x * z * (-0.16666655 + z * (8.3321609e-3 - z * 1.9515296e-4));
}

fn cosPolynomial(x: vec4f) -> vec4f {
  let z = x * x;
  return 1.0 - 0.5 * z + z * z * (0.041666646 + z * (-1.3887316e-3 + z * 2.4433157e-5));
}

// WGSL promises 2^-11 for the built-in sine, and that within pi only.
fn sinQuarter(count: vec4i, rest: vec4f) -> vec4f {
  let isOdd = (count & vec4i(1)) == vec4i(1);
  let isNegative = (count & vec4i(2)) == vec4i(2);
  let value = select(sinPolynomial(rest), cosPolynomial(rest), isOdd);
  return select(value, -value, isNegative);
}

fn sinAccurate(x: vec4f) -> vec4f {
  let quarter = quarterOf(x);
  return sinQuarter(quarter.count, quarter.rest);
}

fn cosAccurate(x: vec4f) -> vec4f {
  let quarter = quarterOf(x);
  return sinQuarter(quarter.count + vec4i(1), quarter.rest);
}

// erf by 1 - e^(-x^2) P(t), t = 1 / (1 + 0.3275911 |x|); absolute error below
// 2e-7, which is enough where 1 is added. Abramowitz & Stegun 1964, 7.1.26.
fn erf(x: vec4f) -> vec4f {
  let t = 1.0 / (1.0 + 0.3275911 * abs(x));
  let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return signOf(x) * (1.0 - p * exp(-x * x));
}

fn relu(x: vec4f) -> vec4f {
  return select(x, vec4f(), isAtMostZero(x));
}

fn silu(x: vec4f) -> vec4f {
  return x * sigmoid(x);
}

// x Phi(x), exact form. Hendrycks & Gimpel 2016.
fn gelu(x: vec4f) -> vec4f {
  return 0.5 * x * (1.0 + erf(x * SQRT_HALF));
}

fn geluTanh(x: vec4f) -> vec4f {
  return 0.5 * x * (1.0 + tanhAccurate(0.79788456 * (x + 0.044715 * x * x * x)));
}

fn quickGelu(x: vec4f) -> vec4f {
  return x * sigmoid(1.702 * x);
}

// d relu'(x)
fn throughRelu(d: vec4f, x: vec4f) -> vec4f {
  return select(d, vec4f(), isAtMostZero(x));
}

// |x|^p; Mesa's software pow() is 0 for NaN, and for 0 by a negative exponent.
fn evenPow(x: vec4f, p: f32) -> vec4f {
  let power = pow(abs(x), vec4f(abs(p)));
  return select(select(power, 1.0 / power, p < 0.0), x, isNan(x));
}

// |x|^p with the sign of x, also at 0.
fn oddPow(x: vec4f, p: f32) -> vec4f {
  return withSign(evenPow(x, p), x);
}

// x^p for a p that is no integer; NaN below 0, but not at -infinity.
fn realPow(x: vec4f, p: f32) -> vec4f {
  let isNegative = bitcast<vec4u>(x) - vec4u(0x80000001u) < vec4u(0x7f7fffffu);
  return select(evenPow(x, p), sqrt(x), isNegative);
}

// Derivatives by the argument.

fn siluSlope(x: vec4f) -> vec4f {
  let s = sigmoid(x);
  return s * (1.0 + x * (1.0 - s));
}

fn geluSlope(x: vec4f) -> vec4f {
  return 0.5 * (1.0 + erf(x * SQRT_HALF)) + x * INV_SQRT_TAU * exp(-0.5 * x * x);
}

fn geluTanhSlope(x: vec4f) -> vec4f {
  let t = tanhAccurate(0.79788456 * (x + 0.044715 * x * x * x));
  return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * 0.79788456 * (1.0 + 0.134145 * x * x);
}

fn quickGeluSlope(x: vec4f) -> vec4f {
  let s = sigmoid(1.702 * x);
  return s * (1.0 + 1.702 * x * (1.0 - s));
}
