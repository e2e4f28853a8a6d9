import { assert, assertEquals, assertRejects } from "@std/assert";
import { FrameWorldModel } from "../../core/models/frame_world_model.ts";
import { key } from "../../core/tensor/philox.ts";
import {
  frameBatch,
  framePairs,
  type FrameTrainingSettings,
  trainFrameWorldModel,
} from "../../core/training/frame_world_model.ts";
import { WindowTokens } from "../../core/training/window_tokens.ts";
import { testGpu } from "../support/gpu.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

const SIZE = 2 * 4 * 4;

/** Scenes of four, one and five frames. */
const SCENES = [0, 0, 0, 0, 1, 2, 2, 2, 2, 2];

const VALUES = Float32Array.from(
  { length: SCENES.length * SIZE },
  (_, i) => key("latents", 0).normal(i),
);

const TOKENS = new WindowTokens({
  latents: {
    frames: SCENES.length,
    size: SIZE,
    read: (start, end) => VALUES.slice(start * SIZE, end * SIZE),
  },
  shape: [2, 4, 4],
  actions: Float32Array.from(
    { length: 2 * SCENES.length },
    (_, i) => key("actions", 0).normal(i) / 4,
  ),
}, {
  patch: 2,
  horizon: 1,
  frequencies: 4,
  statistics: { mean: new Float32Array(8), std: new Float32Array(8).fill(1) },
});

const SETTINGS: FrameTrainingSettings = {
  samples: 24,
  batch: 4,
  lr: 1e-2,
  warmup: 0,
  lrEnd: 1,
  ema: 0.9,
  emaWarmup: false,
  clip: 1,
  actionDropout: 0.1,
  previousShown: 0.7,
  contextNoiseShare: 0.5,
  contextNoise: 0.3,
  seed: 0,
};

const FRAMES = { data: TOKENS, frameScenes: SCENES, settings: SETTINGS };

Deno.test("framePairs lists frames with a next one in their scene", () => {
  assertEquals(framePairs(SCENES), [0, 1, 2, 5, 6, 7, 8]);
  assertEquals(framePairs([]), []);
});

Deno.test("frameBatch shows the frame before of the same scene only, by the number of the sample", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const always = { ...FRAMES, settings: { ...SETTINGS, previousShown: 1 } };
  const batch = frameBatch(gpu, always, [0, 1, 5, 7], [0, 1, 2, 3]);
  assertEquals(batch.hasPrevious, [0, 1, 0, 1]);
  const frame = async (row: number) =>
    await TOKENS.frames(gpu, [row]).read() as Float32Array;
  const previous = await batch.previous.read() as Float32Array;
  assertEquals(previous.subarray(0, SIZE), new Float32Array(SIZE));
  assertEquals(previous.subarray(SIZE, 2 * SIZE), await frame(0));
  assertEquals(previous.subarray(3 * SIZE), await frame(6));
  const next = await batch.next.read() as Float32Array;
  assertEquals(next.subarray(0, SIZE), await frame(1));

  const shown = (samples: number[]) =>
    frameBatch(gpu, FRAMES, samples.map(() => 7), samples).hasPrevious;
  const first = shown([0, 1, 2, 3, 4, 5, 6, 7]);
  assertEquals(shown([4, 5, 6, 7]), first.slice(4));
  const many = shown(Array.from({ length: 400 }, (_, i) => i));
  const share = many.reduce((a, b) => a + b, 0) / 400;
  // Deviation sqrt(0.7 0.3 / 400) = 0.023.
  assert(Math.abs(share - 0.7) < 0.08, `share ${share}`);
});

for (const objective of ["v", "direct"] as const) {
  Deno.test(`trainFrameWorldModel for ${objective} learns, and goes on to the same bits`, async () => {
    const gpu = await testGpu();
    using folder = tinyFolder();
    const train = async (name: string, stop?: number) => {
      using model = new FrameWorldModel(gpu, {
        ...{ shape: [2, 4, 4], patch: 2, dim: 16, channels: 4, blocks: 1 },
        ...{ heads: 2, frequencies: 4, objective },
      });
      const hooks = {
        checkpoint: `${folder.path}/${name}.safetensors`,
        digest: "a",
        progress: () => {},
        stepsAtOnce: 2,
      };
      let steps = 0;
      if (stop !== undefined) {
        const shouldStop = () => ++steps === stop;
        const training = { model, ...FRAMES };
        assertEquals(
          await trainFrameWorldModel(gpu, training, { ...hooks, shouldStop }),
          undefined,
        );
      }
      const training = { model, ...FRAMES };
      return (await trainFrameWorldModel(gpu, training, hooks))!;
    };
    const whole = await train("whole");
    const parted = await train("parted", 3);
    assertEquals(parted, whole);
    assertEquals(whole.curve.step, [2, 4, 6]);
    assert(whole.curve.loss.every(Number.isFinite));
  });
}

Deno.test("trainFrameWorldModel refuses frames of which none follows another", async () => {
  const gpu = await testGpu();
  using model = new FrameWorldModel(gpu, {
    ...{ shape: [2, 4, 4], patch: 2, dim: 16, channels: 4, blocks: 1 },
    ...{ heads: 2, frequencies: 4, objective: "v" },
  });
  const hooks = { checkpoint: "", digest: "", progress: () => {} };
  await assertRejects(
    () =>
      trainFrameWorldModel(
        gpu,
        { model, ...FRAMES, frameScenes: [0, 1, 2] },
        hooks,
      ),
    RangeError,
    "Cannot train on 3 frames: none follows another one of its scene",
  );
});
