import { assertAlmostEquals, assertEquals } from "@std/assert";
import {
  Adam,
  AdamW,
  clipGradNorm,
  Ema,
  empty,
  Module,
  type Optimizer,
  Parameter,
  parameters,
  type ParameterStore,
  SGD,
  type Tensor,
  tensor,
} from "../../mod.ts";
import type { Array64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";
import { testGpu } from "../support/gpu.ts";

class Weights extends Module {
  readonly weight: Parameter;

  constructor(size: number) {
    super();
    this.weight = new Parameter([size], () => {});
  }
}

/** Runs `change` on parameters `w` with gradients `g`; gives the parameters. */
function stepped(
  w: Tensor,
  g: Tensor,
  change: (store: ParameterStore) => Tensor | void,
): Tensor {
  const { gpu } = w;
  const model = new Weights(w.size);
  using store = parameters(gpu, model);
  const [slot] = store.slots;
  gpu.recorder.copyRange(w, model.weight);
  gpu.recorder.copyRange(g, slot!.gradient);
  slot!.hasGradient = true;
  const result = change(store) ?? model.weight;
  const copy = empty(gpu, w.shape);
  const { storage, offset } = result;
  gpu.recorder.copyRange({ storage, offset, bytes: w.bytes }, copy);
  return copy;
}

const cases = {
  "accepts one value": { shapes: [[1], [1]] },
  "accepts sizes that fill no texel": { shapes: [[777], [777]] },
  "accepts more than one chunk": { shapes: [[3001], [3001]] },
};

/** Two steps with one gradient, written out. */
function twice(
  step: (w: number, g: number, state: number[], t: number) => number,
) {
  return (w: Array64, g: Array64): Float64Array =>
    w.data.map((value, i) => {
      const state = [0, 0];
      for (const t of [1, 2]) value = step(value, g.data[i]!, state, t);
      return value;
    });
}

function run(make: (store: ParameterStore) => Optimizer) {
  return (w: Tensor, g: Tensor): Tensor =>
    stepped(w, g, (store) => {
      const optimizer = make(store);
      optimizer.step();
      const [slot] = store.slots;
      slot!.hasGradient = true; // the same gradient again
      optimizer.step();
    });
}

function adam(decoupled: boolean, decay: number) {
  return twice((w, g, state, t) => {
    const gradient = g + (decoupled ? 0 : decay * w);
    if (decoupled) w *= 1 - 0.1 * decay;
    state[0] = 0.9 * state[0]! + 0.1 * gradient;
    state[1] = 0.999 * state[1]! + 0.001 * gradient ** 2;
    const root = Math.sqrt(state[1] / (1 - 0.999 ** t));
    return w - 0.1 * state[0] / (1 - 0.9 ** t) / (root + 1e-8);
  });
}

const common = { cases, tolerance: 5e-6, forwardOnly: true } as const;

checkOp("Adam", {
  ...common,
  run: run((store) => new Adam(store, { lr: 0.1, weightDecay: 0.2 })),
  oracle: adam(false, 0.2),
});
checkOp("AdamW", {
  ...common,
  run: run((store) => new AdamW(store, { lr: 0.1, weightDecay: 0.2 })),
  oracle: adam(true, 0.2),
});
checkOp("SGD", {
  ...common,
  run: run((store) => new SGD(store, { lr: 0.1, momentum: 0.9 })),
  oracle: twice((w, g, state) => {
    state[0] = 0.9 * state[0]! + g;
    return w - 0.1 * state[0];
  }),
});
checkOp("Ema", {
  ...common,
  special: "spreads", // infinity less infinity, as in PyTorch's lerp
  run: (w, g) =>
    stepped(w, g, (store) => {
      const ema = new Ema(store, 0.75);
      store.gpu.recorder.copyRange(g, store.values);
      ema.update();
      return ema.average;
    }),
  oracle: (w, g) => w.data.map((value, i) => 0.75 * value + 0.25 * g.data[i]!),
});
checkOp("clipGradNorm", {
  ...common,
  run: (w, g) =>
    stepped(w, g, (store) => {
      clipGradNorm(store, 0.5);
      new SGD(store, { lr: 1 }).step();
    }),
  oracle: (w, g) => {
    const norm = Math.sqrt(g.data.reduce((sum, g) => sum + g * g, 0));
    const factor = Math.min(1, 0.5 / (norm + 1e-6));
    return w.data.map((value, i) => value - factor * g.data[i]!);
  },
});

/** A step at the learning rate 1 from parameter 0 with gradient 1. */
async function firstStep(
  make: (store: ParameterStore) => Optimizer,
  operandSource: "texels" | "buffer",
): Promise<number> {
  const gpu = await testGpu({ operandSource });
  using _ = gpu.scope();
  const y = stepped(
    tensor(gpu, [0]),
    tensor(gpu, [1]),
    (store) => make(store).step(),
  );
  return (await y.read())[0]!;
}

// In float32 a difference 1 - beta is off by up to 3e-8 / (1 - beta) of itself.
for (const operandSource of ["texels", "buffer"] as const) {
  Deno.test(`Adam takes a first step of the learning rate, reading ${operandSource}`, async () => {
    for (const beta1 of [0, 0.4, 0.5, 0.9, 0.99, 0.999]) {
      for (const beta2 of [0, 0.5, 0.95, 0.999, 0.9999]) {
        const got = await firstStep(
          (store) => new Adam(store, { lr: 1, betas: [beta1, beta2] }),
          operandSource,
        );
        assertAlmostEquals(got, -1 / (1 + 1e-8), 1e-7, `${beta1}, ${beta2}`);
      }
    }
  });

  Deno.test(`Ema moves by its share, stays and arrives, reading ${operandSource}`, async () => {
    const gpu = await testGpu({ operandSource });
    for (const decay of [0, 0.3, 0.5, 0.9, 0.999, 0.9999]) {
      using _ = gpu.scope();
      const average = stepped(
        tensor(gpu, [0, 1]),
        tensor(gpu, [1, 1]),
        (store) => {
          const ema = new Ema(store, decay);
          store.gpu.recorder.copyRange(store.slots[0]!.gradient, store.values);
          ema.update();
          return ema.average;
        },
      );
      const [moved, still] = await average.read();
      const share = 1 - decay;
      assertAlmostEquals(moved!, share, share * 6e-8, `${decay}`);
      assertEquals(still, 1);
    }
  });
}

Deno.test("AdamW shrinks by 1 - lr weightDecay, rounded once", async () => {
  const gpu = await testGpu();
  for (const [lr, weightDecay] of [[0.01, 99.99], [1, 0.999]] as const) {
    using _ = gpu.scope();
    const y = stepped(
      tensor(gpu, [1]),
      tensor(gpu, [0]),
      (store) => new AdamW(store, { lr, weightDecay }).step(),
    );
    const keep = 1 - lr * weightDecay;
    assertAlmostEquals((await y.read())[0]!, keep, keep * 6e-8);
  }
});
