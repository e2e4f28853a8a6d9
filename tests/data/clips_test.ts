import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type CameraTrack,
  clipFrames,
  hasSweeps,
  readCameraTracks,
} from "../../core/data/clips.ts";
import { drive } from "../../core/data/driveworld/driver.ts";
import {
  cameraFrames,
  keyframesOf,
  sweepStates,
} from "../../core/data/driveworld/sweeps.ts";
import { makeWorld } from "../../core/data/driveworld/world.ts";
import { writeDriveworld } from "../../core/data/driveworld/write.ts";
import { readNuscenes } from "../../core/data/nuscenes.ts";
import { testGpu } from "../support/gpu.ts";

/** Four keyframes with five sweeps between. */
const TRACK: CameraTrack = {
  paths: Array.from({ length: 19 }, (_, i) => `frame-${i}`),
  keyframes: [0, 6, 12, 18],
};

Deno.test("clipFrames takes the frames before a keyframe, the first again at the start", () => {
  assertEquals(
    clipFrames(TRACK, 3, "sweeps"),
    Array.from({ length: 16 }, (_, i) => i + 3),
  );
  assertEquals(clipFrames(TRACK, 1, "sweeps"), [
    ...Array<number>(9).fill(0),
    ...[0, 1, 2, 3, 4, 5, 6],
  ]);
  assertEquals(clipFrames(TRACK, 2, "still"), Array<number>(16).fill(12));
  assertThrows(() => clipFrames(TRACK, 4, "sweeps"), RangeError, "has 4");
});

Deno.test("clipFrames of keyframes are those of the published pipeline", () => {
  const repeated = (...parts: [number, number][]) =>
    parts.flatMap(([at, times]) => Array<number>(times).fill(at));
  const clip = (k: number) => clipFrames(TRACK, k, "keyframes");
  assertEquals(clip(0), repeated([0, 16]));
  assertEquals(clip(1), repeated([0, 15], [6, 1]));
  assertEquals(clip(2), repeated([0, 9], [6, 6], [12, 1]));
  // The clip begins with the last frame: none before it is known.
  assertEquals(clip(3), repeated([18, 3], [6, 6], [12, 6], [18, 1]));
});

Deno.test("clipFrames of sweeps without files are those of keyframes", () => {
  const sparse = {
    ...TRACK,
    paths: TRACK.paths.map((path, i) => i % 6 === 0 ? path : undefined),
  };
  for (const k of [0, 1, 2, 3]) {
    assertEquals(
      clipFrames(sparse, k, "sweeps"),
      clipFrames(TRACK, k, "keyframes"),
    );
  }
  assert(hasSweeps(TRACK) && !hasSweeps(sparse));
});

Deno.test("sweepStates pass through the keyframes at 12 Hz", () => {
  const states = drive(makeWorld(4));
  const sweeps = sweepStates(states);
  const keyframes = keyframesOf(states);
  assertEquals(sweeps.length, 39 * 6 + 1);
  assertEquals(sweeps.filter((_, i) => i % 6 === 0), keyframes);
  for (const [i, { time, x }] of sweeps.entries()) {
    assert(Math.abs(time - i / 12) < 1e-9, `${i} is at ${time}`);
    const before = states[Math.floor(time / 0.05 + 1e-9)]!;
    assert(Math.abs(x - before.x) < 0.05 * 15, `${i} is at ${x}`);
  }
  assertEquals(cameraFrames(states, false).length, 40);
  assertEquals(cameraFrames(states, true)[7]!.keyframe, 2);
});

Deno.test("readCameraTracks finds the sweeps that writeDriveworld draws", async () => {
  const gpu = await testGpu();
  const base = ".test/clips";
  await Deno.remove(base, { recursive: true }).catch(() => {});
  for (const sweeps of [true, false]) {
    const folder = `${base}/${sweeps}`;
    await writeDriveworld(gpu, folder, {
      train: [0],
      val: [],
      test: [1],
      size: [8, 8],
      sweeps,
    });
    const dataset = await readNuscenes(folder);
    const tracks = await readCameraTracks(dataset);
    assertEquals([...tracks.keys()], ["drive-0000", "drive-0001"]);
    for (const scene of dataset.scenes) {
      const track = tracks.get(scene.name)!;
      assertEquals(hasSweeps(track), sweeps);
      assertEquals(track.paths.length, 39 * 6 + 1);
      assertEquals(
        track.keyframes.map((at) => track.paths[at]),
        scene.keyframes.map(({ imagePath }) => imagePath),
      );
    }
    if (!sweeps) continue;
    // A file that is missing is a gap, as in the published pipeline.
    const { paths } = tracks.get("drive-0000")!;
    await Deno.remove(`${folder}/${paths[1]}`);
    const again = await readCameraTracks(dataset);
    assertEquals(again.get("drive-0000")!.paths[1], undefined);
  }
});
