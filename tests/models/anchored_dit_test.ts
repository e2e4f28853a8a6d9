import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import {
  type AnchoredDitOptions,
  AnchoredVAEDiT,
} from "../../core/models/anchored_dit.ts";
import {
  FourierActionEmbedding,
  fourierFeatures,
} from "../../core/models/fourier_action.ts";
import { PatchMLPPredictor } from "../../core/models/mlp_predictor.ts";
import type { PredictorInputs } from "../../core/models/predictor.ts";
import { timestepFeatures } from "../../core/models/timestep_embedding.ts";
import { parameters } from "../../core/nn/parameters.ts";
import { sum } from "../../core/ops/reduce.ts";
import { backward, noGrad } from "../../core/tensor/autograd.ts";
import { tensor } from "../../core/tensor/create.ts";
import { key } from "../../core/tensor/philox.ts";
import { normal } from "../../core/tensor/random.ts";
import { erf } from "../support/erf.ts";
import { testGpu } from "../support/gpu.ts";

const PAPER: AnchoredDitOptions = {
  horizon: 16,
  tokens: 64,
  patchDim: 64,
  dim: 256,
  blocks: 4,
};

const SMALL: AnchoredDitOptions = {
  horizon: 3,
  tokens: 4,
  patchDim: 8,
  dim: 16,
  blocks: 2,
  heads: 2,
};

Deno.test("AnchoredVAEDiT, PatchMLPPredictor and FourierActionEmbedding have the published parameter counts", () => {
  const fourier = new FourierActionEmbedding(256).parameterCount;
  assertEquals(fourier, 131_584);
  assertEquals(new AnchoredVAEDiT(PAPER).parameterCount + fourier, 5_396_288);
  const half = new AnchoredVAEDiT({ ...PAPER, blocks: 2 });
  assertEquals(half.parameterCount + fourier, 3_029_312);
  const mlp = new PatchMLPPredictor({ patchDim: 64, actionDim: 256 });
  assertEquals(mlp.parameterCount + fourier, 1_641_024);
});

Deno.test("AnchoredVAEDiT has the published names and shapes", () => {
  const names = new Map(
    [...new AnchoredVAEDiT(PAPER).namedParameters()]
      .map(([name, { shape }]) => [name, shape.join(",")]),
  );
  assertEquals(names.size, 58);
  const wanted: Record<string, string> = {
    spatial_pos: "1,64,256",
    temporal_pos: "1,16,256",
    "latent_up.weight": "256,64",
    "latent_down.weight": "64,256",
    "input_proj.bias": "256",
    "timestep_embed.mlp.0.weight": "256,256",
    "timestep_embed.mlp.2.bias": "256",
    "z_t_proj.weight": "256,64",
    "blocks.3.attn.in_proj_weight": "768,256",
    "blocks.3.attn.in_proj_bias": "768",
    "blocks.0.attn.out_proj.weight": "256,256",
    "blocks.0.mlp.0.weight": "1024,256",
    "blocks.0.mlp.2.weight": "256,1024",
    "blocks.0.adaln_linear.weight": "1536,256",
    "final_adaln.weight": "768,256",
    "final_linear.weight": "256,256",
  };
  for (const [name, shape] of Object.entries(wanted)) {
    assertEquals(names.get(name), shape, name);
  }
  const fourier = [...new FourierActionEmbedding(256).namedParameters()]
    .map(([name]) => name);
  assertEquals(fourier, [
    "freqs",
    "proj.0.weight",
    "proj.0.bias",
    "proj.2.weight",
    "proj.2.bias",
  ]);
});

