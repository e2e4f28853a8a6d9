import { assert, assertEquals, assertThrows } from "@std/assert";
import { ddimSample } from "../../core/diffusion/ddim.ts";
import { guide } from "../../core/diffusion/guidance.ts";
import { CosineNoiseSchedule } from "../../core/diffusion/noise_schedule.ts";
import {
  cleanOf,
  diffuse,
  noiseLevel,
  type Objective,
  trainingTarget,
} from "../../core/diffusion/objective.ts";
import {
  floorTimesteps,
  noisedTo,
  stepsFrom,
} from "../../core/diffusion/warm_start.ts";
import type { Gpu } from "../../core/gpu/gpu.ts";
import { EncoderProbe } from "../../core/models/encoder_probe.ts";
import { LatentDiT, LatentDiTDirect } from "../../core/models/latent_dit.ts";
import { LatentPredictor } from "../../core/models/latent_predictor.ts";
import { PatchMLPPredictor } from "../../core/models/mlp_predictor.ts";
import {
  AnchoredSpatialDiT,
  SpatialTemporalDiT,
} from "../../core/models/spatial_dit.ts";
import type { Module } from "../../core/nn/module.ts";
import { parameters } from "../../core/nn/parameters.ts";
import { mse } from "../../core/ops/mse.ts";
import { broadcastTo, sub } from "../../core/ops/pointwise.ts";
import { slice } from "../../core/ops/concat.ts";
import { backward, noGrad } from "../../core/tensor/autograd.ts";
import { tensor, zeros } from "../../core/tensor/create.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import { worstError } from "../support/array64.ts";
import { readFixture, withPrefix } from "../support/fixture.ts";
import { generated, generatedParameter } from "../support/generated_weights.ts";
import { testGpu } from "../support/gpu.ts";

const [B, H, S, D] = [2, 3, 4, 16];
const small = { horizon: H, tokens: S, dim: D, blocks: 2, heads: 2 };
const schedule = new CosineNoiseSchedule();
// PyTorch in float64 from float32 weights, by fixtures/torch/latent_models.py.
const fixture = await readFixture("latent_models");
const given = (gpu: Gpu, name: string) => {
  const { data, shape } = fixture[name]!;
  return tensor(gpu, data, shape);
};

/** Compares loss, output and gradients of a model with PyTorch's. */
async function checkModel(
  name: string,
  model: Module,
  run: (gpu: Gpu) => { y: Tensor; target: Tensor },
  then?: (gpu: Gpu) => Promise<void>,
) {
  const gpu = await testGpu();
  const before = gpu.memory().live;
  {
    model.loadStateDict(withPrefix(fixture, `${name}.state.`));
    using store = parameters(gpu, model);
    using _ = gpu.scope();
    const { y, target } = run(gpu);
    const loss = mse(y, target);
    backward(loss);
    const near = (
      what: string,
      got: ArrayLike<number>,
      key: string,
      tolerance = 1e-5,
    ) => {
      const off = worstError(got, fixture[`${name}.${key}`]!.data);
      assert(off < tolerance, `${what} of ${name} is off by ${off}`);
    };
    near("output", await y.read(), "y");
    near("loss", [await loss.item()], "loss");
    for (const slot of store.slots) {
      const grad = await slot.gradient.read();
      // Sums of terms of both signs in float32: measured 3.5e-5.
      near(`gradient of ${slot.name}`, grad, `grad.${slot.name}`, 1e-4);
    }
    await then?.(gpu);
  }
  assertEquals(gpu.memory().live, before);
}

const cases = [
  ["pooled", new LatentDiT(small), "epsilon", "z", "a1"],
  [
    "positions",
    new LatentDiT({ ...small, positions: true }),
    "x0",
    "z",
    "aH",
  ],
  ["residual", new LatentDiT(small), "epsilon", "z", "a1"],
  ["spatial", new SpatialTemporalDiT(small), "v", "zs", "aH"],
  ["anchored", new AnchoredSpatialDiT(small), "x0", "zs", "aH"],
] as const;

