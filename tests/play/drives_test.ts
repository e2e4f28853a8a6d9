import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { driveOn } from "../../core/data/driveworld/driver.ts";
import { frameScene } from "../../core/data/driveworld/frame.ts";
import { makeWorld } from "../../core/data/driveworld/world.ts";
import { measuredAction } from "../../core/data/scene.ts";
import { actionOf, eased, gamepadControls } from "../../core/play/drivers.ts";
import { MOST_STEERING, wanderingDrive } from "../../core/play/drives.ts";

Deno.test("wanderingDrive drives what its actions say, in sight of the road", () => {
  for (const seed of [1, 3, 41]) {
    const world = makeWorld(seed);
    const { states, actions } = wanderingDrive(world, 0);
    assertEquals(states.length, actions.length);
    assert(states.length > 20, `${states.length} keyframes`);
    for (const [i, state] of states.entries()) {
      frameScene(world, state);
      const next = states[i + 1];
      if (next === undefined) continue;
      const { steerRad, accelMps2 } = measuredAction(actions[i]!);
      const [driven] = driveOn(world, state, [{
        steeringWheel: steerRad,
        acceleration: accelMps2,
      }]);
      assertAlmostEquals(driven!.x, next.x, 1e-3);
      assertAlmostEquals(driven!.yaw, next.yaw, 1e-4);
    }
    assertEquals(wanderingDrive(world, 0), { states, actions });
  }
});

Deno.test("actionOf turns full controls into the limits of the drives", () => {
  const { steerRad, accelMps2 } = measuredAction(
    actionOf({ wheel: 2, pedal: -1 }),
  );
  assertAlmostEquals(steerRad, MOST_STEERING, 1e-6);
  assertAlmostEquals(accelMps2, -5, 1e-6);
  assertAlmostEquals(
    measuredAction(actionOf({ wheel: 0, pedal: 0.5 })).accelMps2,
    1.1,
    1e-6,
  );
});

Deno.test("eased moves towards its target and not beyond", () => {
  assertEquals(eased(0, 1, 35), 0.1);
  assertEquals(eased(0.95, 1, 35), 1);
  assertEquals(eased(1, 0, 10_000), 0);
});

Deno.test("gamepadControls reads stick, triggers and cross", () => {
  const buttons = (pressed: Record<number, number>) =>
    Array.from({ length: 17 }, (_, i) => pressed[i] ?? 0);
  assertEquals(gamepadControls([0.05, 0], buttons({})), undefined);
  assertEquals(gamepadControls([-1, 0], buttons({})), { wheel: 1, pedal: 0 });
  assertEquals(gamepadControls([0, 0], buttons({ 7: 0.5 })), {
    wheel: 0,
    pedal: 0.5,
  });
  assertEquals(gamepadControls([0, 0], buttons({ 15: 1, 13: 1 })), {
    wheel: -1,
    pedal: -1,
  });
});
