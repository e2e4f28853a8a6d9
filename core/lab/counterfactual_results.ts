/**
 * What counterfactuals came to, from plain numbers: scores and
 * differences.
 *
 * @module
 */

import type { Quantity } from "../experiment/claims.ts";
import {
  type Agreement,
  agreementOf,
  type PairSums,
  pairSums,
  pooled,
  sumsWithin,
} from "../metrics/agreement.ts";
import { bicyclePath, pathDistances, type PathPoint } from "../metrics/path.ts";
import {
  bootstrapResamples,
  mean,
  percentileInterval,
} from "../metrics/statistics.ts";
import {
  type Commands,
  drivenSteps,
  type Readings,
  STEP_SECONDS,
  type Variant,
} from "./counterfactual.ts";

/** Parts of an action, with the unit of each. */
export const PARTS = {
  steer: { title: "steering", unit: "rad" },
  accel: { title: "acceleration", unit: "m/s²" },
} as const;

/** A part of an action. */
export type ActionPart = keyof typeof PARTS;

/** How what is read follows what is commanded. */
export type AgreementScore = Readonly<Record<keyof Agreement, Quantity>>;

/** What one source came to. */
export interface CounterfactualScores {
  /** Under the recorded actions: all steps of all windows. */
  readonly logged: Readonly<Record<ActionPart, AgreementScore>>;
  /**
   * Within a step of a window, over the factors of that part alone: what the
   * command changes. Absent where there are no counterfactuals.
   */
  readonly response?: Readonly<Record<ActionPart, AgreementScore>>;
  /**
   * Distance of the ends of the commanded path and of one by what is read of
   * that part, the other part as commanded, under the recorded actions, m.
   */
  readonly loggedDrift: Readonly<Record<ActionPart, Quantity>>;
  /** Its mean over other actions of that part, m. */
  readonly drift?: Readonly<Record<ActionPart, Quantity>>;
  /** The same over other steering, both parts as they are read, m. */
  readonly wholeDrift?: Quantity;
  /** That of each window. */
  readonly drifts?: Readonly<Record<ActionPart, readonly number[]>>;
  /** Changes of the steering within a window, for paired differences. */
  readonly sums?: readonly PairSums[];
  /** Scene of each window. */
  readonly scenes: readonly string[];
}

/** Values of one part of actions, in its unit, of one variant. */
function valuesOf(actions: readonly number[], part: ActionPart): number[] {
  return drivenSteps(actions).map(({ steerRad, accelMps2 }) =>
    part === "steer" ? steerRad : accelMps2
  );
}

/**
 * Actions of which one part is as it was read and the other as commanded, so
 * that a path says of one part how far off it is.
 *
 * @param given (2 H) commanded
 * @param own (2 H) read
 * @param part that is read; both if absent
 */
export function asRead(
  given: readonly number[],
  own: readonly number[],
  part?: ActionPart,
): number[] {
  const read = { steer: 0, accel: 1 };
  return own.map((value, k) =>
    part === undefined || k % 2 === read[part] ? value : given[k]!
  );
}

/** Numbers of the variants that change one part alone, or nothing. */
function variantsBy(variants: readonly Variant[], part: ActionPart): number[] {
  const other = part === "steer" ? "accel" : "steer";
  return [...variants.keys()].filter((v) => variants[v]![other] === 1);
}

/** A statistic of windows, with its interval by bootstrap over scenes. */
function quantityOf(
  scenes: readonly string[],
  statistic: (windows: readonly number[]) => number,
  seed: number,
  level = 0.95,
): Quantity {
  const all = [...scenes.keys()];
  const value = statistic(all);
  const facts = { n: all.length, of: "windows", decimals: 3 };
  if (!Number.isFinite(value)) return { value: null, ...facts };
  const found = bootstrapResamples(all, { groups: scenes, seed, statistic })
    .filter(Number.isFinite);
  const { low, high } = percentileInterval(found, level);
  return { value, low, high, ...facts };
}

function agreementScore(
  scenes: readonly string[],
  sums: readonly PairSums[],
  seed: number,
): AgreementScore {
  const known = new Map<string, Agreement>();
  // The three bootstraps draw the same scenes: their sums are made once.
  const found = (windows: readonly number[]) => {
    const name = windows.join();
    const value = known.get(name) ??
      agreementOf(pooled(windows.map((i) => sums[i]!)));
    known.set(name, value);
    return value;
  };
  const of = (name: keyof Agreement) =>
    quantityOf(scenes, (windows) => found(windows)[name], seed);
  return {
    correlation: of("correlation"),
    slope: of("slope"),
    rmse: of("rmse"),
  };
}

/**
 * Integrates actions from the speed of a window.
 *
 * @param commands speeds and gain
 * @param window which
 * @param actions (2 H) normalized
 * @returns (H + 1) places
 */
export function pathOf(
  { speeds, gain }: Pick<Commands, "speeds" | "gain">,
  window: number,
  actions: readonly number[],
): PathPoint[] {
  return bicyclePath(drivenSteps(actions), {
    speedMps: speeds[window]!,
    curvaturePerRad: gain.curvaturePerRad,
    stepSeconds: STEP_SECONDS,
  });
}

