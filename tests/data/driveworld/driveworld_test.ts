import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
} from "@std/assert";
import { join } from "@std/path";
import {
  drive,
  STEPS_PER_KEYFRAME,
} from "../../../core/data/driveworld/driver.ts";
import { frameScene, MOST_BOXES } from "../../../core/data/driveworld/frame.ts";
import { hash, WorldRandom } from "../../../core/data/driveworld/random.ts";
import { renderFrames } from "../../../core/data/driveworld/render.ts";
import {
  describe,
  makeWorld,
  roadAt,
} from "../../../core/data/driveworld/world.ts";
import { Interrupted } from "../../../core/experiment/interrupt.ts";
import { writeDriveworld } from "../../../core/data/driveworld/write.ts";
import { readNuscenes } from "../../../core/data/nuscenes.ts";
import { splitScenes } from "../../../core/data/splits.ts";
import { percentile } from "../../../core/metrics/statistics.ts";
import { decodePng } from "../../../core/formats/png.ts";
import { testGpu } from "../../support/gpu.ts";

Deno.test("hash is the two-multiplication mix, in 32 bits", () => {
  // By big integers, which never round.
  const mask = 0xffffffffn;
  const slow = (word: bigint) => {
    let x = word;
    x ^= x >> 16n;
    x = x * 0x7feb352dn & mask;
    x ^= x >> 15n;
    x = x * 0x846ca68bn & mask;
    return x ^ x >> 16n;
  };
  for (const word of [0, 1, 2, 12345, 0x9e3779b9, 0xffffffff]) {
    assertEquals(hash(word), Number(slow(BigInt(word))));
  }
});

Deno.test("WorldRandom draws uniform and normal numbers of the stated moments", () => {
  const random = new WorldRandom(7, 1);
  const uniform = Array.from({ length: 20_000 }, () => random.uniform(2, 4));
  const mean = uniform.reduce((sum, x) => sum + x, 0) / uniform.length;
  assertAlmostEquals(mean, 3, 0.02);
  const normal = Array.from({ length: 20_000 }, () => random.normal());
  const square = normal.reduce((sum, x) => sum + x * x, 0) / normal.length;
  assertAlmostEquals(square, 1, 0.05);
});

Deno.test("makeWorld gives equal worlds for equal seeds and the stated shares of weather", () => {
  assertEquals(makeWorld(12), makeWorld(12));
  const worlds = Array.from({ length: 600 }, (_, seed) => makeWorld(seed));
  const share = (pick: (w: typeof worlds[number]) => boolean) =>
    worlds.filter(pick).length / worlds.length;
  assertAlmostEquals(share((w) => w.night), 0.20, 0.05);
  assertAlmostEquals(share((w) => w.rain), 0.22, 0.05);
  assertAlmostEquals(share((w) => w.fog), 0.12, 0.04);
  assertAlmostEquals(share((w) => w.style === 2), 0.25, 0.05);
  for (const world of worlds.slice(0, 50)) {
    assertEquals(describe(world).includes("Night"), world.night);
    assert(world.edges[0] < 0 && world.edges[1] > 0);
  }
});

Deno.test("roadAt is on the grid at whole metres and its heading follows its curvature", () => {
  const { road } = makeWorld(3);
  for (const s of [10, 200, 400]) {
    assertEquals(roadAt(road, s).x, road.x[s]);
    const turn = road.heading[s + 1]! - road.heading[s]!;
    assertAlmostEquals(turn, road.curvature[s]!, 1e-12);
  }
});

Deno.test("drive keeps to the road and has the stated steering and speed", () => {
  const steer: number[] = [];
  const speed: number[] = [];
  for (let seed = 9000; seed < 9060; seed++) {
    const world = makeWorld(seed);
    const states = drive(world);
    assertEquals(states.length, 400);
    for (let i = 0; i < 400; i += STEPS_PER_KEYFRAME) {
      const state = states[i]!;
      steer.push(Math.max(-1, Math.min(1, state.steeringWheel / 6)));
      speed.push(state.speed);
      assert(state.d > world.edges[0] - 6 && state.d < world.edges[1] + 6);
    }
  }
  assertAlmostEquals(percentile(steer, 5), -0.279, 0.04);
  assertAlmostEquals(percentile(steer, 95), 0.240, 0.04);
  assertAlmostEquals(percentile(speed, 50), 7.1, 0.5);
});