Deno.test("AnchoredVAEDiT with a zero correction copies the present", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const model = new AnchoredVAEDiT({ ...SMALL, anchorVisible: true });
  using weights = parameters(gpu, model);
  void weights;
  gpu.write(model.latentDown.bias!, new Float32Array(SMALL.patchDim));
  const present = normal(gpu, [2, 4, 8], key("present", 0));
  const y = noGrad(() =>
    model.forward({
      present,
      actions: normal(gpu, [2, 3, 16], key("actions", 0)),
      noised: { x: normal(gpu, [2, 12, 8], key("x", 0)), t: [3, 700] },
    })
  );
  const [out, from] = [await y.read(), await present.read()];
  for (let i = 0; i < out.length; i++) {
    const [b, rest] = [Math.floor(i / 96), i % 32];
    assertEquals(out[i], from[b * 32 + rest]);
  }
});

Deno.test("AnchoredVAEDiT treats each sample of a batch alone", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const model = new AnchoredVAEDiT(SMALL);
  using weights = parameters(gpu, model, { seed: 3 });
  void weights;
  // final_linear starts at zero, which would hide everything before it.
  gpu.write(
    model.finalLinear.weight,
    Float32Array.from({ length: 256 }, (_, i) => key("w", 0).normal(i) / 4),
  );
  const make = (shape: number[], name: string) =>
    normal(gpu, [2, ...shape], [key(name, 0), key(name, 1)]);
  const both = {
    present: make([4, 8], "present"),
    actions: make([3, 16], "actions"),
    noised: { x: make([12, 8], "x"), t: [3, 700] },
  };
  const one = {
    present: normal(gpu, [1, 4, 8], key("present", 1)),
    actions: normal(gpu, [1, 3, 16], key("actions", 1)),
    noised: { x: normal(gpu, [1, 12, 8], key("x", 1)), t: [700] },
  };
  const [together, alone] = [
    await noGrad(() => model.forward(both)).read(),
    await noGrad(() => model.forward(one)).read(),
  ];
  let differs = 0;
  for (const [i, value] of alone.entries()) {
    assertAlmostEquals(together[96 + i]!, value, 1e-5);
    if (Math.abs(together[i]! - value) > 1e-3) differs++;
  }
  assert(differs > 50, "the samples themselves differ");
});

Deno.test("AnchoredVAEDiT sees the present token by token only where it is made visible", async () => {
  const gpu = await testGpu();
  for (const anchorVisible of [false, true]) {
    using _ = gpu.scope();
    const model = new AnchoredVAEDiT({ ...SMALL, anchorVisible });
    using weights = parameters(gpu, model, { seed: 1 });
    void weights;
    gpu.write(
      model.finalLinear.weight,
      Float32Array.from({ length: 256 }, (_, i) => key("w", 0).normal(i) / 4),
    );
    const values = Float32Array.from(
      { length: 32 },
      (_, i) => key("present", 0).normal(i),
    );
    // The same mean over tokens, other tokens: first and second exchanged.
    const exchanged = Float32Array.from(
      values,
      (_, i) => values[i < 8 ? i + 8 : i < 16 ? i - 8 : i]!,
    );
    const corrections = [];
    for (const present of [values, exchanged]) {
      const y = await noGrad(() =>
        model.forward({
          present: tensor(gpu, present).reshape([1, 4, 8]),
          actions: normal(gpu, [1, 3, 16], key("actions", 0)),
          noised: { x: normal(gpu, [1, 12, 8], key("x", 0)), t: [37] },
        })
      ).read();
      corrections.push(Array.from(y, (value, i) => value - present[i % 32]!));
    }
    const [a, b] = corrections as [number[], number[]];
    const change = Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));
    if (anchorVisible) assert(change > 1e-2, `change ${change}`);
    else assert(change < 1e-5, `change ${change}`);
  }
});

Deno.test("AnchoredVAEDiT refuses a wrong shape by name", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const model = new AnchoredVAEDiT(SMALL);
  const x = normal(gpu, [1, 12, 8], key("x", 0));
  const present = normal(gpu, [1, 4, 8], key("present", 0));
  const actions = normal(gpu, [1, 3, 16], key("a", 0));
  const cases: [PredictorInputs, string][] = [
    [{ present: x, actions }, "present is (1, 12, 8), needed (1, 4, 8)"],
    [{ present, actions: x }, "actions is (1, 12, 8), needed (1, 3, 16)"],
    [
      { present, actions, noised: { x: present, t: [0] } },
      "x is (1, 4, 8), needed (1, 12, 8)",
    ],
    [{ present, actions, noised: { x, t: [0, 1] } }, "t is (2), needed (1)"],
  ];
  for (const [inputs, message] of cases) {
    assertThrows(() => model.forward(inputs), RangeError, message);
  }
});

