import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import type { LatentRows } from "../../core/data/latents.ts";
import { createJumpModel } from "../../core/models/jump_model.ts";
import { tensor } from "../../core/tensor/create.ts";
import { key } from "../../core/tensor/philox.ts";
import {
  cutJumps,
  type Jump,
  jumpChances,
  type JumpSettings,
  scheduledAnchors,
  trainJump,
} from "../../core/training/jump.ts";
import {
  readPublishedJump,
  readPublishedModel,
} from "../../core/training/published.ts";
import { WindowTokens } from "../../core/training/window_tokens.ts";
import { readFixture } from "../support/fixture.ts";
import { testGpu } from "../support/gpu.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

/** Twelve frames of 4 channels, 4 by 4: value k of frame t is 0.1 t^2 + noise. */
const SIZE = 64;
const values = Float32Array.from(
  { length: 12 * SIZE },
  (_, i) => {
    const t = Math.floor(i / SIZE);
    return 0.1 * t * t + key("frames", 0).normal(i);
  },
);
const latents: LatentRows = {
  frames: 12,
  size: SIZE,
  read: (start, end) => values.slice(start * SIZE, end * SIZE),
};
const frames = {
  latents,
  shape: [4, 4, 4] as const,
  actions: Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)),
};

const settings: JumpSettings = {
  samples: 32,
  batch: 8,
  lr: 1e-3,
  warmup: 0,
  lrEnd: 1,
  ema: 0.9,
  emaWarmup: false,
  weightDecay: 1e-4,
  motionPower: 0.5,
  anchorNoise: 0,
  residualWeight: 1,
  ownAnchors: 0,
  seed: 0,
};

async function small(objective: "direct" | "x0" = "direct") {
  const gpu = await testGpu();
  const data = new WindowTokens(frames, {
    ...{ patch: 2, horizon: 2, frequencies: 4, statistics: [0, 1, 2, 3] },
  });
  const model = createJumpModel(gpu, {
    ...{ objective, tokens: 4, patchDim: 16, dim: 16, blocks: 1, heads: 2 },
    frequencies: 4,
  });
  return { gpu, data, model };
}

const hooks = (folder: string) => ({
  checkpoint: `${folder}/checkpoint.safetensors`,
  digest: "a",
  progress: () => {},
});

Deno.test("cutJumps gives every jump of the first windows of an order by chance, with its motion", () => {
  const cut = { stride: 2, links: 3, windows: 2, seed: 1 };
  const jumps = cutJumps(frames, [0, 1, 2, 3, 5], cut);
  assertEquals(jumps.map(({ link }) => link), [0, 1, 2, 0, 1, 2]);
  assertEquals(new Set(jumps.map(({ row }) => row)).size, 2);
  for (const { row, link, motion } of jumps) {
    const from = row + 2 * link;
    let sum = 0;
    for (let k = 0; k < SIZE; k++) {
      sum += (values[(from + 2) * SIZE + k]! - values[from * SIZE + k]!) ** 2;
    }
    assertAlmostEquals(motion, Math.sqrt(sum / SIZE), 1e-9);
  }
  assertEquals(cutJumps(frames, [0, 1], { ...cut, windows: 9 }).length, 6);
});

Deno.test("jumpChances sum up the root of the motion over its mean; all are equal where nothing moves", () => {
  const chances = jumpChances([1, 4, 0, 16].map((motion) => ({ motion })), 0.5);
  // 1, 2, 0, 4 of 7.
  [1 / 7, 3 / 7, 3 / 7, 1].forEach((x, i) =>
    assertAlmostEquals(chances[i]!, x, 1e-12)
  );
  const none = jumpChances([{ motion: 0 }, { motion: 0 }], 0.5);
  assertEquals([...none], [0.5, 1]);
  assertEquals([...jumpChances([{ motion: 1 }, { motion: 3 }], 0)], [0.5, 1]);
  assertThrows(() => jumpChances([], 0.5), RangeError, "there are none");
});

