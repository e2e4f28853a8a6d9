import { assert, assertEquals, assertRejects } from "@std/assert";
import type { StandIn } from "../../core/encoders/stand_in.ts";
import { Ema } from "../../core/nn/optimizer.ts";
import { parameters } from "../../core/nn/parameters.ts";
import { backward } from "../../core/tensor/autograd.ts";
import { key } from "../../core/tensor/philox.ts";
import {
  drawFrames,
  type SceneFrames,
} from "../../core/training/stand_ins/frames.ts";
import {
  STAND_IN_FAMILIES,
  trainStandIn,
} from "../../core/training/stand_ins/train.ts";
import { Supervised } from "../../core/training/stand_ins/supervised.ts";
import { standIn } from "../../core/training/stand_ins/train.ts";
import { testGpu } from "../support/gpu.ts";

/** Two scenes of frames of one colour each, the second brighter. */
function frames(perScene: number): SceneFrames {
  const own = 64 * 64 * 3;
  const levels = new Uint8Array(2 * perScene * own);
  levels.fill(60, 0, perScene * own).fill(200, perScene * own);
  return {
    side: 64,
    perScene,
    levels,
    facts: [
      { style: 0, weather: [0, 0, 1], lanes: [0, 1] },
      { style: 3, weather: [1, 0, 0], lanes: [1, 0] },
    ],
    vehicles: Array.from({ length: 2 * perScene }, (_, i) => i % 4),
  };
}

const settings = { steps: 4, batch: 4, lr: 1e-3, warmup: 1, seed: 0 };

async function folder(name: string): Promise<string> {
  const path = `.test/stand-ins/${name}`;
  await Deno.remove(path, { recursive: true }).catch(() => {});
  await Deno.mkdir(path, { recursive: true });
  return path;
}

Deno.test("trainStandIn lowers the loss of every family", async () => {
  const gpu = await testGpu();
  for (const family of STAND_IN_FAMILIES) {
    const path = await folder(family);
    using trained = await trainStandIn(
      gpu,
      family,
      frames(18),
      { ...settings, steps: 10 },
      {
        checkpoint: `${path}/checkpoint.safetensors`,
        digest: family,
        progress: () => {},
      },
    );
    const { loss } = trained!.curve;
    assert(loss.at(-1)! < loss[0]!, `${family}: ${loss.join(" ")}`);
  }
});

Deno.test("trainStandIn continued from a checkpoint gives the bits of one that was not stopped, teacher and all", async () => {
  const gpu = await testGpu();
  const path = await folder("resumed");
  const weights = async (encoder: StandIn) =>
    (await encoder.stateDict())["norm.weight"]!.data;
  const run = (checkpoint: string, stopAt = Infinity) => {
    let steps = 0;
    return trainStandIn(gpu, "distilled", frames(4), settings, {
      checkpoint: `${path}/${checkpoint}`,
      digest: "same",
      progress: () => {},
      shouldStop: () => ++steps >= stopAt,
    });
  };
  assertEquals(await run("stopped", 2), undefined);
  using resumed = await run("stopped");
  using whole = await run("whole");
  assertEquals(
    await weights(resumed!.encoder),
    await weights(whole!.encoder),
  );
});

Deno.test("trainStandIn says how many frames clips need", async () => {
  const gpu = await testGpu();
  await assertRejects(
    () =>
      trainStandIn(gpu, "predictive", frames(8), settings, {
        checkpoint: "none",
        digest: "none",
        progress: () => {},
      }),
    RangeError,
    "on scenes of 8 frames: clips need 16",
  );
});

Deno.test("drawFrames draws clips that do not leave their scene", () => {
  const streams = Array.from({ length: 200 }, (_, i) => key("draw", 0, i));
  const drawn = drawFrames(frames(18), streams, 16);
  const starts = new Set<number>();
  for (const { scene, row } of drawn) {
    const first = row - 18 * scene;
    assert(first >= 0 && first <= 2, `${first}`);
    starts.add(first);
  }
  assertEquals(starts.size, 3);
});

Deno.test("Supervised gives gradients to all weights of encoder and heads", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const encoder = standIn("supervised");
  const objective = new Supervised(encoder.width);
  using store = parameters(gpu, { encoder, heads: objective.heads });
  const streams = [0, 1].map((i) => key("draw", 0, i));
  backward(objective.loss(encoder, { gpu, frames: frames(4), streams }));
  const without = store.slots.filter(({ hasGradient }) => !hasGradient);
  assertEquals(without.map(({ name }) => name), []);
  assert(new Ema(store, 0.5).average.size === store.values.size);
});
