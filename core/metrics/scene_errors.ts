/**
 * Errors of encoders by scene, and the statistics of the encoder benchmark:
 * scene means with intervals, paired tests of all pairs, means by bucket.
 *
 * Source: Section 5.1; published code, `scripts/analysis/`.
 *
 * @module
 */

import { numpyBootstrap, numpyRatioBootstrap } from "./numpy_bootstrap.ts";
import {
  bonferroni,
  median,
  type PairedTTest,
  pairedTTest,
  type SignedRankTest,
  wilcoxonSignedRank,
} from "./paired_tests.ts";
import {
  bootstrapInterval,
  type Interval,
  mean,
  standardDeviation,
} from "./statistics.ts";

/** The two components of an action. */
export const CHANNELS = ["steer", "accel"] as const;

/** A component of an action. */
export type Channel = typeof CHANNELS[number];

/** Root mean squared errors of one scene, normalized units. */
export interface SceneError {
  /** Of the steering. */
  readonly steer: number;
  /** Of the acceleration. */
  readonly accel: number;
  /** Frames. */
  readonly n: number;
}

/** Errors by the names of scenes. */
export type SceneErrors = Readonly<Record<string, SceneError>>;

/** An encoder with its errors for each seed of the probe. */
export interface EncoderErrors {
  /** Key of the encoder. */
  readonly name: string;
  /** Errors of each seed, of the same scenes. */
  readonly seeds: readonly SceneErrors[];
}

/** Seed of the intervals, as published; the encoder's place is added. */
const FIRST_SEED = 42;

/**
 * Root mean squared errors by scene.
 *
 * @param scenes of each frame
 * @param truth (n, 2): steering, acceleration
 * @param predicted (n, 2)
 * @throws {RangeError} if the numbers of frames differ
 */
export function sceneErrors(
  scenes: readonly string[],
  truth: Float32Array,
  predicted: Float32Array,
): Record<string, SceneError> {
  if (truth.length !== 2 * scenes.length || predicted.length !== truth.length) {
    throw new RangeError(
      `Cannot measure ${predicted.length} predictions of ${truth.length} values: needed 2 for each of ${scenes.length} frames`,
    );
  }
  const found: Record<string, SceneError> = {};
  const members = Map.groupBy(scenes.keys(), (i) => scenes[i]!);
  for (const [scene, frames] of members) {
    const rmse = (c: number) =>
      Math.sqrt(
        mean(
          frames.map((i) => (predicted[2 * i + c]! - truth[2 * i + c]!) ** 2),
        ),
      );
    found[scene] = { steer: rmse(0), accel: rmse(1), n: frames.length };
  }
  return found;
}

/**
 * Checks that encoders can be compared scene by scene.
 *
 * @param encoders at least one
 * @returns the scenes in the order of their names
 * @throws {RangeError} if there is none, one lacks seeds or scenes, or an error
 *   is not finite
 */
export function commonScenes(encoders: readonly EncoderErrors[]): string[] {
  const [first] = encoders;
  const scenes = Object.keys(first?.seeds[0] ?? {}).sort();
  if (scenes.length < 2) {
    throw new RangeError(
      `Cannot compare encoders by ${scenes.length} scenes: needed at least 2, in files of at least one encoder`,
    );
  }
  for (const { name, seeds } of encoders) {
    for (const [k, errors] of seeds.entries()) {
      const missing = scenes.filter((scene) => errors[scene] === undefined);
      const surplus = Object.keys(errors).length - scenes.length +
        missing.length;
      if (missing.length > 0 || surplus > 0) {
        throw new RangeError(
          `Cannot compare ${name} with ${
            first!.name
          }: seed ${k} lacks ${missing.length} scenes (${
            missing.slice(0, 3).join(", ")
          }) and has ${surplus} others; all need the same scenes`,
        );
      }
    }
    if (seeds.length === 0) {
      throw new RangeError(`Cannot compare ${name}: it has no seeds`);
    }
  }
  return scenes;
}

