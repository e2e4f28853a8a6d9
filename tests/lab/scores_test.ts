import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
} from "@std/assert";
import { fid } from "../../core/metrics/fid.ts";
import { fitEnergy } from "../../core/metrics/energy.ts";
import type { FrozenNetworks } from "../../core/lab/networks.ts";
import { type ScoredBatch, WINDOW_METRICS } from "../../core/lab/metrics.ts";
import { batchesOf } from "../../core/lab/batches.ts";
import { measureStep, summarize } from "../../core/lab/scores.ts";
import { Interrupted } from "../../core/experiment/interrupt.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";
import { key } from "../../core/tensor/philox.ts";

const WINDOWS = 23;

const SIZE = 16;

const PIXELS = SIZE * SIZE * 3;

const LATENT = 4 * 2 * 2;

/** Stands in for the networks, and counts the windows that it is given. */
function fakeNetworks() {
  let most = 0;
  /** A fixed map of rows to rows, with values in [0, 1]. */
  const map = (from: Float32Array, own: number, width: number) => {
    const count = from.length / own;
    most = Math.max(most, count);
    const to = new Float32Array(count * width);
    for (let i = 0; i < count; i++) {
      for (let k = 0; k < width; k++) {
        const x = from[i * own + k % own]! + 0.3 * from[i * own + 1]!;
        to[i * width + k] = 0.5 + 0.5 * Math.sin(k + 3 * x);
      }
    }
    return Promise.resolve(to);
  };
  const networks: FrozenNetworks = {
    vaeName: "",
    vaeDigest: "",
    featureName: "",
    featureDigest: "",
    featureWidth: 8,
    latentShape: [4, 2, 2],
    encode: () => Promise.reject(new Error("Nothing is encoded here")),
    decode: (latents) => map(latents, LATENT, PIXELS),
    features: (images) => map(images, PIXELS, 8),
    perceptual: {
      name: "demoPerceptual",
      title: "",
      digest: "",
      distances: (a, b) =>
        Promise.resolve(
          Float32Array.from({ length: a.length / PIXELS }, (_, i) => {
            const at = i * PIXELS;
            return Math.abs(a[at]! - b[at]!) +
              Math.abs(a[at + 1]! - b[at + 1]!);
          }),
        ),
    },
    [Symbol.dispose]() {},
  };
  return { networks, most: () => most };
}

/** Latents of any windows, by name. */
function drawn(name: string) {
  return (windows: readonly number[]) =>
    Float32Array.from(
      { length: windows.length * LATENT },
      (_, i) => key(name, windows[Math.floor(i / LATENT)]!).normal(i % LATENT),
    );
}

/** Levels of the camera, which are those of `from`. */
function levels(from: number) {
  return (windows: readonly number[]) =>
    Promise.resolve(
      Uint8Array.from(
        { length: windows.length * PIXELS },
        (_, i) =>
          (i % PIXELS * 7 + from + windows[Math.floor(i / PIXELS)]!) % 256,
      ),
    );
}

/** What a run without weights of LPIPS measures. */
const METRICS = WINDOW_METRICS.filter(({ name }) => name !== "lpips");

/** The distribution of some latents, fitted. */
function fitted() {
  const rows = Array.from({ length: 99 }, (_, i) => i);
  return fitEnergy({
    frames: rows.length,
    size: LATENT,
    read: (start, end) => drawn("trained")(rows.slice(start, end)),
  });
}

/** Scores of three points, with so many windows at once. */
async function score(batch: number, directory?: string, stopAfter = Infinity) {
  const { networks, most } = fakeNetworks();
  using folder = tinyFolder();
  let asked = 0;
  const counted =
    (of: ReturnType<typeof drawn>) => (windows: readonly number[]) => {
      asked = Math.max(asked, windows.length);
      return of(windows);
    };
  let reports = 0;
  const scenes = Array.from({ length: WINDOWS }, (_, i) => `scene-${i % 5}`);
  const measured = await measureStep(networks, {
    size: SIZE,
    scenes,
    metrics: METRICS,
    batch,
    real: counted(drawn("real")),
    present: counted(drawn("present")),
    camera: levels(0),
    cameraPresent: levels(9),
    energy: () => Promise.resolve(fitted()),
    points: {
      real: counted(drawn("real")),
      other: counted(drawn("other")),
      copy: counted(drawn("present")),
    },
    trained: drawn("trained")(Array.from({ length: 9 }, (_, i) => i)),
    patch: 1,
    directory: directory ?? folder.path,
    progress: (done) => {
      reports++;
      if (done > stopAfter) throw new Interrupted(130);
    },
    check: () => {},
  });
  const scores = summarize(measured, {
    scenes,
    metrics: METRICS,
    width: 8,
    subsets: [4, 10],
    seed: 0,
    check: () => {},
  });
  return { scores, measured, most: Math.max(most(), asked), reports };
}