Deno.test("fourierFeatures are sines and cosines of the float32 product, at all frequencies", () => {
  const action = Math.fround(0.3);
  const features = fourierFeatures(Float32Array.of(action, -1), 2, 64);
  assertEquals(features.length, 256);
  for (const k of [0, 1, 20, 63]) {
    // Powers of two move no bit: the product at k is that at 0 times 2^k.
    const angle = Math.fround(action * Math.fround(Math.PI)) * 2 ** k;
    assertAlmostEquals(features[k]!, Math.sin(angle), 1e-7);
    assertAlmostEquals(features[64 + k]!, Math.cos(angle), 1e-7);
  }
  assertAlmostEquals(features[128 + 64]!, -1, 1e-7);
  assertThrows(() => fourierFeatures(Float32Array.of(1), 2), RangeError);
});

Deno.test("timestepFeatures are all sines, then all cosines", () => {
  const features = timestepFeatures([0, 7], 8);
  assertEquals([...features.subarray(0, 8)], [0, 0, 0, 0, 1, 1, 1, 1]);
  assertAlmostEquals(features[8 + 1]!, Math.sin(7 * 10000 ** -0.25), 1e-7);
  assertAlmostEquals(features[8 + 6]!, Math.cos(7 * 10000 ** -0.5), 1e-7);
});

Deno.test("FourierActionEmbedding learns its frequencies where it is told to", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const embedding = new FourierActionEmbedding(8, 4, 2, true);
  using store = parameters(gpu, embedding, { seed: 2 });
  const actions = Float32Array.of(0.3, -0.8, 0.05, 1);
  assertEquals(embedding.features(actions), actions);
  const x = tensor(gpu, actions).reshape([2, 1, 2]);
  const freqs = Float64Array.from(await embedding.freqs.read());
  const dict = await embedding.stateDict();
  const [w0, b0, w2, b2] = [
    "proj.0.weight",
    "proj.0.bias",
    "proj.2.weight",
    "proj.2.bias",
  ]
    .map((name) => dict[name]!.data);
  /** Sum of all outputs by the definition. */
  const total = (f: Float64Array) => {
    let all = 0;
    for (let row = 0; row < 2; row++) {
      const features: number[] = [];
      for (let d = 0; d < 2; d++) {
        const angles = Array.from(
          { length: 4 },
          (_, k) => 2 * Math.PI * actions[2 * row + d]! * f[4 * d + k]!,
        );
        features.push(...angles.map(Math.sin), ...angles.map(Math.cos));
      }
      const hidden = Array.from({ length: 8 }, (_, i) => {
        const v = features.reduce(
          (s, u, j) => s + u * w0![16 * i + j]!,
          b0![i]!,
        );
        return 0.5 * v * (1 + erf(v / Math.SQRT2));
      });
      for (let i = 0; i < 8; i++) {
        all += hidden.reduce((s, u, j) => s + u * w2![8 * i + j]!, b2![i]!);
      }
    }
    return all;
  };
  const y = sum(embedding.forward(x));
  assert(Math.abs(await y.item() - total(freqs)) < 1e-5);
  backward(y);
  const slot = store.slots.find(({ name }) => name === "freqs")!;
  const gradient = await slot.gradient.read();
  for (let i = 0; i < 8; i++) {
    const moved = (by: number) => total(freqs.with(i, freqs[i]! + by));
    const wanted = (moved(1e-5) - moved(-1e-5)) / 2e-5;
    assert(
      Math.abs(gradient[i]! - wanted) < 1e-4 * (1 + Math.abs(wanted)),
      `${i}: ${gradient[i]}, ${wanted}`,
    );
  }
});
