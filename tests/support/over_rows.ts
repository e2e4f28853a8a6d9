import type { Array64 } from "./array64.ts";

/** Applies a definition to every row of the last axis. */
export function overRows(row: (values: Float64Array) => Float64Array) {
  return ({ shape, data }: Array64): Float64Array => {
    const cols = shape.at(-1)!;
    const y = new Float64Array(data.length);
    for (let start = 0; start < data.length; start += cols) {
      y.set(row(data.subarray(start, start + cols)), start);
    }
    return y;
  };
}

/** Shapes that break kernels over rows. */
export const ROW_CASES = {
  "accepts one element": { shapes: [[1, 1]] },
  "accepts rows that fill no texel": { shapes: [[3, 5]] },
  "accepts rows of whole texels": { shapes: [[5, 64]] },
  "accepts more rows than a workgroup": { shapes: [[2, 70, 12]] },
  "accepts long rows": { shapes: [[3, 1030]] },
};
