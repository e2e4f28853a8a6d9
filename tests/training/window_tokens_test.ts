import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import { type LatentRows, LatentStore } from "../../core/data/latents.ts";
import { fourierFeatures } from "../../core/models/fourier_action.ts";
import { patchify } from "../../core/ops/patchify.ts";
import { noGrad } from "../../core/tensor/autograd.ts";
import { tensor } from "../../core/tensor/create.ts";
import { key } from "../../core/tensor/philox.ts";
import {
  toTokens,
  type WindowDraw,
  WindowTokens,
} from "../../core/training/window_tokens.ts";
import { heldBytes } from "../support/memory.ts";
import { writeEmptyShards } from "../support/empty_shards.ts";
import { testGpu } from "../support/gpu.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

const SHAPE = [4, 4, 6] as const;

const SIZE = 4 * 4 * 6;

/** Latents that are made when they are read, with the reads. */
function made(frames: number) {
  const reads: [start: number, end: number][] = [];
  const latents: LatentRows = {
    frames,
    size: SIZE,
    read(start, end) {
      if (end > frames) throw new RangeError(`There is no row ${end - 1}`);
      reads.push([start, end]);
      const stream = key("latents", 0);
      return Float32Array.from(
        { length: (end - start) * SIZE },
        (_, i) => 2 + 3 * stream.normal(start * SIZE + i),
      );
    },
  };
  return { latents, reads };
}

function actionsOf(frames: number): Float32Array {
  const stream = key("actions", 0);
  return Float32Array.from({ length: 2 * frames }, (_, i) => stream.normal(i));
}

Deno.test("toTokens cuts as patchify does", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const values = made(3).latents.read(0, 3);
  const x = tensor(gpu, values).reshape([3, ...SHAPE]);
  const wanted = await noGrad(() => patchify(x, 2)).read();
  assertEquals(toTokens(values, SHAPE, 2), wanted);
  assertThrows(
    () => toTokens(values, SHAPE, 4),
    RangeError,
    "latents of 4x6 into patches of 4",
  );
});

Deno.test("WindowTokens normalizes by the presents and is undone by latents", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const { latents } = made(9);
  const presents = [0, 1, 4];
  const [horizon, patchDim, tokens] = [3, 16, 6];
  const data = new WindowTokens({
    latents,
    shape: SHAPE,
    actions: actionsOf(9),
  }, {
    patch: 2,
    horizon,
    frequencies: 2,
    statistics: presents,
    actionOffset: 1,
  });
  const all = toTokens(latents.read(0, 9), SHAPE, 2);
  for (let p = 0; p < patchDim; p++) {
    const values = presents.flatMap((row) =>
      Array.from(
        { length: tokens },
        (_, t) => all[(row * tokens + t) * patchDim + p]!,
      )
    );
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const squares = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
    const std = Math.sqrt(squares / (values.length - 1));
    assertAlmostEquals(data.statistics.mean[p]!, mean, 1e-6);
    assertAlmostEquals(data.statistics.std[p]!, std, 1e-6);
  }
  const batch = data.batch(gpu, [4, 0]);
  assertEquals(batch.present.shape, [2, tokens, patchDim]);
  assertEquals(batch.future.shape, [2, horizon * tokens, patchDim]);
  const { mean, std } = data.statistics;
  const future = await batch.future.read() as Float32Array;
  for (const [i, value] of future.entries()) {
    const [window, at] = [
      Math.floor(i / (horizon * SIZE)),
      i % (horizon * SIZE),
    ];
    const raw = all[([4, 0][window]! + 1) * SIZE + at]!;
    const p = i % patchDim;
    assertEquals(value, Math.fround((raw - mean[p]!) / std[p]!));
  }
  const present = await batch.present.read() as Float32Array;
  data.latents(present).forEach((value, i) => {
    const row = [4, 0][Math.floor(i / SIZE)]!;
    const wanted = latents.read(row, row + 1)[i % SIZE]!;
    assertAlmostEquals(value, wanted, 1e-5);
  });
  // The first action of a window is that of the frame after the present.
  const features = fourierFeatures(actionsOf(9), 2, 2);
  const got = await batch.features.read() as Float32Array;
  assertEquals(got.subarray(0, 24), features.subarray(5 * 8, 8 * 8));
});

