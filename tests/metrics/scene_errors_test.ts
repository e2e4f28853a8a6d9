import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import { bucketNames, bucketScenes } from "../../core/data/scene_buckets.ts";
import { readSceneErrors } from "../../core/lab/scene_error_files.ts";
import {
  bucketErrors,
  bucketRatio,
  CHANNELS,
  commonScenes,
  type EncoderErrors,
  encoderPairs,
  encoderStatistics,
  errorRatio,
  sceneErrors,
} from "../../core/metrics/scene_errors.ts";
import expected from "../../fixtures/published/expected_statistics.json" with {
  type: "json",
};

const DIRECTORY = "fixtures/published/per_scene_rmse";

/** Table 1 of the paper: steering, acceleration. */
const TABLE_1 = {
  vjepa2_rep64: [0.058, 0.055],
  vjepa2_rep1: [0.097, 0.059],
  dino_vits14: [0.104, 0.072],
  clip_b32: [0.117, 0.067],
  vit_s16: [0.121, 0.071],
  vq_track: [0.126, 0.063],
};

function close(got: number, wanted: number, what: string, relative = 1e-9) {
  const error = Math.abs(got - wanted) / Math.max(Math.abs(wanted), 1e-300);
  assert(error < relative, `${what}: ${got}, needed ${wanted}`);
}

Deno.test("encoderStatistics reproduces Table 1 and the published intervals from the published errors", async () => {
  const statistics = encoderStatistics(await readSceneErrors(DIRECTORY));
  assertEquals(
    statistics.map(({ name }) => name),
    Object.keys(expected.encoders),
  );
  for (const { name, combined, ...channels } of statistics) {
    const key = name as keyof typeof TABLE_1;
    const wanted = expected.encoders[key];
    for (const [c, channel] of CHANNELS.entries()) {
      const { mean, deviation, interval, perSeed, pooled, n } =
        channels[channel];
      const needed = wanted[channel];
      assertEquals(mean.toFixed(3), TABLE_1[key][c]!.toFixed(3));
      assertEquals(n, 150);
      close(mean, needed.mean, `${name} ${channel}`, 1e-13);
      close(deviation, needed.sd_ddof1, `${name} ${channel} deviation`);
      close(interval.low, needed.ci_lo, `${name} ${channel} low`, 1e-13);
      close(interval.high, needed.ci_hi, `${name} ${channel} high`, 1e-13);
      for (const [k, value] of needed.per_seed_scene_mean.entries()) {
        close(perSeed[k]!, value, `${name} ${channel} seed ${k}`);
      }
      for (const [k, value] of needed.per_seed_pooled_rmse.entries()) {
        close(pooled[k]!, value, `${name} ${channel} pooled, seed ${k}`);
      }
    }
    for (const [k, value] of wanted.combined_rmse_per_seed.entries()) {
      close(combined[k]!, value, `${name} combined, seed ${k}`);
    }
  }
});

Deno.test("encoderPairs reproduces all 15 published tests of both components", async () => {
  const errors = await readSceneErrors(DIRECTORY);
  for (const channel of CHANNELS) {
    const pairs = encoderPairs(errors, channel);
    const wanted = expected.paired[channel];
    assertEquals(pairs.length, 15);
    for (const [i, pair] of pairs.entries()) {
      const needed = wanted[i]!;
      const what = `${pair.a} - ${pair.b} ${channel}`;
      assertEquals([pair.a, pair.b], [needed.a, needed.b]);
      close(pair.meanDifference, needed.mean_diff, what);
      close(pair.t, needed.t, `${what} t`);
      close(pair.p, needed.p, `${what} p`);
      close(pair.pBonferroni, needed.p_bonferroni15, `${what} corrected`);
      close(pair.cohensDz, needed.cohens_dz, `${what} d_z`);
      const { low, high } = pair.interval;
      assert(low < pair.meanDifference && pair.meanDifference < high);
    }
  }
  const rank = encoderPairs(errors, "steer")
    .find(({ a, b }) => a === "vjepa2_rep1" && b === "vjepa2_rep64")!;
  assertEquals(rank.wilcoxon.p.toExponential(1), "1.2e-18");
});

