import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  DemoFeatureNet,
  demoHeads,
} from "../../core/encoders/demo_features.ts";
import { parameters } from "../../core/nn/parameters.ts";
import { mse } from "../../core/ops/mod.ts";
import { backward, noGrad } from "../../core/tensor/autograd.ts";
import { tensor } from "../../core/tensor/create.ts";
import { key } from "../../core/tensor/philox.ts";
import type { Gpu } from "../../core/gpu/gpu.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import { worstError } from "../support/array64.ts";
import { readFixture } from "../support/fixture.ts";
import {
  generated,
  generatedImages,
  generatedParameter,
  weightsOf,
} from "../support/generated_weights.ts";
import { testGpu } from "../support/gpu.ts";

const GAIN = 2;

/** float32 against float64; measured 4.0e-7. */
const TOLERANCE = 5e-6;

function stateOf(model: DemoFeatureNet) {
  const state = Object.fromEntries(
    [...model.namedParameters()].map(([name, { shape }]) => [
      name,
      { shape, data: generatedParameter(name, shape, GAIN) },
    ]),
  );
  for (const [name, { data }] of Object.entries(state)) {
    if (name.endsWith("num_batches_tracked")) data.fill(0);
  }
  state["feature_scale"] = { shape: [1], data: Float32Array.of(0.5) };
  return state;
}

function framesOn(gpu: Gpu): Tensor {
  const data = generatedImages("demo frames", 3 * 64 * 64 * 3);
  return tensor(gpu, data, [3, 64, 64, 3]);
}

Deno.test("DemoFeatureNet has 235,096 parameters and 192 features without heads", () => {
  assertEquals(new DemoFeatureNet().parameterCount, 235_096);
  assertEquals(
    new DemoFeatureNet(400).parameterCount,
    235_096 + (400 + 17) * (192 + 1),
  );
});

Deno.test("DemoFeatureNet agrees with PyTorch when frozen, folded and placed for training", async () => {
  const gpu = await testGpu();
  const fixture = await readFixture("demo_features");
  const before = gpu.memory().live;
  {
    const trained = new DemoFeatureNet(5);
    const state = stateOf(trained);
    trained.loadStateDict(state);
    using _store = parameters(gpu, trained);
    using frozen = new DemoFeatureNet();
    await frozen.load(gpu, weightsOf(state)); // heads are not read
    using _ = gpu.scope();
    const images = framesOn(gpu);
    const wanted = fixture["features"]!.data;
    for (const model of [trained, frozen]) {
      const got = await noGrad(() => model.features(images)).read();
      const error = worstError(got, wanted);
      assert(error < TOLERANCE, `off by ${error.toExponential(1)}`);
      const scaled = await model.encode(images).read();
      assert(worstError(scaled, wanted.map((x) => x / 2)) < TOLERANCE);
    }
  }
  assertEquals(gpu.memory().live, before);
});

Deno.test("DemoFeatureNet agrees with PyTorch in training: result, gradients, running moments", async () => {
  const gpu = await testGpu();
  const fixture = await readFixture("demo_features");
  const before = gpu.memory().live;
  {
    const model = new DemoFeatureNet(5);
    model.loadStateDict(stateOf(model));
    using store = parameters(gpu, model);
    using _ = gpu.scope();
    const y = model.forward(framesOn(gpu), { training: true });
    const off = worstError(await y.read(), fixture["training"]!.data);
    // Batches of three; measured 1.4e-6.
    assert(off < 2e-5, `result is off by ${off.toExponential(1)}`);
    const target = tensor(gpu, generated("demo target", 66), [3, 22]);
    backward(mse(y, target));
    const largest = (values: ArrayLike<number>) =>
      Math.max(...Array.from(values, Math.abs));
    let compared = 0;
    for (const { name, gradient } of store.slots) {
      const wanted = fixture[`grad.${name}`]?.data;
      if (wanted === undefined) continue;
      const got = await gradient.read();
      const differences = wanted.map((x, i) => x - got[i]!);
      const error = largest(differences) / (1e-3 + largest(wanted));
      // Of the largest gradient; measured 5.9e-6.
      assert(error < 5e-5, `${name} is off by ${error.toExponential(1)}`);
      compared++;
    }
    assertEquals(compared, 2 * 37 + 1 + 4);
    const after = await model.stateDict();
    for (const [name, { data }] of Object.entries(after)) {
      const wanted = fixture[`after.${name}`]?.data;
      if (wanted === undefined) continue;
      const error = worstError(data, wanted);
      // Measured 1.5e-7.
      assert(error < 2e-6, `${name} is off by ${error.toExponential(1)}`);
    }
    assertEquals(after["e.branch_pool.bn.num_batches_tracked"]!.data[0], 1);
  }
  assertEquals(gpu.memory().live, before);
});

Deno.test("DemoFeatureNet drops features by the draws of its keys only", async () => {
  const gpu = await testGpu();
  const model = new DemoFeatureNet(5);
  using _store = parameters(gpu, model, { seed: 1 });
  using _ = gpu.scope();
  const images = framesOn(gpu);
  const run = (seed?: number) =>
    noGrad(() =>
      model.forward(
        images,
        seed === undefined ? {} : { keys: key("dropout", seed) },
      )
    ).read();
  const [plain, first, again, other] = [
    await run(),
    await run(1),
    await run(1),
    await run(2),
  ];
  assertEquals(first, again);
  assert(worstError(first, plain) > 1e-4);
  assert(worstError(first, other) > 1e-4);
});

Deno.test("demoHeads cuts the result without holes", () => {
  const ranges = Object.values(demoHeads(7));
  let end = 0;
  for (const [from, to] of ranges) {
    assertEquals(from, end);
    end = to;
  }
  assertEquals(end, 7 + 17);
});

Deno.test("DemoFeatureNet refuses other sizes, other files, and heads it has not", async () => {
  const gpu = await testGpu();
  const model = new DemoFeatureNet();
  using _ = gpu.scope();
  const small = tensor(gpu, new Float32Array(32 * 32 * 3), [1, 32, 32, 3]);
  assertThrows(
    () => model.features(small),
    RangeError,
    "needed (B, 64, 64, 3)",
  );
  assertThrows(
    () => model.forward(framesOn(gpu)),
    Error,
    "Cannot apply the heads of DemoFeatureNet: it has none",
  );
  await assertRejects(
    () => model.load(gpu, weightsOf({})),
    TypeError,
    "Cannot load weights into DemoFeatureNet",
  );
});
