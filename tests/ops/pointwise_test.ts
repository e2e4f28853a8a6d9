import { assert, assertEquals, assertThrows } from "@std/assert";
import * as ops from "../../core/ops/pointwise.ts";
import { sum } from "../../core/ops/reduce.ts";
import { backward } from "../../core/tensor/autograd.ts";
import { broadcastShapes } from "../../core/tensor/shape.ts";
import { tensor, zeros } from "../../core/tensor/create.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import { type Array64, at, build64, type Draw } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";
import { erf } from "../support/erf.ts";
import { testGpu } from "../support/gpu.ts";

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** Name, operation, definition, and the domain its draws are mapped to. */
type Unary = [(x: Tensor) => Tensor, (x: number) => number, Draw?];

const POSITIVE: Draw = { map: (x) => Math.abs(x) + 0.1 };
const AWAY: Draw = { map: (x) => x + Math.sign(x) * 0.1 };

const UNARY: Record<string, Unary> = {
  neg: [ops.neg, (x) => -x],
  exp: [ops.exp, Math.exp],
  log: [ops.log, Math.log, POSITIVE],
  sqrt: [ops.sqrt, Math.sqrt, POSITIVE],
  rsqrt: [ops.rsqrt, (x) => 1 / Math.sqrt(x), POSITIVE],
  tanh: [ops.tanh, Math.tanh],
  sin: [ops.sin, Math.sin],
  cos: [ops.cos, Math.cos],
  sigmoid: [ops.sigmoid, sigmoid],
  relu: [ops.relu, (x) => Math.max(x, 0), AWAY],
  silu: [ops.silu, (x) => x * sigmoid(x)],
  gelu: [ops.gelu, (x) => x * 0.5 * (1 + erf(x * Math.SQRT1_2))],
  geluTanh: [
    ops.geluTanh,
    (x) =>
      0.5 * x *
      (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  ],
  quickGelu: [ops.quickGelu, (x) => x * sigmoid(1.702 * x)],
  abs: [ops.abs, Math.abs, AWAY],
  "pow of 0": [(x) => ops.pow(x, 0), () => 1],
  "pow of 1": [(x) => ops.pow(x, 1), (x) => x],
  "pow of 2": [(x) => ops.pow(x, 2), (x) => x * x],
  "pow of -1": [(x) => ops.pow(x, -1), (x) => 1 / x, {
    map: (x) => x + Math.sign(x),
  }],
  "pow of 0.5": [(x) => ops.pow(x, 0.5), Math.sqrt, POSITIVE],
  "pow of 3": [(x) => ops.pow(x, 3), (x) => x ** 3],
  "pow of 4": [(x) => ops.pow(x, 4), (x) => x ** 4],
  "pow of 1.7": [(x) => ops.pow(x, 1.7), (x) => x ** 1.7, POSITIVE],
  clamp: [
    (x) => ops.clamp(x, -0.5, 0.75),
    (x) => Math.min(Math.max(x, -0.5), 0.75),
  ],
  "add of a number": [(x) => ops.add(x, 1.5), (x) => x + 1.5],
  "sub from a number": [(x) => ops.sub(1.5, x), (x) => 1.5 - x],
  "mul by a number": [(x) => ops.mul(x, -2.5), (x) => -2.5 * x],
  "div of a number": [(x) => ops.div(2, x), (x) => 2 / x, {
    map: (x) => x + Math.sign(x),
  }],
};

for (const [name, [run, value, draw = {}]] of Object.entries(UNARY)) {
  checkOp(name, {
    run,
    oracle: (x) => x.data.map((x) => value(x)),
    cases: {
      "accepts one element": { shapes: [[1]], ...draw },
      "accepts a size that fills no texel": { shapes: [[3, 5, 7]], ...draw },
      "accepts more than a workgroup": { shapes: [[4, 130]], ...draw },
    },
    tolerance: 6e-6, // measured 4e-6, pow() of 1.7
  });
}

const far = { map: (x: number) => 6 * x };
checkOp("gelu", {
  run: ops.gelu,
  oracle: (x) => x.data.map((x) => x * 0.5 * (1 + erf(x * Math.SQRT1_2))),
  cases: { "keeps its tails": { shapes: [[400]], ...far } },
  tolerance: 2e-6, // measured 3e-7
});
checkOp("tanh", {
  run: ops.tanh,
  oracle: (x) => x.data.map(Math.tanh),
  cases: { "saturates": { shapes: [[400]], map: (x) => 40 * x } },
  tolerance: 1e-6,
});
checkOp("sigmoid", {
  run: ops.sigmoid,
  oracle: (x) => x.data.map(sigmoid),
  cases: {
    "saturates without overflow": { shapes: [[64]], map: (x) => 80 * x },
  },
  tolerance: 1e-6,
});

function zip(value: (...values: number[]) => number) {
  return (...inputs: Array64[]) =>
    build64(
      broadcastShapes("test", ...inputs.map((x) => x.shape)),
      (index) => value(...inputs.map((x) => at(x, index))),
    ).data;
}

const BINARY: Record<
  string,
  [(x: Tensor, y: Tensor) => Tensor, (x: number, y: number) => number, Draw?]
> = {
  add: [ops.add, (x, y) => x + y],
  sub: [ops.sub, (x, y) => x - y],
  mul: [ops.mul, (x, y) => x * y],
  div: [ops.div, (x, y) => x / y, { map: (x) => x + Math.sign(x) }],
  minimum: [ops.minimum, Math.min],
  maximum: [ops.maximum, Math.max],
};

for (const [name, [run, value, draw = {}]] of Object.entries(BINARY)) {
  checkOp(name, {
    run,
    oracle: zip(value),
    cases: {
      "accepts equal shapes": { shapes: [[6, 10], [6, 10]], ...draw },
      "broadcasts a last axis of whole texels": {
        shapes: [[2, 5, 8], [2, 5, 1]],
        ...draw,
      },
      "broadcasts odd axes on both sides": {
        shapes: [[3, 1, 5], [4, 1]],
        ...draw,
      },
    },
    tolerance: 6e-6,
  });
}

checkOp("mul", {
  run: ops.mul,
  oracle: zip((x, y) => x * y),
  cases: {
    "broadcasts a row": { shapes: [[7, 12], [12]] },
    "broadcasts a single element": { shapes: [[5, 9], []] },
    "broadcasts the first operand": { shapes: [[1], [3, 4]] },
    "broadcasts a middle axis": { shapes: [[2, 3, 4, 8], [2, 1, 4, 8]] },
    "broadcasts alternating axes": { shapes: [[2, 3, 2, 5], [1, 3, 1, 5]] },
  },
  tolerance: 2e-6,
});

checkOp("add", {
  run: ops.add,
  oracle: zip((x, y) => x + y),
  cases: {
    "needs more than 65,535 workgroups": {
      shapes: [[16_777_984], [1]],
    },
  },
  tolerance: 2e-3, // gradient of the scalar: a sum of 1.7e7 terms, in f32
  constants: [0, 1],
  forwardOnly: true,
});

for (const operandSource of ["texels", "buffer"] as const) {
  checkOp(`mul by large tensors reading ${operandSource}`, {
    run: ops.mul,
    oracle: zip((x, y) => x * y),
    cases: {
      "agrees": { shapes: [[3, 200, 64], [200, 64]] },
    },
    tolerance: 2e-6,
    gpu: () => testGpu({ operandSource }),
  });
}

checkOp("where", {
  run: ops.where,
  oracle: zip((c, x, y) => c !== 0 ? x : y),
  cases: {
    "takes from both sides": {
      shapes: [[5, 8], [5, 8], [5, 8]],
      draws: [{ map: (_, i) => i % 3 === 0 ? 0 : 1 }],
    },
    "broadcasts the condition": {
      shapes: [[5, 1], [5, 7], [7]],
      draws: [{ map: (_, i) => i % 2 }],
    },
  },
  constants: [0],
  tolerance: 2e-6,
});

checkOp("broadcastTo", {
  run: (x) => ops.broadcastTo(x, [4, 3, 6]),
  oracle: (x) => build64([4, 3, 6], (index) => at(x, index)).data,
  cases: {
    "repeats leading and middle axes": { shapes: [[1, 6]] },
    "repeats the last axis": { shapes: [[3, 1]] },
  },
  tolerance: 2e-6,
});

Deno.test("minimum halves the gradient at a tie", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const x = tensor(gpu, [1, 2]);
  const y = tensor(gpu, [1, 3]);
  x.requiresGrad = true;
  y.requiresGrad = true;
  backward(sum(ops.minimum(x, y)));
  assertEquals([...await x.grad!.read()], [0.5, 1]);
  assertEquals([...await y.grad!.read()], [0.5, 0]);
});

