/**
 * How predictions fail: in colour, in spread, and in fine detail.
 *
 * @module
 */

import { columns, type Point } from "./columns.ts";
import { FAILURE_METRICS } from "./failure_metrics.ts";
import type { Lab } from "./lab.ts";
import { pairFutures, type PairSpec } from "./pair.ts";
import { pairPlaces } from "./pair_scores.ts";

/** Numbers of every window of an operating point, plain JSON. */
export interface PointNumbers {
  /** Scene of each window. */
  readonly scenes: readonly string[];
  /** (windows) by measure. */
  readonly numbers: Readonly<Record<string, readonly number[]>>;
}

/** Operating points whose failures are shown, in the order of tables. */
export const FAILURE_POINTS = {
  direct: "Direct regression",
  interpolated: "Interpolation, half direct and half raw",
  raw: "Diffusion, raw",
  guided: "Diffusion, guided",
  calibrated: "Diffusion, calibrated on training windows",
  copy: "Copy of the present",
  ceiling: "Real latents decoded (ceiling)",
} as const;

/** Mean, and mean square, of each channel of each of some latents. */
function channelMoments(
  latents: Float32Array,
  channels: number,
  positions: number,
): Record<string, number>[] {
  return Array.from(
    { length: latents.length / (channels * positions) },
    (_, i) =>
      Object.fromEntries(
        Array.from({ length: channels }, (_, c) => {
          const start = (i * channels + c) * positions;
          const own = latents.subarray(start, start + positions);
          const total = (of: (value: number) => number) =>
            own.reduce((sum, value) => sum + of(value), 0) / positions;
          return [
            [`mean${c}`, total((value) => value)],
            [`square${c}`, total((value) => value * value)],
          ] as const;
        }).flat(),
      ),
  );
}

/**
 * Measures how the operating points of a pair fail at one step, and what
 * happened beside them: of each window the mean `mean0`, `mean1`, ... and the
 * mean square `square0`, ... of each latent channel, and
 * {@linkcode FAILURE_METRICS}.
 *
 * @param lab windows, networks, parameters
 * @param of which pair
 * @param step of the horizon, from 0
 * @returns by operating point, what happened as `real`
 * @throws {Interrupted} if it was asked to stop
 */
export async function failureModes(
  lab: Lab,
  of: PairSpec,
  step: number,
): Promise<Record<string, PointNumbers>> {
  using pair = await pairFutures(lab, of);
  const places = await pairPlaces(lab, pair, step);
  const names = Object.keys(FAILURE_POINTS);
  const { windows, measured } = await columns(lab, {
    step,
    points: Object.fromEntries(
      names.map((name) => [name, places.points[name]!]),
    ),
    from: places.from,
    metrics: FAILURE_METRICS,
  });
  const [channels, height, width] = (await lab.networks()).latentShape;
  const scenes = windows.map(({ scene }) => scene);
  const all: Readonly<Record<string, Point>> = {
    ...places.points,
    real: { latents: places.at.real },
  };
  return Object.fromEntries(
    [...names, "real"].map((name) => {
      const moments = windows.flatMap((_, i) =>
        channelMoments(all[name]!.latents([i]), channels, height * width)
      );
      const { numbers } = measured[name === "real" ? "decoded" : name]!;
      return [name, {
        scenes,
        numbers: {
          ...Object.fromEntries(
            Object.entries(numbers).map(([k, list]) => [k, Array.from(list)]),
          ),
          ...Object.fromEntries(
            Object.keys(moments[0] ?? {})
              .map((key) => [key, moments.map((one) => one[key]!)]),
          ),
        },
      }];
    }),
  );
}
