import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
} from "@std/assert";
import { encodeSafetensors } from "../../core/formats/safetensors.ts";
import { FrameWorldModel } from "../../core/models/frame_world_model.ts";
import { InverseDynamics } from "../../core/models/inverse_dynamics.ts";
import { parameters } from "../../core/nn/parameters.ts";
import { fromFragment, toFragment } from "../../core/play/log.ts";
import { Session } from "../../core/play/session.ts";
import { Truth } from "../../core/play/truth.ts";
import {
  openPlayed,
  openPlayedVae,
  playedTensors,
} from "../../core/play/weights.ts";
import { SHIPPED_VAE } from "../../core/lab/tune_vae.ts";
import { PLAYED_SIZES } from "../../core/play/train.ts";
import { testGpu } from "../support/gpu.ts";

const gpu = await testGpu();
const shape = [4, 8, 8] as const;

/** A file of random weights, as `./run train:play` writes it. */
async function randomWeights(objective: "v" | "direct" = "v") {
  const model = new FrameWorldModel(gpu, {
    ...PLAYED_SIZES,
    ...{ shape, objective, dim: 16, channels: 8, seed: 1 },
  });
  // The last layer starts at zero; noise makes actions matter.
  const state = await model.stateDict();
  for (const name of ["dit.head_out.weight", "dit.film.weight"]) {
    state[name]!.data.forEach((_, i, all) => all[i] = 0.2 * Math.sin(i));
  }
  model[Symbol.dispose]();
  const probe = new InverseDynamics({ shape });
  using _ = parameters(gpu, probe, { seed: 2 });
  const statistics = {
    mean: new Float32Array(16),
    std: new Float32Array(16).fill(1),
  };
  return encodeSafetensors(
    playedTensors(state, statistics, await probe.stateDict()),
    { objective },
  );
}

const settings = { steps: 2, guidance: 1.5 };
const begun = { scene: 9003, start: 4, seed: 7, settings };

async function open(objective?: "direct") {
  const played = await openPlayed(gpu, await randomWeights(objective));
  const { vae } = await openPlayedVae(gpu, await Deno.readFile(SHIPPED_VAE));
  return { played, vae };
}
const parts = await open();

Deno.test("Session replays its log bit for bit, with all that happened", async () => {
  const session = await Session.begin(gpu, parts, begun);
  await session.step();
  await session.step({ steer: 0.123456, accel: -0.2 });
  assert(session.anchor());
  session.configure({ steps: 4, guidance: 2 });
  const last = await session.step({ steer: -0.3, accel: 0 });
  assertEquals(last.sinceAnchor, 1);
  assertEquals(last.number, 3);

  const log = fromFragment(toFragment(session.log("weights")))!;
  const [first, ...events] = log.events;
  assert(first?.kind === "settings");
  assertEquals({ steps: first.steps, guidance: first.guidance }, settings);
  const again = await Session.begin(gpu, parts, { ...log, settings: first });
  let shown;
  for (const event of events) shown = await again.replay(event) ?? shown;
  assertEquals(shown!.dream, last.dream);
  assertEquals(shown!.truth, last.truth);
  assertEquals(again.digest, log.digest);
  assertEquals(again.actions, session.actions);
});

Deno.test("Session never shows the dream the truth unless it is anchored", async () => {
  const dreamAfter = async (scene: number, isAnchored: boolean) => {
    const picture = new Uint8Array(64 * 64 * 3).fill(90);
    const session = await Session.fromPicture(
      gpu,
      parts,
      { ...begun, scene },
      picture,
    );
    if (isAnchored) assertEquals(session.anchor(), false);
    await session.step({ steer: 0.1, accel: 0 });
    const frame = await session.step({ steer: 0.1, accel: 0 });
    assertEquals(frame.truth, undefined);
    assertEquals(frame.cosSim, undefined);
    return frame.dream;
  };
  assertEquals(await dreamAfter(9003, false), await dreamAfter(9010, true));
});

Deno.test("Session measures the distance of dream and truth", async () => {
  const session = await Session.begin(gpu, parts, begun);
  const { cosSim, pixelError, dream, truth, read } = await session.step({
    steer: 0,
    accel: 0,
  });
  let sum = 0;
  dream.forEach((x, i) => sum += Math.abs(x - truth![i]!));
  assertAlmostEquals(pixelError!, sum / dream.length, 1e-9);
  assert(Math.abs(cosSim!) <= 1);
  assert(Number.isFinite(read!.steer));
});

Deno.test("Session gives futures of one noise, and stays where it is", async () => {
  const session = await Session.begin(gpu, parts, begun);
  const before = session.digest;
  const [left, again, right] = await session.futures([
    { steer: 0.3, accel: 0 },
    { steer: 0.3, accel: 0 },
    { steer: -0.3, accel: 0 },
  ]);
  assertEquals(left, again);
  assert(left!.some((x, i) => x !== right![i]));
  assertEquals(session.digest, before);
});

Deno.test("Session drives a model of regression, too", async () => {
  using direct = (await open("direct")).played;
  const session = await Session.begin(gpu, { ...parts, played: direct }, begun);
  const frame = await session.step({ steer: 0, accel: 0 });
  assert(Number.isFinite(frame.cosSim));
});

Deno.test("Session takes no more memory after many frames", async () => {
  const session = await Session.begin(gpu, parts, begun);
  for (let i = 0; i < 5; i++) await session.step({ steer: 0, accel: 0 });
  const before = gpu.memory().bytes;
  for (let i = 0; i < 30; i++) await session.step({ steer: 0, accel: 0 });
  assert(gpu.memory().bytes <= before, `${gpu.memory().bytes - before}`);
});

Deno.test("Truth follows the recorded drive, and ends where the road is out of sight", async () => {
  const truth = new Truth(gpu, 9003, 4);
  truth.step();
  assertEquals(truth.isOnRecord, true);
  assertEquals(truth.state, truth.recorded.states[5]);
  for (let i = 0; i < 40 && truth.end === undefined; i++) {
    truth.step({ steer: 0.32, accel: 0.1 });
    await truth.draw();
  }
  assertEquals(truth.isOnRecord, false);
  assertEquals(truth.end, "the road is out of sight");
  assertEquals(await truth.draw(), undefined);
  const straight = new Truth(gpu, 9003, 4);
  for (let i = 0; i < 100 && straight.end === undefined; i++) {
    straight.step({ steer: 0, accel: 0.2 });
    await straight.draw();
  }
  assertEquals(straight.end, "the road ends");
});

Deno.test("Session refuses a keyframe that the drive does not have", async () => {
  await assertRejects(
    () => Session.begin(gpu, parts, { ...begun, start: 40 }),
    RangeError,
    "Cannot begin at keyframe 40: scene 9003 has 40 of them, from 0",
  );
});

Deno.test("openPlayed refuses weights of another kind in one line", async () => {
  await assertRejects(
    async () => await openPlayed(gpu, await Deno.readFile(SHIPPED_VAE)),
    TypeError,
    "it has no dit.stem.weight, dit.spatial_pos",
  );
});
