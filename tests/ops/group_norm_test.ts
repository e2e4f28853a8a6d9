import {
  batchNormFrozen,
  batchNormTraining,
  groupNorm,
} from "../../core/ops/group_norm.ts";
import type { Array64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";

const EPS = 1e-5;

function normalize(values: Float64Array): Float64Array {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) /
    values.length;
  return values.map((x) => (x - mean) / Math.sqrt(variance + EPS));
}

function groups(count: number) {
  return (x: Array64, weight: Array64, bias: Array64): Float64Array => {
    const batch = x.shape[0]!;
    const channels = x.shape.at(-1)!;
    const each = channels / count;
    const y = new Float64Array(x.data.length);
    for (let b = 0; b < batch; b++) {
      for (let g = 0; g < count; g++) {
        const places: number[] = [];
        for (let i = 0; i < x.data.length / batch; i++) {
          const flat = b * x.data.length / batch + i;
          if (Math.floor((flat % channels) / each) === g) places.push(flat);
        }
        const values = normalize(Float64Array.from(places, (i) => x.data[i]!));
        places.forEach((flat, i) => {
          const c = flat % channels;
          y[flat] = values[i]! * weight.data[c]! + bias.data[c]!;
        });
      }
    }
    return y;
  };
}

for (const count of [1, 2, 8]) {
  checkOp(`groupNorm with ${count} groups`, {
    run: (x, weight, bias) => groupNorm(x, count, EPS, { weight, bias }),
    oracle: groups(count),
    cases: {
      "accepts images": { shapes: [[2, 3, 5, 8], [8], [8]] },
      "accepts more pixels than a chunk": { shapes: [[2, 131, 8], [8], [8]] },
      "stays accurate far from zero": {
        shapes: [[1, 40, 8], [8], [8]],
        draws: [{ offset: 100 }],
        tolerance: 1e-4,
      },
    },
    tolerance: 1e-5,
  });
}

const ACTIVATIONS = {
  relu: (z: number) => Math.max(0, z),
  silu: (z: number) => z / (1 + Math.exp(-z)),
};
for (const activation of ["relu", "silu"] as const) {
  checkOp(`groupNorm with ${activation}`, {
    run: (x, weight, bias) =>
      groupNorm(x, 2, EPS, { weight, bias }, { activation }),
    oracle: (x, weight, bias) =>
      groups(2)(x, weight, bias).map(ACTIVATIONS[activation]),
    cases: {
      "accepts one pixel": { shapes: [[2, 1, 8], [8], [8]] },
      "accepts more pixels than a chunk": {
        shapes: [[2, 131, 12], [12], [12]],
      },
    },
    tolerance: 1e-5,
  });
}

checkOp("groupNorm over many pixels", {
  run: (x, weight, bias) => groupNorm(x, 2, EPS, { weight, bias }),
  oracle: groups(2),
  cases: { "makes larger chunks": { shapes: [[1, 33_000, 4], [4], [4]] } },
  tolerance: 1e-5, // measured 1.4e-6, in gradients
});

checkOp("batchNormTraining", {
  run: (x, weight, bias) => batchNormTraining(x, EPS, { weight, bias }).y,
  oracle: (x, weight, bias) =>
    groups(x.shape.at(-1)!)(
      { shape: [1, ...x.shape], data: x.data },
      weight,
      bias,
    ),
  cases: {
    "takes moments over batch and pixels": { shapes: [[3, 4, 5, 4], [4], [4]] },
  },
  tolerance: 1e-5,
});

checkOp("batchNormFrozen", {
  run: (x, weight, bias, mean, variance) =>
    batchNormFrozen(x, EPS, { weight, bias }, { mean, variance }),
  oracle: (x, w, b, m, v) =>
    x.data.map((x, i) => {
      const c = i % w.data.length;
      return (x - m.data[c]!) / Math.sqrt(v.data[c]! + EPS) * w.data[c]! +
        b.data[c]!;
    }),
  special: "spreads", // shift and scale are one product and sum, as in PyTorch
  cases: {
    "uses given moments": {
      shapes: [[2, 3, 3, 5], [5], [5], [5], [5]],
      draws: [undefined, undefined, undefined, undefined, {
        map: (x) => Math.abs(x) + 0.5,
      }],
    },
  },
  tolerance: 1e-5,
});
