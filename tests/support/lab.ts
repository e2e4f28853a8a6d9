import { fromFileUrl, join } from "@std/path";
import { Artifacts } from "../../core/experiment/artifact.ts";
import { StopFlag } from "../../core/experiment/interrupt.ts";
import { RunDirectory } from "../../core/experiment/run_directory.ts";
import { readSources } from "../../core/experiment/sources.ts";
import { Lab } from "../../core/lab/lab.ts";
import { type LabParams, labPresets } from "../../core/lab/params.ts";
import { testGpu } from "./gpu.ts";
import { writeTinyNuscenes } from "./tiny_nuscenes.ts";

const sources = readSources(fromFileUrl(new URL("../..", import.meta.url)));

/** A lab on a dataset of nine keyframes in each of five scenes. */
export interface TinyLab extends Disposable {
  readonly lab: Lab;
  /** Labels of the lines of progress: works that were begun. */
  readonly begun: string[];
}

/**
 * Writes the dataset of {@linkcode tinyLab}.
 *
 * @param folder of the test
 */
export async function writeTinyData(folder: string): Promise<void> {
  const names = Array.from({ length: 5 }, (_, i) => `scene-${i}`);
  await writeTinyNuscenes(
    join(folder, "drive"),
    names.map((name) => ({ name, keyframes: 9 })),
    { imageSize: [64, 64] },
  );
  const parts = {
    train: names.slice(0, 2),
    val: names.slice(2, 3),
    test: names.slice(3),
  };
  await Deno.writeTextFile(
    join(folder, "drive/splits.json"),
    JSON.stringify(parts),
  );
}

/**
 * Opens a lab as one thread of a run has it.
 *
 * @param folder that {@linkcode writeTinyData} wrote to; artifacts are kept there
 * @param params that are not those of smoke
 */
export async function tinyLab(
  folder: string,
  params: Partial<LabParams> = {},
): Promise<TinyLab> {
  const begun: string[] = [];
  const gpu = await testGpu();
  const lab = new Lab({
    gpu,
    params: {
      ...labPresets.smoke,
      tuneSteps: 0,
      tuneFeatureSteps: 0,
      samples: 32,
      mlpSamples: 32,
      batch: 8,
      ...params,
    },
    flags: {
      preset: "smoke",
      data: join(folder, "drive"),
      out: folder,
      cache: folder,
      fresh: false,
      dryRun: false,
      help: false,
      files: {},
    },
    run: RunDirectory.inside(folder),
    artifacts: new Artifacts({
      root: join(folder, "artifacts"),
      sources: await sources,
      command: "test",
    }),
    interrupt: new StopFlag(),
    command: "test",
    progress: (label) => {
      begun.push(label);
      return { update: () => {}, end: () => {} };
    },
    log: () => {},
  });
  return { lab, begun, [Symbol.dispose]: () => lab[Symbol.dispose]() };
}
