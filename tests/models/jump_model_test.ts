import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { Gpu } from "../../core/gpu/gpu.ts";
import { AnchoredVAEDiT } from "../../core/models/anchored_dit.ts";
import { FourierActionEmbedding } from "../../core/models/fourier_action.ts";
import { createJumpModel, JumpModel } from "../../core/models/jump_model.ts";
import { AdamW } from "../../core/nn/optimizer.ts";
import { mse } from "../../core/ops/mse.ts";
import { add } from "../../core/ops/pointwise.ts";
import { backward } from "../../core/tensor/autograd.ts";
import { tensor } from "../../core/tensor/create.ts";
import { key } from "../../core/tensor/philox.ts";
import { normal } from "../../core/tensor/random.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import { readFixture, withPrefix } from "../support/fixture.ts";
import { testGpu } from "../support/gpu.ts";

/** Of fixtures/torch/jump.py. */
const [LINKS, STRIDE, B, S, P, D] = [4, 3, 2, 4, 8, 16];

function worst(got: ArrayLike<number>, wanted: ArrayLike<number>): number {
  assertEquals(got.length, wanted.length);
  let most = 0;
  for (let i = 0; i < got.length; i++) {
    assert(Number.isFinite(got[i]));
    const error = Math.abs(got[i]! - wanted[i]!) / (1 + Math.abs(wanted[i]!));
    most = Math.max(most, error);
  }
  return most;
}

async function fixtureModel(gpu: Gpu) {
  const fixture = await readFixture("jump");
  const network = new AnchoredVAEDiT({
    ...{ horizon: 1, tokens: S, patchDim: P, dim: D, blocks: 2, heads: 2 },
  });
  const fourier = new FourierActionEmbedding(D, 8);
  network.loadStateDict(withPrefix(fixture, "dit."));
  fourier.loadStateDict(withPrefix(fixture, "fourier."));
  const model = new JumpModel(gpu, { network, fourier, objective: "direct" });
  const linkOf = (name: string, link: number, shape: number[]) => {
    const { data } = fixture[name]!;
    const size = data.length / LINKS;
    const own = data.slice(link * size, (link + 1) * size);
    return name === "actions"
      ? tensor(gpu, fourier.features(own)).reshape(shape)
      : tensor(gpu, own).reshape(shape);
  };
  return {
    fixture,
    model,
    present: () => tensor(gpu, fixture.present!.data).reshape([B, S, P]),
    features: (link: number) => linkOf("actions", link, [B, STRIDE, 32]),
    target: (link: number) => linkOf("targets", link, [B, S, P]),
  };
}

// PyTorch computed in float64 from float32 weights; ours is float32 throughout.
const FORWARD = 2e-5;

Deno.test("JumpModel: a chain of four jumps agrees with PyTorch: names, outputs, loss, all gradients through the chain", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const { fixture, model, ...inputs } = await fixtureModel(gpu);
  using _model = model;
  const names = Object.keys(fixture)
    .filter((name) => /^(dit|fourier)\./.test(name));
  assertEquals(Object.keys(await model.stateDict()).sort(), names.sort());

  // With gradients: the embedding and its mean as the model has them.
  let anchor: Tensor | undefined;
  let loss: Tensor | undefined;
  for (let link = 0; link < LINKS; link++) {
    const present = anchor ?? inputs.present();
    const embed = model as unknown as { embed(features: Tensor): Tensor };
    const actions = embed.embed(inputs.features(link));
    assertEquals(actions.shape, [B, 1, D]);
    anchor = model.network.forward({ present, actions });
    const wanted = fixture[`link${link}`]!.data;
    const error = worst(await anchor.read(), wanted);
    assert(error < FORWARD, `link ${link}: error ${error}`);
    const part = mse(anchor, inputs.target(link));
    loss = loss === undefined ? part : add(loss, part);
  }
  assert(worst(await loss!.read(), fixture.loss!.data) < FORWARD);
  backward(loss!);
  model.weights.completeGradients();
  const gradients = await model.weights.gradients.read();
  const first = model.weights.slots[0]!.parameter.offset;
  for (const slot of model.weights.slots) {
    const wanted = fixture[`grad.${slot.name}`]!.data;
    const start = (slot.parameter.offset - first) / 4;
    const error = worst(gradients.slice(start, start + wanted.length), wanted);
    assert(error < 5e-5, `gradient of ${slot.name}: error ${error}`);
  }
});