for (const [name, model, objective, present, actions] of cases) {
  Deno.test(`${model.constructor.name} (${name}) agrees with PyTorch: output, loss, gradients, samples`, async () => {
    const apply = (gpu: Gpu, net: typeof model, x: Tensor, t: number[]) => {
      const [z, a] = [given(gpu, present), given(gpu, actions)];
      return net instanceof LatentDiT
        ? net.forward({ x, t }, z, a)
        : net.forward(z, a, { x, t });
    };
    const isGrid = present === "zs";
    const noiseName = isGrid ? "noises" : "noise";
    await checkModel(name, model, (gpu) => {
      const t = [...fixture["steps"]!.data];
      const noise = given(gpu, noiseName);
      const future = given(gpu, isGrid ? "futures" : "future");
      const x0 = name === "residual"
        ? sub(
          future,
          broadcastTo(given(gpu, "z").reshape([B, 1, D]), [B, H, D]),
        )
        : future;
      const level = noiseLevel(x0, schedule, t);
      const y = apply(gpu, model, diffuse(x0, noise, level), t);
      return { y, target: trainingTarget(objective, x0, noise, level) };
    }, async (gpu) => {
      const clean = (x: Tensor, t: number) => {
        const { signal, noise } = schedule.factors(t);
        const y = apply(gpu, model, x, Array(B).fill(t));
        return cleanOf(objective as Objective, y, x, signal, noise);
      };
      // Noise is divided by 0.03 at the first step; errors grow as much.
      const near = async (y: Tensor, key: string) => {
        const off = worstError(
          await y.read(),
          fixture[`${name}.${key}`]!.data,
        );
        assert(off < 1e-4, `${key} of ${name} is off by ${off}`);
      };
      const noise = given(gpu, noiseName);
      for (const n of [7, 50]) {
        const timesteps = floorTimesteps(schedule, n);
        await near(
          ddimSample(noise, clean, schedule, { timesteps }),
          `ddim${n}`,
        );
      }
      if (name !== "pooled") return;
      const timesteps = floorTimesteps(schedule, 5);
      const left = stepsFrom(timesteps, 500);
      assertEquals(left, [600, 400, 200, 0]);
      const here = broadcastTo(given(gpu, "z").reshape([B, 1, D]), [B, H, D]);
      const start = noisedTo(here, noise, schedule, left[0]!);
      await near(
        ddimSample(start, clean, schedule, { timesteps: left }),
        "warm",
      );
      const other = new LatentDiT(small);
      other.loadStateDict(withPrefix(fixture, "other.state."));
      using _ = parameters(gpu, other);
      const guided = (x: Tensor, t: number) => {
        const { signal, noise } = schedule.factors(t);
        const y = other.forward(
          { x, t: Array(B).fill(t) },
          given(gpu, "z"),
          zeros(gpu, [B, 1, D]),
        );
        return guide(clean(x, t), cleanOf("epsilon", y, x, signal, noise), 2);
      };
      await near(ddimSample(noise, guided, schedule, { timesteps }), "guided");
    });
  });
}

Deno.test("LatentDiTDirect, AnchoredSpatialDiT in one pass and the predictors agree with PyTorch", async () => {
  const direct = new LatentDiTDirect(small);
  await checkModel("direct", direct, (gpu) => ({
    y: direct.forward(given(gpu, "z"), given(gpu, "a1")),
    target: given(gpu, "future"),
  }));
  const anchored = new AnchoredSpatialDiT(small);
  await checkModel("anchored_direct", anchored, (gpu) => ({
    y: anchored.forward(given(gpu, "zs"), given(gpu, "aH")),
    target: given(gpu, "futures"),
  }));
  const mlp = new LatentPredictor({ ...small, hidden: 24 });
  await checkModel("mlp", mlp, (gpu) => ({
    y: mlp.forward(given(gpu, "z"), given(gpu, "a1")),
    target: given(gpu, "future"),
  }));
  const flat = new LatentPredictor({
    ...small,
    ...{ hidden: 24, actions: H, activation: "relu" },
  });
  await checkModel("mlp_flat", flat, (gpu) => ({
    y: flat.forward(given(gpu, "z"), given(gpu, "aH")),
    target: sub(given(gpu, "future"), given(gpu, "z").reshape([B, 1, D])),
  }));
  const tokens = new PatchMLPPredictor({
    ...{ patchDim: D, actionDim: D, hidden: 24 },
  });
  await checkModel("spatial_mlp", tokens, (gpu) => ({
    y: tokens.forward({
      present: given(gpu, "zs"),
      actions: given(gpu, "aH"),
    }),
    target: given(gpu, "futures"),
  }));
  const probe = new EncoderProbe({ native: 20, width: D, hidden: 12 });
  await checkModel("probe", probe, (gpu) => ({
    y: probe.forward(given(gpu, "probe.x")),
    target: slice(slice(given(gpu, "a1"), 1, 0, 1).reshape([B, D]), 1, 0, 2),
  }));
});

