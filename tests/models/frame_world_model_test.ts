import { assert, assertEquals, assertThrows } from "@std/assert";
import { ddimSample } from "../../core/diffusion/ddim.ts";
import { guide } from "../../core/diffusion/guidance.ts";
import { cleanOf } from "../../core/diffusion/objective.ts";
import type { Gpu } from "../../core/gpu/gpu.ts";
import { frameDitFlops } from "../../core/models/flops.ts";
import { FrameDiT } from "../../core/models/frame_dit.ts";
import { FrameWorldModel } from "../../core/models/frame_world_model.ts";
import { slice } from "../../core/ops/concat.ts";
import { mse } from "../../core/ops/mse.ts";
import { mul } from "../../core/ops/pointwise.ts";
import { backward, noGrad } from "../../core/tensor/autograd.ts";
import { tensor, zeros } from "../../core/tensor/create.ts";
import { key } from "../../core/tensor/philox.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import { readFixture, withPrefix } from "../support/fixture.ts";
import { testGpu } from "../support/gpu.ts";

/** The fixture's sizes. */
const SMALL = {
  shape: [2, 4, 6],
  patch: 2,
  dim: 16,
  channels: 8,
  blocks: 2,
  heads: 2,
  frequencies: 8,
} as const;
const [B, H, S, P, D] = [2, 3, 6, 8, 16];

/** Sizes of the demo preset. */
const DEMO = {
  shape: [4, 8, 8],
  patch: 2,
  dim: 48,
  channels: 40,
  blocks: 2,
  heads: 4,
} as const;

/** Largest |got - wanted| / (1 + |wanted|). */
function worst(got: ArrayLike<number>, wanted: ArrayLike<number>): number {
  assertEquals(got.length, wanted.length);
  let most = 0;
  for (let i = 0; i < got.length; i++) {
    const error = Math.abs(got[i]! - wanted[i]!) / (1 + Math.abs(wanted[i]!));
    assert(Number.isFinite(error), `value ${i} is ${got[i]}`);
    most = Math.max(most, error);
  }
  return most;
}

/** The reduced model with the fixture's weights, and its inputs. */
async function smallModel(gpu: Gpu, objective: "v" | "direct") {
  const fixture = await readFixture("frame_world_model");
  const model = new FrameWorldModel(gpu, { ...SMALL, objective });
  const own = (prefix: string) =>
    Object.entries(withPrefix(fixture, prefix)).map(
      ([name, entry]) => [`${prefix}${name}`, entry],
    );
  model.loadStateDict(Object.fromEntries([...own("dit."), ...own("fourier.")]));
  const entry = (name: string) => {
    const found = fixture[name];
    if (found === undefined) throw new Error(`No ${name} in the fixture`);
    return found;
  };
  const at = (name: string) => {
    const { shape, data } = entry(name);
    return tensor(gpu, data).reshape(shape);
  };
  const features = tensor(gpu, model.fourier.features(entry("actions").data))
    .reshape([B, H, 4 * 8]);
  return { model, entry, at, features };
}

// PyTorch computed in float64 from float32 weights; ours is float32 throughout.
const FORWARD = 2e-5;
// A frame is fed into the next, and each is up to 50 predictions in a row.
const SAMPLED = 5e-4;

Deno.test("FrameWorldModel has the parameters and operations of the recipe at the demo's size", async () => {
  const gpu = await testGpu();
  using model = new FrameWorldModel(gpu, { ...DEMO, objective: "v" });
  const { counted } = await readFixture("frame_world_model");
  const [parameters, operations] = counted!.data;
  assertEquals(model.parameterCount, 159_708);
  assertEquals(model.parameterCount, parameters);
  assertEquals(frameDitFlops(DEMO), operations);
});

