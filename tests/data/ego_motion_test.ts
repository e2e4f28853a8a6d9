import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import {
  drive,
  driveOn,
  STEPS_PER_KEYFRAME,
} from "../../core/data/driveworld/driver.ts";
import { makeWorld } from "../../core/data/driveworld/world.ts";
import { driveAgain, sceneName } from "../../core/data/driveworld/write.ts";
import { readEgoMotion, steeringGain } from "../../core/data/ego_motion.ts";
import { bicyclePath } from "../../core/metrics/path.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

const keyframe = (timestamp: number) => ({
  sampleToken: "",
  timestamp,
  imagePath: "",
  steerRaw: 0,
  accelRaw: 0,
  action: { steer: 0, accel: 0 },
});

Deno.test("readEgoMotion takes the nearest message, and refuses one that is far", async () => {
  using folder = tinyFolder();
  await Deno.mkdir(join(folder.path, "can_bus"));
  const pose = [0, 40_000, 500_000].map((utime, i) => ({
    utime,
    vel: [i + 1, 0, 0],
    rotation_rate: [0, 0, (i + 1) / 10],
  }));
  await Deno.writeTextFile(
    join(folder.path, "can_bus/one_pose.json"),
    JSON.stringify(pose),
  );
  const found = await readEgoMotion(folder.path, {
    name: "one",
    keyframes: [keyframe(25_000), keyframe(460_000)],
  });
  assertEquals(found, [
    { speedMps: 2, yawRate: 0.2 },
    { speedMps: 3, yawRate: 0.3 },
  ]);
  await assertRejects(
    () =>
      readEgoMotion(folder.path, {
        name: "one",
        keyframes: [keyframe(300_000)],
      }),
    Error,
    'Cannot tell the speed at 300000 of "one"',
  );
});

Deno.test("steeringGain measures the embedded world's car: wheel base 2.7 m, ratio 16", () => {
  const samples = [0, 1, 2].flatMap((seed) =>
    drive(makeWorld(seed)).map(({ speed, yawRate, steeringWheel }) => ({
      speedMps: speed,
      yawRate,
      steerRad: steeringWheel,
    }))
  );
  const { curvaturePerRad, correlation, n } = steeringGain(samples);
  assert(Math.abs(curvaturePerRad * 2.7 * 16 - 1) < 0.02, `${curvaturePerRad}`);
  assert(correlation > 0.99);
  assertEquals(n, 1200);
  assertThrows(() => steeringGain([]), RangeError, "of 0 keyframes none moves");
});

Deno.test("driveOn goes where the bicycle model goes, on another path than the drive", () => {
  const { world, keyframes } = driveAgain(sceneName(9003));
  const from = keyframes[4]!.state;
  const actions = [1.5, -1, 0.5, 1.8].map((steeringWheel, i) => ({
    steeringWheel,
    acceleration: 1 - i,
  }));
  const states = driveOn(world, from, actions);
  assertEquals(states.length, 4);
  const path = bicyclePath(
    actions.map(({ steeringWheel, acceleration }) => ({
      steerRad: steeringWheel,
      accelMps2: acceleration,
    })),
    { speedMps: from.speed, curvaturePerRad: 1 / (2.7 * 16), stepSeconds: 0.5 },
  );
  for (const [i, { x, y }] of states.entries()) {
    const [dx, dy] = [x - from.x, y - from.y];
    const ahead = dx * Math.cos(from.yaw) + dy * Math.sin(from.yaw);
    const left = dy * Math.cos(from.yaw) - dx * Math.sin(from.yaw);
    const { x: px, y: py } = path[i + 1]!;
    // The world moves in steps of 50 ms and turns by the tangent.
    assert(Math.hypot(ahead - px, left - py) < 0.2, `${ahead} ${left}`);
    const own = from.time + (i + 1) * 0.05 * STEPS_PER_KEYFRAME;
    assert(Math.abs(states[i]!.time - own) < 1e-9);
  }
  assertThrows(
    () => driveAgain("scene-0061"),
    RangeError,
    'such as "drive-0000"',
  );
});
