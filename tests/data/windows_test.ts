import { assert, assertEquals, assertThrows } from "@std/assert";
import { normalizeAction, type Scene } from "../../core/data/scene.ts";
import {
  shortScenes,
  shuffledOrder,
  windowActions,
  windows,
} from "../../core/data/windows.ts";

function scene(name: string, count: number, hole = Infinity): Scene {
  return {
    name,
    token: name,
    description: "",
    keyframes: Array.from({ length: count }, (_, k) => ({
      sampleToken: `${name}-${k}`,
      timestamp: (k + (k > hole ? 1 : 0)) * 500_000,
      imagePath: `${name}-${k}.png`,
      steerRaw: k / 8,
      accelRaw: -k / 8,
      action: normalizeAction(k / 8, -k / 8),
    })),
  };
}

Deno.test("windows of the 150 test scenes are as many as published", () => {
  // 18 scenes have 39 keyframes, 95 have 40, 37 have 41: 6,019 in all.
  const scenes = [39, 40, 41].flatMap((count, i) =>
    Array.from({ length: [18, 95, 37][i]! }, (_, k) => scene(`s${k}`, count))
  );
  const counts = [4, 8, 16].map((horizon) => windows(scenes, horizon).length);
  assertEquals(counts, [5_419, 4_819, 3_619]);
  const first = (firstPerScene: number, limit?: number) =>
    windows(scenes, 16, {
      firstPerScene,
      ...(limit === undefined ? {} : { limit }),
    });
  assertEquals(first(1).length, 150);
  assertEquals(first(2).length, 300);
  const e600 = first(5, 600);
  assertEquals(e600.length, 600);
  assertEquals(e600.at(-1)!.scene, 119);
});

Deno.test("windows never cross scenes and identify the present keyframe", () => {
  const scenes = [scene("a", 6), scene("b", 3), scene("c", 5)];
  const found = windows(scenes, 3);
  assertEquals(
    found.map(({ sceneName, start, id }) => [sceneName, start, id]),
    [["a", 0, 0], ["a", 1, 1], ["a", 2, 2], ["c", 0, 9], ["c", 1, 10]],
  );
  const strided = windows(scenes, 3, { stride: 2 });
  assertEquals(strided.map(({ id }) => id), [0, 2, 9]);
  for (const window of found) {
    assert(window.start + 3 < scenes[window.scene]!.keyframes.length);
  }
});

Deno.test("windows leave out gaps if told to, and then start behind them", () => {
  const scenes = [scene("a", 8, 3)]; // a second from keyframe 3 to 4
  const starts = (maxGap?: number) =>
    windows(scenes, 2, maxGap === undefined ? {} : { maxGap })
      .map(({ start }) => start);
  assertEquals(starts(), [0, 1, 2, 3, 4, 5]);
  assertEquals(starts(0.75), [0, 1, 4, 5]);
  const first = windows(scenes, 3, { maxGap: 0.75, firstPerScene: 2 });
  assertEquals(first.map(({ start }) => start), [0, 4]);
});

Deno.test("windows refuses scenes that are all too short and says so", () => {
  const scenes = [scene("a", 4), scene("b", 3)];
  assertEquals(shortScenes(scenes, 3), [
    { name: "b", keyframes: 3, needed: 4 },
  ]);
  assertThrows(
    () => windows(scenes, 4),
    RangeError,
    "Cannot cut windows of horizon 4: the longest of 2 scenes has 4 keyframes, needed 5; choose a shorter horizon",
  );
  assertThrows(() => windows([], 4), RangeError, "the longest of 0 scenes");
});

Deno.test("windows refuses counts that are not positive integers", () => {
  const scenes = [scene("a", 9)];
  assertThrows(() => windows(scenes, 0), RangeError, "the horizon is 0");
  assertThrows(() => windows(scenes, 1.5), RangeError, "the horizon is 1.5");
  assertThrows(
    () => windows(scenes, 2, { stride: 0 }),
    RangeError,
    "the stride is 0",
  );
  assertThrows(
    () => windows(scenes, 2, { firstPerScene: -1 }),
    RangeError,
    "firstPerScene is -1",
  );
  assertThrows(
    () => windows(scenes, 2, { maxGap: NaN }),
    RangeError,
    "maxGap is NaN",
  );
});

Deno.test("windowActions begins at the present, or one keyframe after it", () => {
  const scenes = [scene("a", 2), scene("b", 6)];
  const window = windows(scenes, 3)[1]!; // present is keyframe 1 of "b"
  const steps = (from: number) =>
    [0, 1, 2].flatMap((step) => {
      const raw = (from + step) / 8;
      return [Math.fround(raw / 6), Math.fround(-raw / 10)];
    });
  assertEquals([...windowActions(scenes, window, 3)], steps(1));
  assertEquals(
    [...windowActions(scenes, window, 3, { actionOffset: 1 })],
    steps(2),
  );
  assertThrows(
    () => windowActions(scenes, window, 6),
    RangeError,
    'of "b": 6 steps from 1 pass its 6 keyframes',
  );
});

Deno.test("shuffledOrder visits every window once, in another order each epoch", () => {
  const order = shuffledOrder(1_000, 5, 0);
  assertEquals([...order].sort((a, b) => a - b), [...Array(1_000).keys()]);
  assertEquals(shuffledOrder(1_000, 5, 0), order);
  assert(`${shuffledOrder(1_000, 5, 1)}` !== `${order}`);
  assert(`${shuffledOrder(1_000, 6, 0)}` !== `${order}`);
});
