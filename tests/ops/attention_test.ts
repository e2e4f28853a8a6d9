import { assertEquals, assertThrows } from "@std/assert";
import { attention, selfAttention } from "../../core/ops/attention.ts";
import { tensor, zeros } from "../../core/tensor/create.ts";
import { type Array64, at, build64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";
import { testGpu } from "../support/gpu.ts";

/** softmax(q k^T / sqrt(d)) v, written out. */
function oracle(q: Array64, k: Array64, v: Array64): Float64Array {
  const [, , , d = 0] = q.shape;
  const keys = k.shape[1]!;
  const rows = new Map<string, number[]>();
  return build64(q.shape, ([b = 0, t = 0, h = 0, i = 0]) => {
    const row = `${b},${t},${h}`;
    let p = rows.get(row);
    if (p === undefined) {
      const scores = Array.from({ length: keys }, (_, s) => {
        let total = 0;
        for (let c = 0; c < d; c++) {
          total += at(q, [b, t, h, c]) * at(k, [b, s, h, c]);
        }
        return total / Math.sqrt(d);
      });
      const largest = Math.max(...scores);
      const e = scores.map((x) => Math.exp(x - largest));
      const total = e.reduce((a, b) => a + b, 0);
      p = e.map((x) => x / total);
      rows.set(row, p);
    }
    return p.reduce((sum, p, s) => sum + p * at(v, [b, s, h, i]), 0);
  }).data;
}

for (const withoutSubgroups of [false, true]) {
  const suffix = withoutSubgroups ? " without subgroups" : "";
  const gpu = () =>
    testGpu(
      withoutSubgroups ? { withoutSubgroups, operandSource: "buffer" } : {},
    );
  checkOp(`attention${suffix}`, {
    run: attention,
    oracle,
    gpu,
    cases: {
      "accepts an odd head size": {
        shapes: [[2, 5, 3, 7], [2, 5, 3, 7], [2, 5, 3, 7]],
      },
      "accepts one token": {
        shapes: [[1, 1, 1, 4], [1, 1, 1, 4], [1, 1, 1, 4]],
      },
      "crosses lengths": {
        shapes: [[1, 19, 2, 8], [1, 6, 2, 8], [1, 6, 2, 8]],
      },
      "has more keys than queries": {
        shapes: [[1, 3, 1, 16], [1, 33, 1, 16], [1, 33, 1, 16]],
      },
      "has the largest head": {
        shapes: [[1, 18, 1, 64], [1, 18, 1, 64], [1, 18, 1, 64]],
      },
      "accepts more than 65,535 samples": {
        shapes: [[65_600, 1, 1, 3], [65_600, 2, 1, 3], [65_600, 2, 1, 3]],
      },
      "accepts large scores": {
        shapes: [[1, 9, 1, 8], [1, 9, 1, 8], [1, 9, 1, 8]],
        scale: 6,
        tolerance: 2e-4, // differences of weights near 1, in f32
      },
    },
    tolerance: 2e-5, // measured 4e-6
    samples: 4,
  });
  checkOp(`selfAttention${suffix}`, {
    run: selfAttention,
    oracle: (qkv) => {
      const [batch = 0, tokens = 0, , heads = 0, d = 0] = qkv.shape;
      const part = (i: number) =>
        build64(
          [batch, tokens, heads, d],
          ([b = 0, t = 0, h = 0, c = 0]) => at(qkv, [b, t, i, h, c]),
        );
      return oracle(part(0), part(1), part(2));
    },
    gpu,
    cases: {
      "takes a packed projection": { shapes: [[2, 21, 3, 2, 12]] },
      "takes an odd packed projection": { shapes: [[2, 6, 3, 2, 5]] },
      "accepts more than 65,535 samples": { shapes: [[65_600, 2, 3, 1, 2]] },
    },
    samples: 6,
    tolerance: 2e-5,
  });
}

for (const withoutSubgroups of [false, true]) {
  // Five keys are four and one: those past the last have no weight.
  Deno.test(`attention takes infinity as PyTorch${withoutSubgroups ? " without subgroups" : ""}`, async () => {
    const gpu = await testGpu(
      withoutSubgroups ? { withoutSubgroups, operandSource: "buffer" } : {},
    );
    using _ = gpu.scope();
    const rows = (values: number[]) => tensor(gpu, values, [1, 5, 1, 1]);
    const run = async (q: number, k: number[], v: number[]) =>
      (await attention(tensor(gpu, [q], [1, 1, 1, 1]), rows(k), rows(v))
        .read())[0];
    const ones = [1, 1, 1, 1, 1];
    assertEquals(await run(1, ones, [1, 1, 1, 1, Infinity]), Infinity);
    assertEquals(await run(-Infinity, ones, ones), NaN);
    assertEquals(await run(1, [1, 1, 1, 1, -Infinity], [2, 2, 2, 2, 7]), 2);
    assertEquals(await run(1, new Array(5).fill(-1e35), ones), 1);
  });
}

Deno.test("attention refuses heads above 64", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const x = zeros(gpu, [1, 2, 1, 68]);
  assertThrows(
    () => attention(x, x, x),
    RangeError,
    "Cannot apply attention: q (1, 2, 1, 68)",
  );
});

Deno.test("attention keeps memory that grows with tokens, not their square", async () => {
  const gpu = await testGpu();
  const bytes = (tokens: number) => {
    using _ = gpu.scope();
    const before = gpu.memory().liveBytes;
    const x = zeros(gpu, [1, tokens, 1, 8]);
    attention(x, x, x);
    return gpu.memory().liveBytes - before;
  };
  const ratio = bytes(4096) / bytes(1024);
  if (!(ratio < 4.1)) {
    throw new Error(`memory grew ${ratio} times for 4 times the tokens`);
  }
  await gpu.sync();
});