Deno.test("WindowTokens reads a frame at a time for its statistics and a window at a time for a batch", async () => {
  const gpu = await testGpu();
  const frames = 2000;
  const { latents, reads } = made(frames);
  const presents = Array.from({ length: frames - 3 }, (_, i) => i);
  const data = new WindowTokens({
    latents,
    shape: SHAPE,
    actions: actionsOf(frames),
  }, { patch: 2, horizon: 3, frequencies: 2, statistics: presents });
  // Once for the mean, once for the deviation; no frame is read to be kept.
  assertEquals(reads.length, 2 * presents.length);
  assert(reads.every(([start, end]) => end - start === 1));
  reads.length = 0;
  for (const row of [1500, 7]) {
    using _ = gpu.scope();
    data.batch(gpu, [row, row + 1]);
  }
  assertEquals(reads, [[1500, 1504], [1501, 1505], [7, 11], [8, 12]]);
});

Deno.test("WindowTokens holds little, however many frames there are", async () => {
  const gpu = await testGpu();
  using folder = tinyFolder();
  const shape = [4, 32, 32] as const;
  const frames = 25_000; // 410 MB of latents
  const shards = { directory: folder.path, digest: "a", frames, size: 4096 };
  await writeEmptyShards(shards);
  using latents = await LatentStore.open(shards);
  const before = heldBytes();
  let peak = 0;
  const counted: LatentRows = {
    frames,
    size: 4096,
    read(start, end) {
      peak = Math.max(peak, heldBytes() - before);
      return latents.read(start, end);
    },
  };
  const presents = Array.from({ length: frames - 16 }, (_, i) => i);
  const data = new WindowTokens({
    latents: counted,
    shape,
    actions: actionsOf(frames),
  }, { patch: 4, horizon: 16, frequencies: 8, statistics: presents });
  for (let start = 0; start < presents.length; start += 1024) {
    using _ = gpu.scope();
    data.batch(gpu, presents.slice(start, start + 8));
  }
  // Measured 82 to 102 MB, nearly all of it garbage; latents are 410 MB.
  assert(peak < 200e6, `${(peak / 1e6).toFixed(1)} MB`);
});

Deno.test("WindowTokens gives conditions with actions and presents from outside, and where no future is", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const { latents } = made(9);
  const actions = actionsOf(9);
  const horizon = 3;
  for (const plainActions of [false, true]) {
    const data = new WindowTokens({ latents, shape: SHAPE, actions }, {
      patch: 2,
      horizon,
      frequencies: 2,
      plainActions,
      statistics: [0, 1, 4],
      actionOffset: 1,
    });
    const { present, features } = data.batch(gpu, [2, 4]);
    const wanted = [await present.read(), await features.read()];
    /** Bits of the conditions of draws. */
    const bits = async (...draws: WindowDraw[]) => {
      const given = data.conditions(gpu, draws);
      assertEquals(given.present.shape, [draws.length, 6, 16]);
      return [await given.present.read(), await given.features.read()];
    };
    assertEquals(await bits({ row: 2 }, { row: 4 }), wanted);
    // What row 2 has, given from outside to the last row.
    const own = {
      row: 8,
      actions: actions.slice(2 * 3, 2 * 6),
      present: latents.read(2, 3),
    };
    assertEquals(await bits(own, { row: 4 }), wanted);
    // The last row whose actions are all recorded has no future.
    assertThrows(() => data.batch(gpu, [6]), RangeError);
    assertEquals((await bits({ row: 5 })).length, 2);
    const [last] = await bits({ row: 8, actions: own.actions });
    const tokens = toTokens(latents.read(8, 9), SHAPE, 2);
    const { mean, std } = data.statistics;
    assertEquals(
      last,
      tokens.map((value, k) => (value - mean[k % 16]!) / std[k % 16]!),
    );
    const refused: [WindowDraw, string][] = [
      [{ row: 6 }, "its actions are those of rows 7 to 9, recorded are 9 rows"],
      [
        { row: 2, actions: new Float32Array(4) },
        "its actions have 4 values, needed 3 finite pairs",
      ],
      [
        { row: 2, actions: new Float32Array(6).fill(NaN, 5) },
        "value 5 of its actions is NaN, needed 3 finite pairs",
      ],
      [
        { row: 2, present: new Float32Array(95) },
        "the present has 95 latent values, needed 96",
      ],
    ];
    for (const [draw, message] of refused) {
      assertThrows(() => data.conditions(gpu, [draw]), RangeError, message);
    }
  }
});
