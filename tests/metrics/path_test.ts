import { assert, assertEquals, assertThrows } from "@std/assert";
import { bicyclePath, pathDistances } from "../../core/metrics/path.ts";

const START = { speedMps: 8, curvaturePerRad: 0.023, stepSeconds: 0.5 };

/** The differential equations, in many small steps by the midpoint rule. */
function integrated(
  actions: { steerRad: number; accelMps2: number }[],
  { speedMps, curvaturePerRad, stepSeconds }: typeof START,
) {
  let [x, y, yaw, speed] = [0, 0, 0, speedMps];
  const path = [{ x, y }];
  const steps = 20_000;
  const dt = stepSeconds / steps;
  for (const { steerRad, accelMps2 } of actions) {
    for (let k = 0; k < steps; k++) {
      const middle = Math.max(0, speed + 0.5 * accelMps2 * dt);
      const turned = yaw + 0.5 * middle * curvaturePerRad * steerRad * dt;
      x += middle * Math.cos(turned) * dt;
      y += middle * Math.sin(turned) * dt;
      yaw += middle * curvaturePerRad * steerRad * dt;
      speed = Math.max(0, speed + accelMps2 * dt);
    }
    path.push({ x, y });
  }
  return path;
}

Deno.test("bicyclePath agrees with its differential equations, also where the car stops", () => {
  const actions = [
    { steerRad: 1.2, accelMps2: 2 },
    { steerRad: -4, accelMps2: -3 },
    { steerRad: 0, accelMps2: 1 },
    { steerRad: 5, accelMps2: -9 },
    { steerRad: -2, accelMps2: -9 },
    { steerRad: 1, accelMps2: -2 },
  ];
  const [found, wanted] = [
    bicyclePath(actions, START),
    integrated(actions, START),
  ];
  assertEquals(found.length, 7);
  for (const distance of pathDistances(found, wanted)) {
    assert(distance < 1e-4, `off by ${distance} m`);
  }
  assertEquals(found[6], found[5]);
});

Deno.test("bicyclePath drives a circle to the left for steering to the left", () => {
  // A quarter of a circle of radius 10 m.
  const start = { speedMps: 5 * Math.PI, curvaturePerRad: 0.1, stepSeconds: 1 };
  const [, end] = bicyclePath([{ steerRad: 1, accelMps2: 0 }], start);
  assert(Math.abs(end!.x - 10) < 1e-12 && Math.abs(end!.y - 10) < 1e-12);
});

Deno.test("bicyclePath refuses what is no number, pathDistances what does not fit", () => {
  const bad = [{ steerRad: NaN, accelMps2: 0 }];
  assertThrows(() => bicyclePath(bad, START), RangeError, "with NaN");
  assertThrows(
    () => bicyclePath([], { ...START, speedMps: -1 }),
    RangeError,
    "from speed -1 m/s",
  );
  assertThrows(
    () => pathDistances([], [{ x: 0, y: 0 }]),
    RangeError,
    "0 and 1",
  );
});