Deno.test("frameScene lists the nearest boxes first, at most the stated number", () => {
  for (const seed of [1, 2, 3]) {
    const world = makeWorld(seed);
    const { boxes, table } = frameScene(world, drive(world)[100]!);
    const count = boxes.length / 16;
    assert(count > 10 && count <= MOST_BOXES);
    // Of still boxes the distance to the middle grows.
    const kinds = Array.from({ length: count }, (_, i) => boxes[16 * i + 11]!);
    const distances = kinds.flatMap((kind, i) =>
      kind < 3 ? [Math.hypot(boxes[16 * i]!, boxes[16 * i + 1]!)] : []
    );
    for (let i = 1; i < distances.length; i++) {
      assert(distances[i]! >= distances[i - 1]! - 1e-3);
    }
    // Arc length grows along the table.
    for (let row = 1; row < 64; row++) {
      assert(table[3 * row + 2]! > table[3 * (row - 1) + 2]!);
    }
  }
});

Deno.test("renderFrames draws equal bytes for equal scenes, and single boxes where they are", async () => {
  const gpu = await testGpu();
  const world = makeWorld(5);
  const scene = frameScene(world, drive(world)[0]!);
  const first = await renderFrames(gpu, [scene, scene], [64, 64]);
  const second = await renderFrames(gpu, [scene], [64, 64]);
  assertEquals(first.subarray(0, second.length), second);
  assertEquals(first.subarray(second.length), second);

  // A plain red wall 10 m ahead, 2 m to each side, 4 m high, by day without
  // fog: its corners by the camera's equations.
  const scalars = scene.scalars.slice();
  scalars[2] = 0; // night
  scalars[7] = 1; // ambient
  scalars[8] = 0; // sun
  scalars[9] = 0; // fog
  scalars[31] = 0; // headlights
  const boxes = Float32Array.of(
    ...[10, 0, 0, 4, 0.01, 2, 1, 0],
    ...[1, 0, 0, 1, 0, 0, 0, 0],
  );
  const size = 128;
  const levels = await renderFrames(
    gpu,
    [{ ...scene, scalars, boxes }],
    [size, size],
  );
  const isRed = (x: number, y: number) => {
    const at = (y * size + x) * 3;
    return levels[at] === 255 && levels[at + 1] === 0 && levels[at + 2] === 0;
  };
  const focal = 0.72 * size;
  const near = 10 - 0.01;
  const left = size / 2 - focal * 2 / near;
  const right = size / 2 + focal * 2 / near;
  const top = 0.47 * size - focal * (4 - 1.55) / near;
  const bottom = 0.47 * size + focal * 1.55 / near;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const inside = x > left && x + 1 < right && y > top && y + 1 < bottom;
      const outside = x + 1 < left || x > right || y + 1 < top || y > bottom;
      if (inside) assert(isRed(x, y), `(${x}, ${y}) is the wall`);
      if (outside) assert(!isRed(x, y), `(${x}, ${y}) is not the wall`);
    }
  }
});

