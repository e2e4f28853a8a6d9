/**
 * A sweep of stand-ins for an experiment, without a device.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";
import type { InterruptState } from "../../core/experiment/interrupt.ts";
import { SweepFolder, type SweepPlan } from "../../core/sweep/folder.ts";
import { type Axis, crossAxes } from "../../core/sweep/grid.ts";
import type { Launch } from "../../core/sweep/ordinary.ts";
import type { Call } from "../../core/sweep/slurm.ts";
import type { TaskOptions } from "../../core/sweep/task.ts";
import { emptyFolder } from "./experiment_process.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));

/** Runs the stand-in where an experiment would run. */
export const launchStandIn: Launch = (_, args) =>
  new Deno.Command("deno", {
    cwd: root,
    args: [
      ...["run", "--no-prompt", "--allow-read=.", "--allow-write=.test"],
      ...["tests/support/sweep_row.ts", ...args],
    ],
    ...{ stdin: "null", stdout: "piped", stderr: "piped" },
  });

/** A run that nobody stops. */
export const ON: InterruptState = { requested: false, check: () => {} };

/** A machine without Slurm. */
export const noSlurm: Call = () => Promise.reject(new Error("no Slurm here"));

/** A node with a GPU. */
export const NODE = {
  ...{ adapter: "GPU by Vulkan", driver: "Vulkan", isSoftware: false },
  selfTest: "ab12",
};

/** How a task of a stand-in runs, unless told. */
export const TASK: TaskOptions = {
  write: () => {},
  interrupt: ON,
  call: noSlurm,
  launch: launchStandIn,
  look: () => Promise.resolve(NODE),
};

/**
 * Makes an empty folder with the grid of a sweep.
 *
 * @param path from the project's folder
 * @param axes of the grid
 * @param shared words of every row
 */
export async function sweepOf(
  path: string,
  axes: readonly Axis[],
  ...shared: string[]
): Promise<{ folder: SweepFolder; plan: SweepPlan }> {
  await emptyFolder(path);
  const folder = new SweepFolder(path, "test");
  const rows = crossAxes(axes, shared, (args) => [...args]);
  const plan: SweepPlan = {
    ...{ name: "test", task: "exp:frontier", preset: "smoke" },
    ...{ command: "./run sweep exp:frontier", cache: `${path}/data` },
    ...{ allowSoftware: false, requeues: 2, shared },
    axes: axes.map(({ name, values }) => ({ name, values: [...values] })),
    rows: rows.map((row) => ({
      ...row,
      values: { ...row.values },
      args: [...row.args],
    })),
  };
  await folder.write(plan);
  return { folder, plan };
}
