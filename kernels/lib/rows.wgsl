// Rows shared among invocations: LANES of them walk one row, ROWS rows make a
// workgroup of 64. One lane per row suits a software adapter, which suspends
// invocations at barriers; a GPU reads neighbouring values with many.

const LANES: u32 = 1u; // knob: 1, 2, 4, 8, 16, 32 or 64

const ROWS: u32 = 64u / LANES;

var<workgroup> partials: array<f32, 64>;

// Sum over the lanes of a row. Call it in uniform control flow.
fn rowSum(value: f32, lane: u32) -> f32 {
  if (LANES == 1u) {
    return value;
  }
  partials[lane] = value;
  workgroupBarrier();
  for (var stride = LANES / 2u; stride > 0u; stride >>= 1u) {
    if (lane % LANES < stride) {
      partials[lane] += partials[lane + stride];
    }
    workgroupBarrier();
  }
  let total = partials[lane - lane % LANES];
  workgroupBarrier();
  return total;
}

// Largest value over the lanes of a row. Call it in uniform control flow.
fn rowMax(value: f32, lane: u32) -> f32 {
  if (LANES == 1u) {
    return value;
  }
  partials[lane] = value;
  workgroupBarrier();
  for (var stride = LANES / 2u; stride > 0u; stride >>= 1u) {
    if (lane % LANES < stride) {
      partials[lane] = max(partials[lane], partials[lane + stride]);
    }
    workgroupBarrier();
  }
  let largest = partials[lane - lane % LANES];
  workgroupBarrier();
  return largest;
}
