/**
 * What failures came to, from plain numbers: scores with intervals, and tables.
 *
 * @module
 */

import type { Quantity } from "../experiment/claims.ts";
import type { FindingTable } from "../experiment/findings.ts";
import { copies, shareLess, wilsonInterval } from "../metrics/memorization.ts";
import { bootstrapInterval, mean } from "../metrics/statistics.ts";
import { COLOURS } from "./failure_metrics.ts";
import { MEMORY_POINTS } from "./failure_memory.ts";
import { FAILURE_POINTS, type PointNumbers } from "./failure_modes.ts";
import type { PublishedColumn } from "./tables.ts";

/** Percent of held-out real frames that count as copies by definition. */
export const COPY_PERCENT = 1;

/** Numbers of every window by operating point. */
export type Points = Readonly<Record<string, PointNumbers>>;

/** Scores by name. */
export type Quantities = Readonly<Record<string, Quantity>>;

/**
 * Puts the windows of several seeds one after the other.
 *
 * @param seeds numbers of each seed, at least one
 */
export function joinSeeds(seeds: readonly Points[]): Points {
  const [first = {}] = seeds;
  return Object.fromEntries(
    Object.entries(first).map(([name, { numbers }]) => [name, {
      scenes: seeds.flatMap((one) => one[name]!.scenes),
      numbers: Object.fromEntries(
        Object.keys(numbers)
          .map((
            key,
          ) => [key, seeds.flatMap((one) => one[name]!.numbers[key]!)]),
      ),
    }]),
  );
}

/**
 * A statistic of windows with its 95 % bootstrap interval over scenes.
 *
 * @param scenes scene of each window
 * @param seed of the bootstrap
 * @param of gives the statistic of some windows, by their numbers
 */
export function overScenes(
  scenes: readonly string[],
  seed: number,
  of: (rows: readonly number[]) => number,
): Quantity {
  const rows = [...scenes.keys()];
  const { low, high } = bootstrapInterval(rows, {
    groups: scenes,
    seed,
    statistic: of,
  });
  const n = new Set(scenes).size;
  return { value: of(rows), low, high, n, of: "scenes", decimals: 3 };
}

/** Mean of some of a list. */
function meanAt(list: readonly number[], rows: readonly number[]): number {
  return mean(rows.map((row) => list[row]!));
}

/**
 * Mean over windows, with its interval over scenes.
 *
 * @param point whose windows
 * @param seed of the bootstrap
 * @param of gives the number of a window
 */
export function meanScore(
  { scenes }: PointNumbers,
  seed: number,
  of: (window: number) => number,
): Quantity {
  const values = scenes.map((_, i) => of(i));
  return overScenes(scenes, seed, (rows) => meanAt(values, rows));
}

/** The number of latent channels that were measured. */
function channelsOf(points: Points): number[] {
  const names = Object.keys(points.real?.numbers ?? {});
  return names.filter((name) => /^mean\d+$/.test(name)).map((_, c) => c);
}

/**
 * Scores how one operating point fails: `offset0`, ... the mean of each latent
 * channel less that of what happened, in deviations of what happened; `spread0`,
 * ... its deviation over that of what happened; colours less those of what
 * happened, in levels; and what else there is, over what happened.
 *
 * @param points numbers of all windows, what happened as `real`
 * @param name of the point
 * @param seed of the bootstrap
 */
export function failureScores(
  points: Points,
  name: string,
  seed: number,
): Quantities {
  const { scenes, numbers: own } = points[name]!;
  const { numbers: real } = points.real!;
  const score = (of: (rows: readonly number[]) => number) =>
    overScenes(scenes, seed, of);
  const variance = (
    of: PointNumbers["numbers"],
    c: number,
    rows: readonly number[],
  ) => meanAt(of[`square${c}`]!, rows) - meanAt(of[`mean${c}`]!, rows) ** 2;
  const gap = (key: string, rows: readonly number[]) =>
    meanAt(own[key]!, rows) - meanAt(real[key]!, rows);
  return Object.fromEntries([
    ...channelsOf(points).flatMap((c) =>
      [
        [
          `offset${c}`,
          score((rows) =>
            gap(`mean${c}`, rows) / Math.sqrt(variance(real, c, rows))
          ),
        ],
        [
          `spread${c}`,
          score((rows) =>
            Math.sqrt(variance(own, c, rows) / variance(real, c, rows))
          ),
        ],
      ] as const
    ),
    ...COLOURS.map((key) => [key, score((rows) => gap(key, rows))] as const),
    ...["sharpness", "highFrequency", "energy"].map((key) =>
      [
        key,
        score((rows) => meanAt(own[key]!, rows) / meanAt(real[key]!, rows)),
      ] as const
    ),
  ]);
}

