import { assert, assertEquals, assertThrows } from "@std/assert";
import { InverseDynamics } from "../../core/models/inverse_dynamics.ts";
import { parameters } from "../../core/nn/parameters.ts";
import { mse } from "../../core/ops/mse.ts";
import { div, sub } from "../../core/ops/pointwise.ts";
import { permute } from "../../core/ops/permute.ts";
import { backward, noGrad } from "../../core/tensor/autograd.ts";
import { tensor } from "../../core/tensor/create.ts";
import { worstError } from "../support/array64.ts";
import { readFixture, withPrefix } from "../support/fixture.ts";
import { testGpu } from "../support/gpu.ts";

const SHAPE = [4, 8, 6] as const;

// PyTorch in float64, by fixtures/torch/inverse_dynamics.py.
Deno.test("InverseDynamics agrees with PyTorch: actions, loss and gradients", async () => {
  const gpu = await testGpu();
  const fixture = await readFixture("inverse_dynamics");
  const before = gpu.memory().live;
  {
    const probe = new InverseDynamics({ shape: SHAPE, hidden: 8 });
    probe.loadStateDict(withPrefix(fixture, "state."));
    using store = parameters(gpu, probe);
    using _ = gpu.scope();
    const given = (name: string) => {
      const { data, shape } = fixture[name]!;
      return tensor(gpu, data, shape);
    };
    const frame = (name: string) => permute(given(name), [0, 2, 3, 1]);
    const [a, b] = [frame("before"), frame("after")];
    const y = await noGrad(() => probe.forward(a, b)).read();
    const off = worstError(y, fixture["y"]!.data);
    assert(off < 1e-6, `actions are off by ${off}`);

    const target = div(
      sub(given("actions"), probe.actionMean),
      probe.actionStd,
    );
    const loss = mse(probe.predict(probe.normalize(a, b)), target);
    backward(loss);
    const error = Math.abs(await loss.item() - fixture["loss"]!.data[0]!);
    assert(error < 1e-6, `the loss is off by ${error}`);
    assertEquals(store.slots.length, 8);
    for (const { name, gradient } of store.slots) {
      const wanted = fixture[`grad.${name}`]!.data;
      const off = worstError(await gradient.read(), wanted);
      assert(off < 2e-6, `the gradient of ${name} is off by ${off}`);
    }
  }
  assertEquals(gpu.memory().live, before);
});

Deno.test("InverseDynamics keeps its normalization in the state dict", async () => {
  const gpu = await testGpu();
  const probe = new InverseDynamics({
    shape: [2, 8, 8],
    moments: {
      latentMean: [1, 2],
      latentStd: [3, 4],
      actionMean: [0.5, -0.5],
      actionStd: [0.25, 2],
    },
  });
  // Buffers are not trained.
  assertEquals(
    probe.parameterCount,
    (4 * 9 + 1) * 32 + 2 * (32 * 9 + 1) * 32 + (32 + 1) * 2,
  );
  using _store = parameters(gpu, probe);
  const state = await probe.stateDict();
  assertEquals([...state["latent_std"]!.data], [3, 4]);
  assertEquals([...state["action_mean"]!.data], [0.5, -0.5]);
});

Deno.test("InverseDynamics refuses frames of another shape", async () => {
  const gpu = await testGpu();
  const probe = new InverseDynamics({ shape: SHAPE });
  using _ = gpu.scope();
  const zeros = (...shape: number[]) =>
    tensor(gpu, new Float32Array(shape.reduce((a, b) => a * b)), shape);
  for (
    const [a, b] of [
      [zeros(2, 8, 6, 4), zeros(1, 8, 6, 4)],
      [zeros(2, 4, 8, 6), zeros(2, 4, 8, 6)],
    ] as const
  ) {
    assertThrows(
      () => probe.forward(a, b),
      RangeError,
      "needed (B, 8, 6, 4) twice",
    );
  }
});
