// Rows walked by one subgroup each: LANES is its size, ROWS rows make a
// workgroup of 64. Sums and maxima go through shuffles, without barriers. For
// adapters that number the lanes of a subgroup as those of the workgroup.

const LANES: u32 = 16u; // knob: 8, 16 or 32

const ROWS: u32 = 64u / LANES;

// Sum over the lanes of a row.
fn rowSum(value: f32, lane: u32) -> f32 {
  var total = value;
  if (LANES > 16u) {
    total += subgroupShuffleXor(total, 16u);
  }
  if (LANES > 8u) {
    total += subgroupShuffleXor(total, 8u);
  }
  total += subgroupShuffleXor(total, 4u);
  total += subgroupShuffleXor(total, 2u);
  return total + subgroupShuffleXor(total, 1u);
}

// Largest value over the lanes of a row.
fn rowMax(value: f32, lane: u32) -> f32 {
  var largest = value;
  if (LANES > 16u) {
    largest = max(largest, subgroupShuffleXor(largest, 16u));
  }
  if (LANES > 8u) {
    largest = max(largest, subgroupShuffleXor(largest, 8u));
  }
  largest = max(largest, subgroupShuffleXor(largest, 4u));
  largest = max(largest, subgroupShuffleXor(largest, 2u));
  return max(largest, subgroupShuffleXor(largest, 1u));
}