Deno.test("add refuses shapes that do not broadcast", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  assertThrows(
    () => ops.add(zeros(gpu, [2, 3]), zeros(gpu, [2, 4])),
    RangeError,
    "Cannot apply add: shapes (2, 3) and (2, 4) do not broadcast",
  );
});

Deno.test("add refuses integers and numbers that are not finite", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const x = zeros(gpu, [2]);
  const { TypeError, RangeError } = globalThis;
  assertThrows(
    () => ops.add(x, zeros(gpu, [2], "u32")),
    TypeError,
    "Cannot apply add: dtype u32, needed f32",
  );
  assertThrows(() => ops.add(x, NaN), RangeError, "number NaN must be finite");
});

/** Arguments that compilers and drivers may treat as they like. */
const SPECIAL = [NaN, Infinity, -Infinity, -1, 1, 0, -0];

/** Results and gradients at them, by PyTorch 1.13; zeros without their sign. */
const AT_SPECIAL: Record<
  string,
  [(x: Tensor) => Tensor, number[], number[]]
> = {
  exp: [ops.exp, [NaN, Infinity, 0, 0.36787945, 2.71828175, 1, 1], [
    NaN,
    Infinity,
    0,
    0.36787945,
    2.71828175,
    1,
    1,
  ]],
  log: [ops.log, [NaN, Infinity, NaN, NaN, 0, -Infinity, -Infinity], [
    NaN,
    0,
    0,
    -1,
    1,
    Infinity,
    -Infinity,
  ]],
  sqrt: [ops.sqrt, [NaN, Infinity, NaN, NaN, 1, 0, 0], [
    NaN,
    0,
    NaN,
    NaN,
    0.5,
    Infinity,
    -Infinity,
  ]],
  rsqrt: [ops.rsqrt, [NaN, 0, NaN, NaN, 1, Infinity, -Infinity], [
    NaN,
    0,
    NaN,
    NaN,
    -0.5,
    -Infinity,
    Infinity,
  ]],
  tanh: [ops.tanh, [NaN, 1, -1, -0.76159418, 0.76159418, 0, 0], [
    NaN,
    0,
    0,
    0.4199743,
    0.4199743,
    1,
    1,
  ]],
  sin: [ops.sin, [NaN, NaN, NaN, -0.84147096, 0.84147096, 0, 0], [
    NaN,
    NaN,
    NaN,
    0.54030234,
    0.54030234,
    1,
    1,
  ]],
  cos: [ops.cos, [NaN, NaN, NaN, 0.54030234, 0.54030234, 1, 1], [
    NaN,
    NaN,
    NaN,
    0.84147096,
    -0.84147096,
    0,
    0,
  ]],
  sigmoid: [ops.sigmoid, [NaN, 1, 0, 0.26894143, 0.7310586, 0.5, 0.5], [
    NaN,
    0,
    0,
    0.19661194,
    0.19661193,
    0.25,
    0.25,
  ]],
  relu: [ops.relu, [NaN, Infinity, 0, 0, 1, 0, 0], [1, 1, 0, 0, 1, 0, 0]],
  silu: [ops.silu, [NaN, Infinity, NaN, -0.26894143, 0.7310586, 0, 0], [
    NaN,
    NaN,
    NaN,
    0.07232948,
    0.92767054,
    0.5,
    0.5,
  ]],
  gelu: [ops.gelu, [NaN, Infinity, NaN, -0.15865529, 0.84134471, 0, 0], [
    NaN,
    NaN,
    NaN,
    -0.08331543,
    1.08331537,
    0.5,
    0.5,
  ]],
  geluTanh: [
    ops.geluTanh,
    [NaN, Infinity, NaN, -0.15880799, 0.84119201, 0, 0],
    [NaN, NaN, NaN, -0.08296409, 1.08296406, 0.5, 0.5],
  ],
  abs: [ops.abs, [NaN, Infinity, Infinity, 1, 1, 0, 0], [
    0,
    1,
    -1,
    -1,
    1,
    0,
    0,
  ]],
  neg: [ops.neg, [NaN, -Infinity, Infinity, 1, -1, 0, 0], [
    -1,
    -1,
    -1,
    -1,
    -1,
    -1,
    -1,
  ]],
  clamp: [(x) => ops.clamp(x, -0.5, 0.5), [NaN, 0.5, -0.5, -0.5, 0.5, 0, 0], [
    0,
    0,
    0,
    0,
    0,
    1,
    1,
  ]],
  quickGelu: [ops.quickGelu, [
    NaN,
    Infinity,
    NaN,
    -0.15420423,
    0.84579575,
    0,
    0,
  ], [NaN, NaN, NaN, -0.06777962, 1.06777966, 0.5, 0.5]],
  "pow of 0": [(x) => ops.pow(x, 0), [1, 1, 1, 1, 1, 1, 1], [
    0,
    0,
    0,
    0,
    0,
    0,
    0,
  ]],
  "pow of 1": [(x) => ops.pow(x, 1), [NaN, Infinity, -Infinity, -1, 1, 0, 0], [
    1,
    1,
    1,
    1,
    1,
    1,
    1,
  ]],
  "pow of 2": [(x) => ops.pow(x, 2), [NaN, Infinity, Infinity, 1, 1, 0, 0], [
    NaN,
    Infinity,
    -Infinity,
    -2,
    2,
    0,
    0,
  ]],
  "pow of 3": [(x) => ops.pow(x, 3), [NaN, Infinity, -Infinity, -1, 1, 0, 0], [
    NaN,
    Infinity,
    Infinity,
    3,
    3,
    0,
    0,
  ]],
  "pow of 4": [(x) => ops.pow(x, 4), [NaN, Infinity, Infinity, 1, 1, 0, 0], [
    NaN,
    Infinity,
    -Infinity,
    -4,
    4,
    0,
    0,
  ]],
  "pow of -1": [
    (x) => ops.pow(x, -1),
    [NaN, 0, 0, -1, 1, Infinity, -Infinity],
    [NaN, 0, 0, -1, -1, -Infinity, -Infinity],
  ],
  "pow of -2": [(x) => ops.pow(x, -2), [NaN, 0, 0, 1, 1, Infinity, Infinity], [
    NaN,
    0,
    0,
    2,
    -2,
    -Infinity,
    Infinity,
  ]],
  "pow of -3": [
    (x) => ops.pow(x, -3),
    [NaN, 0, 0, -1, 1, Infinity, -Infinity],
    [NaN, 0, 0, -3, -3, -Infinity, -Infinity],
  ],
  "pow of 0.5": [(x) => ops.pow(x, 0.5), [NaN, Infinity, NaN, NaN, 1, 0, 0], [
    NaN,
    0,
    NaN,
    NaN,
    0.5,
    Infinity,
    -Infinity,
  ]],
  "pow of 1.7": [(x) => ops.pow(x, 1.7), [
    NaN,
    Infinity,
    Infinity,
    NaN,
    1,
    0,
    0,
  ], [NaN, Infinity, Infinity, NaN, 1.70000005, 0, 0]],
  "pow of -1.7": [(x) => ops.pow(x, -1.7), [
    NaN,
    0,
    0,
    NaN,
    1,
    Infinity,
    Infinity,
  ], [NaN, 0, 0, NaN, -1.70000005, -Infinity, -Infinity]],
};

