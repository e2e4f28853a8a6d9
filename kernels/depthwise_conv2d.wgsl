// Depthwise convolution by 3 x 3 taps, channels last, one cell of zeros around
// the image.
//
//   y(b, i, j, c)  = bias(c) + sum over p, q of
//                    x(b, i + p - 1, j + q - 1, c) w(p, q, c)
//   dx(b, i, j, c) = sum over p, q of dy(b, i + 1 - p, j + 1 - q, c) w(p, q, c)
//   dw(p, q, c)    = sum over b, i, j of dy(b, i, j, c) x(b, i + p - 1, j + q - 1, c)
//   dbias(c)       = sum over b, i, j of dy(b, i, j, c)
//
// x, y, dy, dx: (B, height, width, C). weight: (9, C), taps row by row.
// gradients: (chunks, 10, C): the nine taps and the bias, each a sum over a
// chunk of cells in order; the host sums the chunks, so results repeat bit for
// bit. Taps outside of the image are left out. One invocation per result, or
// four channels of it: image_values.wgsl or image_texels.wgsl declares the
// images and Elem.

struct Params {
  cells: u32,
  inHeight: u32,
  inWidth: u32,
  outHeight: u32,
  outWidth: u32,
  channels: u32,
  chunk: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(5) var<storage, read> weight: array<Elem>;
@group(0) @binding(6) var<storage, read> bias: array<Elem>;
@group(0) @binding(7) var<storage, read_write> gradients: array<Elem>;

const TAPS = 9u;

// Whether a cell shifted by (p, q) - 1 is inside; below zero wraps to large.
fn isInside(cell: Cell, p: u32, q: u32) -> bool {
  return cell.row + p - 1u < params.inHeight && cell.column + q - 1u < params.inWidth;
}

@compute @workgroup_size(64)
fn forward(own: Invocation) {
  let i = indexOf(own);
  let cell = cellOf(i, params.inHeight, params.inWidth);
  if (i >= params.cells * params.channels) {
    return;
  }
  var total = vec4f(bias[cell.channel]);
  for (var p = 0u; p < 3u; p++) {
    for (var q = 0u; q < 3u; q++) {
      if (isInside(cell, p, q)) {
        let at = inputIndex(cell, cell.row + p - 1u, cell.column + q - 1u);
        total += xAt(at) * vec4f(weight[(p * 3u + q) * params.channels + cell.channel]);
      }
    }
  }
  y[i] = elemOf(total);
}

@compute @workgroup_size(64)
fn backwardInput(own: Invocation) {
  let i = indexOf(own);
  let cell = cellOf(i, params.inHeight, params.inWidth);
  if (i >= params.cells * params.channels) {
    return;
  }
  var total = vec4f();
  for (var p = 0u; p < 3u; p++) {
    for (var q = 0u; q < 3u; q++) {
      if (isInside(cell, p, q)) {
        let at = inputIndex(cell, cell.row + p - 1u, cell.column + q - 1u);
        total += dyAt(at) * vec4f(weight[(8u - p * 3u - q) * params.channels + cell.channel]);
      }
    }
  }
  dx[i] = elemOf(total);
}

@compute @workgroup_size(64)
fn backwardWeight(own: Invocation) {
  let i = indexOf(own);
  let part = quotient(i, params.channels);
  let channel = i - part * params.channels;
  let chunk = quotient(part, TAPS + 1u);
  let tap = part - chunk * (TAPS + 1u);
  let start = chunk * params.chunk;
  if (start >= params.cells) {
    return;
  }
  let end = min(start + params.chunk, params.cells);
  let p = select(tap / 3u, 1u, tap == TAPS);
  let q = select(tap % 3u, 1u, tap == TAPS);
  var total = vec4f();
  for (var k = start; k < end; k++) {
    let at = k * params.channels + channel;
    let cell = cellOf(at, params.inHeight, params.inWidth);
    if (tap == TAPS) {
      total += dyAt(at);
    } else if (isInside(cell, p, q)) {
      total += dyAt(at) * xAt(inputIndex(cell, cell.row + p - 1u, cell.column + q - 1u));
    }
  }
  gradients[i] = elemOf(total);
}
