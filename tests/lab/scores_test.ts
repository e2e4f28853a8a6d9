import { assert, assertEquals, assertRejects } from "@std/assert";
import type { FrozenNetworks } from "../../core/lab/networks.ts";
import { WINDOW_METRICS } from "../../core/lab/metrics.ts";
import { batchesOf, measureStep, summarize } from "../../core/lab/scores.ts";
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

/** Scores of two points, with so many windows at once. */
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
    metrics: WINDOW_METRICS,
    batch,
    real: counted(drawn("real")),
    present: counted(drawn("present")),
    camera: (windows) =>
      Promise.resolve(
        Uint8Array.from(
          { length: windows.length * PIXELS },
          (_, i) => (i % PIXELS * 7 + windows[Math.floor(i / PIXELS)]!) % 256,
        ),
      ),
    points: { real: counted(drawn("real")), other: counted(drawn("other")) },
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
    metrics: WINDOW_METRICS,
    width: 8,
    subsets: [4, 10],
    seed: 0,
    check: () => {},
  });
  return { scores, most: Math.max(most(), asked), reports };
}

Deno.test("measureStep holds a batch of windows, and its scores do not depend on it", async () => {
  const whole = await score(WINDOWS);
  assertEquals(whole.most, WINDOWS);
  for (const batch of [1, 4, 22]) {
    const { scores, most, reports } = await score(batch);
    assertEquals(scores, whole.scores, `batches of ${batch}`);
    assertEquals(most, batch);
    assertEquals(reports, 1 + 2 * Math.ceil(WINDOWS / batch));
  }
});

Deno.test("measureStep goes on after the last whole batch to equal scores", async () => {
  using folder = tinyFolder();
  const { scores: wanted, reports: all } = await score(4);
  await assertRejects(() => score(4, folder.path, 6), Interrupted);
  const { scores, reports } = await score(4, folder.path);
  assertEquals(scores, wanted);
  // Stopped in the fourth of six batches, at two points each.
  assertEquals(all - reports, 6);
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

Deno.test("batchesOf cuts all windows, the last batch short", () => {
  assertEquals(batchesOf(5, 2), [[0, 1], [2, 3], [4]]);
  assertEquals(batchesOf(2, 8), [[0, 1]]);
});
