import type { Quantity } from "../experiment/claims.ts";
import type { FindingTable } from "../experiment/findings.ts";
import {
  type Channel,
  CHANNELS,
  type EncoderErrors,
  type EncoderPair,
  encoderPairs,
  type EncoderStatistics,
  encoderStatistics,
  errorRatio,
} from "../metrics/scene_errors.ts";
import { mean } from "../metrics/statistics.ts";
import type { SceneBuckets } from "../data/scene_buckets.ts";
import type { EncoderRole } from "./encoder_entries.ts";

/** Degrees of the steering wheel of a normalized 1: 6 rad. */
const DEGREES = 6 * 180 / Math.PI;

/** m/s^2 of a normalized 1. */
const METRES = 10;

/** Largest corrected p of what counts as a difference. */
export const ALPHA = 0.05;

/** Components as tables call them. */
export const CHANNEL_TITLES: Readonly<Record<Channel, string>> = {
  steer: "Steering",
  accel: "Acceleration",
};

/** The paper's numbers by role and component, with half of their intervals. */
export type PublishedErrors = Readonly<
  Record<EncoderRole, Readonly<Record<Channel, number>>>
>;

/** What was compared. */
export interface Compared {
  /** Errors of the encoders that are compared with each other. */
  readonly errors: readonly EncoderErrors[];
  /** Errors of controls of the first one, and of baselines. */
  readonly controls?: readonly EncoderErrors[];
  /** Titles by name. */
  readonly titles: Readonly<Record<string, string>>;
  /** Roles by name, as far as an encoder has one. */
  readonly roles: Readonly<Record<string, EncoderRole>>;
  /** Scenes by bucket, where that is known. */
  readonly buckets?: SceneBuckets;
}

/** Statistics of what was compared. */
export interface Comparison extends Compared {
  /** Of each encoder, the least steering error first. */
  readonly statistics: readonly EncoderStatistics[];
  /** All pairs, by component. */
  readonly pairs: Readonly<Record<Channel, readonly EncoderPair[]>>;
}

/**
 * Computes all statistics of a comparison.
 *
 * @param compared errors, titles, roles
 * @throws {RangeError} if the encoders do not have the same scenes
 */
export function compareEncoders(compared: Compared): Comparison {
  const { errors } = compared;
  return {
    ...compared,
    statistics: encoderStatistics(errors)
      .toSorted((a, b) => a.steer.mean - b.steer.mean),
    pairs: {
      steer: encoderPairs(errors, "steer"),
      accel: encoderPairs(errors, "accel"),
    },
  };
}

/** The encoder of a role; undefined if none is compared. */
export function nameOf(
  { roles, errors }: Compared,
  role: EncoderRole,
): string | undefined {
  return errors.find(({ name }) => roles[name] === role)?.name;
}

/** The difference of two encoders, as `b - a` where that is the pair's order. */
export function pairOf(
  { pairs }: Comparison,
  channel: Channel,
  a: string,
  b: string,
): EncoderPair | undefined {
  for (const pair of pairs[channel]) {
    if (pair.a === a && pair.b === b) return pair;
    if (pair.a !== b || pair.b !== a) continue;
    const { interval } = pair;
    return {
      ...pair,
      a,
      b,
      meanDifference: -pair.meanDifference,
      t: -pair.t,
      cohensDz: -pair.cohensDz,
      interval: { ...interval, low: -interval.high, high: -interval.low },
    };
  }
  return undefined;
}

/** Number of scenes of a comparison. */
function sceneCount({ statistics }: Comparison): number {
  return statistics[0]?.steer.n ?? 0;
}

/**
 * The ratio of the errors of two roles.
 *
 * @param comparison of encoders
 * @param a role of the numerator
 * @param b role of the denominator
 * @param channel of the action
 * @returns NaN if one is not compared
 */
export function roleRatio(
  comparison: Comparison,
  a: EncoderRole,
  b: EncoderRole,
  channel: Channel,
): Quantity {
  const find = (role: EncoderRole) =>
    comparison.errors.find(({ name }) => comparison.roles[name] === role);
  const [x, y] = [find(a), find(b)];
  if (x === undefined || y === undefined) return { value: NaN };
  const { value, low, high, n } = errorRatio(x, y, channel);
  return { value, low, high, n, of: "scenes", decimals: 3 };
}

