import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import { DemoFeatureNet } from "../../core/encoders/demo_features.ts";
import { readSafetensors, toFloat32 } from "../../core/formats/safetensors.ts";
import type { LabelledFrames } from "../../core/training/scene_features.ts";
import {
  SHIPPED_FEATURES,
  tuneFeatures,
} from "../../core/lab/tune_features.ts";
import { testGpu } from "../support/gpu.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

/** Striped frames of three scenes, in turn. */
function striped(count: number): LabelledFrames {
  const own = 64 * 64 * 3;
  return {
    levels: Uint8Array.from({ length: count * own }, (_, i) => {
      const scene = Math.floor(i / own) % 3;
      return 40 + 60 * scene + (Math.floor(i / 3) % 64 * (scene + 1)) % 64;
    }),
    scenes: Array.from({ length: count }, (_, i) => i % 3),
    nScenes: 3,
  };
}

Deno.test("tuneFeatures goes on from a trunk, moves its running moments, and is resumed to equal bytes", async () => {
  const gpu = await testGpu();
  using folder = tinyFolder();
  const at = (name: string) => join(folder.path, name);
  const tune = async (name: string, stopAfter = Infinity) => {
    let looks = 0;
    return await tuneFeatures(gpu, {
      weights: SHIPPED_FEATURES,
      out: at(`${name}.safetensors`),
      checkpoint: at(`${name}.checkpoint.safetensors`),
      digest: "test",
      frames: striped(9),
      held: striped(3),
      settings: { steps: 10, batch: 8, lr: 1e-2, warmup: 1, seed: 0 },
      metadata: { title: "a test" },
      progress: () => {},
      shouldStop: () => ++looks === stopAfter,
    });
  };
  const whole = await tune("whole");
  assertEquals([whole?.frames, whole?.scenes, whole?.told?.held], [9, 3, 3]);
  assert(whole!.loss[1] < whole!.loss[0], whole!.loss.join());
  assertEquals(whole?.told?.share, 1);

  assertEquals(await tune("stopped", 1), undefined);
  assertEquals(await tune("stopped"), whole);
  const bytes = (name: string) => Deno.readFile(at(`${name}.safetensors`));
  assertEquals(await bytes("stopped"), await bytes("whole"));

  using file = await readSafetensors(at("whole.safetensors"));
  using shipped = await readSafetensors(SHIPPED_FEATURES);
  assertEquals(file.metadata.title, "a test");
  assertEquals(file.names.toSorted(), shipped.names.toSorted());
  for (const name of ["stem.0.bn.running_mean", "feature_scale"]) {
    const [now, before] = [await file.read(name), await shipped.read(name)];
    assertNotEquals(toFloat32(now), toFloat32(before), name);
  }
  using network = new DemoFeatureNet();
  await network.load(gpu, file);
});
