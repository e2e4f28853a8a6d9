import { assert, assertEquals, assertRejects } from "@std/assert";
import { createWorldModel } from "../../core/models/world_model.ts";
import type { StateDict } from "../../core/nn/module.ts";
import { key } from "../../core/tensor/philox.ts";
import { WindowTokens } from "../../core/training/window_tokens.ts";
import {
  type TrainingSettings,
  trainWorldModel,
} from "../../core/training/world_model.ts";
import { testGpu } from "../support/gpu.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

const FRAMES = 12;

const SIZE = 4 * 4 * 4;

const VALUES = Float32Array.from(
  { length: FRAMES * SIZE },
  (_, i) => key("latents", 0).normal(i),
);

const ROWS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

const TOKENS = new WindowTokens({
  latents: {
    frames: FRAMES,
    size: SIZE,
    read: (start, end) => VALUES.slice(start * SIZE, end * SIZE),
  },
  shape: [4, 4, 4],
  actions: Float32Array.from(
    { length: 2 * FRAMES },
    (_, i) => key("actions", 0).normal(i) / 4,
  ),
}, { patch: 2, horizon: 2, frequencies: 4, statistics: ROWS });

const SETTINGS: TrainingSettings = {
  samples: 16,
  batch: 4,
  lr: 1e-2,
  warmup: 0,
  lrEnd: 1,
  ema: 0.9,
  emaWarmup: false,
  clip: 1,
  actionDropout: 0.1,
  seed: 0,
};

const SIZES = { horizon: 2, tokens: 4, patchDim: 16, dim: 16, blocks: 1 };

/** A short training from the same initial weights, and what it left. */
async function train(
  settings: Partial<TrainingSettings>,
  options: {
    readonly from?: StateDict;
    readonly seed?: number;
    /** Stops after so many steps, then goes on. */
    readonly stop?: number;
    /** Steps whose averages are given away. */
    readonly snapshots?: readonly number[];
  } = {},
) {
  const gpu = await testGpu();
  using folder = tinyFolder();
  using model = createWorldModel(gpu, {
    ...SIZES,
    network: "dit",
    objective: "x0",
    frequencies: 4,
    seed: options.seed ?? 0,
  });
  const first = await model.stateDict();
  const kept = new Map<number, StateDict>();
  const training = {
    model,
    data: TOKENS,
    ...(options.snapshots === undefined ? {} : {
      snapshots: {
        steps: options.snapshots,
        keep: (step: number, average: StateDict) => {
          kept.set(step, average);
          return Promise.resolve();
        },
      },
    }),
    rows: ROWS,
    settings: { ...SETTINGS, ...settings },
    ...(options.from ? { from: options.from } : {}),
  };
  const hooks = {
    checkpoint: `${folder.path}/checkpoint.safetensors`,
    digest: "a",
    progress: () => {},
  };
  let steps = 0;
  if (options.stop !== undefined) {
    const shouldStop = () => ++steps === options.stop;
    const none = await trainWorldModel(gpu, training, { ...hooks, shouldStop });
    assertEquals(none, undefined);
  }
  const weights = await trainWorldModel(gpu, training, hooks);
  assert(weights !== undefined);
  return { ...weights, first, left: await model.stateDict(), kept };
}

Deno.test("trainWorldModel gives away the averages on the way, those of a training that ends there, also when it goes on", async () => {
  const snapshots = [1, 3];
  const whole = await train({}, { snapshots });
  assertEquals([...whole.kept.keys()], snapshots);
  for (const step of snapshots) {
    // The rate is constant: a shorter training has the same first steps.
    const { average } = await train({ samples: 4 * step });
    assertEquals(whole.kept.get(step), average);
  }
  const { kept, curve: _, ...resumed } = await train({}, {
    snapshots,
    stop: 2,
  });
  assertEquals(kept, whole.kept);
  const { kept: __, curve: ___, ...plain } = await train({});
  assertEquals(resumed, plain);
});

Deno.test("trainWorldModel with noise on the present leaves other weights, of its own seed", async () => {
  const name = "dit.blocks.0.mlp.0.weight";
  const weights = async (settings: Partial<TrainingSettings>) =>
    (await train(settings)).last[name]!.data;
  const noised = await weights({ presentNoise: 0.25 });
  assertEquals(await weights({ presentNoise: 0.25 }), noised);
  assertEquals(await weights({ presentNoise: 0 }), await weights({}));
  assert((await weights({})).some((x, i) => x !== noised[i]));
});

Deno.test("trainWorldModel leaves the raw weights in the model and the averages beside", async () => {
  const averaged = await train({});
  assertEquals(averaged.left, averaged.last);
  const plain = await train({ ema: 0 });
  assertEquals(plain.average, undefined);
  // Averaging does not change what is averaged.
  assertEquals(plain.last, averaged.last);

  // The definition, from the raw weights after each step.
  const name = "dit.blocks.0.mlp.0.weight";
  const average = Float64Array.from(averaged.first[name]!.data);
  for (let step = 1; step <= 4; step++) {
    const { last } = await train({ ema: 0, samples: 4 * step });
    for (const [i, value] of last[name]!.data.entries()) {
      average[i]! += 0.1 * (value - average[i]!);
    }
  }
  const got = averaged.average![name]!.data;
  const error = Math.max(
    ...got.map((value, i) => Math.abs(value - average[i]!)),
  );
  assert(error < 1e-6, `error ${error}`);
  assert(got.some((value, i) => value !== averaged.last[name]!.data[i]));
  // A buffer is in both.
  assert(
    "fourier.freqs" in averaged.last && "fourier.freqs" in averaged.average!,
  );
});

Deno.test("trainWorldModel starts from given weights and their average, also when it goes on", async () => {
  const before = await train({});
  const from = before.average!;
  const name = "dit.blocks.0.mlp.0.weight";
  const tuned = await train({ samples: 16 }, { from, seed: 7 });
  assertEquals(await train({ samples: 16 }, { from, seed: 8, stop: 2 }), {
    ...tuned,
    first: (await train({ samples: 0 }, { seed: 8 })).first,
  });
  // Without a step the weights are those given, the average is, too.
  const none = await train({ samples: 0 }, { from, seed: 7 });
  assertEquals(none.last, from);
  assertEquals(none.average, from);
  assert(tuned.last[name]!.data.some((x, i) => x !== from[name]!.data[i]));
  await assertRejects(
    () => train({}, { from: { ...from, [name]: from["fourier.freqs"]! } }),
    TypeError,
    `into WorldModel: misshaped ${name} is (4), needed (64, 16)`,
  );
});
