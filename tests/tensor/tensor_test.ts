import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  add,
  arange,
  backward,
  key,
  matmul,
  mul,
  noGrad,
  normal,
  philox4x32,
  randomBits,
  sum,
  tensor,
  uniform,
  zeros,
} from "../../mod.ts";
import { testGpu } from "../support/gpu.ts";

Deno.test("philox4x32 gives the published vectors", () => {
  const hex = (words: readonly number[]) =>
    words.map((word) => word.toString(16).padStart(8, "0")).join(" ");
  const ones = 0xffffffff;
  assertEquals(
    hex(philox4x32([0, 0, 0, 0], [0, 0])),
    "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
  );
  assertEquals(
    hex(philox4x32([ones, ones, ones, ones], [ones, ones])),
    "408f276d 41c83b0e a20bc7c6 6d5451fd",
  );
  assertEquals(
    hex(philox4x32(
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
    )),
    "d16cfe09 94fdcceb 5001e420 24126ea1",
  );
});

Deno.test("randomBits and uniform equal the host's bit for bit", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const stream = key("bits", 5, 7);
  const bits = await randomBits(gpu, [3, 1001], stream).read();
  assert(bits.every((word, i) => word === stream.word(i)));
  const values = await uniform(gpu, [3003], stream).read();
  assert(values.every((value, i) => value === stream.uniform(i)));
});

Deno.test("normal stays within its stated error and has the moments", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const stream = key("normal", 0);
  const n = 100_000;
  const values = await normal(gpu, [n], stream).read();
  let worst = 0;
  let total = 0;
  let squares = 0;
  for (const [i, value] of values.entries()) {
    worst = Math.max(worst, Math.abs(value - stream.normal(i)));
    total += value;
    squares += value * value;
  }
  assert(worst < 4e-6, `error ${worst}`); // measured 4e-7
  assert(Math.abs(total / n) < 4 / Math.sqrt(n), `mean ${total / n}`);
  assert(Math.abs(squares / n - 1) < 4 * Math.sqrt(2 / n));
});

Deno.test("normal by rows depends on the row's key alone", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const keys = [3, 1, 2].map((window) => key("noise", 0, window));
  const all = await normal(gpu, [3, 5], keys).read();
  const one = await normal(gpu, [1, 5], [key("noise", 0, 1)]).read();
  assertEquals([...all.slice(5, 10)], [...one]);
  assertThrows(
    () => normal(gpu, [2, 5], keys),
    RangeError,
    "from 3 keys: it needs one, or 2",
  );
});

Deno.test("key separates streams, seeds and indices", () => {
  const words = [key("a", 0), key("b", 0), key("a", 1), key("a", 0, 0)].map(
    (k) => k.words.join(),
  );
  assertEquals(new Set(words).size, 4);
  assertThrows(() => key("a", -1), RangeError, "-1 must be a non-negative");
});

Deno.test("permutation is a permutation", () => {
  const order = key("order", 1).permutation(1000);
  assertEquals([...order].sort((a, b) => a - b), Array.from(order.keys()));
  assert(order.some((value, i) => value !== i));
});

Deno.test("tensor takes nested numbers and typed arrays", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const x = tensor(gpu, [[1, 2, 3], [4, 5, 6]]);
  assertEquals(x.shape, [2, 3]);
  assertEquals([...await x.read()], [1, 2, 3, 4, 5, 6]);
  assertEquals(tensor(gpu, 5).shape, []);
  assertEquals(await tensor(gpu, 5).item(), 5);
  assertEquals(tensor(gpu, new Uint32Array([1, 2])).dtype, "u32");
  assertEquals([...await arange(gpu, 4).read()], [0, 1, 2, 3]);
  const halves = tensor(gpu, new Float16Array([1, 0.5, 0.25]));
  assertEquals([...await halves.read()], [1, 0.5, 0.25]);
  assertThrows(
    () => tensor(gpu, [[1], [2, 3]]),
    RangeError,
    "expected shape (2, 1)",
  );
  assertThrows(
    () => tensor(gpu, new Float32Array(5), [2, 3]),
    RangeError,
    "from 5 numbers: it needs 6",
  );
  assertThrows(
    () => zeros(gpu, [2, -1]),
    RangeError,
    "positive integer lengths",
  );
});

Deno.test("reshape shares memory and computes one length", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const x = tensor(gpu, [1, 2, 3, 4, 5, 6]);
  assertEquals(x.reshape([2, -1]).shape, [2, 3]);
  assertEquals([...await x.reshape([3, 2]).read()], [1, 2, 3, 4, 5, 6]);
  assertThrows(
    () => x.reshape([4, 2]),
    RangeError,
    "Cannot reshape (6) to (4, 2): it has 6 elements",
  );
  await assertRejects(() => x.item(), RangeError, "6 elements, needed 1");
});

Deno.test("backward adds over uses and over calls", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const x = tensor(gpu, [2, 3]);
  x.requiresGrad = true;
  backward(sum(add(mul(x, x), x)));
  assertEquals([...await x.grad!.read()], [5, 7]);
  backward(sum(x));
  assertEquals([...await x.grad!.read()], [6, 8]);
});

Deno.test("backward takes the gradient of a result that is no scalar", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const x = tensor(gpu, [2, 3]);
  x.requiresGrad = true;
  backward(mul(x, x), tensor(gpu, [1, 10]));
  assertEquals([...await x.grad!.read()], [4, 60]);
  assertThrows(
    () => backward(mul(x, 2), tensor(gpu, [1])),
    RangeError,
    "gradient (1) must have the shape (2)",
  );
});

Deno.test("backward keeps shared inputs of deep graphs", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const x = tensor(gpu, [[1, 2], [3, 4]]);
  x.requiresGrad = true;
  let y = x;
  for (let i = 0; i < 6; i++) y = add(matmul(y, x), y.reshape([2, 2]));
  backward(sum(y));
  // Against central differences of the same recurrence in float64.
  const f = (a: number[]) => {
    let y = [...a];
    for (let i = 0; i < 6; i++) {
      const [p = 0, q = 0, r = 0, s = 0] = y;
      const [e = 0, g = 0, h = 0, k = 0] = a;
      y = [
        p * e + q * h + p,
        p * g + q * k + q,
        r * e + s * h + r,
        r * g + s * k + s,
      ];
    }
    return y.reduce((a, b) => a + b, 0);
  };
  const got = await x.grad!.read();
  [1, 2, 3, 4].forEach((value, i, all) => {
    const slope =
      (f(all.with(i, value + 1e-5)) - f(all.with(i, value - 1e-5))) / 2e-5;
    assert(Math.abs(got[i]! / slope - 1) < 1e-5, `${got[i]} and ${slope}`);
  });
});

Deno.test("backward refuses what has no gradient", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const x = tensor(gpu, [2, 3]);
  assertThrows(
    () => backward(sum(x)),
    TypeError,
    "nothing the loss was computed from requires one",
  );
  x.requiresGrad = true;
  assertThrows(
    () => backward(mul(x, 2)),
    RangeError,
    "Cannot take the gradient of a tensor (2): it needs one element; reduce it with mean or sum",
  );
  assertThrows(() => backward(noGrad(() => sum(x))), TypeError);
});