Deno.test("FrameWorldModel agrees with PyTorch: v, loss, all gradients", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const { model, entry, at, features } = await smallModel(gpu, "v");
  using _model = model;
  const hasPrevious = [...entry("flag").data];
  const context = { last: at("last"), previous: at("previous"), hasPrevious };
  // The loss by its formula, from noise and steps that the fixture has.
  const t = [...entry("steps").data];
  const factors = t.map((step) => model.schedule.factors(step));
  const column = (of: (factor: typeof factors[number]) => number) =>
    factors.map(of);
  const x = Float32Array.from(
    entry("following").data,
    (value, i) => {
      const { signal, noise } = factors[Math.floor(i / (S * P))]!;
      return signal * value + noise * entry("noise").data[i]!;
    },
  );
  const first = slice(features, 1, 0, 1);
  const action = model.fourier.forward(first).reshape([B, D]);
  const v = model.network.forward({
    ...context,
    x: tensor(gpu, x).reshape([B, S, P]),
    t,
    action,
  });
  const errors: Record<string, number> = {
    v: worst(await v.read(), entry("v").data),
  };
  const loss = lossOf(v, column, entry("following").data, x);
  errors.loss = worst(await loss.read(), entry("loss").data);
  backward(loss);
  model.weights.completeGradients();
  const gradients = await model.weights.gradients.read();
  const start = model.weights.slots[0]!.parameter.offset;
  for (const slot of model.weights.slots) {
    const wanted = entry(`grad.${slot.name}`).data;
    const from = (slot.parameter.offset - start) / 4;
    errors[`gradient of ${slot.name}`] = worst(
      gradients.slice(from, from + wanted.length),
      wanted,
    );
  }
  for (const [label, error] of Object.entries(errors)) {
    assert(error < FORWARD, `${label}: error ${error}`);
  }
});

/** mean of (signal x - noise v - x0)^2 / max(noise^2, 0.0025). */
function lossOf(
  v: Tensor,
  column: (of: (f: { signal: number; noise: number }) => number) => number[],
  clean: Float32Array,
  x: Float32Array,
): Tensor {
  const { gpu } = v;
  const of = (values: readonly number[]) =>
    tensor(gpu, Float32Array.from(values)).reshape([B, 1, 1]);
  const deviation = (f: { noise: number }) => Math.max(f.noise, 0.05);
  const scaled = mul(v, of(column((f) => f.noise / deviation(f))));
  const signals = column(({ signal }) => signal);
  const deviations = column(deviation);
  const wanted = Float32Array.from(clean, (value, i) => {
    const k = Math.floor(i / (S * P));
    return (signals[k]! * x[i]! - value) / deviations[k]!;
  });
  return mse(scaled, tensor(gpu, wanted).reshape([B, S, P]));
}

Deno.test("FrameWorldModel agrees with PyTorch: futures by regression and in 1 to 50 steps", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  {
    const { model, entry, at, features } = await smallModel(gpu, "direct");
    using _model = model;
    const future = model.predict({ present: at("last"), features });
    const error = worst(await future.read(), entry("direct").data);
    assert(error < FORWARD, `direct: error ${error}`);
  }
  const { model, entry, at, features } = await smallModel(gpu, "v");
  using _model = model;
  const given = { present: at("last"), features };
  // Weights are laid out for the kernels once.
  model.sample(given, at("future_noise"), { steps: 1, guidance: 1.5 });
  for (const [steps, guidance] of [[1, 1], [4, 1.5], [20, 1.5], [50, 1]]) {
    const options = { steps: steps!, guidance: guidance! };
    const noise = at("future_noise");
    // Layouts of the weights are kept from the first pass on.
    model.sample(given, noise, options).free();
    const before = gpu.memory().live;
    const future = model.sample(given, noise, options);
    assert(gpu.memory().live <= before + 1, "it leaves its future alone");
    const error = worst(await future.read(), entry(`sample${steps}`).data);
    assert(error < SAMPLED, `${steps} steps: error ${error}`);
  }
});

Deno.test("ddimSample walks the even grid as PyTorch, noise by noise", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const { model, entry, at, features } = await smallModel(gpu, "v");
  using _model = model;
  const none = zeros(gpu, [B, D]);
  const action = noGrad(() =>
    model.fourier.forward(slice(features, 1, 0, 1)).reshape([B, D])
  );
  const last = at("last");
  const walked: Promise<ArrayLike<number>>[] = [];
  ddimSample(
    slice(at("future_noise"), 1, 0, S),
    (x, t) => {
      walked.push(x.read());
      const { signal, noise } = model.schedule.factors(t);
      const clean = (action: Tensor) =>
        cleanOf(
          "v",
          model.network.forward({
            x,
            t: [t, t],
            last,
            previous: zeros(gpu, last.shape),
            hasPrevious: [0, 0],
            action,
          }),
          x,
          signal,
          noise,
        );
      return guide(clean(action), clean(none), 1.5);
    },
    model.schedule,
    { steps: 4, grid: "even" },
  );
  const path = (await Promise.all(walked)).flatMap((x) => Array.from(x));
  const wanted = entry("path4").data.subarray(0, path.length);
  assertEquals(path.length, 4 * B * S * P);
  assert(worst(path, wanted) < SAMPLED, `error ${worst(path, wanted)}`);
});