/**
 * Scores readings of a source, seed after seed.
 *
 * @param commands what was commanded
 * @param variants of the actions, the recorded ones first
 * @param seeds readings of each seed, at least one; of the recorded future the
 *   first variant only
 * @param seed of the bootstrap
 */
export function counterfactualScores(
  commands: Commands,
  variants: readonly Variant[],
  seeds: readonly Readings[],
  seed: number,
): CounterfactualScores {
  const { actions } = commands;
  const cases = seeds.flatMap(({ read }) =>
    read.map((own, i) => ({ i, own, given: actions[i]! }))
  );
  const scenes = cases.map(({ i }) => commands.scenes[i]!);
  const logged = (part: ActionPart) =>
    agreementScore(
      scenes,
      cases.map(({ own, given }) =>
        pairSums(valuesOf(given[0]!, part), valuesOf(own[0]!, part))
      ),
      seed,
    );
  const driftOf = (
    { i, own, given }: typeof cases[number],
    v: number,
    part?: ActionPart,
  ) =>
    pathDistances(
      pathOf(commands, i, given[v]!),
      pathOf(commands, i, asRead(given[v]!, own[v]!, part)),
    ).at(-1)!;
  const meanDrift = (values: readonly number[]) =>
    quantityOf(scenes, (list) => mean(list.map((k) => values[k]!)), seed);
  const base = {
    scenes,
    logged: { steer: logged("steer"), accel: logged("accel") },
    loggedDrift: {
      steer: meanDrift(cases.map((one) => driftOf(one, 0, "steer"))),
      accel: meanDrift(cases.map((one) => driftOf(one, 0, "accel"))),
    },
  };
  if (cases[0]!.own.length < variants.length) return base;
  const within = (part: ActionPart) =>
    cases.map(({ own, given }) => {
      const list = variantsBy(variants, part);
      const [x, y] = [given, own].map((rows) =>
        list.map((v) => valuesOf(rows[v]!, part))
      ) as [number[][], number[][]];
      return sumsWithin(
        x[0]!.map((_, h) => [x.map((row) => row[h]!), y.map((row) => row[h]!)]),
      );
    });
  const drifts = (part: ActionPart, read?: ActionPart) =>
    cases.map((one) =>
      mean(
        variantsBy(variants, part).filter((v) => v > 0)
          .map((v) => driftOf(one, v, read)),
      )
    );
  const [steer, accel] = [
    drifts("steer", "steer"),
    drifts("accel", "accel"),
  ];
  const sums = within("steer");
  return {
    ...base,
    sums,
    response: {
      steer: agreementScore(scenes, sums, seed),
      accel: agreementScore(scenes, within("accel"), seed),
    },
    drifts: { steer, accel },
    drift: { steer: meanDrift(steer), accel: meanDrift(accel) },
    wholeDrift: meanDrift(drifts("steer")),
  };
}

/** A source with its name, and what it came to. */
export interface CounterfactualRow {
  /** Name in tables. */
  readonly name: string;
  /** Name for readers. */
  readonly title: string;
  /** What it came to. */
  readonly scores: CounterfactualScores;
}

/** A difference of two sources. */
export interface CounterfactualGap {
  /** Names of both rows, the second one subtracted. */
  readonly of: readonly [string, string];
  /** Of the drift under other steering, m; below 0 if the first is closer. */
  readonly drift: Quantity;
  /** Of the slope of the steering. */
  readonly slope: Quantity;
}

/**
 * Compares sources window by window, with intervals of a level that holds for
 * all comparisons at once (Bonferroni). A reference that has one future for all
 * seeds is compared with each of them.
 *
 * @param rows sources
 * @param pairs names of two rows each
 * @param seed of the bootstrap
 */
export function counterfactualGaps(
  rows: readonly CounterfactualRow[],
  pairs: readonly (readonly [string, string])[],
  seed: number,
): CounterfactualGap[] {
  const level = 1 - 0.05 / (2 * pairs.length);
  return pairs.map((of) => {
    const [a, b] = of.map((name) =>
      rows.find((row) => row.name === name)!.scores
    ) as [CounterfactualScores, CounterfactualScores];
    const again = <T>(list: readonly T[], i: number) => list[i % list.length]!;
    const longer = a.scenes.length < b.scenes.length ? b : a;
    const compare = (statistic: (windows: readonly number[]) => number) =>
      quantityOf(longer.scenes, statistic, seed, level);
    const slope = ({ sums }: CounterfactualScores, list: readonly number[]) =>
      agreementOf(pooled(list.map((i) => again(sums!, i)))).slope;
    const drift = ({ drifts }: CounterfactualScores, list: readonly number[]) =>
      mean(list.map((i) => again(drifts!.steer, i)));
    return {
      of,
      drift: compare((list) => drift(a, list) - drift(b, list)),
      slope: compare((list) => slope(a, list) - slope(b, list)),
    };
  });
}