/** The weakest of several pairs, by what is worst about them. */
export interface WeakestPair {
  /** Largest corrected p; 1 where the difference is to the other side. */
  readonly p: Quantity;
  /** Smallest d_z. */
  readonly effect: Quantity;
  /** Which pairs do not differ to the wanted side. */
  readonly equal: readonly string[];
}

/**
 * Whether every encoder of one list has less error than every one of another.
 *
 * @param comparison of encoders
 * @param better roles that should have less
 * @param worse roles that should have more
 * @param channel of the action
 */
export function weakestPair(
  comparison: Comparison,
  better: readonly EncoderRole[],
  worse: readonly EncoderRole[],
  channel: Channel,
): WeakestPair {
  const { titles } = comparison;
  const pairs = better.flatMap((a) =>
    worse.flatMap((b) => {
      const [x, y] = [nameOf(comparison, a), nameOf(comparison, b)];
      return x === undefined || y === undefined || x === y
        ? []
        : pairOf(comparison, channel, y, x) ?? [];
    })
  );
  const n = sceneCount(comparison);
  const wrong = (pair: EncoderPair) => pair.meanDifference <= 0;
  const p = pairs.map((pair) => wrong(pair) ? 1 : pair.pBonferroni);
  const facts = { n, of: "scenes" };
  return {
    p: { value: pairs.length === 0 ? NaN : Math.max(...p), ...facts },
    effect: {
      value: pairs.length === 0
        ? NaN
        : Math.min(...pairs.map(({ cohensDz }) => cohensDz)),
      ...facts,
      decimals: 3,
    },
    equal: pairs.filter((_, i) => p[i]! >= ALPHA)
      .map(({ a, b }) => `${titles[b] ?? b} and ${titles[a] ?? a}`),
  };
}

/** How sure the difference of the first two of a list of roles is. */
export function runnersUp(
  comparison: Comparison,
  roles: readonly EncoderRole[],
  channel: Channel,
): { readonly p: Quantity; readonly names: readonly string[] } {
  const ranked = comparison.statistics
    .filter(({ name }) => roles.includes(comparison.roles[name]!))
    .toSorted((a, b) => a[channel].mean - b[channel].mean);
  const [first, second] = ranked.map(({ name }) => name);
  const pair = first === undefined || second === undefined
    ? undefined
    : pairOf(comparison, channel, first, second);
  return {
    p: {
      value: pair?.pBonferroni ?? NaN,
      n: sceneCount(comparison),
      of: "scenes",
    },
    names: ranked.map(({ name }) => comparison.titles[name] ?? name),
  };
}

/** Rank of each encoder by a number, from 1. */
function ranks(
  statistics: readonly EncoderStatistics[],
  pick: (one: EncoderStatistics) => number,
): Map<string, number> {
  const order = statistics.toSorted((a, b) => pick(a) - pick(b));
  return new Map(order.map(({ name }, i) => [name, i + 1]));
}

/** The pairs that do not differ after correction, in a sentence. */
function equalPairs({ pairs, titles }: Comparison, channel: Channel): string {
  const equal = pairs[channel].filter(({ pBonferroni }) => pBonferroni >= ALPHA)
    .map(({ a, b, pBonferroni }) =>
      `${titles[a] ?? a} and ${titles[b] ?? b} (p ${
        pBonferroni.toPrecision(2)
      })`
    );
  return equal.length === 0
    ? `All pairs differ in ${
      channel === "steer" ? "steering" : "acceleration"
    }.`
    : `Not different in ${
      channel === "steer" ? "steering" : "acceleration"
    } after Bonferroni's correction: ${equal.join(", ")}.`;
}

/**
 * Lays out Table 1: errors of every encoder, by scene and by frame.
 *
 * @param comparison of encoders
 * @param published the paper's numbers
 */
