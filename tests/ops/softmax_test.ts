import { crossEntropy, logSoftmax, softmax } from "../../core/ops/softmax.ts";
import { tensor } from "../../core/tensor/create.ts";
import { checkOp } from "../support/check_op.ts";
import { testGpu } from "../support/gpu.ts";
import { overRows, ROW_CASES } from "../support/over_rows.ts";

function soft(values: Float64Array): Float64Array {
  const largest = values.reduce((a, b) => Math.max(a, b));
  const e = values.map((x) => Math.exp(x - largest));
  const total = e.reduce((a, b) => a + b, 0);
  return e.map((x) => x / total);
}

for (const lanes of [1, 8, 32]) {
  const name = (op: string) => lanes === 1 ? op : `${op} by ${lanes} lanes`;
  const gpu = () => testGpu({ rowLanes: lanes });
  checkOp(name("softmax"), {
    run: softmax,
    oracle: overRows(soft),
    cases: {
      ...ROW_CASES,
      "accepts large values": { shapes: [[4, 9]], map: (x) => 60 * x },
    },
    tolerance: 5e-6,
    gpu,
  });
  checkOp(name("logSoftmax"), {
    run: logSoftmax,
    oracle: overRows((row) => soft(row).map(Math.log)),
    cases: ROW_CASES,
    tolerance: 5e-6,
    gpu,
  });
}

checkOp("crossEntropy", {
  run: (x) => crossEntropy(x, tensor(x.gpu, new Uint32Array([2, 0, 4, 1]))),
  oracle: (x) => {
    const y = overRows(soft)(x);
    const picks = [2, 0, 4, 1].map((c, n) => -Math.log(y[n * 5 + c]!));
    return Float64Array.of(picks.reduce((a, b) => a + b, 0) / 4);
  },
  cases: { "averages over rows": { shapes: [[4, 5]] } },
  tolerance: 5e-6,
});
