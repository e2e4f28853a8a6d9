import { assert, assertEquals } from "@std/assert";
import { ddimSample } from "../../core/diffusion/ddim.ts";
import { guide } from "../../core/diffusion/guidance.ts";
import { CosineNoiseSchedule } from "../../core/diffusion/noise_schedule.ts";
import { diffuse, noiseLevel } from "../../core/diffusion/objective.ts";
import { AnchoredVAEDiT } from "../../core/models/anchored_dit.ts";
import { FourierActionEmbedding } from "../../core/models/fourier_action.ts";
import type { StateEntry } from "../../core/nn/module.ts";
import { Adam, clipGradNorm, Ema } from "../../core/nn/optimizer.ts";
import { parameters, type ParameterStore } from "../../core/nn/parameters.ts";
import { mse } from "../../core/ops/mse.ts";
import { mul } from "../../core/ops/pointwise.ts";
import { backward, noGrad } from "../../core/tensor/autograd.ts";
import { tensor, zeros } from "../../core/tensor/create.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import type { Gpu } from "../../core/gpu/gpu.ts";
import { readFixture, withPrefix } from "../support/fixture.ts";
import { testGpu } from "../support/gpu.ts";

const [H, S, P, D] = [3, 4, 8, 16];

type Fixture = Awaited<ReturnType<typeof readFixture>>;

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
class Case implements Disposable {
  readonly dit: AnchoredVAEDiT;
  readonly fourier = new FourierActionEmbedding(D, 8);
  readonly weights: ParameterStore;
  readonly #gpu: Gpu;
  readonly #fixture: Fixture;

  constructor(gpu: Gpu, fixture: Fixture, anchorVisible: boolean) {
    this.#gpu = gpu;
    this.#fixture = fixture;
    this.dit = new AnchoredVAEDiT({
      ...{ horizon: H, tokens: S, patchDim: P, dim: D },
      ...{ blocks: 2, heads: 2, anchorVisible },
    });
    this.dit.loadStateDict(withPrefix(fixture, "dit."));
    this.fourier.loadStateDict(withPrefix(fixture, "fourier."));
    this.weights = parameters(gpu, { dit: this.dit, fourier: this.fourier });
  }

  entry(name: string): StateEntry {
    const entry = this.#fixture[name];
    if (entry === undefined) throw new Error(`No ${name} in the fixture`);
    return entry;
  }

