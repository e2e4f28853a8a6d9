// Cells of two images of equal channels, whose sizes are in Params; with
// quotient.wgsl.

// One pixel's channel, or four of them.
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

// The channel of a cell in another pixel.
fn inputIndex(cell: Cell, row: u32, column: u32) -> u32 {
  return ((cell.sample * params.inHeight + row) * params.inWidth + column) *
    params.channels + cell.channel;
}

fn outputIndex(cell: Cell, row: u32, column: u32) -> u32 {
  return ((cell.sample * params.outHeight + row) * params.outWidth + column) *
    params.channels + cell.channel;
}