Deno.test("measureStep holds a batch of windows, and its scores do not depend on it", async () => {
  const whole = await score(WINDOWS);
  assertEquals(whole.most, WINDOWS);
  for (const batch of [1, 4, 22]) {
    const { scores, most, reports } = await score(batch);
    assertEquals(scores, whole.scores, `batches of ${batch}`);
    assertEquals(most, batch);
    assertEquals(reports, 1 + 3 * Math.ceil(WINDOWS / batch));
  }
});

Deno.test("measureStep goes on after the last whole batch to equal scores", async () => {
  using folder = tinyFolder();
  const { scores: wanted, reports: all } = await score(4);
  await assertRejects(() => score(4, folder.path, 10), Interrupted);
  const { scores, reports } = await score(4, folder.path);
  assertEquals(scores, wanted);
  // Stopped in the fourth of six batches, at three points each.
  assertEquals(all - reports, 9);
});

Deno.test("measureStep gives real latents the best scores", async () => {
  const { scores: { points: { real, other }, check } } = await score(8);
  assert(real && other && check);
  assertEquals(check.n[0] + check.n[1], WINDOWS);
  assert(check.sameFid < 1e-6 && check.fid > check.sameFid);
  for (const perfect of [real.cosSim!, real.deltaCosSim!, real.ssim!]) {
    assert(Math.abs(perfect.value - 1) < 1e-6, `${perfect.value}`);
  }
  assertEquals(real.sharpness!.value, 1);
  assert(other.cosSim!.value < 0.5 && other.ssim!.value < 0.9);
});

Deno.test("measureStep scores a copy of the present and the truth as what KID does not see is defined", async () => {
  const { scores: { points: { real, other, copy } }, measured } = await score(
    8,
  );
  assert(real && other && copy);
  // A copy does not move, and has no change to compare.
  assertEquals(copy.lowMotion!.value, 0);
  assertEquals(copy.deltaCosSim!.value, 0);
  // The truth is 1 by definition.
  for (const metric of ["energy", "lowMotion"]) {
    assertEquals(real[metric]!.value, 1, metric);
  }
  assertEquals(real.demoPerceptual!.value, 0);
  assert(copy.demoPerceptual!.value > 0.01);
  assert(other.lowMotion!.value > 0.3);
  // Every latent is drawn alike, so that energy is about that of the truth.
  for (const { energy } of [other, copy]) {
    assert(Math.abs(energy!.value - 1) < 0.3, `${energy!.value}`);
  }
  const { camera, cameraPresent, other: own } = measured;
  const beside = (future: Float32Array) => ({
    width: 16,
    data: Float32Array.from(
      { length: WINDOWS * 16 },
      (_, i) => {
        const row = 8 * Math.floor(i / 16);
        return i % 16 < 8
          ? cameraPresent!.features[row + i % 16]!
          : future[row + i % 16 - 8]!;
      },
    ),
  });
  const pairs = fid(beside(camera!.features), beside(own!.features));
  assertEquals(other.fidPairs!.value, pairs.value);
  assertEquals(other.fidPairs!.n, WINDOWS);
  const { low, high } = other.kidPairs!;
  assert(low! < high!);
});

Deno.test("batchesOf cuts all windows, the last batch short", () => {
  assertEquals(batchesOf(5, 2), [[0, 1], [2, 3], [4]]);
  assertEquals(batchesOf(2, 8), [[0, 1]]);
});

Deno.test("PSNR of a window is that of its mean squared error, and at most 60 dB", async () => {
  const { of } = WINDOW_METRICS.find(({ name }) => name === "psnr")!;
  const images = Float32Array.from({ length: 3 * 12 }, (_, i) => (i % 7) / 10);
  // Equal, off by 0.1 everywhere, off by 0.5 in one of twelve values.
  const off = [0, 0.1, 0];
  const realImages = images.map((x, i) => x + off[Math.floor(i / 12)]!);
  realImages[24] = images[24]! + 0.5;
  const layout = { height: 2, width: 2, channels: 3 };
  const values = await of({ images, realImages, layout } as ScoredBatch);
  assertAlmostEquals(values[0]!, 60);
  assertAlmostEquals(values[1]!, 20, 1e-5);
  assertAlmostEquals(values[2]!, -10 * Math.log10(0.25 / 12), 1e-5);
});
