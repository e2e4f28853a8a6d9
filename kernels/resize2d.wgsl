// Resizes images, channels last.
//
//   y(o) = sum over i of w(o, i) x(i), by rows and by columns
//
// nearest:    w = 1 for i = floor(o / scale)
// bilinear:   w = max(0, 1 - |s - i|), s = source position of o, clamped
//   half pixel:   s = (o + 0.5) / scale - 0.5      (PyTorch)
//   tensorflow1:  s = o / scale                    (TensorFlow 1)
//
// with scale = out / in. x, dx: (B, inHeight, inWidth, C); y, dy: (B,
// outHeight, outWidth, C). The gradient gathers with the same weights over
// the outputs that can reach a pixel. One invocation per value, or four of
// them: image_values.wgsl or image_texels.wgsl declares x, y, dy and dx.

const MODE: u32 = 0u; // knob: 0 nearest, 1 bilinear half pixel, 2 tensorflow1

struct Params {
  batch: u32,
  inHeight: u32,
  inWidth: u32,
  channels: u32,
  outHeight: u32,
  outWidth: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

// First source index, second source index and weight of the second.
struct Source {
  first: u32,
  second: u32,
  weight: f32,
}

fn sourceOf(o: u32, inLength: u32, outLength: u32) -> Source {
  if (MODE == 0u) {
    let i = min(quotient(o * inLength, outLength), inLength - 1u);
    return Source(i, i, 0.0);
  }
  let step = f32(inLength) / f32(outLength);
  var s = f32(o) * step;
  if (MODE == 1u) {
    s = max((f32(o) + 0.5) * step - 0.5, 0.0);
  }
  let first = min(u32(s), inLength - 1u);
  return Source(first, min(first + 1u, inLength - 1u), s - f32(first));
}

// Weight of input i in output o, and whether it is read there, be it by 0.
struct Share {
  weight: f32,
  isRead: bool,
}

fn shareOf(o: u32, i: u32, inLength: u32, outLength: u32) -> Share {
  let source = sourceOf(o, inLength, outLength);
  let isFirst = source.first == i;
  let isSecond = source.second == i;
  return Share(
    select(0.0, 1.0 - source.weight, isFirst) + select(0.0, source.weight, isSecond),
    isFirst || isSecond,
  );
}

// First and past-last output that input i can reach.
fn reachOf(i: u32, inLength: u32, outLength: u32) -> vec2u {
  let step = f32(outLength) / f32(inLength);
  // A pixel's own outputs, or those up to its neighbours, and one for rounding.
  var first = floor(f32(i) * step) - 1.0;
  var last = ceil((f32(i) + 1.0) * step) + 1.0;
  if (MODE != 0u) {
    first = floor((f32(i) - 1.5) * step) - 1.0;
    last = ceil((f32(i) + 2.0) * step) + 1.0;
  }
  if (i + 1u == inLength) {
    return vec2u(u32(max(first, 0.0)), outLength);
  }
  return vec2u(u32(max(first, 0.0)), u32(min(last, f32(outLength))));
}

// Between the two source columns of a source row.
fn mixedRow(cell: Cell, row: u32, c: Source) -> vec4f {
  return mix(
    xAt(inputIndex(cell, row, c.first)),
    xAt(inputIndex(cell, row, c.second)),
    c.weight,
  );
}

@compute @workgroup_size(64)
fn forward(own: Invocation) {
  let i = indexOf(own);
  let cell = cellOf(i, params.outHeight, params.outWidth);
  if (cell.sample >= params.batch) {
    return;
  }
  let r = sourceOf(cell.row, params.inHeight, params.outHeight);
  let c = sourceOf(cell.column, params.inWidth, params.outWidth);
  if (MODE == 0u) {
    y[i] = elemOf(xAt(inputIndex(cell, r.first, c.first)));
    return;
  }
  y[i] = elemOf(mix(mixedRow(cell, r.first, c), mixedRow(cell, r.second, c), r.weight));
}

@compute @workgroup_size(64)
fn backward(own: Invocation) {
  let i = indexOf(own);
  let cell = cellOf(i, params.inHeight, params.inWidth);
  if (cell.sample >= params.batch) {
    return;
  }
  let rows = reachOf(cell.row, params.inHeight, params.outHeight);
  let columns = reachOf(cell.column, params.inWidth, params.outWidth);
  var total = vec4f();
  for (var r = rows.x; r < rows.y; r++) {
    let ofRow = shareOf(r, cell.row, params.inHeight, params.outHeight);
    if (!ofRow.isRead) {
      continue;
    }
    for (var c = columns.x; c < columns.y; c++) {
      let ofColumn = shareOf(c, cell.column, params.inWidth, params.outWidth);
      let value = dyAt(outputIndex(cell, r, c));
      total += select(vec4f(), ofRow.weight * ofColumn.weight * value, ofColumn.isRead);
    }
  }
  dx[i] = elemOf(total);
}