/**
 * The error of each scene, averaged over seeds.
 *
 * @param encoder with its errors
 * @param channel of the action
 * @param scenes in the order wanted
 */
export function averageErrors(
  { seeds }: EncoderErrors,
  channel: Channel,
  scenes: readonly string[],
): Float64Array {
  return Float64Array.from(
    scenes,
    (scene) => mean(seeds.map((errors) => errors[scene]![channel])),
  );
}

/** What is known of one encoder and component. */
export interface ErrorStatistics {
  /** Mean over scenes of the error averaged over seeds. */
  readonly mean: number;
  /** Standard deviation over scenes, n - 1. */
  readonly deviation: number;
  /** Median over scenes. */
  readonly median: number;
  /** 95 % interval of the mean, scenes resampled by NumPy's generator. */
  readonly interval: Interval;
  /** Scene mean of each seed. */
  readonly perSeed: readonly number[];
  /** Root mean squared error of all frames together, of each seed. */
  readonly pooled: readonly number[];
  /** Scenes. */
  readonly n: number;
}

/** Statistics of an encoder, by component. */
export type EncoderStatistics = Readonly<Record<Channel, ErrorStatistics>> & {
  /** Key of the encoder. */
  readonly name: string;
  /** Error of both components and all frames together, of each seed. */
  readonly combined: readonly number[];
};

/** Mean square of all frames together, from those of scenes. */
function pooledSquare(
  errors: SceneErrors,
  scenes: readonly string[],
  channel: Channel,
): number {
  let [squares, frames] = [0, 0];
  for (const scene of scenes) {
    const { n, [channel]: rmse } = errors[scene]!;
    squares += n * rmse * rmse;
    frames += n;
  }
  return squares / frames;
}

/**
 * Summarizes encoders. The generator of the intervals is seeded by 42 and the
 * encoder's place in the alphabet, for each component afresh.
 *
 * @param encoders of the same scenes
 * @throws {RangeError} as {@linkcode commonScenes}
 */
export function encoderStatistics(
  encoders: readonly EncoderErrors[],
): EncoderStatistics[] {
  const scenes = commonScenes(encoders);
  const order = encoders.map(({ name }) => name).sort();
  return encoders.map((encoder) => {
    const { name, seeds } = encoder;
    const of = (channel: Channel): ErrorStatistics => {
      const values = averageErrors(encoder, channel, scenes);
      return {
        mean: mean(values),
        deviation: standardDeviation(values),
        median: median(values),
        interval: numpyBootstrap(values, {
          seed: FIRST_SEED + order.indexOf(name),
        }),
        perSeed: seeds.map((errors) =>
          mean(scenes.map((scene) => errors[scene]![channel]))
        ),
        pooled: seeds.map((errors) =>
          Math.sqrt(pooledSquare(errors, scenes, channel))
        ),
        n: scenes.length,
      };
    };
    return {
      name,
      steer: of("steer"),
      accel: of("accel"),
      combined: seeds.map((errors) =>
        Math.sqrt(
          mean(CHANNELS.map((one) => pooledSquare(errors, scenes, one))),
        )
      ),
    };
  });
}

/** How two encoders differ, scene by scene. */
export interface EncoderPair extends PairedTTest {
  /** The one that is first in the alphabet; differences are a - b. */
  readonly a: string;
  /** The other. */
  readonly b: string;
  /** 95 % interval of the mean difference, scenes resampled. */
  readonly interval: Interval;
  /** p times the number of pairs, at most 1. */
  readonly pBonferroni: number;
  /** Wilcoxon's test of the same differences. */
  readonly wilcoxon: SignedRankTest;
  /** Its p times the number of pairs, at most 1. */
  readonly wilcoxonBonferroni: number;
}

/**
 * Compares every pair of encoders.
 *
 * @param encoders of the same scenes, at least two
 * @param channel of the action
 * @throws {RangeError} as {@linkcode commonScenes}
 */