/** The same without signs of zeros. */
function unsigned(values: Iterable<number>): number[] {
  return Array.from(values, (x) => Math.abs(x) < 1e-37 ? 0 : x);
}

for (const operandSource of ["texels", "buffer"] as const) {
  for (const [name, [run, wanted, slopes]] of Object.entries(AT_SPECIAL)) {
    Deno.test(`${name} agrees with PyTorch at NaN, infinity and zero, reading ${operandSource}`, async () => {
      const gpu = await testGpu({ operandSource });
      using _ = gpu.scope();
      const x = tensor(gpu, SPECIAL);
      x.requiresGrad = true;
      const y = run(x);
      backward(sum(y));
      const got = unsigned(await y.read());
      const dx = unsigned(await x.grad!.read());
      const near = (a: number, b: number) =>
        Object.is(a, b) || Math.abs(a - b) < 1e-6;
      assert(
        got.every((value, i) => near(value, unsigned(wanted)[i]!)) &&
          dx.every((value, i) => near(value, unsigned(slopes)[i]!)),
        `results ${got}, gradients ${dx}; needed ${wanted} and ${slopes}`,
      );
    });
  }
}

/** Pairs that meet in minimum and maximum. */
const PAIRS: [number[], number[]] = [
  [NaN, 1, NaN, 1, 2, Infinity, -Infinity, Infinity],
  [1, NaN, NaN, 2, 2, Infinity, Infinity, NaN],
];