  at(name: string): Tensor {
    const { shape, data } = this.entry(name);
    return tensor(this.#gpu, data).reshape(shape);
  }

  actions(): Tensor {
    const features = this.fourier.features(this.entry("actions").data);
    return this.fourier.forward(
      tensor(this.#gpu, features).reshape([2, H, 4 * 8]),
    );
  }

  /** The network at diffusion steps; in one pass if x is absent. */
  apply(actions: Tensor, steps: readonly number[], x?: Tensor): Tensor {
    const present = this.at("present");
    return this.dit.forward({
      present,
      actions,
      ...(x ? { noised: { x, t: steps } } : {}),
    });
  }

  [Symbol.dispose](): void {
    this.weights[Symbol.dispose]();
  }
}

// PyTorch computed in float64 from float32 weights; ours is float32 throughout,
// with sums of at most 64 terms and 12 layers: some 1e-6.
const FORWARD = 1e-5;
// A sample feeds 50 predictions into each other; 1 / sqrt(1 - abar) is at most
// 1e4 where it is multiplied by zero, else below 24.
const SAMPLED = 2e-4;

for (const name of ["paper", "visible"] as const) {
  const title = name === "paper" ? "as published" : "with a visible present";
  Deno.test(`AnchoredVAEDiT ${title} agrees with PyTorch: outputs, loss, all gradients, samples`, async () => {
    const gpu = await testGpu();
    using _ = gpu.scope();
    const fixture = await readFixture(`world_model_${name}`);
    using model = new Case(gpu, fixture, name === "visible");
    const schedule = new CosineNoiseSchedule();
    const steps = [37, 905];
    const level = noiseLevel(model.at("future"), schedule, steps);
    const x = diffuse(model.at("future"), model.at("noise"), level);
    const y = model.apply(model.actions(), steps, x);
    const loss = mse(y, model.at("future"));
    const errors: Record<string, number> = {
      diffusion: worst(await y.read(), model.entry("diffusion").data),
      loss: worst(await loss.read(), model.entry("loss").data),
    };
    backward(loss);
    model.weights.completeGradients();
    const gradients = await model.weights.gradients.read();
    for (const slot of model.weights.slots) {
      const wanted = model.entry(`grad.${slot.name}`).data;
      const start = (slot.parameter.offset -
        model.weights.slots[0]!.parameter.offset) / 4;
      const got = gradients.slice(start, start + wanted.length);
      errors[`gradient of ${slot.name}`] = worst(got, wanted);
    }
    const actions = noGrad(() => model.actions());
    errors.embedded = worst(
      await actions.read(),
      model.entry("embedded").data,
    );
    const direct = noGrad(() => model.apply(actions, [0, 0]));
    errors.direct = worst(await direct.read(), model.entry("direct").data);
    for (const [label, error] of Object.entries(errors)) {
      assert(error < FORWARD, `${label}: error ${error}`);
    }
    for (const [count, scale] of [[10, 1], [50, 1], [10, 2]] as const) {
      const none = zeros(gpu, actions.shape);
      const sample = ddimSample(
        model.at("noise"),
        (x, t) => {
          const conditional = model.apply(actions, [t, t], x);
          if (scale === 1) return conditional;
          return guide(conditional, model.apply(none, [t, t], x), scale);
        },
        schedule,
        { steps: count },
      );
      const wanted = model.entry(`ddim${count}w${scale}`).data;
      const error = worst(await sample.read(), wanted);
      assert(error < SAMPLED, `${count} steps, scale ${scale}: error ${error}`);
    }
  });
}

for (const mode of ["direct", "diffusion"] as const) {
  Deno.test(`twenty training steps of ${mode} agree with PyTorch: losses, weights, averages`, async () => {
    const gpu = await testGpu();
    using _ = gpu.scope();
    const fixture = await readFixture("world_model_visible");
    using model = new Case(gpu, fixture, true);
    const schedule = new CosineNoiseSchedule();
    const optimizer = new Adam(model.weights, { lr: 1e-3 });
    const ema = new Ema(model.weights, 0.999);
    const losses: number[] = [];
    for (let k = 0; k < 20; k++) {
      using _step = gpu.scope();
      let actions = model.actions();
      let y: Tensor;
      if (mode === "direct") y = model.apply(actions, [0, 0]);
      else {
        const kept = tensor(gpu, Float32Array.of(k % 5 === 0 ? 0 : 1, 1));
        actions = mul(actions, kept.reshape([2, 1, 1]));
        const steps = [(37 * k) % 1000, (905 + 61 * k) % 1000];
        const level = noiseLevel(actions, schedule, steps);
        const x = diffuse(model.at("future"), model.at("noise"), level);
        y = model.apply(actions, steps, x);
      }
      const loss = mse(y, model.at("future"));
      losses.push(await loss.item());
      backward(loss);
      clipGradNorm(model.weights, 0.05, "dit");
      optimizer.step();
      ema.update();
    }
    const wanted = model.entry(`train.${mode}.losses`).data;
    // Adam divides small differences by small moments: errors grow with steps.
    assert(worst(losses, wanted) < 2e-5, `losses ${worst(losses, wanted)}`);
    const state = await model.dit.stateDict();
    for (
      const field of [
        "spatial_pos",
        "blocks.1.mlp.0.weight",
        "present_up.weight",
        "final_linear.weight",
      ]
    ) {
      const error = worst(
        state[field]!.data,
        model.entry(`train.${mode}.${field}`).data,
      );
      assert(error < 1e-4, `${field}: error ${error}`);
    }
    using _average = ema.applied();
    const averaged = await model.dit.stateDict();
    const error = worst(
      averaged["blocks.1.mlp.0.weight"]!.data,
      model.entry(`train.${mode}.ema.blocks.1.mlp.0.weight`).data,
    );
    assert(error < 1e-6, `average: error ${error}`);
  });
}