Deno.test("scheduledAnchors are chains of the model's own jumps and true ones, each by its chance", async () => {
  const { gpu, data, model } = await small();
  using _model = model;
  using _ = gpu.scope();
  const drawn: Jump[] = [0, 1, 2, 3, 3, 3].map((link, i) => ({
    ...{ row: i % 2, link, motion: 1 },
  }));
  const samples = drawn.map((_, i) => 10 + i);
  const training = { model, data, settings };
  const read = async (chance: number) =>
    await scheduledAnchors(gpu, training, drawn, samples, chance).read();
  const seen = new Set<boolean>();
  for (const chance of [0, 0.5, 1]) {
    const got = await read(chance);
    for (const [i, { row, link: own }] of drawn.entries()) {
      // One chain at a time, jump by jump.
      let anchor = data.frames(gpu, [row]);
      for (let link = 0; link < own; link++) {
        const isOwn = key("own anchor", 0, 10 + i).uniform(link) < chance;
        seen.add(isOwn);
        const from = row + 2 * link;
        const { features } = data.conditions(gpu, [{ row: from }]);
        anchor = isOwn
          ? model.predict({ present: anchor, features })
          : data.frames(gpu, [from + 2]);
      }
      (await anchor.read()).forEach((x, k) =>
        assertAlmostEquals(got[i * SIZE + k]!, x, 1e-4)
      );
    }
  }
  assertEquals(seen.size, 2);
});

Deno.test("trainJump learns, draws what moves more often, and goes on from a checkpoint with the same bits", async () => {
  using folder = tinyFolder();
  const cut = { stride: 2, links: 3, windows: 9, seed: 0 };
  const jumps = cutJumps(frames, [0, 1, 2, 3, 4], cut);
  const train = async (
    name: string,
    shouldStop?: (step: number) => boolean,
    more: Partial<JumpSettings> = {},
  ) => {
    const { gpu, data, model } = await small();
    using _model = model;
    let step = 0;
    await Deno.mkdir(`${folder.path}/${name}`, { recursive: true });
    return await trainJump(
      gpu,
      { model, data, jumps, settings: { ...settings, ...more } },
      {
        ...hooks(`${folder.path}/${name}`),
        ...(shouldStop ? { shouldStop: () => shouldStop(++step) } : {}),
      },
    );
  };
  const more = { ownAnchors: 1 };
  const whole = await train("whole", undefined, more);
  assertEquals(await train("cut", (step) => step === 2, more), undefined);
  const continued = await train("cut", undefined, more);
  assertEquals(continued!.last, whole!.last);
  assertEquals(continued!.average, whole!.average);
  const forced = await train("forced");
  assert(
    forced!.last["dit.input_proj.weight"]!.data.some((x, i) =>
      x !== whole!.last["dit.input_proj.weight"]!.data[i]
    ),
  );
  const long = await train("long", undefined, { samples: 1600, lr: 3e-3 });
  assert(long!.curve.loss.at(-1)! < 0.8 * long!.curve.loss[0]!);
});

Deno.test("trainJump refuses own anchors of a model by diffusion", async () => {
  const { gpu, data, model } = await small("x0");
  using _model = model;
  const jumps = [{ row: 0, link: 1, motion: 1 }];
  await assertRejects(
    () =>
      trainJump(
        gpu,
        { model, data, jumps, settings: { ...settings, ownAnchors: 0.5 } },
        hooks("nowhere"),
      ),
    TypeError,
    'its objective is "x0", needed "direct"',
  );
});

const PUBLISHED = new URL(
  "../../fixtures/torch/published/smoke_jump.pt",
  import.meta.url,
);

Deno.test("readPublishedJump predicts as in PyTorch, and says in one line what does not fit", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const fixture = await readFixture("published/jump");
  using read = await readPublishedJump(
    gpu,
    PUBLISHED,
    { weights: "average" },
    1,
  );
  assertEquals(read.sizes, {
    ...{ dim: 8, frequencies: 4, horizon: 1, tokens: 16, blocks: 1 },
    ...{ patchDim: 16, patch: 2 },
  });
  const { model } = read;
  const features = model.fourier.features(fixture.actions!.data);
  const y = await model.predict({
    present: tensor(gpu, fixture.present!.data).reshape([2, 16, 16]),
    features: tensor(gpu, features).reshape([2, 1, 16]),
  }).read();
  y.forEach((x, i) => assertAlmostEquals(x, fixture.average!.data[i]!, 2e-5));

  const options = { weights: "average" } as const;
  const { message } = await assertRejects(
    () => readPublishedJump(gpu, PUBLISHED, options, 4),
    RangeError,
  );
  assert(message.endsWith("its jumps are of 1 frames, needed 4"), message);
  await assertRejects(
    () => readPublishedModel(gpu, PUBLISHED, options),
    TypeError,
    "it is a jump model of 4 jumps, which takes the mean of several actions",
  );
  const other = new URL("direct.pt", PUBLISHED);
  await assertRejects(
    () => readPublishedJump(gpu, other, options, 1),
    TypeError,
    "it says no n_jump, so it predicts all frames in one pass",
  );
});
