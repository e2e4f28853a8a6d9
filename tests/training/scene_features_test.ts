import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { DemoFeatureNet } from "../../core/encoders/demo_features.ts";
import { parameters } from "../../core/nn/parameters.ts";
import { tensor } from "../../core/tensor/create.ts";
import {
  featureLoss,
  featureScale,
  trainFeatures,
} from "../../core/training/scene_features.ts";
import { testGpu } from "../support/gpu.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

const SCENES = 3;

const targets = [
  {
    style: 2,
    attributes: [1, 0, 1, 0, 1],
    geometry: [0.1, -2, 0.5, 1, 3, -0.4],
  },
  { style: 0, attributes: [0, 1, 0, 0, 1], geometry: [0, 1.5, -0.5, 0, 1, 2] },
];

Deno.test("featureLoss is its definition, with and without what is known of drawn frames", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const width = SCENES + 17;
  const y = Float32Array.from(
    { length: 2 * width },
    (_, i) => 3 * Math.sin(i * 1.3),
  );
  const batch = {
    scenes: [2, 0],
    damage: [[0, 0.9], [2.1, 0]] as [number, number][],
  };
  const row = (
    n: number,
    start: number,
    length: number,
  ) => [...y.subarray(n * width + start, n * width + start + length)];
  const entropy = (logits: number[], k: number) =>
    Math.log(logits.reduce((sum, x) => sum + Math.exp(x), 0)) - logits[k]!;
  const smooth = (got: number[], wanted: readonly number[]) =>
    got.map((x, i) => Math.abs(x - wanted[i]!))
      .map((e) => e < 1 ? e * e / 2 : e - 0.5);
  const mean = (list: number[]) =>
    list.reduce((sum, x) => sum + x, 0) / list.length;
  const two = [0, 1];
  const base = 0.3 *
      mean(two.map((n) => entropy(row(n, 0, SCENES), batch.scenes[n]!))) +
    mean(two.flatMap((n) => smooth(row(n, SCENES + 15, 2), batch.damage[n]!)));
  const more =
    0.5 * mean(two.map((n) => entropy(row(n, SCENES, 4), targets[n]!.style))) +
    mean(
      two.flatMap((n) =>
        row(n, SCENES + 4, 5).map((x, i) =>
          Math.log(1 + Math.exp(x)) - x * targets[n]!.attributes[i]!
        )
      ),
    ) +
    mean(
      two.flatMap((n) => smooth(row(n, SCENES + 9, 6), targets[n]!.geometry)),
    );
  const on = tensor(gpu, y).reshape([2, width]);
  const plain = await featureLoss(on, batch, SCENES).item();
  assert(Math.abs(plain - base) < 1e-5, `${plain}, ${base}`);
  const full = await featureLoss(on, { ...batch, targets }, SCENES).item();
  assert(Math.abs(full - base - more) < 1e-5, `${full}, ${base + more}`);
});

Deno.test("trainFeatures learns, and goes on from a checkpoint to equal bits", async () => {
  const gpu = await testGpu();
  using folder = tinyFolder();
  const own = 64 * 64 * 3;
  const levels = Uint8Array.from({ length: 6 * own }, (_, i) => {
    const scene = Math.floor(i / own) % SCENES;
    const x = Math.floor(i / 3) % 64;
    return 40 + 60 * scene + (x * (scene + 1)) % 64;
  });
  const frames = { levels, scenes: [0, 1, 2, 0, 1, 2], nScenes: SCENES };
  const settings = { steps: 8, batch: 8, lr: 5e-2, warmup: 100, seed: 1 };
  const run = async (path: string, stopAfter?: number) => {
    const network = new DemoFeatureNet(SCENES);
    using store = parameters(gpu, network, { seed: 1 });
    let looks = 0;
    const curve = await trainFeatures(
      gpu,
      network,
      store,
      frames,
      settings,
      {
        checkpoint: path,
        digest: "test",
        progress: () => {},
        stepsAtOnce: 2,
        ...(stopAfter === undefined
          ? {}
          : { shouldStop: () => ++looks === stopAfter }),
      },
    );
    const state = await network.stateDict();
    const scale = await featureScale(gpu, network, levels);
    return { curve, state, scale };
  };
  const whole = await run(join(folder.path, "whole.safetensors"));
  const losses = whole.curve?.loss ?? [];
  assert(losses.at(-1)! < losses[0]!, losses.join());
  assert(whole.scale > 0 && Number.isFinite(whole.scale));

  const path = join(folder.path, "stopped.safetensors");
  assertEquals((await run(path, 2)).curve, undefined);
  const resumed = await run(path);
  assertEquals(resumed.curve, whole.curve);
  for (const [name, { data }] of Object.entries(whole.state)) {
    assertEquals(resumed.state[name]?.data, data, name);
  }
});