/** A column of a table of quantities. */
export interface QuantityColumn {
  readonly name: string;
  readonly title: string;
  readonly decimals: number;
  readonly unit?: string;
  readonly direction?: "higher" | "lower";
}

/**
 * Lays quantities out: a row for each point that has scores.
 *
 * @param about title, note, columns
 * @param titles of the points by name, in the order of rows
 * @param scores of them
 * @param published the paper's numbers by column
 */
export function quantityTable(
  about: {
    readonly title: string;
    readonly note?: string;
    readonly head: string;
    readonly columns: readonly QuantityColumn[];
  },
  titles: Readonly<Record<string, string>>,
  scores: Readonly<Record<string, Quantities>>,
  published: Readonly<Record<string, PublishedColumn>> = {},
): FindingTable {
  return {
    ...about,
    columns: about.columns.map((column) => ({
      ...column,
      ...published[column.name],
    })),
    rows: Object.entries(titles)
      .filter(([name]) => scores[name] !== undefined)
      .map(([name, title]) => ({
        name,
        title,
        cells: Object.fromEntries(
          about.columns.flatMap((column) => {
            const found = scores[name]![column.name];
            if (found === undefined) return [];
            const { value, low, high, n } = found;
            return [[column.name, {
              value,
              ...(low === undefined || high === undefined ? {} : { low, high }),
              ...(n === undefined ? {} : { n }),
            }]];
          }),
        ),
      })),
  };
}

/**
 * Lays out the failures of operating points: of latents, and of images.
 *
 * @param points numbers of all windows
 * @param step of the horizon, from 0
 * @param seed of the bootstrap
 * @param published the paper's numbers by column
 */
export function failureTables(
  points: Points,
  step: number,
  seed: number,
  published: Readonly<Record<string, PublishedColumn>>,
): {
  scores: Record<string, Quantities>;
  tables: Record<"channels" | "images", FindingTable>;
} {
  const names = Object.keys(FAILURE_POINTS);
  const scores = Object.fromEntries(
    names.map((name) => [name, failureScores(points, name, seed)]),
  );
  const channels = channelsOf(points);
  const at = `at t+${step + 1}`;
  const head = "Operating point";
  return {
    scores,
    tables: {
      channels: quantityTable(
        {
          title: `Tint and over-dispersion of latents ${at}`,
          head,
          note:
            "Offset: mean of a latent channel less that of what happened, in deviations of what happened. Spread: its deviation over windows and positions, over that of what happened. Intervals: 95 % bootstrap over scenes, paired with what happened.",
          columns: [
            ...channels.map((c) => ({
              name: `offset${c}`,
              title: `Offset, channel ${c}`,
              decimals: 3,
            })),
            ...channels.map((c) => ({
              name: `spread${c}`,
              title: `Spread, channel ${c}`,
              decimals: 2,
            })),
          ],
        },
        FAILURE_POINTS,
        scores,
        published,
      ),
      images: quantityTable(
        {
          title: `Tint and detail of images ${at}`,
          head,
          note:
            "Against what happened, decoded. Sharpness is the variance of the Laplacian; high-frequency energy the mean square of an image less its blur; energy the Mahalanobis energy of latents under the distribution of the training frames. All three are fractions of those of what happened: the paper calls its 1.92 of sharpness twice the deviation, which it is not: the deviation is 1.39 times as large.",
          columns: [
            ...COLOURS.map((name) => ({
              name,
              title: `Mean ${name}`,
              unit: "levels",
              decimals: 1,
            })),
            { name: "sharpness", title: "Sharpness of real", decimals: 2 },
            {
              name: "highFrequency",
              title: "High-frequency energy of real",
              decimals: 2,
            },
            { name: "energy", title: "Energy of real", decimals: 2 },
          ],
        },
        FAILURE_POINTS,
        scores,
        published,
      ),
    },
  };
}

