/**
 * Numbers of every window by operating point, measured once and kept.
 *
 * @module
 */

import { join } from "@std/path";
import { FrameLoader } from "../data/frames.ts";
import { takeRows } from "../data/latents.ts";
import { digestJson } from "../experiment/artifact_files.ts";
import { writeAtomic } from "../experiment/run_directory.ts";
import {
  readSafetensors,
  toFloat32,
  writeSafetensors,
} from "../formats/safetensors.ts";
import { tableToCsv } from "../report/table.ts";
import { type LabWindow, readFrames, spaced } from "./data.ts";
import { fittedEnergy, readEnergyFit } from "./energy_fit.ts";
import type { Lab } from "./lab.ts";
import type { PartName } from "./latents.ts";
import { WINDOW_METRICS, type WindowMetric } from "./metrics.ts";
import {
  type Kept,
  type LatentsOf,
  type Measured,
  measureStep,
  summarize,
} from "./scores.ts";

/** Training frames that a distance to training looks at, as published. */
export const TRAINED_FRAMES = 4000;

/** The latents of an operating point. */
export interface Point {
  /** What decides them beside the artifacts they are made from: plain JSON. */
  readonly about?: unknown;
  /** Gives them. */
  readonly latents: LatentsOf;
}

/** What is measured, window by window. */
export interface ColumnsSpec {
  /** Part that the windows are of. Default the test part. */
  readonly part?: PartName;
  /** The windows. Default all of the part. */
  readonly windows?: readonly LabWindow[];
  /** Step of the horizon, from 0. */
  readonly step: number;
  /** Operating points by name. */
  readonly points: Readonly<Record<string, Point>>;
  /** Digests of the futures that the points are made from. */
  readonly from: readonly string[];
  /**
   * What is measured of each window, as far as there are networks for it.
   * Default {@linkcode WINDOW_METRICS}.
   */
  readonly metrics?: readonly WindowMetric[];
}

/** Numbers of every window by operating point, on disk. */
export interface Columns {
  /** The windows. */
  readonly windows: readonly LabWindow[];
  /** What was measured. */
  readonly measured: Measured;
  /** Its metrics. */
  readonly metrics: readonly WindowMetric[];
  /** A CSV file: a row for every operating point and window. */
  readonly csv: string;
  /** A safetensors file: POINT.METRIC. */
  readonly safetensors: string;
  /** Digest of them as an artifact. */
  readonly digest: string;
}

/**
 * Finds what was measured of windows, or measures it.
 *
 * @param lab networks, latents, and where it is kept
 * @param spec windows, step, operating points, metrics
 * @throws {Interrupted} if it was asked to stop
 */
export async function columns(lab: Lab, spec: ColumnsSpec): Promise<Columns> {
  const { interrupt } = lab.context;
  const { step, points } = spec;
  const [networks, train, part] = [
    await lab.networks(),
    await lab.part("train"),
    await lab.part(spec.part ?? "test"),
  ];
  const { windows = part.windows } = spec;
  const metrics = (spec.metrics ?? WINDOW_METRICS).filter(({ perceptual }) =>
    perceptual === undefined || perceptual === networks.perceptual?.name
  );
  const { patch, size, evalBatch: batch } = lab.params;
  const futureOf = (i: number) => windows[i]!.row + 1 + step;
  // Before the columns, so that what they are made from is known.
  const energy = await fittedEnergy(lab);
  const made = await lab.make({
    by: import.meta.url,
    kind: "columns",
    spec: {
      step,
      windows: digestJson(windows.map(({ id }) => id), "windows"),
      points: Object.entries(points).map((
        [name, { about }],
      ) => [name, about ?? name]),
      metrics: metrics.map(({ name }) => name),
      features: networks.featureDigest,
      vae: networks.vaeDigest,
      perceptual: networks.perceptual?.digest ?? null,
      ...{ patch, size, batch },
    },
    from: [train.digest, part.digest, energy.digest, ...spec.from],
  }, async (folder) => {
    const line = lab.context.progress("decode and score");
    using loader = new FrameLoader();
    const rows = Array.from({ length: train.latents.frames }, (_, i) => i);
    const framesOf = (rows: readonly number[]) => {
      const paths = rows.map((row) => part.paths[row]!);
      return readFrames(loader, part.root, paths, size, "bicubic");
    };
    const measured = await measureStep(networks, {
      size,
      scenes: windows.map(({ scene }) => scene),
      batch,
      patch,
      metrics,
      trained: takeRows(train.latents, spaced(rows, TRAINED_FRAMES)),
      real: (list) => takeRows(part.latents, list.map(futureOf)),
      present: (list) =>
        takeRows(part.latents, list.map((i) => windows[i]!.row)),
      camera: (list) => framesOf(list.map(futureOf)),
      cameraPresent: (list) => framesOf(list.map((i) => windows[i]!.row)),
      energy: () => readEnergyFit(energy),
      points: Object.fromEntries(
        Object.entries(points).map(([name, { latents }]) => [name, latents]),
      ),
      directory: folder.scratch("rows"),
      progress: (done, total) => line.update({ done, total }),
      check: () => interrupt.check(),
    });
    await keepColumns(folder.path, windows, measured, metrics);
    line.end();
    return { windows: windows.length };
  });
  return {
    windows,
    metrics,
    measured: await readMeasured(made.path),
    csv: made.file("columns.csv"),
    safetensors: made.file("numbers.safetensors"),
    digest: made.digest,
  };
}

