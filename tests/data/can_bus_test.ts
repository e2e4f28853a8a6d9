import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import {
  makeSeries,
  nearestMessage,
  readCanSeries,
} from "../../core/data/can_bus.ts";
import { key } from "../../core/tensor/philox.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

/** The definition: the smallest distance, the first index on ties. */
function oracle(utimes: number[], values: number[], time: number) {
  let best = 0;
  for (let i = 1; i < utimes.length; i++) {
    const better = Math.abs(utimes[i]! - time) < Math.abs(utimes[best]! - time);
    if (better) best = i;
  }
  return { value: values[best]!, dt: utimes[best]! - time };
}

Deno.test("nearestMessage takes the first of equally near messages", () => {
  const series = makeSeries([10, 20, 20, 30], [1, 2, 3, 4]);
  assertEquals(nearestMessage(series, 15), { value: 1, dt: -5 });
  assertEquals(nearestMessage(series, 20), { value: 2, dt: 0 });
  assertEquals(nearestMessage(series, 21), { value: 2, dt: -1 });
  assertEquals(nearestMessage(series, 25), { value: 2, dt: -5 });
  assertEquals(nearestMessage(series, 26), { value: 4, dt: 4 });
  assertEquals(nearestMessage(series, -100), { value: 1, dt: 110 });
  assertEquals(nearestMessage(series, 1_000), { value: 4, dt: -970 });
  assertEquals(nearestMessage(makeSeries([], []), 5), undefined);
});

Deno.test("nearestMessage agrees with a search through all messages", () => {
  const draws = key("test", 7);
  for (let round = 0; round < 200; round++) {
    const count = 1 + draws.integer(round, 12);
    // Few distinct times, so that ties are frequent.
    const utimes = Array.from(
      { length: count },
      (_, i) => 2 * draws.integer(1_000 + round * 16 + i, 8),
    ).sort((a, b) => a - b);
    const values = utimes.map((_, i) => i);
    const series = makeSeries(utimes, values);
    for (let time = -2; time < 18; time++) {
      assertEquals(nearestMessage(series, time), oracle(utimes, values, time));
    }
  }
});

Deno.test("makeSeries sorts by time and counts what followed a later message", () => {
  const series = makeSeries([10, 40, 20, 30, 50, 20], [1, 4, 2, 3, 5, 6]);
  assertEquals([...series.utimes], [10, 20, 20, 30, 40, 50]);
  assertEquals([...series.values], [1, 2, 6, 3, 4, 5]);
  assertEquals(series.outOfOrder, 3);
  assertEquals(series.notFinite, 0);
});

Deno.test("readCanSeries leaves out and counts messages that are not finite", async () => {
  using folder = tinyFolder();
  const steering = join(folder.path, "steeranglefeedback.json");
  await Deno.writeTextFile(
    steering,
    '[{"utime":1,"value":0.5},{"utime":2,"value":NaN},{"utime":NaN,"value":1},' +
      '{"utime":4,"value":-Infinity},{"utime":5,"value":null},{"utime":6,"value":-0.0}]',
  );
  const series = await readCanSeries(steering, "steeranglefeedback");
  assertEquals([...series.utimes], [1, 6]);
  assertEquals([...series.values], [0.5, 0]);
  assertEquals(series.notFinite, 4);
  assert(Object.is(series.values[1], 0)); // not -0, which a cache would lose

  const pose = join(folder.path, "pose.json");
  await Deno.writeTextFile(
    pose,
    '[{"utime":1,"accel":[NaN,0,9.8]},{"utime":2,"accel":[0.25,NaN,9.8],"q":[NaN]}]',
  );
  const accel = await readCanSeries(pose, "pose");
  assertEquals([...accel.utimes], [2]);
  assertEquals([...accel.values], [0.25]);
  assertEquals(accel.notFinite, 1);
});

Deno.test("readCanSeries names file, row and field of a wrong message", async () => {
  using folder = tinyFolder();
  const path = join(folder.path, "scene-0001_pose.json");
  await Deno.writeTextFile(path, '[{"utime":1,"accel":[1]},{"utime":"2"}]');
  await assertRejects(
    () => readCanSeries(path, "pose"),
    Error,
    `Cannot use row 1 at byte 25 of "${path}": field "utime": Invalid input: expected number, received string; field "accel":`,
  );
});
