import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { InverseDynamics } from "../../core/models/inverse_dynamics.ts";
import { parameters } from "../../core/nn/parameters.ts";
import { key } from "../../core/tensor/philox.ts";
import {
  actionAgreement,
  INVERSE_DYNAMICS,
  inverseDynamicsMoments,
  measureInverseDynamics,
  predictActions,
  trainInverseDynamics,
} from "../../core/training/inverse_dynamics.ts";
import type { FrameLatents } from "../../core/training/window_tokens.ts";
import { testGpu } from "../support/gpu.ts";

const SCENE = 10;

/**
 * Scenes in which a wave moves to the side as far as is steered, and gets
 * brighter as it speeds up.
 */
function waves(scenes: number, seed: number): FrameLatents {
  const frames = scenes * SCENE;
  const values = new Float32Array(frames * 2 * 8 * 8);
  const actions = new Float32Array(2 * frames);
  for (let scene = 0; scene < scenes; scene++) {
    const stream = key("waves", seed, scene);
    let [place, level] = [6 * stream.uniform(0), 0];
    for (let t = 0; t < SCENE; t++) {
      const frame = scene * SCENE + t;
      for (let k = 0; k < 128; k++) {
        const [c, y, x] = [k >> 6, (k >> 3) % 8, k % 8];
        const wave = Math.sin(0.9 * (x - place) + 0.5 * y + c);
        values[frame * 128 + k] = 3 + 2 * wave + level;
      }
      const [steer, accel] = [stream.normal(10 + t), stream.normal(30 + t)];
      actions[2 * frame] = 0.05 + 0.1 * steer;
      actions[2 * frame + 1] = 0.3 * accel;
      place += 0.5 * steer;
      level += 0.5 * accel;
    }
  }
  return {
    latents: {
      frames,
      size: 128,
      read: (start, end) => values.slice(start * 128, end * 128),
    },
    shape: [2, 8, 8],
    actions,
  };
}

/** Rows whose next row is of the same scene. */
function pairsOf({ latents }: FrameLatents): number[] {
  return Array.from({ length: latents.frames }, (_, i) => i)
    .filter((i) => i % SCENE < SCENE - 1);
}

const hooks = (checkpoint: string, more = {}) => ({
  checkpoint,
  digest: "test",
  progress: () => {},
  ...more,
});

async function folder(name: string): Promise<string> {
  const path = `.test/${name}-${crypto.randomUUID()}`;
  await Deno.mkdir(path, { recursive: true });
  return path;
}

Deno.test("trainInverseDynamics finds steering and acceleration in held-out scenes", async () => {
  const gpu = await testGpu();
  const path = await folder("inverse-dynamics");
  const [train, test] = [waves(200, 0), waves(10, 1)];
  const rows = pairsOf(train);
  const moments = inverseDynamicsMoments(train, rows);
  const before = gpu.memory().live;
  {
    const probe = new InverseDynamics({
      shape: [2, 8, 8],
      hidden: 16,
      moments,
    });
    using store = parameters(gpu, probe, { seed: 0 });
    const held = pairsOf(test);
    const untrained = await measureInverseDynamics(gpu, probe, test, held);
    const settings = { ...INVERSE_DYNAMICS, steps: 200, batch: 32, lr: 4e-3 };
    const curve = await trainInverseDynamics(
      gpu,
      probe,
      store,
      train,
      rows,
      settings,
      hooks(`${path}/checkpoint.safetensors`),
    );
    assertEquals(curve?.step.at(-1), 200);
    const quality = await measureInverseDynamics(gpu, probe, test, held);
    assertEquals(quality.n, 90);
    // Measured 0.996 and 0.999.
    for (const name of ["steering", "acceleration"] as const) {
      const { correlation, slope } = quality[name];
      assert(correlation > 0.9, `${name}: r ${correlation}`);
      assert(Math.abs(slope - 1) < 0.2, `${name}: slope ${slope}`);
      assert(untrained[name].correlation < 0.8);
    }
    // Pairs are told alike one by one; a frame after itself says standstill.
    const two = test.latents.read(3, 5);
    const [first, second] = [two.slice(0, 128), two.slice(128)];
    const one = await predictActions(gpu, probe, first, second);
    assert(Math.abs(one[0]! - test.actions[6]!) < 0.1);
    const still = await predictActions(gpu, probe, first, first);
    assert(Math.abs(still[0]! - 0.05) < 0.05, `${still[0]}`);
  }
  assertEquals(gpu.memory().live, before);
  await Deno.remove(path, { recursive: true });
});

