import type { FindingTable } from "../experiment/findings.ts";
import {
  bucketErrors,
  bucketRatio,
  type Buckets,
  type Channel,
  CHANNELS,
} from "../metrics/scene_errors.ts";
import type { Comparison } from "./encoder_results.ts";

const TITLES: Readonly<Record<Channel, string>> = {
  steer: "steering",
  accel: "acceleration",
};

function filled(buckets: Buckets): string[] {
  return Object.entries(buckets).filter(([, scenes]) => scenes.length > 0)
    .map(([name]) => name);
}

/** Mean errors of each encoder, a column for every bucket and component. */
function meansTable(
  { errors, statistics, titles }: Comparison,
  buckets: Buckets,
  head: Pick<FindingTable, "title" | "note">,
): FindingTable {
  const names = filled(buckets);
  return {
    ...head,
    head: "Encoder",
    columns: CHANNELS.flatMap((channel) =>
      names.map((name) => ({
        name: `${channel}-${name}`,
        title: `${name}, ${TITLES[channel]}`,
        decimals: 4,
        direction: "lower" as const,
      }))
    ),
    rows: statistics.map(({ name }) => {
      const encoder = errors.find((one) => one.name === name)!;
      const cells = CHANNELS.flatMap((channel) =>
        Object.entries(bucketErrors(encoder, channel, buckets)).map((
          [bucket, { value, low, high, n }],
        ) => [`${channel}-${bucket}`, { value, low, high, n }])
      );
      return {
        name,
        title: titles[name] ?? name,
        cells: Object.fromEntries(cells),
      };
    }),
  };
}

/**
 * Lays out errors by scenario.
 *
 * @param comparison of encoders, with buckets
 * @returns undefined if fewer than two scenarios have scenes
 */
export function scenarioTable(
  comparison: Comparison,
): FindingTable | undefined {
  const { scenario = {} } = comparison.buckets ?? {};
  if (filled(scenario).length < 2) return undefined;
  return meansTable(comparison, scenario, {
    title: "By scenario",
    note:
      "Scenarios are words of the scenes' descriptions; intervals resample the scenes of each, by NumPy's generator with seed 42.",
  });
}

/**
 * Lays out errors at night and in rain, over those by day.
 *
 * @param comparison of encoders, with buckets
 * @returns undefined if no scene is at night or in rain, or none by day
 */
export function environmentTable(
  comparison: Comparison,
): FindingTable | undefined {
  const { environment } = comparison.buckets ?? {};
  if (environment === undefined) return undefined;
  const { day } = environment;
  const others = (["night", "rain"] as const)
    .filter((name) => environment[name].length > 0);
  if (day.length === 0 || others.length === 0) return undefined;
  const table = meansTable(comparison, environment, {
    title: "By environment",
    note:
      "Ratios resample the scenes of both sides apart, by NumPy's generator with seed 42. A scene at night and in rain counts in both.",
  });
  return {
    ...table,
    columns: [
      ...table.columns,
      ...CHANNELS.flatMap((channel) =>
        others.map((name) => ({
          name: `${channel}-${name}-ratio`,
          title: `${name} / day, ${TITLES[channel]}`,
          decimals: 2,
        }))
      ),
    ],
    rows: table.rows.map((row) => {
      const encoder = comparison.errors.find(({ name }) => name === row.name)!;
      const ratios = CHANNELS.flatMap((channel) =>
        others.map((name) => {
          const { value, low, high } = bucketRatio(
            encoder,
            channel,
            environment[name],
            day,
          );
          return [`${channel}-${name}-ratio`, { value, low, high }];
        })
      );
      return { ...row, cells: { ...row.cells, ...Object.fromEntries(ratios) } };
    }),
  };
}

/**
 * Says which tables there are not, and why.
 *
 * @param comparison of encoders
 */
export function bucketNotes(comparison: Comparison): string[] {
  const { buckets } = comparison;
  if (buckets === undefined) {
    return [
      "Scenarios and environments are not compared: these scenes are not nuScenes' and have no descriptions here.",
    ];
  }
  const notes: string[] = [];
  if (scenarioTable(comparison) === undefined) {
    notes.push(
      `Scenarios are not compared: all test scenes are in "${
        filled(buckets.scenario).join(", ")
      }".`,
    );
  }
  if (environmentTable(comparison) === undefined) {
    notes.push(
      "Environments are not compared: no test scene is at night or in rain, or none by day.",
    );
  }
  return notes;
}