Deno.test("The diagnosis' models agree with PyTorch at the published size, and have its parameters", async () => {
  const gpu = await testGpu();
  const wanted = await readFixture("latent_models_full");
  const sizes = { horizon: 4, tokens: 49 };
  using _ = gpu.scope();
  const at = (name: string, ...shape: number[]) =>
    tensor(gpu, generated(name, shape.reduce((a, b) => a * b)), shape);
  const [z, zs] = [at("z", 1, 384), at("zs", 1, 49, 384)];
  const [a1, aH] = [at("a1", 1, 1, 384), at("aH", 1, 4, 384)];
  const noised = (name: string, n: number) => ({
    x: at(name, 1, n, 384),
    t: [300],
  });
  const run = async (
    name: string,
    count: number,
    model: Module,
    forward: () => Tensor,
  ) => {
    assertEquals(model.parameterCount, count, name);
    model.loadStateDict(Object.fromEntries(
      [...model.namedParameters()].map(([key, { shape }]) => [
        key,
        { shape, data: generatedParameter(key, shape) },
      ]),
    ));
    using _ = parameters(gpu, model);
    const y = await noGrad(forward).read() as Float32Array;
    const target = wanted[name]!.data;
    const stride = y.length === target.length ? 1 : 24;
    const rows = target.length / 384;
    const got = Float32Array.from(
      { length: rows * 384 },
      (_, i) => y[Math.floor(i / 384) * stride * 384 + i % 384]!,
    );
    const off = worstError(got, target);
    assert(off < 2e-5, `${name} is off by ${off}`);
  };
  const pooled = new LatentDiT(sizes);
  await run(
    "pooled",
    11_822_592,
    pooled,
    () => pooled.forward(noised("x", 4), z, a1),
  );
  const direct = new LatentDiTDirect(sizes);
  await run("direct", 11_528_448, direct, () => direct.forward(z, a1));
  const anchored = new AnchoredSpatialDiT(sizes);
  await run(
    "anchored",
    11_842_944,
    anchored,
    () => anchored.forward(zs, aH, noised("xs", 196)),
  );
  const mlp = new LatentPredictor(sizes);
  await run("mlp", 1_690_880 - 246_528, mlp, () => mlp.forward(z, a1));
  const tokens = new PatchMLPPredictor({
    ...{ patchDim: 384, actionDim: 384, hidden: 2816 },
  });
  await run(
    "spatial_mlp",
    12_507_776 - 246_528,
    tokens,
    () => tokens.forward({ present: zs, actions: aH }),
  );
});

Deno.test("floorTimesteps takes any number of steps, stepsFrom snaps as published", () => {
  assertEquals(floorTimesteps(schedule, 3), [666, 333, 0]);
  assertEquals(floorTimesteps(schedule, 1), [0]);
  assertEquals(floorTimesteps(schedule, 50)[0], 980);
  assertThrows(() => floorTimesteps(schedule, 0), RangeError, "from 1 to 1000");
  const five = floorTimesteps(schedule, 5);
  const starts = [0, 40, 100, 980].map((t) => stepsFrom(five, t)[0]);
  assertEquals(starts, [0, 0, 200, 800]);
});

Deno.test("LatentDiT refuses shapes that do not fit, and starts at zero", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const model = new LatentDiT(small);
  using _store = parameters(gpu, model);
  const x = { x: zeros(gpu, [B, H, D]), t: [0, 1] };
  const z = given(gpu, "z");
  const y = noGrad(() => model.forward(x, z, given(gpu, "a1")));
  assertEquals(Math.max(...await y.read()), 0);
  assertThrows(
    () => model.forward(x, z, zeros(gpu, [B, 2, D])),
    RangeError,
    "actions is (2, 2, 16), needed (2, 3, 16)",
  );
});