Deno.test("FrameWorldModel starts with a network that gives zero, and draws by sample", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  using model = new FrameWorldModel(gpu, { ...SMALL, objective: "v" });
  const at = async (seed: number, samples: number[], noise = 0.3) => {
    using _ = gpu.scope();
    const frame = tensor(
      gpu,
      Float32Array.from({ length: B * S * P }, (_, i) => Math.sin(i)),
    ).reshape([B, S, P]);
    return await model.loss({
      last: frame,
      previous: zeros(gpu, frame.shape),
      hasPrevious: [0, 0],
      next: frame,
      features: zeros(gpu, [B, 1, 32]),
    }, {
      seed,
      samples,
      contextNoiseShare: 1,
      contextNoise: noise,
    }).item();
  };
  const state = await model.stateDict();
  for (const name of ["head_out", "film", "blocks.0.mlp.depthwise"]) {
    assert(state[`dit.${name}.weight`]!.data.every((value) => value === 0));
  }
  assertEquals(await at(0, [3, 4]), await at(0, [3, 4]));
  assert(await at(0, [3, 4]) !== await at(0, [4, 5]));
  assert(await at(0, [3, 4]) !== await at(1, [3, 4]));
  // A head of zeros does not see the context.
  assertEquals(await at(0, [3, 4]), await at(0, [3, 4], 0));
});

Deno.test("FrameWorldModel weighs its loss by the noise, as the definition in float64 does", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  using model = new FrameWorldModel(gpu, { ...SMALL, objective: "v" });
  const stepOf = (k: number) =>
    key("diffusion step", 0, k).integer(0, model.schedule.steps);
  // Of one of the lowest steps, where the weight is below 1, and of another.
  const low = Array.from({ length: 2000 }, (_, k) => k)
    .find((k) => stepOf(k) > 2 && stepOf(k) < 20)!;
  const samples = [low, low + 1];
  const clean = Float32Array.from({ length: B * S * P }, (_, i) => Math.sin(i));
  // The head is zero at the start: so is v.
  const squares = samples.flatMap((k, b) => {
    const { signal, noise } = model.schedule.factors(stepOf(k));
    const eps = key("training noise", 0, k);
    return Array.from({ length: S * P }, (_, i) => {
      const x0 = clean[b * S * P + i]!;
      const x = signal * x0 + noise * eps.normal(i);
      return (signal * x - x0) ** 2 / Math.max(noise ** 2, 0.0025);
    });
  });
  const wanted = squares.reduce((a, b) => a + b) / squares.length;
  const next = tensor(gpu, clean).reshape([B, S, P]);
  const none = zeros(gpu, next.shape);
  const loss = await model.loss({
    ...{ last: none, previous: none, hasPrevious: [0, 0], next },
    features: zeros(gpu, [B, 1, 32]),
  }, { seed: 0, samples }).item();
  assert(Math.abs(loss - wanted) < 2e-5 * wanted, `${loss}, not ${wanted}`);
});

Deno.test("FrameDiT and FrameWorldModel refuse what does not fit", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  assertThrows(
    () => new FrameDiT({ ...SMALL, patch: 4 }),
    RangeError,
    "Cannot create FrameDiT: latents of 4x6 need a patch that divides both sides, got 4",
  );
  using model = new FrameWorldModel(gpu, { ...SMALL, objective: "v" });
  const frame = zeros(gpu, [B, S, P]);
  const inputs = {
    ...{ x: frame, t: [0, 0], last: frame, previous: frame },
    ...{ hasPrevious: [0, 0], action: zeros(gpu, [B, D]) },
  };
  assertThrows(
    () => model.network.forward({ ...inputs, action: zeros(gpu, [B, 8]) }),
    RangeError,
    "Cannot apply FrameDiT: action is (2, 8), needed (2, 16)",
  );
  assertThrows(
    () => model.network.forward({ ...inputs, hasPrevious: [1] }),
    RangeError,
    "hasPrevious is (1), needed (2)",
  );
  const given = { present: frame, features: zeros(gpu, [B, H, 32]) };
  assertThrows(
    () => model.predict(given),
    TypeError,
    'the objective is "v", not "direct"',
  );
  using direct = new FrameWorldModel(gpu, { ...SMALL, objective: "direct" });
  assertThrows(
    () => direct.sample(given, zeros(gpu, [B, H * S, P])),
    TypeError,
    'the objective is "direct"; predict in one pass',
  );
  assertThrows(
    () => model.sample(given, zeros(gpu, [B, H * S, P]), { steps: 100 }),
    RangeError,
    "Cannot sample in 100 even steps: the second would not be below the first, 990; it must be below 100",
  );
});
