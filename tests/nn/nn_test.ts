import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  Adam,
  AdamW,
  backward,
  BatchNorm2d,
  clipGradNorm,
  Dropout,
  Ema,
  Embedding,
  gelu,
  key,
  Linear,
  mse,
  MultiheadAttention,
  normal,
  type Parameter,
  parameters,
  Sequential,
  SGD,
  tensor,
  zeros,
} from "../../mod.ts";
import { worstError } from "../support/array64.ts";
import { testGpu } from "../support/gpu.ts";

Deno.test("Module names parameters as PyTorch does", () => {
  const model = new Sequential(
    new Linear(4, 8),
    gelu,
    new MultiheadAttention(8, 2),
  );
  assertEquals([...model.namedParameters()].map(([name]) => name), [
    "0.weight",
    "0.bias",
    "2.in_proj_weight",
    "2.in_proj_bias",
    "2.out_proj.weight",
    "2.out_proj.bias",
  ]);
  assertEquals(model.parameterCount, 4 * 8 + 8 + 3 * 64 + 24 + 64 + 8);
  const names = [...new BatchNorm2d(4).namedParameters()].map(([name]) => name);
  assertEquals(names.slice(2), [
    "running_mean",
    "running_var",
    "num_batches_tracked",
  ]);
});

Deno.test("loadStateDict reports every wrong name at once and changes nothing", async () => {
  const gpu = await testGpu();
  const model = new Sequential(new Linear(2, 3), new Linear(3, 1));
  using store = parameters(gpu, model);
  const before = await store.values.read();
  const state = await model.stateDict();
  const { "0.bias": bias, ...rest } = state;
  assertThrows(
    () =>
      model.loadStateDict({
        ...rest,
        "1.weight": { shape: [3, 1], data: new Float32Array(3).fill(9) },
        ema_step: bias!,
      }, '"dit.safetensors"'),
    TypeError,
    'Cannot load "dit.safetensors" into Sequential: missing 0.bias; surplus ema_step; misshaped 1.weight is (3, 1), needed (1, 3)',
  );
  assertEquals(await store.values.read(), before);
  model.loadStateDict(state);
  assertEquals(await store.values.read(), before);
});

Deno.test("a parameter without a device is refused by name of the remedy", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const layer = new Linear(2, 3);
  assertThrows(
    () => layer.forward(zeros(gpu, [1, 2])),
    Error,
    "call parameters(gpu, model) first",
  );
});

Deno.test("initialisations have PyTorch's bounds", async () => {
  const gpu = await testGpu();
  const width = 64;
  const attention = new MultiheadAttention(width, 4);
  const layer = new Linear(width, 200);
  using store = parameters(gpu, { attention, layer }, { seed: 1 });
  const bound = async (parameter: Parameter) => {
    const values = Array.from(await parameter.read());
    return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  };
  const near = (got: number, wanted: number) =>
    assert(got <= wanted && got > 0.97 * wanted, `${got}, bound ${wanted}`);
  near(await bound(layer.weight), 1 / Math.sqrt(width));
  near(await bound(layer.bias!), 1 / Math.sqrt(width));
  near(await bound(attention.in_proj_weight), Math.sqrt(6 / (4 * width)));
  assertEquals(await bound(attention.in_proj_bias), 0);
  assertEquals(await bound(attention.outProj.bias!), 0);
  assertEquals(store.groups.length, 2);
});

/** One step on a single weight, in numbers. */
async function steps(
  make: (store: ReturnType<typeof parameters>) => { step(): void },
  count: number,
): Promise<number[]> {
  const gpu = await testGpu();
  const layer = new Linear(1, 1, { bias: false });
  layer.loadStateDict({
    weight: { shape: [1, 1], data: new Float32Array([2]) },
  });
  using store = parameters(gpu, layer);
  const optimizer = make(store);
  const values: number[] = [];
  for (let i = 0; i < count; i++) {
    using _ = gpu.scope();
    // loss = w^2, gradient 2 w
    backward(mse(layer.forward(tensor(gpu, [[1]])), zeros(gpu, [1, 1])));
    optimizer.step();
    values.push((await layer.weight.read())[0]!);
  }
  return values;
}