async function keepColumns(
  folder: string,
  windows: readonly LabWindow[],
  measured: Measured,
  metrics: readonly WindowMetric[],
): Promise<void> {
  const n = windows.length;
  const metadata = { windows: JSON.stringify(windows.map(({ id }) => id)) };
  const numbers = Object.entries(measured).flatMap(([point, { numbers }]) =>
    Object.entries(numbers).map(([metric, values]) => [
      `${point}.${metric}`,
      { shape: [n], data: Float32Array.from(values) },
    ])
  );
  const features = Object.entries(measured).map(([point, { features }]) => [
    point,
    { shape: [n, features.length / n], data: features },
  ]);
  for (const [name, tensors] of Object.entries({ numbers, features })) {
    const path = join(folder, `${name}.safetensors`);
    await writeSafetensors(path, Object.fromEntries(tensors), metadata);
  }
  const csv = tableToCsv({
    columns: [
      { key: "point", label: "Operating point" },
      { key: "window", label: "Window" },
      { key: "scene", label: "Scene" },
      ...metrics.map(({ name, title }) => ({ key: name, label: title })),
    ],
    rows: Object.entries(measured)
      .filter(([, { numbers }]) => metrics.every(({ name }) => numbers[name]))
      .flatMap(([point, { numbers }]) =>
        windows.map(({ id, scene }, i) => ({
          point,
          window: id,
          scene,
          ...Object.fromEntries(
            metrics.map(({ name }) => [name, numbers[name]![i]!]),
          ),
        }))
      ),
  });
  await writeAtomic(join(folder, "columns.csv"), csv);
}

async function readMeasured(folder: string): Promise<Measured> {
  using numbers = await readSafetensors(join(folder, "numbers.safetensors"));
  using features = await readSafetensors(join(folder, "features.safetensors"));
  const values: Record<string, Record<string, Float32Array>> = {};
  for (const name of numbers.names) {
    const [point = "", metric = ""] = name.split(".");
    (values[point] ??= {})[metric] = toFloat32(await numbers.read(name));
  }
  const measured: Record<string, Kept> = {};
  for (const point of features.names) {
    measured[point] = {
      features: toFloat32(await features.read(point)),
      numbers: values[point] ?? {},
    };
  }
  return measured;
}

/**
 * Averages measured windows, by the KID subsets of the run.
 *
 * @param lab parameters and networks
 * @param columns what was measured
 * @param seed of subsets and bootstrap
 */
export async function scoresOf(
  lab: Lab,
  { windows, measured, metrics }: Columns,
  seed: number,
): Promise<ReturnType<typeof summarize>> {
  const { kidSubsets, kidSubsetSize } = lab.params;
  const { featureWidth: width } = await lab.networks();
  return summarize(measured, {
    width,
    metrics,
    scenes: windows.map(({ scene }) => scene),
    subsets: [kidSubsets, Math.min(kidSubsetSize, windows.length)],
    seed,
    check: () => lab.context.interrupt.check(),
  });
}
