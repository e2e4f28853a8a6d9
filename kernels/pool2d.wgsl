// Maximum and average over windows, channels last.
//
//   max:     y = max of x over the window; place = index of the first largest
//            or, as in PyTorch, of the last NaN, which counts as larger
//   average: y = sum of x over the window / divisor
//
// x, dx: (B, inHeight, inWidth, C); y, dy, place: (B, outHeight, outWidth, C).
// The divisor is the window's size, or the number of its cells inside the
// image where COUNT_PADDING is false. Gradients gather from the windows that
// cover a pixel. One invocation per value; those named Texels take four
// channels at once, and count channels and places by four.

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
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> place: array<u32>;
@group(0) @binding(4) var<storage, read> placed: array<u32>;
@group(0) @binding(5) var<storage, read> dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;
@group(0) @binding(7) var texels: texture_storage_2d<rgba32float, read>;
@group(0) @binding(8) var<storage, read_write> y4: array<vec4f>;
@group(0) @binding(9) var<storage, read_write> place4: array<vec4u>;

struct Cell {
  sample: u32,
  row: u32,
  column: u32,
  channel: u32,
}

fn cellOf(i: u32, height: u32, width: u32) -> Cell {
  let pixel = quotient(i, params.channels);
  let line = quotient(pixel, width);
  let sample = quotient(line, height);
  return Cell(
    sample,
    line - sample * height,
    pixel - line * width,
    i - pixel * params.channels,
  );
}

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

fn inputIndex(cell: Cell, row: u32, column: u32) -> u32 {
  return ((cell.sample * params.inHeight + row) * params.inWidth + column) *
    params.channels + cell.channel;
}

fn outputIndex(cell: Cell, row: u32, column: u32) -> u32 {
  return ((cell.sample * params.outHeight + row) * params.outWidth + column) *
    params.channels + cell.channel;
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

@compute @workgroup_size(64)
fn maximum(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let cell = cellOf(i, params.outHeight, params.outWidth);
  if (cell.sample >= params.batch) {
    return;
  }
  let rows = rowsOf(cell.row);
  let columns = columnsOf(cell.column);
  var best = inputIndex(cell, rows.x, columns.x);
  var largest = x[best];
  for (var row = rows.x; row < rows.y; row++) {
    for (var column = columns.x; column < columns.y; column++) {
      let at = inputIndex(cell, row, column);
      let value = x[at];
      if ((value > largest && !isNanOne(largest)) || isNanOne(value)) {
        largest = value;
        best = at;
      }
    }
  }
  y[i] = largest;
  place[i] = best;
}

@compute @workgroup_size(64)
fn maximumBackward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let cell = cellOf(i, params.inHeight, params.inWidth);
  if (cell.sample >= params.batch) {
    return;
  }
  let rows = coverOf(cell.row, params.strideY, params.padY, params.kernelHeight, params.outHeight);
  let columns = coverOf(cell.column, params.strideX, params.padX, params.kernelWidth, params.outWidth);
  var total = 0.0;
  for (var row = rows.x; row < rows.y; row++) {
    for (var column = columns.x; column < columns.y; column++) {
      let at = outputIndex(cell, row, column);
      if (placed[at] == i) {
        total += dy[at];
      }
    }
  }
  dx[i] = total;
}

@compute @workgroup_size(64)
fn average(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let cell = cellOf(i, params.outHeight, params.outWidth);
  if (cell.sample >= params.batch) {
    return;
  }
  let rows = rowsOf(cell.row);
  let columns = columnsOf(cell.column);
  var total = 0.0;
  for (var row = rows.x; row < rows.y; row++) {
    for (var column = columns.x; column < columns.y; column++) {
      total += x[inputIndex(cell, row, column)];
    }
  }
  y[i] = total / divisor(rows, columns);
}

@compute @workgroup_size(64)
fn averageBackward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let cell = cellOf(i, params.inHeight, params.inWidth);
  if (cell.sample >= params.batch) {
    return;
  }
  let rows = coverOf(cell.row, params.strideY, params.padY, params.kernelHeight, params.outHeight);
  let columns = coverOf(cell.column, params.strideX, params.padX, params.kernelWidth, params.outWidth);
  var total = 0.0;
  for (var row = rows.x; row < rows.y; row++) {
    for (var column = columns.x; column < columns.y; column++) {
      total += dy[outputIndex(cell, row, column)] /
        divisor(rowsOf(row), columnsOf(column));
    }
  }
  dx[i] = total;
}

fn texelAt(i: u32) -> vec4f {
  return textureLoad(texels, vec2u(i & 1023u, i >> 10u));
}

@compute @workgroup_size(64)
fn maximumTexels(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let cell = cellOf(i, params.outHeight, params.outWidth);
  if (cell.sample >= params.batch) {
    return;
  }
  let rows = rowsOf(cell.row);
  let columns = columnsOf(cell.column);
  let start = inputIndex(cell, rows.x, columns.x);
  var best = vec4u(start);
  var largest = texelAt(start);
  for (var row = rows.x; row < rows.y; row++) {
    for (var column = columns.x; column < columns.y; column++) {
      let at = inputIndex(cell, row, column);
      let value = texelAt(at);
      let isAbove = ((value > largest) & !isNan(largest)) | isNan(value);
      largest = select(largest, value, isAbove);
      best = select(best, vec4u(at), isAbove);
    }
  }
  y4[i] = largest;
  place4[i] = best * 4u + vec4u(0u, 1u, 2u, 3u);
}

@compute @workgroup_size(64)
fn averageTexels(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * 65535u + group.x) * 64u + lane;
  let cell = cellOf(i, params.outHeight, params.outWidth);
  if (cell.sample >= params.batch) {
    return;
  }
  let rows = rowsOf(cell.row);
  let columns = columnsOf(cell.column);
  var total = vec4f();
  for (var row = rows.x; row < rows.y; row++) {
    for (var column = columns.x; column < columns.y; column++) {
      total += texelAt(inputIndex(cell, row, column));
    }
  }
  y4[i] = total / divisor(rows, columns);
}
