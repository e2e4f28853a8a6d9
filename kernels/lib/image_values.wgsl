// An image that is read and one that is written, channels last, one value at a
// time: for any number of channels. As in image_texels.wgsl, values are vectors
// of which the first number counts.

alias Elem = f32;
alias Place = u32;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<Elem>;
@group(0) @binding(4) var<storage, read_write> dx: array<Elem>;

fn xAt(i: u32) -> vec4f {
  return vec4f(x[i]);
}

fn dyAt(i: u32) -> vec4f {
  return vec4f(dy[i]);
}

fn elemOf(v: vec4f) -> Elem {
  return v.x;
}

// Elements at indices of Elems.
fn placeOf(at: vec4u) -> Place {
  return at.x;
}