export function encoderPairs(
  encoders: readonly EncoderErrors[],
  channel: Channel,
): EncoderPair[] {
  const scenes = commonScenes(encoders);
  const sorted = encoders.toSorted((a, b) => a.name < b.name ? -1 : 1);
  const values = sorted.map((one) => averageErrors(one, channel, scenes));
  const pairs = sorted.flatMap((a, i) =>
    sorted.slice(i + 1).map((b, k) => {
      const [x, y] = [values[i]!, values[i + 1 + k]!];
      return {
        a: a.name,
        b: b.name,
        ...pairedTTest(x, y),
        interval: bootstrapInterval(x.map((value, s) => value - y[s]!)),
        wilcoxon: wilcoxonSignedRank(x, y),
      };
    })
  );
  const corrected = bonferroni(pairs.map(({ p }) => p));
  const ranked = bonferroni(pairs.map(({ wilcoxon }) => wilcoxon.p));
  return pairs.map((pair, i) => ({
    ...pair,
    pBonferroni: corrected[i]!,
    wilcoxonBonferroni: ranked[i]!,
  }));
}

/** A ratio of two encoders' mean errors, with its interval. */
export interface ErrorRatio extends Interval {
  /** Mean of the first over that of the second. */
  readonly value: number;
  /** Scenes. */
  readonly n: number;
}

/**
 * The ratio of the mean errors of two encoders; the same scenes are resampled
 * for both.
 *
 * @param a numerator
 * @param b denominator
 * @param channel of the action
 */
export function errorRatio(
  a: EncoderErrors,
  b: EncoderErrors,
  channel: Channel,
): ErrorRatio {
  const scenes = commonScenes([a, b]);
  const [x, y] = [a, b].map((one) => averageErrors(one, channel, scenes)) as [
    Float64Array,
    Float64Array,
  ];
  const ratio = (list: readonly number[]) =>
    mean(list.map((i) => x[i]!)) / mean(list.map((i) => y[i]!));
  const all = scenes.map((_, i) => i);
  return {
    value: ratio(all),
    n: scenes.length,
    ...bootstrapInterval(all, { statistic: ratio }),
  };
}

/** Scenes of each bucket, by its name. */
export type Buckets = Readonly<Record<string, readonly string[]>>;

/** The mean error of an encoder on the scenes of a bucket. */
export interface BucketError extends Interval {
  /** Mean over scenes. */
  readonly value: number;
  /** Scenes. */
  readonly n: number;
}

/**
 * Means by bucket; each interval is drawn with seed 42.
 *
 * @param encoder with its errors
 * @param channel of the action
 * @param buckets scenes by name; empty ones are left out
 */
export function bucketErrors(
  encoder: EncoderErrors,
  channel: Channel,
  buckets: Buckets,
): Record<string, BucketError> {
  const found: Record<string, BucketError> = {};
  for (const [name, scenes] of Object.entries(buckets)) {
    if (scenes.length === 0) continue;
    const values = averageErrors(encoder, channel, scenes.toSorted());
    found[name] = {
      value: mean(values),
      n: values.length,
      ...numpyBootstrap(values),
    };
  }
  return found;
}

/**
 * The ratio of the mean errors on two buckets, which are resampled apart.
 *
 * @param encoder with its errors
 * @param channel of the action
 * @param above scenes of the numerator, at least one
 * @param below scenes of the denominator, at least one
 */
export function bucketRatio(
  encoder: EncoderErrors,
  channel: Channel,
  above: readonly string[],
  below: readonly string[],
): BucketError {
  const [x, y] = [above, below].map((scenes) =>
    averageErrors(encoder, channel, scenes.toSorted())
  ) as [Float64Array, Float64Array];
  return {
    value: mean(x) / mean(y),
    n: x.length,
    ...numpyRatioBootstrap(x, y),
  };
}