Deno.test("SGD follows its recurrence", async () => {
  const got = await steps(
    (s) => new SGD(s, { lr: 0.1, momentum: 0.9, weightDecay: 0.01 }),
    5,
  );
  let w = 2;
  let m = 0;
  const wanted = got.map(() => {
    m = 0.9 * m + 2 * w + 0.01 * w;
    return w -= 0.1 * m;
  });
  assert(worstError(got, wanted) < 1e-6);
});

for (const [name, Optimizer] of Object.entries({ Adam, AdamW })) {
  Deno.test(`${name} follows its recurrence with weight decay`, async () => {
    const got = await steps(
      (s) => new Optimizer(s, { lr: 0.1, weightDecay: 0.2 }),
      5,
    );
    let [w, m, v] = [2, 0, 0];
    const wanted = got.map((_, i) => {
      const g = 2 * w + (name === "Adam" ? 0.2 * w : 0);
      if (name === "AdamW") w *= 1 - 0.1 * 0.2;
      m = 0.9 * m + 0.1 * g;
      v = 0.999 * v + 0.001 * g * g;
      const mean = m / (1 - 0.9 ** (i + 1));
      const root = Math.sqrt(v / (1 - 0.999 ** (i + 1)));
      return w -= 0.1 * mean / (root + 1e-8);
    });
    assert(worstError(got, wanted) < 2e-6, `${got} and ${wanted}`);
  });
}

Deno.test("optimizers refuse numbers that are not finite or out of range", async () => {
  const gpu = await testGpu();
  using store = parameters(gpu, new Linear(2, 2));
  assertThrows(
    () => new Adam(store, { lr: NaN }),
    RangeError,
    "Cannot create Adam: lr NaN",
  );
  assertThrows(
    () => new AdamW(store, { lr: 1, betas: [1, 0.9] }),
    RangeError,
    "beta1 1 must be at least 0 and below 1",
  );
  assertThrows(() => new SGD(store, { lr: -1 }), RangeError, "lr -1");
  assertThrows(() => new Ema(store, 1), RangeError, "decay 1");
  assertThrows(() => clipGradNorm(store, 0), RangeError, "norm 0");
  assertThrows(() => clipGradNorm(store, 1, "dit"), TypeError, 'group "dit"');
});

Deno.test("parameters without a gradient keep their values", async () => {
  const gpu = await testGpu();
  const used = new Linear(3, 3);
  const unused = new Linear(3, 3);
  using store = parameters(gpu, { used, unused });
  const optimizer = new Adam(store, { lr: 0.1 });
  const before = await unused.weight.read();
  for (let i = 0; i < 3; i++) {
    using _ = gpu.scope();
    const x = normal(gpu, [4, 3], key("x", 0, i));
    backward(mse(used.forward(x), x));
    optimizer.step();
  }
  assertEquals(await unused.weight.read(), before);
});

Deno.test("BatchNorm2d moves its running moments as PyTorch does", async () => {
  const gpu = await testGpu();
  const layer = new BatchNorm2d(4);
  using _store = parameters(gpu, layer);
  using _ = gpu.scope();
  const values = Float32Array.from({ length: 24 }, (_, i) => (i * 7) % 11);
  layer.forwardTraining(tensor(gpu, values, [2, 3, 1, 4]));
  const mean = [0, 0, 0, 0];
  values.forEach((value, i) => mean[i % 4]! += value / 6);
  const variance = [0, 0, 0, 0];
  values.forEach((value, i) =>
    variance[i % 4]! += (value - mean[i % 4]!) ** 2 / 5
  );
  assert(
    worstError(await layer.runningMean.read(), mean.map((m) => 0.1 * m)) < 1e-6,
  );
  assert(
    worstError(
      await layer.runningVar.read(),
      variance.map((v) => 0.9 + 0.1 * v),
    ) < 1e-6,
  );
  assertEquals(await layer.numBatchesTracked.item(), 1);
});

Deno.test("Embedding reads rows, Dropout is silent without a key", async () => {
  const gpu = await testGpu();
  const table = new Embedding(5, 3);
  using _store = parameters(gpu, table);
  using _ = gpu.scope();
  const rows = await table.weight.read();
  const y = table.forward(tensor(gpu, new Uint32Array([4, 0])));
  assertEquals([...await y.read()], [
    ...rows.slice(12, 15),
    ...rows.slice(0, 3),
  ]);
  assertEquals(new Dropout(0.5).forward(y), y);
});
