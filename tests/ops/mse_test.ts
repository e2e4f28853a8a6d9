import { mse } from "../../core/ops/mse.ts";
import { checkOp } from "../support/check_op.ts";

checkOp("mse", {
  run: mse,
  oracle: (x, y) =>
    Float64Array.of(
      x.data.reduce((sum, x, i) => sum + (x - y.data[i]!) ** 2, 0) /
        x.data.length,
    ),
  cases: { "averages all elements": { shapes: [[5, 7], [5, 7]] } },
  tolerance: 5e-6,
});
