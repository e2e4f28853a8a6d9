import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import {
  createWorldModel,
  type WorldModelOptions,
} from "../../core/models/world_model.ts";
import { tensor } from "../../core/tensor/create.ts";
import { key } from "../../core/tensor/philox.ts";
import { normal } from "../../core/tensor/random.ts";
import { testGpu } from "../support/gpu.ts";

const SIZES = {
  horizon: 3,
  tokens: 4,
  patchDim: 8,
  dim: 16,
  blocks: 2,
  heads: 2,
  frequencies: 4,
  hidden: 8,
};

const KINDS: readonly Pick<WorldModelOptions, "network" | "objective">[] = [
  { network: "dit", objective: "direct" },
  { network: "dit", objective: "x0" },
  { network: "dit", objective: "epsilon" },
  { network: "dit", objective: "v" },
  { network: "mlp", objective: "direct" },
];

Deno.test("WorldModel gives its state dict to another, which then predicts the same bits", async () => {
  const gpu = await testGpu();
  for (const kind of KINDS) {
    using _ = gpu.scope();
    using first = createWorldModel(gpu, { ...SIZES, ...kind, seed: 1 });
    using second = createWorldModel(gpu, { ...SIZES, ...kind, seed: 2 });
    const given = {
      present: normal(gpu, [2, 4, 8], key("present", 0)),
      features: normal(gpu, [2, 3, 16], key("features", 0)),
    };
    const noise = normal(gpu, [2, 12, 8], key("noise", 0));
    const predicted = async (model: typeof first) => {
      const future = kind.objective === "direct"
        ? model.predict(given)
        : model.sample(given, noise, { steps: 5, guidance: 2 });
      assertEquals(future.shape, [2, 12, 8]);
      return await future.read();
    };
    const wanted = await predicted(first);
    const before = await predicted(second);
    assert(before.some((value, i) => value !== wanted[i]));
    const state = await first.stateDict();
    assertEquals(
      new Set(Object.keys(state).map((name) => name.split(".")[0])),
      new Set(["dit", "fourier"]),
    );
    second.loadStateDict(state);
    assertEquals(await predicted(second), wanted);
    const { "fourier.proj.0.bias": _left, ...less } = state;
    assertThrows(
      () => second.loadStateDict(less, "half.safetensors"),
      TypeError,
      "Cannot load half.safetensors into WorldModel: missing fourier.proj.0.bias",
    );
  }
});

Deno.test("WorldModel refuses what its network or its objective cannot do", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  assertThrows(
    () => createWorldModel(gpu, { ...SIZES, network: "mlp", objective: "v" }),
    TypeError,
    'of PatchMLPPredictor with objective "v": it takes no noised future',
  );
  const given = {
    present: normal(gpu, [1, 4, 8], key("present", 0)),
    features: normal(gpu, [1, 3, 16], key("features", 0)),
  };
  using direct = createWorldModel(gpu, {
    ...SIZES,
    network: "dit",
    objective: "direct",
  });
  assertThrows(
    () => direct.sample(given, normal(gpu, [1, 12, 8], key("noise", 0))),
    TypeError,
    'the objective is "direct"; predict in one pass',
  );
  using diffusion = createWorldModel(gpu, {
    ...SIZES,
    network: "dit",
    objective: "x0",
  });
  assertThrows(
    () => diffusion.predict(given),
    TypeError,
    'the objective is "x0", not "direct"; sample from noise',
  );
});

Deno.test("WorldModel.loss with noise on the present is that of presents that have it", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const samples = [5, 9];
  const values = (name: string, count: number) =>
    Float32Array.from({ length: count }, (_, i) => key(name, 0).normal(i));
  const present = values("present", 2 * 4 * 8);
  const batch = (present: Float32Array<ArrayBuffer>) => ({
    present: tensor(gpu, present).reshape([2, 4, 8]),
    features: tensor(gpu, values("features", 2 * 3 * 16)).reshape([2, 3, 16]),
    future: tensor(gpu, values("future", 2 * 12 * 8)).reshape([2, 12, 8]),
  });
  // Of each sample a level below the largest, and normal noise of its own.
  const noised = present.map((value, k) => {
    const sample = samples[Math.floor(k / 32)]!;
    const level = 0.25 * key("present noise level", 3, sample).uniform(0);
    return value + level * key("present noise", 3, sample).normal(k % 32);
  });
  for (const kind of KINDS.slice(0, 2)) {
    using model = createWorldModel(gpu, { ...SIZES, ...kind, seed: 1 });
    const loss = async (from: typeof present, presentNoise?: number) => {
      const options = { seed: 3, samples };
      const own = presentNoise === undefined ? {} : { presentNoise };
      const [value] = await model.loss(batch(from), { ...options, ...own })
        .reshape([1]).read();
      return value!;
    };
    const wanted = await loss(noised);
    assertAlmostEquals(await loss(present, 0.25), wanted, 1e-5);
    assert(Math.abs(await loss(present) - wanted) > 1e-4);
    assertEquals(await loss(present, 0), await loss(present));
  }
});