export function errorTable(
  comparison: Comparison,
  published: PublishedErrors,
): FindingTable {
  const { statistics, roles, titles } = comparison;
  const byScene = ranks(statistics, ({ steer }) => steer.mean);
  const byFrame = ranks(statistics, ({ steer }) => mean(steer.pooled));
  const paper = (channel: Channel) =>
    Object.fromEntries(
      statistics.flatMap(({ name }) => {
        const role = roles[name];
        return role === undefined ? [] : [[name, published[role][channel]]];
      }),
    );
  const columns = CHANNELS.flatMap((channel) => {
    const title = CHANNEL_TITLES[channel];
    return [
      {
        name: channel,
        title: `${title} RMSE, scene mean`,
        direction: "lower" as const,
        decimals: 4,
        published: paper(channel),
        where: "Table 1",
      },
      {
        name: `${channel}-unit`,
        title: `The same`,
        unit: channel === "steer" ? "degrees of the wheel" : "m/s\u00b2",
        decimals: channel === "steer" ? 1 : 2,
      },
      { name: `${channel}-median`, title: `${title}, median`, decimals: 4 },
      {
        name: `${channel}-deviation`,
        title: "Deviation of scenes",
        decimals: 4,
      },
      { name: `${channel}-seeds`, title: "Deviation of seeds", decimals: 4 },
      { name: `${channel}-pooled`, title: "All frames together", decimals: 4 },
    ];
  });
  const spread = (values: readonly number[]) => {
    const centre = mean(values);
    return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
  };
  return {
    title: "Errors of the probes",
    head: "Encoder",
    note: `RMSE of each scene, averaged over ${
      statistics[0]?.steer.perSeed.length ?? 0
    } seeds, then over scenes; 95 % percentile intervals by NumPy's generator, seed 42 and the encoder's place in the alphabet. "All frames together" weighs long errors more and scenes less: rank of steering by scenes and by frames stand beside each other. ${
      equalPairs(comparison, "steer")
    } ${equalPairs(comparison, "accel")}`,
    columns: [
      ...columns,
      { name: "combined", title: "Both, all frames", decimals: 4 },
      { name: "rank-scenes", title: "Rank, scenes" },
      { name: "rank-frames", title: "Rank, frames" },
    ],
    rows: statistics.map((one) => {
      const cells = CHANNELS.flatMap((channel) => {
        const { mean: value, interval, n, ...of } = one[channel];
        const scale = channel === "steer" ? DEGREES : METRES;
        return [
          [channel, { value, low: interval.low, high: interval.high, n }],
          [`${channel}-unit`, scale * value],
          [`${channel}-median`, of.median],
          [`${channel}-deviation`, of.deviation],
          [`${channel}-seeds`, spread(of.perSeed)],
          [`${channel}-pooled`, mean(of.pooled)],
        ];
      });
      return {
        name: one.name,
        title: titles[one.name] ?? one.name,
        cells: {
          ...Object.fromEntries(cells),
          combined: mean(one.combined),
          "rank-scenes": byScene.get(one.name)!,
          "rank-frames": byFrame.get(one.name)!,
        },
      };
    }),
  };
}

/** A p value as it is written: powers of ten where it is small. */
function written(p: number): string {
  return p < 0.001 ? p.toExponential(1) : p.toFixed(3);
}

/**
 * Lays out the paired tests.
 *
 * @param comparison of encoders
 * @param channel of the action
 */
export function pairTable(
  { pairs, titles }: Comparison,
  channel: Channel,
): FindingTable {
  const n = pairs[channel].length;
  return {
    title: `Paired tests of ${CHANNEL_TITLES[channel].toLowerCase()}`,
    head: "Pair",
    note:
      `Two-sided paired t-tests over scenes, corrected by Bonferroni for ${n} pairs; Cohen's d_z is the mean difference over the deviation of differences. Errors are skewed: Wilcoxon's signed-rank test stands beside, corrected likewise. Intervals of differences resample scenes.`,
    columns: [
      { name: "difference", title: "Mean difference", decimals: 4 },
      { name: "t", title: "t", decimals: 2 },
      { name: "p", title: "p, corrected" },
      { name: "dz", title: "d_z", decimals: 3 },
      { name: "wilcoxon", title: "Wilcoxon p, corrected" },
      { name: "differs", title: "Differs" },
    ],
    rows: pairs[channel].map((pair) => ({
      name: `${pair.a}-${pair.b}`,
      title: `${titles[pair.a] ?? pair.a} \u2212 ${titles[pair.b] ?? pair.b}`,
      cells: {
        difference: {
          value: pair.meanDifference,
          low: pair.interval.low,
          high: pair.interval.high,
          n: pair.n,
        },
        t: Number.isFinite(pair.t) ? pair.t : null,
        p: written(pair.pBonferroni),
        dz: Number.isFinite(pair.cohensDz) ? pair.cohensDz : null,
        wilcoxon: written(pair.wilcoxonBonferroni),
        differs: pair.pBonferroni < ALPHA,
      },
    })),
  };
}
