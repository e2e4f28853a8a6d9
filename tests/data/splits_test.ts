import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Scene } from "../../core/data/scene.ts";
import {
  canBlacklist,
  nuscenesSplit,
  type Split,
  splitScenes,
} from "../../core/data/splits.ts";

function scenesOf(names: readonly string[]): Scene[] {
  return names.map((name) => ({
    name,
    token: name,
    description: "",
    keyframes: [],
  }));
}

function numbered(count: number): Scene[] {
  return scenesOf(
    Array.from(
      { length: count },
      (_, i) => `drive-${String(i).padStart(3, "0")}`,
    ),
  );
}

function namesOf({ train, val, test }: Split): string[][] {
  return [train, val, test].map((part) => part.map((scene) => scene.name));
}

/** CPython's random.Random(seed).shuffle of 0, ..., count - 1. */
function pythonShuffle(seed: number, count: number): number[] {
  const state = new Uint32Array(624);
  state[0] = 19650218;
  for (let i = 1; i < 624; i++) {
    const last = state[i - 1]! ^ (state[i - 1]! >>> 30);
    state[i] = Math.imul(1812433253, last) + i;
  }
  let i = 1;
  for (let k = 0; k < 624; k++) {
    const last = state[i - 1]! ^ (state[i - 1]! >>> 30);
    state[i] = (state[i]! ^ Math.imul(last, 1664525)) + seed;
    if (++i === 624) (state[0] = state[623]!, i = 1);
  }
  for (let k = 0; k < 623; k++) {
    const last = state[i - 1]! ^ (state[i - 1]! >>> 30);
    state[i] = (state[i]! ^ Math.imul(last, 1566083941)) - i;
    if (++i === 624) (state[0] = state[623]!, i = 1);
  }
  state[0] = 0x80000000;
  let at = 624;
  const word = (): number => {
    if (at === 624) {
      for (let k = 0; k < 624; k++) {
        const y = (state[k]! & 0x80000000) |
          (state[(k + 1) % 624]! & 0x7fffffff);
        state[k] = state[(k + 397) % 624]! ^ (y >>> 1) ^
          (y & 1 ? 0x9908b0df : 0);
      }
      at = 0;
    }
    let y = state[at++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
  const order = Array.from({ length: count }, (_, k) => k);
  for (let k = count - 1; k > 0; k--) {
    const bits = 32 - Math.clz32(k + 1);
    let j = word() >>> (32 - bits);
    while (j > k) j = word() >>> (32 - bits);
    [order[k], order[j]] = [order[j]!, order[k]!];
  }
  return order;
}

Deno.test("nuscenesSplit has 630, 70 and 150 scenes, none of them twice", () => {
  const { train, val, test } = nuscenesSplit();
  assertEquals([train, val, test].map((names) => names.length), [630, 70, 150]);
  assertEquals(new Set([...train, ...val, ...test]).size, 850);
  for (const names of [train, val, test]) {
    assertEquals(names, names.toSorted());
    assert(names.every((name) => /^scene-\d{4}$/.test(name)));
  }
  assertEquals(test.slice(0, 3), ["scene-0003", "scene-0012", "scene-0013"]);
});

Deno.test("nuscenesSplit draws as Python's random.Random(42).shuffle does", () => {
  assertEquals(pythonShuffle(42, 10), [7, 3, 2, 8, 5, 6, 9, 4, 0, 1]);
  const { train, val } = nuscenesSplit();
  const official = [...train, ...val].sort();
  const shuffled = pythonShuffle(42, 700).map((i) => official[i]!);
  assertEquals(shuffled.slice(0, 630).sort(), train);
  assertEquals(shuffled.slice(630).sort(), val);
});

Deno.test("canBlacklist has 21 scenes, ten to train on and five to validate", () => {
  const names = canBlacklist();
  const { train, val, test } = nuscenesSplit();
  assertEquals(names.length, 21);
  const inside = [train, val, test].map((part) =>
    names.filter((name) => part.includes(name)).length
  );
  assertEquals(inside, [10, 5, 0]);
});

Deno.test("splitScenes uses the lists for nuScenes and reports what is absent", () => {
  const scenes = scenesOf(["scene-0003", "scene-0061", "scene-0001"]);
  const quality = {
    droppedScenes: [
      { name: "scene-0161", reason: "blacklisted_scene" as const },
    ],
  };
  const split = splitScenes({ scenes, official: true, quality });
  assertEquals(split.kind, "nuscenes");
  assertEquals(namesOf(split), [["scene-0001"], ["scene-0061"], [
    "scene-0003",
  ]]);
  assertEquals(split.test[0]!.split, "test");
  assertEquals(split.nominal, { train: 630, val: 70, test: 150 });
  assertEquals(split.absent.length, 847);
  assertEquals(
    split.absent.find(({ name }) => name === "scene-0161")?.reason,
    "blacklisted_scene",
  );
});

Deno.test("splitScenes draws the same parts from the same names in any order", () => {
  const spec = { train: 0.8, val: 0.1, test: 0.1, seed: 3 };
  const scenes = numbered(50);
  const split = splitScenes({ scenes }, spec);
  assertEquals(namesOf(split).map((part) => part.length), [40, 5, 5]);
  assertEquals(new Set(namesOf(split).flat()).size, 50);
  assertEquals(
    namesOf(splitScenes({ scenes: scenes.toReversed() }, spec)),
    namesOf(split),
  );
  const other = splitScenes({ scenes }, { ...spec, seed: 4 });
  assert(`${namesOf(other)}` !== `${namesOf(split)}`);
  assertEquals(splitScenes({ scenes }).kind, "fractions");
});

Deno.test("splitScenes gives every part a scene, and none twice, at any count", () => {
  for (let count = 3; count < 40; count++) {
    const scenes = numbered(count);
    for (const [train, val, test] of [[0.8, 0.1, 0.1], [0.34, 0.33, 0.33]]) {
      const spec = { train: train!, val: val!, test: test!, seed: 0 };
      const parts = namesOf(splitScenes({ scenes }, spec));
      assert(parts.every((part) => part.length > 0), `${count} ${train}`);
      assertEquals(new Set(parts.flat()).size, parts.flat().length);
    }
    const half = splitScenes({ scenes }, {
      train: 0.5,
      val: 0,
      test: 0.2,
      seed: 0,
    });
    assertEquals(half.val.length, 0);
    assert(half.unused.length > 0 || count < 4);
  }
});

Deno.test("splitScenes refuses lists that overlap", () => {
  const scenes = scenesOf(["a", "b", "c"]);
  assertThrows(
    () =>
      splitScenes({ scenes }, {
        train: ["a", "b"],
        val: ["b"],
        test: ["c", "c"],
      }),
    RangeError,
    'Cannot split scenes: "b" is in train and val, "c" is in test twice; a scene may be in one part only',
  );
});

Deno.test("splitScenes names unknown scenes", () => {
  const scenes = scenesOf(["a", "b"]);
  assertThrows(
    () =>
      splitScenes({ scenes }, { train: ["a", "x"], val: ["y"], test: ["b"] }),
    RangeError,
    'Cannot split scenes: the dataset has no "x", "y"; it has 2 scenes, the first is "a"',
  );
  assertThrows(
    () => splitScenes({ scenes }, "nuscenes"),
    RangeError,
    'they lack 2 of 2 scenes, "a", "b"',
  );
});

Deno.test("splitScenes accepts names of dropped scenes and says why they are absent", () => {
  const split = splitScenes({
    scenes: scenesOf(["a", "b", "d"]),
    quality: {
      droppedScenes: [{ name: "c", reason: "missing_CAN_messages" }],
    },
  }, { train: ["a", "c"], val: [], test: ["b"] });
  assertEquals(namesOf(split), [["a"], [], ["b"]]);
  assertEquals(split.absent, [{ name: "c", reason: "missing_CAN_messages" }]);
  assertEquals(split.unused, ["d"]);
  assertEquals(split.nominal.train, 2);
});

Deno.test("splitScenes refuses fractions that do not fit", () => {
  const scenes = numbered(2);
  assertThrows(
    () => splitScenes({ scenes }, { train: 0.8, val: 0.1, test: 0.1, seed: 0 }),
    RangeError,
    "Cannot split 2 scenes into 3 parts",
  );
  for (const train of [0.9, -0.1, NaN]) {
    assertThrows(
      () => splitScenes({ scenes }, { train, val: 0.1, test: 0.1, seed: 0 }),
      RangeError,
      "needed three fractions",
    );
  }
});