Deno.test("bucketErrors and bucketRatio reproduce scenarios and environments", async () => {
  const errors = await readSceneErrors(DIRECTORY);
  const buckets = bucketNames(commonScenes(errors))!;
  assertEquals(buckets.environment.day.length, 111);
  for (const encoder of errors) {
    const key = encoder.name as keyof typeof TABLE_1;
    for (const channel of CHANNELS) {
      const found = bucketErrors(encoder, channel, buckets.scenario);
      assertEquals(Object.keys(found), ["intersection", "other"]);
      for (const bucket of ["intersection", "other"] as const) {
        const needed = expected.scenario[key][bucket][channel];
        const what = `${key} ${bucket} ${channel}`;
        assertEquals(found[bucket]!.n, needed.n);
        close(found[bucket]!.value, needed.mean, what);
        close(found[bucket]!.low, needed.ci_lo, `${what} low`);
        close(found[bucket]!.high, needed.ci_hi, `${what} high`);
      }
      const { night, rain, day } = buckets.environment;
      const needed = expected.environment[key][channel];
      for (
        const [scenes, ratio] of [
          [night, needed.ratio_night_day],
          [rain, needed.ratio_rain_day],
        ] as const
      ) {
        const { value, low, high } = bucketRatio(encoder, channel, scenes, day);
        for (const [k, got] of [value, low, high].entries()) {
          close(got, ratio[k]!, `${key} ${channel} ratio ${k}`);
        }
      }
    }
  }
});

Deno.test("sceneErrors is the root mean square of each scene and component", () => {
  const truth = Float32Array.of(0, 0, 1, 1, 0, 0);
  const predicted = Float32Array.of(3, 1, 1, 1, 0.5, -2);
  const found = sceneErrors(["b", "b", "a"], truth, predicted);
  assertEquals(found.a, { steer: 0.5, accel: 2, n: 1 });
  assertAlmostEquals(found.b!.steer, Math.sqrt(4.5), 1e-12);
  assertAlmostEquals(found.b!.accel, Math.sqrt(0.5), 1e-12);
  assertThrows(
    () => sceneErrors(["a"], truth, predicted),
    RangeError,
    "for each of 1 frames",
  );
});

/** Errors of an encoder on three scenes. */
function made(name: string, steer: readonly number[]): EncoderErrors {
  const seed = Object.fromEntries(
    steer.map((value, i) => [`s${i}`, { steer: value, accel: 1, n: 2 }]),
  );
  return { name, seeds: [seed, seed] };
}

Deno.test("errorRatio of proportional errors is sure, of others between its ends", () => {
  const [a, b] = [made("a", [1, 2, 3]), made("b", [2, 4, 6])];
  const { value, low, high, n } = errorRatio(a, b, "steer");
  assertEquals([value, n], [0.5, 3]);
  assertAlmostEquals(low, 0.5, 1e-12);
  assertAlmostEquals(high, 0.5, 1e-12);
  const other = errorRatio(made("c", [3, 1, 1]), b, "steer");
  assert(other.low < other.value && other.value < other.high);
});

Deno.test("commonScenes names what cannot be compared", () => {
  assertThrows(
    () => commonScenes([made("a", [1, 2, 3]), made("b", [1, 2])]),
    RangeError,
    "seed 0 lacks 1 scenes (s2)",
  );
  assertThrows(() => commonScenes([made("a", [1])]), RangeError, "by 1 scenes");
});

Deno.test("bucketScenes reads descriptions as the published code", () => {
  const buckets = bucketScenes([
    { name: "a", description: "Night, Intersection on a highway" },
    { name: "b", description: "Rain, brick street" },
    { name: "c", description: "City, junction" },
  ]);
  assertEquals(buckets.scenario, {
    highway: ["a"],
    intersection: ["c"],
    urban: [],
    other: ["b"],
  });
  assertEquals(buckets.environment, { night: ["a"], rain: ["b"], day: ["c"] });
  assertEquals(bucketNames(["drive-0001"]), undefined);
});