for (const operandSource of ["texels", "buffer"] as const) {
  Deno.test(`minimum and maximum agree with PyTorch at NaN and infinity, reading ${operandSource}`, async () => {
    const gpu = await testGpu({ operandSource });
    const [a, b] = PAIRS;
    const least = [1, 1, 1, 1, 0.5, 0.5, 1, 1];
    for (
      const [run, wanted, dx, dy] of [
        [
          ops.maximum,
          [NaN, NaN, NaN, 2, 2, Infinity, Infinity, NaN],
          [1, 1, 1, 0, 0.5, 0.5, 0, 1],
          least,
        ],
        [
          ops.minimum,
          [NaN, NaN, NaN, 1, 2, Infinity, -Infinity, NaN],
          least,
          [1, 1, 1, 0, 0.5, 0.5, 0, 1],
        ],
      ] as const
    ) {
      using _ = gpu.scope();
      const [x, y] = [tensor(gpu, a), tensor(gpu, b)];
      x.requiresGrad = true;
      y.requiresGrad = true;
      const z = run(x, y);
      backward(sum(z));
      assertEquals([...await z.read()], [...wanted]);
      assertEquals([...await x.grad!.read()], [...dx]);
      assertEquals([...await y.grad!.read()], [...dy]);
    }
  });
}

