// Maximum and average over windows, channels last.
//
//   max:     y = max of x over the window; place = index of the first largest
//            or, as in PyTorch, of the last NaN, which counts as larger
//   average: y = sum of x over the window / divisor
//
// x, dx: (B, inHeight, inWidth, C); y, dy, place: (B, outHeight, outWidth, C).
// The divisor is the window's size, or the number of its cells inside the
// image where COUNT_PADDING is false. Gradients gather from the windows that
// cover a pixel. One invocation per value, or four of them: image_values.wgsl
// or image_texels.wgsl declares x, y, dy and dx.

const COUNT_PADDING: bool = true; // knob: whether padding counts as cells

struct Params {
  batch: u32,
  inHeight: u32,
  inWidth: u32,
  channels: u32,
  outHeight: u32,
  outWidth: u32,
  kernelHeight: u32,
  kernelWidth: u32,
  strideY: u32,
  strideX: u32,
  padY: u32,
  padX: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(5) var<storage, read_write> place: array<Place>;
@group(0) @binding(6) var<storage, read> placed: array<Place>;

// First and past-last input row (or column) of a window.
fn windowOf(o: u32, stride: u32, pad: u32, size: u32, length: u32) -> vec2u {
  let start = i32(o * stride) - i32(pad);
  return vec2u(u32(max(start, 0)), u32(min(start + i32(size), i32(length))));
}

// First and past-last window that covers an input row (or column).
fn coverOf(i: u32, stride: u32, pad: u32, size: u32, count: u32) -> vec2u {
  let reach = i + pad;
  var first = 0u;
  if (reach + 1u > size) {
    first = (reach - size) / stride + 1u;
  }
  return vec2u(first, min(reach / stride + 1u, count));
}

fn divisor(rows: vec2u, columns: vec2u) -> f32 {
  if (COUNT_PADDING) {
    return f32(params.kernelHeight * params.kernelWidth);
  }
  return f32((rows.y - rows.x) * (columns.y - columns.x));
}

fn rowsOf(row: u32) -> vec2u {
  return windowOf(row, params.strideY, params.padY, params.kernelHeight, params.inHeight);
}

fn columnsOf(column: u32) -> vec2u {
  return windowOf(column, params.strideX, params.padX, params.kernelWidth, params.inWidth);
}

fn coverRows(row: u32) -> vec2u {
  return coverOf(row, params.strideY, params.padY, params.kernelHeight, params.outHeight);
}

fn coverColumns(column: u32) -> vec2u {
  return coverOf(column, params.strideX, params.padX, params.kernelWidth, params.outWidth);
}

@compute @workgroup_size(64)
fn maximum(own: Invocation) {
  let i = indexOf(own);
  let cell = cellOf(i, params.outHeight, params.outWidth);
  if (cell.sample >= params.batch) {
    return;
  }
  let rows = rowsOf(cell.row);
  let columns = columnsOf(cell.column);
  let start = inputIndex(cell, rows.x, columns.x);
  var best = vec4u(start);
  var largest = xAt(start);
  for (var row = rows.x; row < rows.y; row++) {
    for (var column = columns.x; column < columns.y; column++) {
      let at = inputIndex(cell, row, column);
      let value = xAt(at);
      let isAbove = ((value > largest) & !isNan(largest)) | isNan(value);
      largest = select(largest, value, isAbove);
      best = select(best, vec4u(at), isAbove);
    }
  }
  y[i] = elemOf(largest);
  place[i] = placeOf(best);
}

@compute @workgroup_size(64)
fn average(own: Invocation) {
  let i = indexOf(own);
  let cell = cellOf(i, params.outHeight, params.outWidth);
  if (cell.sample >= params.batch) {
    return;
  }
  let rows = rowsOf(cell.row);
  let columns = columnsOf(cell.column);
  var total = vec4f();
  for (var row = rows.x; row < rows.y; row++) {
    for (var column = columns.x; column < columns.y; column++) {
      total += xAt(inputIndex(cell, row, column));
    }
  }
  y[i] = elemOf(total / divisor(rows, columns));
}

@compute @workgroup_size(64)
fn maximumBackward(own: Invocation) {
  let i = indexOf(own);
  let cell = cellOf(i, params.inHeight, params.inWidth);
  if (cell.sample >= params.batch) {
    return;
  }
  let rows = coverRows(cell.row);
  let columns = coverColumns(cell.column);
  var total = vec4f();
  for (var row = rows.x; row < rows.y; row++) {
    for (var column = columns.x; column < columns.y; column++) {
      let at = outputIndex(cell, row, column);
      let isHere = vec4<bool>(placed[at] == placeOf(vec4u(i)));
      total += select(vec4f(), dyAt(at), isHere);
    }
  }
  dx[i] = elemOf(total);
}

@compute @workgroup_size(64)
fn averageBackward(own: Invocation) {
  let i = indexOf(own);
  let cell = cellOf(i, params.inHeight, params.inWidth);
  if (cell.sample >= params.batch) {
    return;
  }
  let rows = coverRows(cell.row);
  let columns = coverColumns(cell.column);
  var total = vec4f();
  for (var row = rows.x; row < rows.y; row++) {
    for (var column = columns.x; column < columns.y; column++) {
      total += dyAt(outputIndex(cell, row, column)) /
        divisor(rowsOf(row), columnsOf(column));
    }
  }
  dx[i] = elemOf(total);
}
