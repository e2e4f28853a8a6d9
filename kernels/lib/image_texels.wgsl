// An image that is read and one that is written, channels last, four channels
// at a time: their number is a multiple of four, and counted by four.

alias Elem = vec4f;
alias Place = vec4u;

@group(0) @binding(1) var x: texture_storage_2d<rgba32float, read>;
@group(0) @binding(2) var dy: texture_storage_2d<rgba32float, read>;
@group(0) @binding(3) var<storage, read_write> y: array<Elem>;
@group(0) @binding(4) var<storage, read_write> dx: array<Elem>;

fn xAt(i: u32) -> vec4f {
  return textureLoad(x, vec2u(i & 1023u, i >> 10u));
}

fn dyAt(i: u32) -> vec4f {
  return textureLoad(dy, vec2u(i & 1023u, i >> 10u));
}

fn elemOf(v: vec4f) -> Elem {
  return v;
}

// Elements at indices of Elems.
fn placeOf(at: vec4u) -> Place {
  return at * 4u + vec4u(0u, 1u, 2u, 3u);
}