Deno.test("trainInverseDynamics stopped and continued gives the same bits", async () => {
  const gpu = await testGpu();
  const path = await folder("inverse-dynamics");
  const frames = waves(4, 2);
  const rows = pairsOf(frames);
  const moments = inverseDynamicsMoments(frames, rows);
  const settings = { ...INVERSE_DYNAMICS, steps: 6, batch: 4 };
  const run = async (file: string, stops: boolean) => {
    const probe = new InverseDynamics({ shape: [2, 8, 8], hidden: 4, moments });
    using store = parameters(gpu, probe, { seed: 1 });
    const more = { stepsAtOnce: 2, shouldStop: () => stops };
    const curve = await trainInverseDynamics(
      gpu,
      probe,
      store,
      frames,
      rows,
      settings,
      hooks(`${path}/${file}`, more),
    );
    return { curve, state: await probe.stateDict() };
  };
  const whole = await run("whole", false);
  assertEquals((await run("parts", true)).curve, undefined);
  const rest = await run("parts", false);
  assertEquals(rest.curve, whole.curve);
  assertEquals(rest.state, whole.state);
  await Deno.remove(path, { recursive: true });
});

Deno.test("inverseDynamicsMoments is the mean and deviation of the pairs' frames", () => {
  const frames = waves(2, 3);
  const { latentMean, latentStd, actionMean, actionStd } =
    inverseDynamicsMoments(frames, [0, 1, 12]);
  const columns = [0, 1, 12].map((row) => frames.latents.read(row, row + 1));
  for (const c of [0, 1]) {
    const values = columns.flatMap((z) => [...z.slice(64 * c, 64 * c + 64)]);
    const mean = values.reduce((a, b) => a + b) / 192;
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / 192;
    assert(Math.abs(latentMean[c]! - mean) < 1e-12);
    assert(Math.abs(latentStd[c]! - Math.sqrt(variance)) < 1e-12);
  }
  const steer = [0, 1, 12].map((row) => frames.actions[2 * row]!);
  assert(Math.abs(actionMean[0]! - steer.reduce((a, b) => a + b) / 3) < 1e-12);
  assert(actionStd[1]! > 0);
  const same = { ...frames, actions: frames.actions.map(() => 0.1) };
  assertEquals(inverseDynamicsMoments(same, [0, 1, 2]).actionStd[0], 1);
});

Deno.test("actionAgreement gives correlation and slope of each action", () => {
  const truth = Float32Array.of(0, 1, 1, 1, 2, 1);
  const predicted = Float32Array.of(1, 5, 1.5, 6, 2, 7);
  const { steering, acceleration, n } = actionAgreement(truth, predicted);
  assert(Math.abs(steering.correlation - 1) < 1e-15);
  assertEquals([steering.slope, n], [0.5, 3]);
  assertEquals([acceleration.correlation, acceleration.slope], [NaN, NaN]);
});

Deno.test("inverse dynamics refuses rows without a next frame, other actions and other sizes", async () => {
  const gpu = await testGpu();
  const frames = waves(1, 0);
  assertThrows(
    () => inverseDynamicsMoments(frames, [0, 9]),
    RangeError,
    "row 9 has no next frame of 10",
  );
  assertThrows(() => inverseDynamicsMoments(frames, []), RangeError, "no row");
  const few = { ...frames, actions: new Float32Array(4) };
  assertThrows(() => inverseDynamicsMoments(few, [0]), RangeError, "4 actions");
  const probe = new InverseDynamics({ shape: [2, 8, 8] });
  await assertRejects(
    () =>
      predictActions(gpu, probe, new Float32Array(128), new Float32Array(1)),
    RangeError,
    "128 and 1 latents: needed equally many whole frames of 128",
  );
});