Deno.test("writeDriveworld writes a dataset that readNuscenes reads as it was driven", async () => {
  const gpu = await testGpu();
  const folder = ".test/driveworld";
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  const options = {
    train: [0, 1],
    val: [8000],
    test: [9000],
    size: [32, 32] as const,
  };
  await assertRejects(
    () => writeDriveworld(gpu, folder, { ...options, size: [4, 4] }),
    RangeError,
    "at least 8x8 pixels",
  );
  // Stopped after the first scene, then gone on with.
  await assertRejects(
    () =>
      writeDriveworld(gpu, folder, {
        ...options,
        progress: (done) => {
          if (done === 1) throw new Error("stop");
        },
      }),
    Error,
    "stop",
  );
  await writeDriveworld(gpu, folder, options);
  const dataset = await readNuscenes(folder);
  assertEquals(dataset.scenes.map((scene) => scene.name), [
    "drive-0000",
    "drive-0001",
    "drive-8000",
    "drive-9000",
  ]);
  assertEquals(dataset.quality.retainedSamples, 160);
  const scene = dataset.scenes[1]!;
  const world = makeWorld(1);
  const states = drive(world);
  assertEquals(scene.description, describe(world));
  for (const [i, frame] of scene.keyframes.entries()) {
    const state = states[i * STEPS_PER_KEYFRAME]!;
    const steer = Math.max(-1, Math.min(1, state.steeringWheel / 6));
    assertAlmostEquals(frame.action.steer, steer, 1e-6);
    assertAlmostEquals(frame.action.accel, state.acceleration / 10, 1e-6);
  }
  const split = splitScenes(
    dataset,
    JSON.parse(await Deno.readTextFile(join(folder, "splits.json"))),
  );
  assertEquals(
    [split.train.length, split.val.length, split.test.length],
    [2, 1, 1],
  );
  const path = join(folder, scene.keyframes[3]!.imagePath);
  const image = decodePng(await Deno.readFile(path), path);
  const drawn = await renderFrames(
    gpu,
    [frameScene(world, states[3 * STEPS_PER_KEYFRAME]!)],
    [32, 32],
  );
  assertEquals(image.data, drawn);
  await assertRejects(
    () => writeDriveworld(gpu, folder, { ...options, test: [9001] }),
    Error,
    "it holds other scenes",
  );
  const foreign = join(folder, "can_bus");
  await assertRejects(
    () => writeDriveworld(gpu, foreign, options),
    Error,
    "which was not drawn here",
  );
});

/** All files below a folder by their paths. */
async function filesOf(folder: string): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  const visit = async (path: string) => {
    for await (const { name, isDirectory } of Deno.readDir(path)) {
      const inner = `${path}/${name}`;
      if (isDirectory) await visit(inner);
      else files[inner.slice(folder.length)] = await Deno.readFile(inner);
    }
  };
  await visit(folder);
  return files;
}

Deno.test("writeDriveworld goes on within a scene to equal files", async () => {
  const gpu = await testGpu();
  const options = {
    train: [0],
    val: [],
    test: [9000],
    // A scene is drawn in two parts.
    size: [96, 96] as const,
  };
  const [whole, other] = [".test/driveworld-whole", ".test/driveworld-stopped"];
  for (const folder of [whole, other]) {
    await Deno.remove(folder, { recursive: true }).catch(() => {});
  }
  await writeDriveworld(gpu, whole, options);
  let checks = 0;
  const stop = () => {
    if (++checks === 3) throw new Interrupted(143);
  };
  await assertRejects(
    () => writeDriveworld(gpu, other, { ...options, check: stop }),
    Interrupted,
  );
  const frames = Object.keys(await filesOf(other))
    .filter((path) => path.endsWith(".png"));
  assertEquals(frames.length, 28);
  await writeDriveworld(gpu, other, options);
  assertEquals(await filesOf(other), await filesOf(whole));
});

Deno.test("writeDriveworld draws in shares what it draws alone", async () => {
  const gpu = await testGpu();
  const options = {
    train: [0, 1],
    val: [8000],
    test: [9000],
    size: [16, 16] as const,
  };
  const drawn = async (name: string, shares: number) => {
    const folder = `.test/driveworld-${name}`;
    await Deno.remove(folder, { recursive: true }).catch(() => {});
    const totals: number[] = [];
    for (let index = 0; index < shares; index++) {
      await writeDriveworld(gpu, folder, {
        ...options,
        share: { index, of: shares },
        progress: (_, total) => totals.push(total),
      });
    }
    await writeDriveworld(gpu, folder, options);
    return { files: await filesOf(folder), totals };
  };
  const alone = await drawn("alone", 1);
  const shared = await drawn("shared", 2);
  assertEquals(shared.totals, Array(6).fill(2));
  assertEquals(shared.files, alone.files);
});
