// Philox 4x32 with 10 rounds: random words as a function of counter and key.
// Salmon et al. 2011. Equal bit for bit to philox4x32() on the host.

// High and low 32 bits of a product, from 16-bit halves: WGSL has no wide
// multiplication.
fn mulWide(a: u32, b: u32) -> vec2u {
  let al = a & 0xffffu;
  let ah = a >> 16u;
  let bl = b & 0xffffu;
  let bh = b >> 16u;
  let middle = ah * bl + ((al * bl) >> 16u);
  let carry = al * bh + (middle & 0xffffu);
  return vec2u(ah * bh + (middle >> 16u) + (carry >> 16u), a * b);
}

fn philox4x32(counter: vec4u, key: vec2u) -> vec4u {
  var c = counter;
  var k = key;
  for (var round = 0u; round < 10u; round++) {
    let p = mulWide(0xd2511f53u, c.x);
    let q = mulWide(0xcd9e8d57u, c.z);
    c = vec4u(q.x ^ c.y ^ k.x, q.y, p.x ^ c.w ^ k.y, p.y);
    k += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

// Uniform on [0, 1) in steps of 2^-24, exact.
fn toUniform(word: u32) -> f32 {
  return f32(word >> 8u) * 5.9604644775390625e-8;
}