Deno.test("JumpModel: ten steps of AdamW on frame and residual agree with PyTorch", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const { fixture, model, present, features, target } = await fixtureModel(gpu);
  using _model = model;
  const adam = new AdamW(model.weights, { lr: 1e-3, weightDecay: 0.1 });
  const losses: number[] = [];
  for (let k = 0; k < 10; k++) {
    using _step = gpu.scope();
    const link = k % LINKS;
    const batch = {
      present: present(),
      features: features(link),
      future: target(link),
    };
    const loss = model.loss(batch, {
      ...{ seed: 0, samples: [2 * k, 2 * k + 1], residualWeight: 1 },
    });
    losses.push(await loss.item());
    backward(loss);
    adam.step();
  }
  const error = worst(losses, fixture["train.losses"]!.data);
  assert(error < 2e-5, `losses: error ${error}`);
  const state = await model.stateDict();
  for (
    const name of ["spatial_pos", "blocks.1.mlp.0.weight", "final_linear.bias"]
  ) {
    const wanted = fixture[`train.${name}`]!.data;
    const error = worst(state[`dit.${name}`]!.data, wanted);
    assert(error < 1e-4, `${name}: error ${error}`);
  }
});

Deno.test("JumpModel.loss takes the residual from the noised anchor against that of the clean one", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const { model, present, features, target } = await fixtureModel(gpu);
  using _model = model;
  const [sigma, weight, samples] = [0.3, 0.7, [5, 6]];
  const batch = {
    present: present(),
    features: features(1),
    future: target(1),
  };
  const loss = model.loss(batch, {
    ...{ seed: 3, samples, anchorNoise: sigma, residualWeight: weight },
  });
  const keys = samples.map((k) => key("anchor noise", 3, k));
  const noise = await normal(gpu, [B, S, P], keys).read();
  const clean = await batch.present.read();
  const noised = clean.map((x, i) => x + sigma * noise[i]!);
  const y = await model.predict({
    present: tensor(gpu, Float32Array.from(noised)).reshape([B, S, P]),
    features: batch.features,
  }).read();
  const truth = await batch.future.read();
  let [frame, residual] = [0, 0];
  for (let i = 0; i < y.length; i++) {
    frame += (y[i]! - truth[i]!) ** 2 / y.length;
    const change = (y[i]! - noised[i]!) - (truth[i]! - clean[i]!);
    residual += change ** 2 / y.length;
  }
  assert(Math.abs(frame - residual) > 1e-3);
  assertAlmostEquals(await loss.item(), frame + weight * residual, 1e-4);
});

Deno.test("JumpModel does not know the order of its actions, and jumps by diffusion, too", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const { model, present, features } = await fixtureModel(gpu);
  using _model = model;
  const own = await features(0).read();
  const turned = Float32Array.from(own, (_, i) => {
    const [row, column] = [Math.floor(i / 32), i % 32];
    const batch = Math.floor(row / STRIDE);
    const other = batch * STRIDE + (row + 1) % STRIDE;
    return own[other * 32 + column]!;
  });
  const at = async (values: ArrayLike<number>) =>
    await model.predict({
      present: present(),
      features: tensor(gpu, Float32Array.from(values))
        .reshape([B, STRIDE, 32]),
    }).read();
  const same = await at(own);
  (await at(turned)).forEach((x, i) => assertAlmostEquals(x, same[i]!, 1e-5));
  using sampled = createJumpModel(gpu, {
    ...{ objective: "x0", tokens: S, patchDim: P, dim: D, blocks: 1 },
    frequencies: 8,
  });
  const noise = normal(gpu, [B, S, P], [key("a", 0, 0), key("a", 0, 1)]);
  const given = { present: present(), features: features(0) };
  const y = sampled.sample(given, noise, { steps: 5 });
  assertEquals(y.shape, [B, S, P]);
  assert((await y.read()).every(Number.isFinite));
});

Deno.test("createJumpModel has 1,728,448 values at the paper's sizes", async () => {
  const gpu = await testGpu();
  using model = createJumpModel(gpu, {
    ...{ objective: "direct", tokens: 64, patchDim: 64, dim: 192, blocks: 2 },
  });
  assertEquals(model.parameterCount, 1_728_448);
  assertEquals(
    (await model.stateDict())["dit.temporal_pos"]!.shape,
    [1, 1, 192],
  );
});
