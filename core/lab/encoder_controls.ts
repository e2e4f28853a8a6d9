import type { FindingTable } from "../experiment/findings.ts";
import { pairedTTest } from "../metrics/paired_tests.ts";
import {
  averageErrors,
  CHANNELS,
  commonScenes,
} from "../metrics/scene_errors.ts";
import { bootstrapInterval, mean } from "../metrics/statistics.ts";
import { CHANNEL_TITLES, type Comparison, nameOf } from "./encoder_results.ts";

/**
 * Lays out controls beside the encoder that they are of.
 *
 * @param comparison of encoders, with controls
 * @returns undefined if there are none
 */
export function controlTable(comparison: Comparison): FindingTable | undefined {
  const { controls = [], errors, titles } = comparison;
  const name = nameOf(comparison, "temporal");
  const whole = errors.find((one) => one.name === name);
  if (whole === undefined || controls.length === 0) return undefined;
  const scenes = commonScenes([whole, ...controls]);
  const columns = CHANNELS.flatMap((channel) => [
    {
      name: channel,
      title: `${CHANNEL_TITLES[channel]} RMSE, scene mean`,
      decimals: 4,
      direction: "lower" as const,
    },
    { name: `${channel}-more`, title: "More than true sweeps", decimals: 4 },
    { name: `${channel}-dz`, title: "d_z", decimals: 3 },
  ]);
  return {
    title: "What the clips must hold",
    head: "Encoder",
    note:
      "Differences are paired over scenes, not corrected. The last row predicts the mean action of the training frames whatever it sees.",
    columns,
    rows: [whole, ...controls].map((one) => ({
      name: one.name,
      title: titles[one.name] ?? one.name,
      cells: Object.fromEntries(
        CHANNELS.flatMap((channel) => {
          const own = averageErrors(one, channel, scenes);
          const { low, high } = bootstrapInterval(own);
          const cells: [string, number | object][] = [
            [channel, { value: mean(own), low, high, n: own.length }],
          ];
          if (one === whole) return cells;
          const sure = averageErrors(whole, channel, scenes);
          const { meanDifference, cohensDz } = pairedTTest(own, sure);
          const more = bootstrapInterval(own.map((x, i) => x - sure[i]!));
          cells.push([`${channel}-more`, {
            value: meanDifference,
            low: more.low,
            high: more.high,
          }]);
          if (Number.isFinite(cohensDz)) {
            cells.push([`${channel}-dz`, cohensDz]);
          }
          return cells;
        }),
      ),
    })) as FindingTable["rows"],
  };
}
