import { stringify } from "@std/csv";
import type { DataFile } from "../experiment/findings.ts";
import { CHANNELS } from "../metrics/scene_errors.ts";
import { bracketPlot } from "../report/plot.ts";
import {
  ALPHA,
  type Comparison,
  pairOf,
  type PublishedErrors,
} from "./encoder_results.ts";
import type { Figure } from "./figures.ts";

/** Stars of a corrected p value. */
function stars(p: number): string {
  return p < 0.001 ? "***" : p < 0.01 ? "**" : p < ALPHA ? "*" : "n.s.";
}

/**
 * Draws Figure 2: errors of all encoders, with brackets from the best one by
 * steering to the two that follow.
 *
 * @param comparison of encoders
 * @param published the paper's numbers
 * @param caption below it
 */
export function errorFigure(
  comparison: Comparison,
  published: PublishedErrors,
  caption: string,
): Figure {
  const { statistics, titles, roles } = comparison;
  const label = (name: string) => titles[name] ?? name;
  const bars = statistics.flatMap((one) =>
    CHANNELS.map((channel) => {
      const { mean, interval } = one[channel];
      const role = roles[one.name];
      return {
        label: label(one.name),
        series: channel === "steer" ? "Steering" : "Acceleration",
        value: mean,
        low: interval.low,
        high: interval.high,
        ...(role ? { published: published[role][channel] } : {}),
      };
    })
  );
  const [first, ...others] = statistics.map(({ name }) => name);
  const brackets = others.slice(0, 2).flatMap((other) => {
    const pair = pairOf(comparison, "steer", other, first!);
    return pair === undefined ? [] : [{
      from: label(first!),
      to: label(other),
      text: `${stars(pair.pBonferroni)} (d_z = ${pair.cohensDz.toFixed(2)})`,
    }];
  });
  const svg = bracketPlot(bars, {
    label: "RMSE, scene mean (normalized)",
    title: "Errors of the probes of each encoder, with intervals",
    brackets,
  });
  return { svg, caption };
}

/**
 * Lists the errors of every encoder, seed and scene.
 *
 * @param comparison of encoders
 */
export function errorFile({ errors, controls = [] }: Comparison): DataFile {
  const rows = [...errors, ...controls].flatMap(({ name, seeds }) =>
    seeds.flatMap((one, seed) =>
      Object.entries(one).map(([scene, { steer, accel, n }]) => [
        name,
        seed,
        scene,
        steer,
        accel,
        n,
      ])
    )
  );
  const head = ["encoder", "seed", "scene", "steer_rmse", "accel_rmse", "n"];
  return {
    bytes: new TextEncoder().encode(stringify([head, ...rows])),
    type: "csv",
    caption: "error of every encoder, seed of the probe and scene",
  };
}