/**
 * Scores the neighbours of one point: by space the mean `distance` to training,
 * how often it is `closer` to training than held-out real frames are, the share
 * closer to `seen` than to unseen frames, and the share that is `copied`.
 *
 * @param points distances, those of held-out real frames as `real`
 * @param name of the point
 * @param space latents or features
 * @param seed of the bootstrap
 */
export function memoryScores(
  points: Points,
  name: string,
  space: "latents" | "features",
  seed: number,
): Quantities {
  const { scenes, numbers } = points[name]!;
  const held = points.real!.numbers[space]!;
  const own = numbers[space]!;
  const isPaired = own.length === held.length && name !== "control";
  const isCopied = copies(own, held, COPY_PERCENT);
  const count = isCopied.reduce((sum, x) => sum + x, 0);
  const n = new Set(scenes).size;
  const seen = numbers[`${space}Seen`];
  const unseen = numbers[`${space}Unseen`];
  const pick = (list: readonly number[], rows: readonly number[]) =>
    rows.map((row) => list[row]!);
  return {
    distance: overScenes(scenes, seed, (rows) => meanAt(own, rows)),
    closer: overScenes(
      scenes,
      seed,
      (rows) => shareLess(pick(own, rows), isPaired ? pick(held, rows) : held),
    ),
    ...(seen === undefined || unseen === undefined ? {} : {
      seen: overScenes(
        scenes,
        seed,
        (rows) =>
          mean(
            rows.map((i) =>
              seen[i]! < unseen[i]! ? 1 : seen[i]! > unseen[i]! ? 0 : 0.5
            ),
          ),
      ),
    }),
    copied: {
      value: count / own.length,
      // Windows of a scene are not independent: as many trials as scenes.
      ...wilsonInterval(count / own.length * n, n),
      ...{ n, of: "scenes", decimals: 3 },
    },
  };
}

/**
 * Lays out neighbours: a row for each point.
 *
 * @param points distances of all windows
 * @param about step, from 0; frames of a set; seed of the bootstrap
 * @param published the paper's numbers by column
 */
export function memoryTable(
  points: Points,
  { step, frames, seed }: {
    readonly step: number;
    readonly frames: number;
    readonly seed: number;
  },
  published: Readonly<Record<string, PublishedColumn>>,
): { scores: Record<string, Quantities>; table: FindingTable } {
  const spaces = { latents: "latents", features: "features" } as const;
  const scores = Object.fromEntries(
    Object.keys(MEMORY_POINTS).map((name) => [
      name,
      Object.fromEntries(
        Object.keys(spaces).flatMap((space) =>
          Object.entries(
            memoryScores(points, name, space as keyof typeof spaces, seed),
          ).map(([key, value]) => [`${space}-${key}`, value])
        ),
      ),
    ]),
  );
  const titles = {
    distance: ["Distance to training", 2],
    closer: ["Closer to training than held-out frames", 3],
    seen: ["Closer to seen than to unseen frames", 3],
    copied: ["Copied", 3],
  } as const;
  const table = quantityTable(
    {
      title: `Nearest training frames at t+${step + 1}`,
      head: "Frames",
      note:
        `Distances are to the nearest of ${frames} training frames or fewer, the same for all rows, in latents and in the features of decoded frames. Closer than held-out: over all pairs of a sample and a held-out real frame at the same step, 0.5 if they are alike, 1 if samples always are closer. Seen and unseen: equally many first frames of training and of other test scenes, 0.5 without memory. Copied: closer than ${COPY_PERCENT} % of held-out real frames are; interval by Wilson. The paper reports distances alone, of raw samples, whose spread inflates them.`,
      columns: Object.values(spaces).flatMap((space) =>
        Object.entries(titles).map(([key, [title, decimals]]) => ({
          name: `${space}-${key}`,
          title: `${title}, ${space}`,
          decimals,
        }))
      ),
    },
    MEMORY_POINTS,
    scores,
    published,
  );
  return { scores, table };
}
