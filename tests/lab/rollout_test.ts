import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { futures, windowNoise } from "../../core/lab/futures.ts";
import type { Lab } from "../../core/lab/lab.ts";
import type { ModelSpec } from "../../core/lab/models.ts";
import {
  framesAfter,
  perturbedPresent,
  rollout,
  type RolloutSpec,
  rolloutWindows,
} from "../../core/lab/rollout_chain.ts";
import { scoredChunks } from "../../core/lab/rollout_run.ts";
import { recordedActions } from "../../core/lab/sweep.ts";
import { levelsOf } from "../../core/lab/pictures.ts";
import { Interrupted } from "../../core/experiment/interrupt.ts";
import { tinyLab, writeTinyData } from "../support/lab.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

const model: ModelSpec = { mode: "diffusion", recipe: "visible", seed: 0 };

const SPEC: RolloutSpec = {
  model,
  ddimSteps: 2,
  isCalibrated: false,
  isReprojected: true,
  perturbation: 0,
  chunks: 3,
  scenes: 2,
};

/** All latents of roll-outs, step by step. */
async function rolled(lab: Lab, spec: RolloutSpec): Promise<Float32Array[]> {
  using made = await rollout(lab, spec);
  const steps = Array.from({ length: 3 * lab.params.horizon }, (_, i) => i);
  return steps.filter((step) => made.reach(step).length > 0)
    .map((step) => made.at(made.reach(step), step));
}

Deno.test("rolloutWindows reach whole chunks within their scenes", () => {
  const window = (scene: string, row: number) => ({
    id: scene,
    scene,
    start: 0,
    row,
  });
  const part = {
    frameScenes: [0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2],
    windows: [window("a", 0), window("b", 5), window("c", 8)],
  };
  assertEquals(framesAfter(part), [4, 2, 3]);
  assertEquals(rolloutWindows(part, 2, 9).map(({ chunks }) => chunks), [
    2,
    1,
    1,
  ]);
  assertEquals(rolloutWindows(part, 3, 9).map(({ window }) => window.id), [
    "a",
    "c",
  ]);
  assertEquals(rolloutWindows(part, 2, 1).length, 1);
  assertEquals(scoredChunks(9), [1, 2, 4, 8, 9]);
  assertEquals(scoredChunks(2), [1, 2]);
});

Deno.test("rollout goes on after an interruption to equal latents, and does not sample again what is there", async () => {
  using whole = tinyFolder();
  await writeTinyData(whole.path);
  using first = await tinyLab(whole.path);
  const wanted = await rolled(first.lab, SPEC);
  assertEquals(wanted.length, 8); // two chunks of 4 in scenes of 9 frames

  using folder = tinyFolder();
  await writeTinyData(folder.path);
  {
    using opened = await tinyLab(folder.path);
    const { lab } = opened;
    const networks = await lab.networks();
    const { encode } = networks;
    // Asked to stop while the first chunk's last frame is fed back.
    Object.assign(networks, {
      encode: (frames: Uint8Array) => {
        if (opened.begun.includes("sample")) {
          const { buffer } = lab.context.interrupt as unknown as {
            buffer: SharedArrayBuffer;
          };
          Atomics.store(new Int32Array(buffer), 0, 130);
        }
        return encode.call(networks, frames);
      },
    });
    await assertRejects(() => rolled(lab, SPEC), Interrupted);
  }
  using again = await tinyLab(folder.path);
  assertEquals(await rolled(again.lab, SPEC), wanted);
  assertEquals(again.begun, ["sample"]);
  // What is there is opened.
  assertEquals(await rolled(again.lab, { ...SPEC, chunks: 2 }), wanted);
  assertEquals(again.begun, ["sample"]);
});

Deno.test("a chunk begins with the last frame of the one before, plain, re-projected, calibrated or perturbed", async () => {
  using folder = tinyFolder();
  await writeTinyData(folder.path);
  using opened = await tinyLab(folder.path);
  const { lab } = opened;
  const { params: { horizon } } = lab;
  const part = await lab.part("whole");
  const [window] = part.windows as [typeof part.windows[number]];
  const size = part.latents.size;
  /** The second chunk from a present, as any other future. */
  const second = async (present: Float32Array<ArrayBuffer>, chunk = 1) => {
    const row = window.row + chunk * horizon;
    using made = await futures(lab, {
      model,
      part: "whole",
      draws: [{
        window,
        noise: windowNoise("rollout", 0, window, chunk),
        actions: recordedActions(part, { row }, lab.params),
        present,
      }],
      ddimSteps: 2,
    });
    return made.at([0], 0);
  };
  const spec = { ...SPEC, scenes: 1, isReprojected: false };
  const plain = await rolled(lab, spec);
  const last = Float32Array.from(plain[horizon - 1]!);
  assertEquals(plain[horizon], await second(last));
  // The first chunk begins with the recorded present.
  const present = part.latents.read(window.row, window.row + 1);
  assertEquals(plain[0], await second(present, 0));

  const fed = await rolled(lab, { ...spec, isReprojected: true });
  assertEquals(fed.slice(0, horizon), plain.slice(0, horizon));
  const { encode, decode } = await lab.networks();
  const again = await encode(levelsOf(await decode(last)));
  assertNotEquals(again, last);
  assertEquals(fed[horizon], await second(again));

  const calibrated = await rolled(lab, { ...spec, isCalibrated: true });
  assertNotEquals(calibrated[0], plain[0]);

  const noised = await perturbedPresent(lab, model, window, 0.25);
  const { statistics: { std } } = await lab.tokens("train");
  const change = noised.map((x, k) => x - present[k]!);
  const rms = Math.sqrt(change.reduce((sum, x) => sum + x * x, 0) / size);
  const scale = Math.sqrt(std.reduce((sum, x) => sum + x * x, 0) / std.length);
  assert(rms > 0.2 * scale && rms < 0.3 * scale, `${rms} of ${scale}`);
  const perturbed = await rolled(lab, { ...spec, perturbation: 0.25 });
  assertEquals(perturbed[0], await second(noised, 0));
});