Deno.test("clamp, minimum and maximum with numbers keep NaN", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const x = tensor(gpu, [NaN, 5]);
  assertEquals([...await ops.clamp(x, 0, 1).read()], [NaN, 1]);
  assertEquals([...await ops.minimum(x, 1).read()], [NaN, 1]);
  assertEquals([...await ops.maximum(7, x).read()], [NaN, 7]);
});

/** Radians of both signs up to 2^24: spread, whole, near cancellation. */
function angles(): Float32Array<ArrayBuffer> {
  const end = 2 ** 24;
  const values = [
    0,
    1e4,
    1e5,
    1e6,
    1e7,
    end,
    end - 1,
    8191.999,
    8192,
    8192.001,
  ];
  for (let i = 0; i < 4000; i++) values.push(10 ** (i / 3999 * 11.2 - 4));
  // Multiples of pi / 2, where a rounded reduction loses every digit.
  for (let n = 1; n * Math.PI / 2 < end; n = Math.ceil(n * 1.01)) {
    values.push(n * Math.PI / 2);
  }
  // The nearest of all float32 in this range, by a search over them.
  values.push(252.89820861816406, 505.7964172363281, 52516.43359375);
  const inside = values.map(Math.fround).filter((x) => x <= end);
  return Float32Array.from(inside.flatMap((x) => [x, -x]));
}

for (const operandSource of ["texels", "buffer"] as const) {
  Deno.test(`sin and cos and their gradients stay within 1e-6 up to 2^24, reading ${operandSource}`, async () => {
    const gpu = await testGpu({ operandSource });
    using _ = gpu.scope();
    const values = angles();
    for (
      const [name, run, wanted, slope] of [
        ["sin", ops.sin, Math.sin, Math.cos],
        ["cos", ops.cos, Math.cos, (x: number) => -Math.sin(x)],
      ] as const
    ) {
      const x = tensor(gpu, values);
      x.requiresGrad = true;
      const y = run(x);
      backward(sum(y));
      const [got, dx] = [await y.read(), await x.grad!.read()];
      let worst = 0;
      for (const [i, value] of values.entries()) {
        const error = Math.max(
          Math.abs(got[i]! - wanted(value)),
          Math.abs(dx[i]! - slope(value)),
        );
        if (!(error <= worst)) worst = error;
      }
      assert(worst < 1e-6, `${name} is off by ${worst.toExponential(1)}`);
    }
  });
}

Deno.test("sin and cos give NaN beyond 2^24", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const beyond = [2 ** 24 + 2, -(2 ** 24 + 2), 1e8, 1e38, Infinity, -Infinity];
  const x = tensor(gpu, [...beyond, NaN, 0.5]);
  for (const run of [ops.sin, ops.cos]) {
    const got = [...await run(x).read()];
    assertEquals(got.slice(0, 7), new Array(7).fill(NaN));
    assert(Math.abs(got[7]! - 0.5) < 0.4);
  }
});
