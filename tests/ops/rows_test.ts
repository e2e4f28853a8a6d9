import { assertThrows } from "@std/assert";
import {
  batchNormFrozen,
  batchNormTraining,
  groupNorm,
} from "../../core/ops/group_norm.ts";
import { layerNorm } from "../../core/ops/layer_norm.ts";
import { crossEntropy, logSoftmax, softmax } from "../../core/ops/softmax.ts";
import { tensor, zeros } from "../../core/tensor/create.ts";
import { type Array64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";
import { testGpu } from "../support/gpu.ts";

const EPS = 1e-5;

function overRows(row: (values: Float64Array) => Float64Array) {
  return ({ shape, data }: Array64): Float64Array => {
    const cols = shape.at(-1)!;
    const y = new Float64Array(data.length);
    for (let start = 0; start < data.length; start += cols) {
      y.set(row(data.subarray(start, start + cols)), start);
    }
    return y;
  };
}

function normalize(values: Float64Array): Float64Array {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) /
    values.length;
  return values.map((x) => (x - mean) / Math.sqrt(variance + EPS));
}

function soft(values: Float64Array): Float64Array {
  const largest = values.reduce((a, b) => Math.max(a, b));
  const e = values.map((x) => Math.exp(x - largest));
  const total = e.reduce((a, b) => a + b, 0);
  return e.map((x) => x / total);
}

const CASES = {
  "accepts one element": { shapes: [[1, 1]] },
  "accepts rows that fill no texel": { shapes: [[3, 5]] },
  "accepts rows of whole texels": { shapes: [[5, 64]] },
  "accepts more rows than a workgroup": { shapes: [[2, 70, 12]] },
  "accepts long rows": { shapes: [[3, 1030]] },
};

for (const lanes of [1, 8, 32]) {
  const name = (op: string) => lanes === 1 ? op : `${op} by ${lanes} lanes`;
  const gpu = () => testGpu({ rowLanes: lanes });
  checkOp(name("layerNorm"), {
    run: (x) => layerNorm(x, EPS),
    oracle: overRows(normalize),
    cases: {
      ...CASES,
      "keeps variance far from zero": {
        shapes: [[2, 256]],
        offset: 1000,
        tolerance: 2e-4, // the input itself is rounded to 6e-5
      },
    },
    tolerance: 1e-5, // measured 3e-6
    gpu,
  });
  checkOp(name("softmax"), {
    run: softmax,
    oracle: overRows(soft),
    cases: {
      ...CASES,
      "accepts large values": { shapes: [[4, 9]], map: (x) => 60 * x },
    },
    tolerance: 5e-6,
    gpu,
  });
  checkOp(name("logSoftmax"), {
    run: logSoftmax,
    oracle: overRows((row) => soft(row).map(Math.log)),
    cases: CASES,
    tolerance: 5e-6,
    gpu,
  });
}

checkOp("layerNorm with scale and shift", {
  run: (x, weight, bias) => layerNorm(x, EPS, { weight, bias }),
  oracle: (x, w, b) =>
    overRows((row) =>
      normalize(row).map((x, c) => x * w.data[c]! + b.data[c]!)
    )(x),
  cases: {
    "accepts whole texels": { shapes: [[6, 20], [20], [20]] },
  },
  tolerance: 1e-5,
});

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

Deno.test("layerNorm refuses a scalar", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  assertThrows(
    () => layerNorm(zeros(gpu, []), EPS),
    RangeError,
    "Cannot apply layerNorm to a tensor (): it needs a last axis",
  );
});
